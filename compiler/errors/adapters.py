"""M410-M419: how experts are encoded, and which parts and variants of a model they change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Fix, Label, Severity, called
from mosaic.compiler.errors.compatibility import instead, rather
from mosaic.compiler.source import Span

_SHOWN = 3


def shown(names: tuple[str, ...]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


@dataclass(frozen=True)
class AlgorithmNotTaken(Diagnostic):
    """An adapter encodes its changes in a way that the fusion's operator cannot take.

    For example, with a file that holds an orthogonal fine-tuning (OFT, Qiu et al. 2023):

        let look = fuse(base, lora("style/oft"), via: sum)     # M410

    LoRA, LoHa, LoKr, DoRA and full differences are taken by every operator of mosaic. OFT, IA3 and GLoRA follow
    other formulas; they are told by the names of their tensors, and reading one as a plain LoRA would
    give a wrong picture. Use an operator that takes it, where there is one, or an adapter that was extracted as a
    LoRA.
    """

    code: ClassVar[str] = "M410"
    title: ClassVar[str] = "`{expert}` is encoded as {algorithm}, which `{operator}` cannot take"
    label: ClassVar[str] = "{algorithm}"

    expert: str
    algorithm: str
    operator: str
    takes: tuple[str, ...] = ()
    able: tuple[str, ...] = ()
    calls: tuple[Span, ...] = ()
    fitting: tuple[str, ...] = ()
    reference: Span | None = None

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        takes = " or ".join(filter(None, (", ".join(self.takes[:-1]), *self.takes[-1:])))
        own = f"`{self.operator}` takes adapters encoded as {takes}"
        if not self.able:
            return (f"{own}; no operator of this version takes {self.algorithm}", *rather(self.fitting))
        able = ", ".join(f"`{name}`" for name in self.able)
        return (f"{own}; {able} takes {self.algorithm}", *rather(self.fitting))

    def fixes(self) -> tuple[Fix, ...]:
        return instead(self.fitting, self.reference)


@dataclass(frozen=True)
class RankBeyondLimits(Diagnostic):
    """An adapter's factors are larger than the matrix that they change.

    The product of two factors of rank r has at most the rank of the matrix it is added to, so a larger r holds
    nothing more and is a sign of a file that was made for another model or put together wrongly. For example:

        fuse(base, lora("style/huge"))     # M411: rank 2048, a matrix of sd1 has at most 1280

    An adapter that was extracted anew at a smaller rank says the same in less.
    """

    code: ClassVar[str] = "M411"
    title: ClassVar[str] = "the rank of lora `{expert}` is larger than what it changes"
    label: ClassVar[str] = "{count}"

    expert: str
    modules: tuple[str, ...]
    calls: tuple[Span, ...] = ()
    fitting: tuple[str, ...] = ()
    reference: Span | None = None

    @property
    def count(self) -> str:
        """How much of the adapter it is."""
        return "a rank that cannot be" if len(self.modules) == 1 else f"in {len(self.modules)} modules"

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        return (
            shown(self.modules),
            "use an adapter that was extracted at a smaller rank",
            *rather(self.fitting),
        )

    def fixes(self) -> tuple[Fix, ...]:
        return instead(self.fitting, self.reference)


@dataclass(frozen=True)
class PartlyLoaded(Diagnostic):
    """A LoRA is loaded as far as it fits, because the plan allows that by name.

        let film = lora("style/film", partial: true)
        let look = fuse(base, film)     # M412: 12 of 128 tensors are left out

    Without `partial: true` this is the error M402. The picture is not what the expert was made for; how many tensors
    took part stands in the report.
    """

    code: ClassVar[str] = "M412"
    title: ClassVar[str] = "{missing} of {total} tensors of {kind} `{expert}` are left out, as allowed"
    label: ClassVar[str] = "loads {matched} of {total}"
    severity: ClassVar[Severity] = Severity.WARNING

    kind: str
    expert: str
    matched: int
    total: int
    unmatched: tuple[str, ...] = ()
    misshaped: tuple[str, ...] = ()
    calls: tuple[Span, ...] = ()

    @property
    def missing(self) -> int:
        """How many tensors have no place."""
        return self.total - self.matched

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        lines = []
        if self.unmatched:
            lines.append(f"not in the base: {shown(self.unmatched)}")
        if self.misshaped:
            lines.append(f"of another shape: {shown(self.misshaped)}")
        return tuple(lines)


@dataclass(frozen=True)
class TokenInVocabulary(Diagnostic):
    """An embedding's token is a word that the base's tokenizer has already.

    The learned vectors would take the place of the word, in every prompt. For example, with an embedding whose token
    is the plain word `cat`:

        let look = fuse(base, embedding("./cat.safetensors"))     # M413

    An embedding's token is the name of its tensor, or of its file: rename it to something that is no word, such as
    `<my-cat>`.
    """

    code: ClassVar[str] = "M413"
    title: ClassVar[str] = "the token `{token}` of embedding `{expert}` is already a word of `{base}`"
    label: ClassVar[str] = "token `{token}`"

    expert: str
    token: str
    base: str
    model: Span | None = None
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        model = (Label(self.model, "its vocabulary has the word"),) if self.model else ()
        return (*model, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        return (f"give the embedding a token that is no word: `<{self.token}>`",)


@dataclass(frozen=True)
class TextEncoderMissing(Diagnostic):
    """An adapter changes a text encoder that the base does not have.

        let look = fuse(base, lora("style/two-encoders"))     # M416: the base has one text encoder

    Half of what the adapter learned would be lost. Use a base of its kind, or load the rest by name:
    `lora("style/two-encoders", partial: true)`.
    """

    code: ClassVar[str] = "M416"
    title: ClassVar[str] = "{kind} `{expert}` changes {parts}, which the base does not have"
    label: ClassVar[str] = "changes {parts}"

    kind: str
    expert: str
    encoders: tuple[str, ...]
    base: Span | None = None
    calls: tuple[Span, ...] = ()
    fitting: tuple[str, ...] = ()
    reference: Span | None = None

    @property
    def parts(self) -> str:
        """The text encoders as a list in words."""
        return " and ".join(f"`{name}`" for name in self.encoders)

    def labels(self) -> tuple[Label, ...]:
        base = (Label(self.base, "has none"),) if self.base else ()
        return (*base, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        allow = f"use a base with {self.parts}, or allow the rest alone: `{self.kind}(…, partial: true)`"
        return (allow, *rather(self.fitting))

    def fixes(self) -> tuple[Fix, ...]:
        return instead(self.fitting, self.reference)


@dataclass(frozen=True)
class VariantMismatch(Diagnostic):
    """An expert is made for inpainting or editing and the base is not, or the other way round.

    Denoisers for inpainting and editing read more channels than their latents (9 or 8 where a plain one reads 4).
    For example:

        fuse(base, checkpoint("models/inpaint") * 0.5)     # M418

    Use experts of the base's own variant. A plain LoRA goes into any variant.
    """

    code: ClassVar[str] = "M418"
    title: ClassVar[str] = "{kind} `{expert}` is made for {given} models, the base is {wanted}"
    label: ClassVar[str] = "variant {given}"

    kind: str
    expert: str
    given: str
    wanted: str
    base: Span | None = None
    calls: tuple[Span, ...] = ()
    fitting: tuple[str, ...] = ()
    reference: Span | None = None

    def message(self) -> str:
        wanted = "a plain one" if self.wanted == "plain" else f"one for {self.wanted}"
        given = "plain" if self.given == "plain" else self.given
        return f"{self.kind} `{self.expert}` is made for {given} models, the base is {wanted}"

    def labels(self) -> tuple[Label, ...]:
        base = (Label(self.base, f"variant {self.wanted}"),) if self.base else ()
        return (*base, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        return rather(self.fitting) or ("use an expert of the base's own variant",)

    def fixes(self) -> tuple[Fix, ...]:
        return instead(self.fitting, self.reference)


@dataclass(frozen=True)
class VariantBase(Diagnostic):
    """A model for inpainting or editing is asked to make a picture from noise alone.

        sample(checkpoint("models/inpaint"), prompt: "a red cat")     # M419

    Such a denoiser reads a mask or a picture beside its latent, which this version cannot give it. Use the plain
    model of its family.
    """

    code: ClassVar[str] = "M419"
    title: ClassVar[str] = "`{model}` is a model for {purpose}, which this version cannot run"
    label: ClassVar[str] = "`{verb}` has only a latent to give it"

    model: str
    variant: str
    verb: str
    calls: tuple[Span, ...] = ()

    @property
    def purpose(self) -> str:
        """What the variant is for, as a noun."""
        return {"inpaint": "inpainting", "edit": "editing"}.get(self.variant, self.variant)

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        return ("use the plain model of its family",)
