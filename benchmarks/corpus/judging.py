"""Write the plans, check them all over one catalog, and compare with what was expected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from benchmarks.corpus.scene import MARK, Lock, Scene, written
from benchmarks.corpus.table import ROWS, Make, Row
from benchmarks.corpus.world import World

from mosaic.compiler import check
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic, Severity
from mosaic.compiler.pins import Pins
from mosaic.compiler.source import SourceFile
from mosaic.compiler.types import Family

Check = Callable[[SourceFile, Context], Sequence[Diagnostic]]


@dataclass(frozen=True)
class Case:
    """A plan, and the line on which its code is expected; a good plan expects nothing."""

    name: str
    code: str  # of the row that it belongs to
    text: str
    line: int  # 0 for a good plan
    lock: Lock | None = None

    @property
    def bad(self) -> bool:
        """Whether there is something to be found."""
        return self.line > 0


@dataclass(frozen=True)
class Verdict:
    """What was said of a case. `right`: the code at its line, or nothing at all about a good plan."""

    case: Case
    said: tuple[Diagnostic, ...]

    @property
    def right(self) -> bool:
        """Whether what was said is what was expected."""
        if self.case.bad:
            return any(said.code == self.case.code and line_of(said) == self.case.line for said in self.said)
        return not self.said

    @property
    def beside(self) -> tuple[Diagnostic, ...]:
        """What else was said of a bad plan."""
        return tuple(said for said in self.said if said.code != self.case.code) if self.case.bad else ()


def line_of(said: Diagnostic) -> int:
    """The line that a message points at; 0 for none."""
    return said.span.source.position(said.span.start)[0] if said.span is not None else 0


def write_cases(world: World, each: int, rows: Sequence[Row] = ROWS) -> list[Case]:
    """So many bad plans and as many good ones for every row."""
    cases = []
    for number in range(each):
        for row in rows:
            cases.append(_case(world, row.code, row.bad, f"bad-{row.code}-{number}", bad=True))
            cases.append(_case(world, row.code, row.good, f"good-{row.code}-{number}", bad=False))
    return cases


def _case(world: World, code: str, make: Make, name: str, bad: bool) -> Case:
    scene = make(world)
    text = written(scene, world)
    if (MARK in text) is not bad or text.count(MARK) > 1:
        raise ValueError(f"{name} is marked {text.count(MARK)} times:\n{text}")
    line = text[: text.index(MARK)].count("\n") + 1 if bad else 0
    lock = scene.lock if isinstance(scene, Scene) else None
    return Case(name, code, text.replace(MARK, ""), line, lock)


def context(world: World) -> Context:
    """The world as a plan sees it: the shipped experts, this catalog, an engine that runs every family."""
    from mosaic.catalog import LocalExperts
    from mosaic.catalog.library import Once
    from mosaic.catalog.store import memory_store
    from mosaic.project import Project
    from mosaic.stdlib import zoo

    store = memory_store(world.records)
    usual = Project(catalog=world.folder).context(SourceFile("<corpus>", "mosaic 1\n"))
    experts = LocalExperts(zoo.index(), zoo.root(), world.folder, catalog=Once(lambda: store))
    return replace(usual, experts=experts, families=tuple(Family))


def judge(world: World, cases: Sequence[Case], check: Check = check) -> list[Verdict]:
    """Check every case."""
    usual = context(world)
    digests = {record.facts.id: record.digest for record in world.records}
    verdicts = []
    for case in cases:
        given = replace(usual, pins=_pins(case.lock, digests)) if case.lock else usual
        said = check(SourceFile(f"{case.name}.mosaic", case.text), given)
        weighty = tuple(each for each in said if each.severity in (Severity.ERROR, Severity.WARNING))
        verdicts.append(Verdict(case, weighty))
    return verdicts


def _pins(lock: Lock, digests: dict[str, str]) -> Pins:
    held = {id: digest for id, digest in digests.items() if id not in lock.without}
    held |= {id: "0" * 64 for id in lock.other}
    return Pins(experts=held, strict=lock.strict, place="mosaic.lock")
