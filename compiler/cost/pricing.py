"""The price of each operation, before corrections: seconds of work and loading, memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mosaic.compiler.context import Context
from mosaic.compiler.cost.architecture import Architecture, Work
from mosaic.compiler.cost.asking import Asked, Call, asked
from mosaic.compiler.cost.fusing import Fusing
from mosaic.compiler.cost.merging import Merging, Spent
from mosaic.compiler.cost.profile import Profile
from mosaic.compiler.cost.standing import Standing, source, standing, taken
from mosaic.compiler.cost.tree import Leaf, Tree, Turn, first_leaf, holds, leaves
from mosaic.compiler.ir.evaluate import number, operand
from mosaic.compiler.ir.graph import Node
from mosaic.compiler.types import Kind

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


class Pricing:
    """Prices the nodes of one graph, inputs before users."""

    def __init__(self, context: Context, profile: Profile) -> None:
        self.profile = profile
        self.merging = Merging(context, profile)
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

    def _model(self, node: Node) -> Taken:
        spent: Spent = self.fusing.load(node) if node.op == "load_model" else self.fusing.fuse(node)
        tree = self.fusing.trees[id(node)]
        largest = max((leaf.architecture.largest for leaf in leaves(tree) if leaf.architecture), default=0)
        # One tensor at a time, with its deltas in float32 and its sum in float64.
        working = 4.0 * largest * (3 + len(node.inputs)) if spent.seconds else 0.0
        return Taken(spent.seconds, spent.load, holds=holds(tree), working=working)

    def _encode_text(self, node: Node) -> Taken:
        seconds, size, tokens = 0.0, 0.0, 0
        voices = {leaf.voice: leaf for leaf in leaves(self._tree(node.inputs[0]))}
        for leaf in voices.values():
            if leaf.architecture is not None:
                work = leaf.architecture.text_encoder.work(1, 0, 0, leaf.architecture.tokens)
                seconds += self.profile.seconds(work)
                tokens += leaf.architecture.tokens
        size = 4.0 * 1024 * tokens
        return Taken(seconds, holds={node.digest: size})

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
        found = asked(tree, positive, 1.0 if guidance is None else guidance, steps, at.total, size)
        seconds = len(steps) * self.profile.step
        working = 0.0
        for call, times in found.calls.items():
            seconds += times * self._call(call, at)
            working = max(working, self._activations(call, at))
        seconds += self._changes_of_space(node, tree, steps, at)
        return Taken(seconds, asked=found, holds=self._latent(node), working=working)

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
        return self._copied * self.profile.number * known.denoiser.activations(call.rows, height, width)

    @property
    def _copied(self) -> float:
        """A CPU's convolutions copy what they read and what they write into an order of their own."""
        return 1.0 if self.profile.overlaps else 1.4

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
        return Taken(seconds, holds=self._latent(node), working=working)

    def _decode(self, node: Node) -> Taken:
        at, known = self._standings[id(node)], self._known(node.inputs[1])
        return Taken(
            self._codec(known, at, is_decoding=True),
            holds={node.digest: 3.0 * at.width * at.height},
            working=self._codec_working(known, at, True),
        )

    def _encode_image(self, node: Node) -> Taken:
        at, known = self._standings[id(node)], self._known(node.inputs[1])
        return Taken(
            self._codec(known, at, is_decoding=False),
            holds=self._latent(node),
            working=self._codec_working(known, at, False),
        )

    def _codec(self, known: Architecture | None, at: Standing, *, is_decoding: bool) -> float:
        if known is None:
            return 0.0
        network = known.decoder if is_decoding else known.encoder
        work = network.work(1, at.height // known.factor, at.width // known.factor, 0)
        return self.profile.seconds(work, is_single=True)

    def _codec_working(self, known: Architecture | None, at: Standing, is_decoding: bool) -> float:
        if known is None:
            return 0.0
        network = known.decoder if is_decoding else known.encoder
        size = at.height // known.factor, at.width // known.factor
        return self._copied * 4.0 * network.activations(1, *size)

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
