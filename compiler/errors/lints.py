"""M0xx: what a plan could say better, though it compiles: told by `mosaic lint`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix, Label, Severity, called
from mosaic.compiler.source import Span


@dataclass(frozen=True)
class Lint(Diagnostic):
    """Something that could be said better. `edits` are the change that does it, none where no machine can."""

    severity: ClassVar[Severity] = Severity.WARNING
    remedy: ClassVar[str] = ""
    """What the fix is called."""
    is_safe: ClassVar[bool] = True

    edits: tuple[Edit, ...]

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix(self._filled(self.remedy), self.edits, self.is_safe),) if self.edits else ()


@dataclass(frozen=True)
class UnusedLet(Lint):
    """A value is bound to a name that nothing uses.

    For example:

        let look  = fuse(base, neon * 0.8)
        let draft = sample(look, prompt: "a red cat")     # M001
        emit sample(look, prompt: "a blue cat") as "cat.png"

    What no `emit` needs is never computed, so taking the line out changes no picture. An expert that is bound and never
    used is told by `mosaic check` already (M207).
    """

    code: ClassVar[str] = "M001"
    title: ClassVar[str] = "`{name}` is never used"
    label: ClassVar[str] = "bound here, and nowhere named again"
    remedy: ClassVar[str] = "take the line out"

    name: str


@dataclass(frozen=True)
class UnusedParameter(Lint):
    """A parameter is declared that nothing reads.

    For example:

        param seed: int = 7     # M002: whatever `--set seed=` says, the picture is the same

        plan p {
          emit sample(checkpoint("zoo/base"), prompt: "a red cat") as "cat.png"
        }

    Use it where it was meant to be, or take it out. The fix is not safe: a command that gives the parameter
    (`--set seed=3`) is then refused. A parameter of a fragment has no fix, as its calls would have to change too.
    """

    code: ClassVar[str] = "M002"
    title: ClassVar[str] = "parameter `{name}` is never read"
    label: ClassVar[str] = "what is given here changes nothing"
    remedy: ClassVar[str] = "take the parameter out"
    is_safe: ClassVar[bool] = False

    name: str

    def help(self) -> tuple[str, ...]:
        return (
            () if self.edits else ("take it out here and in the calls, or use it where it was meant to be",)
        )


@dataclass(frozen=True)
class UnusedImport(Lint):
    """A file or library is imported and nothing of it is called.

    For example:

        use std.looks     # M003

        plan p {
          emit sample(checkpoint("zoo/base"), prompt: "a red cat") as "cat.png"
        }

    The line can go: what is imported does nothing by itself.
    """

    code: ClassVar[str] = "M003"
    title: ClassVar[str] = "`{name}` is imported and never used"
    label: ClassVar[str] = "nothing of it is called"
    remedy: ClassVar[str] = "take the line out"

    name: str


@dataclass(frozen=True)
class UnusedFragment(Lint):
    """A fragment is defined beside plans, and none of them calls it.

    For example:

        define glowing(base: checkpoint) -> model {     # M004
          return fuse(base, lora("zoo/neon"))
        }

        plan p {
          emit sample(checkpoint("zoo/base"), prompt: "a red cat") as "cat.png"
        }

    A file without plans is a library, and nothing is said of its fragments. The fix is not safe: another file may
    import this one.
    """

    code: ClassVar[str] = "M004"
    title: ClassVar[str] = "fragment `{name}` is never called"
    label: ClassVar[str] = "defined here"
    remedy: ClassVar[str] = "take the fragment out"
    is_safe: ClassVar[bool] = False

    name: str


@dataclass(frozen=True)
class BoundAgain(Lint):
    """One expert is bound to two names in one plan.

    For example:

        let neon = lora("zoo/neon")
        let glow = lora("zoo/neon")     # M005: this is `neon`

    Who changes one of them may well forget the other. The fix names the first one everywhere, and takes the second line
    out.
    """

    code: ClassVar[str] = "M005"
    title: ClassVar[str] = "`{name}` is the same {kind} as `{first}`"
    label: ClassVar[str] = "bound again here"
    remedy: ClassVar[str] = "name `{first}` instead, and take the line out"

    name: str
    first: str
    kind: str
    earlier: Span

    def labels(self) -> tuple[Label, ...]:
        return (Label(self.earlier, "bound here first"),)


@dataclass(frozen=True)
class StrengthsAddUp(Lint):
    """The strengths of LoRAs that are added into one model come to more than was ever measured to work.

    For example, with six LoRAs of which each alone is fine:

        let look = fuse(base, neon, hat, star, tiles, sketch, crown, via: sum)     # M006: they add up to 6

    On the zoo, five LoRAs added up were right in 21 of 100 pictures at full strength (5 in sum) and in 40 of 100 at the
    best strengths that were tried (5.8); four still were in 66 of 100 (4.4 to 4.8, docs/composition.md). The limit is
    five, by what is open at the same time, for operators that add (`sum`, `attention`). It is the zoo's: larger models
    may bear more or less.

    Lower the strengths, use fewer experts, give them windows that do not meet, or leave `via` out: what was measured to
    compose best may be another operator.
    """

    code: ClassVar[str] = "M006"
    title: ClassVar[str] = "the strengths of {number} LoRAs add up to {total:.3g}"
    label: ClassVar[str] = "`{operator}` adds them up"

    number: int
    total: float
    operator: str
    limit: float
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        known = f"from {self.limit:g} on, fewer than half of the pictures were right where that was measured"
        return (f"{known}; lower them, use fewer, or leave `via` out",)


@dataclass(frozen=True)
class SaysNothing(Lint):
    """A strength, a window or a region is written out that is so without it.

    For example:

        let look = fuse(base, neon * 1, hat during 0%..100%)     # M007, twice: the same as fuse(base, neon, hat)

    A strength is 1 unless given; a window of the whole run and a region of the whole canvas are the same as none. Only
    numbers that stand there are meant: a parameter may be given another value.
    """

    code: ClassVar[str] = "M007"
    title: ClassVar[str] = "`{written}` says nothing: {reason}"
    label: ClassVar[str] = "the same without it"
    remedy: ClassVar[str] = "leave `{written}` out"

    written: str
    reason: str


@dataclass(frozen=True)
class IdleOperand(Lint):
    """An expert is fused at a strength of zero.

    For example:

        let look = fuse(base, neon, hat * 0, via: sum)     # M008: the same as fuse(base, neon, via: sum)

    It has no part in the picture. Where the operator is left to the compiler, the fix is not safe: with fewer experts
    another operator may be the best.
    """

    code: ClassVar[str] = "M008"
    title: ClassVar[str] = "`{written}` has no part in the picture"
    label: ClassVar[str] = "at a strength of zero"
    remedy: ClassVar[str] = "leave it out"

    written: str
    is_pinned: bool

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix(self.remedy, self.edits, self.is_pinned),) if self.edits else ()


@dataclass(frozen=True)
class OwnVae(Lint):
    """A VAE is fused into a checkpoint that has the very same one.

    For example:

        let base  = checkpoint("./photo")
        let codec = vae("./photo/vae")
        let look  = fuse(base, codec, neon)     # M009

    The same is told by the digests of all its files, configuration included.
    """

    code: ClassVar[str] = "M009"
    title: ClassVar[str] = "`{vae}` is the VAE that `{base}` has anyway"
    label: ClassVar[str] = "changes nothing"
    remedy: ClassVar[str] = "leave it out"

    vae: str
    base: str


@dataclass(frozen=True)
class DefaultWritten(Lint):
    """A setting is written out at the value that it has without.

    For example:

        fuse(base, neon, hat, via: ties(density: 0.5))     # M010: 0.5 is what `ties` takes unless told
        fuse(base, neon, hat, via: auto)                   # M010
        sample(look, prompt: "a red cat", negative: "")    # M010

    Only what never depends on a model is meant. Steps, guidance, size and scheduler are not: their defaults are the
    base's, and a plan that says them out stays the same when the base is another one.
    """

    code: ClassVar[str] = "M010"
    title: ClassVar[str] = "`{written}` is so anyway"
    label: ClassVar[str] = "the default of `{owner}`"
    remedy: ClassVar[str] = "leave it out"

    written: str
    owner: str


@dataclass(frozen=True)
class PinnedAsChosen(Lint):
    """`via` pins the operator that the compiler would choose by itself.

    For example:

        let mix = fuse(base, checkpoint("zoo/robot") * 0.6, via: sum)     # M011

    Without it the plan gets the best measured operator, also when more is measured, and a lock keeps what was chosen.
    The fix is not safe for the same reason: on another day, with another table of measurements or under a budget on
    another device, the choice may be another one. Who wants this operator whatever comes, keeps the line:
    `# mosaic: ignore[M011]`.
    """

    code: ClassVar[str] = "M011"
    title: ClassVar[str] = "`{operator}` would be chosen without `via`"
    label: ClassVar[str] = "pinned here"
    remedy: ClassVar[str] = "leave the choice to the compiler"
    is_safe: ClassVar[bool] = False

    operator: str


@dataclass(frozen=True)
class OldEdition(Lint):
    """The file is written in an edition of the language that a later one has taken the place of.

    For example, once there is an edition 2:

        mosaic 1     # M012

    It is still read as before. The fix writes the later number; what has to be said otherwise there, `mosaic check`
    reports. In this version the only edition is 1, and nothing is deprecated.
    """

    code: ClassVar[str] = "M012"
    title: ClassVar[str] = "edition {edition} is deprecated"
    label: ClassVar[str] = "edition {successor} has taken its place"
    remedy: ClassVar[str] = "write edition {successor}"
    is_safe: ClassVar[bool] = False

    edition: int
    successor: int
    changes: str = ""

    def help(self) -> tuple[str, ...]:
        return (self.changes,) if self.changes else ()


@dataclass(frozen=True)
class Unpinned(Lint):
    """Nothing says which bytes an expert is: it is named by a path or looked up by words, and there is no lock.

    For example, without a `mosaic.lock` beside the plan:

        let film = lora("./film.safetensors")          # M013: whatever lies there today
        let wash = find(lora, "soft watercolour")      # M013: whatever the catalog has today

    `mosaic lock` writes down what they are now, and `--locked` holds to it. An expert named by its digest
    (`lora("sha256:…")`) needs no lock.
    """

    code: ClassVar[str] = "M013"
    title: ClassVar[str] = "nothing pins {what}"
    label: ClassVar[str] = "{how}"

    what: str
    how: str
    others: tuple[Label, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return self.others

    def help(self) -> tuple[str, ...]:
        return ("run `mosaic lock`, and keep the file beside the plan",)
