"""Which files changed, by looking at them: it works on every file system, and for editors that rename."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

EVERY: Final = 0.3
"""Seconds between two looks."""
QUIET: Final = 0.15
"""Seconds without a change after which a burst is over."""
LONGEST: Final = 3.0
"""Seconds after which a burst that does not end is acted on."""

Mark = tuple[int, int, int] | None


def mark(path: Path) -> Mark:
    """Size, time of change and inode; None for what is not there."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


class Marks:
    """What files were like when they were last looked at."""

    def __init__(self) -> None:
        self._marks: dict[Path, Mark] = {}

    def keep(self, paths: Iterable[Path]) -> None:
        """Look at these from now on, and at no others; what was known of them stays known."""
        self._marks = {path: self._marks[path] if path in self._marks else mark(path) for path in paths}

    def renew(self, paths: Iterable[Path]) -> None:
        """Take these as they are now: they were written here."""
        self._marks.update({path: mark(path) for path in paths if path in self._marks})

    def changed(self) -> frozenset[Path]:
        """What is another than at the last look."""
        now = {path: mark(path) for path in self._marks}
        found = frozenset(path for path, each in now.items() if each != self._marks[path])
        self._marks = now
        return found

    def burst(self, pause: Callable[[float], None] = time.sleep) -> frozenset[Path]:
        """The same, and where something changed, what changes until it is quiet."""
        found = latest = self.changed()
        waited = 0.0
        while latest and waited < LONGEST:
            pause(QUIET)
            waited += QUIET
            latest = self.changed()
            found |= latest
        return found
