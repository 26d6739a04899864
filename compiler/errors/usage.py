"""M414, M415, M417, M420-M423: experts that load, and are not used as they were made to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix, Label, Severity, called
from mosaic.compiler.errors.compatibility import added, instead, rather
from mosaic.compiler.source import Span


@dataclass(frozen=True)
class TriggerMissing(Diagnostic):
    """A LoRA has trigger words, and no prompt that its model reads holds them.

        let neon = lora("zoo/neon")
        let look = fuse(base, neon)
        sample(look, prompt: "a red cat")     # M414: add `{neon}`

    It was trained on pictures that these words described; without them it does less, or nothing. `{name}` in a text
    inserts the words and never mistypes them.
    """

    code: ClassVar[str] = "M414"
    title: ClassVar[str] = "no prompt calls lora `{expert}`: “{trigger}” is missing"
    label: ClassVar[str] = "a prompt that its model reads"
    severity: ClassVar[Severity] = Severity.WARNING

    expert: str
    trigger: str
    insert: str | None = None
    edit: Edit | None = None
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        if self.insert:
            return (f"insert its words into the prompt: `{{{self.insert}}}`",)
        return (f"write its words into the prompt: “{self.trigger}”",)

    def fixes(self) -> tuple[Fix, ...]:
        return added(self.insert, self.trigger, self.edit)


@dataclass(frozen=True)
class TriggerClash(Diagnostic):
    """Two LoRAs that are fused into one model are called by the same words.

        fuse(base, lora("style/ink"), lora("style/brush"))     # M415: both are called by “ink style”

    A prompt cannot call the one without the other. Use one of them, or give both low strengths on purpose.
    """

    code: ClassVar[str] = "M415"
    title: ClassVar[str] = "loras `{first}` and `{second}` are both called by “{trigger}”"
    label: ClassVar[str] = "the second"
    severity: ClassVar[Severity] = Severity.WARNING

    first: str
    second: str
    trigger: str
    other: Span | None = None
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        first = (Label(self.other, "the first"),) if self.other else ()
        return (*first, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        return ("a prompt calls both at once; fuse only one of them to tell them apart",)


@dataclass(frozen=True)
class ClipSkipDisagreement(Diagnostic):
    """Experts that are fused were trained on different layers of the text encoder.

    "Clip skip 2" means that the prompt was read from the layer before the last; a model reads all prompts from one
    layer, so one of the two sees what it was not trained on. For example:

        fuse(base, lora("style/photo"), lora("style/anime"))     # M417: clip skip 1 and 2

    Expect the one that disagrees with the base to follow prompts less well, or use another expert.
    """

    code: ClassVar[str] = "M417"
    title: ClassVar[str] = "`{expert}` was trained with clip skip {mine}, `{other}` with {theirs}"
    label: ClassVar[str] = "clip skip {mine}"
    severity: ClassVar[Severity] = Severity.WARNING

    expert: str
    mine: int
    other: str
    theirs: int
    first: Span | None = None
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        first = (Label(self.first, f"clip skip {self.theirs}"),) if self.first else ()
        return (*first, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        return ("a model reads its prompts from one layer; experts of one clip skip go together",)


@dataclass(frozen=True)
class NativeSizeMismatch(Diagnostic):
    """A picture is sampled at a size far from the one that its model was trained on.

        sample(base, prompt: "a red cat", size: 512x512)     # M420: the zoo's models make 64x64

    With more than four times the area a model repeats its subject, with less than a quarter it loses it. Sample at
    the native size and enlarge by `refine`.
    """

    code: ClassVar[str] = "M420"
    title: ClassVar[str] = "`{model}` makes pictures of {usual}, {given} is far from that"
    label: ClassVar[str] = "{share}"
    severity: ClassVar[Severity] = Severity.WARNING

    model: str
    size: tuple[int, int]
    native: tuple[int, int]
    replaceable: bool = False
    calls: tuple[Span, ...] = ()

    @property
    def usual(self) -> str:
        """The native size as a plan writes it."""
        return f"{self.native[0]}x{self.native[1]}"

    @property
    def given(self) -> str:
        """The size that was asked for."""
        return f"{self.size[0]}x{self.size[1]}"

    @property
    def share(self) -> str:
        """How the areas compare."""
        area, usual = self.size[0] * self.size[1], self.native[0] * self.native[1]
        return f"{area / usual:.3g} times the area" if area > usual else f"1/{usual / area:.3g} of the area"

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        return (f"sample at {self.usual}, or leave `size` out",)

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None or not self.replaceable or not self.span.text[:1].isdigit():
            return ()
        return (Fix(f"write `{self.usual}`", (Edit(self.span, self.usual),), safe=False),)


@dataclass(frozen=True)
class StrengthOutsideRange(Diagnostic):
    """An expert is used at a strength outside the range that it is known to work in.

        fuse(base, neon * 2.5)     # M421: `zoo/neon` works from 0 to 1.2

    The range was measured, or stated by whoever made the expert; beyond it pictures break or nothing shows.
    """

    code: ClassVar[str] = "M421"
    title: ClassVar[str] = (
        "`{expert}` is known to work at strengths from {low:g} to {high:g}, not at {strength:g}"
    )
    label: ClassVar[str] = "strength {strength:g}"
    severity: ClassVar[Severity] = Severity.WARNING

    expert: str
    strength: float
    low: float
    high: float
    edit: Edit | None = None
    calls: tuple[Span, ...] = ()

    @property
    def nearest(self) -> float:
        """The bound that the strength is nearest to."""
        return self.low if self.strength < self.low else self.high

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        return (f"the nearest that is known to work: {self.nearest:g}",)

    def fixes(self) -> tuple[Fix, ...]:
        if self.edit is None:
            return ()
        return (Fix(f"write `{self.edit.replacement.strip()}`", (self.edit,), safe=False),)


@dataclass(frozen=True)
class ExpertsExclude(Diagnostic):
    """Two experts are fused of which one is known not to go with the other.

        fuse(base, lora("style/ink"), lora("style/neon"))     # M422: `style/ink` excludes `style/neon`

    The catalog holds this as a fact of one of the two. Leave one out, or keep them in models of their own and hand
    over between them (`resume`).
    """

    code: ClassVar[str] = "M422"
    title: ClassVar[str] = "`{expert}` and `{other}` do not go together"
    label: ClassVar[str] = "{said}"

    expert: str
    other: str
    says: str
    first: Span | None = None
    calls: tuple[Span, ...] = ()

    @property
    def said(self) -> str:
        """Which of the two excludes the other."""
        return f"excludes `{self.other}`" if self.says == self.expert else f"excluded by `{self.other}`"

    def labels(self) -> tuple[Label, ...]:
        first = (Label(self.first, f"`{self.other}`"),) if self.first else ()
        return (*first, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        return ("leave one of them out, or let each look of its own make a part of the run (`resume`)",)


@dataclass(frozen=True)
class LineageMismatch(Diagnostic):
    """A LoRA was made for another training family of the base's architecture.

        fuse(checkpoint("models/illustrious"), lora("style/pony"))     # M423

    Its tensors fit, but the bases have drifted so far apart that little of what it learned shows. Use a LoRA of the
    base's own family.
    """

    code: ClassVar[str] = "M423"
    title: ClassVar[str] = "lora `{expert}` is made for {given}, the base is {wanted}"
    label: ClassVar[str] = "lineage {given}"
    severity: ClassVar[Severity] = Severity.WARNING

    expert: str
    given: str
    wanted: str
    base: Span | None = None
    calls: tuple[Span, ...] = ()
    fitting: tuple[str, ...] = ()
    reference: Span | None = None

    def labels(self) -> tuple[Label, ...]:
        base = (Label(self.base, f"lineage {self.wanted}"),) if self.base else ()
        return (*base, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        return rather(self.fitting)

    def fixes(self) -> tuple[Fix, ...]:
        return instead(self.fitting, self.reference)
