"""What differs between two models: the checkpoint, the fusions upon it, and what takes part in each."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler.comparing.changes import Aspect, Change, Place, Side, between
from mosaic.compiler.comparing.identity import View, digest
from mosaic.compiler.comparing.infixes import Part, infixes
from mosaic.compiler.comparing.pairing import by_likeness, in_order, share
from mosaic.compiler.comparing.spelled import operand, operands, operator, setting, short
from mosaic.compiler.program import Fuse, LoadModel, Operand


class Models:
    """Compares models of two programs, each pair once."""

    def __init__(self, old: View, new: View) -> None:
        self._old, self._new = old, new
        self._known: dict[tuple[int, int], tuple[Change, ...]] = {}

    def changes(self, old: int, new: int) -> tuple[Change, ...]:
        """Between two models."""
        if self._old.key(old) == self._new.key(new):
            return ()
        if (old, new) not in self._known:
            self._known[old, new] = tuple(self._compared(old, new))
        return self._known[old, new]

    def _compared(self, old: int, new: int) -> Iterator[Change]:
        (was, before), (now, after) = self._old.layers(old), self._new.layers(new)
        bases = self._loaded(self._old, was), self._loaded(self._new, now)
        if bases[0][0] != bases[1][0]:
            yield Change(Aspect.BASE, bases[0][1], bases[1][1])
        for one, other in in_order(before, after, self._likeness):
            if one is not None and other is not None:
                yield from self._fusion(one, other)
            else:
                sides = (_whole(self._old, one), _whole(self._new, other))
                yield between(Aspect.FUSION, sides)

    def _loaded(self, view: View, number: int) -> tuple[str, Side]:
        loaded = view.operation(number)
        assert isinstance(loaded, LoadModel), "a model begins with a checkpoint"
        name = view.program.experts[loaded.expert].id
        return view.names[loaded.expert], Side(name, name, place=_first(view, number))

    def _likeness(self, old: int, new: int) -> float:
        one, other = _fuse(self._old, old), _fuse(self._new, new)
        experts = share(
            [self._old.expert(each) for each in one.operands],
            [self._new.expert(each) for each in other.operands],
        )
        return 1.0 + experts + (one.operator == other.operator) / 4

    def _fusion(self, old: int, new: int) -> Iterator[Change]:
        one, other = _fuse(self._old, old), _fuse(self._new, new)
        pairs = by_likeness(one.operands, other.operands, self._resemblance)
        for i, j in pairs:
            places = _operand_place(self._old, old, i), _operand_place(self._new, new, j)
            if i is not None and j is not None:
                yield from self._operand(one.operands[i], other.operands[j], places)
            else:
                was = self._told(self._old, one.operands[i], places[0]) if i is not None else None
                now = self._told(self._new, other.operands[j], places[1]) if j is not None else None
                told = was or now
                assert told is not None
                yield Change(Aspect.OPERAND, was, now, of=str(told.value))
        yield from self._order(old, new, [(i, j) for i, j in pairs if i is not None and j is not None])
        yield from self._operator(old, new)

    def _resemblance(self, one: Operand, other: Operand) -> float:
        if self._old.expert(one) != self._new.expert(other):
            return 0.0
        if one.model is not None and other.model is not None:
            same = self._old.key(one.model) == self._new.key(other.model)
            like = 1.0 if same else 0.5 if self._old.label(one) == self._new.label(other) else 0.25
        else:
            like = 1.0
        told = ("region", "window", "strength")
        equal = sum(bool(getattr(one, name) == getattr(other, name)) for name in told)
        return like + equal / 16

    def _told(self, view: View, given: Operand, place: Place | None) -> Side:
        text = operand(view, given)
        if given.expert is not None:
            expert = view.program.experts[given.expert]
            told = [expert.kind, *([expert.license] if expert.license else []), short(digest(expert))]
            text = f"{text} ({', '.join(told)})"
        return Side(view.label(given), text, place=place)

    def _operand(
        self, one: Operand, other: Operand, places: tuple[Place | None, Place | None]
    ) -> Iterator[Change]:
        if one.model is not None and other.model is not None:
            yield from self.changes(one.model, other.model)
        parts = _part(one, places[0]), _part(other, places[1])
        yield from infixes((self._old, self._new), *parts, of=self._new.label(other))

    def _order(self, old: int, new: int, pairs: list[tuple[int, int]]) -> Iterator[Change]:
        """Where the order of what is on both sides is another one, and says something."""
        one, other = _fuse(self._old, old), _fuse(self._new, new)
        is_free = self._old.is_symmetric(one) and self._new.is_symmetric(other)
        for beside in (True, False):
            if is_free and not beside:
                continue
            among = [(i, j) for i, j in pairs if self._old.is_beside(one.operands[i]) is beside]
            before, after = sorted(among), sorted(among, key=lambda pair: pair[1])
            if before != after:
                was = tuple(self._old.label(one.operands[i]) for i, _ in before)
                now = tuple(self._new.label(other.operands[j]) for _, j in after)
                sides = (
                    Side(names, ", ".join(names), place=view.version.at(number).whole)
                    for names, view, number in ((was, self._old, old), (now, self._new, new))
                )
                yield between(Aspect.ORDER, sides)

    def _operator(self, old: int, new: int) -> Iterator[Change]:
        one, other = _fuse(self._old, old), _fuse(self._new, new)
        places = _via(self._old, old), _via(self._new, new)
        if one.operator != other.operator:
            reasons = self._old.version.at(old).reason, self._new.version.at(new).reason
            was = Side(one.operator, operator(one), reasons[0], places[0])
            now = Side(other.operator, operator(other), reasons[1], places[1])
            yield Change(Aspect.OPERATOR, was, now)
            return
        if one.operator_version != other.operator_version:
            versions = one.operator_version, other.operator_version
            was, now = (Side(v, str(v), place=place) for v, place in zip(versions, places, strict=True))
            yield Change(Aspect.VERSION, was, now, of=one.operator)
        for name in sorted({*one.settings, *other.settings}):
            if one.settings.get(name) != other.settings.get(name):
                was, now = (
                    Side(fusion.settings.get(name), setting(fusion.settings.get(name)), place=place)
                    for fusion, place in zip((one, other), places, strict=True)
                )
                yield Change(Aspect.SETTING, was, now, of=f"{one.operator}({name})")
        yield from self._bridges((one, places[0]), (other, places[1]))

    def _bridges(self, old: tuple[Fuse, Place | None], new: tuple[Fuse, Place | None]) -> Iterator[Change]:
        ways = [{(way.source, way.target): way.expert for way in fusion.bridges} for fusion, _ in (old, new)]
        for way in sorted({*ways[0], *ways[1]}):
            names = [
                view.names[ways[at][way]] if way in ways[at] else None
                for at, view in enumerate((self._old, self._new))
            ]
            if names[0] == names[1]:
                continue
            sides = [
                Side(
                    view.program.experts[ways[at][way]].id,
                    view.program.experts[ways[at][way]].id,
                    place=place,
                )
                if way in ways[at]
                else None
                for at, (view, (_, place)) in enumerate(((self._old, old), (self._new, new)))
            ]
            yield Change(Aspect.BRIDGE, sides[0], sides[1], of=f"{way[0]} to {way[1]}")


def _fuse(view: View, number: int) -> Fuse:
    operation = view.operation(number)
    assert isinstance(operation, Fuse), "layers of a model are fusions"
    return operation


def _whole(view: View, number: int | None) -> Side | None:
    if number is None:
        return None
    fusion = _fuse(view, number)
    written = view.version.at(number)
    text = f"{operands(view, fusion)} by {operator(fusion)}"
    return Side(text, text, written.reason, written.whole)


def _first(view: View, number: int) -> Place | None:
    written = view.version.at(number)
    return written.inputs[0] if written.inputs else written.whole


def _operand_place(view: View, fusion: int, at: int | None) -> Place | None:
    written = view.version.at(fusion)
    if at is None:
        return None
    return written.inputs[1 + at] if 1 + at < len(written.inputs) else written.whole


def _via(view: View, fusion: int) -> Place | None:
    return view.version.at(fusion).whole


def _part(given: Operand, place: Place | None) -> Part:
    return Part(given.strength, given.region, given.window, given.partial, place)
