"""What differs in how a file is made: the steps of its making, the models that take them, the prompts they follow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mosaic.compiler.comparing.changes import Aspect, Change, Place, Side, Value, between
from mosaic.compiler.comparing.identity import View
from mosaic.compiler.comparing.models import Models
from mosaic.compiler.comparing.pairing import in_order
from mosaic.compiler.comparing.prompts import prompts
from mosaic.compiler.comparing.spelled import model, number, picture, size
from mosaic.compiler.notation import percent
from mosaic.compiler.program import (
    Align,
    Decode,
    Denoise,
    EncodeImage,
    LoadImage,
    Operation,
    Refine,
    Resume,
)

VERBS: Final = {
    "denoise": "sample",
    "resume": "resume",
    "refine": "refine",
    "align": "align",
    "decode": "decode",
    "encode_image": "encode",
    "load_image": "load_image",
}
"""The verb of the language that a step is written as."""

_NUMBERS: Final = {
    "denoise": (
        (Aspect.STEPS, "steps", 3),
        (Aspect.GUIDANCE, "guidance", 4),
        (Aspect.SIZE, "size", 5),
        (Aspect.SEED, "seed", 6),
        (Aspect.SCHEDULER, "scheduler", 7),
        (Aspect.UNTIL, "until", 8),
    ),
    "resume": (
        (Aspect.GUIDANCE, "guidance", 4),
        (Aspect.STEPS, "steps", 5),
        (Aspect.UNTIL, "until", 6),
    ),
    "refine": (
        (Aspect.AMOUNT, "strength", 4),
        (Aspect.STEPS, "steps", 5),
        (Aspect.GUIDANCE, "guidance", 6),
        (Aspect.SEED, "seed", 7),
        (Aspect.SCHEDULER, "scheduler", 8),
    ),
    "decode": ((Aspect.TILE, "tile", 2),),
    "encode_image": ((Aspect.TILE, "tile", 2),),
}
"""What a step is told, with the place of the input of the core operation that says it."""
_PROMPTS: Final = {"denoise": (1, 2), "resume": (2, 3), "refine": (2, 3)}
_QUIET: Final = (Decode, EncodeImage)
"""Steps that a plan need not write: `emit` decodes, `refine` encodes."""


class Making:
    """Compares what two programs emit. What two emits have in common is looked at once."""

    def __init__(self, old: View, new: View) -> None:
        self._old, self._new = old, new
        self._models = Models(old, new)

    def changes(self, old: int, new: int) -> tuple[Change, ...]:
        """Between two values, a picture, a latent or a model each."""
        if self._old.key(old) == self._new.key(new):
            return ()
        before, after = self._old.steps(old), self._new.steps(new)
        is_model = not before and not after
        found = list(self._models.changes(old, new) if is_model else self._steps(before, after))
        if not found:
            sides = (
                Side(view.key(number), f"program of {view.key(number)[:12]}…")
                for view, number in ((self._old, old), (self._new, new))
            )
            found = [between(Aspect.COMPUTED, sides)]
        return tuple(_once(found))

    def _steps(self, before: tuple[int, ...], after: tuple[int, ...]) -> Iterator[Change]:
        labels = _labels(self._old, before), _labels(self._new, after)
        gone: list[tuple[Operation, Change]] = []
        pairs = in_order([*enumerate(before)], [*enumerate(after)], lambda i, j: self._likeness(i[1], j[1]))
        for one, other in pairs:
            if one is not None and other is not None:
                yield from self._step(one[1], other[1], labels[1][other[0]])
                continue
            view, place = (self._old, one) if one is not None else (self._new, other)
            assert place is not None, "a pair has one side at least"
            label = (labels[0] if one is not None else labels[1])[place[0]]
            told = Side(label, _described(view, place[1]), place=view.version.at(place[1]).whole)
            old, new = (told, None) if one is not None else (None, told)
            gone.append((view.operation(place[1]), Change(Aspect.STEP, old, new, of=label)))
        loud = [change for operation, change in gone if not isinstance(operation, _QUIET)]
        yield from loud or [change for _, change in gone]

    def _likeness(self, old: int, new: int) -> float:
        one, other = self._old.operation(old), self._new.operation(new)
        if one.op != other.op:
            return 0.0
        if self._old.key(old) == self._new.key(new):
            return 2.0
        if isinstance(one, LoadImage):
            return 1.0
        told = _NUMBERS.get(one.op, ())
        same = sum(_value(one, name) == _value(other, name) for _, name, _ in told)
        given, taken = dict(one), dict(other)
        models = [
            self._old.key(given[name]) == self._new.key(taken[name])
            for name in ("model", "positive")
            if name in given
        ]
        return 1.0 + (same + sum(models)) / (len(told) + len(models) + 1)

    def _step(self, old: int, new: int, label: str) -> Iterator[Change]:
        one, other = self._old.operation(old), self._new.operation(new)
        if isinstance(one, (Denoise, Resume, Refine, EncodeImage)):
            assert isinstance(other, (Denoise, Resume, Refine, EncodeImage)), "pairs do the same"
            yield from self._models.changes(one.model, other.model)
        if isinstance(one, (Denoise, Resume, Refine)) and isinstance(other, (Denoise, Resume, Refine)):
            places = _PROMPTS[one.op]
            told = (Aspect.PROMPT, "positive", places[0]), (Aspect.NEGATIVE, "negative", places[1])
            for aspect, name, at in told:
                here = self._old.version.at(old), self._new.version.at(new)
                pair = (dict(one)[name], dict(other)[name])
                yield from prompts(aspect, label, (self._old, self._new), pair, here, at)
        for aspect, name, at in _NUMBERS.get(one.op, ()):
            was, now = _value(one, name), _value(other, name)
            if was != now:
                yield Change(
                    aspect,
                    Side(was, number(aspect, was), place=_at(self._old, old, at)),
                    Side(now, number(aspect, now), place=_at(self._new, new, at)),
                    at=label,
                )
        if isinstance(one, Align) and isinstance(other, Align):
            yield from self._align((old, one), (new, other), label)
        if isinstance(one, LoadImage) and isinstance(other, LoadImage):
            yield from self._picture((old, one), (new, other), label)

    def _picture(
        self, old: tuple[int, LoadImage], new: tuple[int, LoadImage], label: str
    ) -> Iterator[Change]:
        was = self._old.program.images[old[1].file]
        now = self._new.program.images[new[1].file]
        if was.sha256 != now.sha256:
            one = Side(was.sha256, picture(was), place=_at(self._old, old[0]))
            other = Side(now.sha256, picture(now), place=_at(self._new, new[0]))
            yield Change(Aspect.PICTURE, one, other, at=label)

    def _align(self, old: tuple[int, Align], new: tuple[int, Align], label: str) -> Iterator[Change]:
        (i, one), (j, other) = old, new
        yield from self._models.changes(one.model, other.model)
        was = None if one.bridge is None else self._old.names[one.bridge]
        now = None if other.bridge is None else self._new.names[other.bridge]
        if was != now:
            yield Change(
                Aspect.BRIDGE,
                _way(self._old, i, one),
                _way(self._new, j, other),
                at=label,
            )


def numbers(operation: Operation) -> Iterator[tuple[Aspect, Value]]:
    """What a step is told beside its model and prompts; tiles where there are any."""
    for aspect, name, _ in _NUMBERS.get(operation.op, ()):
        value = _value(operation, name)
        if aspect is not Aspect.TILE or value is not None:
            yield aspect, value


def _way(view: View, number: int, operation: Align) -> Side:
    place = view.version.at(number).whole
    if operation.bridge is None:
        return Side(None, "through a picture", place=place)
    name = view.program.experts[operation.bridge].id
    return Side(name, name, place=place)


def _value(operation: Operation, name: str) -> Value:
    if name == "size" and isinstance(operation, Denoise):
        return operation.width, operation.height
    value: Value = getattr(operation, name)
    return value


def _at(view: View, number: int, given: int | None = None) -> Place | None:
    written = view.version.at(number)
    if given is None or given >= len(written.inputs):
        return written.whole
    return written.inputs[given] or written.whole


def _labels(view: View, steps: tuple[int, ...]) -> list[str]:
    """A name for each step: its verb, numbered where a verb stands several times."""
    verbs = [VERBS[view.operation(number).op] for number in steps]
    return [
        verb if verbs.count(verb) == 1 else f"{verb} {verbs[: at + 1].count(verb)}"
        for at, verb in enumerate(verbs)
    ]


def _described(view: View, number: int) -> str:
    """A step in a few words: what it does, by which model."""
    operation = view.operation(number)
    match operation:
        case Denoise():
            canvas = size((operation.width, operation.height))
            return (
                f"{canvas}, {operation.steps} steps, seed {operation.seed}, by {model(view, operation.model)}"
            )
        case Refine():
            amount = percent(operation.strength)
            return (
                f"{amount}, {operation.steps} steps, seed {operation.seed}, by {model(view, operation.model)}"
            )
        case Resume():
            return f"until {percent(operation.until)} by {model(view, operation.model)}"
        case Align():
            return f"for {model(view, operation.model)}"
        case LoadImage():
            return picture(view.program.images[operation.file])
        case _:
            return VERBS[operation.op]


def _once(found: list[Change]) -> Iterator[Change]:
    """Each change once: a prompt that is handed on from step to step is written in one place."""
    kept: list[Change] = []
    for change in found:
        if change not in kept and not any(_is_handed_on(change, other) for other in kept):
            kept.append(change)
            yield change


def _is_handed_on(change: Change, other: Change) -> bool:
    """Whether a step changed because one before it did: in the same way, and by the same place of either text."""
    handed = (Aspect.PROMPT, Aspect.NEGATIVE, Aspect.GUIDANCE)
    if change.aspect not in handed or (change.aspect, change.of) != (other.aspect, other.of):
        return False
    sides = ((change.old, other.old), (change.new, other.new))
    if any((one and one.value) != (two and two.value) for one, two in sides):
        return False
    return any(one and two and one.place and one.place == two.place for one, two in sides)
