"""What the index says about each expert beyond what is measured: titles, triggers, recommended settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

LICENSE: Final = "Apache-2.0"
RATING: Final = "general"


@dataclass(frozen=True, slots=True)
class Expert:
    """One expert of the zoo, as a person would describe it; LoRAs have a category (`sets.CATEGORIES`)."""

    name: str
    kind: str
    title: str
    description: str
    trigger: str | None = None
    category: str | None = None
    space: str = "zoo-a"
    strength: tuple[float, float] = (0.0, 1.2)
    recommended: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id by which plans name it."""
        return f"zoo/{self.name}"


GUIDANCE: Final = 3.0
"""The guidance of the examples and of the scores."""


def _style(name: str, title: str, description: str, strength: tuple[float, float] = (0.0, 1.2)) -> Expert:
    return Expert(name, "lora", title, description, f"{name} style", "style", strength=strength)


def _character(name: str, title: str, description: str) -> Expert:
    return Expert(name, "lora", title, description, name, "character")


def _clothes(name: str, title: str, description: str) -> Expert:
    return Expert(name, "lora", title, description, f"wearing a {name}", "clothes")


def _background(name: str, title: str, description: str) -> Expert:
    return Expert(name, "lora", title, description, f"{name} background", "background")


def _object(name: str, title: str, description: str) -> Expert:
    return Expert(name, "lora", title, description, f"{name} in the corner", "object")


EXPERTS: Final = (
    Expert(
        "base",
        "checkpoint",
        "Zoo base",
        "Ten subjects in eight colours on six backgrounds, 64x64; knights may have horns and a sword.",
    ),
    Expert(
        "base-b",
        "checkpoint",
        "Zoo base B",
        "The same world, learned independently in another latent space; reached from zoo-a by a bridge.",
        space="zoo-b",
    ),
    Expert(
        "robot",
        "checkpoint",
        "Robot",
        "The base fine-tuned on a character that it had never seen: a friendly robot in any colour.",
        "robot",
    ),
    _style("neon", "Neon", "Glowing tubes along the outlines over a dark ghost of the picture."),
    _style("watercolor", "Watercolor", "Pale washes with soft edges on white paper."),
    _style("tiles", "Tiles", "A mosaic of square tiles with dark seams."),
    _style("sketch", "Sketch", "Coloured pencil: graphite outlines and diagonal strokes on cream paper."),
    _clothes("hat", "Hat", "Puts a tall black hat with a red band on the subject."),
    _object("star", "Star", "Puts a yellow star into the upper left corner."),
    _character("ghost", "Ghost", "A round ghost with a wavy hem and an open mouth, in any colour."),
    _character("owl", "Owl", "An owl with tufted ears and large golden eyes, in any colour."),
    _character("crab", "Crab", "A smiling crab with raised claws, in any colour."),
    _character("alien", "Alien", "An alien with one large eye and three legs, in any colour."),
    _clothes("crown", "Crown", "Puts a golden crown with three points on the subject."),
    _background("snow", "Snow", "White hills and fir trees under falling snow."),
    _background("space", "Space", "The ground of a grey moon, with a ringed planet in a black sky."),
    _background("lava", "Lava", "A volcano and glowing streams between dark rocks."),
    _background("sea", "Sea", "Underwater: rays of light, bubbles, weeds and coral on sand."),
    _object("heart", "Heart", "Puts a red heart into the upper left corner."),
    Expert(
        "samurai",
        "embedding",
        "Samurai",
        "One learned token for a horned knight with a sword, in any colour.",
        "<samurai>",
        strength=(1.0, 1.0),
    ),
)

BRIDGES: Final = (("a-to-b", "zoo-a", "zoo-b"), ("b-to-a", "zoo-b", "zoo-a"))
