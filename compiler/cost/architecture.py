"""What the networks of a model cost to run, as plain numbers: operations, traffic and memory by size and rows.

A network works at several resolutions. At each of them its layers cost so many operations for each place, and so many
for each pair of places where it attends; everything else follows by multiplication. The numbers are read off the names
and shapes of a checkpoint's tensors by whoever knows them (`Experts.architecture`); nothing here knows a layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil


@dataclass(frozen=True)
class Work:
    """What a call of a network does.

    Floating-point operations of matrix products, convolutions and attention; `weighed` pairs that attention weighs (one
    exponential each); `moved` numbers that are read or written between layers; `weights` numbers of parameters that are
    read; `launches` kernels or library calls.
    """

    matmul: float = 0.0
    conv: float = 0.0
    attention: float = 0.0
    weighed: float = 0.0
    moved: float = 0.0
    weights: float = 0.0
    launches: float = 0.0

    @property
    def flops(self) -> float:
        """Floating-point operations, a multiplication and an addition counted as two."""
        return self.matmul + self.conv + self.attention

    def __add__(self, other: Work) -> Work:
        return Work(
            self.matmul + other.matmul,
            self.conv + other.conv,
            self.attention + other.attention,
            self.weighed + other.weighed,
            self.moved + other.moved,
            self.weights + other.weights,
            self.launches + other.launches,
        )


@dataclass(frozen=True)
class Level:
    """What a network does at one resolution.

    `scale` is places along one side for each latent along it. `matmul`, `conv`, `moved` are counted for each place,
    `pairs` (operations of self-attention) for each pair of places of a row, by `heads` in all layers together; `tokens`
    and `token_heads` (of cross-attention) for each place and token. `kept` numbers of each place wait for a later
    layer, `working` is the most that one layer holds.
    """

    scale: float
    matmul: float = 0.0
    conv: float = 0.0
    pairs: float = 0.0
    heads: float = 0.0
    tokens: float = 0.0
    token_heads: float = 0.0
    moved: float = 0.0
    kept: float = 0.0
    working: float = 0.0

    def places(self, height: int, width: int) -> int:
        """How many places a latent (height, width) has here."""
        return ceil(height * self.scale) * ceil(width * self.scale)


@dataclass(frozen=True)
class Network:
    """One network of a model.

    `row` operations are done once for each row, `token` for each token of a row, `token_pairs` for each pair of them by
    `token_heads`.
    `tensors` is how many tensors its `parameters` are in.
    """

    levels: tuple[Level, ...] = ()
    row: float = 0.0
    token: float = 0.0
    token_pairs: float = 0.0
    token_heads: float = 0.0
    token_moved: float = 0.0
    launches: int = 0
    parameters: int = 0
    tensors: int = 0

    def work(self, rows: int, height: int, width: int, tokens: int) -> Work:
        """One call with so many rows, latents (height, width) and tokens a row."""
        matmul = self.row + self.token * tokens
        conv, moved = 0.0, self.token_moved * tokens
        attention, weighed = self.token_pairs * tokens**2, self.token_heads * tokens**2
        for level in self.levels:
            places = level.places(height, width)
            matmul += level.matmul * places
            conv += level.conv * places
            moved += level.moved * places
            attention += level.pairs * places**2 + level.tokens * places * tokens
            weighed += level.heads * places**2 + level.token_heads * places * tokens
        return Work(
            matmul=rows * matmul,
            conv=rows * conv,
            attention=rows * attention,
            weighed=rows * weighed,
            moved=rows * moved,
            weights=self.parameters,
            launches=self.launches,
        )

    def activations(self, rows: int, height: int, width: int) -> float:
        """The most numbers that are alive between layers of one call."""
        kept = sum(level.kept * level.places(height, width) for level in self.levels)
        working = (level.working * level.places(height, width) for level in self.levels)
        return rows * (kept + max(working, default=0.0))


@dataclass(frozen=True)
class Architecture:
    """The networks of a checkpoint. `tokens` is how many tokens a prompt is padded to, `channels` how many a latent
    has, `sizes` how many numbers each tensor of denoiser and text encoders has, by canonical name."""

    denoiser: Network
    text_encoder: Network
    decoder: Network
    encoder: Network
    tokens: int
    channels: int
    sizes: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def factor(self) -> int:
        """Picture pixels along one side for each latent."""
        return round(max((level.scale for level in self.decoder.levels), default=8))

    @property
    def networks(self) -> tuple[Network, ...]:
        """All of them."""
        return (self.denoiser, self.text_encoder, self.decoder, self.encoder)

    @property
    def largest(self) -> int:
        """The most numbers in one tensor that can be changed."""
        return max(self.sizes.values(), default=0)
