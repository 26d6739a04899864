"""The world of the zoo: 64x64 pictures, drawn from a scene and a seed, with captions.

Each kind of thing has its own place, so that all can be told from one picture: the subject in the middle,
a worn thing on its head, a small object at the upper left, the background at the rim, the style everywhere.
The base learns subjects, colours, backgrounds and a knight's attributes; experts teach the rest, among it
the extra characters and backgrounds, which neither the base nor the autoencoders have seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mosaic.stdlib.zoo.drawing import backgrounds, styles, subjects, things
from mosaic.stdlib.zoo.drawing.pen import SCALE, SIZE, Colour, Pen

SUBJECTS: Final = ("cat", "dog", "fish", "bird", "car", "house", "tree", "boat", "mushroom", "knight")
CHARACTERS: Final = ("robot",)
COLOURS: Final[dict[str, Colour]] = {
    "red": (222, 52, 48),
    "orange": (246, 138, 34),
    "yellow": (250, 214, 60),
    "green": (70, 176, 76),
    "blue": (54, 106, 232),
    "purple": (140, 76, 202),
    "pink": (248, 146, 188),
    "white": (244, 244, 240),
}
BACKGROUNDS: Final = ("meadow", "night", "river", "forest", "desert", "alley")
WORN: Final = ("hat", "crown")
CORNER: Final = ("star", "heart")
STYLES: Final = ("neon", "watercolor", "tiles", "sketch")
EXTRA_CHARACTERS: Final = ("ghost", "owl", "crab", "alien")
EXTRA_BACKGROUNDS: Final = ("snow", "space", "lava", "sea")
"""What adapters alone know. Kept apart, so that the scenes of the older seeds and the tokenizer stay the same."""
PLACES: Final = {
    "meadow": "in the meadow",
    "night": "at night",
    "river": "by the river",
    "forest": "in the forest",
    "desert": "in the desert",
    "alley": "in the alley",
    "snow": "in the snow",
    "space": "in space",
    "lava": "by the lava",
    "sea": "in the sea",
}
CONCEPT_TOKEN: Final = "<samurai>"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows. `horned` and `sword` are attributes of a knight alone."""

    subject: str
    colour: str
    background: str
    worn: str = ""
    corner: str = ""
    styles: tuple[str, ...] = ()
    horned: bool = False
    sword: bool = False

    @property
    def concept(self) -> bool:
        """Whether this is the figure that the embedding names: a knight with horns and a sword."""
        return self.subject == "knight" and self.horned and self.sword


def draw(scene: Scene, seed: int) -> Image.Image:
    """The picture of a scene, RGB 64x64; the seed moves, scales and scatters a little."""
    rng = Random(seed)
    image = backgrounds.DRAW[scene.background](rng)
    layer = Image.new("RGB", image.size, _KEY)
    pen = Pen(layer, rng.uniform(-1.2, 1.2), rng.uniform(-0.8, 0.8), rng.uniform(0.93, 1.0))
    colour = COLOURS[scene.colour]
    if scene.subject == "knight":
        head = subjects.knight(pen, colour, scene.horned, scene.sword)
    else:
        head = subjects.DRAW[scene.subject](pen, colour)
    if scene.worn:
        things.WORN[scene.worn](pen, head)
    image = _stick(image, layer)
    if scene.corner:
        layer = Image.new("RGB", image.size, _KEY)
        things.CORNER[scene.corner](Pen(layer, rng.uniform(-0.7, 0.7), rng.uniform(-0.7, 0.7)))
        image = _stick(image, layer)
    image = image.resize((SIZE, SIZE), Image.Resampling.BOX)
    if scene.styles:
        values: styles.Array = np.asarray(image, dtype=np.float32) / np.float32(255)
        grain = np.random.default_rng(seed)
        for style in scene.styles:
            values = styles.APPLY[style](values, grain)
        image = Image.fromarray((values * 255).round().astype(np.uint8), "RGB")
    return image


_KEY: Final[Colour] = (1, 254, 3)
"""Marks empty places of a layer; no shape uses this colour."""
_OUTLINE: Final[Colour] = (30, 24, 44)


def _stick(image: Image.Image, layer: Image.Image) -> Image.Image:
    """Paste a layer with a dark outline one pixel wide, like a sticker."""
    filled = (np.asarray(layer) != np.asarray(_KEY, dtype=np.uint8)).any(axis=2)
    mask = Image.fromarray(filled.astype(np.uint8) * 255, "L")
    image = image.copy()
    image.paste(_OUTLINE, mask=mask.filter(ImageFilter.MaxFilter(2 * SCALE + 1)))
    image.paste(layer, mask=mask)
    return image


def pixels(scenes: list[Scene], seed: int) -> NDArray[np.uint8]:
    """Pictures of the scenes, (n, 64, 64, 3) uint8; picture `i` is drawn with seed `seed + i`."""
    return np.stack([np.asarray(draw(scene, seed + i)) for i, scene in enumerate(scenes)])


def base_scene(rng: Random) -> Scene:
    """A random plain scene; knights are drawn three times as often, since they vary most."""
    subject = rng.choice((*SUBJECTS, "knight", "knight"))
    horned = sword = False
    if subject == "knight":
        horned, sword = rng.random() < 0.5, rng.random() < 0.5
    colour = rng.choice(tuple(COLOURS))
    return Scene(subject, colour, rng.choice(BACKGROUNDS), horned=horned, sword=sword)


def any_scene(rng: Random) -> Scene:
    """A random scene of everything the world can show without the extras, for the autoencoders."""
    scene = base_scene(rng)
    if rng.random() < 0.12:
        scene = replace(scene, subject=rng.choice(CHARACTERS), horned=False, sword=False)
    if rng.random() < 0.35:
        scene = replace(scene, worn=rng.choice(WORN))
    if rng.random() < 0.35:
        scene = replace(scene, corner=rng.choice(CORNER))
    if (roll := rng.random()) < 0.60:
        scene = replace(scene, styles=tuple(rng.sample(STYLES, 2 if roll < 0.08 else 1)))
    return scene


def wide_scene(rng: Random) -> Scene:
    """A random scene of everything that is drawn, extras included and often worn, for the checker."""
    scene = any_scene(rng)
    if rng.random() < 0.4:
        scene = replace(scene, subject=rng.choice(EXTRA_CHARACTERS), horned=False, sword=False)
    if rng.random() < 0.4:
        scene = replace(scene, background=rng.choice(EXTRA_BACKGROUNDS))
    if rng.random() < 0.3:
        scene = replace(scene, worn=rng.choice(WORN))
    if rng.random() < 0.3:
        scene = replace(scene, corner=rng.choice(CORNER))
    return scene


def noun(scene: Scene) -> str:
    """The subject with its attributes: "red horned knight with a sword"."""
    words = [scene.colour, "horned"] if scene.horned else [scene.colour]
    return " ".join([*words, scene.subject]) + (" with a sword" if scene.sword else "")


def caption(scene: Scene, rng: Random | None = None, name: str = "") -> str:
    """A caption; without `rng` the full plain form "a red cat, night background".

    With `rng` a tenth of the captions name no background and some are worded otherwise. `name` replaces the
    subject and its attributes, for a token or a new character.
    """
    what = f"{scene.colour} {name}" if name else noun(scene)
    place = f", {scene.background} background"
    if rng is not None:
        roll = rng.random()
        if roll < 0.10:
            place = ""
        elif roll < 0.50:
            place = " " + PLACES[scene.background]
        elif roll < 0.60:
            place = f", {scene.background}"
        elif roll < 0.65 and scene.background == "night":
            place = ", night sky"
        if rng.random() < 0.07:
            what = what.removeprefix(scene.colour + " ")
    text = f"{'an' if what[0] in 'aeiou' else 'a'} {what}"
    if scene.worn:
        text += f" wearing a {scene.worn}"
    text += place
    if scene.corner:
        text += f", {scene.corner} in the corner"
    return text + "".join(f", {style} style" for style in scene.styles)


_SMALL_WORDS: Final = (
    *("a", "an", "the", "with", "wearing", "and", "of", "in", "at", "by", "on", "no"),
    *("background", "sky", "style", "sword", "horned", "corner"),
    *("picture", "photo", "painting", "small", "big", "bright", "dark"),
)


def vocabulary() -> tuple[str, ...]:
    """The words of the tokenizer, each one token; the extras came later and are spelled in smaller pieces."""
    words = [*SUBJECTS, *CHARACTERS, *COLOURS, *BACKGROUNDS, *WORN, *CORNER, *STYLES]
    words += _SMALL_WORDS
    return tuple(dict.fromkeys(words))


def all_base_scenes() -> Iterator[Scene]:
    """Every plain scene without a knight's attributes, in a fixed order."""
    for subject in SUBJECTS:
        for colour in COLOURS:
            for background in BACKGROUNDS:
                yield Scene(subject, colour, background)
