"""Round after round: what changed, which plans it concerns, what is to be said of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mosaic.api.checking import Asked, look
from mosaic.api.reports import Report, Status
from mosaic.api.running import run
from mosaic.api.sources import gather
from mosaic.api.workers import World
from mosaic.compiler.diagnostic import InternalError, MosaicError
from mosaic.live.changes import EVERY, Marks
from mosaic.live.page import Page, Shown
from mosaic.live.watched import depends, plans


@dataclass(frozen=True)
class Watch:
    """What is watched. `output` is where runs write; without it nothing is run. `say` prints a text."""

    paths: Sequence[str]
    world: World
    say: Callable[[str], None]
    output: Path | None = None
    page: Page | None = None


class Loop:
    """What is known from one round to the next."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._marks = Marks()
        self._depends: dict[str, frozenset[Path]] = {}
        self._shown: dict[str, Shown] = {}

    def forever(self) -> None:
        """Until interrupted."""
        while True:
            self.round()
            time.sleep(EVERY)

    def round(self) -> tuple[str, ...]:
        """Look once, and deal with the plans that are concerned: their names."""
        changed = self._marks.burst()
        names = plans(self._watch.paths)
        fresh = [name for name in names if name not in self._depends]
        gone = [name for name in self._depends if name not in names]
        for name in gone:
            del self._depends[name]
            self._shown.pop(name, None)
        concerned = tuple(
            name for name in names if name in fresh or not changed.isdisjoint(self._depends[name])
        )
        for name in concerned:
            self._depends[name] = depends(name, self._watch.world.catalog)
        self._marks.keep(path for each in self._depends.values() for path in each)
        if concerned or gone:
            self._tell(
                concerned, [_near(path) for path in sorted(changed)] + [f"{name} is gone" for name in gone]
            )
        return concerned

    def _tell(self, concerned: Sequence[str], why: Sequence[str]) -> None:
        when = time.strftime("%H:%M:%S")
        self._watch.say(f"── {when}  {', '.join(why) or 'watching'}")
        for name in concerned:
            self._shown[name] = self._deal(name, when)
        if self._watch.page is not None:
            self._watch.page.show([self._shown[name] for name in sorted(self._shown)])

    def _deal(self, name: str, when: str) -> Shown:
        report = self._check(name)
        said = report.render("text")
        if said:
            self._watch.say(said)
        wrong = report.status() is not Status.CLEAN
        if not wrong:
            self._watch.say(f"{name}: no errors")
        if wrong or self._watch.output is None or not report.files:
            before = self._shown.get(name)
            return Shown(name, when, said, before.pictures if before is not None else ())
        return self._run(name, when, said)

    def _check(self, name: str) -> Report:
        try:
            return look(gather((name,)), Asked(self._watch.world, jobs=1))
        except MosaicError as error:
            return Report(error.diagnostics, unreadable=True)

    def _run(self, name: str, when: str, said: str) -> Shown:
        assert self._watch.output is not None
        alone = len(self._depends) == 1
        output = self._watch.output / ("" if alone else Path(name).stem)
        try:
            outcome = run(name, output=output, catalog=self._watch.world.catalog)
        except MosaicError as error:
            failed = Report(error.diagnostics).render("text")
        except (
            ArithmeticError,
            InternalError,
            LookupError,
            MemoryError,
            OSError,
            RuntimeError,
            ValueError,
        ) as error:
            failed = f"the run failed: {type(error).__name__}: {error}"
        else:
            # What is written here may be read by a plan too: it did not change for that.
            self._marks.renew(file.path.absolute() for file in outcome.files)
            told = "\n".join(outcome.lines())
            self._watch.say(told)
            pictures = [file.path.absolute() for file in outcome.files if file.type == "image"]
            return Shown(name, when, f"{said}\n{told}".strip(), pictures)
        self._watch.say(failed)
        before = self._shown.get(name)
        return Shown(name, when, f"{said}\n{failed}".strip(), before.pictures if before is not None else ())


def _near(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
