"""How well experts answer words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mosaic.agent.matching import Texts, Words
from mosaic.agent.slips import is_near
from mosaic.agent.values import FacetKind
from mosaic.catalog.store.sights import Sight
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.types import Kind


def sight(title: str, *, description: str = "", tags: tuple[str, ...] = (), category: str = "style") -> Sight:
    facts = ExpertFacts(
        f"hub/{title.lower().replace(' ', '-')}", Kind.LORA, "sd1", None, None, (), title=title
    )
    return Sight(
        ExpertFacts(**{**facts.__dict__, "category": category, "trigger": title.lower()}),
        description,
        tags,
        (),
    )


def relevance(found: Sight, *said: str, kind: FacetKind = FacetKind.STYLE) -> float:
    return Texts(found).answer([Words((word,), 1.0) for word in said], kind).relevance


def test_a_name_counts_more_than_a_tag_and_a_tag_more_than_what_is_told() -> None:
    by_name = relevance(sight("Origami"), "origami")
    by_tag = relevance(sight("Paper", tags=("origami",)), "origami")
    by_text = relevance(sight("Paper", description="looks like origami"), "origami")
    assert by_name == 1.0
    assert by_name > by_tag > by_text > 0
    assert by_text < 0.25


def test_one_tag_of_many_says_little() -> None:
    many = sight("Everyday Mix", tags=("origami", *(f"word{number}" for number in range(39))))
    assert relevance(many, "origami") < relevance(sight("Paper", tags=("origami",)), "origami") / 4


def test_a_tag_is_no_name() -> None:
    texts = Texts(sight("Paper", tags=("origami",)))
    assert not texts.answer([Words(("origami",), 1.0)], FacetKind.STYLE).called


def test_a_description_stuffed_with_words_does_not_outdo_a_name() -> None:
    stuffed = sight("Best Of All", description="origami watercolor neon sketch anime " * 40)
    assert relevance(stuffed, "origami") < relevance(sight("Origami Cranes"), "origami")


def test_another_kind_of_expert_counts_less() -> None:
    assert relevance(sight("Origami", category="character"), "origami") == 0.6
    assert relevance(sight("Origami", category=""), "origami") == 0.95


def test_the_last_word_says_what_it_is() -> None:
    wanted = [Words(("red", "dragon"), 1.0)]
    dragon = Texts(sight("Dragon", category="")).answer(wanted, FacetKind.SUBJECT)
    red = Texts(sight("Red", category="")).answer(wanted, FacetKind.SUBJECT)
    assert dragon.relevance > red.relevance
    assert dragon.words == ("dragon",)


def test_a_sea_lion_is_no_sea() -> None:
    assert (
        Texts(sight("Sea", category="")).answer([Words(("sea", "lion"), 1.0)], FacetKind.SUBJECT).relevance
        < 0.2
    )


def test_called_by_what_was_said_or_only_near() -> None:
    texts = Texts(sight("Lava"))
    assert texts.answer([Words(("lava",), 0.95)], FacetKind.SETTING).called
    assert not texts.answer([Words(("lava",), 0.8)], FacetKind.SETTING).called
    assert (
        not Texts(sight("Rocks", description="lava"))
        .answer([Words(("lava",), 1.0)], FacetKind.SETTING)
        .called
    )


def test_slips_of_the_pen() -> None:
    assert is_near("watercolor", "watrcolor")
    assert is_near("watercolor", "wateroclor")
    assert is_near("sketch", "sketsh")
    assert not is_near("cat", "car")
    assert not is_near("house", "horse1s")
    assert not is_near("snow", "show")


@given(st.text("abcde", min_size=5, max_size=9), st.text("abcde", min_size=5, max_size=9))
def test_nearness_is_one_edit(first: str, second: str) -> None:
    """Against the optimal string alignment distance (Wagner & Fischer 1974, with transpositions)."""
    wanted = _distance(first, second) <= 1 and first[0] == second[0]
    assert is_near(first, second) == wanted


def _distance(first: str, second: str) -> int:
    rows = [[max(i, j) if 0 in (i, j) else 0 for j in range(len(second) + 1)] for i in range(len(first) + 1)]
    for i, a in enumerate(first, 1):
        for j, b in enumerate(second, 1):
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == second[j - 2] and first[i - 2] == b:
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]


@given(st.lists(st.text(max_size=12), max_size=4), st.text(max_size=40))
def test_relevance_is_a_share(said: list[str], text: str) -> None:
    found = Texts(sight("Neon Style", description=text, tags=(text,)))
    match = found.answer([Words(tuple(said), 1.0)], FacetKind.STYLE)
    assert 0 <= match.relevance <= 1
