"""Emits a big model in a process of its own and prints what memory that took: bytes, as JSON.

Every tensor of the model is computed anew when it is asked for, as that of a fusion that nothing else reads is.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from tokenizers import Tokenizer
from tokenizers.models import BPE

from mosaic.compiler.weights.adapter_keys import canonical
from mosaic.runtime.devices import Device
from mosaic.runtime.outputs import write_model
from mosaic.runtime.tokens import Tokens
from mosaic.runtime.values import EMBEDDINGS

WIDTHS = (128, 256, 512, 512)


class Computed(Mapping[str, torch.Tensor]):
    """Each tensor half as large again as it is stored, computed at each reading."""

    def __init__(self, stored: Mapping[str, torch.Tensor]) -> None:
        self.stored = stored

    def __getitem__(self, name: str) -> torch.Tensor:
        return self.stored[name] * 1.5

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)


def model() -> Any:
    """The published architecture, narrower, with all its numbers 1, behind what `write_model` reads of a model."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, block_out_channels=WIDTHS, cross_attention_dim=768)
        vae = AutoencoderKL(
            block_out_channels=(32, 64),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
        )
    shapes = {canonical(f"unet.{name}"): tensor.shape for name, tensor in unet.state_dict().items()}
    shapes[EMBEDDINGS] = torch.Size((1000, 768))
    stored = {name: torch.ones(shape) for name, shape in shapes.items()}
    decoder = vae.to_empty(device="cpu")
    for parameter in decoder.parameters():
        parameter.data.fill_(1 / 3)
    computed = Computed(stored)
    base = SimpleNamespace(
        device=Device("cpu", torch.float32),
        stored=stored,
        configs={"unet": {"sample_size": 64}, "text_encoder": {}},
        scheduler={},
    )
    tokens = Tokens(Tokenizer(BPE()), 0, 1, 1, 77)
    return SimpleNamespace(
        base=base, tensor=computed.__getitem__, tokens=tokens, vae=SimpleNamespace(module=decoder, factor=8)
    )


def peak() -> int:
    """The most memory that this process ever held, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Write, and say what it took."""
    made = model()
    largest = max(tensor.nbytes for tensor in made.base.stored.values())
    loaded = peak()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "look.safetensors"
        write_model(cast(Any, made), path, {})
        written = path.stat().st_size
    print(json.dumps({"loaded": loaded, "peak": peak(), "largest": largest, "written": written}))


if __name__ == "__main__":
    main()
