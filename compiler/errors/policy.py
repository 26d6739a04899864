"""M5xx: licences, creators' wishes and ratings, judged by what a plan says of its use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix, Label, Severity, called
from mosaic.compiler.source import Span


def _replaced(span: Span | None, calls: tuple[Span, ...], instead: tuple[str, ...]) -> tuple[Fix, ...]:
    """Use another expert where one is named in quotes. Not safe: the picture is another one."""
    if span is None or not span.text.startswith('"') or calls:
        return ()
    return tuple(Fix(f"use `{name}`", (Edit(span, f'"{name}"'),), safe=False) for name in instead[:1])


@dataclass(frozen=True)
class Judged(Diagnostic):
    """What a policy and an expert say of each other; `span` is the expert, `asked` the policy's line."""

    kind: str
    expert: str
    licence: str = ""
    reason: str = ""  # the licence's words, or what is known of the creator's
    asked: Span | None = None
    calls: tuple[Span, ...] = ()
    instead: tuple[str, ...] = ()  # experts that the policy would allow

    asks: ClassVar[str] = "asked here"

    def labels(self) -> tuple[Label, ...]:
        asked = (Label(self.asked, self._filled(self.asks)),) if self.asked else ()
        return (*asked, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        return (*self.because(), *self.advice(), *self.others())

    def because(self) -> tuple[str, ...]:
        """The clause."""
        return (self.reason,) if self.reason else ()

    def advice(self) -> tuple[str, ...]:
        """The way out, besides another expert."""
        return ()

    def others(self) -> tuple[str, ...]:
        """Experts to use instead."""
        names = ", ".join(f"`{name}`" for name in self.instead)
        return (f"allowed here and much alike: {names}",) if names else ()

    def fixes(self) -> tuple[Fix, ...]:
        return _replaced(self.span, self.calls, self.instead)


@dataclass(frozen=True)
class NotForMoney(Judged):
    """An expert's licence forbids what a commercial plan needs: selling pictures, or using the model itself for
    money.

    For example, where the expert is under CC-BY-NC-4.0:

        policy { use: commercial }
        let film = lora("./film.safetensors")     # M501

    The rights of a plan are those that every part of it gives: the base with its encoders and VAE, and every expert
    that a result passes through. One part that is for non-commercial use alone makes the whole so.

    Use another expert, ask its owner for a commercial licence (and state that one in the catalog), or say
    `use: personal` where that is true.
    """

    code: ClassVar[str] = "M501"
    title: ClassVar[str] = "{kind} `{expert}` is not for commercial use"
    label: ClassVar[str] = "under {licence}"
    asks: ClassVar[str] = "commercial use"


@dataclass(frozen=True)
class NotToServe(Judged):
    """An expert's licence forbids offering it to others as a service.

    For example, where the expert is under the Stability AI Non-Commercial Research Community License:

        policy { action: serve }
        let turbo = checkpoint("./turbo")     # M502

    Licences for non-commercial use are counted among these: whoever serves a model lets others use it for whatever
    they like. Use another expert, or ask its owner for a licence that allows it.
    """

    code: ClassVar[str] = "M502"
    title: ClassVar[str] = "{kind} `{expert}` may not be served to others"
    label: ClassVar[str] = "under {licence}"
    asks: ClassVar[str] = "offered as a service"


@dataclass(frozen=True)
class CreatorForbids(Judged):
    """A creator's own conditions, as hubs record them beside the licence, do not allow what the plan does.

    For example, where the creator allows selling pictures, but no generation as a service:

        policy { action: serve }
        let film = lora("./film.safetensors")     # M503

    Pictures may be sold where the creator allows "image", a service be run where it allows "rent", a merge be sold
    where it allows "sell". Use another expert, or ask the creator.
    """

    code: ClassVar[str] = "M503"
    title: ClassVar[str] = "the creator of {kind} `{expert}` does not allow {licence}"
    label: ClassVar[str] = "its conditions do not cover this"

    def advice(self) -> tuple[str, ...]:
        return ("ask the creator, or use another expert",) if not self.instead else ()


@dataclass(frozen=True)
class NoMerges(Judged):
    """A merged model is passed on, and one of its parts allows no derivatives.

    For example, where the expert is under CC-BY-ND-4.0:

        policy { action: redistribute }
        emit fuse(base, lora("./film.safetensors")) as "look.safetensors"     # M504

    Stacking experts while a picture is made passes nothing on and is no matter of this clause: emit the picture, and
    give away the plan instead of the merged model.
    """

    code: ClassVar[str] = "M504"
    title: ClassVar[str] = "a merge of {kind} `{expert}` may not be passed on"
    label: ClassVar[str] = "under {licence}"
    asks: ClassVar[str] = "a merged model is passed on"

    def advice(self) -> tuple[str, ...]:
        return ("emit the picture: fusing while it is made passes on nothing",)


@dataclass(frozen=True)
class LocksDiffer(Diagnostic):
    """A merged model is passed on, and two of its parts each demand that the merge be under their own licence.

    For example, a base under the Fair AI Public License and a LoRA under CC-BY-SA-4.0:

        policy { action: redistribute }
        emit fuse(base, film) as "look.safetensors"     # M505

    No licence for the merge satisfies both. Leave one of them out, or emit pictures instead of the model.
    """

    code: ClassVar[str] = "M505"
    title: ClassVar[str] = "no licence for the merge satisfies both `{first}` and `{second}`"
    label: ClassVar[str] = "a merge has to be under {lock}"

    first: str
    second: str
    lock: str
    other_lock: str
    other: Span | None = None
    asked: Span | None = None
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        other = (Label(self.other, f"a merge has to be under {self.other_lock}"),) if self.other else ()
        asked = (Label(self.asked, "a merged model is passed on"),) if self.asked else ()
        return (*other, *asked, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        return ("leave one of them out, or emit the picture: fusing while it is made passes on nothing",)


@dataclass(frozen=True)
class RevenueTooHigh(Judged):
    """A licence is for those whose revenue is below a limit, and the policy states a higher one.

    For example, where the base is under the Stability AI Community License, which ends at a million US dollars a
    year:

        policy { use: commercial, revenue: 2000000 }
        let base = checkpoint("./sd3.5-medium")     # M506

    Use another base, or ask the owner for an enterprise licence.
    """

    code: ClassVar[str] = "M506"
    title: ClassVar[str] = "{kind} `{expert}` is licensed up to a revenue of {ceiling} a year"
    label: ClassVar[str] = "under {licence}"
    asks: ClassVar[str] = "the revenue is stated here"

    ceiling: str = ""

    def advice(self) -> tuple[str, ...]:
        return ("above the limit its owner sells a licence of its own",)


@dataclass(frozen=True)
class Contested(Judged):
    """Whether a licence allows what the plan does is disputed, or hangs on a step that a person has to take.

    For example, pictures of FLUX.1 [dev] that are to be sold: one clause of its licence gives outputs free "for any
    purpose", another keeps the model to non-commercial purposes, and lawyers do not agree what that makes of a
    picture.

        policy { use: commercial }
        let flux = checkpoint("./flux-dev")     # M507, a warning

    Nothing that is contested counts as allowed, and nothing as forbidden: a person has to read the clause and decide.
    """

    code: ClassVar[str] = "M507"
    title: ClassVar[str] = "whether {kind} `{expert}` allows {what} is for a person to decide"
    label: ClassVar[str] = "under {licence}"
    asks: ClassVar[str] = "asked here"
    severity: ClassVar[Severity] = Severity.WARNING

    what: str = ""


@dataclass(frozen=True)
class OutsideTerritory(Judged):
    """A licence does not hold in a country that the policy names.

    For example, where the base is under a Tencent Hunyuan Community License, which leaves out the European Union, the
    United Kingdom and South Korea:

        policy { use: personal, territory: "DE" }
        let base = checkpoint("./hunyuan-dit")     # M508

    Outside its territory such a licence gives no rights at all. Use another base.
    """

    code: ClassVar[str] = "M508"
    title: ClassVar[str] = "{kind} `{expert}` is not licensed in {where}"
    label: ClassVar[str] = "under {licence}"
    asks: ClassVar[str] = "used there"

    where: str = ""


@dataclass(frozen=True)
class NotDeclared(Judged):
    """A licence depends on something that the policy does not say: the revenue, or the country.

    For example, where the base is under the Stability AI Community License:

        policy { use: commercial }                     # says no `revenue`
        let base = checkpoint("./sd3.5-medium")        # M509, a warning

    Say it: `policy { use: commercial, revenue: 250000 }` in US dollars a year, `territory: "DE, FR"` by ISO 3166-1
    codes (or "EU", or "WORLD").
    """

    code: ClassVar[str] = "M509"
    title: ClassVar[str] = (
        "the licence of {kind} `{expert}` depends on `{key}`, which the policy does not say"
    )
    label: ClassVar[str] = "{limit}"
    asks: ClassVar[str] = "without `{key}`"
    severity: ClassVar[Severity] = Severity.WARNING

    key: str = ""
    limit: str = ""

    def advice(self) -> tuple[str, ...]:
        example = "revenue: 250000" if self.key == "revenue" else 'territory: "DE, FR"'
        return (f"say it: `policy {{ {example} }}`",)


@dataclass(frozen=True)
class Laundered(Judged):
    """An expert claims to allow more than the model that it was made from, or is fused into.

    For example, a LoRA of FLUX.1 [dev] that is published under Apache-2.0:

        policy { use: commercial }
        let flux = checkpoint("./flux-dev")
        let look = fuse(flux, lora("./film.safetensors"))     # M510, a warning

    Nobody can give away rights that are another's; whether a LoRA is a derivative of its base in law is not settled.
    The base of a plan is judged by its own licence in any case. Where the stricter one is that of a model which the
    expert was trained on, a person has to decide what counts.
    """

    code: ClassVar[str] = "M510"
    title: ClassVar[str] = "{kind} `{expert}` claims to allow more than `{source}`, which it rests on"
    label: ClassVar[str] = "{licence}, but {source_licence} there"
    severity: ClassVar[Severity] = Severity.WARNING
    asks: ClassVar[str] = "asked here"

    source: str = ""
    source_licence: str = ""

    def advice(self) -> tuple[str, ...]:
        return ("a claim does not widen what the other gives: take the stricter of the two",)


@dataclass(frozen=True)
class LicenceUnknown(Judged):
    """Nobody knows what an expert may be used for: it states no licence, or one that is not in the table of licences.

    For example:

        policy { use: personal }
        let film = lora("./film.safetensors")     # M511, a warning

    Look the licence up where the file comes from, and state it: in a file `film.expert.toml` beside it (`license =
    "CC-BY-4.0"`), or by `mosaic catalog add --license`. With `unknown: deny` in the policy this is an error.
    """

    code: ClassVar[str] = "M511"
    title: ClassVar[str] = "the licence of {kind} `{expert}` is not known"
    label: ClassVar[str] = "{reason}"
    severity: ClassVar[Severity] = Severity.WARNING
    asks: ClassVar[str] = "asked here"

    def because(self) -> tuple[str, ...]:
        return ()

    def advice(self) -> tuple[str, ...]:
        return ("state it where the expert is catalogued, once it is looked up",)


@dataclass(frozen=True)
class LicenceNeeded(Judged):
    """A plan is for commercial use, for serving or for passing models on, and nobody knows whether an expert allows
    it.

    For example:

        policy { use: commercial }
        let film = lora("./film.safetensors")     # M512: it states no licence

    What is not licensed is not allowed. Look the licence up where the file comes from, and state it: in a file
    `film.expert.toml` beside it (`license = "CC-BY-4.0"`), or by `mosaic catalog add --license`. `unknown: warn` in
    the policy makes a warning of it, for those who know better.
    """

    code: ClassVar[str] = "M512"
    title: ClassVar[str] = "the licence of {kind} `{expert}` is not known, and the policy needs one"
    label: ClassVar[str] = "{reason}"
    asks: ClassVar[str] = "asked here"

    def because(self) -> tuple[str, ...]:
        return ()

    def advice(self) -> tuple[str, ...]:
        return (
            "state it where the expert is catalogued, once it is looked up; `unknown: warn` leaves it to a person",
        )


@dataclass(frozen=True)
class CreditOwed(Judged):
    """A policy says that no credit will be given, and an expert asks for it.

    For example, where the expert is under CC-BY-4.0:

        policy { use: commercial, credit: false }
        let film = lora("./film.safetensors")     # M513

    The text to show stands in the report of every run. Some licences ask for it only where copies of the model are
    passed on; those are no matter of a plan that makes pictures.
    """

    code: ClassVar[str] = "M513"
    title: ClassVar[str] = "{kind} `{expert}` asks for credit, and the policy gives none"
    label: ClassVar[str] = "under {licence}"
    asks: ClassVar[str] = "no credit"

    def advice(self) -> tuple[str, ...]:
        return ("with `credit: true`, the report of a run holds the text to show",)


@dataclass(frozen=True)
class ForAPerson(Diagnostic):
    """Licences of the plan's experts have clauses that no machine can judge: what pictures may show, how likenesses
    of people are used, what may be trained on outputs.

    For example, where the base is under CreativeML OpenRAIL-M, whose Attachment A lists uses that it forbids:

        policy { use: commercial }     # M514, a note

    Nothing is wrong. The clauses are listed here, by `mosaic plan` and in the report of each run, for a person to
    read.
    """

    code: ClassVar[str] = "M514"
    title: ClassVar[str] = "{clauses} for a person to judge, in the licences of `{plan}`"
    label: ClassVar[str] = "beyond what a machine can decide"
    severity: ClassVar[Severity] = Severity.NOTE

    plan: str
    lines: tuple[str, ...]

    @property
    def clauses(self) -> str:
        """How many there are."""
        return "one clause" if len(self.lines) == 1 else f"{len(self.lines)} clauses"

    def help(self) -> tuple[str, ...]:
        shown = 4
        more = f"and {len(self.lines) - shown} more: see `mosaic plan`"
        return (*self.lines[:shown], *((more,) if len(self.lines) > shown else ()))


@dataclass(frozen=True)
class NotToPassOn(Judged):
    """A model is passed on, and the licence of a part of it forbids copies.

    For example, where the expert is under the Stability AI Non-Commercial Research Community License of 2023, which
    keeps copies to research:

        policy { action: redistribute }
        emit base as "base.safetensors"     # M515

    Emit pictures instead, or use another expert.
    """

    code: ClassVar[str] = "M515"
    title: ClassVar[str] = "{kind} `{expert}` may not be passed on"
    label: ClassVar[str] = "under {licence}"
    asks: ClassVar[str] = "an emitted model is passed on"


@dataclass(frozen=True)
class UnknownTerritory(Diagnostic):
    """A territory is not a country's code.

    For example:

        policy { use: commercial, territory: "UK" }     # M516: the code is GB

    Countries are named by ISO 3166-1 codes of two letters, several with commas between; "EU" is the European Union,
    "WORLD" everywhere.
    """

    code: ClassVar[str] = "M516"
    title: ClassVar[str] = "`{given}` is no code of a country"
    label: ClassVar[str] = "not in ISO 3166-1"

    given: str
    near: str | None = None

    def help(self) -> tuple[str, ...]:
        return ("two letters each, such as `DE, FR`; or `EU`, or `WORLD`",)

    def fixes(self) -> tuple[Fix, ...]:
        if self.near is None or self.span is None or not self.span.text.startswith('"'):
            return ()
        text = self.span.text.replace(self.given, self.near)
        return (Fix(f"write {text}", (Edit(self.span, text),)),)


@dataclass(frozen=True)
class NegativeRevenue(Diagnostic):
    """A revenue is below zero.

    For example:

        policy { use: commercial, revenue: -1 }     # M517

    It is the yearly revenue in US dollars of whoever uses the plan, by which some licences set a limit.
    """

    code: ClassVar[str] = "M517"
    title: ClassVar[str] = "a revenue cannot be negative"
    label: ClassVar[str] = "US dollars a year, 0 or more"

    def help(self) -> tuple[str, ...]:
        return ("say what is earned in a year, or leave it out where that is not known",)


@dataclass(frozen=True)
class RatedAbove(Diagnostic):
    """An expert is rated for a stricter audience than the policy allows.

    For example, where the expert is rated mature:

        policy { rating: general }
        let film = lora("./film.safetensors")     # M520

    A plan is rated at least as its strictest part, whatever its prompts say. Ratings are, from the mildest,
    `general`, `mature` and `explicit`; `rating: any` allows all.
    """

    code: ClassVar[str] = "M520"
    title: ClassVar[str] = "{kind} `{expert}` is rated {given}, the policy allows {allowed}"
    label: ClassVar[str] = "rated {given}"

    kind: str
    expert: str
    given: str
    allowed: str
    asked: Span | None = None
    calls: tuple[Span, ...] = ()
    instead: tuple[str, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        asked = (Label(self.asked, "allowed here"),) if self.asked else ()
        return (*asked, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        names = ", ".join(f"`{name}`" for name in self.instead)
        if not names:
            return ("use another expert, or allow what it is rated: `policy { rating: " + self.given + " }`",)
        return (f"allowed here and much alike: {names}",)

    def fixes(self) -> tuple[Fix, ...]:
        return _replaced(self.span, self.calls, self.instead)


@dataclass(frozen=True)
class PromptAbove(Diagnostic):
    """A prompt has words that make a picture stricter than the policy allows.

    For example:

        policy { rating: general }
        sample(base, prompt: "a nude figure in the river")     # M521: `nude`, mature

    Words are compared whole, after folding of case, accents and common digit spellings; a negative prompt is not
    looked at, since it names what is not to be seen. The list ships with mosaic and can be replaced by one's own:
    `MOSAIC_WORDS` names a file of the same shape (docs/policy.md). A list of words knows no context: it is a first
    look, no judge.
    """

    code: ClassVar[str] = "M521"
    title: ClassVar[str] = "the prompt says `{word}`, which is rated {given}; the policy allows {allowed}"
    label: ClassVar[str] = "this prompt"

    word: str
    category: str
    given: str
    allowed: str
    asked: Span | None = None
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        asked = (Label(self.asked, "allowed here"),) if self.asked else ()
        return (*asked, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        return (f"listed under {self.category}; `MOSAIC_WORDS` names another list of words",)


@dataclass(frozen=True)
class Unrated(Diagnostic):
    """A policy allows only what is for everyone, and nobody has rated an expert.

    For example:

        policy { rating: general }
        let film = lora("./film.safetensors")     # M522, a warning

    Look at what it makes, and state its rating: in a file `film.expert.toml` beside it (`rating = "general"`), or by
    `mosaic catalog add --rating`.
    """

    code: ClassVar[str] = "M522"
    title: ClassVar[str] = "{kind} `{expert}` is not rated, and the policy allows {allowed} only"
    label: ClassVar[str] = "its rating is not known"
    severity: ClassVar[Severity] = Severity.WARNING

    kind: str
    expert: str
    allowed: str
    asked: Span | None = None
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        asked = (Label(self.asked, "allowed here"),) if self.asked else ()
        return (*asked, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        return ("state it where the expert is catalogued, once it is looked at",)


@dataclass(frozen=True)
class NotLast(Diagnostic):
    """A safety expert, marked to be merged last, has others fused after it, which can undo what it does.

    For example:

        let look = fuse(base, safety, neon)     # M523

    Write it as the last operand of the last fusion: `fuse(base, neon, safety)`. Inside a fused model that is an operand
    it counts as well: `fuse(base, neon, fuse(base, safety))` is in order. Where it is merged more than once, the last
    time counts.
    """

    code: ClassVar[str] = "M523"
    title: ClassVar[str] = "{kind} `{expert}` is to be merged last, and `{after}` comes after it"
    label: ClassVar[str] = "has to be the last"

    kind: str
    expert: str
    after: str
    other: Span | None = None
    calls: tuple[Span, ...] = ()
    order: tuple[Span, ...] = ()  # the operands from the expert on, where all stand in one call
    safe: bool = False

    def labels(self) -> tuple[Label, ...]:
        other = (Label(self.other, "fused after it"),) if self.other else ()
        return (*other, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        return ("make it the last operand of the last fusion",) if not self.order else ()

    def fixes(self) -> tuple[Fix, ...]:
        if not self.order:
            return ()
        texts = [span.text for span in (*self.order[1:], self.order[0])]
        edits = tuple(Edit(span, text) for span, text in zip(self.order, texts, strict=True))
        return (Fix(f"move `{self.order[0].text}` to the end", edits, self.safe),)


@dataclass(frozen=True)
class BrokenWords(Diagnostic):
    """The file of words that `MOSAIC_WORDS` names cannot be used.

    For example, where a category has no rating:

        [[category]]
        name = "nudity"
        words = ["nude"]          # M524: `rating` is missing

    Each category has a `name`, a `rating` (mature or explicit) and a list of `words`; docs/policy.md shows a whole
    file.
    """

    code: ClassVar[str] = "M524"
    title: ClassVar[str] = "the list of words in `{path}` cannot be used: {reason}"

    path: str
    reason: str
