"""What a plan costs: seconds warm and cold, and the most memory at once, node by node, before anything is loaded.

*Warm* is with every file read and every network built, *cold* with nothing: both in a process that has started. A fused
model is made anew in both. Seconds come as the median and as the 90th percentile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mosaic.compiler.context import Context
from mosaic.compiler.cost.asking import Asked
from mosaic.compiler.cost.manner import Manner
from mosaic.compiler.cost.pricing import Pricing
from mosaic.compiler.cost.profile import Profile
from mosaic.compiler.ir.graph import Graph, Node, walk
from mosaic.compiler.ir.ops import EFFECTS
from mosaic.compiler.types import Kind


@dataclass(frozen=True)
class Priced:
    """What one node takes: seconds of work and of loading (median and 90th percentile), what denoisers are asked, bytes
    that its value keeps, bytes that it needs while it works, bytes of the network that comes to the device for it, the
    size of its picture in pixels (none: nothing)."""

    op: str
    seconds: float
    high: float
    load: float
    load_high: float
    asked: Asked
    holds: Mapping[str, float]
    working: float
    network: float = 0.0
    size: tuple[int, int] = (0, 0)

    @property
    def evaluations(self) -> int:
        """Calls of denoisers."""
        return self.asked.evaluations

    @property
    def rows(self) -> int:
        """Latents in these calls."""
        return self.asked.rows

    @property
    def resident(self) -> float:
        """Bytes that its value keeps."""
        return sum(self.holds.values())


@dataclass(frozen=True)
class Peak:
    """Where a graph needs most memory: the node at work (None: nothing is done), and the bytes of weights, of other
    values that are still needed, and of what it works with."""

    node: Node | None = None
    weights: float = 0.0
    values: float = 0.0
    working: float = 0.0

    @property
    def bytes(self) -> int:
        """All of them."""
        return round(self.weights + self.values + self.working)


@dataclass(frozen=True)
class Prediction:
    """What a graph costs on a device.

    `nodes` are priced by digest, and `in_order` as a program lists them; `emits` are (warm, cold) by the digest of a
    `write`, for all that it needs. `unknown` are checkpoints of which something is not in the sums, for these
    `reasons`: nobody knows the architecture, or a model of them is made of too many parts.
    """

    warm: float
    warm_high: float
    cold: float
    cold_high: float
    peak: int
    nodes: Mapping[str, Priced]
    in_order: tuple[Priced, ...]
    emits: Mapping[str, tuple[float, float]]
    unknown: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    at_peak: Peak = field(default_factory=Peak, repr=False)

    @property
    def evaluations(self) -> int:
        """Calls of denoisers in all."""
        return sum(priced.evaluations for priced in self.nodes.values())


def price(graph: Graph, context: Context, profile: Profile, manner: Manner | None = None) -> Prediction:
    """What a graph of core operations costs, run as it stands; in the context's manner unless another is given."""
    pricing = Pricing(context, profile, manner)
    order = [node for node in graph.nodes() if node.op in pricing.operations]
    found = {id(node): _priced(node, pricing, profile) for node in order}
    each = [found[id(node)] for node in order]
    peak = _peak(order, found)
    warm, warm_high = sum(one.seconds for one in each), sum(one.high for one in each)
    return Prediction(
        warm=warm,
        warm_high=warm_high,
        cold=warm + sum(one.load for one in each),
        cold_high=warm_high + sum(one.load_high for one in each),
        peak=peak.bytes,
        at_peak=peak,
        in_order=tuple(each),
        nodes={node.digest: found[id(node)] for node in order},
        emits={node.digest: _emit(node, found) for node in order if node.op in EFFECTS},
        unknown=tuple(pricing.fusing.unknown),
        reasons=tuple(pricing.fusing.unknown.values()),
    )


def _priced(node: Node, pricing: Pricing, profile: Profile) -> Priced:
    taken = pricing.take(node)
    ratio, loading = profile.ratio(node.op), profile.ratio("load_model")
    return Priced(
        op=node.op,
        seconds=taken.seconds * ratio.p50,
        high=taken.seconds * ratio.p90,
        load=taken.load * loading.p50,
        load_high=taken.load * loading.p90,
        asked=taken.asked,
        holds=taken.holds,
        working=taken.working,
        network=taken.network,
        size=pricing.size(node),
    )


def _emit(node: Node, found: Mapping[int, Priced]) -> tuple[float, float]:
    needed = [found[id(each)] for each in walk((node,)) if id(each) in found]
    warm = sum(one.seconds for one in needed)
    return warm, warm + sum(one.load for one in needed)


def _peak(order: list[Node], found: Mapping[int, Priced]) -> Peak:
    """The most bytes at once: what values still to be used keep, and what the node at work needs.

    A network that came to the device stays until another one comes.
    """
    last = {id(node): at for at, node in enumerate(order)}
    for at, node in enumerate(order):
        for given in walk_values(node, found):
            last[id(given)] = at
    live: dict[int, Node] = {}
    most, network = Peak(), 0.0
    for at, node in enumerate(order):
        priced = found[id(node)]
        live[id(node)] = node
        network = priced.network or network
        weights, values = (_held(live.values(), found, are) for are in (True, False))
        now = Peak(node, weights + network, values, priced.working)
        most = max(most, now, key=lambda peak: peak.bytes)
        live = {key: held for key, held in live.items() if last[key] > at}
    return most


def _held(live: Iterable[Node], found: Mapping[int, Priced], are_models: bool) -> float:
    """The bytes that models keep, or other values; what several keep counts once."""
    kept = {
        key: size
        for node in live
        if (node.type.kind is Kind.MODEL) is are_models
        for key, size in found[id(node)].holds.items()
    }
    return sum(kept.values())


def walk_values(node: Node, found: Mapping[int, Priced]) -> list[Node]:
    """The values that a node reads, under infixes."""
    given: list[Node] = []
    open_ = list(node.inputs)
    while open_:
        each = open_.pop()
        if id(each) in found:
            given.append(each)
        else:
            open_.extend(each.inputs)
    return given
