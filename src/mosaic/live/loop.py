"""Round after round: what changed, which plans it concerns, what is to be said of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mosaic.api.checking import Asked, look
from mosaic.api.graphing import graph
from mosaic.api.reports import Report, Status
from mosaic.api.running import run
from mosaic.api.sources import gather
from mosaic.api.workers import World
from mosaic.compiler.diagnostic import InternalError, MosaicError
from mosaic.compiler.errors.face import InternalFault
from mosaic.live.changes import EVERY, Marks
from mosaic.live.page import Page, Shown
from mosaic.live.watched import depends, plans


@dataclass(frozen=True)
class Watch:
    """What is watched. `output` is where runs write; without it nothing is run. `say` prints a text, of
    diagnostics in `color`."""

    paths: Sequence[str]
    world: World
    say: Callable[[str], None]
    output: Path | None = None
    page: Page | None = None
    color: bool = False


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
        names, known = plans(self._watch.paths), bool(self._depends)
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
            missing = {Path(name).absolute() for name in gone}
            why = [_near(path) for path in sorted(changed - missing)]
            why += [f"{name} is new" for name in fresh if known] + [f"{name} is gone" for name in gone]
            self._tell(concerned, why)
        return concerned

    def _tell(self, concerned: Sequence[str], why: Sequence[str]) -> None:
        when = time.strftime("%H:%M:%S")
        self._watch.say(f"── {when}  {', '.join(why) or 'watching'}")
        fine = [name for name in concerned if self._look(name, when)]
        self._publish()
        if self._watch.output is None:
            return
        for name in fine:
            self._run(name, self._watch.output)
            self._publish()

    def _publish(self) -> None:
        if self._watch.page is not None:
            self._watch.page.show([self._shown[name] for name in sorted(self._shown)])

    def _look(self, name: str, when: str) -> bool:
        """Say what is wrong with a plan, and whether it may be run."""
        report = self._check(name)
        said = report.render("text")
        fine = report.status() is Status.CLEAN
        if said:
            self._watch.say(report.render("text", color=self._watch.color))
        if fine:
            self._watch.say(f"{name}: no errors")
        runs = fine and self._watch.output is not None
        told = f"{said}\nrunning".strip() if runs else said
        before = self._shown.get(name)
        pictures = before.pictures if before is not None else ()
        self._shown[name] = Shown(name, when, told, pictures, self._drawing(name) if fine else "")
        return fine

    def _check(self, name: str) -> Report:
        try:
            return look(gather((name,)), Asked(self._watch.world, jobs=1))
        except MosaicError as error:
            return Report(error.diagnostics, unreadable=True)
        except InternalError as error:
            return Report((InternalFault(None, str(error)),))

    def _drawing(self, name: str) -> str:
        """What runs, for the page."""
        if self._watch.page is None:
            return ""
        world = self._watch.world
        try:
            return graph(Path(name), format="svg", catalog=world.catalog, device=world.device)
        except (InternalError, MosaicError):  # by now it is another text; the next round tells
            return ""

    def _run(self, name: str, output: Path) -> None:
        before = self._shown[name]
        said = before.said.removesuffix("running")
        try:
            outcome = run(Path(name), output=self._folder(name, output), catalog=self._watch.world.catalog)
        except MosaicError as error:
            told, pictures = Report(error.diagnostics).render("text"), before.pictures
        except (
            ArithmeticError,
            InternalError,
            LookupError,
            MemoryError,
            OSError,
            RuntimeError,
            ValueError,
        ) as error:
            told, pictures = f"the run failed: {type(error).__name__}: {error}", before.pictures
        else:
            # What is written here may be read by a plan too: it did not change for that.
            self._marks.renew(file.path.absolute() for file in outcome.files)
            told = "\n".join(outcome.lines())
            pictures = [file.path.absolute() for file in outcome.files if file.type == "image"]
        self._watch.say(told)
        self._shown[name] = replace(before, said=f"{said}{told}".strip(), pictures=pictures)

    def _folder(self, name: str, output: Path) -> Path:
        """Where a plan writes: one of several into a folder of its own, placed as the plan is below what is watched."""
        if len(self._depends) == 1:
            return output
        watched = [Path(path).absolute() for path in self._watch.paths]
        roots = [path if path.is_dir() else path.parent for path in watched]
        return output / Path(name).absolute().relative_to(os.path.commonpath(roots)).with_suffix("")


def _near(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
