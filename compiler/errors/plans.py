"""M6xx: the budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Severity


@dataclass(frozen=True)
class BudgetNotEnforced(Diagnostic):
    """A budget stands in the plan; this version checks its units but does not yet predict cost.

    For example:

        budget { latency: 2s }     # M601, a note
    """

    code: ClassVar[str] = "M601"
    title: ClassVar[str] = "the budget is not enforced by this version"
    label: ClassVar[str] = "read and checked for units only"
    severity: ClassVar[Severity] = Severity.NOTE
