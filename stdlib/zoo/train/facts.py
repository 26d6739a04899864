"""What the index says about each expert beyond what is measured: titles, triggers, recommended settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

LICENSE: Final = "Apache-2.0"
RATING: Final = "general"


@dataclass(frozen=True, slots=True)
class Expert:
    """One expert of the zoo, as a person would describe it."""

    name: str
    kind: str
    title: str
    description: str
    trigger: str | None = None
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
    return Expert(name, "lora", title, description, f"{name} style", strength=strength)


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
    Expert("hat", "lora", "Hat", "Puts a tall black hat with a red band on the subject.", "wearing a hat"),
    Expert("star", "lora", "Star", "Puts a yellow star into the upper left corner.", "star in the corner"),
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
