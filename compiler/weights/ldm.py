"""The original single-file layout of Stable Diffusion 1 ("ldm": CompVis, Rombach et al. 2022), in
diffusers' names, and back.

A single file holds `model.diffusion_model.*` (the UNet), `first_stage_model.*` (the VAE) and
`cond_stage_model.transformer.*` (the text encoder). The translation is by rule, for any number of blocks,
layers and channels, and `from_diffusers` is the inverse of `to_diffusers`. Shapes stay as they are, except that the
VAE's attention projections are 1×1 convolutions in ldm (C, C, 1, 1) and linear in diffusers (C, C): reshape those that
`is_projection` names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

UNET: Final = "model.diffusion_model."
VAE: Final = "first_stage_model."
TEXT: Final = "cond_stage_model.transformer."


@dataclass(frozen=True)
class Layout:
    """What a UNet's names do not say one by one: residual layers in a down block, up blocks with attention,
    number of the VAE's up blocks."""

    layers: int = 2
    attentive: tuple[int, ...] = (1, 2, 3)
    vae_blocks: int = 4


def is_ldm(names: Iterable[str]) -> bool:
    """Whether tensor names are those of a single-file checkpoint in the original layout."""
    return any(name.startswith(UNET) for name in names)


def layout_of_diffusers(names: Iterable[str]) -> Layout:
    """The layout of a UNet given by diffusers' names, prefixed with `unet.`, and of a VAE, prefixed with `vae.`."""
    layers, attentive, vae_blocks = 0, set(), 0
    for name in names:
        if found := re.match(_FIRST_RESNETS, name):
            layers = max(layers, int(found[1]) + 1)
        elif found := re.match(_UP_ATTENTION, name):
            attentive.add(int(found[1]))
        elif found := re.match(_VAE_UP_BLOCK, name):
            vae_blocks = max(vae_blocks, int(found[1]) + 1)
    usual = Layout()
    if not layers:
        return Layout(vae_blocks=vae_blocks or usual.vae_blocks)
    return Layout(layers, tuple(sorted(attentive)), vae_blocks or usual.vae_blocks)


def layout_of_ldm(names: Iterable[str]) -> Layout:
    """The layout of a checkpoint given by its ldm names."""
    downsamplers, vae_blocks, last = [], 0, 0
    attentive: set[int] = set()
    for name in names:
        if found := re.match(_DOWNSAMPLER, name):
            downsamplers.append(int(found[1]))
        elif found := re.match(_LDM_ATTENTION, name):
            attentive.add(int(found[1]))
        elif found := re.match(_VAE_UP, name):
            vae_blocks = max(vae_blocks, int(found[1]) + 1)
        elif found := re.match(_INPUT, name):
            last = max(last, int(found[1]))
    # Names are untrusted: a downsampler can stand nowhere before the second block. Without one there is one level.
    layers = max(min(downsamplers) - 1, 1) if downsamplers else last or 2
    blocks = {number // (layers + 1) for number in attentive}
    return Layout(layers=layers, attentive=tuple(sorted(blocks)), vae_blocks=vae_blocks or 4)


_FIRST_RESNETS: Final = r"unet\.down_blocks\.0\.resnets\.(\d{1,4})\."
_UP_ATTENTION: Final = r"unet\.up_blocks\.(\d{1,4})\.attentions\."
_VAE_UP_BLOCK: Final = r"vae\.decoder\.up_blocks\.(\d{1,4})\."
_DOWNSAMPLER: Final = r"model\.diffusion_model\.input_blocks\.(\d{1,4})\.0\.op\.weight$"
_LDM_ATTENTION: Final = r"model\.diffusion_model\.output_blocks\.(\d{1,4})\.1\.proj_in\.weight$"
_INPUT: Final = r"model\.diffusion_model\.input_blocks\.(\d{1,4})\.0\.in_layers\.0\.weight$"
_VAE_UP: Final = r"first_stage_model\.decoder\.up\.(\d{1,4})\."


def to_diffusers(names: Iterable[str]) -> dict[str, str]:
    """Each ldm name that has a counterpart, to its diffusers name with a component in front.

    `model.diffusion_model.input_blocks.1.1.proj_in.weight` becomes
    `unet.down_blocks.0.attentions.0.proj_in.weight`. Names without a counterpart (schedules, EMA copies,
    position ids) are left out; names that are diffusers' already stay. Text encoders come out with `text_model.` where
    the file has it.
    """
    names = list(names)
    layout = layout_of_ldm(names)
    translated: dict[str, str] = {}
    for name in names:
        target = _translate(name, layout)
        if target is not None:
            translated[name] = target
    return translated


def from_diffusers(names: Iterable[str]) -> dict[str, str]:
    """Each tensor's diffusers name (`unet.…`, `vae.…`, `text_encoder.…`), to the name of the original layout.

    The text encoder's names may have `text_model.` or not; the original ones do. Names without a counterpart, of layers
    that the original networks do not have, stay as they are. Position ids, which are no weights, are left out.
    """
    names = [name for name in names if not name.endswith(_NO_WEIGHT)]
    layout = layout_of_diffusers(names)
    return {name: _original(name, layout) or name for name in names}


def is_projection(name: str) -> bool:
    """Whether a tensor, by its diffusers name, is a 1×1 convolution in the original layout and a matrix here."""
    return re.match(_PROJECTION, name) is not None


_PROJECTION: Final = r"vae\.(encoder|decoder)\.mid_block\.attentions\.0\.to_(q|k|v|out\.0)\.weight$"


def module_to_diffusers(module: str, layers: int = 2) -> str | None:
    """The diffusers name of a UNet module given in ldm's ("input_blocks.1.1.proj_in"), or None where there is none.

    Every published model of this layout has two residual layers in a down block.
    """
    found = _unet(f"{module}.", layers)
    return found.removesuffix(".") if found else None


def _translate(name: str, layout: Layout) -> str | None:
    if name.startswith(UNET):
        inner = _unet(name.removeprefix(UNET), layout.layers)
        return inner and f"unet.{inner}"
    if name.startswith(VAE):
        inner = _vae(name.removeprefix(VAE), layout.vae_blocks)
        return inner and f"vae.{inner}"
    if name.endswith(_NO_WEIGHT):
        return None
    if name.startswith(TEXT):
        return f"text_encoder.{name.removeprefix(TEXT)}"
    return name if name.startswith(_DIFFUSERS) else None


_NO_WEIGHT: Final = ".position_ids"
_DIFFUSERS: Final = ("unet.", "vae.", "text_encoder.")


_TOP: Final = (
    ("time_embed.0.", "time_embedding.linear_1."),
    ("time_embed.2.", "time_embedding.linear_2."),
    ("label_emb.0.0.", "add_embedding.linear_1."),
    ("label_emb.0.2.", "add_embedding.linear_2."),
    ("input_blocks.0.0.", "conv_in."),
    ("out.0.", "conv_norm_out."),
    ("out.2.", "conv_out."),
)
_RESNET: Final = (
    ("in_layers.0.", "norm1."),
    ("in_layers.2.", "conv1."),
    ("emb_layers.1.", "time_emb_proj."),
    ("out_layers.0.", "norm2."),
    ("out_layers.3.", "conv2."),
    ("skip_connection.", "conv_shortcut."),
)
_BLOCK: Final = r"(input_blocks|output_blocks)\.(\d{1,4})\.(\d)\.(.+)$"
_MIDDLE: Final = r"middle_block\.([012])\.(.+)$"


def _unet(name: str, layers: int) -> str | None:
    for old, new in _TOP:
        if name.startswith(old):
            return new + name.removeprefix(old)
    if found := re.match(_MIDDLE, name):
        place = {"0": "resnets.0", "1": "attentions.0", "2": "resnets.1"}[found[1]]
        return f"mid_block.{place}.{_resnet(found[2])}"
    if not (found := re.match(_BLOCK, name)):
        return None
    side, number, part, rest = found[1], int(found[2]), found[3], found[4]
    if side == "input_blocks":
        block, layer = divmod(number - 1, layers + 1)
        if rest.startswith("op."):
            return f"down_blocks.{block}.downsamplers.0.conv.{rest.removeprefix('op.')}"
        side = "down_blocks"
    else:
        block, layer = divmod(number, layers + 1)
        if rest.startswith("conv."):
            return f"up_blocks.{block}.upsamplers.0.{rest}"
        side = "up_blocks"
    place = "resnets" if part == "0" else "attentions"
    return f"{side}.{block}.{place}.{layer}.{_resnet(rest)}"


def _resnet(rest: str) -> str:
    for old, new in _RESNET:
        if rest.startswith(old):
            return new + rest.removeprefix(old)
    return rest


_VAE_BLOCK: Final = r"(encoder\.down|decoder\.up)\.(\d{1,4})\.(block|downsample|upsample)\.(.+)$"
_VAE_MIDDLE: Final = r"(encoder|decoder)\.mid\.(block_1|block_2|attn_1)\.(.+)$"
_VAE_ATTENTION: Final = (
    ("norm.", "group_norm."),
    ("q.", "to_q."),
    ("k.", "to_k."),
    ("v.", "to_v."),
    ("proj_out.", "to_out.0."),
)


def _vae(name: str, blocks: int) -> str | None:
    if found := re.match(_VAE_MIDDLE, name):
        if found[2] == "attn_1":
            for old, new in _VAE_ATTENTION:
                if found[3].startswith(old):
                    return f"{found[1]}.mid_block.attentions.0.{new}{found[3].removeprefix(old)}"
            return None
        number = int(found[2][-1]) - 1
        return f"{found[1]}.mid_block.resnets.{number}.{_shortcut(found[3])}"
    if found := re.match(_VAE_BLOCK, name):
        side, number, part, rest = found[1], int(found[2]), found[3], found[4]
        # ldm counts the decoder's blocks from the finest, diffusers from the coarsest.
        place = (
            f"decoder.up_blocks.{blocks - 1 - number}"
            if side == "decoder.up"
            else f"encoder.down_blocks.{number}"
        )
        if part == "block":
            return f"{place}.resnets.{_shortcut(rest)}"
        return f"{place}.{part}rs.0.{rest}"
    return name.replace(".norm_out.", ".conv_norm_out.")


def _shortcut(rest: str) -> str:
    return rest.replace("nin_shortcut.", "conv_shortcut.")


def _original(name: str, layout: Layout) -> str | None:
    component, _, rest = name.partition(".")
    if component == "unet":
        module, _, leaf = name.rpartition(".")
        found = to_ldm(module, layout)
        return found and f"{UNET}{found.removeprefix('unet.')}.{leaf}"
    if component == "vae":
        found = _vae_original(rest, layout.vae_blocks)
        return found and VAE + found
    if component != "text_encoder":
        return None
    return TEXT + (rest if rest.startswith(_BESIDE_TEXT) else f"text_model.{rest}")


_BESIDE_TEXT: Final = ("text_model.", "text_projection.", "logit_scale")
_VAE_MIDDLE_HERE: Final = r"(encoder|decoder)\.mid_block\.(resnets|attentions)\.([01])\.(.+)$"
_VAE_BLOCK_HERE: Final = (
    r"(encoder\.down|decoder\.up)_blocks\.(\d{1,4})\.(resnets|downsamplers\.0|upsamplers\.0)\.(.+)$"
)
_VAE_PARTS: Final = {"resnets": "block", "downsamplers.0": "downsample", "upsamplers.0": "upsample"}


def _vae_original(name: str, blocks: int) -> str | None:
    """A VAE's tensor in the original layout, without prefixes."""
    if found := re.match(_VAE_MIDDLE_HERE, name):
        side, part, number, rest = found[1], found[2], found[3], found[4]
        if part == "resnets":
            return f"{side}.mid.block_{int(number) + 1}.{_nin_shortcut(rest)}"
        for old, new in _VAE_ATTENTION:
            if number == "0" and rest.startswith(new):
                return f"{side}.mid.attn_1.{old}{rest.removeprefix(new)}"
        return None
    if found := re.match(_VAE_BLOCK_HERE, name):
        side, number, part, rest = found[1], int(found[2]), _VAE_PARTS[found[3]], found[4]
        level = blocks - 1 - number if side == "decoder.up" else number
        return f"{side}.{level}.{part}.{_nin_shortcut(rest)}"
    return name.replace(".conv_norm_out.", ".norm_out.")


def _nin_shortcut(rest: str) -> str:
    return rest.replace("conv_shortcut.", "nin_shortcut.")


_DIFFUSERS_BLOCK: Final = (
    r"unet\.(down|up)_blocks\.(\d{1,4})\.(resnets|attentions|downsamplers|upsamplers)\.(\d{1,4})(?:\.(.+))?$"
)
_DIFFUSERS_MIDDLE: Final = r"unet\.mid_block\.(resnets|attentions)\.([01])(?:\.(.+))?$"
_DIFFUSERS_TOP: Final = {f"unet.{new[:-1]}": f"unet.{old[:-1]}" for old, new in _TOP}
_DIFFUSERS_RESNET: Final = {new[:-1]: old[:-1] for old, new in _RESNET}


def to_ldm(module: str, layout: Layout) -> str | None:
    """The ldm name of a UNet module given in diffusers' spelling (both `unet.…`), or None where there is
    none.
    """
    if module in _DIFFUSERS_TOP:
        return _DIFFUSERS_TOP[module]
    if found := re.match(_DIFFUSERS_MIDDLE, module):
        part = "1" if found[1] == "attentions" else {"0": "0", "1": "2"}[found[2]]
        return _joined(f"unet.middle_block.{part}", found[3])
    if not (found := re.match(_DIFFUSERS_BLOCK, module)):
        return None
    side, block, part, layer, rest = found[1], int(found[2]), found[3], int(found[4]), found[5]
    first = block * (layout.layers + 1)
    if part == "downsamplers":
        return f"unet.input_blocks.{first + layout.layers + 1}.0.op"
    if part == "upsamplers":
        return f"unet.output_blocks.{first + layout.layers}.{2 if block in layout.attentive else 1}.conv"
    place = f"input_blocks.{first + layer + 1}" if side == "down" else f"output_blocks.{first + layer}"
    return _joined(f"unet.{place}.{0 if part == 'resnets' else 1}", rest)


def _joined(place: str, rest: str | None) -> str:
    return f"{place}.{_DIFFUSERS_RESNET.get(rest, rest)}" if rest else place


def components(names: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Shapes by diffusers names (with a component in front) of a single-file checkpoint, as coverage needs
    them.

    The VAE's attention projections come out in diffusers' linear shape.
    """
    result: dict[str, tuple[int, ...]] = {}
    for name, target in to_diffusers(names).items():
        shape = names[name]
        if is_projection(target) and len(shape) == 4:
            shape = shape[:2]
        result[target] = shape
    return result
