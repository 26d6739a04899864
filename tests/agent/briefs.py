"""A request, a brief and a backend over a server of `serving`, for tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.agent.serving import (
    Server,
)

from mosaic.agent.backends.calls import Constraint, Options
from mosaic.agent.backends.openai import OpenAIBackend
from mosaic.agent.backends.retrying import Patience
from mosaic.agent.facets import read_facets
from mosaic.agent.values import (
    Brief,
    Combination,
    Option,
    Pick,
    Ranking,
    Request,
    Shortlist,
    Sighting,
)
from mosaic.compiler.diagnostic import MosaicError

KEY = "sk-planted-4f9c1d77aa"
TEXT = "a red cat, neon, no hat"
PLAN = (
    'mosaic 1\n\nparam seed: int = 0\n\nplan picture {\n  let base = checkpoint("zoo/base")\n'
    '  let image = sample(base, prompt: "a red cat", seed: seed)\n  emit image as "picture.png"\n}\n'
)
FACETS = json.dumps(
    {
        "facets": [
            {"kind": "subject", "text": "Red Cat", "importance": 1, "sought": "cat", "of": None},
            {"kind": "style", "text": "neon", "importance": 0.7, "sought": "neon", "of": 0},
        ],
        "avoided": ["hat"],
    }
)
QUICK = Patience(attempts=3, total=5.0, first=0.01, longest=0.02)
FORMS = list(Constraint)


def backend(server: Server, constraint: Constraint = Constraint.GRAMMAR, **more: Any) -> OpenAIBackend:
    spend = more.pop("spend", None)
    options = Options("writer", server.url, constraint=constraint, patience=QUICK, timeout=5.0)
    return OpenAIBackend(replace(options, **more), spend=spend)


def brief() -> Brief:
    experts = {
        "zoo/base": Sighting(expert="zoo/base", kind="checkpoint", family="zoo"),
        "zoo/neon": Sighting(expert="zoo/neon", kind="lora", family="zoo", trigger="neon style"),
    }
    best = Combination(
        base="zoo/base", picks=(Pick(expert="zoo/neon", facets=(1,), strength=0.8),), prompt="a red cat, {neon}",
        served=(1,), spoken=(0,), unserved=(), score=0.8, plan="",
    )  # fmt: skip
    return Brief(
        request=Request(text=TEXT),
        decomposition=read_facets(json.loads(FACETS), TEXT),
        shortlist=Shortlist(
            bases=("zoo/base",),
            options=(Option(facet=1, expert="zoo/neon", score=0.9, relevance=1),),
            experts=experts,
        ),
        ranking=Ranking(combinations=(best,)),
    )


def refusal(call: Callable[[], Any]) -> Any:
    with pytest.raises(MosaicError) as raised:
        call()
    (found,) = raised.value.diagnostics
    return found
