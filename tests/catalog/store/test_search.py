"""What words find."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mosaic.catalog.record import Record, Score
from mosaic.catalog.store import Store, memory_store
from mosaic.catalog.store.terms import words
from mosaic.compiler.types import Kind

Make = Callable[..., Record]


@pytest.fixture(scope="module")
def zoo(zoo_records: list[Record]) -> Store:
    return memory_store(zoo_records)


@pytest.mark.parametrize(
    ("asked", "id"),
    [
        ("soft watercolour", "zoo/watercolor"),
        ("Watercolours", "zoo/watercolor"),
        ("watrcolor", "zoo/watercolor"),  # a slip
        ("water", "zoo/watercolor"),  # the beginning of a word
        ("glowing tubes", "zoo/neon"),
        ("pencil sketches", "zoo/sketch"),
        ("coloured pencil", "zoo/sketch"),
        ("a mosaic of tiles", "zoo/tiles"),
        ("hat", "zoo/hat"),
        ("a golden crown", "zoo/crown"),
        ("one-eyed alien", "zoo/alien"),
        ("fir trees in the snow", "zoo/snow"),
        ("underwater", "zoo/sea"),
        ("red heart", "zoo/heart"),
    ],
)
def test_the_zoo_answers(zoo: Store, asked: str, id: str) -> None:
    assert zoo.find(Kind.LORA, asked)[0].expert.id == id
    assert zoo.search(asked, kind=Kind.LORA)[0].row.id == id


def test_nothing_is_found_by_words_that_nobody_has(zoo: Store) -> None:
    assert zoo.find(Kind.LORA, "xylophone quartz") == []
    assert zoo.search("") == []
    assert zoo.search("!? …") == []


def test_a_catalog_of_one_theme_still_knows_its_word(make: Make) -> None:
    """A word that nearly all have is asked for together with one that hardly any has."""
    themed = [make(f"own/wash-{n}", title="watercolor wash", trigger="watercolor") for n in range(30)]
    store = memory_store([*themed, make("own/ink", title="ink lines", trigger="ink lines")])
    (found,) = store.answers(["watercolor gouache ink"])
    assert {answer.id for answer in found} >= {"own/wash-1", "own/ink"}
    assert len(store.find(Kind.LORA, "watercolor ink")) > 1


def test_candidates_say_what_speaks_for_them(zoo: Store) -> None:
    best = zoo.find(Kind.LORA, "soft watercolour style")[0]
    assert best.measure == "style"
    assert best.measured == pytest.approx(0.9936)
    assert best.words == ("soft", "watercolor", "style")
    assert 0 < best.relevance <= 1
    assert best.score == pytest.approx(best.relevance * 0.9936, abs=1e-5)
    hat = zoo.find(Kind.LORA, "wearing a hat")[0]
    assert (hat.expert.id, hat.measure) == ("zoo/hat", "hat")


def test_the_better_measured_of_two_alike_comes_first(make: Make) -> None:
    good = make("local/b-oil", title="Oil", scores=(Score("style", 0.95, 0.9, 0.99, 100),))
    bad = make("local/a-oil", title="Oil", scores=(Score("style", 0.2, 0.1, 0.3, 100),))
    unknown = make("local/c-oil", title="Oil")
    found = memory_store([bad, unknown, good]).find(Kind.LORA, "oil")
    assert [candidate.expert.id for candidate in found] == ["local/b-oil", "local/c-oil", "local/a-oil"]
    assert [candidate.measured for candidate in found] == [0.9, None, 0.1]


def test_ties_are_broken_by_id_whatever_the_order(make: Make) -> None:
    records = [make(f"local/{letter}-oil", title="Oil") for letter in "dbac"]
    for order in (records, records[::-1]):
        found = memory_store(order).search("oil")
        assert [hit.row.id for hit in found] == [f"local/{letter}-oil" for letter in "abcd"]


def test_a_trigger_weighs_more_than_a_description(make: Make) -> None:
    store = memory_store(
        [make("local/a", description="goes with film grain"), make("local/b", trigger="film grain")]
    )
    assert [hit.row.id for hit in store.search("film grain")] == ["local/b", "local/a"]


def test_rare_words_weigh_more_than_common_ones(make: Make) -> None:
    records = [make(f"local/{n}", title=f"Style number{n}") for n in range(30)]
    store = memory_store([*records, make("local/rare", title="Cubism")])
    assert store.search("cubism style")[0].row.id == "local/rare"


def test_common_words_alone_still_find(make: Make) -> None:
    store = memory_store([make(f"local/{n:02}", title="Style") for n in range(30)])
    assert len(store.search("style", limit=100)) == 30


def test_filters(make: Make) -> None:
    store = memory_store(
        [
            make("local/a", title="Film", family="sdxl", license="MIT AND Apache-2.0", rating="mature"),
            make("local/b", title="Film", trigger="Film Look", rating="general"),
            make("local/c", title="Film", kind=Kind.EMBEDDING, family=None),
        ]
    )

    def ids(**filters: object) -> list[str]:
        return [hit.row.id for hit in store.search("film", **filters)]  # type: ignore[arg-type]

    assert sorted(ids()) == ["local/a", "local/b", "local/c"]
    assert ids(kind=Kind.EMBEDDING) == ["local/c"]
    assert ids(families=["sdxl"]) == ["local/a"]
    assert ids(license="mit") == ["local/a"]
    assert ids(trigger="look") == ["local/b"]
    assert ids(ratings=["general"]) == ["local/b"]
    assert [c.expert.id for c in store.find(Kind.LORA, "film", ["sd1"], ["general"])] == ["local/b"]


def test_at_most_some_dozens_of_candidates(make: Make) -> None:
    store = memory_store([make(f"local/{n}", title="Oil") for n in range(60)])
    assert len(store.find(Kind.LORA, "oil")) == 32


def test_ids_that_are_spelt_alike(zoo: Store) -> None:
    assert zoo.near(Kind.LORA, "zoo/neom") == ["zoo/neon", "zoo/snow"]
    assert zoo.near(Kind.LORA, "zoo/sketsch")[0] == "zoo/sketch"
    assert zoo.near(Kind.LORA, "xyz/quark") == []
    assert zoo.near(Kind.CHECKPOINT, "zoo/neom") == []


def test_others_that_fit(zoo: Store) -> None:
    base, neon = zoo.facts("zoo/base"), zoo.facts("zoo/neon")
    assert base is not None
    assert neon is not None
    fitting = zoo.fitting(Kind.LORA, base, neon)
    assert len(fitting) == 3
    assert "zoo/neon" not in fitting


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("colour", "color"),
        ("colours", "color"),
        ("Greyscale", "grayscale"),
        ("STYLISED", "stylized"),
        ("watercolours", "watercolor"),
        ("cities", "city"),
        ("dresses", "dress"),
        ("boxes", "box"),
        ("theatre", "theater"),
        ("naïve café", "naive cafe"),
        ("ﬁlm", "film"),
        ("DetailTweaker", "detail tweaker"),
        ("oil_painting", "oil-painting"),
    ],
)
def test_one_word_in_two_spellings(one: str, other: str) -> None:
    assert words(one) == words(other)


@pytest.mark.parametrize("word", ["glass", "bus", "iris", "four", "hour", "atlas", "wise"])
def test_words_that_only_look_like_it(word: str) -> None:
    (normal,) = words(word)
    assert normal in (word, "atla", "hor")
