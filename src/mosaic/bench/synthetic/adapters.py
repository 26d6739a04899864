"""The tensors of adapters over a synthetic base, in the spellings and encodings that trainers write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from mosaic.bench.synthetic.architectures import ARCHITECTURES, Shape, modules
from mosaic.catalog.record import Signature
from mosaic.compiler.facts import AdapterFacts

SPELLINGS: Final = ("kohya", "peft", "diffusers")
ALGORITHMS: Final = ("lora", "dora", "loha", "lokr")
SCOPES: Final[Mapping[str, str]] = {
    "cross": r"attn2\.to_[kv]$|\.add_[kv]_proj$",
    "attention": r"\.(attn1|attn2)\.to_(q|k|v|out\.0)$|\.attn\.(to_q|to_k|to_v|to_out\.0|add_[qkv]_proj)$",
    "linear": r"\.(attn1|attn2|attn|ff|ff_context)\.|\.attentions\.\d+\.proj_(in|out)$",
}
"""Which modules of a denoiser are trained, by their names."""
_TEXT: Final = r"\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)$"
_CLIPS: Final = ("text_encoder", "text_encoder_2")


@dataclass(frozen=True)
class Recipe:
    """How an adapter was trained. `foreign` modules carry names that no base has, `widened` ones a wrong width."""

    architecture: str
    algorithm: str = "lora"
    spelling: str = "kohya"
    rank: int = 16
    scope: str = "attention"
    text_encoder: bool = False
    foreign: int = 0
    widened: int = 0
    most: int = 0  # modules at most; all where zero


@dataclass(frozen=True)
class Made:
    """An adapter's signature with its digest, what it is in truth, and how many numbers it holds."""

    signature: Signature
    digest: str
    facts: AdapterFacts
    parameters: int
    header: int  # bytes of its header, about


@cache
def adapter(recipe: Recipe) -> Made:
    """The tensors that a recipe gives."""
    found: list[tuple[str, str, Shape]] = []
    touched = list(_touched(recipe))
    for number, (part, module, shape) in enumerate(touched):
        if number < recipe.foreign:
            module = re.sub(r"\d+", lambda digits: f"{int(digits[0]) + 40}", module, count=1)
        if recipe.foreign <= number < recipe.foreign + recipe.widened:
            shape = (shape[0], shape[1] + 64, *shape[2:])
        found += [
            (f"{_spelt(recipe, part, module)}{end}", "F16", size) for end, size in _factors(recipe, shape)
        ]
    signature = Signature(tuple(sorted(found)), _metadata(recipe))
    numbers = sum(_count(shape) for _, _, shape in found)
    return Made(signature, signature.digest, _facts(recipe, touched), numbers, 90 * len(found))


def _touched(recipe: Recipe) -> Iterator[tuple[str, str, Shape]]:
    architecture = ARCHITECTURES[recipe.architecture]
    chosen = [
        (architecture.denoiser, module, shape)
        for module, shape in modules(recipe.architecture, architecture.denoiser).items()
        if re.search(SCOPES[recipe.scope], f".{module}")
    ]
    yield from chosen[: recipe.most or None]
    if recipe.text_encoder:
        for part in _CLIPS:
            if part in architecture.parts and not architecture.parts[part][0].startswith("T5"):
                for module, shape in modules(recipe.architecture, part).items():
                    if re.search(_TEXT, f".{module}"):
                        yield part, module, shape


def _spelt(recipe: Recipe, part: str, module: str) -> str:
    if part in _CLIPS and not module.startswith("text_model."):
        module = f"text_model.{module}"  # as every published file has it, whatever the libraries do today
    if recipe.spelling != "kohya":
        return f"{part}.{module}"
    two = "text_encoder_2" in ARCHITECTURES[recipe.architecture].parts
    prefixes = {"text_encoder": "lora_te1_" if two else "lora_te_", "text_encoder_2": "lora_te2_"}
    return prefixes.get(part, "lora_unet_") + module.replace(".", "_")


def _factors(recipe: Recipe, shape: Shape) -> Iterator[tuple[str, Shape]]:
    out, into, kernel = shape[0], shape[1], shape[2:]
    rank = recipe.rank
    ones = tuple(1 for _ in kernel)
    if recipe.algorithm == "loha":
        for which in ("w1", "w2"):
            yield f".hada_{which}_a", (out, rank)
            yield f".hada_{which}_b", (rank, into * _count(kernel))
        yield ".alpha", ()
        return
    if recipe.algorithm == "oft":
        yield ".oft_blocks", (4, out // 4, out // 4)
        yield ".alpha", ()
        return
    if recipe.algorithm == "lokr":
        yield ".lokr_w1", (4, 4)
        yield ".lokr_w2_a", (out // 4, rank)
        yield ".lokr_w2_b", (rank, into // 4)
        yield ".alpha", ()
        return
    down, up = {
        "kohya": (".lora_down.weight", ".lora_up.weight"),
        "peft": (".lora_A.weight", ".lora_B.weight"),
        "diffusers": (".lora.down.weight", ".lora.up.weight"),
    }[recipe.spelling]
    yield down, (rank, into, *kernel)
    yield up, (out, rank, *ones)
    if recipe.algorithm == "dora":
        yield (".dora_scale", (out, 1)) if recipe.spelling == "kohya" else (".lora_magnitude_vector", (out,))
    if recipe.spelling == "kohya":
        yield ".alpha", ()


def _metadata(recipe: Recipe) -> tuple[tuple[str, str], ...]:
    if recipe.spelling != "peft":
        return ()
    denoiser = ARCHITECTURES[recipe.architecture].denoiser
    stated = {f"{denoiser}.lora_alpha": recipe.rank, f"{denoiser}.r": recipe.rank}
    return (("lora_adapter_metadata", json.dumps(stated, sort_keys=True)),)


def _facts(recipe: Recipe, touched: list[tuple[str, str, Shape]]) -> AdapterFacts:
    denoiser = ARCHITECTURES[recipe.architecture].denoiser
    names = [module for part, module, _ in touched if part == denoiser]
    blocks = {
        "down": r"^down_blocks",
        "mid": r"^mid_block",
        "up": r"^up_blocks",
        "double": r"^transformer_blocks" if recipe.architecture == "flux" else "$.",
        "single": r"^single_transformer_blocks",
        "joint": r"^transformer_blocks" if recipe.architecture == "sd3" else "$.",
    }
    attention = {"self": r"\.attn1\.", "cross": r"\.attn2\."}
    return AdapterFacts(
        algorithm=recipe.algorithm,
        ranks=None if recipe.algorithm == "oft" else (recipe.rank, recipe.rank),
        scales=None if recipe.algorithm == "oft" else (1.0, 1.0),
        parts=tuple(dict.fromkeys(part for part, _, _ in touched)),
        blocks=tuple(name for name, pattern in blocks.items() if any(re.search(pattern, n) for n in names)),
        attention=tuple(
            name for name, pattern in attention.items() if any(re.search(pattern, n) for n in names)
        ),
        modules=len(touched),
    )


def _count(shape: Shape) -> int:
    total = 1
    for side in shape:
        total *= side
    return total
