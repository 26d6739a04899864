"""How a run tells the outside what it is doing."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Follows a run. One stage is open at a time; stages do not nest."""

    def stage(self, label: str, total: int) -> None:
        """A stage of `total` parts begins ("denoise", 20 steps); any earlier stage is over."""

    def advance(self, done: int) -> None:
        """`done` of the stage's parts are finished."""

    def finish(self) -> None:
        """The run is over, well or badly. Called once, last."""


class Silent:
    """Shows nothing."""

    def stage(self, label: str, total: int) -> None:
        """See Progress."""

    def advance(self, done: int) -> None:
        """See Progress."""

    def finish(self) -> None:
        """See Progress."""
