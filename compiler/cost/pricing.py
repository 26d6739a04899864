"""The price of each operation, before corrections: seconds of work and loading, memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from mosaic.compiler.context import Context
from mosaic.compiler.cost.architecture import Architecture, Network, Work
from mosaic.compiler.cost.asking import Asked, Call, asked
from mosaic.compiler.cost.fusing import Fusing
from mosaic.compiler.cost.manner import Manner
from mosaic.compiler.cost.merging import Merging, Spent
from mosaic.compiler.cost.profile import Profile
from mosaic.compiler.cost.standing import Standing, source, standing, taken
from mosaic.compiler.cost.tree import Leaf, Tree, Turn, first_leaf, holds, leaves
from mosaic.compiler.ir.evaluate import constant, number, operand
from mosaic.compiler.ir.graph import Node
from mosaic.compiler.tiles import spans
from mosaic.compiler.types import Kind

Size = tuple[int, int]

_COPIED = 1.3
_SCATTERED = 2.0
"""What a CPU takes for what networks hold between layers, in large pieces and in small ones; see `Pricing._held`."""
_SMALL = 5.0 * 2**25
"""Bytes: a handful of tensors of 32 MiB, up to which the C library keeps what is freed (glibc, `M_MMAP_THRESHOLD`)."""
_BESIDE_CALLS = 6
"""What one LoRA beside one layer takes, in library calls: rows picked, two products, scaled, added."""


@dataclass(frozen=True)
class Taken:
    """What an operation takes by computation alone."""

    seconds: float = 0.0
    load: float = 0.0
    asked: Asked = field(default_factory=Asked)
    holds: Mapping[str, float] = field(default_factory=dict)
    working: float = 0.0
    network: float = 0.0  # bytes that come to the device for it, where networks lie elsewhere


class Pricing:
    """Prices the nodes of one graph, inputs before users, for an engine that runs in some manner."""

    def __init__(self, context: Context, profile: Profile, manner: Manner | None = None) -> None:
        self.profile = profile
        self.manner = manner or context.manner
        self.merging = Merging(context, profile, self.manner)
        self.fusing = Fusing(self.merging)
        self._standings: dict[int, Standing] = {}
        self._encoded: dict[tuple[str, str], None] = {}
        self.operations: Mapping[str, Callable[[Node], Taken]] = {
            "load_model": self._model,
            "fuse": self._model,
            "encode_text": self._encode_text,
            "combine_prompts": lambda node: Taken(),
            "load_image": self._load_image,
            "denoise": self._denoise,
            "denoise_rest": self._denoise,
            "denoise_again": self._denoise,
            "align_latent": self._align,
            "decode_latent": self._decode,
            "encode_image": self._encode_image,
            "write": self._write,
        }

    def take(self, node: Node) -> Taken:
        """What a node takes."""
        below = source(node)
        before = self._standings.get(id(below), Standing(0, 0)) if below is not None else Standing(0, 0)
        self._standings[id(node)] = standing(node, before)
        return self.operations[node.op](node)

    def size(self, node: Node) -> Size:
        """The picture that a node works on, in pixels, once it is priced."""
        at = self._standings[id(node)]
        return at.width, at.height

    def _model(self, node: Node) -> Taken:
        spent: Spent = self.fusing.load(node) if node.op == "load_model" else self.fusing.fuse(node)
        tree = self.fusing.trees[id(node)]
        largest = max((leaf.architecture.largest for leaf in leaves(tree) if leaf.architecture), default=0)
        # One tensor at a time, with its deltas in float32 and its sum in float64.
        working = 4.0 * largest * (3 + len(node.inputs)) if spent.seconds else 0.0
        return Taken(spent.seconds, spent.load, holds=holds(tree), working=working)

    def _encode_text(self, node: Node) -> Taken:
        seconds, size, tokens, network = 0.0, 0.0, 0, 0.0
        voices = {leaf.voice: leaf for leaf in leaves(self._tree(node.inputs[0]))}
        for leaf in voices.values():
            if leaf.architecture is not None:
                work = leaf.architecture.text_encoder.work(1, 0, 0, leaf.architecture.tokens)
                seconds += self.profile.seconds(work)
                tokens += leaf.architecture.tokens
                brought = self._brought(self.profile.number, leaf.architecture.text_encoder)
                seconds += brought / self.profile.transfer
                network = max(network, brought)
        size = 4.0 * 1024 * tokens
        return Taken(seconds, holds={node.digest: size}, network=network)

    def _load_image(self, node: Node) -> Taken:
        at = self._standings[id(node)]
        pixels = at.width * at.height
        return Taken(pixels / self.profile.png, holds={node.digest: 3.0 * pixels})

    def _denoise(self, node: Node) -> Taken:
        tree = self._tree(node.inputs[0])
        at = self._standings[id(node)]
        below = source(node)
        before = self._standings[id(below)] if below is not None else at
        steps = taken(node, before)
        positive = node.inputs[1 if node.op == "denoise" else 2]
        guidance = number(node.inputs[{"denoise": 4, "denoise_rest": 4}.get(node.op, 6)])
        size = self._latent_size(first_leaf(tree), at)
        weight = 1.0 if guidance is None else guidance
        found = asked(tree, positive, weight, steps, at.total, size, self.manner.rows_at_once)
        seconds = len(steps) * self.profile.step
        working = 0.0
        for call, times in found.calls.items():
            seconds += times * self._call(call, at)
            working = max(working, self._activations(call, at))
        seconds += self._changes_of_space(node, tree, steps, at)
        network = self._denoiser(tree)
        seconds += self._comings(tree, network, found) / self.profile.transfer
        return Taken(seconds, asked=found, holds=self._latent(node), working=working, network=network)

    def _brought(self, number: int, *networks: Network) -> float:
        """The bytes of networks, in numbers of so many, that come to the device where they compute."""
        return float(number * sum(each.parameters for each in networks)) if self.merging.is_away else 0.0

    def _denoiser(self, tree: Tree) -> float:
        known = [leaf.architecture.denoiser for leaf in leaves(tree) if leaf.architecture is not None]
        return max((self._brought(self.profile.number, each) for each in known), default=0.0)

    def _comings(self, tree: Tree, network: float, found: Asked) -> float:
        """The bytes that come to the device in a run: its denoiser once, and at each call what weights differ in where
        several take part."""
        asked_of = leaves(tree)
        if not network or len({(leaf.base, leaf.hand) for leaf in asked_of}) < 2:
            return network
        if len({leaf.base for leaf in asked_of}) > 1:
            return network * found.evaluations
        numbers = max(sum(leaf.changed.values()) for leaf in asked_of)
        return network + min(float(numbers * self.profile.number), network) * found.evaluations

    def _latent_size(self, leaf: Leaf, at: Standing) -> tuple[int, int]:
        factor = leaf.architecture.factor if leaf.architecture is not None else 8
        return max(1, at.height // factor), max(1, at.width // factor)

    def _call(self, call: Call, at: Standing) -> float:
        known = call.architecture
        if known is None:
            return 0.0
        height, width = at.height // known.factor, at.width // known.factor
        work = known.denoiser.work(call.rows, height, width, known.tokens)
        for adapter, rows in call.beside:
            part = known.denoiser.work(rows, height, width, known.tokens)
            work += Work(
                matmul=adapter.share * (part.matmul + part.conv),
                moved=part.moved,
                launches=_BESIDE_CALLS * adapter.modules,
            )
        return self.profile.seconds(work)

    def _activations(self, call: Call, at: Standing) -> float:
        known = call.architecture
        if known is None:
            return 0.0
        height, width = at.height // known.factor, at.width // known.factor
        rows = self.manner.together(call.rows)
        return self._held(self.profile.number * known.denoiser.activations(rows, height, width))

    def _held(self, size: float) -> float:
        """The bytes that are taken where a network keeps so many between its layers.

        A CPU's convolutions copy what they read and what they write into an order of their own, and what is freed in
        small pieces is not given back at once.
        """
        if self.profile.overlaps:
            return size
        return max(_COPIED * size, min(_SCATTERED * size, _SCATTERED * _SMALL))

    def _changes_of_space(self, node: Node, tree: Tree, steps: range, at: Standing) -> float:
        """Carrying a latent into another latent space in the middle of a run: a small convolution each time."""
        spaces = {leaf.base for leaf in leaves(tree)}
        return self.profile.launch * len(spaces) if isinstance(tree, Turn) and len(spaces) > 1 else 0.0

    def _align(self, node: Node) -> Taken:
        at = self._standings[id(node)]
        bridge = node.inputs[3]
        if bridge.op == "expert":
            load = self.merging.read(bridge.expert)
            return Taken(4 * self.profile.launch, load, holds=self._latent(node))
        # Without a bridge the way goes through the picture.
        source_, target = (self._known(node.inputs[i]) for i in (1, 2))
        seconds = self._codec(source_, at, is_decoding=True) + self._codec(target, at, is_decoding=False)
        working = max(self._codec_working(source_, at, True), self._codec_working(target, at, False))
        network = max(self._autoencoder(source_), self._autoencoder(target))
        return Taken(seconds, holds=self._latent(node), working=working, network=network)

    def _decode(self, node: Node) -> Taken:
        at, known = self._standings[id(node)], self._known(node.inputs[1])
        return Taken(
            self._codec(known, at, tile(node), is_decoding=True),
            holds={node.digest: 3.0 * at.width * at.height},
            working=self._codec_working(known, at, True, tile(node)),
            network=self._autoencoder(known),
        )

    def _encode_image(self, node: Node) -> Taken:
        at, known = self._standings[id(node)], self._known(node.inputs[1])
        return Taken(
            self._codec(known, at, tile(node), is_decoding=False),
            holds=self._latent(node),
            working=self._codec_working(known, at, False, tile(node)),
            network=self._autoencoder(known),
        )

    def _autoencoder(self, known: Architecture | None) -> float:
        return self._brought(4, known.decoder, known.encoder) if known is not None else 0.0

    def _codec(
        self, known: Architecture | None, at: Standing, given: Size | None = None, *, is_decoding: bool
    ) -> float:
        if known is None:
            return 0.0
        network = known.decoder if is_decoding else known.encoder
        height, width, pieces = _pieces(known, at, given)
        seconds = self.profile.seconds(network.work(1, height, width, 0), is_single=True)
        return pieces * seconds + self._autoencoder(known) / self.profile.transfer

    def _codec_working(
        self, known: Architecture | None, at: Standing, is_decoding: bool, given: Size | None = None
    ) -> float:
        if known is None:
            return 0.0
        network = known.decoder if is_decoding else known.encoder
        height, width, pieces = _pieces(known, at, given)
        # A picture in float32 lies beside its pieces, and a copy or two beside it where it becomes one of 8 bits.
        whole = 12.0 * at.width * at.height
        within = self._held(4.0 * network.activations(1, height, width))
        return max(within + (whole if pieces > 1 else 0.0), 3 * whole)

    def _write(self, node: Node) -> Taken:
        value = node.inputs[0]
        if value.type.kind is Kind.IMAGE:
            at = self._standings[id(value)]
            return Taken(self.profile.save + at.width * at.height / self.profile.png)
        if value.type.kind is Kind.MODEL:
            leaf = first_leaf(self._tree(value))
            size = sum(leaf.architecture.sizes.values()) * 2.0 if leaf.architecture is not None else 0.0
            return Taken(self.profile.save + size / self.profile.disk)
        return Taken(self.profile.save)

    def _latent(self, node: Node) -> Mapping[str, float]:
        at = self._standings[id(node)]
        # The latent, the clean one that was predicted last, and a solver's history of two.
        return {node.digest: 4 * 4.0 * 4 * (at.width // 8) * (at.height // 8)}

    def _known(self, model: Node) -> Architecture | None:
        return self._leaf(model).architecture

    def _leaf(self, model: Node) -> Leaf:
        return first_leaf(self._tree(model))

    def _tree(self, model: Node) -> Tree:
        return self.fusing.trees[id(operand(model))]


def tile(node: Node) -> Size | None:
    """The tiles, (width, height) in pixels, in which a node decodes or encodes."""
    return cast(Size, constant(node.inputs[2])) if len(node.inputs) > 2 else None


def _pieces(known: Architecture, at: Standing, given: Size | None) -> tuple[int, int, int]:
    """Height and width of a piece in latents, and how many there are."""
    height, width = at.height // known.factor, at.width // known.factor
    if given is None:
        return height, width, 1
    across, down = (max(1, side // known.factor) for side in given)
    count = len(spans(height, down)) * len(spans(width, across))
    return min(height, down), min(width, across), count
