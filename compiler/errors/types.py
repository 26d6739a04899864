"""M3xx: values of the wrong kind, space or range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix, Label, called
from mosaic.compiler.errors.names import replace_by
from mosaic.compiler.source import Span


@dataclass(frozen=True)
class TypeMismatch(Diagnostic):
    """A value stands where a value of another type is wanted.

        sample(look, prompt: "a red cat", size: 64)     # M301: wants a size such as 64x64

    Units are types: a duration is not a number, a size is not an int. A fraction and a number may stand for
    each other (`30%` is `0.3`), and a checkpoint is a model with nothing fused into it.
    """

    code: ClassVar[str] = "M301"
    title: ClassVar[str] = "{where} wants {wanted}, not {given}"
    label: ClassVar[str] = "this is {given}"

    where: str
    wanted: str
    given: str
    replacement: str | None = None

    def help(self) -> tuple[str, ...]:
        return (f"write `{self.replacement}`",) if self.replacement else ()

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None or self.replacement is None:
            return ()
        return (Fix(f"write `{self.replacement}`", (Edit(self.span, self.replacement),), safe=False),)


@dataclass(frozen=True)
class SpaceMismatch(Diagnostic):
    """A latent is handed to a model that works in another latent space.

        let a = sample(sketch, prompt: "a red cat", until: 50%)     # sketch works in zoo-a
        let b = resume(photo, a)                                    # M302: photo works in zoo-b

    The numbers of one space mean nothing in another. Carry the latent over: `align(a, to: photo)`. Models of
    different spaces cannot be blended either; an operator on the schedule can hand a run over from one to the next.
    """

    code: ClassVar[str] = "M302"
    title: ClassVar[str] = "latent space mismatch"
    label: ClassVar[str] = "this {what} is in space {given}"

    given: str
    wanted: str
    model: Span | None = None
    calls: tuple[Span, ...] = ()
    bridge: str = (
        ""  # what carries latents from the one space to the other; empty where nothing is registered
    )
    r2: float | None = None
    operator: str = ""  # that was to blend models; empty where a latent is handed over
    able: tuple[str, ...] = ()  # operators that can hand a run over between spaces

    @property
    def what(self) -> str:
        """What is in the wrong space."""
        return "model" if self.operator else "latent"

    def message(self) -> str:
        if not self.operator:
            return self.title
        return f"{self.title}: `{self.operator}` cannot blend models of different spaces"

    def labels(self) -> tuple[Label, ...]:
        model = (Label(self.model, f"works in space {self.wanted}"),) if self.model else ()
        return (*model, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        if self.operator:
            names = ", ".join(f"`{name}`" for name in self.able)
            if names:
                return (f"let one model hand the run over to the other: {names}",)
            return ("blend models of one space; `align` carries a latent from one model to the next",)
        if not self.bridge:
            return ("carry it over first (no bridge is registered: it goes through a picture)",)
        measured = f", R² {self.r2:.2f}" if self.r2 is not None else ""
        return (f"carry it over first (bridge {self.bridge}{measured})",)

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None or self.model is None or self.calls or self.operator:
            return ()
        carried = f"align({self.span.text}, to: {self.model.text})"
        return (Fix(f"write `{carried}`", (Edit(self.span, carried),), safe=False),)


@dataclass(frozen=True)
class UnknownType(Diagnostic):
    """A `param` or `define` names a type that does not exist.

    param who: string = "a cat"     # M303: the type is called `text`
    """

    code: ClassVar[str] = "M303"
    title: ClassVar[str] = "unknown type `{name}`"
    label: ClassVar[str] = "not a type"

    name: str
    near: str | None = None
    known: tuple[str, ...] = ()

    def help(self) -> tuple[str, ...]:
        return (f"types: {', '.join(self.known)}",)

    def fixes(self) -> tuple[Fix, ...]:
        return replace_by(self.span, self.near)


@dataclass(frozen=True)
class UnknownKey(Diagnostic):
    """A `budget` or `policy` has a key that means nothing, or a word that is none of its choices.

    budget { time: 2s }              # M304: `latency`, `cold_latency`, `memory`, `quality`
    policy { use: comercial }        # M304: `personal`, `commercial`
    """

    code: ClassVar[str] = "M304"
    title: ClassVar[str] = "`{name}` is not one of {choices} in `{block}`"
    label: ClassVar[str] = "not known here"

    name: str
    block: str
    known: tuple[str, ...]
    near: str | None = None

    @property
    def choices(self) -> str:
        """The choices as a person reads them."""
        return ", ".join(f"`{name}`" for name in self.known)

    def fixes(self) -> tuple[Fix, ...]:
        return replace_by(self.span, self.near)


@dataclass(frozen=True)
class OutOfRange(Diagnostic):
    """A number has the right type and no sensible meaning.

    For example:

        sample(look, prompt: "a red cat", steps: 0)          # M305: at least 1
        sample(look, prompt: "a red cat", size: 65x64)       # M305: sides are multiples of the model's 8 pixels
        refine(look, picture, strength: 1.5)                 # M305: at most 1
    """

    code: ClassVar[str] = "M305"
    title: ClassVar[str] = "{where} {rule}, not {given}"
    label: ClassVar[str] = "{rule}"

    where: str
    rule: str
    given: str
    replacement: str | None = None
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None or self.replacement is None:
            return ()
        return (Fix(f"write `{self.replacement}`", (Edit(self.span, self.replacement),), safe=False),)


@dataclass(frozen=True)
class NotAnOperand(Diagnostic):
    """Something is fused, or given a strength, region or window, that cannot take it.

    For example:

        fuse(base, load_image("cat.png"))     # M306: a picture is no expert
        fuse(base, hero * 0.5)                # M306: an embedding is a token, it has no strength
    """

    code: ClassVar[str] = "M306"
    title: ClassVar[str] = "{what} {reason}"
    label: ClassVar[str] = "here"

    what: str
    reason: str
    advice: str = ""
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        return (self.advice,) if self.advice else ()


@dataclass(frozen=True)
class TooManyArguments(Diagnostic):
    """A call has more positional arguments than there are places for them.

    For example:

        sample(look, "a red cat")     # M307: write prompt: "a red cat"
    """

    code: ClassVar[str] = "M307"
    title: ClassVar[str] = "`{function}` takes {most} positional argument(s)"
    label: ClassVar[str] = "one too many"

    function: str
    most: int
    name: str | None = None

    def help(self) -> tuple[str, ...]:
        return (f"name it: `{self.name}: …`",) if self.name else ()

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None or self.name is None:
            return ()
        return (Fix(f"write `{self.name}: …`", (Edit(self.span.before(), f"{self.name}: "),), safe=False),)


@dataclass(frozen=True)
class ArgumentTwice(Diagnostic):
    """An argument is given twice in one call.

    For example:

        sample(look, prompt: "a cat", prompt: "a dog")     # M308
    """

    code: ClassVar[str] = "M308"
    title: ClassVar[str] = "`{name}` is given twice"
    label: ClassVar[str] = "given again"

    name: str
    first: Span | None = None

    def labels(self) -> tuple[Label, ...]:
        return (Label(self.first, "given here first"),) if self.first else ()


@dataclass(frozen=True)
class CannotInsert(Diagnostic):
    """A text inserts something that has no spelling, or an expert that has no trigger.

    For example:

        let base = checkpoint("zoo/base")
        sample(base, prompt: "a {base}")     # M309
    """

    code: ClassVar[str] = "M309"
    title: ClassVar[str] = "{what} cannot stand in a text: {reason}"
    label: ClassVar[str] = "inserted here"

    what: str
    reason: str


@dataclass(frozen=True)
class MisplacedStatement(Diagnostic):
    """A statement stands where it has no meaning: `return` in a plan, `emit` in a fragment, or a fragment that
    does not end in exactly one `return`.

        define styled(base: checkpoint) -> model {
          emit base as "base.safetensors"     # M310
        }
    """

    code: ClassVar[str] = "M310"
    title: ClassVar[str] = "{reason}"
    label: ClassVar[str] = "{advice}"

    reason: str
    advice: str


@dataclass(frozen=True)
class EmitsNothing(Diagnostic):
    """A plan emits nothing, so running it would make nothing.

    For example:

        plan alley {
          let base = checkpoint("zoo/base")
        }                                       # M311
    """

    code: ClassVar[str] = "M311"
    title: ClassVar[str] = "plan `{name}` emits nothing"
    label: ClassVar[str] = "no `emit` in this plan"

    name: str

    def help(self) -> tuple[str, ...]:
        return ('end the plan with `emit image as "picture.png"`',)


@dataclass(frozen=True)
class NothingToResume(Diagnostic):
    """`resume` goes on with a latent that has nothing left, or `refine` and `decode` take one that is not finished.

    let a = sample(look, prompt: "a red cat")
    let b = resume(other, a)                        # M312: sample it `until: 50%` first
    """

    code: ClassVar[str] = "M312"
    title: ClassVar[str] = "{reason}"
    label: ClassVar[str] = "{state}"

    reason: str
    state: str
    advice: str = ""
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        return (self.advice,) if self.advice else ()


@dataclass(frozen=True)
class CannotHonour(Diagnostic):
    """An operand carries a region or a window that the chosen operator cannot honour.

        fuse(base, neon in rect(0%, 0%, 50%, 100%), via: sum)     # M313: `sum` changes weights, everywhere

    A region or window is never ignored. Weights have no place: what is to act in a part of the picture has to predict
    beside the others. The message names the operators that can do that for these experts; left out, `via` is one of
    them.
    """

    code: ClassVar[str] = "M313"
    title: ClassVar[str] = "operator `{operator}` cannot honour a {what}"
    label: ClassVar[str] = "this {what}"

    operator: str
    what: str
    calls: tuple[Span, ...] = ()
    able: tuple[str, ...] = ()
    via: Span | None = None  # where the operator is named by itself

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        if not self.able:
            return ("no operator can honour what is written here for all of these experts",)
        names = " or ".join(f"`{name}`" for name in self.able)
        return (f"for these experts it takes {names}; without `via` the compiler chooses",)

    def fixes(self) -> tuple[Fix, ...]:
        if self.via is None:
            return ()
        return tuple(Fix(f"write `{name}`", (Edit(self.via, name),), safe=False) for name in self.able)


@dataclass(frozen=True)
class BadOutput(Diagnostic):
    """An emit's file cannot be written as asked: the name leaves the output folder, its ending fits no format of
    the value, or two emits name one file.

        emit image as "../alley.png"        # M314: leaves the output folder
        emit look as "look.png"             # M314: a model is written as .safetensors
    """

    code: ClassVar[str] = "M314"
    title: ClassVar[str] = "cannot emit to `{path}`: {reason}"
    label: ClassVar[str] = "this file name"

    path: str
    reason: str
    advice: str = ""
    first: Span | None = None

    def labels(self) -> tuple[Label, ...]:
        return (Label(self.first, "written here first"),) if self.first else ()

    def help(self) -> tuple[str, ...]:
        return (self.advice,) if self.advice else ()
