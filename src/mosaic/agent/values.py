"""What passes between the steps of composing: frozen values that a trace writes as JSON.

Nothing here comes from a model unchecked: a facet's words stand in the request, an expert's id in the shortlist. Texts
of experts (titles, descriptions) are data from strangers: they are bounded here and quoted wherever they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

LONGEST_REQUEST: Final = 2000
"""Code points of a request."""
LONGEST_DESCRIPTION: Final = 240
"""Code points of an expert's description that anybody is shown."""
TRACE_VERSION: Final = 1
"""The version of the trace; a change that older readers would misread raises it."""


class Value(BaseModel):
    """A frozen value without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FacetKind(StrEnum):
    """What a part of a request is about."""

    SUBJECT = "subject"  # the main thing, as anybody would draw it
    CHARACTER = "character"  # somebody in particular
    STYLE = "style"  # how it looks as a whole
    SETTING = "setting"  # where it is, the background
    OBJECT = "object"  # a thing worn, held or beside the subject
    TECHNIQUE = "technique"  # how it is made: medium, camera, light


class Limits(Value):
    """What binds a composition, whoever writes the plan. `policy` and `budget` hold the entries of the blocks of these
    names in the language's own spelling (`{"use": "commercial"}`, `{"latency": "2s"}`)."""

    policy: Mapping[str, str] = Field(default_factory=dict)
    budget: Mapping[str, str] = Field(default_factory=dict)
    family: str | None = None  # of the base
    base: str | None = None  # a checkpoint's id
    wanted: tuple[str, ...] = ()  # ids of experts that have to be in the plan
    without: tuple[str, ...] = ()  # ids of experts that must not be
    most: int = Field(default=5, ge=0, le=16)  # experts besides the base


class Request(Value):
    """What was asked for. `name` is what the plan and its picture are called."""

    text: str = Field(min_length=1, max_length=LONGEST_REQUEST)
    limits: Limits = Limits()
    name: str = "picture"
    seed: int = Field(default=0, ge=0, lt=2**32)
    size: tuple[int, int] | None = None  # pixels; None: what the base was made for
    steps: int | None = Field(default=None, ge=1)


class Facet(Value):
    """A part of a request. `text` stands in it, from `start` to `end` (code points); `sought` are the words that the
    catalog is asked for, spelled and named as it may know them."""

    kind: FacetKind
    text: str
    start: int
    end: int
    importance: float = Field(ge=0, le=1)
    sought: str
    of: int | None = None  # the place of the facet that it says more about: `neon-lit` of an alley


class Decomposition(Value):
    """A request in parts, in the order of the text. `rest` are words that no facet has."""

    facets: tuple[Facet, ...]
    rest: tuple[str, ...] = ()
    avoided: tuple[str, ...] = ()  # what must not be in the picture: "no hat"


class Sighting(Value):
    """An expert as it is weighed and shown. What strangers wrote is bounded."""

    expert: str
    kind: str
    family: str | None
    category: str = ""
    title: str = ""
    trigger: str | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    license: str | None = None
    rating: str | None = None
    strengths: tuple[float, float] | None = None


class Option(Value):
    """An expert that may serve a facet. `called` says that it is called by the facet's own words. `score` is what
    options are ranked by, 0..1: how well its words answer (`relevance`), and how good it was measured to be
    (`measured`, the lower end of the 95 % interval of `measure`; a prior where nothing was)."""

    facet: int
    expert: str
    score: float
    relevance: float
    called: bool = False
    measured: float | None = None
    measure: str = ""
    reasons: tuple[str, ...] = ()


class LeftOut(Value):
    """What is not in the plan, and why: an expert's id or words of the request."""

    what: str
    reason: str
    facet: int | None = None


class Shortlist(Value):
    """Every expert that the plan may name. `options` are ordered by facet, the best first."""

    bases: tuple[str, ...]
    options: tuple[Option, ...]
    experts: Mapping[str, Sighting]  # of all ids above
    left_out: tuple[LeftOut, ...] = ()

    def names(self) -> dict[str, list[str]]:
        """The ids by kind, as the grammar for a decoder takes them. Every kind of expert is there."""
        found: dict[str, list[str]] = {
            kind: [] for kind in ("checkpoint", "lora", "embedding", "control", "vae")
        }
        for id in (*self.bases, *dict.fromkeys(option.expert for option in self.options)):
            found[self.experts[id].kind].append(id)
        return found


class Pick(Value):
    """An expert in a combination, and the facets that it serves. An embedding has no strength."""

    expert: str
    facets: tuple[int, ...]
    strength: float | None = None


class Combination(Value):
    """Experts that go together, as a plan that compiles. `score` is what combinations are ranked by, 0..1."""

    base: str
    picks: tuple[Pick, ...]
    prompt: str  # as the plan has it, triggers inserted by name
    served: tuple[int, ...]  # facets by an expert
    spoken: tuple[int, ...]  # facets by the prompt alone, in words that the base knows
    unserved: tuple[int, ...]
    cut: tuple[int, ...] = ()  # of these, facets that the prompt has no room for
    quality: float | None = None  # the share of pictures that show everything, as far as it was measured
    seconds: float | None = None  # predicted, the median; None where the device was not measured
    score: float
    reasons: tuple[str, ...] = ()
    plan: str


class Ranking(Value):
    """The best combinations, the best first, and what was left out."""

    combinations: tuple[Combination, ...]
    left_out: tuple[LeftOut, ...] = ()


class Usage(Value):
    """What was spent on a model."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            seconds=self.seconds + other.seconds,
        )


class Estimate(Value):
    """What composing may spend at most, said before it is spent. Seconds are those of the predicted run."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    rounds: int = 0


class Brief(Value):
    """All that a backend is told for writing a plan."""

    request: Request
    decomposition: Decomposition
    shortlist: Shortlist
    ranking: Ranking


class Draft(Value):
    """A plan as a backend wrote it."""

    plan: str
    usage: Usage = Usage()
    prompt: str = ""  # sha256 of what the model was sent
    reply: str = ""  # sha256 of what it answered


class Round(Value):
    """One draft and what became of it. `made` are fixes that the machine made, `diagnostics` what was left: the JSON
    shape of `mosaic check`, each with its line, what was expected there and the candidates, where there are any."""

    number: int
    draft: Draft
    held: tuple[str, ...] = ()  # what was changed so that the plan keeps to the request: policy, budget
    made: tuple[str, ...] = ()
    plan: str = ""  # after that
    diagnostics: tuple[Mapping[str, Any], ...] = ()
    compiles: bool = False


class Answer(Value):
    """What comes of a request. `unmet` says what could not be met; `plan` is then the nearest that can, or empty."""

    plan: str
    explanation: str
    unmet: tuple[LeftOut, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    experts: tuple[str, ...] = ()
    seconds: float | None = None  # predicted of the run
    backend: str = ""  # who wrote the plan that was taken

    @property
    def met(self) -> bool:
        """Whether the plan is what was asked for."""
        return bool(self.plan) and not self.unmet


class Trace(Value):
    """Everything that composing did, step by step. It holds no key and no address with credentials."""

    version: int = TRACE_VERSION
    request: Request
    backend: str
    model: str = ""
    endpoint: str = ""  # scheme, host and port alone
    estimate: Estimate = Estimate()
    decomposition: Decomposition | None = None
    shortlist: Shortlist | None = None
    ranking: Ranking | None = None
    rounds: tuple[Round, ...] = ()
    answer: Answer | None = None
    usage: Usage = Usage()
    catalog: str = ""  # digest
    grammar: str = ""  # sha256 of the grammar that drafts are held to
    prompts: str = ""  # version of the prompts
    mosaic: str = ""  # version
    seconds: Mapping[str, float] = Field(default_factory=dict)  # by step
