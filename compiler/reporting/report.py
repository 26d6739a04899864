"""What a command has to say, before it is put into a form."""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.compiler.diagnostic import Diagnostic, Severity


@dataclass(frozen=True)
class Report:
    """Diagnostics in their order, and what forms need beside them.

    `files` are the names of the files that were read, with or without mistakes. With `strict`, warnings fail as errors
    do.
    """

    diagnostics: tuple[Diagnostic, ...]
    files: tuple[str, ...]
    exit_code: int = 0
    version: str = ""  # of mosaic
    strict: bool = False
    color: bool = False

    def fails(self, diagnostic: Diagnostic) -> bool:
        """Whether a diagnostic alone makes the command fail."""
        return fails(diagnostic, strict=self.strict)


def fails(diagnostic: Diagnostic, *, strict: bool = False) -> bool:
    """Whether a diagnostic makes a command fail: errors do, and with `strict` warnings."""
    return diagnostic.severity is Severity.ERROR or (strict and diagnostic.severity is Severity.WARNING)
