"""The lexicon: what its data holds, and how words are looked up in it."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.agent.offline.lexicon import KINDS, NEAR, Lexicon, Sense, lexicon, normal
from mosaic.agent.offline.phrases import phrases
from mosaic.stdlib.zoo import world

CONTENT = tomllib.loads(files("mosaic.agent.offline").joinpath("lexicon.toml").read_text(encoding="utf-8"))
SENSES = tuple(
    Sense(kind, tuple(entry["words"]), tuple(entry.get("near", ())))
    for kind in KINDS
    for entry in CONTENT[kind]
)


def named() -> Iterator[tuple[Sense, str]]:
    return ((sense, word) for sense in SENSES for word in sense.words)


# What it holds


def test_it_holds_senses_colours_and_cues_and_nothing_else() -> None:
    assert set(CONTENT) == {*KINDS, "colours", "cues", "ordinary"}
    assert all(set(entry) <= {"words", "near"} for kind in KINDS for entry in CONTENT[kind])


def test_nothing_is_named_twice() -> None:
    for sense in SENSES:
        said = [word.casefold() for word in (*sense.words, *sense.near)]
        assert len(set(said)) == len(said), sense
        names = {normal(word) for word in sense.words}
        assert not names & {normal(word) for word in sense.near}, sense


def test_usual_names_are_those_of_one_sense() -> None:
    usual = Counter((sense.kind, normal(sense.canonical)) for sense in SENSES)
    assert [name for name, count in usual.items() if count > 1] == []


def test_a_usual_name_means_first_of_all_itself() -> None:
    for sense in SENSES:
        found = lexicon().senses(normal(sense.canonical))
        own = [each for each in found if each.kind == sense.kind]
        assert own[0] == sense, (sense, own[0])


def test_every_phrase_is_found() -> None:
    for sense, word in named():
        words = normal(word)
        assert all(words), word
        assert lexicon().longest(words, 0) == (len(words), lexicon().senses(words)), word
        assert sense in lexicon().senses(words), word


def test_every_phrase_without_small_words_is_read_as_one() -> None:
    small = {"of", "a", "an", "the", "one"}
    small |= {word for name in ("setting", "style", "worn", "beside") for word in lexicon().cues(name)}
    for _, word in named():
        if not small & set(word.lower().replace("-", " ").split()):
            read = [tuple(token.word for token in each.content) for each in phrases(word, lexicon())]
            assert read == [normal(word)], word


def test_what_is_near_can_be_asked_for() -> None:
    assert all(normal(word) for sense in SENSES for word in sense.near)


def test_cues_are_as_they_are_read() -> None:
    for name, said in CONTENT["cues"].items():
        assert lexicon().cues(name) == tuple(said)
        assert all(phrase == phrase.lower().strip() and phrase for phrase in said), name
        assert len(set(said)) == len(said), [phrase for phrase, n in Counter(said).items() if n > 1]


def test_a_colour_has_one_name() -> None:
    said = [
        words
        for colour, others in CONTENT["colours"].items()
        for words in {normal(word) for word in (colour, *others)}
    ]
    assert [words for words, count in Counter(said).items() if count > 1] == []
    assert all(lexicon().colour(colour) == colour for colour in CONTENT["colours"])
    assert lexicon().colour("Crimson") == "red"
    assert lexicon().colour("grey") == lexicon().colour("silver") == "gray"
    assert lexicon().colour("cat") is None


# The zoo's world


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("subject", name) for name in world.SUBJECTS),
        *(("character", name) for name in (*world.CHARACTERS, *world.EXTRA_CHARACTERS, "samurai")),
        *(("setting", name) for name in (*world.BACKGROUNDS, *world.EXTRA_BACKGROUNDS)),
        *(("object", name) for name in (*world.WORN, *world.CORNER, "sword")),
        *(("style", name) for name in world.STYLES),
    ],
)
def test_what_the_zoo_knows_has_other_names(kind: str, name: str) -> None:
    (sense,) = (each for each in lexicon().senses(normal(name)) if each.kind == kind)
    assert sense.canonical == name
    others = {normal(word) for word in sense.words} - {normal(name)}
    assert len(others) >= 3, others
    for words in others:
        assert name in dict(lexicon().synonyms(" ".join(words)))


@pytest.mark.parametrize("colour", world.COLOURS)
def test_a_colour_of_the_zoo_has_other_names(colour: str) -> None:
    others = [word for word in CONTENT["colours"][colour] if lexicon().colour(word) == colour]
    assert len(others) >= 3


@pytest.mark.parametrize(
    ("said", "kind", "meant"),
    [
        ("Kitties", "subject", "cat"),
        ("doggo", "subject", "dog"),
        ("sports cars", "subject", "car"),
        ("toadstool", "subject", "mushroom"),
        ("android", "character", "robot"),
        ("spectre", "character", "ghost"),
        ("Water-Colours", "style", "watercolor"),
        ("aquarelle", "style", "watercolor"),
        ("mosaic tiles", "style", "tiles"),
        ("after dark", "setting", "night"),
        ("ocean floor", "setting", "sea"),
        ("outer space", "setting", "space"),
        ("tiara", "object", "crown"),
        ("top hat", "object", "hat"),
        ("macro shot", "technique", "macro"),
    ],
)
def test_what_people_say(said: str, kind: str, meant: str) -> None:
    assert [(each.kind, each.canonical) for each in lexicon().senses(normal(said))][:1] == [(kind, meant)]


# Looking up

SMALL = Lexicon(
    {
        "subject": [{"words": ["orange", "clementine"]}, {"words": ["cat", "kitty"], "near": ["lynx"]}],
        "style": [{"words": ["neon", "neon sign"]}, {"words": ["orange", "orangeism"], "near": ["cat"]}],
        "setting": [{"words": ["neon sign shop"]}],
        "colours": {"orange": ["amber"]},
        "cues": {"filler": ["please"]},
    }
)


def test_several_senses_come_in_order() -> None:
    assert [(sense.kind, sense.canonical) for sense in SMALL.senses(["orange"])] == [
        ("subject", "orange"),
        ("style", "orange"),
    ]
    assert SMALL.senses(["unheard"]) == ()
    assert SMALL.senses([]) == ()


def test_the_longest_phrase_is_taken() -> None:
    words = ["neon", "sign", "shop", "neon", "sign", "neon"]
    assert [SMALL.longest(words, start)[0] for start in range(7)] == [3, 0, 0, 2, 0, 1, 0]
    assert SMALL.longest(words, 0)[1][0].kind == "setting"
    assert SMALL.longest(words, 1) == (0, ())


def test_synonyms_weigh_what_they_mean() -> None:
    assert dict(SMALL.synonyms("cat")) == {"kitty": 1.0, "lynx": NEAR}
    assert dict(SMALL.synonyms("Kitties")) == {"cat": 1.0, "lynx": NEAR}
    assert dict(SMALL.synonyms("orange")) == {"clementine": 1.0, "orangeism": 1.0, "cat": NEAR}
    assert SMALL.synonyms("lynx") == SMALL.synonyms("") == ()


def test_a_slip_of_the_pen_is_understood() -> None:
    assert [sense.canonical for sense in SMALL.misspelt("clemantine")] == ["orange"]
    assert SMALL.misspelt("cta") == ()  # too short to tell
    assert [sense.canonical for sense in lexicon().misspelt("watrcolor")] == ["watercolor"]


def test_an_ordinary_word_is_no_slip_of_another() -> None:
    for word in ("furry", "other", "seated", "place", "Whole"):
        assert lexicon().misspelt(normal(word)[0]) == (), word
    words = CONTENT["ordinary"]["words"].split()
    assert len(set(words)) == len(words)
    for word in words:
        assert not lexicon().senses(normal(word)) and lexicon().colour(word) is None, word


def test_it_is_read_once() -> None:
    assert lexicon() is lexicon()


_WORD = st.one_of(
    st.sampled_from(sorted({word for _, phrase in named() for word in normal(phrase)})),
    st.sampled_from(["neon", "sign", "shop", ""]),
    st.text(max_size=6),
)


@given(st.lists(_WORD, max_size=9), st.integers(0, 9), st.sampled_from([SMALL, lexicon()]))
def test_whatever_is_said_the_longest_phrase_ends_within_it(
    words: list[str], start: int, known: Lexicon
) -> None:
    length, found = known.longest(words, start)
    assert 0 <= length <= max(0, len(words) - start)
    assert found == (known.senses(words[start : start + length]) if length else ())
    assert bool(found) == bool(length)
    assert not any(known.senses(words[start:end]) for end in range(start + length + 1, len(words) + 1))


@given(st.sampled_from([word for _, word in named()]))
def test_other_names_work_both_ways(word: str) -> None:
    for other, weight in lexicon().synonyms(word):
        assert weight in (1.0, NEAR)
        assert normal(other) != normal(word)
        if weight == 1.0:
            assert normal(word) in {normal(back) for back, _ in lexicon().synonyms(other)}


@given(st.text(max_size=40))
def test_whatever_is_asked_is_answered(text: str) -> None:
    assert all(other and 0 < weight <= 1 for other, weight in lexicon().synonyms(text))
    assert lexicon().colour(text) in (None, *CONTENT["colours"])
    assert all(sense.kind in KINDS for sense in lexicon().misspelt(text))
