"""What a checkpoint's networks cost to run, told by the names and shapes of its tensors.

The layers of a U-Net, a KL autoencoder and a CLIP text encoder stand in their tensors' names: at which resolution a
layer works follows from the resamplers before it, what it does from its shape. A convolution or matrix costs two
operations for each of its numbers at each place, attention four for each channel and pair of places (its two products).
Counts were compared with torch's own on these networks (tests/catalog/test_architecture.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from math import prod
from types import MappingProxyType
from typing import Final

from mosaic.catalog.coverage import part_of
from mosaic.compiler.cost.architecture import Architecture, Level, Network
from mosaic.compiler.facts import ExpertFacts, FileFact
from mosaic.compiler.weights.names import Config, Shape, Shapes

_UNET, _TEXT, _VAE = "unet.", "text_encoder.", "vae."
_PADDED: Final = 77
"""Tokens that a prompt is padded to where the text encoder does not say it."""
_USUAL_HEADS: Final = 8
_NONE: Final[Mapping[str, Config]] = MappingProxyType({})

_CALLS: Final = 2.1
"""Library calls for each layer that multiplies or normalises: its own, activations, sums, rearranging."""


class _Levels:
    """What is gathered of a network's levels, by scale."""

    def __init__(self) -> None:
        self._known: dict[float, Level] = {}

    def add(self, scale: float, **numbers: float) -> None:
        """Count some more of a level's fields."""
        level = self._at(scale)
        counted = {name: getattr(level, name) + number for name, number in numbers.items()}
        self._known[scale] = replace(level, **counted)

    def hold(self, scale: float, working: float) -> None:
        """Note what one layer of a level holds; the most counts."""
        level = self._at(scale)
        self._known[scale] = replace(level, working=max(level.working, working))

    def all(self) -> tuple[Level, ...]:
        """Every level, the finest first."""
        return tuple(self._known[scale] for scale in sorted(self._known, reverse=True))

    def _at(self, scale: float) -> Level:
        return self._known.get(scale) or Level(scale)


def architecture(tensors: Shapes, configs: Mapping[str, Config] = _NONE) -> Architecture | None:
    """The networks of a checkpoint by its tensors (canonical names); None where it has no U-Net with an autoencoder.

    `configs` are the components' configurations, where there are any: shapes do not tell by how many heads a layer
    attends.
    """
    if f"{_UNET}conv_in.weight" not in tensors or f"{_VAE}decoder.conv_in.weight" not in tensors:
        return None
    parts = {part: _inner(tensors, part) for part in (_UNET, _TEXT, _VAE)}
    positions = parts[_TEXT].get("embeddings.position_embedding.weight", (_PADDED,))
    return Architecture(
        denoiser=_unet(parts[_UNET], _Heads(configs.get("unet", {}))),
        text_encoder=_text_encoder(parts[_TEXT], configs.get("text_encoder", {})),
        decoder=_codec(parts[_VAE], "decoder"),
        encoder=_codec(parts[_VAE], "encoder"),
        tokens=positions[0],
        channels=parts[_UNET]["conv_in.weight"][1],
        sizes={name: prod(shape) for name, shape in tensors.items() if not name.startswith(_VAE)},
    )


def stated(expert: ExpertFacts, read: Callable[[FileFact], str]) -> dict[str, Config]:
    """The configurations of an expert's components. One that cannot be read says nothing here."""
    found: dict[str, Config] = {}
    for file in expert.files:
        if file.name.endswith("config.json"):
            try:
                content = json.loads(read(file))
            except (ValueError, RecursionError):
                continue
            if isinstance(content, dict):
                found[part_of(file)] = content
    return found


def _inner(tensors: Shapes, part: str) -> dict[str, Shape]:
    return {name.removeprefix(part): shape for name, shape in tensors.items() if name.startswith(part)}


class _Heads:
    """By how many heads the layers of a U-Net attend, one number or one for each block from the finest to the coarsest.

    diffusers calls this number `attention_head_dim` in the configurations of this family.
    """

    def __init__(self, config: Config) -> None:
        given = config.get("num_attention_heads") or config.get("attention_head_dim")
        numbers = given if isinstance(given, list) and given else [given]
        self._heads = [each if type(each) is int and each > 0 else _USUAL_HEADS for each in numbers]

    def of(self, module: str) -> int:
        """The heads of a module."""
        stage = _STAGE.match(f"{module}.")
        if stage is None:
            return self._heads[-1]
        numbers = self._heads if stage[1] == "down" else self._heads[::-1]
        return numbers[min(int(stage[2]), len(numbers) - 1)]


def _unet(tensors: Shapes, heads: _Heads) -> Network:
    scales = _Scales(tensors)
    scales.bottom = 1 / 2**scales.downs
    levels, row, token = _Levels(), 0.0, 0.0
    for module, shape in _products(tensors):
        if "time_emb" in module:
            row += 2.0 * prod(shape)
        elif module.endswith((".attn2.to_k", ".attn2.to_v")):
            token += 2.0 * prod(shape)
        else:
            _multiply(levels, scales.of(module), shape)
        if module.endswith(".attn1.to_q"):
            levels.add(scales.of(module), pairs=4.0 * shape[0], heads=heads.of(module))
        elif module.endswith(".attn2.to_q"):
            levels.add(scales.of(module), tokens=4.0 * shape[0], token_heads=heads.of(module))
    _between(levels, scales, tensors)
    _skips(levels, scales, tensors)
    return _network(tensors, levels, row=row, token=token)


def _codec(tensors: Shapes, side: str) -> Network:
    """The encoder or decoder of a KL autoencoder, with the convolution between it and the latent."""
    beside = "quant_conv." if side == "encoder" else "post_quant_conv."
    own = {name: shape for name, shape in tensors.items() if name.startswith((f"{side}.", beside))}
    scales, levels = _Scales(own), _Levels()
    for module, shape in _products(own):
        _multiply(levels, scales.of(module), shape)
        if module.endswith(".to_q"):
            levels.add(scales.of(module), pairs=4.0 * shape[0], heads=1)
    _between(levels, scales, own)
    return _network(own, levels)


def _text_encoder(tensors: Shapes, config: Config) -> Network:
    token = pairs = moved = heads = 0.0
    given = config.get("num_attention_heads")
    for module, shape in _products(tensors):
        if ".layers." in module:
            token += 2.0 * prod(shape)
            moved += sum(shape)
        if module.endswith(".q_proj"):
            pairs += 4.0 * shape[0]
            heads += given if type(given) is int and given > 0 else shape[0] / 64
    network = _network(tensors, _Levels(), token=token)
    return replace(network, token_pairs=pairs, token_heads=heads, token_moved=moved)


def _network(tensors: Shapes, levels: _Levels, *, row: float = 0.0, token: float = 0.0) -> Network:
    layers = sum(name.endswith(".weight") for name in tensors)
    return Network(
        levels.all(),
        row=row,
        token=token,
        launches=round(_CALLS * layers),
        parameters=sum(map(prod, tensors.values())),
        tensors=len(tensors),
    )


def _products(tensors: Shapes) -> Iterator[tuple[str, Shape]]:
    """The layers that multiply, by module, with the shapes of their weights: matrices and convolutions."""
    for name, shape in tensors.items():
        if name.endswith(".weight") and len(shape) in (2, 4) and not name.endswith("embedding.weight"):
            yield name.removesuffix(".weight"), shape


def _multiply(levels: _Levels, scale: float, shape: Shape) -> None:
    """A layer that works at every place."""
    product = 2.0 * prod(shape)
    if len(shape) == 4:
        levels.add(scale, conv=product, moved=shape[0] + shape[1])
    else:
        levels.add(scale, matmul=product, moved=shape[0] + shape[1])


def _between(levels: _Levels, scales: _Scales, tensors: Shapes) -> None:
    """Norms and activations between products, and what is alive at once in a layer."""
    for name, shape in tensors.items():
        module, _, leaf = name.rpartition(".")
        if leaf != "weight":
            continue
        scale = scales.of(module)
        if len(shape) == 1:
            levels.add(scale, moved=_NORM * shape[0])
        elif module.endswith(".conv1"):
            # What came in, the joined input, its norm and activation; or what is made, twice, beside the input.
            levels.hold(scale, max(3.0 * shape[1], shape[1] + 4.0 * shape[0]))
        elif module.endswith(".ff.net.0.proj"):
            # The input and its copies, both halves of the gate, one half activated, and the product.
            levels.hold(scale, 5.0 * shape[1] + 2.0 * shape[0])
        elif "samplers." in module:
            levels.hold(scale, 2.0 * shape[1] + shape[0])


def _skips(levels: _Levels, scales: _Scales, tensors: Shapes) -> None:
    """What the way down keeps for the way up: the input's convolution, each layer, each resampler."""
    for name, shape in tensors.items():
        if re.fullmatch(
            r"conv_in\.weight|down_blocks\.\d+\.(resnets\.\d+\.conv2|downsamplers\.0\.conv)\.weight", name
        ):
            levels.add(scales.of(name.removesuffix(".weight")), kept=shape[0])


_NORM: Final = 7
"""How often a number is read or written by a norm, the activation after it and the sum that follows."""
_STAGE: Final = re.compile(
    r"(?:encoder\.|decoder\.)?(down|up)_blocks\.(\d{1,4})\.(resnets|attentions|\w+samplers)\."
)


class _Scales:
    """At which scale the layers of a network work: told by the resamplers before them. `bottom` is the coarsest."""

    def __init__(self, names: Iterable[str]) -> None:
        found = {(m[1], int(m[2])) for name in names if (m := _STAGE.match(name)) and "samplers" in m[3]}
        self._downs = sorted(number for side, number in found if side == "down")
        self._ups = sorted(number for side, number in found if side == "up")
        self.downs = len(self._downs)
        self.bottom = 1.0

    def of(self, module: str) -> float:
        """The scale of what a module gives."""
        top = self.bottom * 2.0 ** max(len(self._downs), len(self._ups))
        stage = _STAGE.match(f"{module}.")
        if stage is None:
            if "mid_block" in module or "quant_conv" in module:
                return self.bottom
            return (
                self.bottom
                if module in ("decoder.conv_in", "encoder.conv_out", "encoder.conv_norm_out")
                else top
            )
        passed = self._downs if stage[1] == "down" else self._ups
        number = int(stage[2])
        steps = sum(each < number for each in passed) + ("samplers" in stage[3])
        return top / 2.0**steps if stage[1] == "down" else self.bottom * 2.0**steps
