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


@dataclass(frozen=True)
class BrokenMeasurements(Diagnostic):
    """The file that `MOSAIC_FIDELITY` names cannot be read as a table of measured fidelity.

    For example:

        MOSAIC_FIDELITY=mine.json mosaic plan alley.mosaic     # M887: mine.json has no `rows`

    The file is JSON in the shape that `mosaic bench composition --json` prints: a text `source`, and `rows`, each with
    `operator`, `categories`, `share`, `low`, `high` and `pictures`.
    """

    code: ClassVar[str] = "M887"
    title: ClassVar[str] = "`{path}` is no table of measured fidelity: {reason}"
    label: ClassVar[str] = "named by MOSAIC_FIDELITY"
    path: str
    reason: str
