"""Whether a program's instructions fit together, before anything is loaded.

The compiler emits only programs that do; this guards against edited and damaged ones, and reports every
fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath

from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.errors.runtime import MalformedProgram, OutputEscapes
from mosaic.compiler.program import (
    Align,
    CombinePrompts,
    Decode,
    Denoise,
    Emit,
    EncodeImage,
    EncodeText,
    Fuse,
    LoadImage,
    LoadModel,
    Mask,
    Operand,
    Operation,
    Program,
    PromptPart,
    Refine,
    Resume,
)


def verify(program: Program) -> None:
    """Raise MosaicError (M752, M858) with every fault of a program."""
    faults = list(_faults(program))
    if faults:
        raise MosaicError(*faults)


def takes(operation: Operation) -> tuple[tuple[int, str], ...]:
    """The values that an operation takes, each with the type that it must have."""
    match operation:
        case LoadModel() | LoadImage():
            return ()
        case Fuse(model=model, operands=operands):
            others = ((operand.model, "model") for operand in operands if operand.model is not None)
            return ((model, "model"), *others)
        case EncodeText(model=model):
            return ((model, "model"),)
        case CombinePrompts(parts=parts):
            return tuple((part.conditioning, "conditioning") for part in parts)
        case Denoise(model=model, positive=positive, negative=negative):
            return ((model, "model"), (positive, "conditioning"), (negative, "conditioning"))
        case Resume() | Refine():
            return (
                (operation.model, "model"),
                (operation.latent, "latent"),
                (operation.positive, "conditioning"),
                (operation.negative, "conditioning"),
            )
        case Align(latent=latent, source=source, model=model):
            return ((latent, "latent"), (source, "model"), (model, "model"))
        case Decode(latent=latent, model=model):
            return ((latent, "latent"), (model, "model"))
        case EncodeImage(image=image, model=model):
            return ((image, "image"), (model, "model"))
        case Emit(value=value, type=kind):
            return ((value, kind),)


def gives(operation: Operation) -> str:
    """The type of an operation's result."""
    match operation:
        case LoadModel() | Fuse():
            return "model"
        case EncodeText() | CombinePrompts():
            return "conditioning"
        case Denoise() | Resume() | Refine() | Align() | EncodeImage():
            return "latent"
        case Decode() | LoadImage():
            return "image"
        case Emit():
            return "nothing"


def _faults(program: Program) -> Iterator[Diagnostic]:
    types: dict[int, str] = {}
    freed: dict[int, None] = {}
    paths: dict[str, None] = {}
    for position, instruction in enumerate(program.instructions):
        operation = instruction.operation
        for value, wanted in takes(operation):
            found = "freed" if value in freed else types.get(value, "missing")
            if found != wanted:
                yield _fault(position, f"value {value} is {found}, and {operation.op} needs a {wanted}")
        yield from _indices(program, position, operation)
        if isinstance(operation, Emit):
            if _escapes(operation.path):
                yield OutputEscapes(span=None, path=operation.path)
            if operation.path in paths:
                yield _fault(position, f"`{operation.path}` is written twice")
            paths[operation.path] = None
        if instruction.result in types:
            yield _fault(position, f"value {instruction.result} already exists")
        types[instruction.result] = gives(operation)
        for value in instruction.frees:
            if value not in types or value in freed:
                yield _fault(position, f"it frees value {value}, which does not exist")
            freed[value] = None


def _indices(program: Program, position: int, operation: Operation) -> Iterator[Diagnostic]:
    wanted: list[int] = []
    available, what = len(program.experts), "expert"
    match operation:
        case LoadModel(expert=expert):
            wanted = [expert]
        case Fuse(operands=operands, bridges=bridges):
            wanted = [operand.expert for operand in operands if operand.expert is not None]
            wanted += [bridge.expert for bridge in bridges]
            for operand in operands:
                if (operand.expert is None) == (operand.model is None):
                    yield _fault(position, "an operand has to be either an expert or a model")
        case Align(bridge=bridge) if bridge is not None:
            wanted = [bridge]
        case LoadImage(file=file):
            wanted, available, what = [file], len(program.images), "picture"
    for index in wanted:
        if not 0 <= index < available:
            yield _fault(position, f"it names {what} {index} of {available}")
    for index in _masks(operation):
        if not 0 <= index < len(program.images):
            yield _fault(position, f"it names picture {index} of {len(program.images)}")
    if isinstance(operation, LoadModel) and 0 <= operation.expert < len(program.experts):
        kind = program.experts[operation.expert].kind
        if kind != "checkpoint":
            yield _fault(position, f"it loads a {kind} as a model")


def _masks(operation: Operation) -> list[int]:
    """The pictures that regions are read from."""
    taking_part: tuple[Operand | PromptPart, ...] = ()
    match operation:
        case Fuse(operands=operands):
            taking_part = operands
        case CombinePrompts(parts=parts):
            taking_part = parts
    return [each.region.file for each in taking_part if isinstance(each.region, Mask)]


def _fault(position: int, reason: str) -> MalformedProgram:
    return MalformedProgram(span=None, position=position, reason=reason)


def _escapes(path: str) -> bool:
    """Whether a relative output path leaves its folder, on any system."""
    windows, posix = PureWindowsPath(path), PurePosixPath(path)
    parts = (*windows.parts, *posix.parts)
    return not path or "\0" in path or bool(windows.anchor) or posix.is_absolute() or ".." in parts
