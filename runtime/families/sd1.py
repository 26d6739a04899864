"""Stable Diffusion 1 (Rombach et al. 2022, arXiv:2112.10752): one CLIP text encoder, a UNet, a KL VAE."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import TensorsDoNotFit
from mosaic.compiler.program import Expert
from mosaic.compiler.weights.adapter_keys import canonical
from mosaic.runtime.adapters import content_key
from mosaic.runtime.attention import Texts, attend, remembering
from mosaic.runtime.blocks import write_in_place
from mosaic.runtime.devices import Device
from mosaic.runtime.families import ModuleCache, sd1_shapes
from mosaic.runtime.families.checkpoints import Parts, unusable
from mosaic.runtime.files import Reader
from mosaic.runtime.residence import computing
from mosaic.runtime.values import Base, Model, Vae
from mosaic.runtime.weights import Component, wearing

_CHANGEABLE = ("unet", "text_encoder")


class SD1:
    """See `Family`."""

    name = "sd1"

    def load(self, expert: Expert, reader: Reader, device: Device, modules: ModuleCache) -> Base:
        """Load a diffusers folder or a single file.

        Raises MosaicError where a part is missing or does not fit.
        """
        parts = Parts(expert, reader)
        stored: dict[str, torch.Tensor] = {}
        configs: dict[str, Mapping[str, Any]] = {}
        components: dict[str, Component] = {}
        for part in _CHANGEABLE:
            tensors = parts.tensors(part)
            config = _config(parts, part, tensors)
            key = (part, parts.digest(part), device)
            # The cache holds weak references: the network must be held here before it goes in.
            module = modules.get(key)
            if module is None:
                module = modules[key] = _network(parts, part, config, tensors, device, device.dtype)
                if part == "unet":
                    attend(module)
            components[part] = Component.of(part, module, device.residence)
            stored.update(tensors)
            configs[part] = config
        key = ("vae", parts.digest("vae"), device)
        autoencoder = modules.get(key)
        if autoencoder is None:
            autoencoder = modules[key] = _load_vae(parts, device, None).module
        vae = _vae(autoencoder, device)
        configs["vae"] = dict(_settings(vae.module))
        positions = _settings(components["text_encoder"].module).max_position_embeddings
        return Base(
            id=expert.id,
            content=content_key(expert),
            space=expert.latent_space or ",".join(parts.digest("vae")),
            family=self,
            device=device,
            unet=components["unet"],
            text_encoder=components["text_encoder"],
            vae=vae,
            tokens=parts.tokens(positions),
            scheduler=parts.config("scheduler") or sd1_shapes.scheduler(expert.prediction),
            stored=MappingProxyType(stored),
            configs=MappingProxyType(configs),
            text_content="\n".join((*parts.digest("text_encoder"), "", *parts.digest("tokenizer"))),
        )

    def tensors(self, expert: Expert, reader: Reader) -> dict[str, torch.Tensor]:
        """A checkpoint's tensors of unet and, where it has one, text encoder, by canonical name."""
        parts = Parts(expert, reader)
        held = [part for part in _CHANGEABLE if part == "unet" or parts.holds(part)]
        return {name: tensor for part in held for name, tensor in parts.tensors(part).items()}

    def load_vae(self, expert: Expert, reader: Reader, device: Device, like: Vae) -> Vae:
        """A VAE expert. Without a configuration it is built like the base's own."""
        return _load_vae(Parts(expert, reader), device, like)

    def encode_text(self, model: Model, text: str) -> torch.Tensor:
        """The text encoder's last hidden state, (1, tokens, width)."""
        ids = torch.tensor([model.tokens.encode(text)], device=model.base.device.torch)
        with torch.no_grad(), wearing(model.base.text_encoder, model.overlay) as encoder:
            hidden: torch.Tensor = encoder(ids, attention_mask=None).last_hidden_state
        return hidden

    def predict(
        self,
        denoiser: nn.Module,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        conditioning: torch.Tensor,
        texts: Texts | None = None,
    ) -> torch.Tensor:
        """One pass of the UNet, in its own precision; float32 in and out."""
        dtype = conditioning.dtype
        with remembering(denoiser, texts):
            output = denoiser(
                sample.to(dtype),
                timestep.to(sample.device),
                encoder_hidden_states=conditioning,
                return_dict=False,
            )
        predicted: torch.Tensor = output[0]
        return predicted.float()

    def decode(self, vae: Vae, sample: torch.Tensor) -> torch.Tensor:
        """(1, channels, h, w) to (1, 3, H, W) in [-1, 1]."""
        with torch.no_grad(), computing(vae.module, vae.residence) as module:
            scaled = sample / vae.scaling + vae.shift
            picture: torch.Tensor = cast(Any, module).decode(scaled, return_dict=False)[0]
        return picture

    def encode_image(self, vae: Vae, picture: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) in [-1, 1] to (1, channels, h, w): the mean, so that the result is deterministic."""
        with torch.no_grad(), computing(vae.module, vae.residence) as module:
            mean: torch.Tensor = cast(Any, module).encode(picture, return_dict=False)[0].mode()
        return (mean - vae.shift) * vae.scaling


_UNBUILDABLE = (
    *(TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError, ArithmeticError),
    StrictDataclassError,
)
"""What the libraries raise for configurations that describe nothing."""

_UNUSED = re.compile(
    r"\.position_ids$|^text_encoder\.(text_projection\.|logit_scale$)|^vae\.(loss|model_ema)\."
)
"""Tensors that files of this family may hold besides the networks: an index, CLIP's matching head, traces of
training."""

_BUILD: Mapping[str, Callable[[Mapping[str, Any]], nn.Module]] = MappingProxyType(
    {
        "unet": lambda config: UNet2DConditionModel.from_config(dict(config)),
        "text_encoder": lambda config: CLIPTextModel(_text_config(config)),
        "vae": lambda config: AutoencoderKL.from_config(dict(config)),
    }
)
_INFER: Mapping[str, Callable[[sd1_shapes.Shapes], dict[str, Any]]] = MappingProxyType(
    {"unet": sd1_shapes.unet, "text_encoder": sd1_shapes.text_encoder, "vae": sd1_shapes.vae}
)


_TEXT_SETTINGS = (
    *("vocab_size", "hidden_size", "intermediate_size", "projection_dim", "num_hidden_layers"),
    *("num_attention_heads", "max_position_embeddings", "hidden_act", "layer_norm_eps"),
    *("pad_token_id", "bos_token_id", "eos_token_id"),
)


def _text_config(config: Mapping[str, Any]) -> CLIPTextConfig:
    # Only what describes the architecture is handed on: the library also takes settings that name code to be
    # fetched from the network (attention kernels), and a model file must never run code.
    return CLIPTextConfig(**{key: config[key] for key in _TEXT_SETTINGS if key in config})


def _config(parts: Parts, part: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    stated = parts.config(part)
    if stated is not None:
        return stated
    try:
        return _INFER[part](tensors)
    except (KeyError, ValueError, IndexError) as error:
        raise MosaicError(unusable(parts.location(part), error)) from error


def _network(
    parts: Parts,
    part: str,
    config: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    device: Device,
    dtype: torch.dtype,
) -> nn.Module:
    """Build a network and point its parameters at the tensors. Every name and shape must agree."""
    try:
        # On the meta device nothing is allocated or drawn at random that the file replaces anyway.
        with torch.device("meta"):
            module = _BUILD[part](config)
    except _UNBUILDABLE as error:
        raise MosaicError(unusable(parts.location(part), error)) from error
    wanted = {canonical(f"{part}.{name}"): name for name in module.state_dict()}
    given = {name: tensor for name, tensor in tensors.items() if not _UNUSED.search(name)}
    state = module.state_dict()
    wrong = [name for name in wanted if name not in given or given[name].shape != state[wanted[name]].shape]
    wrong += [name for name in given if name not in wanted]
    if wrong:
        what = f"{part.replace('_', ' ')} that its configuration describes"
        raise MosaicError(
            TensorsDoNotFit(span=None, expert=parts.expert.id, what=what, names=tuple(sorted(wrong)))
        )
    placed = {wanted[name]: tensor.to(device=device.home, dtype=dtype) for name, tensor in given.items()}
    module.load_state_dict(placed, assign=True)
    for holder in module.modules():
        positions = holder._buffers.get("position_ids")
        if positions is not None and positions.is_meta:
            holder._buffers["position_ids"] = torch.arange(positions.shape[-1], device=device.torch)[None]
    write_in_place(module)
    return module.requires_grad_(False).eval()


def _load_vae(parts: Parts, device: Device, like: Vae | None) -> Vae:
    tensors = parts.tensors("vae")
    config = parts.config("vae")
    if config is None and like is not None:
        config = dict(_settings(like.module))
    if config is None:
        config = _config(parts, "vae", tensors)
    return _vae(_network(parts, "vae", config, tensors, device, torch.float32), device)


def _settings(module: nn.Module) -> Any:
    # torch declares every unknown attribute of a module to be a tensor or a module.
    return cast(Any, module).config


def _vae(module: nn.Module, device: Device) -> Vae:
    config = _settings(module)
    return Vae(
        module=module,
        channels=config.latent_channels,
        factor=2 ** (len(config.block_out_channels) - 1),
        scaling=float(config.scaling_factor),
        shift=float(config.shift_factor or 0.0),
        residence=device.residence,
    )
