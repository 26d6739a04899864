"""What an adapter is: how it encodes its deltas, how strongly, what it touches, and which family it is made for.

LoRA (Hu et al. 2021, arXiv:2106.09685), DoRA (Liu et al. 2024, arXiv:2402.09353), LoHa and LoKr (Hyeon-Woo et al. 2022,
arXiv:2108.06098; Yeh et al. 2024, arXiv:2309.14859), OFT (Qiu et al. 2023, arXiv:2306.07280), IA3 (Liu et al. 2022,
arXiv:2205.05638), GLoRA (Chavan et al. 2023, arXiv:2306.07967) and full differences.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from types import MappingProxyType
from typing import Final

from mosaic.compiler.facts import AdapterFacts
from mosaic.compiler.types import Family
from mosaic.compiler.weights.adapter_keys import Stated
from mosaic.compiler.weights.adapter_names import PRECEDENCE, Place, place, role
from mosaic.compiler.weights.changes import Parts, rank_of
from mosaic.compiler.weights.denoisers import variant
from mosaic.compiler.weights.names import Shape, Shapes

_NO_METADATA: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Adapter:
    """The modules of an adapter: each as it is spelt, with the shapes of its tensors by their part.

    `algorithm` is empty where the tensors are of no adapter.
    """

    algorithm: str
    modules: Mapping[str, Parts]
    alphas: Mapping[str, str]  # module to the name of its alpha tensor

    @cached_property
    def family(self) -> str | None:
        """The family that the adapter is made for, or None where its tensors leave it open."""
        return family_of(self)

    @cached_property
    def seen(self) -> Seen:
        """What names and shapes show of it."""
        return _seen(self)


def scan(shapes: Shapes) -> Adapter:
    """Sort an adapter's tensors by module, in one pass."""
    modules: dict[str, dict[str, Shape]] = {}
    alphas: dict[str, str] = {}
    algorithms: dict[str, None] = {}
    for name, shape in shapes.items():
        found = role(name)
        if found is None:
            continue
        module, part, algorithm = found
        if algorithm:
            algorithms[algorithm] = None
        if part == "alpha":
            alphas[module] = name
        parts = modules.get(module)
        if parts is None:
            modules[module] = {part: shape}
        else:
            parts[part] = shape
    named = next((name for name in PRECEDENCE if name in algorithms), "")
    return Adapter(named, modules if named else {}, alphas if named else {})


def adapter_facts(
    adapter: Adapter, alphas: Mapping[str, float] | None, metadata: Mapping[str, str] = _NO_METADATA
) -> AdapterFacts:
    """The facts of an adapter. `alphas` gives the values of its scalar tensors by name, None where they were not read;
    `metadata` may hold PEFT's configuration as `lora_adapter_metadata`.

    The effective scale of a module is its alpha over its rank; that of one without an alpha, stated or stored, is one.
    """
    seen = adapter.seen
    scales: list[float] = []
    if adapter.algorithm not in _UNSCALED and (alphas is not None or not adapter.alphas):
        stated = Stated.read(metadata)
        values: Mapping[str, float] = alphas or {}
        for name, target, rank in seen.ranked:
            alpha = values.get(name)
            if alpha is None and stated.config:
                alpha = stated.alpha(target, rank)
            scales.append(1.0 if alpha is None or not isfinite(alpha) else alpha / rank)
    return replace(seen.facts, scales=(min(scales), max(scales)) if scales else None)


@dataclass(frozen=True)
class Seen:
    """What an adapter's names and shapes show, whatever its alphas are.

    `ranked` holds, for each module that has a rank, the name of its alpha tensor (or an empty one), the module as
    PEFT's configuration names it, and the rank.
    """

    facts: AdapterFacts
    ranked: tuple[tuple[str, str, int], ...]


def _seen(adapter: Adapter) -> Seen:
    touched: list[Place] = []
    ranked: list[tuple[str, str, int]] = []
    for module, parts in adapter.modules.items():
        if parts.keys() <= _NO_DELTA:
            continue
        where = place(module)
        touched.append(where)
        if rank := rank_of(parts):
            ranked.append((adapter.alphas.get(module, ""), _target(where, module), rank))
    components, blocks = _components(touched, adapter.family), _blocks(touched, adapter.family)
    attention = dict.fromkeys(where.attention for where in touched)
    ranks = [rank for _, _, rank in ranked]
    facts = AdapterFacts(
        algorithm=adapter.algorithm,
        ranks=(min(ranks), max(ranks)) if ranks else None,
        parts=tuple(part for part in _COMPONENTS if part in components),
        blocks=tuple(block for block in _BLOCKS if block in blocks),
        attention=tuple(kind for kind in ("self", "cross") if kind in attention),
        modules=len(touched),
    )
    return Seen(facts, tuple(ranked))


_NO_DELTA: Final = frozenset({"alpha", "scalar", "bias"})
_UNSCALED: Final = ("oft", "ia3", "full")
_COMPONENTS: Final = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3")
_BLOCKS: Final = ("down", "mid", "up", "double", "single", "joint")


def _components(touched: Iterable[Place], family: str | None) -> dict[str, None]:
    found = dict.fromkeys(where.component for where in touched)
    if "transformer" in found or family in (Family.FLUX, Family.SD3):
        # kohya calls every denoiser a UNet: `lora_unet_img_in`.
        found = {("transformer" if part == "unet" else part): None for part in found}
    if family == Family.FLUX:
        # Its T5 is the second encoder; kohya counts it as the third, after SD3's.
        found = {("text_encoder_2" if part == "text_encoder_3" else part): None for part in found}
    return found


def _blocks(touched: Iterable[Place], family: str | None) -> dict[str, None]:
    dit = {Family.FLUX: "double", Family.SD3: "joint"}.get(Family(family), "") if family else ""
    return dict.fromkeys(dit if where.block == "dit" else where.block for where in touched)


def _target(where: Place, module: str) -> str:
    """The module as PEFT's configuration names it, with the component in front."""
    name = module.removeprefix("base_model.model.").removeprefix(f"{where.component}.")
    return f"{where.component}.{name}"


def inputs_of(parts: Parts) -> int | None:
    """How many features a module reads, where its delta shows it."""
    for name in ("down", "hada_w1_b", "diff"):
        if (shape := parts.get(name)) is not None:
            return shape[1] if len(shape) > 1 else None
    first = parts.get("lokr_w1") or parts.get("lokr_w1_b")
    second = parts.get("lokr_w2") or parts.get("lokr_w2_b")
    if first and second and len(first) > 1 and len(second) > 1:
        return first[1] * second[1]
    return None


def variant_of(adapter: Adapter) -> str | None:
    """The variant that an adapter makes of a plain model, as its delta of the first projection shows.

    The control LoRAs of Flux widen `img_in`, so that it reads another picture's latents too.
    """
    for module, parts in adapter.modules.items():
        latents = _FIRST.get(place(module).inner)
        reads = inputs_of(parts) if latents is not None else None
        if latents is not None and reads is not None and reads != latents:
            return variant(
                reads // _PER_TOKEN if latents == _TOKEN else reads, 16 if latents == _TOKEN else latents
            )
    return None


_TOKEN: Final = 64
_PER_TOKEN: Final = 4
_FIRST: Final[Mapping[str, int]] = MappingProxyType(
    {"conv_in": 4, "input_blocks_0_0": 4, "img_in": _TOKEN, "x_embedder": _TOKEN}
)
"""The features that the first projection of a plain model reads: channels of latents, or of tokens of two by two."""


_WIDTHS: Final[Mapping[int, str]] = MappingProxyType(
    {768: Family.SD1, 1024: Family.SD2, 2048: Family.SDXL, 1280: Family.SDXL_REFINER}
)
_DEEP: Final = re.compile(r"transformer_blocks_([2-9]|\d\d)_")
_UNET: Final = ("down", "mid", "up")


def family_of(adapter: Adapter) -> str | None:
    """The family that an adapter is made for, or None where its tensors leave it open.

    Told by the width of the text encoding that cross-attention reads (768, 1024, 2048, 1280), by stages that only one
    family has, by the names that kohya gives text encoders, and by the blocks and widths of the transformer families.
    """
    places = {module: place(module) for module in adapter.modules}
    blocks = dict.fromkeys(where.block for where in places.values())
    if "joint" in blocks:
        return Family.SD3
    if any(block in blocks for block in ("double", "single", "dit")):
        return _transformer(adapter, places, blocks)
    widths: dict[int, None] = {}
    encoders: dict[str, None] = {}
    deep = unet = False
    for module, where in places.items():
        if where.block in _UNET:
            unet = True
            if where.attention == "cross" and where.inner.endswith(("_to_k", "_to_v")):
                width = inputs_of(adapter.modules[module])
                if width is not None:
                    widths[width] = None
            elif where.attention == "self" and not deep:
                deep = _DEEP.search(where.inner) is not None
        elif where.component.startswith("text_encoder"):
            encoders[where.spelling or where.component] = None
    if widths:
        return _WIDTHS.get(next(iter(widths))) if len(widths) == 1 else None
    if deep or (unet and ("te2" in encoders or "text_encoder_2" in encoders)):
        return Family.SDXL
    return _by_encoder(adapter, places) if "te" in encoders else None


def _by_encoder(adapter: Adapter, places: Mapping[str, Place]) -> str | None:
    """kohya's `lora_te_` is the one text encoder of Stable Diffusion 1 or 2; they differ in width."""
    ends = ("_q_proj", "_k_proj", "_v_proj", "_out_proj", "_mlp_fc1")
    widths = dict.fromkeys(
        width
        for module, where in places.items()
        if where.spelling == "te" and where.inner.endswith(ends)
        if (width := inputs_of(adapter.modules[module])) is not None
    )
    return {768: Family.SD1, 1024: Family.SD2}.get(next(iter(widths))) if len(widths) == 1 else None


_FLUX_WIDTH: Final = 3072
_SD3_WIDTHS: Final = (1536, 2432)
_FLUX_BLOCKS: Final = (("double", 19), ("dit", 19), ("single", 38))
_LINEAR1: Final = 21504
"""What the first projection of a single block of Flux gives: three times the width, and four for the MLP."""
_HIDDEN: Final = re.compile(
    r"(_(img|txt)_attn_(qkv|proj)|_single_blocks_\d+_linear1|_attn_(to_[qkv]|add_[qkv]_proj|to_out_0|to_add_out)|_proj_mlp)$"
)
_FOREIGN: Final = re.compile(
    r"joint_transformer_blocks|(img|txt)_mlp_(fc|net)|(img|txt)_mod_(linear|1)$|modulation_linear$|to_qkv_mlp_proj|token_refiner"
)
"""Modules of Qwen-Image, HunyuanVideo, AuraFlow and Flux.2, whose other names are Flux's."""
_FLUX_ONLY: Final = re.compile(r"_(ff_context_net|norm1_context_linear)")


def _transformer(adapter: Adapter, places: Mapping[str, Place], blocks: Mapping[str, None]) -> str | None:
    """Flux and Stable Diffusion 3 among the transformers that share their names.

    Flux has 19 double and 38 single blocks, 3072 wide; Stable Diffusion 3 is 1536 or 2432 wide and has no single ones.
    """
    widths: dict[int, None] = {}
    proof = False
    for module, where in places.items():
        if _FOREIGN.search(where.inner):
            return None
        proof = proof or _FLUX_ONLY.search(where.inner) is not None
        if _HIDDEN.search(f"_{where.inner}") and (width := inputs_of(adapter.modules[module])) is not None:
            widths[width] = None
        outputs = adapter.modules[module].get("up", ())
        if where.inner.endswith("_linear1") and outputs and outputs[0] != _LINEAR1:
            return None
    if len(widths) != 1:
        return None
    (width,) = widths
    if width in _SD3_WIDTHS and tuple(block for block in blocks if block) == ("dit",):
        return Family.SD3
    deepest = {
        block: max(where.number for where in places.values() if where.block == block) for block in blocks
    }
    fits = all(deepest.get(block, -1) < count for block, count in _FLUX_BLOCKS)
    if width != _FLUX_WIDTH or not fits:
        return None
    # Attention of double blocks alone could be Qwen-Image's.
    return Family.FLUX if proof or "double" in blocks or "single" in blocks else None
