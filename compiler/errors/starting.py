"""Messages of `mosaic new`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic


@dataclass(frozen=True)
class AlreadyThere(Diagnostic):
    """A project is to be started in a place where something is already.

    `mosaic new` makes a new folder and overwrites nothing: what lies there may be somebody's work.

    Example: `mosaic new alley` where a folder `alley` exists, be it empty.

    To mend it: choose another name, or remove the folder.
    """

    code: ClassVar[str] = "M898"
    title: ClassVar[str] = "`{path}` is there already"

    path: str

    def help(self) -> tuple[str, ...]:
        """What to do instead."""
        return ("a project is started in a new folder; nothing was written",)
