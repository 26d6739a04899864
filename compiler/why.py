"""Why a value of a program is computed: who needs it, what it needs, and which passes made it what it is."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass

from mosaic.compiler.ir.evaluate import operand
from mosaic.compiler.ir.graph import Node, walk
from mosaic.compiler.ir.ops import EFFECTS
from mosaic.compiler.lower import instructions
from mosaic.compiler.passes import OPTIMISE
from mosaic.compiler.passes.drop_dead import drop_dead
from mosaic.compiler.passes.expand_verbs import expand_verbs
from mosaic.compiler.passes.fold_constants import fold_constants
from mosaic.compiler.passes.share_equal import share_equal
from mosaic.compiler.passes.spell_operands import spell_operands
from mosaic.compiler.source import Span
from mosaic.compiler.stages import CHECKED, Stages


@dataclass(frozen=True)
class Hand:
    """A pass without which a value would be another one. `by_way_of` are inputs of which the same is true."""

    name: str
    summary: str
    by_way_of: tuple[int, ...]


@dataclass(frozen=True)
class Reason:
    """Why an instruction is there. Numbers are values of the program.

    `paths` lead to the emits that need it, one each, itself first; `users` read it, `needs` are read by it. `written`
    says how many equal ones were found in the plan, `place` where the first of them stands.
    """

    number: int
    paths: tuple[tuple[int, ...], ...]
    users: tuple[int, ...]
    needs: tuple[int, ...]
    hands: tuple[Hand, ...]
    written: int
    place: Span | None


@dataclass(frozen=True)
class Named:
    """What became of a name: the values that are computed for it. `whole` says that one of them is what it names."""

    name: str
    numbers: tuple[int, ...]
    whole: bool


_SPELLING = (fold_constants, spell_operands, expand_verbs, share_equal, drop_dead)
"""Passes that change how a value is written, not what is computed; without `expand_verbs` there is no program."""


class Why:
    """Answers for one plan."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._graph = stages.graphs[OPTIMISE[-1].__name__]
        self._nodes = instructions(self._graph)
        self._number = {id(node): number for number, node in enumerate(self._nodes)}
        self._needs = [self._below(node) for node in self._nodes]

    def of(self, number: int) -> Reason | None:
        """Why a value is computed; None for a number that the program does not have."""
        if not 0 <= number < len(self._nodes):
            return None
        node = self._nodes[number]
        users = tuple(user for user, needs in enumerate(self._needs) if number in needs)
        return Reason(
            number,
            tuple(self._paths(number)),
            users,
            self._needs[number],
            tuple(self._hands(number)),
            self._written(node),
            node.origin.span if node.origin else None,
        )

    def named(self, name: str) -> Named | None:
        """The values that a name of the plan stands for; None where the plan has no such name."""
        written = dict(self._stages.graphs[CHECKED].bindings).get(name)
        if written is None:
            return None
        core = dict(self._stages.graphs[_before_the_end()].bindings)[name]
        meant = operand(core)
        if meant.op == "expert":
            found = [n for n, node in enumerate(self._nodes) if self._names(node, meant)]
            return Named(name, tuple(found), bool(found))
        whole = [n for n, node in enumerate(self._nodes) if node.digest == meant.digest]
        parts = [n for n, node in enumerate(self._nodes) if _same_place(node, written)]
        return Named(name, tuple(whole or parts), bool(whole))

    def _names(self, node: Node, expert: Node) -> bool:
        """Whether an instruction itself takes an expert."""
        return any(operand(given).digest == expert.digest for given in node.inputs)

    def _below(self, node: Node) -> tuple[int, ...]:
        found = (self._number.get(id(operand(given))) for given in node.inputs)
        return tuple(dict.fromkeys(number for number in found if number is not None))

    def _paths(self, number: int) -> list[tuple[int, ...]]:
        """The shortest way to each emit."""
        before: dict[int, int] = {number: number}
        waiting, ends = deque([number]), []
        while waiting:
            at = waiting.popleft()
            if self._nodes[at].op in EFFECTS:
                ends.append(at)
            for user, needs in enumerate(self._needs):
                if at in needs and user not in before:
                    before[user] = at
                    waiting.append(user)
        return [self._way(end, number, before) for end in sorted(ends)]

    def _way(self, end: int, start: int, before: dict[int, int]) -> tuple[int, ...]:
        way = [end]
        while way[-1] != start:
            way.append(before[way[-1]])
        return tuple(reversed(way))

    def _hands(self, number: int) -> list[Hand]:
        found = []
        for rewrite in OPTIMISE:
            if rewrite in _SPELLING:
                continue
            there = {node.digest for node in walk(self._stages.without(rewrite).emits)}
            if self._nodes[number].digest in there:
                continue
            way = tuple(below for below in self._needs[number] if self._nodes[below].digest not in there)
            found.append(Hand(rewrite.__name__, _summary(rewrite), way))
        return sorted(found, key=lambda hand: bool(hand.by_way_of))

    def _written(self, node: Node) -> int:
        """How many equal nodes there were before equal ones became one."""
        before = list(self._stages.graphs)[list(self._stages.graphs).index(share_equal.__name__) - 1]
        return sum(each.digest == node.digest for each in walk(self._stages.graphs[before].emits))


def _before_the_end() -> str:
    """The last stage that still has the names of a plan."""
    names = [each.__name__ for each in OPTIMISE]
    return names[names.index(drop_dead.__name__) - 1]


def _same_place(node: Node, written: Node) -> bool:
    """Whether a node was made of the call that another one was written as."""
    return node.origin is not None and written.origin is not None and node.origin.span == written.origin.span


def _summary(rewrite: object) -> str:
    """The first line of a pass's module: what it is for."""
    text = sys.modules[getattr(rewrite, "__module__", "")].__doc__ or ""
    return text.strip().splitlines()[0].rstrip(".")
