"""What the instructions of a program produce and take.

A model is a tree. Its leaves are `Model`s: a base with changed tensors. A `Turn` picks one child for each step of a
run, a `Mix` adds its children's predictions. Operators on weights change every leaf; operators on predictions and on
the schedule put a new root on top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mosaic.compiler.program import Region
from mosaic.runtime.beside import Beside
from mosaic.runtime.devices import Device
from mosaic.runtime.residence import HERE, Residence
from mosaic.runtime.tokens import Tokens
from mosaic.runtime.weights import Component, Overlay

if TYPE_CHECKING:
    from mosaic.runtime.bridges import Bridge
    from mosaic.runtime.families import Family


EMBEDDINGS = "text_encoder.embeddings.token_embedding.weight"
"""The matrix of word embeddings, to which textual inversions add rows."""


@dataclass(frozen=True)
class Vae:
    """A VAE in float32. `factor` is picture pixels per latent pixel."""

    module: nn.Module
    channels: int
    factor: int
    scaling: float
    shift: float
    residence: Residence = field(default=HERE, repr=False)


@dataclass(frozen=True)
class Base:
    """A checkpoint as loaded.

    `stored` holds its tensors as the file has them, for fusing in full precision.
    """

    id: str
    content: str
    space: str
    family: Family
    device: Device
    unet: Component
    text_encoder: Component
    vae: Vae
    tokens: Tokens
    scheduler: Mapping[str, Any]
    stored: Mapping[str, torch.Tensor] = field(repr=False)
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    text_content: str = ""


@dataclass(frozen=True, eq=False)
class Model:
    """A base with whatever is fused into its weights: changed tensors, added words, another VAE. A leaf of the tree.

    `beside` are LoRAs that are not added into the denoiser's weights but run beside its layers. `voice` stands for
    the text encoder as it is changed: models of one voice encode a text to the same tensor. `hand` stands for the
    denoiser's weights: models of one hand can be asked in one batch. `words` are the embeddings that were added.
    `space` is the latent space, `content` names what it is made of, by digests, and `text_content` what its text
    encoder and tokenizer are made of (empty where that is not known: then nothing is kept of what they read).
    """

    base: Base
    overlay: Overlay
    tokens: Tokens
    vae: Vae
    space: str
    voice: object
    hand: object
    content: str
    text_content: str = ""
    beside: tuple[Beside, ...] = ()
    words: tuple[Any, ...] = ()

    @classmethod
    def of(cls, base: Base) -> Model:
        """A base with nothing fused into it."""
        return cls(
            base=base,
            overlay=Overlay(),
            tokens=base.tokens,
            vae=base.vae,
            space=base.space,
            voice=base.text_encoder.module,
            hand=base.unet.module,
            content=base.content,
            text_content=base.text_content,
        )

    def tensor(self, name: str) -> torch.Tensor:
        """A tensor in the most precise form at hand, by canonical name; what runs beside the layers is left out."""
        return self.overlay[name] if name in self.overlay else self.base.stored[name]


Window = tuple[float, float]
"""From one fraction of a run to another."""


@dataclass(frozen=True, eq=False)
class Turn:
    """For each step of a run one child denoises, or what they were fused into.

    `table` gives for a number of steps, and for the share that each child should have, which child it is at each
    step; -1 is `rest`. `words` call the children in a prompt, where shares go by that; else empty. `bridges` lead
    between latent spaces.
    """

    rest: Tree
    children: tuple[Tree, ...]
    table: Callable[[int, Sequence[float]], Sequence[int]]
    words: tuple[str, ...] = ()
    bridges: Mapping[tuple[str, str], Bridge] = field(default_factory=dict)

    def bridges_spaces(self) -> bool:
        """Whether its children live in several latent spaces."""
        return len({leaf.space for child in (self.rest, *self.children) for leaf in leaves(child)}) > 1


@dataclass(frozen=True, eq=False)
class Mix:
    """At each step all children predict, and the predictions are added by shares.

    `shares` turns weights (n, h, w) into shares (n + 1, h, w), the first that of `rest`. With `shares_unconditional`
    one unconditional row serves all.
    """

    rest: Tree
    children: tuple[Tree, ...]
    strengths: tuple[float, ...]
    windows: tuple[Window | None, ...]
    regions: tuple[Region | None, ...]
    shares: Callable[[torch.Tensor], torch.Tensor]
    shares_unconditional: bool = False


Tree = Model | Turn | Mix
"""A model as plans know it."""


def leaves(tree: Tree) -> Iterator[Model]:
    """Every leaf, that of `rest` first; one that is met twice comes twice."""
    if isinstance(tree, Model):
        yield tree
        return
    yield from leaves(tree.rest)
    for child in tree.children:
        yield from leaves(child)


def spelled(tree: Tree) -> str:
    """What a tree is made of, by content: equal for equal trees, whatever plans they come from."""
    match tree:
        case Model():
            beside = [(each.adapter.key, each.strength) for each in tree.beside]
            return repr((tree.content, tree.space, beside))
        case Turn():
            return repr(("turn", spelled(tree.rest), [spelled(child) for child in tree.children]))
        case Mix():
            parts = zip(tree.children, tree.strengths, tree.windows, tree.regions, strict=True)
            return repr(("mix", spelled(tree.rest), [(spelled(child), *told) for child, *told in parts]))


def first_leaf(tree: Tree) -> Model:
    """The leaf that everything was fused into."""
    while not isinstance(tree, Model):
        tree = tree.rest
    return tree


def last_leaf(tree: Tree) -> Model:
    """The leaf whose VAE decodes what the tree denoises: of a schedule over several latent spaces the one that ends
    it."""
    while not isinstance(tree, Model):
        if isinstance(tree, Turn) and tree.bridges_spaces():
            ending = tree.table(_MANY_STEPS, [1.0] * len(tree.children))[-1]
            tree = tree.rest if ending < 0 else tree.children[ending]
        else:
            tree = tree.rest
    return tree


_MANY_STEPS = 1000


def map_leaves(tree: Tree, change: Callable[[Model], Tree]) -> Tree:
    """The tree with every leaf replaced; a leaf that stands in several places is changed once."""
    return _mapped(tree, change, {})


def _mapped(node: Tree, change: Callable[[Model], Tree], known: dict[int, Tree]) -> Tree:
    # No inner function: one that calls itself is a circle, which would keep models until the collector comes by.
    if id(node) not in known:
        if isinstance(node, Model):
            known[id(node)] = change(node)
        else:
            children = tuple(_mapped(child, change, known) for child in node.children)
            known[id(node)] = replace(node, rest=_mapped(node.rest, change, known), children=children)
    return known[id(node)]


def encode_text(model: Model, text: str) -> torch.Tensor:
    """A text as a model reads it, (1, tokens, width)."""
    return model.base.family.encode_text(model, text)


@dataclass(frozen=True, eq=False)
class Prompt:
    """A text, and how much it counts where and when. `encode` reads it for a model, or remembers how that was read."""

    text: str
    weight: float = 1.0
    window: Window | None = None
    region: Region | None = None
    encode: Callable[[Model, str], torch.Tensor] = field(default=encode_text, repr=False)
    _encoded: dict[int, tuple[object, torch.Tensor]] = field(default_factory=dict, repr=False)

    def hidden(self, model: Model) -> torch.Tensor:
        """The text as a model reads it, (1, tokens, width). Each voice encodes it once."""
        if id(model.voice) not in self._encoded:
            # The voice is kept with its encoding, so that its identity is not given to another object.
            self._encoded[id(model.voice)] = (model.voice, self.encode(model, self.text))
        return self._encoded[id(model.voice)][1]


@dataclass(frozen=True, eq=False)
class Conditioning:
    """What a picture is to show: one prompt, or several beside each other."""

    prompts: tuple[Prompt, ...]

    @property
    def text(self) -> str:
        """All of it as one text."""
        return ", ".join(prompt.text for prompt in self.prompts)


@dataclass(frozen=True)
class Run:
    """Where a denoising run stands: everything needed to go on exactly.

    `scheduler` is a diffusers scheduler with its multistep history; `generator` is the state of the CPU
    generator that ancestral noise comes from. A run is copied before it goes on, so one latent can be
    resumed many times.
    """

    name: str
    scheduler: Any
    timesteps: torch.Tensor
    position: int
    generator: torch.Tensor

    @property
    def total(self) -> int:
        """How many steps the whole run has."""
        return len(self.timesteps)


@dataclass(frozen=True)
class Latent:
    """A latent (n, channels, h, w) float32; `run` is None for an encoded picture.

    `clean` is the clean latent that the last step predicted, where there was one. Each of the n rows has noise of its
    own; they share the run.
    """

    sample: torch.Tensor
    run: Run | None
    clean: torch.Tensor | None = None


@dataclass(frozen=True)
class Image:
    """A picture (height, width, 3) of 8 bits."""

    pixels: npt.NDArray[np.uint8]


Value = Model | Turn | Mix | Conditioning | Latent | Image
