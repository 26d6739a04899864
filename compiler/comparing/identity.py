"""When experts, pictures and values of two programs are the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from mosaic.compiler.comparing.meaning import Version
from mosaic.compiler.lower import VALUES
from mosaic.compiler.program import Emit, Expert, Fuse, LoadModel, Operand, Operation, Program

BESIDE = ("embedding", "vae")
"""Kinds of experts whose order counts under every operator: tokens are numbered by it, and of VAEs the last counts."""

MAIN = ("latent", "image", "value")
"""The fields by which a step goes on from the one before it."""


def content(expert: Expert) -> tuple[tuple[str, str, str], ...]:
    """The files of an expert, wherever they lie."""
    return tuple(sorted((file.role, file.name, file.sha256) for file in expert.files))


def digest(expert: Expert) -> str:
    """64 hex digits over the files of an expert, as locks and catalogs have it."""
    manifest = sorted(f"{file.role} {file.name} {file.sha256 or f'of {expert.id}'}" for file in expert.files)
    return hashlib.sha256("\n".join(manifest).encode()).hexdigest()


def pair_experts(old: Sequence[Expert], new: Sequence[Expert]) -> tuple[tuple[int, int], ...]:
    """Which expert of the new side is which of the old one: by id, and by content where the id is another one."""
    left, right = list(range(len(old))), list(range(len(new)))
    pairs: list[tuple[int, int]] = []
    # Two folders may hold one relative path each, so that an id alone may mean two experts.
    for told in (_whole, _named, _held):
        for i in tuple(left):
            j = next((j for j in right if told(old[i]) == told(new[j])), None)
            if j is not None:
                left.remove(i)
                right.remove(j)
                pairs.append((i, j))
    return tuple(sorted(pairs))


def _whole(expert: Expert) -> tuple[object, ...]:
    return expert.kind, expert.id, content(expert)


def _named(expert: Expert) -> tuple[object, ...]:
    return expert.kind, expert.id


def _held(expert: Expert) -> tuple[object, ...]:
    return expert.kind, content(expert)


def names(old: Program, new: Program) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A name for each expert of both programs, equal where they are the same expert."""
    pairs = pair_experts(old.experts, new.experts)
    left, right = dict(pairs), {j: i for i, j in pairs}
    return (
        tuple(str(i) if i in left else f"old {i}" for i in range(len(old.experts))),
        tuple(str(right[j]) if j in right else f"new {j}" for j in range(len(new.experts))),
    )


class View:
    """One side of a comparison. `names` are those of its experts; equal values have equal keys, on either side,
    whatever bytes their experts have."""

    def __init__(self, version: Version, names: Sequence[str]) -> None:
        self.version = version
        self.program = version.meaning
        self.names = names
        self._keys: list[str] = []
        for instruction in self.program.instructions:
            written = json.dumps(self._content(instruction.operation), sort_keys=True)
            self._keys.append(hashlib.sha256(written.encode()).hexdigest())

    def operation(self, number: int) -> Operation:
        """That makes a value."""
        return self.program.instructions[number].operation

    def key(self, number: int) -> str:
        """64 hex digits over how a value is made."""
        return self._keys[number]

    def emits(self) -> tuple[tuple[int, Emit], ...]:
        """What is written, in the order of the paths."""
        found = [
            (number, each.operation)
            for number, each in enumerate(self.program.instructions)
            if isinstance(each.operation, Emit)
        ]
        return tuple(sorted(found, key=lambda each: each[1].path))

    def steps(self, number: int) -> tuple[int, ...]:
        """How a picture or latent is made: the values on its way, the first one first; a model is no step."""
        way: list[int] = []
        at: int | None = number
        while at is not None and not isinstance(self.operation(at), (LoadModel, Fuse)):
            way.append(at)
            given = dict(self.operation(at))
            at = next((given[name] for name in MAIN if name in given), None)
        return tuple(reversed(way))

    def layers(self, model: int) -> tuple[int, tuple[int, ...]]:
        """The checkpoint at the bottom of a model, and the fusions upon it, the innermost first."""
        fusions: list[int] = []
        operation = self.operation(model)
        while isinstance(operation, Fuse):
            fusions.append(model)
            model = operation.model
            operation = self.operation(model)
        return model, tuple(reversed(fusions))

    def expert(self, operand: Operand) -> str:
        """The name of an operand's expert; empty for a fused model."""
        return self.names[operand.expert] if operand.expert is not None else ""

    def is_symmetric(self, fusion: Fuse) -> bool:
        """Whether the order of what it blends says nothing."""
        return fusion.operator in self.version.symmetric

    def is_beside(self, operand: Operand) -> bool:
        """Whether an operand is no part of what is blended."""
        return operand.expert is not None and self.program.experts[operand.expert].kind in BESIDE

    def order(self, fusion: Fuse) -> list[Operand]:
        """The operands of a fusion in an order that says something: those that stand beside as they are written, then
        the others, by name where their order does not matter."""
        beside = [each for each in fusion.operands if self.is_beside(each)]
        blended = [each for each in fusion.operands if not self.is_beside(each)]
        if self.is_symmetric(fusion):
            blended.sort(key=self._rank)
        return [*beside, *blended]

    def label(self, operand: Operand) -> str:
        """What an operand is called: the expert's id, or what the model is."""
        if operand.expert is not None:
            return self.program.experts[operand.expert].id
        assert operand.model is not None, "an operand is an expert or a model"
        base, fusions = self.layers(operand.model)
        loaded = self.operation(base)
        assert isinstance(loaded, LoadModel), "a model begins with a checkpoint"
        name = self.program.experts[loaded.expert].id
        return f"a fusion into {name}" if fusions else name

    def _rank(self, operand: Operand) -> tuple[str, str]:
        return self.label(operand), json.dumps(self._operand(operand), sort_keys=True)

    def _content(self, operation: Operation) -> dict[str, Any]:
        held = operation.model_dump(mode="json")
        held.pop("path", None)
        for name in VALUES:
            if name in held:
                held[name] = self._keys[held[name]]
        for name in ("expert", "bridge"):
            if held.get(name) is not None:
                held[name] = self.names[held[name]]
        if "file" in held:
            held["file"] = self.program.images[held["file"]].sha256
        if isinstance(operation, Fuse):
            held["operands"] = [self._operand(each) for each in self.order(operation)]
            held["bridges"] = [[way.source, way.target, self.names[way.expert]] for way in operation.bridges]
        for part in held.get("parts", ()):
            part["conditioning"] = self._keys[part["conditioning"]]
            self._region(part)
        return held

    def _operand(self, operand: Operand) -> dict[str, Any]:
        held = operand.model_dump(mode="json")
        if operand.expert is not None:
            held["expert"] = self.names[operand.expert]
        if operand.model is not None:
            held["model"] = self._keys[operand.model]
        self._region(held)
        return held

    def _region(self, holder: dict[str, Any]) -> None:
        region = holder.get("region")
        if region and "file" in region:
            region["file"] = self.program.images[region["file"]].sha256
