"""Reads what a picture shows: subject, colour, background, worn thing, corner object, concept, styles.

Colour, background and corner object of plain pictures are read by exact means (`reading`); everything else,
and everything in a styled picture, by a small convolutional network trained on drawn pictures, many of them
passed through the autoencoder so that its blur is no attribute. Its own scores stand in the table of scores.
torch is imported when a checker is made, not before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mosaic.stdlib.zoo import reading, world

if TYPE_CHECKING:
    import torch
    from torch import nn

HEADS: Final[dict[str, tuple[str, ...]]] = {
    "subject": (*world.SUBJECTS, *world.CHARACTERS, *world.EXTRA_CHARACTERS),
    "colour": tuple(world.COLOURS),
    "background": (*world.BACKGROUNDS, *world.EXTRA_BACKGROUNDS),
    "worn": ("", *world.WORN),
    "corner": ("", *world.CORNER),
    "horned": ("", "horned"),
    "sword": ("", "sword"),
    **{style: ("", style) for style in world.STYLES},
}
"""The classes of each output of the network; styles are told one by one, since a picture may have two."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from one picture, in the words of `world.Scene`."""

    subject: str
    colour: str
    background: str
    worn: str
    corner: str
    styles: tuple[str, ...]
    horned: bool
    sword: bool

    @property
    def concept(self) -> bool:
        """Whether this is the figure that the embedding names."""
        return self.subject == "knight" and self.horned and self.sword


def network() -> nn.Module:
    """The untrained network: images (n, 3, 64, 64) in -1..1 to the logits of all heads side by side."""
    from torch import nn

    layers: list[nn.Module] = []
    width = 3
    for out in (24, 48, 80, 96):
        layers += [nn.Conv2d(width, out, 3, stride=2, padding=1), nn.BatchNorm2d(out), nn.ReLU()]
        layers += [nn.Conv2d(out, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU()] if out > 24 else []
        width = out
    outputs = sum(len(values) for values in HEADS.values())
    layers += [nn.Flatten(), nn.Dropout(0.2), nn.Linear(96 * 16, 128), nn.ReLU(), nn.Linear(128, outputs)]
    return nn.Sequential(*layers)


class Checker:
    """The network with its weights, ready to read batches of pictures."""

    def __init__(self, weights: Path | None = None) -> None:
        from safetensors.torch import load_file

        self._net = network()
        path = weights or Path(__file__).parent / "models" / "checker.safetensors"
        self._net.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in load_file(path).items()}
        )
        self._net.eval()

    def read(self, pictures: NDArray[np.uint8]) -> list[Reading]:
        """Read pictures (n, 64, 64, 3) uint8."""
        import torch

        found: list[Reading] = []
        for start in range(0, len(pictures), 128):
            part = pictures[start : start + 128]
            with torch.inference_mode():
                images = (
                    torch.from_numpy(np.ascontiguousarray(part)).permute(0, 3, 1, 2).float().div(127.5).sub(1)
                )
                found += _decide(self._net(images), part)
        return found


def split(logits: torch.Tensor) -> dict[str, torch.Tensor]:
    """The logits (n, classes) of each head."""
    import torch

    parts = torch.split(logits, [len(values) for values in HEADS.values()], dim=1)
    return dict(zip(HEADS, parts, strict=True))


def _decide(logits: torch.Tensor, pictures: NDArray[np.uint8]) -> list[Reading]:
    picks = {head: part.argmax(dim=1).tolist() for head, part in split(logits).items()}
    found = []
    for i, picture in enumerate(pictures):
        word: dict[str, Any] = {head: HEADS[head][picks[head][i]] for head in HEADS}
        styles = tuple(style for style in world.STYLES if word[style])
        colour, background, corner = word["colour"], word["background"], word["corner"]
        if not styles:
            colour = reading.colour(picture) or colour
            background = reading.background(picture)
            corner = reading.corner(picture)
        found.append(
            Reading(
                subject=word["subject"],
                colour=colour,
                background=background,
                worn=word["worn"],
                corner=corner,
                styles=styles,
                horned=bool(word["horned"]),
                sword=bool(word["sword"]),
            )
        )
    return found
