"""Progress bars on a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mosaic.runtime.progress import Progress


@contextmanager
def progress() -> Iterator[Progress | None]:
    """Bars on standard error where that is a terminal, else nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    bars = Bars()
    bars.stage("start the engine", 1)
    try:
        yield bars
    finally:
        bars.finish()


class Bars:
    """One bar for the stage that is under way; bars of stages that are over go away."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._bars = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bars.add_task("", total=None, visible=False)

    def stage(self, label: str, total: int) -> None:
        """A stage of `total` parts begins."""
        self._bars.start()  # again after the run before; a second start does nothing
        self._bars.reset(self._task, description=label, total=total, visible=True)

    def advance(self, done: int) -> None:
        """`done` of the stage's parts are finished."""
        self._bars.update(self._task, completed=done)

    def finish(self) -> None:
        """The run is over."""
        self._bars.stop()
