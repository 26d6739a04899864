"""Which warnings and notes a reader wants to see. Errors are always shown: what compiles runs, and nobody can ask to
be told that a plan compiles which does not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mosaic.compiler.diagnostic import Diagnostic, Severity
from mosaic.compiler.near import nearest

if TYPE_CHECKING:
    from mosaic.compiler.source import Span

_CODE = re.compile(r"M\d{0,3}")


@dataclass(frozen=True)
class Selection:
    """Codes, or beginnings of codes (`M4`), that are shown (None: all) and that are not.

    Where several fit, the longest decides, and of equals the one that ignores.
    """

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()

    def keeps(self, diagnostic: Diagnostic) -> bool:
        """Whether a diagnostic is shown."""
        if diagnostic.severity is Severity.ERROR:
            return True
        selected = 0 if self.select is None else _longest(diagnostic.code, self.select)
        return selected > _longest(diagnostic.code, self.ignore)

    def without(self, codes: Iterable[str]) -> Selection:
        """With further codes that are not shown."""
        return Selection(self.select, (*self.ignore, *codes))


def normal(code: str) -> str:
    """A code as it is compared."""
    return code.strip().upper()


def known_codes() -> Mapping[str, Severity]:
    """Every code with its severity."""
    from mosaic.compiler.explain import diagnostics

    return {kind.code: kind.severity for kind in diagnostics()}


def judge(code: str, span: Span | None = None, *, ignoring: bool) -> Diagnostic | None:
    """What is wrong with a code, or the beginning of one, that somebody selects or wants to ignore; None: nothing."""
    from mosaic.compiler import errors

    known = known_codes()
    meant = [severity for each, severity in known.items() if _CODE.fullmatch(code) and each.startswith(code)]
    if not meant:
        return errors.selecting.UnknownCode(span, code, nearest(code, known))
    if ignoring and all(severity is Severity.ERROR for severity in meant):
        return errors.selecting.ErrorsStay(span, code)
    return None


def _longest(code: str, beginnings: Iterable[str]) -> int:
    return max((len(each) for each in beginnings if code.startswith(each)), default=-1)
