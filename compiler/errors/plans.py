"""M5xx and M6xx: policy and budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Severity


@dataclass(frozen=True)
class PolicyNotEnforced(Diagnostic):
    """A policy stands in the plan; this version checks its words but does not yet judge licences by it.

        policy { use: commercial }     # M501, a note

    The licences of the experts stand in the report. Judging them is a person's work until a version that does it.
    """

    code: ClassVar[str] = "M501"
    title: ClassVar[str] = "the policy is not enforced by this version"
    label: ClassVar[str] = "read and checked for spelling only"
    severity: ClassVar[Severity] = Severity.NOTE

    def help(self) -> tuple[str, ...]:
        return ("the experts' licences are listed by `mosaic plan` and in the report",)


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
