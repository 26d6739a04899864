"""Content-addressed keys: what a value is made of, as one digest.

The key of an instruction is a hash of its operation with every reference replaced by content: values by their own keys
(Merkle 1979), experts and pictures by the digests of their files. So it is independent of names, of where files lie, of
value numbers, of the order of instructions, and of the plan around. Operands stand in the order in which the engine
adds them; the compiler has brought those of symmetric operators into one order.

What decides numbers beside the program (`numerics`) is part of every key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mosaic.compiler.program import (
    Align,
    CombinePrompts,
    Decode,
    Emit,
    EncodeImage,
    Expert,
    File,
    Fuse,
    LoadImage,
    LoadModel,
    Mask,
    Operand,
    Operation,
    Program,
    PromptPart,
)

VERSION: Final = 1
"""Raised when the form of keys or of what is stored under them changes."""

_VALUES: Final = ("model", "latent", "positive", "negative", "source", "image")
"""Fields that hold value numbers, in operations that have nothing else by these names."""

_KEEP_CODEC: Final = ("lora", "embedding")
"""Experts that leave the codec of a model as it is, and add no model that could end a run in another latent space."""


def narrowed(program: Program) -> tuple[Operation, ...]:
    """The operations of a program, each taking no more than it reads.

    What only encodes or decodes pictures reads the codec of a model, and LoRAs and embeddings do not touch it: it takes
    the model below them. So pictures of many looks share what the codec alone makes, and a picture is decoded without
    fusing anything.
    """
    numbers = {each.result: each.operation for each in program.instructions}

    def codec(value: int) -> int:
        operation = numbers.get(value)
        while isinstance(operation, Fuse) and _keeps_codec(program, operation):
            value = operation.model
            operation = numbers.get(value)
        return value

    def narrow(operation: Operation) -> Operation:
        match operation:
            case Decode() | EncodeImage():
                return operation.model_copy(update={"model": codec(operation.model)})
            case Align():
                update = {"model": codec(operation.model), "source": codec(operation.source)}
                return operation.model_copy(update=update)
            case _:
                return operation

    return tuple(narrow(each.operation) for each in program.instructions)


def keys(program: Program, operations: Sequence[Operation], numerics: Mapping[str, str]) -> tuple[str, ...]:
    """The key of every instruction's result, 64 hex digits each; that of an emit names what is written.

    `operations` are those of the program, perhaps `narrowed`. The program is a verified one.
    """
    salt = _salt(numerics)
    contents = _Contents(program)
    found: dict[int, str] = {}
    ordered = []
    for instruction, operation in zip(program.instructions, operations, strict=True):
        content = _bytes(contents.of(operation, found))
        key = hashlib.sha256(salt.encode() + content).hexdigest()
        found[instruction.result] = key
        ordered.append(key)
    return tuple(ordered)


def text_key(family: str, content: str, text: str, numerics: Mapping[str, str]) -> str:
    """The key of what a text encoder makes of a text. `content` names encoder and tokenizer by digests, with all that
    was fused into them, so that models which differ elsewhere share it."""
    made = _bytes({"op": "read", "family": family, "encoder": content, "text": text})
    return hashlib.sha256(_salt(numerics).encode() + made).hexdigest()


def _salt(numerics: Mapping[str, str]) -> str:
    return hashlib.sha256(_bytes({"keys": VERSION, **numerics})).hexdigest()


def _bytes(content: Mapping[str, Any]) -> bytes:
    # Not RFC 8785 as programs are: numbers that are out of its range are refused later, with a message.
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


class _Contents:
    """Operations of one program with every reference replaced by content."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.experts = [expert_content(expert) for expert in program.experts]

    def of(self, operation: Operation, keys: Mapping[int, str]) -> dict[str, Any]:
        """An operation as JSON. `keys` are those of the values before it."""
        written = operation.model_dump(mode="json")
        match operation:
            case LoadModel():
                written["expert"] = self.experts[operation.expert]
            case LoadImage():
                written["file"] = self.program.images[operation.file].sha256
            case Emit():
                return {"op": "emit", "value": keys[operation.value], "type": operation.type}
            case Fuse():
                written["operands"] = [self._operand(each, keys) for each in operation.operands]
                written["bridges"] = [
                    {"source": each.source, "target": each.target, "expert": self.experts[each.expert]}
                    for each in operation.bridges
                ]
            case CombinePrompts():
                written["parts"] = [self._part(each, keys) for each in operation.parts]
            case Align() if operation.bridge is not None:
                written["bridge"] = self.experts[operation.bridge]
        for name in _VALUES:
            if name in written:
                written[name] = keys[written[name]]
        return written

    def _operand(self, operand: Operand, keys: Mapping[int, str]) -> dict[str, Any]:
        written = self._placed(operand)
        if operand.expert is not None:
            written["expert"] = self.experts[operand.expert]
        if operand.model is not None:
            written["model"] = keys[operand.model]
        return written

    def _part(self, part: PromptPart, keys: Mapping[int, str]) -> dict[str, Any]:
        return {**self._placed(part), "conditioning": keys[part.conditioning]}

    def _placed(self, each: Operand | PromptPart) -> dict[str, Any]:
        written = each.model_dump(mode="json")
        if isinstance(each.region, Mask):
            written["region"]["file"] = self.program.images[each.region.file].sha256
        return written


def expert_content(expert: Expert) -> dict[str, Any]:
    """What of an expert decides numbers: its bytes, and what the catalog says of how to read them."""
    content: dict[str, Any] = {
        "kind": expert.kind,
        "family": expert.family,
        "space": expert.latent_space,
        "prediction": expert.prediction,
        "files": [[file.role, _inner_name(expert, file), file.sha256] for file in expert.files],
    }
    if expert.kind == "embedding":
        content["word"] = expert.trigger  # the word that prompts call it by
    return content


def _inner_name(expert: Expert, file: File) -> str:
    """What of a file's name is structure: its place in a checkpoint's folder, else only what kind of file it is."""
    # A checkpoint without a stated latent space has one of its own, which is called by its files.
    if (
        expert.kind == "checkpoint" and ("/" in file.name or expert.latent_space is None)
    ) or not file.name.endswith(".safetensors"):
        return file.name
    return "*.fp16.safetensors" if ".fp16." in file.name else "*.safetensors"


def _keeps_codec(program: Program, operation: Fuse) -> bool:
    return all(
        operand.expert is not None and program.experts[operand.expert].kind in _KEEP_CODEC
        for operand in operation.operands
    )
