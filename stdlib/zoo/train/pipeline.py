"""Loads shipped experts for scoring: a base or character, adapters added into its weights, the embedding."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer

import mosaic.stdlib.zoo as zoo
from mosaic.stdlib.zoo import world
from mosaic.stdlib.zoo.train import embedding, unet, vae
from mosaic.stdlib.zoo.train.generate import Family

CONCEPT: Final = "zoo/samurai"


def _expert(name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(expert for expert in zoo.index()["experts"] if expert["id"] == name)
    return found


def folder(name: str, role: str) -> Path:
    """The folder that holds a role of a checkpoint, wherever it is shared from."""
    path = next(Path(file["path"]) for file in _expert(name)["files"] if file["role"] == role)
    return zoo.root() / path.parent


def single(name: str) -> dict[str, torch.Tensor]:
    """The tensors of an adapter or embedding in float32."""
    path = zoo.root() / _expert(name)["files"][0]["path"]
    return {key: value.float() for key, value in load_file(path).items()}


@torch.no_grad()
def add_adapter(model: torch.nn.Module, tensors: Mapping[str, torch.Tensor], strength: float) -> int:
    """Add `strength` times the product of the factors to each weight, in place; how many were changed."""
    weights, changed = dict(model.named_parameters()), 0
    for key, down in tensors.items():
        if not key.endswith(".lora_A.weight"):
            continue
        stem = key.removesuffix(".lora_A.weight")
        up, weight = tensors[f"{stem}.lora_B.weight"], weights[stem.removeprefix("unet.") + ".weight"]
        weight.add_((up.flatten(1) @ down.flatten(1)).reshape(weight.shape), alpha=strength)
        changed += 1
    return changed


def family(name: str, adapters: Mapping[str, float] | None = None) -> Family:
    """A family ready to draw with: a checkpoint, or the base under a single adapter or the embedding."""
    expert = _expert(name)
    base = name if expert["kind"] == "checkpoint" else "zoo/base"
    adapters = dict(adapters or {})
    if expert["kind"] == "lora":
        adapters[name] = 1.0
    tokens = CLIPTokenizer.from_pretrained(folder(base, "tokenizer"))
    encoder = CLIPTextModel.from_pretrained(folder(base, "text_encoder"), dtype=torch.float32).eval()
    if name == CONCEPT:
        embedding.register(tokens, encoder, single(name)[world.CONCEPT_TOKEN])
    model = unet.load(folder(base, "unet"))
    for adapter, strength in adapters.items():
        add_adapter(model, single(adapter), strength)
    return Family(tokens, encoder.requires_grad_(False), model, vae.load(folder(base, "vae")))
