"""`mosaic bench agent` from its options to its report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mosaic.agent.backend import Backend
from mosaic.agent.settings import backend_of
from mosaic.agent.spending import Ask, Spend
from mosaic.agent.world import World
from mosaic.api.selecting import settings_of
from mosaic.bench.agent import table
from mosaic.bench.agent.pictures import AS_WRITTEN, CAPTIONED, COMPOSED, Draws, Shown
from mosaic.bench.agent.requests import HUB, ZOO, Case, cases
from mosaic.bench.agent.running import Composed, run
from mosaic.runtime.writing import write


@dataclass(frozen=True)
class Options:
    """What is measured, and how; the fields are those of the command."""

    backend: str = "offline"
    model: str | None = None
    base_url: str | None = None
    split: str = "test"  # "": all
    which: str = ""  # a catalog; "": both
    experts: int = 5_000
    most: int | None = None
    seeds: int = 1
    pictures: bool = False
    limit: int | None = None
    yes: bool = False

    def make(self, world: World, spend: Spend) -> Backend:
        """The backend, by the current folder's settings where the options say nothing. Raises MosaicError (M862)."""
        settings = settings_of("-")
        return backend_of(
            settings,
            backend=self.backend,
            model=self.model,
            base_url=self.base_url,
            world=world,
            spend=spend,
        )

    @property
    def cases(self) -> list[Case]:
        """The requests, of each catalog so many."""
        return [
            case
            for name in (ZOO, HUB)
            if self.which in ("", name)
            for case in islice(cases(self.split, name), self.most)
        ]


@dataclass(frozen=True)
class Report:
    """For a person, and for a program."""

    text: str
    json: str


def measured(
    options: Options,
    folder: Path,
    done: Callable[[int, int], None] = lambda finished, total: None,
    ask: Ask | None = None,
) -> Report:
    """Measure, and leave catalogs, `results.json` and with pictures `sheet.png` in a folder. Raises MosaicError as
    `run`."""
    draws = Draws(range(1, options.seeds + 1)) if options.seeds else None
    composed = run(
        options.cases,
        options.make,
        folder,
        size=options.experts,
        draws=draws,
        limit=options.limit,
        yes=options.yes,
        ask=ask,
        done=done,
    )
    results = [each.result for each in composed]
    shown = list(_shown(composed, draws)) if options.pictures and draws is not None else []
    text = table.main_table(results)
    if len(results) < len(options.cases):
        text += f"\nStopped after {len(results):,} of {len(options.cases):,} requests: the limit of tokens.\n"
    if shown:
        from mosaic.bench.agent.sheet import chosen, sheet
        from mosaic.bench.sheets import save

        text += f"\n{table.picture_table(shown)}"
        save(sheet(chosen(shown)), folder / "sheet.png")
    document = table.document(results, shown)
    write(folder / "results.json", document.encode())
    return Report(text, document)


def _shown(composed: Sequence[Composed], draws: Draws) -> Iterator[Shown]:
    """Every request that the checker can judge, drawn in all ways from the same seeds; one without a plan shows
    nothing."""
    for one in composed:
        answer = one.trace.answer if one.trace is not None else None
        if not one.case.is_shown:
            continue
        plan = answer.plan if answer is not None and one.result.executed else ""
        yield draws.shown(one.case, COMPOSED, plan) if plan else draws.nothing(one.case, COMPOSED)
        for way in (AS_WRITTEN, CAPTIONED):
            yield draws.shown(one.case, way)
