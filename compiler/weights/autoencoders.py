"""Autoencoders and the latent spaces that they make, told by tensors and configurations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mosaic.compiler.types import Family
from mosaic.compiler.weights import ldm
from mosaic.compiler.weights.names import Config, Shapes, has_any, inner_names


def is_vae(shapes: Shapes) -> bool:
    """Whether tensors are those of an autoencoder, in either layout, with or without a prefix."""
    inner = inner_names(shapes, (ldm.VAE, "vae."))
    # Those of video have a dimension more.
    return len(inner.get("decoder.conv_in.weight", ())) == 4 and "decoder.conv_out.weight" in inner


def vae_is_ldm(shapes: Iterable[str]) -> bool:
    """Whether a VAE's names are those of the original layout."""
    return has_any((name.removeprefix(ldm.VAE) for name in shapes), "decoder.up.", "decoder.mid.block_1")


@dataclass(frozen=True)
class VaeFacts:
    """The shape of an autoencoder. `widths` are its block widths from the finest; `scaling` may be
    unstated.
    """

    latents: int
    widths: tuple[int, ...]
    scaling: float | None = None

    @property
    def multiple(self) -> int:
        """How many pixels one latent stands for, along one side."""
        return int(2 ** max(len(self.widths) - 1, 0))


def vae_of_config(config: Config) -> VaeFacts | None:
    """The facts that an AutoencoderKL's `config.json` states, or None where it states none."""
    widths, latents, scaling = (
        config.get("block_out_channels"),
        config.get("latent_channels", 4),
        config.get("scaling_factor", 0.18215),
    )
    if not isinstance(widths, list) or not widths or not all(type(width) is int for width in widths):
        return None
    if type(latents) is not int or isinstance(scaling, bool) or not isinstance(scaling, int | float):
        return None
    return VaeFacts(latents, tuple(widths), float(scaling))


def vae_of_shapes(shapes: Shapes) -> VaeFacts | None:
    """The facts that a VAE's tensors show, in either layout, with or without a prefix."""
    inner = inner_names(shapes, (ldm.VAE, "vae."))
    entry = inner.get("decoder.conv_in.weight", ())
    if len(entry) != 4:
        return None
    widths: dict[int, int] = {}
    for name, shape in inner.items():
        if (found := re.match(_ENCODER_WIDTH, name)) and len(shape) == 4:
            widths[int(found[1])] = shape[0]
    return VaeFacts(entry[1], tuple(widths[level] for level in sorted(widths)))


_ENCODER_WIDTH: Final = (
    r"encoder\.(?:down_blocks\.(?=\d{1,3}\.resnets\.0)|down\.(?=\d{1,3}\.block\.0))"
    r"(\d{1,3})\..*\.conv2\.weight$"
)
_STANDARD_WIDTHS: Final = (128, 256, 512, 512)
_BY_SCALING: Final = (
    (0.18215, 4, "sd1-vae"),
    (0.13025, 4, "sdxl-vae"),
    (1.5305, 16, "sd3-vae"),
    (0.3611, 16, "flux-vae"),
)
_BY_FAMILY: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        Family.SD1: (4, "sd1-vae"),
        Family.SD2: (4, "sd1-vae"),
        Family.SDXL: (4, "sdxl-vae"),
        Family.SDXL_REFINER: (4, "sdxl-vae"),
        Family.SD3: (16, "sd3-vae"),
        Family.FLUX: (16, "flux-vae"),
    }
)


def latent_space(facts: VaeFacts, family: str | None, digest: str) -> str | None:
    """The name of the space that a VAE's latents live in.

    A VAE of the standard shape belongs to the published space that its scaling factor, or else its family,
    says; finetunes of the decoder stay in it. Any other VAE is a space of its own, named by its digest,
    because two VAEs of the same shape that were trained apart do not understand each other.
    """
    if facts.widths == _STANDARD_WIDTHS:
        for scaling, latents, space in _BY_SCALING:
            if facts.scaling == scaling and facts.latents == latents:
                return space
        latents, space = _BY_FAMILY.get(family or "", (0, ""))
        if facts.scaling is None and facts.latents == latents:
            return space
        if facts.scaling is None and family is None:
            return None
    return f"{OWN_SPACE}{digest.removeprefix('sha256:')[:8]}"


OWN_SPACE: Final = "vae-"
"""How the names of spaces begin that are named by their VAE's digest."""
