"""Executing one operation: from the values that it takes to the value that it gives, or a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import NotFinite, NotOneModel, OutOfMemory, UnsupportedSize
from mosaic.compiler.operators import Acts, Law
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
from mosaic.compiler.steps import steps_until
from mosaic.runtime import denoise, pictures, tiles
from mosaic.runtime.align import carry
from mosaic.runtime.bridges import read_bridge
from mosaic.runtime.cache.overlays import work_out
from mosaic.runtime.evaluate import ROWS_AT_ONCE, Meter
from mosaic.runtime.fuse import Fusion
from mosaic.runtime.outputs import Emitted, recipe, write_image, write_latent, write_model
from mosaic.runtime.values import (
    Conditioning,
    Image,
    Latent,
    Mix,
    Model,
    Prompt,
    Tree,
    Turn,
    Value,
    first_leaf,
    last_leaf,
    leaves,
)

if TYPE_CHECKING:
    from mosaic.runtime.engine import Engine

_V = TypeVar("_V", Conditioning, Latent, Image)
_Placed = TypeVar("_Placed", Operand, PromptPart)


class Executor:
    """Executes the operations of one program. What they take is handed in by value number."""

    def __init__(self, engine: Engine, program: Program) -> None:
        self.engine = engine
        self.program = program
        self.meter = Meter(advance=engine.progress.advance)
        self.fusion = Fusion(
            program.experts,
            engine.operators,
            engine.reader,
            engine.base,
            partial(read_bridge, engine.reader),
            engine.adapters,
        )

    def execute(
        self, operation: Operation, values: Mapping[int, Value], key: str = "", *, settle: bool = True
    ) -> Value:
        """The result of any operation but an emit, which has this key. Without `settle` a fusion is not worked out: see
        `Fusion.apply`.

        Raises MosaicError.
        """
        with self.telling(operation, values):
            return self._execute(operation, values, key, settle)

    @contextmanager
    def telling(self, operation: Operation, values: Mapping[int, Value], count: int = 1) -> Iterator[None]:
        """Tell of an operation, or of so many like it at once, and in its name of memory that runs out."""
        several = f" {count} together" if count > 1 else ""
        self.engine.progress.stage(label(self.program, operation) + several, _parts(operation, values))
        with _told(self.engine.device.name, operation):
            yield

    def write(self, operation: Emit, value: Value, folder: Path, version: str) -> Emitted:
        """Write what is emitted below a folder. Raises MosaicError."""
        self.engine.progress.stage(label(self.program, operation), 1)
        path = folder / operation.path
        texts = recipe(self.program, version, operation)
        with _told(self.engine.device.name, operation):
            match value:
                case Image() as image:
                    digest = write_image(image, path, texts)
                case Latent() as latent:
                    digest = write_latent(latent, path, texts)
                case Model() as model:
                    digest = write_model(model, path, texts)
                case Turn() | Mix():
                    raise MosaicError(NotOneModel(span=None, what=f"`{operation.path}`"))
                case Conditioning():
                    raise AssertionError("verify() lets no conditioning be emitted")
        return Emitted(operation.path, path, operation.type, digest)

    def denoising(
        self, operation: Denoise | Resume | Refine, values: Mapping[int, Value]
    ) -> denoise.Denoising:
        """What a denoising run is told beside its settings."""
        return denoise.Denoising(
            model=_model(values, operation.model),
            positive=_value(values, operation.positive, Conditioning),
            negative=_value(values, operation.negative, Conditioning),
            meter=self.meter,
            load=self._mask,
            rows=self.engine.batch or ROWS_AT_ONCE,
        )

    def _execute(self, operation: Operation, values: Mapping[int, Value], key: str, settle: bool) -> Value:
        operation = self._placed(operation)
        match operation:
            case LoadModel(expert=expert):
                return Model.of(self.engine.base(self.program.experts[expert]))
            case Fuse():
                return self._fuse(operation, values, key, settle)
            case EncodeText():
                prompt = Prompt(operation.text, encode=self.engine.encode_text)
                for leaf in leaves(_model(values, operation.model)):
                    prompt.hidden(leaf)
                return Conditioning((prompt,))
            case CombinePrompts():
                return _combine_prompts(operation, values)
            case Denoise():
                return denoise.sample(self.denoising(operation, values), operation)
            case Resume(latent=latent):
                return denoise.resume(
                    self.denoising(operation, values), _value(values, latent, Latent), operation
                )
            case Refine(latent=latent):
                return denoise.refine(
                    self.denoising(operation, values), _value(values, latent, Latent), operation
                )
            case Align():
                return self._align(operation, values)
            case Decode():
                return _decode(operation, values)
            case EncodeImage():
                return _encode_image(operation, values)
            case LoadImage(file=file):
                wanted = self.program.images[file]
                return pictures.load(self.engine.reader.path(wanted), wanted.location)
            case Emit():
                raise AssertionError("an emit is written, not executed")

    def _fuse(self, operation: Fuse, values: Mapping[int, Value], key: str, settle: bool) -> Tree:
        models = {o.model: _model(values, o.model) for o in operation.operands if o.model is not None}
        into, store, advance = _model(values, operation.model), self.engine.store, self.meter.advance
        if not settle or store is None or not key or not self._is_kept(operation):
            return self.fusion.apply(into, operation, models, advance, settle=settle)
        fused = self.fusion.apply(into, operation, models, settle=False)
        work_out(fused, into, store, key, advance)
        return fused

    def _is_kept(self, operation: Fuse) -> bool:
        """Whether what a fusion makes may be worth keeping. What a cut to a rank loses is told as it is computed."""
        operator = self.engine.operators.get(operation.operator)
        is_plain = operator is None or operator.acts is not Acts.WEIGHTS or Law.LINEAR in operator.laws
        return not is_plain and not operation.settings.get("rank")

    def _align(self, operation: Align, values: Mapping[int, Value]) -> Latent:
        bridge = None if operation.bridge is None else self.program.experts[operation.bridge]
        return carry(
            _value(values, operation.latent, Latent),
            last_leaf(_model(values, operation.source)),
            first_leaf(_model(values, operation.model)),
            None if bridge is None else read_bridge(self.engine.reader, bridge),
        )

    def _placed(self, operation: Operation) -> Operation:
        """An operation whose regions name pictures by the engine's numbers: programs number theirs each for itself, and
        share the values that have regions."""
        match operation:
            case Fuse(operands=operands):
                return operation.model_copy(update={"operands": tuple(map(self._at, operands))})
            case CombinePrompts(parts=parts):
                return operation.model_copy(update={"parts": tuple(map(self._at, parts))})
            case _:
                return operation

    def _at(self, each: _Placed) -> _Placed:
        if not isinstance(each.region, Mask):
            return each
        number = self.engine.picture(self.program.images[each.region.file])
        return each.model_copy(update={"region": each.region.model_copy(update={"file": number})})

    def _mask(self, index: int) -> torch.Tensor:
        wanted = self.engine.pictures[index]
        return pictures.grey(pictures.load(self.engine.reader.path(wanted), wanted.location))


def label(program: Program, operation: Operation) -> str:
    """An operation in a few words, for progress bars and reports."""
    experts = program.experts
    match operation:
        case LoadModel(expert=expert):
            return f"load {experts[expert].id}"
        case Fuse(operands=operands):
            return f"fuse {len(operands)} expert{'' if len(operands) == 1 else 's'}"
        case LoadImage(file=file):
            return f"read {program.images[file].name}"
        case Emit(path=path):
            return f"write {path}"
        case _:
            return _LABELS[operation.op]


_LABELS = {
    "encode_text": "read prompt",
    "combine_prompts": "combine prompts",
    "align": "carry over",
    "denoise": "denoise",
    "resume": "resume",
    "refine": "refine",
    "decode": "decode",
    "encode_image": "encode picture",
}


def _combine_prompts(operation: CombinePrompts, values: Mapping[int, Value]) -> Conditioning:
    return Conditioning(
        tuple(
            replace(prompt, weight=part.weight, window=part.window, region=part.region)
            for part in operation.parts
            for prompt in _value(values, part.conditioning, Conditioning).prompts
        )
    )


def _decode(operation: Decode, values: Mapping[int, Value]) -> Image:
    model = last_leaf(_model(values, operation.model))
    latent = _value(values, operation.latent, Latent)
    denoise.require_channels(latent, model)
    picture = tiles.decode(model, latent.sample.to(model.base.device.torch), operation.tile)
    if not bool(torch.isfinite(picture).all()):
        raise MosaicError(NotFinite(span=None, operation="decoding"))
    return pictures.from_tensor(picture)


def _encode_image(operation: EncodeImage, values: Mapping[int, Value]) -> Latent:
    model = first_leaf(_model(values, operation.model))
    image = _value(values, operation.image, Image)
    height, width = image.pixels.shape[:2]
    factor = model.vae.factor
    if width % factor or height % factor:
        raise MosaicError(UnsupportedSize(span=None, width=width, height=height, multiple=factor))
    picture = pictures.to_tensor(image, model.base.device.torch)
    return Latent(tiles.encode(model, picture, operation.tile), None)


def _model(values: Mapping[int, Value], number: int) -> Tree:
    # `verify` has proven the types of all values.
    return cast(Tree, values[number])


def _value(values: Mapping[int, Value], number: int, kind: type[_V]) -> _V:
    # `verify` has proven the types of all values.
    return cast(_V, values[number])


def _parts(operation: Operation, values: Mapping[int, Value]) -> int:
    """How many parts the progress of an operation has."""
    match operation:
        case Denoise():
            return max(1, steps_until(operation.until, operation.steps))
        case Refine():
            return max(1, int(operation.strength * operation.steps + 1e-6))
        case Resume():
            run = _value(values, operation.latent, Latent).run
            left = steps_until(operation.until, run.total) - run.position if run else 1
            return max(1, left if operation.steps is None else min(left, operation.steps))
        case _:
            return 1


@contextmanager
def _told(device: str, operation: Operation) -> Iterator[None]:
    """Memory that runs out, as the message about an operation."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        raise MosaicError(OutOfMemory(span=None, device=device, operation=operation.op)) from error


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    # Only cuda has a type of its own for it; the CPU's and mps's allocators say it in words.
    words = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(w in str(error) for w in words)
