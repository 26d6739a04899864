"""Messages about device profiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic


@dataclass(frozen=True)
class NotAProfile(Diagnostic):
    """A file was given as the profile of a device, and it is none that this version reads.

    Example: `mosaic plan alley.mosaic --device package.json`.

    To mend it: measure the device anew, `mosaic calibrate -o machine.json`, or name a profile that comes with mosaic.
    """

    code: ClassVar[str] = "M891"
    title: ClassVar[str] = "`{path}` is no device profile: {reason}"

    path: str
    reason: str

    def help(self) -> tuple[str, ...]:
        """How to have one."""
        return ("measure this machine: mosaic calibrate -o machine.json",)
