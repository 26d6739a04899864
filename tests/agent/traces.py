"""Traces to show and to write: one as composing makes it over the zoo, and any at all."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from mosaic.agent import values
from mosaic.agent.values import (
    Answer,
    Combination,
    Decomposition,
    Draft,
    Estimate,
    Facet,
    FacetKind,
    LeftOut,
    Limits,
    Option,
    Pick,
    Ranking,
    Request,
    Round,
    Shortlist,
    Sighting,
    Trace,
    Usage,
)
from mosaic.agent.world import World
from mosaic.compiler.reporting.document import render_json
from mosaic.project import Project

TEXT = "a cyberpunk samurai cat in a neon-lit rainy alley, watercolor"
PLAN = """\
mosaic 1

policy { use: commercial }

plan picture {
  let base = checkpoint("zoo/base")
  let wash = lora("zoo/watercolor")
  let hero = embedding("zoo/samurai")

  let look = fuse(base, hero, wash * 0.8)
  let image = sample(look, prompt: "a {hero} in the alley, {wash}", seed: 0)

  emit image as "picture.png"
}
"""


def facet(kind: FacetKind, text: str, importance: float, of: int | None = None) -> Facet:
    """A part of the request above."""
    start = TEXT.index(text)
    return Facet(
        kind=kind,
        text=text,
        start=start,
        end=start + len(text),
        importance=importance,
        sought=text.replace("-", " "),
        of=of,
    )


@cache
def over_the_zoo() -> Trace:
    """A trace as a model leaves it: a first draft that does not compile, and one that does."""
    world = World(Project())
    broken = PLAN.replace('lora("zoo/watercolor")', 'lora("zoo/watercolour")').replace("fuse(", "fuze(")
    bad, good = world.compile(broken), world.compile(PLAN)
    assert bad.has_errors and not good.has_errors
    return Trace(
        request=Request(text=TEXT, limits=Limits(policy={"use": "commercial"}, budget={"latency": "2s"})),
        backend="openai",
        model="tiny-writer",
        endpoint="http://127.0.0.1:8000",
        estimate=Estimate(calls=5, input_tokens=20000, output_tokens=8000, rounds=3),
        decomposition=Decomposition(
            facets=(
                facet(FacetKind.STYLE, "cyberpunk", 0.5),
                facet(FacetKind.CHARACTER, "samurai", 1),
                facet(FacetKind.SUBJECT, "cat", 0.9),
                facet(FacetKind.TECHNIQUE, "neon-lit", 0.4, of=4),
                facet(FacetKind.SETTING, "alley", 0.7),
                facet(FacetKind.STYLE, "watercolor", 0.8),
            ),
            rest=("rainy",),
        ),
        shortlist=_shortlist(),
        ranking=Ranking(
            combinations=(
                Combination(
                    base="zoo/base",
                    picks=(
                        Pick(expert="zoo/samurai", facets=(1,)),
                        Pick(expert="zoo/watercolor", facets=(5,), strength=0.8),
                    ),
                    prompt="a {hero} in the alley, {wash}",
                    served=(1, 5),
                    spoken=(4,),
                    unserved=(0, 2, 3),
                    quality=0.81,
                    seconds=0.42,
                    score=0.74,
                    reasons=("zoo/samurai and zoo/watercolor were measured together: 0.81",),
                    plan=PLAN,
                ),
            ),
            left_out=(LeftOut(what="zoo/neon", reason="weakens zoo/watercolor", facet=3),),
        ),
        rounds=(
            Round(
                number=1,
                draft=Draft(
                    plan=broken, usage=Usage(calls=1, input_tokens=1800, output_tokens=220, seconds=1.5)
                ),
                plan=broken,
                diagnostics=tuple(render_json(bad.diagnostics)),
            ),
            Round(
                number=2,
                draft=Draft(plan=PLAN.replace("policy { use: commercial }\n\n", "")),
                held=("policy { use: commercial } was put in: it is the request's",),
                made=(),
                plan=PLAN,
                compiles=True,
            ),
        ),
        answer=Answer(
            plan=PLAN,
            explanation="A samurai in the alley, by zoo/samurai on zoo/base. zoo/watercolor makes it a watercolour.",
            unmet=(LeftOut(what="cat", reason="zoo/base draws no cats", facet=2),),
            left_out=(LeftOut(what="cyberpunk", reason="no expert answers it", facet=0),),
            experts=("zoo/base", "zoo/samurai", "zoo/watercolor"),
            seconds=0.42,
            backend="openai",
        ),
        usage=Usage(calls=2, input_tokens=4100, output_tokens=430, seconds=3.1),
        catalog="sha256:" + "ab" * 32,
        grammar="cd" * 32,
        prompts="1",
        mosaic="0.1.0.dev0",
        seconds={"decompose": 1.2, "retrieve": 0.03, "weigh": 0.2, "emit": 3.1},
    )


def _shortlist() -> Shortlist:
    seen = {
        "zoo/base": Sighting(expert="zoo/base", kind="checkpoint", family="sd1", license="Apache-2.0"),
        "zoo/samurai": Sighting(
            expert="zoo/samurai", kind="embedding", family="sd1", title="Samurai", license="Apache-2.0"
        ),
        "zoo/watercolor": Sighting(
            expert="zoo/watercolor",
            kind="lora",
            family="sd1",
            category="style",
            title="Watercolor",
            trigger="watercolor style",
            description="Washes of thin paint",
            license="Apache-2.0",
            rating="general",
            strengths=(0.6, 1.0),
        ),
        "zoo/neon": Sighting(expert="zoo/neon", kind="lora", family="sd1", title="Neon"),
    }
    return Shortlist(
        bases=("zoo/base",),
        options=(
            Option(facet=1, expert="zoo/samurai", score=0.9, relevance=1, measured=0.9, measure="character"),
            Option(
                facet=3, expert="zoo/neon", score=0.3, relevance=0.6, reasons=("its trigger is `neon style`",)
            ),
            Option(
                facet=5,
                expert="zoo/watercolor",
                score=0.86,
                relevance=1,
                measured=0.86,
                measure="style alone, 64 pictures",
                reasons=("its trigger is `watercolor style`", "its name says so"),
            ),
        ),
        experts=seen,
        left_out=(LeftOut(what="studio/cyber", reason="CC BY-NC 4.0: not commercially", facet=0),),
    )


HOSTILE = (
    "<script>alert(1)</script>",
    "</pre></main><img src=x onerror=alert(1)>",
    "\"' onmouseover=alert(1) x='",
    "{{ 7 * 7 }}{% raw %}",
    "\u202etxt.exe\u2066\u200b",
    "<!-- --><style>*{display:none}</style>",
    "&lt;b&gt; & &amp;",
    "\x1b[31m\x00\r\n\t",
)
"""What strangers write to break out of a page."""

_words = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12))
_shares = st.floats(0, 1)
_places = st.integers(-1, 9)
_numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)


def _several(of: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=most).map(tuple)


def _by_word(of: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(_words, of, max_size=2)


_left_out = st.builds(LeftOut, what=_words, reason=_words, facet=st.none() | _places)
_facets = st.builds(
    Facet,
    kind=st.sampled_from(FacetKind),
    text=_words,
    start=_places,
    end=st.integers(-1, 40),
    importance=_shares,
    sought=_words,
    of=st.none() | _places,
)
_limits = st.builds(
    Limits,
    policy=_by_word(_words),
    budget=_by_word(_words),
    family=st.none() | _words,
    base=st.none() | _words,
    wanted=_several(_words),
    without=_several(_words),
)
_requests = st.builds(
    Request, text=st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=40)), limits=_limits,
    name=_words, seed=st.just(0), size=st.none() | st.just((64, 64)), steps=st.none() | st.just(4),
)  # fmt: skip
_sightings = st.builds(
    Sighting,
    expert=_words,
    kind=_words,
    family=st.none() | _words,
    category=_words,
    title=_words,
    trigger=st.none() | _words,
    description=_words,
    tags=_several(_words),
    license=st.none() | _words,
    rating=st.none() | _words,
    strengths=st.none() | st.tuples(_numbers, _numbers),
)
_options = st.builds(
    Option, facet=_places, expert=_words, score=_numbers, relevance=_numbers,
    measured=st.none() | _numbers, measure=_words, reasons=_several(_words),
)  # fmt: skip
_shortlists = st.builds(
    Shortlist,
    bases=_several(_words),
    options=_several(_options),
    experts=_by_word(_sightings),
    left_out=_several(_left_out),
)
_picks = st.builds(Pick, expert=_words, facets=_several(_places), strength=st.none() | _numbers)
_combinations = st.builds(
    Combination, base=_words, picks=_several(_picks), prompt=_words, served=_several(_places),
    spoken=_several(_places), unserved=_several(_places), quality=st.none() | _numbers,
    seconds=st.none() | _numbers, score=_numbers, reasons=_several(_words), plan=_words,
)  # fmt: skip
_usages = st.builds(Usage, calls=st.integers(0, 9), seconds=_shares)
_drafts = st.builds(Draft, plan=_words, usage=_usages, prompt=_words, reply=_words)
_told = st.fixed_dictionaries(
    {},
    optional={
        "code": _words, "severity": _words, "message": _words, "file": st.none() | _words,
        "line": st.none() | _places, "column": st.none() | _places, "end_line": _words | _places,
        "end_column": st.none() | _places, "help": st.lists(_words, max_size=2) | _words,
        "fixes": st.lists(st.dictionaries(st.sampled_from(("title", "safe")), _words) | _words, max_size=2),
        "expected": st.lists(_words, max_size=2),
    },
)  # fmt: skip
_rounds = st.builds(
    Round,
    number=st.integers(1, 3),
    draft=_drafts,
    held=_several(_words),
    made=_several(_words),
    plan=_words,
    diagnostics=_several(_told),
    compiles=st.booleans(),
)
_answers = st.builds(
    Answer, plan=_words, explanation=_words, unmet=_several(_left_out), left_out=_several(_left_out),
    experts=_several(_words), seconds=st.none() | _numbers, backend=_words,
)  # fmt: skip
traces = st.builds(
    Trace,
    version=st.just(values.TRACE_VERSION),
    request=_requests,
    backend=_words,
    model=_words,
    endpoint=_words,
    estimate=st.builds(Estimate, calls=st.integers(0, 9)),
    decomposition=st.none()
    | st.builds(Decomposition, facets=_several(_facets, 5), rest=_several(_words), avoided=_several(_words)),
    shortlist=st.none() | _shortlists,
    ranking=st.none()
    | st.builds(Ranking, combinations=_several(_combinations), left_out=_several(_left_out)),
    rounds=_several(_rounds),
    answer=st.none() | _answers,
    usage=_usages,
    catalog=_words,
    grammar=_words,
    prompts=_words,
    mosaic=_words,
    seconds=_by_word(_shares),
)
"""Traces with anything in any field."""
