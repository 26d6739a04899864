"""M7xx: experts that are not, or may not be, the bytes that were meant; locks that do not say so properly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Label, Severity, called
from mosaic.compiler.source import Span

_AGAIN = "catalog it again: mosaic catalog add PATH"
_RELOCK = "if that is meant, lock again: mosaic lock"
_SHOWN = 12


@dataclass(frozen=True)
class _OfExpert(Diagnostic):
    """What the messages about an expert of a plan share."""

    kind: str
    expert: str
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)


@dataclass(frozen=True)
class ExpertChanged(_OfExpert):
    """A file of an expert has changed since it was catalogued.

        let neon = lora("local/neon")     # M701: local/neon's file was written to

    The catalog's facts (family, tensors, digest, licence) describe the file as it was; nothing can be promised of
    the one that lies there now. Size, times and inode tell; an expert that was only touched is known again by its
    bytes. Mend it by `mosaic catalog add PATH`, or by putting the old file back.
    """

    code: ClassVar[str] = "M701"
    title: ClassVar[str] = "the file of {kind} `{expert}` changed since it was catalogued"
    label: ClassVar[str] = "its facts are of another file"

    def help(self) -> tuple[str, ...]:
        return (_AGAIN, "or put the file back that was catalogued")


@dataclass(frozen=True)
class ExpertMissing(_OfExpert):
    """A file of an expert that the catalog knows is no longer where it was.

        let neon = lora("local/neon")     # M702: local/neon's file was moved or deleted

    Mend it by putting the file back, by `mosaic catalog add` on its new place, or by `mosaic catalog remove` and
    another expert.
    """

    code: ClassVar[str] = "M702"
    title: ClassVar[str] = "the file of {kind} `{expert}` is no longer where it was catalogued"
    label: ClassVar[str] = "nothing is there to be loaded"

    def help(self) -> tuple[str, ...]:
        return (
            "catalog it where it lies now: mosaic catalog add PATH",
            f"see mosaic catalog show {self.expert}",
        )


@dataclass(frozen=True)
class ExpertUnhashed(_OfExpert):
    """An expert's digest is not known, so that nobody could say later which bytes were meant.

        let neon = lora("local/neon")     # M703: the catalog has no SHA-256 of its file

    An expert is its content: a plan names it, the digest says what was meant. A catalog that was filled by hand
    may hold an expert without one. Mend it by `mosaic catalog add PATH`, which reads the file.
    """

    code: ClassVar[str] = "M703"
    title: ClassVar[str] = "no digest is known of {kind} `{expert}`"
    label: ClassVar[str] = "which bytes are meant cannot be told"

    def help(self) -> tuple[str, ...]:
        return (_AGAIN,)


@dataclass(frozen=True)
class NotPinned(_OfExpert):
    """A lock lies beside the plan, and it does not hold this expert.

        let ink = lora("zoo/sketch")      # M704: mosaic.lock was written before this line

    What the lock holds cannot change unnoticed; this expert can. Mend it by `mosaic lock`. With `--locked` or
    `--frozen` this is an error, M705.
    """

    code: ClassVar[str] = "M704"
    title: ClassVar[str] = "{kind} `{expert}` is not in `{lock}`"
    label: ClassVar[str] = "not pinned"
    severity: ClassVar[Severity] = Severity.WARNING

    lock: str = ""

    def help(self) -> tuple[str, ...]:
        return ("lock it as well: mosaic lock",)


@dataclass(frozen=True)
class NotInLock(NotPinned):
    """The plan uses an expert that the lock does not hold, and was to be compiled from the lock alone.

    Example: a line `let ink = lora("zoo/sketch")` was added after `mosaic lock`, and `mosaic check --frozen` is
    asked.

    Mend it by `mosaic lock`, and commit the new lock.
    """

    code: ClassVar[str] = "M705"
    severity: ClassVar[Severity] = Severity.ERROR


@dataclass(frozen=True)
class NotAsLocked(_OfExpert):
    """An expert is not the one that was locked: its bytes have another digest.

        let neon = lora("./neon.safetensors")     # M706: the file was exchanged since `mosaic lock`

    The picture will be another one. Mend it by putting the old file back (the lock names its SHA-256), or, where
    the change is meant, by `mosaic lock`. With `--locked` or `--frozen` this is an error, M707.
    """

    code: ClassVar[str] = "M706"
    title: ClassVar[str] = "{kind} `{expert}` is not what `{lock}` holds"
    severity: ClassVar[Severity] = Severity.WARNING

    lock: str = ""
    found: str = ""
    locked: str = ""

    def primary(self) -> str:
        return f"its content is {self.found[:12]}…, locked is {self.locked[:12]}…"

    def help(self) -> tuple[str, ...]:
        return (_RELOCK, "otherwise put back the file that was locked; the lock has its SHA-256")


@dataclass(frozen=True)
class OtherThanLocked(NotAsLocked):
    """An expert is not the one that was locked, and the lock was to be held to.

    Example: `neon.safetensors` was exchanged after `mosaic lock`, and `mosaic run --frozen` is asked.

    Mend it by putting the old file back (the lock names its SHA-256), or, where the change is meant, by
    `mosaic lock`.
    """

    code: ClassVar[str] = "M707"
    severity: ClassVar[Severity] = Severity.ERROR


@dataclass(frozen=True)
class PlanNotLocked(Diagnostic):
    """A plan was to be held to a lock that has no entry for it.

    Example: `mosaic check --frozen new.mosaic`, where `new.mosaic` was written after `mosaic lock`.

    Mend it by `mosaic lock new.mosaic`: plans that the lock already has stay in it.
    """

    code: ClassVar[str] = "M708"
    title: ClassVar[str] = "`{lock}` has no entry for {what}"

    lock: str
    what: str
    file: str

    def help(self) -> tuple[str, ...]:
        return (f"lock it: mosaic lock {self.file}",)


@dataclass(frozen=True)
class LockOutdated(Diagnostic):
    """The lock would change if it were written now, and `--locked` forbids that.

    Example: `mosaic check --locked`, after a plan was edited, a file of an expert exchanged, or an expert added
    that answers a `find` better. One message a difference, at its place in the lock.

    Mend it by `mosaic lock`; the lock is made to be reviewed, so look at what changed in it. To compile from the
    lock as it stands, without asking whether it would change: `--frozen`.
    """

    code: ClassVar[str] = "M709"
    title: ClassVar[str] = "the lock would change: {what}"
    label: ClassVar[str] = "{now}"

    what: str
    now: str = ""

    def help(self) -> tuple[str, ...]:
        return (_RELOCK,)


@dataclass(frozen=True)
class NotToml(Diagnostic):
    """The lock cannot be read: it is not TOML.

        digest = "70ef27      # M710: the text is not closed

    A lock is generated. One that is damaged was edited by hand, or holds the marks of a merge that was not
    finished. Mend it by `mosaic lock PLAN…`, which writes it anew.
    """

    code: ClassVar[str] = "M710"
    title: ClassVar[str] = "`{path}` is not TOML: {reason}"
    label: ClassVar[str] = "here"

    path: str
    reason: str

    def help(self) -> tuple[str, ...]:
        return ("a lock is generated; write it anew: mosaic lock PLAN…",)


@dataclass(frozen=True)
class OtherLockVersion(Diagnostic):
    """The lock was written by another version of mosaic, in a form that this one does not read.

        version = 2     # M711, where this version reads 1

    Mend it by the version of mosaic that wrote it (the lock names it under `[toolchain]`), or by
    `mosaic lock PLAN…`, which writes it anew.
    """

    code: ClassVar[str] = "M711"
    title: ClassVar[str] = "`{path}` has version {version} of the lock's form; this mosaic reads {known}"
    label: ClassVar[str] = "another version"

    path: str
    version: str
    known: int

    def help(self) -> tuple[str, ...]:
        return ("update mosaic, or write the lock anew: mosaic lock PLAN…",)


@dataclass(frozen=True)
class MalformedLock(Diagnostic):
    """The lock is TOML, but says something that a lock does not say, or leaves out what it must.

        [[expert]]
        id = 7          # M712: an id is a text

    Nothing that is not understood is passed over: a key that this version does not know might be what makes the
    lock safe. Mend it by `mosaic lock PLAN…`, which writes it anew.
    """

    code: ClassVar[str] = "M712"
    title: ClassVar[str] = "`{path}` is no lock that can be relied on: {reason}"
    label: ClassVar[str] = "here"

    path: str
    reason: str

    def help(self) -> tuple[str, ...]:
        return ("a lock is generated; write it anew: mosaic lock PLAN…",)


@dataclass(frozen=True)
class EntryWithoutHash(Diagnostic):
    """An entry of the lock has no digest, or one that is none.

        [[expert]]
        id = "zoo/neon"
        digest = ""       # M713

    A lock without a digest locks nothing: a name, a size or an address says not which bytes are meant. Mend it by
    `mosaic lock PLAN…`, which writes it anew.
    """

    code: ClassVar[str] = "M713"
    title: ClassVar[str] = "{what} in `{path}` has no {key}"
    label: ClassVar[str] = "which bytes are meant cannot be told"

    path: str
    what: str
    key: str

    def help(self) -> tuple[str, ...]:
        return ("64 hexadecimal digits are wanted; write the lock anew: mosaic lock PLAN…",)


@dataclass(frozen=True)
class EmptyLock(Diagnostic):
    """The lock holds no expert or no plan, so it would vouch for anything.

    Example: a `mosaic.lock` that holds `version = 1` and nothing else.

    A tool that finds nothing to lock and calls that a success leaves everything open. Mend it by
    `mosaic lock PLAN…`.
    """

    code: ClassVar[str] = "M714"
    title: ClassVar[str] = "`{path}` holds no {what}"

    path: str
    what: str

    def help(self) -> tuple[str, ...]:
        return ("write it anew: mosaic lock PLAN…",)


@dataclass(frozen=True)
class NoLock(Diagnostic):
    """A lock was asked for, and there is none.

    Example: `mosaic check --locked alley.mosaic`, where neither the folder of `alley.mosaic` nor the current one
    has a `mosaic.lock`.

    Mend it by `mosaic lock alley.mosaic`.
    """

    code: ClassVar[str] = "M715"
    title: ClassVar[str] = "there is no `mosaic.lock` for {what}"

    what: str

    def help(self) -> tuple[str, ...]:
        return (
            "it is looked for beside the plan and in the current folder",
            "write one: mosaic lock PLAN…",
        )


@dataclass(frozen=True)
class NothingToLock(Diagnostic):
    """None of the plans that were to be locked uses an expert; a lock of nothing would vouch for anything.

    Example: `mosaic lock house.mosaic`, where the file holds fragments and no plan.

    Mend it by naming the files that hold the plans.
    """

    code: ClassVar[str] = "M716"
    title: ClassVar[str] = "there is nothing to lock: no plan of {files} uses an expert"

    files: str

    def help(self) -> tuple[str, ...]:
        return ("name files or folders that hold plans",)


@dataclass(frozen=True)
class OtherToolchain(Diagnostic):
    """The lock was written with other versions of the tools than those that are installed.

    Example: `mosaic check --locked`, where the lock says torch 2.12 and 2.13 is installed.

    The program is the same; the last digits of sums may differ, and with them single pixels by a step. To have the
    same bytes, install the versions that the lock names under `[toolchain]`. `mosaic verify` says all that differs.
    """

    code: ClassVar[str] = "M717"
    title: ClassVar[str] = "`{path}` was written with {differences}"
    severity: ClassVar[Severity] = Severity.NOTE

    path: str
    differences: str

    def help(self) -> tuple[str, ...]:
        return ("mosaic verify says what that means for the picture",)


@dataclass(frozen=True)
class UnprovenCoverage(Diagnostic):
    """A locked plan fuses an expert into a base that it was not locked with, and the files are not at hand.

    Example: after `mosaic lock`, a plan fuses `zoo/neon` into another of the locked bases, and
    `mosaic check --frozen` is asked on a machine that has none of the files.

    Whether every tensor finds its place was found out when the plan was locked; of the new pair nobody knows. Mend
    it by `mosaic lock`, where the files or a catalog are.
    """

    code: ClassVar[str] = "M718"
    title: ClassVar[str] = (
        "`{lock}` does not say whether `{expert}` fits `{base}`, and a file of them is not here"
    )

    lock: str
    expert: str
    base: str

    def help(self) -> tuple[str, ...]:
        return ("lock again where the files or a catalog are: mosaic lock",)


@dataclass(frozen=True)
class PlanOutside(Diagnostic):
    """A plan was to be locked that does not lie in the lock's folder or below.

    Example: `mosaic lock ../other/plan.mosaic`, which would write `mosaic.lock` into the current folder.

    A lock names plans and files relative to itself, so that it means the same on every machine. Mend it by writing
    the lock where the plans are: `mosaic lock ../other/plan.mosaic -o ../other/mosaic.lock`.
    """

    code: ClassVar[str] = "M719"
    title: ClassVar[str] = "`{path}` lies outside the lock's folder"

    path: str

    def help(self) -> tuple[str, ...]:
        return ("write the lock beside the plan or above it: mosaic lock PLAN… -o FOLDER/mosaic.lock",)


@dataclass(frozen=True)
class NotAtHand(Diagnostic):
    """A plan was compiled without the files of an expert, and is to be run.

    Example: `mosaic run --frozen alley.mosaic` on a machine that has the lock and not the experts. To check and to
    compile, a lock or a snapshot is enough; to run, the bytes are needed.

    Mend it by putting the file where the lock names it, or by `mosaic catalog add` on the place where it lies: it is
    known by its digest, whatever it is called.
    """

    code: ClassVar[str] = "M720"
    title: ClassVar[str] = "the file `{file}` of `{expert}` is not at hand"

    expert: str
    file: str
    sha256: str

    def help(self) -> tuple[str, ...]:
        return (
            f"wanted is the file with sha256 {self.sha256}",
            "catalog the place where it lies, under any name: mosaic catalog add PATH",
        )
