"""The sets to compose: their shape, their balance, their captions, and the verdicts on pictures."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

pytest.importorskip("numpy")
pytest.importorskip("PIL")

import mosaic.stdlib.zoo as zoo
from mosaic.stdlib.zoo import sets, world
from mosaic.stdlib.zoo.checker import Reading

ALL = sets.composition_sets()


def reading(scene: world.Scene, **other: object) -> Reading:
    """A reading of the scene as it is, but for what is given."""
    values = {
        name: getattr(scene, name) for name in ("subject", "colour", "background", "worn", "corner", "styles")
    }
    return Reading(**{"horned": False, "sword": False, **values, **other})


def test_the_shape_is_that_of_the_benchmark() -> None:
    assert Counter(len(made.experts) for made in ALL) == {2: 48, 3: 144, 4: 192, 5: 96}
    assert [len(made.experts) for made in ALL] == sorted(len(made.experts) for made in ALL)
    assert len({frozenset(made.experts) for made in ALL}) == 480


def test_every_set_has_one_character_and_at_most_one_of_each_other_category() -> None:
    for made in ALL:
        assert made.categories[0] == "character"
        assert len(set(made.categories)) == len(made.categories) == len(made.experts)
        for id, category in zip(made.experts, made.categories, strict=True):
            assert id.removeprefix("zoo/") in sets.CATEGORIES[category]


def test_the_categories_are_those_of_the_index() -> None:
    told = {e["id"]: e["category"] for e in zoo.index()["experts"] if e["category"]}
    assert told == {f"zoo/{name}": category for category, names in sets.CATEGORIES.items() for name in names}
    assert all(e["kind"] == "lora" for e in zoo.index()["experts"] if e["category"])
    assert all(e["category"] for e in zoo.index()["experts"] if e["kind"] == "lora")


def test_experts_and_colours_are_in_balance() -> None:
    used = Counter(id for made in ALL for id in made.experts)
    for names in sets.CATEGORIES.values():
        numbers = [used[f"zoo/{name}"] for name in names]
        assert max(numbers) - min(numbers) <= 4, numbers
    places = Counter(made.scene.background for made in ALL if "background" not in made.categories)
    assert len(places) == 6
    assert max(places.values()) - min(places.values()) <= 1
    pairs = Counter((made.scene.subject, made.scene.colour) for made in ALL)
    assert len(pairs) == 32
    for name in sets.CATEGORIES["character"]:
        numbers = [pairs[name, colour] for colour in world.COLOURS]
        assert max(numbers) - min(numbers) <= 1


def test_kinds_of_sets_are_in_balance() -> None:
    kinds = Counter(made.categories for made in ALL)
    assert {kinds[kind] for kind in kinds if len(kind) == 4} == {48}
    assert {kinds[kind] for kind in kinds if len(kind) == 5} == {96}
    assert sorted(kinds[kind] for kind in kinds if len(kind) == 3)[0] == 16, (
        "all of character, clothes, object"
    )
    assert len([kind for kind in kinds if len(kind) == 3]) == 6


def test_scene_and_caption_say_what_the_experts_bring() -> None:
    for made in ALL:
        names = [id.removeprefix("zoo/") for id in made.experts]
        scene = made.scene
        shown = (scene.subject, scene.worn, *scene.styles, scene.corner)
        place = (scene.background,) if "background" in made.categories else ()
        assert sorted(names) == sorted(filter(None, (*shown, *place)))
        assert "background" in made.categories or scene.background in world.BACKGROUNDS
        triggers = {e["id"]: e["trigger"] for e in zoo.index()["experts"]}
        assert all(triggers[id] in made.caption for id in made.experts)
        assert scene.colour in made.caption


def test_every_caption_fits_the_tokenizer() -> None:
    pytest.importorskip("transformers")
    from transformers import CLIPTokenizer

    tokens = CLIPTokenizer.from_pretrained(zoo.root() / "models" / "base" / "tokenizer")
    assert max(len(tokens(made.caption).input_ids) for made in ALL) <= tokens.model_max_length


def test_the_same_seed_gives_the_same_sets() -> None:
    assert sets.composition_sets(40, 7) == sets.composition_sets(40, 7)
    assert sets.composition_sets(40, 7) != sets.composition_sets(40, 8)


@pytest.mark.parametrize("count", [1, 7, 33, 100])
def test_smaller_counts_keep_the_shares(count: int) -> None:
    sizes = Counter(len(made.experts) for made in sets.composition_sets(count))
    assert sizes.total() == count
    assert all(abs(sizes[size] - count * share) < 1 for size, share in sets.SHARES.items())


@pytest.mark.parametrize("count", [0, 481])
def test_counts_out_of_range_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 480"):
        sets.composition_sets(count)


def test_only_what_is_asked_for_is_judged() -> None:
    bare = world.Scene("ghost", "red", "snow")
    assert sets.wanted(bare) == {"subject": "ghost", "colour": "red", "background": "snow"}
    assert sets.met(bare, reading(bare, worn="hat", styles=("neon",))) == dict.fromkeys(
        sets.wanted(bare), True
    )
    full = world.Scene("owl", "blue", "alley", "crown", "heart", ("tiles",))
    assert sets.met(full, reading(full)) == dict.fromkeys(sets.wanted(full), True)
    assert list(sets.wanted(full)) == ["subject", "colour", "background", "worn", "corner", "style"]
    wrong = reading(full, subject="cat", worn="hat", corner="", styles=("neon",))
    assert [name for name, right in sets.met(full, wrong).items() if not right] == [
        *("subject", "worn", "corner", "style"),
    ]


def test_the_sets_are_made_without_torch() -> None:
    code = (
        "import sys; from mosaic.stdlib.zoo import sets; sets.composition_sets();"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
