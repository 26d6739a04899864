"""Requests in phrases and facets, and prompts made of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosaic.agent.offline.decompose import decompose
from mosaic.agent.offline.lexicon import lexicon
from mosaic.agent.offline.phrases import is_place, phrases
from mosaic.agent.phrasing import Insert, phrase
from mosaic.agent.speaking import Tongue
from mosaic.agent.values import Decomposition
from mosaic.agent.world import World
from mosaic.catalog.index import locate
from mosaic.compiler.facts import ExpertFacts
from mosaic.project import Project

SYLLABLES = [a + b for a, b in product("bcdfghklmnprstvwz", "aeiou")]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Project() as project:
        yield World(project)


def base(world: World) -> ExpertFacts:
    facts = world.library.facts("zoo/base")
    assert facts is not None
    return facts


@pytest.fixture(scope="module")
def small(world: World) -> Tongue:
    return Tongue(world, base(world))


@pytest.fixture(scope="module")
def wide(world: World, tmp_path_factory: pytest.TempPathFactory) -> Tongue:
    """The zoo's base with a vocabulary of CLIP's kind that has more than eight thousand merges."""
    facts = base(world)
    files = []
    for file in facts.files:
        if file.name.endswith("tokenizer.json"):
            content = json.loads(locate(file.location).read_text())
            pairs = [[first, second + "</w>"] for first, second in product(SYLLABLES, SYLLABLES)]
            content["model"]["merges"] = [*content["model"]["merges"], *pairs, *_more(9000 - len(pairs))]
            path = tmp_path_factory.mktemp("wide") / "tokenizer.json"
            path.write_text(json.dumps(content))
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            file = replace(file, location=str(path), sha256=digest)
        files.append(file)
    return Tongue(world, replace(facts, id="wide", files=tuple(files)))


def _more(count: int) -> list[list[str]]:
    return [[first, second] for first, second in list(product(SYLLABLES, SYLLABLES))[: max(0, count)]]


def cues(text: str) -> list[tuple[str, str]]:
    found = phrases(text, lexicon())
    return [(each.cue, " ".join(token.text for token in each.tokens)) for each in found]


def test_phrases_are_introduced_by_small_words() -> None:
    assert cues("Please draw me a red cat wearing a top hat in the snow, neon style") == [
        ("first", "a red cat"),
        ("worn", "a top hat"),
        ("setting", "the snow"),
        ("", "neon style"),
    ]
    assert cues("a dog without a hat") == [("first", "a dog"), ("avoided", "a hat")]
    assert cues("a watercolor of a cat") == [("first", "a watercolor"), ("first", "a cat")]
    assert cues("a cat -- 35mm film, f/1.8\nnight") == [
        ("first", "a cat"),
        ("", "35mm film"),
        ("", "f/1.8"),
        ("", "night"),
    ]
    assert cues("a knight before a volcano")[1][1] == "a volcano"
    assert cues("?!, ;") == []


def test_where_in_the_picture_is_no_setting() -> None:
    found = phrases("a star in the corner, a crown on its head, a cat in the corner shop", lexicon())
    places = [" ".join(token.text for token in each.tokens) for each in found if is_place(each)]
    assert places == ["the corner", "its head"]


def test_a_small_vocabulary_is_told_by_the_tokenizer(small: Tongue, wide: Tongue) -> None:
    assert small.closed and not wide.closed
    assert small.knows("cat") and not small.knows("rainy")
    assert wide.knows("rainy")


def told(world: World, tongue: Tongue, text: str, *inserts: tuple[str, str, str]) -> tuple[str, str]:
    """The prompt and what is avoided; inserts are (the facet's text, the variable, the trigger)."""
    parts = decompose(text, world, lexicon())
    put = [
        Insert(variable, trigger, (next(n for n, facet in enumerate(parts.facets) if said in facet.text),))
        for said, variable, trigger in inserts
    ]
    made = phrase(text, parts, put, tongue, lexicon())
    return made.prompt, made.negative


SAMURAI = ("samurai", "samurai", "<samurai>")
HAT = ("hat", "hat", "wearing a hat")


@pytest.mark.parametrize(
    ("text", "inserts", "closed", "open_"),
    [
        ("a rainy red cat", (), "a red cat", "a rainy red cat"),
        ("a kitten at night", (), "a cat at night", "a kitten at night"),
        ("a crimson cat", (), "a red cat", "a crimson cat"),
        (
            "an old samurai in the alley",
            (SAMURAI,),
            "a {samurai} in the alley",
            "an old {samurai} in the alley",
        ),
        ("a cat wearing a hat at night", (HAT,), "a cat {hat} at night", "a cat {hat} at night"),
        (
            "a cat in a neon-lit alley, watercolor",
            (("neon-lit", "neon", "neon style"), ("watercolor", "wash", "watercolor style")),
            "a cat in an alley, {neon}, {wash}",
            "a cat in a neon-lit alley, {neon}, {wash}",
        ),
        ("a dog, neon style", (("neon", "neon", "neon style"),), "a dog, {neon}", "a dog, {neon}"),
        (
            "puppy at the riverbank after dark",
            (),
            "dog at the river, night",
            "puppy at the riverbank after dark",
        ),
        (
            "a bird that is pink, in front of a forest",
            (),
            "a pink bird, a forest",
            "a bird that is pink in front of a forest",
        ),
        ("an orange sailing boat", (), "an orange boat", "an orange sailing boat"),
        ("among desert dunes a red tree", (), "desert, a red tree", "among desert dunes, a red tree"),
        ("a green dragon in the forest", (), "in the forest", "a green dragon in the forest"),
        ("a dragon in the forest", (), "in the forest", "a dragon in the forest"),
    ],
)
def test_prompts(
    world: World,
    small: Tongue,
    wide: Tongue,
    text: str,
    inserts: tuple[tuple[str, str, str], ...],
    closed: str,
    open_: str,
) -> None:
    assert told(world, small, text, *inserts)[0] == closed
    assert told(world, wide, text, *inserts)[0] == open_


def test_what_is_avoided_is_negative(world: World, small: Tongue, wide: Tongue) -> None:
    assert told(world, wide, "a cat without a unicycle, no people") == ("a cat", "unicycle, people")
    assert told(world, small, "a cat without a hat") == ("a cat", "hat")
    assert told(world, small, "a cat without a unicycle") == ("a cat", "")


def test_names_and_signs_stay_whole(world: World, wide: Tongue) -> None:
    text = "a wizard's tower by Ada Example, f/1.8"
    assert told(world, wide, text)[0] == text


def test_a_prompt_that_is_too_long_does_without_what_matters_least(world: World, small: Tongue) -> None:
    text = "a red cat at night with a knight and a fish by the river and a dog in the desert and a bird in the forest"
    text += " and a house in the meadow, neon style"
    made, _ = told(world, small, text, ("neon", "neon", "neon style"))
    assert made.startswith("a red cat at night with a knight") and made.endswith("{neon}")
    assert "meadow" not in made and "house" in made
    length = small.length(made.replace("{neon}", "neon style"))
    assert length is not None and small.limit is not None and small.limit - 4 <= length <= small.limit


def test_what_is_said_again_is_said_once(world: World, small: Tongue) -> None:
    wash = ("watercolor", "wash", "watercolor style")
    assert told(world, small, "a red cat, watercolor, " * 9, wash)[0] == "a red cat, {wash}"


def facets(world: World, text: str) -> list[tuple[str, str]]:
    return [(str(facet.kind), facet.text) for facet in decompose(text, world, lexicon()).facets]


def test_kinds(world: World) -> None:
    assert facets(world, "a fish underwater with a star in the corner") == [
        ("subject", "fish"),
        ("setting", "underwater"),
        ("object", "star"),
    ]
    assert facets(world, "a cat in watercolor") == [("subject", "cat"), ("style", "watercolor")]
    assert facets(world, "a painting of a ghost by Ada Example") == [
        ("technique", "painting"),
        ("character", "ghost"),
        ("style", "Ada Example"),
    ]
    assert facets(world, "a watrcolor bird")[0] == ("style", "watrcolor")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=120))
def test_facets_are_of_the_request(world: World, small: Tongue, wide: Tongue, text: str) -> None:
    parts: Decomposition = decompose(text, world, lexicon())
    for place, facet in enumerate(parts.facets):
        assert text[facet.start : facet.end] == facet.text
        assert facet.of is None or (0 <= facet.of < len(parts.facets) and facet.of != place)
        assert facet.sought.strip()
    for tongue in (small, wide):
        made = phrase(text, parts, (), tongue, lexicon())
        assert not set('{}"\\\n') & set(made.prompt)
