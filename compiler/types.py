"""The types of the language.

A type is a kind (`lora`, `latent`, `duration`, ...) and, for what touches a network, three indices: family,
latent space and prediction kind. An index is None where nothing is known of it yet (inside a fragment, before
it is inlined) or where it does not apply; an unknown index is compatible with every other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a value is, without its indices."""

    CHECKPOINT = "checkpoint"
    LORA = "lora"
    EMBEDDING = "embedding"
    CONTROL = "control"
    VAE = "vae"
    MODEL = "model"
    LATENT = "latent"
    IMAGE = "image"
    MASK = "mask"
    TEXT = "text"
    INT = "int"
    NUMBER = "number"
    FRACTION = "fraction"
    FLAG = "flag"
    SIZE = "size"
    DURATION = "duration"
    MEMORY = "memory"
    PROMPTS = "prompts"  # several prompts for one picture; written as a list
    BRIDGE = "bridge"  # carries latents from one space into another
    CONDITIONING = "conditioning"  # an encoded prompt; exists in graphs only, no plan can name it
    NOTHING = "nothing"  # the result of an emit


EXPERTS = (Kind.CHECKPOINT, Kind.LORA, Kind.EMBEDDING, Kind.CONTROL, Kind.VAE)
SCALARS = (Kind.TEXT, Kind.INT, Kind.NUMBER, Kind.FRACTION, Kind.FLAG, Kind.SIZE, Kind.DURATION, Kind.MEMORY)
WRITABLE = (*EXPERTS, Kind.MODEL, Kind.LATENT, Kind.IMAGE, Kind.MASK, *SCALARS)
"""The kinds that a plan may write as a type of a `param` or `define`."""


class Family(StrEnum):
    """Architectures, as told from tensor names and shapes."""

    SD1 = "sd1"
    SD2 = "sd2"
    SDXL = "sdxl"
    SDXL_REFINER = "sdxl-refiner"
    SD3 = "sd3"
    FLUX = "flux"


class Prediction(StrEnum):
    """What a denoiser's output means (Salimans & Ho 2022, Lipman et al. 2023)."""

    EPSILON = "epsilon"
    V = "v"
    FLOW = "flow"


@dataclass(frozen=True)
class Type:
    """A kind with the indices that apply to it."""

    kind: Kind
    family: str | None = None
    space: str | None = None
    prediction: str | None = None

    def __str__(self) -> str:
        indices = [index for index in (self.family, self.space, self.prediction) if index]
        return f"{self.kind}<{', '.join(indices)}>" if indices else str(self.kind)


def accepts(wanted: Kind, given: Kind) -> bool:
    """Whether a value of kind `given` may stand where `wanted` is asked for.

    An int is a number; a fraction is a number and a number a fraction (`30%` is `0.3`); a checkpoint is a model
    with nothing fused into it.
    """
    return wanted is given or (wanted, given) in _WIDENINGS


_WIDENINGS = frozenset(
    {
        (Kind.NUMBER, Kind.INT),
        (Kind.NUMBER, Kind.FRACTION),
        (Kind.FRACTION, Kind.NUMBER),
        (Kind.FRACTION, Kind.INT),
        (Kind.MODEL, Kind.CHECKPOINT),
    }
)
