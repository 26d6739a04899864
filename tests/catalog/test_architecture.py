"""What networks cost, told by their tensors' names and shapes, against torch's own count of the same networks."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextConfig, CLIPTextModel

from mosaic.catalog.architecture import architecture
from mosaic.compiler.cost.architecture import Architecture
from mosaic.compiler.weights import ldm
from mosaic.compiler.weights.adapter_keys import canonical
from mosaic.stdlib import zoo

Configs = tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]

SD1: Configs = (
    {
        "sample_size": 64,
        "block_out_channels": (320, 640, 1280, 1280),
        "cross_attention_dim": 768,
        "attention_head_dim": 8,
    },
    {
        "block_out_channels": (128, 256, 512, 512),
        "layers_per_block": 2,
        "latent_channels": 4,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
    },
    {
        "vocab_size": 49408,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "max_position_embeddings": 77,
    },
)
TINY: Configs = (
    {**SD1[0], "block_out_channels": (32, 64, 64, 64), "cross_attention_dim": 32},
    {**SD1[1], "block_out_channels": (32, 32, 64, 64)},
    {
        **SD1[2],
        "vocab_size": 1000,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "eos_token_id": 999,
        "bos_token_id": 998,
    },
)
_TEXT = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("max_position_embeddings", "bos_token_id", "eos_token_id", "pad_token_id"),
)


def of_the_zoo() -> Configs:
    folder = zoo.root() / "models/base"
    unet, vae, text = (
        json.loads(Path(folder, part, "config.json").read_text()) for part in ("unet", "vae", "text_encoder")
    )
    return unet, vae, text


def networks(configs: Configs, device: str) -> dict[str, Any]:
    with torch.device(device):
        text = {key: value for key, value in configs[2].items() if key in _TEXT}
        return {
            "unet": UNet2DConditionModel.from_config(dict(configs[0])).eval(),
            "vae": AutoencoderKL.from_config(dict(configs[1])).eval(),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**text)).eval(),
        }


def told(modules: Mapping[str, nn.Module], configs: Configs) -> Architecture:
    shapes = {
        canonical(f"{part}.{name}"): tuple(parameter.shape)
        for part, module in modules.items()
        for name, parameter in module.named_parameters()
    }
    found = architecture(shapes, {"unet": configs[0], "text_encoder": configs[2]})
    assert found is not None
    return found


def calls(
    modules: Mapping[str, Any], configs: Configs, known: Architecture, side: int, device: str
) -> list[Callable[[], Any]]:
    height, width = side, side + 8
    with torch.device(device):
        latent = torch.zeros(2, 4, height, width)
        hidden = torch.zeros(2, known.tokens, configs[0]["cross_attention_dim"])
        picture = torch.zeros(1, 3, height * known.factor, width * known.factor)
        step, ids = torch.tensor(1), torch.zeros(1, known.tokens, dtype=torch.long)
    return [
        lambda: modules["unet"](latent, step, encoder_hidden_states=hidden),
        lambda: modules["vae"].decode(latent[:1]),
        lambda: modules["vae"].encode(picture),
        lambda: modules["text_encoder"](ids),
    ]


@pytest.mark.parametrize(("name", "side"), [("zoo", 16), ("zoo", 24), ("sd1", 64), ("sd1", 40), ("tiny", 32)])
def test_operations_are_those_that_torch_counts(name: str, side: int) -> None:
    configs = {"zoo": of_the_zoo(), "sd1": SD1, "tiny": TINY}[name]
    modules = networks(configs, "meta")
    known = told(modules, configs)
    counted = []
    for call in calls(modules, configs, known, side, "meta"):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            call()
        counted.append(counter.get_total_flops())
    height, width = side, side + 8
    computed = [
        known.denoiser.work(2, height, width, known.tokens).flops,
        known.decoder.work(1, height, width, 0).flops,
        known.encoder.work(1, height, width, 0).flops,
        known.text_encoder.work(1, 0, 0, known.tokens).flops,
    ]
    assert computed == pytest.approx(counted, rel=0.01)


class _Alive(TorchDispatchMode):
    """The most bytes of tensors that are alive at once, parameters left out."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.now = self.most = 0
        self._sizes: dict[int, int] = {}
        self._weights = {
            parameter.untyped_storage()._cdata
            for module in modules.values()
            for parameter in module.parameters()
        }

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        for each in given if isinstance(given, tuple | list) else [given]:
            if isinstance(each, torch.Tensor):
                self._note(each.untyped_storage())
        return given

    def _note(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._sizes or key in self._weights:
            return
        self._sizes[key] = storage.nbytes()
        self.now += storage.nbytes()
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


@pytest.mark.parametrize("name", ["zoo", "tiny"])
def test_memory_of_a_call_is_what_is_alive_at_once(name: str) -> None:
    configs = {"zoo": of_the_zoo(), "tiny": TINY}[name]
    modules = networks(configs, "cpu")
    known = told(modules, configs)
    side = 24
    alive = []
    for call in calls(modules, configs, known, side, "cpu")[:2]:
        with torch.no_grad(), _Alive(modules) as meter:
            call()
        alive.append(meter.most / 4)
    computed = [known.denoiser.activations(2, side, side + 8), known.decoder.activations(1, side, side + 8)]
    assert computed == pytest.approx(alive, rel=0.15)


def test_a_single_file_tells_the_same_as_a_folder() -> None:
    modules = networks(SD1, "meta")
    shapes = {
        f"{part}.{name}": tuple(parameter.shape)
        for part, module in modules.items()
        for name, parameter in module.named_parameters()
    }
    single = {new: shapes[old] for old, new in ldm.from_diffusers(shapes).items()}
    back = {canonical(name): shape for name, shape in ldm.components(single).items()}
    assert architecture(back) == told(modules, SD1)


def test_what_has_no_unet_or_no_autoencoder_is_not_known() -> None:
    assert architecture({"unet.conv_in.weight": (320, 4, 3, 3)}) is None
    assert architecture({}) is None


def test_strange_configurations_say_nothing() -> None:
    modules = networks(TINY, "meta")
    shapes = {
        canonical(f"{part}.{name}"): tuple(parameter.shape)
        for part, module in modules.items()
        for name, parameter in module.named_parameters()
    }
    plain = architecture(shapes)
    for heads in ([], [None], "8", -1, True):
        assert architecture(shapes, {"unet": {"attention_head_dim": heads}}) == plain
