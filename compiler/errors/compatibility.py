"""M4xx: experts that do not fit together, shown by headers before a weight is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix, Label, Severity, called
from mosaic.compiler.source import Span


def rather(fitting: tuple[str, ...]) -> tuple[str, ...]:
    """Advice to use an expert of the catalog that would fit."""
    if not fitting:
        return ()
    return (f"experts of the catalog that fit this base: {', '.join(f'`{name}`' for name in fitting)}",)


def instead(fitting: tuple[str, ...], reference: Span | None) -> tuple[Fix, ...]:
    """Replace the text that names an expert by one that would fit. Not safe: the picture is another one."""
    if reference is None:
        return ()
    return tuple(Fix(f"use `{name}`", (Edit(reference, f'"{name}"'),), safe=False) for name in fitting)


def added(insert: str | None, words: str, edit: Edit | None) -> tuple[Fix, ...]:
    """Add to a prompt what calls an expert. Not safe: the picture is another one."""
    if edit is None:
        return ()
    what = f"{{{insert}}}" if insert else words
    return (Fix(f"add `{what}` to the prompt", (edit,), safe=False),)


@dataclass(frozen=True)
class FamilyMismatch(Diagnostic):
    """An expert is made for another architecture than the base it is fused into.

        let base = checkpoint("zoo/base")             # sd1
        let film = lora("./sdxl-film.safetensors")    # sdxl
        let look = fuse(base, film)                   # M401

    Its tensors have no place in the base. Families are read from tensor names and shapes, never from a file's
    name.
    """

    code: ClassVar[str] = "M401"
    title: ClassVar[str] = "{kind} `{expert}` is made for {given}, the base is {wanted}"
    label: ClassVar[str] = "family {given}"

    kind: str
    expert: str
    given: str
    wanted: str
    base: Span | None = None
    calls: tuple[Span, ...] = ()
    fitting: tuple[str, ...] = ()
    reference: Span | None = None

    def labels(self) -> tuple[Label, ...]:
        base = (Label(self.base, f"family {self.wanted}"),) if self.base else ()
        return (*base, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        return rather(self.fitting)

    def fixes(self) -> tuple[Fix, ...]:
        return instead(self.fitting, self.reference)


@dataclass(frozen=True)
class IncompleteCoverage(Diagnostic):
    """Some tensors of an expert find no place in the base, by name or by shape, or a checkpoint lacks some of the
    base's.

        let look = fuse(base, film)     # M402: 12 of 128 tensors have no place

    The field's tools load the rest and go on; the picture is then not what the expert was made for. Use the base
    that it was trained on, or say by name that a LoRA may be loaded in part: `lora("…", partial: true)`.
    """

    code: ClassVar[str] = "M402"
    title: ClassVar[str] = "{missing} of {total} tensors of {kind} `{expert}` have no place in the base"
    label: ClassVar[str] = "covers {matched} of {total}"

    kind: str
    expert: str
    matched: int
    total: int
    unmatched: tuple[str, ...] = ()
    misshaped: tuple[str, ...] = ()
    base: Span | None = None
    calls: tuple[Span, ...] = ()
    fitting: tuple[str, ...] = ()
    reference: Span | None = None

    def message(self) -> str:
        missing = self.total - self.matched
        if not missing:
            return f"{self.kind} `{self.expert}` lacks {len(self.misshaped)} tensors that the base has"
        return f"{missing} of {self.total} tensors of {self.kind} `{self.expert}` have no place in the base"

    def primary(self) -> str:
        if self.matched == self.total:
            return f"holds {self.total} of {self.total + len(self.misshaped)}"
        return f"covers {self.matched} of {self.total}"

    def labels(self) -> tuple[Label, ...]:
        base = (Label(self.base, "this base"),) if self.base else ()
        return (*base, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        shown = 3
        lines = [f"not in the base: {', '.join(self.unmatched[:shown])}{_more(self.unmatched, shown)}"]
        shapes = [f"of another shape: {', '.join(self.misshaped[:shown])}{_more(self.misshaped, shown)}"]
        return (
            *(lines if self.unmatched else []),
            *(shapes if self.misshaped else []),
            *rather(self.fitting),
        )

    def fixes(self) -> tuple[Fix, ...]:
        return instead(self.fitting, self.reference)


@dataclass(frozen=True)
class PredictionMismatch(Diagnostic):
    """Weights of models that predict different things are added.

        fuse(v_model, checkpoint("./epsilon.safetensors") * 0.5)     # M403

    A denoiser that predicts noise and one that predicts velocity have no meaningful sum of weights.
    """

    code: ClassVar[str] = "M403"
    title: ClassVar[str] = "`{expert}` predicts {given}, the base predicts {wanted}"
    label: ClassVar[str] = "predicts {given}"

    expert: str
    given: str
    wanted: str
    base: Span | None = None
    calls: tuple[Span, ...] = ()
    fitting: tuple[str, ...] = ()
    reference: Span | None = None

    def labels(self) -> tuple[Label, ...]:
        base = (Label(self.base, f"predicts {self.wanted}"),) if self.base else ()
        return (*base, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        return rather(self.fitting)

    def fixes(self) -> tuple[Fix, ...]:
        return instead(self.fitting, self.reference)


@dataclass(frozen=True)
class TokenWithoutMeaning(Diagnostic):
    """A prompt inserts an expert's token or trigger, but the expert is not fused into the model that reads it.

        let look = fuse(base, neon)
        sample(look, prompt: "{hero} at night")     # M404: `hero` is not in `look`

    The words would mean nothing to the model. Fuse the expert, or take it out of the prompt.
    """

    code: ClassVar[str] = "M404"
    title: ClassVar[str] = "the prompt names `{expert}`, which is not fused into the model"
    label: ClassVar[str] = "inserted here"

    expert: str
    model: Span | None = None
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        model = (Label(self.model, "this model does not have it"),) if self.model else ()
        return (*model, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        return (f"fuse `{self.expert}` into the model, or take it out of the prompt",)


@dataclass(frozen=True)
class TokenUnused(Diagnostic):
    """An embedding is fused, but no prompt that its model reads holds its token, so it does nothing.

    let look = fuse(base, hero)
    sample(look, prompt: "a red cat")     # M405: `<samurai>` is not in the prompt
    """

    code: ClassVar[str] = "M405"
    title: ClassVar[str] = "embedding `{expert}` is fused, but its token `{token}` is not in the prompt"
    label: ClassVar[str] = "this prompt"
    severity: ClassVar[Severity] = Severity.WARNING

    expert: str
    token: str
    insert: str | None = None
    edit: Edit | None = None
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        what = f"{{{self.insert}}}" if self.insert else self.token
        return (f"write it into the prompt: `{what}`",)

    def fixes(self) -> tuple[Fix, ...]:
        return added(self.insert, self.token, self.edit)


@dataclass(frozen=True)
class TokenClash(Diagnostic):
    """Two embeddings that are fused into one model have the same token.

    For example:

        fuse(base, embedding("./a.safetensors"), embedding("./b.safetensors"))     # M406: both are <hero>
    """

    code: ClassVar[str] = "M406"
    title: ClassVar[str] = "embeddings `{first}` and `{second}` share the token `{token}`"
    label: ClassVar[str] = "the second"

    first: str
    second: str
    token: str
    other: Span | None = None

    def labels(self) -> tuple[Label, ...]:
        return (Label(self.other, "the first"),) if self.other else ()

    def help(self) -> tuple[str, ...]:
        return (
            "a prompt cannot tell them apart: leave one out, or rename the token of one (its tensor or file)",
        )


@dataclass(frozen=True)
class PromptTooLong(Diagnostic):
    """A prompt has more tokens than the model's text encoder takes.

    Other tools cut the end off in silence (or with a line in a log). Here the prompt is refused, with the words
    that would have been lost:

        sample(base, prompt: "a red cat, … and a silver bell")     # M407: "and a silver bell" does not fit
    """

    code: ClassVar[str] = "M407"
    title: ClassVar[str] = "the prompt takes {used} tokens, the text encoder {limit}"
    label: ClassVar[str] = "this prompt"

    used: int
    limit: int
    lost: str
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        return (f"does not fit: “{self.lost}”",)


@dataclass(frozen=True)
class FusedTwice(Diagnostic):
    """One expert stands twice among the operands of a fusion; its strengths add up.

    For example:

        fuse(base, neon * 0.5, neon * 0.3)     # M408: the same as neon * 0.8
    """

    code: ClassVar[str] = "M408"
    title: ClassVar[str] = "`{expert}` is fused twice; its strengths add up"
    label: ClassVar[str] = "again here"
    severity: ClassVar[Severity] = Severity.WARNING

    expert: str
    first: Span | None = None

    def labels(self) -> tuple[Label, ...]:
        return (Label(self.first, "here first"),) if self.first else ()

    def help(self) -> tuple[str, ...]:
        return ("write it once, at the strength that is meant",)


def _more(names: tuple[str, ...], shown: int) -> str:
    return f" and {len(names) - shown} more" if len(names) > shown else ""


@dataclass(frozen=True)
class IncompleteBase(Diagnostic):
    """A checkpoint that is only part of a model is used as a whole one.

        sample(checkpoint("./unet.safetensors"), prompt: "a red cat")     # M409: it has no text encoder

    A denoiser alone can be fused into a model (`fuse(base, checkpoint("./unet.safetensors") * 0.5)`), but
    makes no pictures. A single file never holds a tokenizer: put the `tokenizer` folder of its family
    beside it.
    """

    code: ClassVar[str] = "M409"
    title: ClassVar[str] = "`{expert}` makes no pictures: it lacks {missing}"
    label: ClassVar[str] = "used as a whole model"

    expert: str
    lacks: tuple[str, ...]
    calls: tuple[Span, ...] = ()

    @property
    def missing(self) -> str:
        """What is not there, as a list in words."""
        *first, last = self.lacks
        return f"{', '.join(first)} and {last}" if first else last

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        if self.lacks == ("a tokenizer",):
            return ("put the folder `tokenizer` of the model's family beside the file",)
        return ("use a complete model as the base; this one can be fused into it",)
