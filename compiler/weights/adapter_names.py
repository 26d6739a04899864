"""How the tensors of an adapter are called: which module each belongs to, and which part it plays there.

The spellings that are met: kohya and LyCORIS (`lora_unet_down_blocks_0_….lora_down.weight`, `….hada_w1_a`), diffusers
(`unet.….to_q.lora.down.weight`, `….processor.to_q_lora.down.weight`), PEFT
(`base_model.model.….to_q.lora_A.default.weight`). Files of one trainer share their names, so what a name means is
remembered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

_REMEMBERED: Final = 1 << 15
"""Names, of any number of files; those of one large adapter are some thousands."""


class Role(NamedTuple):
    """A tensor's part: the module as it is spelt, what the tensor is to it, and the algorithm that this shows
    (empty where it fits several)."""

    module: str
    part: str
    algorithm: str


_LEAVES: Final = MappingProxyType(
    {
        "alpha": "", "scalar": "",
        "dora_scale": "dora", "lora_magnitude_vector": "dora",
        "hada_w1_a": "loha", "hada_w1_b": "loha", "hada_w2_a": "loha", "hada_w2_b": "loha",
        "hada_t1": "loha", "hada_t2": "loha",
        "lokr_w1": "lokr", "lokr_w1_a": "lokr", "lokr_w1_b": "lokr", "lokr_w2": "lokr", "lokr_w2_a": "lokr",
        "lokr_w2_b": "lokr", "lokr_t1": "lokr", "lokr_t2": "lokr",
        "oft_blocks": "oft", "oft_diag": "oft", "oft_R": "oft", "oft_r": "oft", "oft_s": "oft",
        "on_input": "ia3", "ia3_l": "ia3",
        "diff": "full", "diff_b": "full", "w_norm": "full", "b_norm": "full",
        "lora_embedding_A": "lora", "lora_embedding_B": "lora",
    }
)  # fmt: skip
_FACTORS: Final = MappingProxyType(
    {
        "lora_down": "lora", "lora_up": "lora", "lora_mid": "lora", "lora_A": "lora", "lora_B": "lora",
        "lora_magnitude_vector": "dora", "oft_R": "oft",
        "a1": "glora", "a2": "glora", "b1": "glora", "b2": "glora",
    }
)  # fmt: skip
"""What stands before `.weight`."""

_PARTS: Final = MappingProxyType(
    {"lora_down": "down", "lora_up": "up", "lora_mid": "mid", "lora_A": "down", "lora_B": "up"}
    | {"lora_embedding_A": "down", "lora_embedding_B": "up", "lora_magnitude_vector": "dora_scale"}
)
_DIFFUSERS: Final = (".lora_linear_layer", ".lora", "_lora")
_ADAPTER_NAMED: Final = ("lora_", "hada_", "lokr_", "oft_", "ia3_l")
"""PEFT puts the adapter's own name behind these: `lora_A.default.weight`, `hada_w1_a.default`."""

PRECEDENCE: Final = ("dora", "loha", "lokr", "oft", "ia3", "glora", "full", "lora")
"""A file that mixes algorithms is named after the first of them: as plain LoRA it would give a wrong picture."""


@lru_cache(maxsize=_REMEMBERED)
def role(name: str) -> Role | None:
    """What a tensor is to an adapter, or None for a name that no adapter has."""
    stem, _, leaf = name.rpartition(".")
    if not stem:
        return None
    if leaf in _LEAVES:
        module = stem.removesuffix(".lora").removesuffix("_lora") if leaf == "alpha" else stem
        return Role(module, _PARTS.get(leaf, leaf), _LEAVES[leaf])
    module, _, factor = stem.rpartition(".")
    if leaf in ("weight", "bias"):
        if leaf == "weight" and factor in ("down", "up", "mid"):
            ending = next((ending for ending in _DIFFUSERS if module.endswith(ending)), None)
            return Role(module.removesuffix(ending), factor, "lora") if ending else None
        if factor not in _FACTORS:
            module, _, factor = module.rpartition(".")
            if not factor.startswith(_ADAPTER_NAMED):
                return None
        if module and factor in _FACTORS and leaf == "bias":
            return Role(module, "bias", _FACTORS[factor])
        return (
            Role(module, _PARTS.get(factor, factor), _FACTORS[factor])
            if module and factor in _FACTORS
            else None
        )
    if module and factor in _LEAVES and factor.startswith(_ADAPTER_NAMED):
        return Role(module, _PARTS.get(factor, factor), _LEAVES[factor])
    return None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a module of an adapter lies: `component` of a base, `block` of its denoiser, `attention`, and the rest
    of its name with dots as underscores.

    `component` is empty for a module of nothing that is known. `block` is "dit" for `transformer_blocks`, which several
    families have. `number` is the block's, -1 without. `spelling` tells the prefix where trainers mean different things
    by it: "te" for `lora_te_`, "te3" for `lora_te3_`.
    """

    component: str
    block: str
    attention: str
    inner: str
    number: int
    spelling: str = ""


_KOHYA: Final = (
    ("lora_unet_", "unet", ""),
    ("lora_te1_", "text_encoder", "te1"),
    ("lora_te2_", "text_encoder_2", "te2"),
    ("lora_te3_", "text_encoder_3", "te3"),
    ("lora_te_", "text_encoder", "te"),
    ("lora_transformer_", "transformer", ""),
    ("oft_unet_", "unet", ""),
    ("lycoris_", "unet", ""),
)
_DENOISERS: Final = ("model.diffusion_model.", "diffusion_model.", "unet.", "transformer.")
_BLOCKS: Final = (
    ("down_blocks_", "down"),
    ("input_blocks_", "down"),
    ("mid_block_", "mid"),
    ("middle_block_", "mid"),
    ("up_blocks_", "up"),
    ("output_blocks_", "up"),
    ("double_blocks_", "double"),
    ("single_blocks_", "single"),
    ("single_transformer_blocks_", "single"),
    ("joint_blocks_", "joint"),
    ("transformer_blocks_", "dit"),
)
_UNBLOCKED: Final = ("conv_in", "conv_out", "time_embedding_", "add_embedding_", "time_embed_", "label_emb_")
_TRANSFORMER: Final = ("double", "single", "joint", "dit")
_NUMBER: Final = r"_(\d{1,4})_"


@lru_cache(maxsize=_REMEMBERED)
def place(module: str) -> Place:
    """Where a module lies, told by its name as an adapter spells it."""
    for prefix, component, spelling in _KOHYA:
        if module.startswith(prefix):
            return _placed(component, module.removeprefix(prefix), spelling)
    name = module.removeprefix("base_model.model.")
    component, _, rest = name.partition(".")
    if component in ("text_encoder", "text_encoder_2", "text_encoder_3"):
        return _placed(component, rest, "")
    if name.startswith(("text_model.", "encoder.layers.")):
        return _placed("text_encoder", name, "")
    denoiser = next((prefix for prefix in _DENOISERS if name.startswith(prefix)), "")
    component = "transformer" if denoiser == "transformer." else "unet" if denoiser else ""
    return _placed(component, name.removeprefix(denoiser), "")


def _placed(component: str, rest: str, spelling: str) -> Place:
    inner = rest.replace(".", "_")
    if component.startswith("text_encoder"):
        return Place(component, "", "", inner, -1, spelling)
    block = next((block for prefix, block in _BLOCKS if inner.startswith(prefix)), "")
    found = re.search(_NUMBER, inner)
    number = int(found[1]) if block and found else -1
    if block in _TRANSFORMER:
        return Place("transformer", block, "", inner, number, spelling)
    if block or inner.startswith(_UNBLOCKED):
        component = component or "unet"
    attention = "self" if "_attn1_" in inner else "cross" if "_attn2_" in inner else ""
    return Place(component, block, attention if block else "", inner, number, spelling)
