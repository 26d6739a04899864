"""M6xx: the budget; what it is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix, Label, Severity, called
from mosaic.compiler.source import Span


@dataclass(frozen=True)
class BudgetNotJudged(Diagnostic):
    """A budget stands in the plan, and nobody knows here what the plan costs.

    For example, on a machine that was never measured:

        budget { latency: 2s }     # M601, a note

    What a plan costs is predicted from a profile of the device. `mosaic calibrate` measures this machine, once, in
    under a minute; `--device FILE` plans for another one, by its profile or a shipped estimate. Where a checkpoint's
    tensors are not at hand, or its architecture is not known, nothing can be predicted either. A `quality` is judged by
    what was measured of composing; where that is nothing (models, regions, other operators), it is not judged.
    """

    code: ClassVar[str] = "M601"
    title: ClassVar[str] = "the budget is not judged: {reason}"
    label: ClassVar[str] = "nothing is held to this"
    severity: ClassVar[Severity] = Severity.NOTE
    reason: str
    advice: str = ""

    def help(self) -> tuple[str, ...]:
        return (self.advice,) if self.advice else ()


@dataclass(frozen=True)
class OverBudget(Diagnostic):
    """Nothing that the plan allows keeps within its budget.

    For example:

        budget { latency: 100ms }
        let look = fuse(base, neon, hat)
        emit sample(look, prompt: "a red cat", steps: 50) as "cat.png"     # M602: 50 steps take longer

    The compiler tried the operators that the plan leaves open, but for those that were never right where they were
    measured (the message says if there were too many combinations to try). Where the plan gives a range of
    steps (`steps: 12..30`), the fewest are too many; size is never changed. Raise the limit to what the cheapest way
    takes, allow fewer steps or other operators, or ask for a smaller picture. Predictions are of the device that the
    message names; for latencies the 90th percentile counts, so that runs keep the budget and not just half of them.
    """

    code: ClassVar[str] = "M602"
    title: ClassVar[str] = "the plan does not keep `{key}` within {limit}"
    label: ClassVar[str] = "the cheapest way is predicted to take {needed}"
    key: str
    limit: str
    needed: str
    device: str
    way: str
    replacement: str
    wants: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    def help(self) -> tuple[str, ...]:
        return (f"on {self.device}, {self.way}", *self.wants, *self.changes)

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None:
            return ()
        edit = Edit(self.span, self.replacement)
        return (Fix(f"allow `{self.key}: {self.replacement}`", (edit,), safe=False),)


@dataclass(frozen=True)
class DoesNotFit(Diagnostic):
    """A plan needs more memory at once than the device has for it.

    For example, on a graphics card of 12 GiB:

        emit sample(base, prompt: "a cat", size: 2048x2048) as "cat.png"     # M604: decoding alone takes more

    What a plan needs is predicted before anything is loaded: weights, values that are still used, and what a network
    holds while it works, at the place where most is needed. A tenth of the device's memory is left to others. The
    message lists what would make the plan fit, each change with what it was priced to take: tiles where pictures are
    decoded and encoded (slightly other pixels), `--offload` (the same picture, weights wait in main memory), `--batch`
    (fewer rows in a call, the same picture up to rounding), another operator, and a smaller picture where nothing else
    helps. Operators that the plan leaves open were tried before. `mosaic plan` and `mosaic check` judge by the profile
    of a device, `mosaic run` by the memory that its device has.
    """

    code: ClassVar[str] = "M604"
    title: ClassVar[str] = "the plan does not fit into {device}: {what} needs {needed}, most of it {mostly}"
    label: ClassVar[str] = "{room} of its {has} are there for a plan"
    what: str
    needed: str
    mostly: str
    device: str
    has: str
    room: str
    ways: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    tile: str = ""
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        return self.ways

    def fixes(self) -> tuple[Fix, ...]:
        if not self.edits:
            return ()
        return (Fix(f"decode and encode in tiles: `tile: {self.tile}`", self.edits, safe=False),)


@dataclass(frozen=True)
class QualityUnmet(Diagnostic):
    """No operator of the fidelity that `quality` asks for fits the plan, or the rest of its budget.

    For example:

        budget { quality: 95% }
        let look = fuse(base, neon, hat, heart, via: [switch, chain])     # M603: others are right far more often

    Quality is the fidelity of the chosen operators as a share of the best ones', by what was measured
    (`docs/composition.md`). Allow better operators, raise the other limits, or ask for less.
    """

    code: ClassVar[str] = "M603"
    title: ClassVar[str] = "the plan does not reach a `quality` of {limit}"
    label: ClassVar[str] = "{best} is the best that fits"
    limit: str
    best: str
    way: str
    replacement: str

    def help(self) -> tuple[str, ...]:
        return (self.way,)

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None:
            return ()
        edit = Edit(self.span, self.replacement)
        return (Fix(f"ask for `quality: {self.replacement}`", (edit,), safe=False),)


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
