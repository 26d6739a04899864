"""Take the steps that runs have in common once."""

from __future__ import annotations

from collections.abc import Mapping

from mosaic.compiler.context import Context
from mosaic.compiler.ir.graph import Graph, Node, absent, map_graph, scalar, walk
from mosaic.compiler.ir.narrow import is_open
from mosaic.compiler.ir.ops import make, with_inputs
from mosaic.compiler.ir.runs import Steps, runs
from mosaic.compiler.types import Kind

_Key = tuple[str, ...]


def share_prefixes(graph: Graph, context: Context) -> Graph:
    """Graphs in which runs that are told the same but end at different steps go on from each other.

    `sample(…, until: 50%)` and `sample(…)` of one model, prompt, seed become the first and its rest. A run that is cut
    and resumed takes exactly the steps of the uncut one, unless it goes through several latent spaces: there the engine
    carries it over between two steps.
    """
    taken = runs(graph)
    ends: dict[_Key, set[int]] = {}
    for node in walk(graph.emits):
        if id(node) in taken and node.op in _PLACES and not is_open(node.inputs[0], context.operators):
            ends.setdefault(_key(node), set()).add(taken[id(node)].end)
    several = {key: sorted(found) for key, found in ends.items() if len(found) > 1}
    if not several:
        return graph
    made: dict[tuple[_Key, int], Node] = {}

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        given = with_inputs(node, inputs)
        key = _key(node) if id(node) in taken and node.op in _PLACES else ()
        if key not in several:
            return given
        return _after(given, key, taken[id(node)], several, made)

    return map_graph(graph, rewrite)


_PLACES = {"denoise": ((0,), (1, 2, 4), 8), "denoise_rest": ((0,), (2, 3, 4), 6)}
"""Where the model stands, then the prompts with the guidance, then the end."""


def _key(node: Node) -> _Key:
    """What a run is told, but for its end."""
    until = _PLACES[node.op][2]
    told = (given for at, given in enumerate(node.inputs) if at != until and not _is_cap(node, at))
    return (node.op, *(given.digest for given in told))


def _is_cap(node: Node, at: int) -> bool:
    """Whether an input is the number of steps after which a rest ends: where it ends is known already."""
    return node.op == "denoise_rest" and at == 5


def _after(
    node: Node,
    key: _Key,
    steps: Steps,
    several: Mapping[_Key, list[int]],
    made: dict[tuple[_Key, int], Node],
) -> Node:
    """A run by way of all ends that come before its own."""
    latent: Node | None = None
    for end in several[key]:
        if end > steps.end:
            break
        if (key, end) not in made:
            until = scalar(Kind.FRACTION, end / steps.total)
            made[key, end] = _first(node, until) if latent is None else _rest(node, latent, until)
        latent = made[key, end]
    assert latent is not None, "its own end is among them"
    return latent


def _first(node: Node, until: Node) -> Node:
    inputs = list(node.inputs)
    inputs[_PLACES[node.op][2]] = until
    if node.op == "denoise_rest":
        inputs[5] = absent()
    return with_inputs(node, tuple(inputs))


def _rest(node: Node, latent: Node, until: Node) -> Node:
    (model,), (positive, negative, guidance), _ = _PLACES[node.op]
    told = (node.inputs[at] for at in (positive, negative, guidance))
    return make("denoise_rest", (node.inputs[model], latent, *told, absent(), until), origin=node.origin)
