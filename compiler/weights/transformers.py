"""The modules of the transformer families (SD3, Flux) under both of their names.

diffusers calls a projection `transformer.transformer_blocks.0.attn.to_q`; the original files, and adapters trained
on them, have one `qkv` for three. An adapter in one spelling is matched with a base in the other by giving the base's
modules the names of both, with shapes added where one stands for several. The names are those of diffusers' conversion
scripts (convert_sd3_to_diffusers.py, convert_flux_to_diffusers.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from mosaic.compiler.weights.names import Shape

COMPONENT: Final = "transformer."
_PREFIXES: Final = (COMPONENT, "model.diffusion_model.", "diffusion_model.")
_SELF: Final = ("attn.to_q", "attn.to_k", "attn.to_v")
_ADDED: Final = ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")

_DOUBLE: Final[Mapping[str, tuple[str, ...]]] = {
    "img_attn.qkv": _SELF,
    "img_attn.proj": ("attn.to_out.0",),
    "img_mlp.0": ("ff.net.0.proj",),
    "img_mlp.2": ("ff.net.2",),
    "img_mod.lin": ("norm1.linear",),
    "txt_attn.qkv": _ADDED,
    "txt_attn.proj": ("attn.to_add_out",),
    "txt_mlp.0": ("ff_context.net.0.proj",),
    "txt_mlp.2": ("ff_context.net.2",),
    "txt_mod.lin": ("norm1_context.linear",),
}
_SINGLE: Final[Mapping[str, tuple[str, ...]]] = {
    "linear1": (*_SELF, "proj_mlp"),
    "linear2": ("proj_out",),
    "modulation.lin": ("norm.linear",),
}
_JOINT: Final[Mapping[str, tuple[str, ...]]] = {
    "x_block.attn.qkv": _SELF,
    "x_block.attn.proj": ("attn.to_out.0",),
    "x_block.attn2.qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
    "x_block.attn2.proj": ("attn2.to_out.0",),
    "x_block.mlp.fc1": ("ff.net.0.proj",),
    "x_block.mlp.fc2": ("ff.net.2",),
    "x_block.adaLN_modulation.1": ("norm1.linear",),
    "context_block.attn.qkv": _ADDED,
    "context_block.attn.proj": ("attn.to_add_out",),
    "context_block.mlp.fc1": ("ff_context.net.0.proj",),
    "context_block.mlp.fc2": ("ff_context.net.2",),
    "context_block.adaLN_modulation.1": ("norm1_context.linear",),
}
_FLUX: Final = (
    ("double_blocks", "transformer_blocks", _DOUBLE),
    ("single_blocks", "single_transformer_blocks", _SINGLE),
)
_SD3: Final = (("joint_blocks", "transformer_blocks", _JOINT),)
_OUTSIDE: Final = (
    ("img_in", "x_embedder"),
    ("txt_in", "context_embedder"),
    ("time_in.in_layer", "time_text_embed.timestep_embedder.linear_1"),
    ("time_in.out_layer", "time_text_embed.timestep_embedder.linear_2"),
    ("vector_in.in_layer", "time_text_embed.text_embedder.linear_1"),
    ("vector_in.out_layer", "time_text_embed.text_embedder.linear_2"),
    ("guidance_in.in_layer", "time_text_embed.guidance_embedder.linear_1"),
    ("guidance_in.out_layer", "time_text_embed.guidance_embedder.linear_2"),
    ("x_embedder.proj", "pos_embed.proj"),
    ("t_embedder.mlp.0", "time_text_embed.timestep_embedder.linear_1"),
    ("t_embedder.mlp.2", "time_text_embed.timestep_embedder.linear_2"),
    ("y_embedder.mlp.0", "time_text_embed.text_embedder.linear_1"),
    ("y_embedder.mlp.2", "time_text_embed.text_embedder.linear_2"),
    ("final_layer.linear", "proj_out"),
    ("final_layer.adaLN_modulation.1", "norm_out.linear"),
)
_MARKS: Final = ("transformer_blocks.", "double_blocks.", "joint_blocks.", "single_blocks.")


def is_transformer(modules: Mapping[str, Shape]) -> bool:
    """Whether a base's denoiser is one of the transformer families."""
    return any(_inner(name).startswith((*_MARKS, "single_" + _MARKS[0])) for name in modules)


def targets(modules: Mapping[str, Shape]) -> dict[str, Shape]:
    """The weights of a transformer base by module (without `.weight`), under the names of both layouts.

    Modules of other components keep their names. A name that stands for several modules has their rows added up; one of
    several that a fused module holds has its share of them, where the shares are equal.
    """
    held = {
        _inner(name).removesuffix(".weight"): shape
        for name, shape in modules.items()
        if name.endswith(".weight")
    }
    found: dict[str, Shape] = {}
    for original, names in _pairs(held):
        parts = [held[name] for name in names if name in held]
        if len(parts) == len(names) and parts[0]:
            found[COMPONENT + original] = (sum(part[0] for part in parts), *parts[0][1:])
        elif (whole := held.get(original)) and (len(names) == 1 or len(names) == 3):
            shape = (whole[0] // len(names), *whole[1:])
            found |= {COMPONENT + name: shape for name in names}
    return {**found, **{(name if _other(name) else COMPONENT + name): shape for name, shape in held.items()}}


def _pairs(held: Mapping[str, Shape]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every original name with the names that diffusers has for it, for the blocks that are there."""
    is_sd3 = any(name.startswith(("pos_embed.", "joint_blocks.")) for name in held)
    for original, ours, table in _SD3 if is_sd3 else _FLUX:
        pattern = re.compile(rf"^(?:{original}|{ours})\.(\d{{1,4}})\.")
        numbers = dict.fromkeys(found[1] for name in held if (found := pattern.match(name)))
        for number in numbers:
            for inner, names in table.items():
                yield f"{original}.{number}.{inner}", tuple(f"{ours}.{number}.{name}" for name in names)
    for original, name in _OUTSIDE:
        yield original, (name,)


def _inner(name: str) -> str:
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def _other(name: str) -> bool:
    return name.startswith(("text_encoder", "vae.", "text_encoders."))
