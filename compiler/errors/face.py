"""Messages of the command line itself: what it was asked to read, sweep or run, and faults of mosaic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Severity


@dataclass(frozen=True)
class EngineMissing(Diagnostic):
    """Running a plan needs the engine, which is installed apart.

    Checking and compiling plans needs no torch, so `pip install mosaic-plan` does not bring it.

    Example: `mosaic run alley.mosaic` where only the core is installed.

    To mend it: `pip install "mosaic-plan[run]"`. `mosaic check` and `mosaic plan` work without it.
    """

    code: ClassVar[str] = "M880"
    title: ClassVar[str] = "running a plan needs `{module}`, which is not installed"

    module: str

    def help(self) -> tuple[str, ...]:
        """How to install the engine."""
        return ('install the engine: pip install "mosaic-plan[run]"',)


@dataclass(frozen=True)
class NoPlansInFolder(Diagnostic):
    """A folder was given, and no file in it or below ends in `.mosaic`.

    Example: `mosaic check docs`, where `docs` holds no plan.

    To mend it: name the folder that holds the plans, or a file.
    """

    code: ClassVar[str] = "M881"
    title: ClassVar[str] = "no plans in `{path}`"

    path: str

    def help(self) -> tuple[str, ...]:
        """What was looked for."""
        return ("files whose name ends in .mosaic are looked for, in all folders that are not hidden",)


@dataclass(frozen=True)
class SeveralPlans(Diagnostic):
    """The file holds several plans where the command can take one.

    Example: `mosaic plan both.mosaic -o day.program.json`, where the file holds `plan day` and `plan night`.

    To mend it: name one, `--plan night`.
    """

    code: ClassVar[str] = "M882"
    title: ClassVar[str] = "`{path}` holds several plans"

    path: str
    plans: tuple[str, ...]

    def help(self) -> tuple[str, ...]:
        """The plans there are."""
        return (f"name one of them: {', '.join(f'--plan {plan}' for plan in self.plans)}",)


@dataclass(frozen=True)
class SweepTooLarge(Diagnostic):
    """The cross product of all values given by `--set` has too many members.

    Example: `--set seed=1..100 --set steps=1..50` is 5,000 runs.

    To mend it: sweep fewer values at a time.
    """

    code: ClassVar[str] = "M883"
    title: ClassVar[str] = "the sweep has {runs} runs, more than {limit}"

    runs: int
    limit: int


@dataclass(frozen=True)
class NotAProgram(Diagnostic):
    """A file that ends in `.json` was given to be run, and it is no compiled plan that this version reads.

    Example: `mosaic run package.json`.

    To mend it: compile anew, `mosaic plan alley.mosaic -o alley.program.json`, or run the plan itself.
    """

    code: ClassVar[str] = "M884"
    title: ClassVar[str] = "`{path}` is no compiled plan: {reason}"

    path: str
    reason: str


@dataclass(frozen=True)
class UnknownTopic(Diagnostic):
    """`mosaic explain` knows diagnostics by code, verbs and operators by name; this is none of them.

    Example: `mosaic explain fuze`.

    To mend it: `mosaic explain` alone lists everything there is to read.
    """

    code: ClassVar[str] = "M885"
    title: ClassVar[str] = "there is nothing to read about `{topic}`"

    topic: str
    near: str | None = None

    def help(self) -> tuple[str, ...]:
        """A similar topic, or where the list is."""
        if self.near:
            return (f"a similar topic: mosaic explain {self.near}",)
        return ("everything there is to read: mosaic explain",)


@dataclass(frozen=True)
class InternalFault(Diagnostic):
    """A fault of mosaic itself: a stage broke a promise to the next. The plan may be blameless.

        error[M901]: a fault of mosaic itself

    To mend it: please report it with the plan and the message. Nothing was written.
    """

    code: ClassVar[str] = "M901"
    title: ClassVar[str] = "a fault of mosaic: {detail}"

    detail: str

    def help(self) -> tuple[str, ...]:
        """Where to go with it."""
        return ("please report it, with the plan and this message",)


@dataclass(frozen=True)
class CacheUnusable(Diagnostic):
    """Results could not be kept for later runs. This run is as good as any other; a later one computes them again.

    The usual reasons are a full disk and a folder that cannot be written.

    Example: `mosaic run alley.mosaic --cache /media/cdrom`.

    To mend it: make room (`mosaic cache prune --to 1GiB`), name another folder with `--cache` or `MOSAIC_CACHE`, or run
    with `--no-cache`.
    """

    code: ClassVar[str] = "M888"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[str] = "results are not kept in `{folder}`: {reason}"

    folder: str
    reason: str

    def help(self) -> tuple[str, ...]:
        """Ways out."""
        return ("make room there, name another folder with --cache, or run with --no-cache",)


@dataclass(frozen=True)
class CacheUnreadable(Diagnostic):
    """The folder where results are kept can not be read or tidied up.

    Example: `mosaic cache clear --cache shared/results`, where another user may read and you may not.

    To mend it: name a folder of your own with `--cache` or `MOSAIC_CACHE`, or mend the folder's permissions.
    """

    code: ClassVar[str] = "M890"
    title: ClassVar[str] = "the results in `{folder}` cannot be reached: {reason}"

    folder: str
    reason: str

    def help(self) -> tuple[str, ...]:
        """A way out."""
        return ("name another folder with --cache, or mend the permissions of this one",)


@dataclass(frozen=True)
class NoSize(Diagnostic):
    """An amount of bytes could not be read.

    Example: `mosaic cache prune --to 2gigs`, or `MOSAIC_CACHE_SIZE=big`.

    To mend it: write a number and a unit, `500MiB`, `2GiB`; `0KiB` is nothing.
    """

    code: ClassVar[str] = "M889"
    title: ClassVar[str] = "`{text}` is no amount of bytes"

    text: str

    def help(self) -> tuple[str, ...]:
        """The form."""
        return ("write a number and a unit: KiB, MiB, GiB or TiB",)


@dataclass(frozen=True)
class NotToTheBit(Diagnostic):
    """A run was asked for in a way that gives the same pictures only up to floating point, and to be exact to the bit.

    In a batch with other runs a denoiser rounds otherwise than alone; a picture's numbers differ in their last places,
    and its bytes may.

    Example: `mosaic run alley.mosaic --set seed=1..16 --batch 16 --strict`.

    To mend it: leave out `--batch` for the very bytes of a run alone, or `--strict` for the faster batch.
    """

    code: ClassVar[str] = "M892"
    title: ClassVar[str] = (
        "`{option}` gives what is the same only up to floating point, and `--strict` forbids that"
    )

    option: str

    def help(self) -> tuple[str, ...]:
        """The choice."""
        return ("leave out one of the two",)
