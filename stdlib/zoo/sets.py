"""Sets of experts to be composed in one picture, and what the picture must then show.

The shape is that of ComposLoRA (Zhong et al. 2024, "Multi-LoRA Composition for Image Generation"): every set has
one character and at most one expert of each other category, two to five experts in all, in the shares 1 : 3 : 4 : 2.
There a language model judges the pictures; here each thing that was asked for is read by the checker. Colours, and
the base's backgrounds where no expert brings one, are asked for besides, since composing must not spoil them either.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product, zip_longest
from math import floor
from random import Random
from typing import TYPE_CHECKING, Final

from mosaic.stdlib.zoo import world

if TYPE_CHECKING:
    from mosaic.stdlib.zoo.checker import Reading

CATEGORIES: Final[dict[str, tuple[str, ...]]] = {
    "character": world.EXTRA_CHARACTERS,
    "clothes": world.WORN,
    "style": world.STYLES,
    "background": world.EXTRA_BACKGROUNDS,
    "object": world.CORNER,
}
"""The names of the LoRAs of each category, all of them adapters of `zoo/base`."""
SHARES: Final = {2: 0.1, 3: 0.3, 4: 0.4, 5: 0.2}
"""The share of the sets that have so many experts."""
MOST: Final = 480
"""More sets than these would need a pair of experts twice: there are 48 pairs with a character."""
TUNING: Final = 96
"""How many sets are kept for choosing strengths by, see `tuning_sets`."""


@dataclass(frozen=True, slots=True)
class CompositionSet:
    """Experts to compose (ids, the character first), the category of each, and the picture that they shall give."""

    experts: tuple[str, ...]
    categories: tuple[str, ...]
    scene: world.Scene
    caption: str


def composition_sets(count: int = MOST, seed: int = 2030) -> list[CompositionSet]:
    """Sets by number of experts, no two with the same experts; all kinds of sets and all experts in balance.

    The default has 48, 144, 192 and 96 sets of two, three, four and five experts. Raises ValueError for a count
    that is below 1 or above `MOST`.
    """
    if not 1 <= count <= MOST:
        raise ValueError(f"there are 1 to {MOST} sets, not {count}")
    rng = Random(seed)
    colours = {name: _Turns(tuple(world.COLOURS), rng) for name in CATEGORIES["character"]}
    places = _Turns(world.BACKGROUNDS, rng)
    found = []
    for size, number in _numbers(count).items():
        chosen: list[dict[str, str]] = []
        for kinds, wanted in _quotas(size, number, rng).items():
            chosen += _balanced(kinds, wanted, rng)
        rng.shuffle(chosen)
        found += [_set(names, colours[names["character"]].next(), places) for names in chosen]
    return found


def tuning_sets(count: int = TUNING) -> list[CompositionSet]:
    """Sets of three to five experts to choose strengths and settings by; none is among the 480 of the benchmark (of
    two experts all pairs are). Equally many of each size as far as they go. Raises ValueError below 1 and above 96.
    """
    if not 1 <= count <= TUNING:
        raise ValueError(f"there are 1 to {TUNING} sets for tuning, not {count}")
    known = {each.experts for each in composition_sets()}
    others = [each for each in composition_sets(seed=2031) if each.experts not in known]
    sized = [[each for each in others if len(each.experts) == size] for size in (3, 4, 5)]
    return [each for group in zip_longest(*sized) for each in group if each is not None][:count]


def wanted(scene: world.Scene) -> dict[str, str]:
    """What a picture of the scene must show, in the words of the scene; only what is asked for."""
    asked = {"subject": scene.subject, "colour": scene.colour, "background": scene.background}
    asked |= {"worn": scene.worn} if scene.worn else {}
    asked |= {"corner": scene.corner} if scene.corner else {}
    return asked | ({"style": " ".join(scene.styles)} if scene.styles else {})


def met(scene: world.Scene, reading: Reading) -> dict[str, bool]:
    """Whether each wanted thing was read from the picture, by the keys of `wanted`."""
    verdicts = {
        name: getattr(reading, name) == value for name, value in wanted(scene).items() if name != "style"
    }
    return verdicts | ({"style": set(scene.styles) <= set(reading.styles)} if scene.styles else {})


class _Turns:
    """Values in random order, each once before any comes again."""

    def __init__(self, values: tuple[str, ...], rng: Random) -> None:
        self._values, self._rng, self._left = values, rng, list[str]()

    def next(self) -> str:
        if not self._left:
            self._left = self._rng.sample(self._values, len(self._values))
        return self._left.pop()


def _numbers(count: int) -> dict[int, int]:
    """How many sets of each size, by largest remainders; they add up to the count."""
    numbers = {size: floor(count * share) for size, share in SHARES.items()}
    rest = sorted(SHARES, key=lambda size: (numbers[size] - count * SHARES[size], -size))
    for size in rest[: count - sum(numbers.values())]:
        numbers[size] += 1
    return numbers


def _quotas(size: int, number: int, rng: Random) -> dict[tuple[str, ...], int]:
    """How many sets of each combination of categories: the same number, where there are so many."""
    others = [category for category in CATEGORIES if category != "character"]
    room = {}
    for kinds in combinations(others, size - 1):
        room["character", *kinds] = len(_all(("character", *kinds)))
    quotas = dict.fromkeys(room, 0)
    for _ in range(number):
        free = [kinds for kinds in quotas if quotas[kinds] < room[kinds]]
        least = min(quotas[kinds] for kinds in free)
        quotas[rng.choice([kinds for kinds in free if quotas[kinds] == least])] += 1
    return quotas


def _all(kinds: tuple[str, ...]) -> list[dict[str, str]]:
    return [dict(zip(kinds, names, strict=True)) for names in product(*(CATEGORIES[kind] for kind in kinds))]


def _balanced(kinds: tuple[str, ...], number: int, rng: Random) -> list[dict[str, str]]:
    """So many different choices of names; the next is always one whose names, and then pairs, were used least."""
    left, used, chosen = _all(kinds), dict[tuple[str, ...], int](), list[dict[str, str]]()
    rng.shuffle(left)

    def cost(names: dict[str, str]) -> tuple[int, int]:
        one = sum(used.get((name,), 0) for name in names.values())
        return one, sum(used.get(pair, 0) for pair in combinations(names.values(), 2))

    for _ in range(number):
        best = min(left, key=cost)
        left.remove(best)
        chosen.append(best)
        names = tuple(best.values())
        for key in (*((name,) for name in names), *combinations(names, 2)):
            used[key] = used.get(key, 0) + 1
    return chosen


def _set(names: dict[str, str], colour: str, places: _Turns) -> CompositionSet:
    scene = world.Scene(
        names["character"],
        colour,
        names["background"] if "background" in names else places.next(),
        names.get("clothes", ""),
        names.get("object", ""),
        (names["style"],) if "style" in names else (),
    )
    experts = tuple(f"zoo/{name}" for name in names.values())
    return CompositionSet(experts, tuple(names), scene, world.caption(scene))
