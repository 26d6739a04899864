"""Small vocabularies that titles, triggers, tags, licences and ratings are drawn from.

Words are drawn by Zipf's law (the n-th with a weight of 1/n), as words of titles on hubs are: a few stand in
thousands of experts, most in a handful.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Final, TypeVar

STYLES: Final = (
    "anime", "watercolor", "neon", "sketch", "pixel", "oil", "ink", "pastel", "gouache", "noir", "vintage", "comic",
    "clay", "origami", "mosaic", "charcoal", "risograph", "woodcut", "fresco", "engraving", "stained", "cyberpunk",
    "steampunk", "baroque", "cubist", "pointillist", "ukiyo", "lithograph", "linocut", "cel", "voxel", "papercut",
    "chrome", "velvet", "marble", "bronze", "porcelain", "knitted", "embroidered", "holographic",
)  # fmt: skip
SUBJECTS: Final = (
    "portrait", "landscape", "cat", "city", "forest", "dragon", "robot", "knight", "ocean", "castle", "samurai", "fox",
    "garden", "mountain", "ship", "train", "lighthouse", "market", "desert", "river", "alley", "tower", "bridge",
    "library", "kitchen", "owl", "wolf", "horse", "whale", "mushroom", "teapot", "violin", "bicycle", "lantern",
    "snowman", "astronaut", "wizard", "mermaid", "gargoyle", "windmill", "observatory", "greenhouse", "aquarium",
)  # fmt: skip
QUALITIES: Final = (
    "soft", "detailed", "cinematic", "glowing", "dark", "bright", "moody", "dreamy", "crisp", "muted", "vivid", "misty",
    "golden", "silver", "frozen", "burning", "ancient", "modern", "tiny", "giant", "quiet", "wild", "gentle", "broken",
)  # fmt: skip
AUTHORS: Final = tuple(
    f"{first}{last}" for last in ("ist", "lab", "works", "studio") for first in STYLES[:25]
)
RATINGS: Final = ("general", "general", "general", None, None, "mature", "explicit")
LICENSES: Final = (
    None, "LicenseRef-scancode-stable-diffusion-2022-08-22", "CC-BY-4.0", "Apache-2.0", "CC-BY-NC-4.0", "CC0-1.0",
    "CC-BY-SA-4.0", "MIT", "CC-BY-ND-4.0", "CC-BY-NC-SA-4.0",
)  # fmt: skip
BASE_LICENSES: Final = {
    "sd1": "LicenseRef-scancode-stable-diffusion-2022-08-22",
    "sd2": "LicenseRef-scancode-stable-diffusion-2022-08-22",
    "sdxl": "LicenseRef-mosaic-openrail-pp-m",
    "sdxl-refiner": "LicenseRef-mosaic-openrail-pp-m",
    "sd3": "LicenseRef-scancode-stability-ai-community-2024",
    "flux": "LicenseRef-scancode-flux-1-nc",
}

Item = TypeVar("Item")


def draw(random: Random, words: Sequence[Item]) -> Item:
    """One of some words, the first the likeliest."""
    return random.choices(words, cum_weights=_zipf(len(words)))[0]


@cache
def _zipf(count: int) -> tuple[float, ...]:
    total = 0.0
    sums = []
    for place in range(1, count + 1):
        total += 1 / place
        sums.append(total)
    return tuple(sums)
