"""How a catalog uses words, and which names stand near to a word."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import pytest

from mosaic.catalog.record import Record
from mosaic.catalog.store import Store, memory_store
from mosaic.catalog.store.terms import words

Make = Callable[..., Record]


@pytest.fixture(scope="module")
def zoo(zoo_records: list[Record]) -> Store:
    return memory_store(zoo_records)


def test_a_word_names_experts_or_is_mentioned(zoo: Store) -> None:
    found = zoo.uses(["Watercolours", "volcano", "xylophone", "style"])
    assert list(found) == ["Watercolours", "volcano", "style"]
    assert found["Watercolours"].term == "watercolor"
    assert dict(found["Watercolours"].categories) == {"style": 1}
    assert (found["volcano"].experts, found["volcano"].named, dict(found["volcano"].categories)) == (1, 0, {})
    assert found["style"].named == 4


def test_what_is_no_single_word_is_left_out(zoo: Store) -> None:
    assert zoo.uses(["snow background", "!?", ""]) == {}
    assert zoo.uses([]) == {}


def test_names_stand_near_to_what_is_told_of_their_experts(zoo: Store) -> None:
    near = zoo.related(["volcano", "xylophone"])
    assert list(near) == ["volcano"]
    assert near["volcano"][0].term == "lava"
    assert near["volcano"][0].cosine == 1.0


def test_nearness_is_the_cosine_over_experts(zoo: Store, zoo_records: list[Record]) -> None:
    """Against vectors made here from the same texts."""

    def texts(record: Record) -> set[str]:
        facts = record.facts
        said = (facts.id, facts.title, *facts.triggers, *record.tags, *record.aliases, record.description)
        return {word for text in said for word in words(text)}

    def holders(word: str) -> set[str]:
        return {record.facts.id for record in zoo_records if word in texts(record)}

    for word in ("background", "outline", "corner", "rock"):
        for near in zoo.related([word]).get(word, ()):
            ours, theirs = holders(word), holders(near.term)
            assert near.cosine == pytest.approx(len(ours & theirs) / sqrt(len(ours) * len(theirs)), abs=1e-3)


def test_experts_are_looked_over_in_the_order_asked(zoo: Store) -> None:
    found = zoo.sights(["zoo/star", "zoo/no-such", "zoo/neon", "zoo/star"])
    assert [sight.facts.id for sight in found] == ["zoo/star", "zoo/neon"]
    assert found[1].description.startswith("Glowing tubes")
    assert found[1].scores[0].name == "style"
    assert found[1].facts.files == ()


def test_checkpoints_are_listed_by_family(zoo: Store) -> None:
    assert [facts.id for facts in zoo.checkpoints()] == ["zoo/base", "zoo/base-b", "zoo/robot"]
    assert zoo.checkpoints(["flux"]) == []
    assert [facts.id for facts in zoo.checkpoints(["sd1"], limit=1)] == ["zoo/base"]


def test_answers_are_candidates_without_facts(zoo: Store) -> None:
    from mosaic.compiler.types import Kind

    lean = [each for each in zoo.answers(["soft watercolour style"])[0] if each.id != "zoo/base"]
    whole = zoo.find(Kind.LORA, "soft watercolour style")
    assert [(each.id, each.score, each.measure) for each in lean][: len(whole)] == [
        (each.expert.id, each.score, each.measure) for each in whole
    ]


def test_a_word_of_many_experts_is_judged_by_some(make: Make) -> None:
    records = [make(f"hub/{number}", str(number), title=f"Glow {number}") for number in range(120)]
    use = memory_store(records).uses(["glow"])["glow"]
    assert use.named == 120
    assert sum(use.categories.values()) == 48


def test_words_that_name_one_expert_together(make: Make) -> None:
    titles = ["Red Panda", "Red Dragon", "Giant Panda", "Captain Marrow"]
    store = memory_store([make(f"hub/{number}", title=title) for number, title in enumerate(titles)])
    asked = [
        ("red", "panda"),
        ("captain", "marrow"),
        ("red", "marrow"),
        ("giant", "dragon"),
        ("red", "unheard"),
    ]
    assert store.pairs(asked) == {("red", "panda"), ("captain", "marrow")}
    assert store.pairs([]) == frozenset()
    told = memory_store([make("hub/told", title="Other", description="a red panda")])
    assert told.pairs([("red", "panda")]) == frozenset()
