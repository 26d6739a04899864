"""M899: traces of compositions that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic


@dataclass(frozen=True)
class NotATrace(Diagnostic):
    """A file was given as the trace of a composition, and it is none that this version reads.

    `mosaic compose "a red cat" --trace cat.trace.json` writes traces: everything that composing did, step by step.

    To mend it: compose anew, or read a trace of a later mosaic with that one.
    """

    code: ClassVar[str] = "M899"
    title: ClassVar[str] = "`{path}` is no trace of a composition: {reason}"

    path: str
    reason: str
