"""M2xx: names that mean nothing here, or mean two things."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix, Label, Severity
from mosaic.compiler.source import Span


def replace_by(span: Span | None, near: str | None) -> tuple[Fix, ...]:
    """The fix that a did-you-mean offers. Not safe: the nearest name is a guess."""
    if span is None or near is None:
        return ()
    return (Fix(f"write `{near}`", (Edit(span, near),), safe=False),)


@dataclass(frozen=True)
class UnknownName(Diagnostic):
    """A name is used that nothing above it binds.

    Names are bound by `let`, `param`, `use` and by the parameters of a `define`, each before its use:

        plan alley {
          let base = checkpoint("zoo/base")
          let look = fuse(bse)          # M201: did you mean `base`?
        }

    Bind the name first, or correct its spelling.
    """

    code: ClassVar[str] = "M201"
    title: ClassVar[str] = "unknown name `{name}`"
    label: ClassVar[str] = "nothing above binds this"

    name: str
    near: str | None = None

    def help(self) -> tuple[str, ...]:
        return (f"a name that is bound here: `{self.near}`",) if self.near else ()

    def fixes(self) -> tuple[Fix, ...]:
        return replace_by(self.span, self.near)


@dataclass(frozen=True)
class BoundTwice(Diagnostic):
    """A name is bound a second time.

    Each name is bound once, so that a plan reads the same from any line:

        let look = fuse(base, neon)
        let look = fuse(base, wash)     # M202

    Give the second value a name of its own.
    """

    code: ClassVar[str] = "M202"
    title: ClassVar[str] = "`{name}` is bound twice"
    label: ClassVar[str] = "bound again here"

    name: str
    first: Span | None = None

    def labels(self) -> tuple[Label, ...]:
        return (Label(self.first, "bound here first"),) if self.first else ()

    def help(self) -> tuple[str, ...]:
        return ("each name is bound once; the second value needs another name",)


@dataclass(frozen=True)
class UnknownFunction(Diagnostic):
    """Something is called that is neither a verb nor a fragment in sight.

        let image = smaple(look, prompt: "a red cat")     # M203: did you mean `sample`?

    `mosaic explain fuse` shows a verb; fragments come from `define` and `use`.
    """

    code: ClassVar[str] = "M203"
    title: ClassVar[str] = "`{name}` is no verb and no fragment in sight"
    label: ClassVar[str] = "called here"

    name: str
    near: str | None = None

    def help(self) -> tuple[str, ...]:
        return (f"a near one: `{self.near}`",) if self.near else ()

    def fixes(self) -> tuple[Fix, ...]:
        return replace_by(self.span, self.near)


@dataclass(frozen=True)
class UnknownArgument(Diagnostic):
    """A call names an argument, or a `via:` a setting, that does not exist.

    sample(look, prompt: "a red cat", step: 20)     # M204: did you mean `steps`?
    """

    code: ClassVar[str] = "M204"
    title: ClassVar[str] = "`{function}` has no argument `{name}`"
    label: ClassVar[str] = "not an argument of `{function}`"

    function: str
    name: str
    near: str | None = None
    known: tuple[str, ...] = ()

    def help(self) -> tuple[str, ...]:
        if not self.known:
            return (f"`{self.function}` takes no named arguments",)
        return (f"`{self.function}` takes {', '.join(f'`{name}`' for name in self.known)}",)

    def fixes(self) -> tuple[Fix, ...]:
        return replace_by(self.span, self.near)


@dataclass(frozen=True)
class MissingArgument(Diagnostic):
    """A call lacks an argument that has no default.

    let image = sample(look, steps: 20)     # M205: `prompt` is missing
    """

    code: ClassVar[str] = "M205"
    title: ClassVar[str] = "`{function}` needs `{name}`"
    label: ClassVar[str] = "`{name}` is missing"

    function: str
    name: str
    doc: str = ""

    def help(self) -> tuple[str, ...]:
        return (f"`{self.name}`: {self.doc}",) if self.doc else ()


@dataclass(frozen=True)
class NotAvailable(Diagnostic):
    """A part of the language that this version can read but not run.

        let look = fuse(base, neon, wash, via: ties(density: 0.5))     # M206

    Nothing is replaced by something else in silence: a plan that needs it waits for a version that has it. The
    operators that can be used today are listed in the message. A range may stand where steps are counted, and nowhere
    else:

        sample(look, prompt: "a red cat", steps: 12..30)           # the compiler chooses, within the budget
        sample(look, prompt: "a red cat", guidance: 2..5)          # M206
    """

    code: ClassVar[str] = "M206"
    title: ClassVar[str] = "{what} is not available in this version"
    label: ClassVar[str] = "asked for here"

    what: str
    instead: tuple[str, ...] = ()
    advice: str = ""
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return tuple(Label(span, "inside the fragment, here") for span in self.calls)

    def help(self) -> tuple[str, ...]:
        known = (f"available: {', '.join(f'`{name}`' for name in self.instead)}",) if self.instead else ()
        return (*known, self.advice) if self.advice else known


def misplaced_range(span: Span | None, calls: tuple[Span, ...] = ()) -> NotAvailable:
    """A range stands where no steps are counted."""
    advice = (
        "a range may be the `steps` of `sample`, `refine` and `resume`, also through a `let` or a fragment"
    )
    return NotAvailable(span, "a range in this place", advice=advice, calls=calls)


@dataclass(frozen=True)
class UnusedExpert(Diagnostic):
    """An expert is bound and nothing uses it, so it has no part in any picture of the plan.

        let wash = lora("zoo/watercolor")     # M207
        let look = fuse(base, neon)

    An expert is never ignored in silence. Fuse it, or take the line out.
    """

    code: ClassVar[str] = "M207"
    title: ClassVar[str] = "{kind} `{name}` has no part in any picture"
    label: ClassVar[str] = "bound and never used"
    severity: ClassVar[Severity] = Severity.WARNING

    kind: str
    name: str
    removal: Edit | None = None

    def help(self) -> tuple[str, ...]:
        return ("name it in a `fuse`, or take the line out",)

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("take the line out", (self.removal,)),) if self.removal else ()


@dataclass(frozen=True)
class ImportCycle(Diagnostic):
    """Files import each other in a circle.

        # a.mosaic                      # b.mosaic
        use "./b.mosaic"                use "./a.mosaic"      # M208

    Move what both need into a third file.
    """

    code: ClassVar[str] = "M208"
    title: ClassVar[str] = "imports form a cycle: {path}"
    label: ClassVar[str] = "comes back here"

    path: str

    def help(self) -> tuple[str, ...]:
        return ("what both files need belongs in a third",)


@dataclass(frozen=True)
class BadParameter(Diagnostic):
    """A parameter given from outside (`--set name=value`) does not exist or does not fit its type.

    param seed: int = 7

        mosaic run alley.mosaic --set seed=seven     # M209
    """

    code: ClassVar[str] = "M209"
    title: ClassVar[str] = "parameter `{name}`: {reason}"
    label: ClassVar[str] = "declared here"

    name: str
    reason: str
    near: str | None = None

    def help(self) -> tuple[str, ...]:
        return (f"a parameter of this file: `{self.near}`",) if self.near else ()


@dataclass(frozen=True)
class NotAModule(Diagnostic):
    """A dotted name looks inside something that has no inside, or for something that is not there.

    use std.looks
    let look = looks.styledd(base, neon)     # M220: did you mean `looks.styled`?
    """

    code: ClassVar[str] = "M220"
    title: ClassVar[str] = "`{name}` is not in `{module}`"
    label: ClassVar[str] = "not found"

    name: str
    module: str
    near: str | None = None

    def help(self) -> tuple[str, ...]:
        return (f"a name that is: `{self.near}`",) if self.near else ()

    def fixes(self) -> tuple[Fix, ...]:
        return replace_by(self.span, self.near)


@dataclass(frozen=True)
class UnknownOperator(Diagnostic):
    """`via:` names an operator that neither mosaic nor an installed package provides.

    fuse(base, neon, wash, via: summ)     # M221: did you mean `sum`?
    """

    code: ClassVar[str] = "M221"
    title: ClassVar[str] = "unknown fusion operator `{name}`"
    label: ClassVar[str] = "not an operator"

    name: str
    near: str | None = None
    known: tuple[str, ...] = ()

    def help(self) -> tuple[str, ...]:
        return (f"operators: {', '.join(f'`{name}`' for name in ('auto', *self.known))}",)

    def fixes(self) -> tuple[Fix, ...]:
        return replace_by(self.span, self.near)


@dataclass(frozen=True)
class UnknownPlan(Diagnostic):
    """A plan was asked for by name that the file does not hold, or the file holds none at all.

    mosaic run alley.mosaic --plan aley     # M222: did you mean `alley`?
    """

    code: ClassVar[str] = "M222"
    title: ClassVar[str] = "no plan `{name}` in {file}"

    name: str
    file: str
    near: str | None = None

    def help(self) -> tuple[str, ...]:
        return (f"a plan of this file: `{self.near}`",) if self.near else ()
