"""M320-M322, M305: latents are carried where there is a way, by what leads there."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import constant
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.origins import base_expert, base_node, maker
from mosaic.compiler.rules.place import place

_SIZE = 5


def alignment(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Look at every `align`: where it starts from, where it leads, and by what."""
    for node in graph.nodes():
        if node.op != "align":
            continue
        given, wanted = node.inputs[0].type.space, node.type.space
        if given is not None and given == wanted:
            spot = place(node, 0)
            call = place(node).span if not spot.trail else None
            yield errors.bridges.NothingToAlign(spot.span, given, call, spot.trail)
        elif node.inputs[2].op == "default":
            yield from _through_picture(node, given, wanted)
        else:
            yield from _by_bridge(node, given, wanted, context)


def _by_bridge(node: Node, given: str | None, wanted: str | None, context: Context) -> Iterator[Diagnostic]:
    facts = node.inputs[2].expert
    assert facts.bridge is not None, "the catalog tells where a bridge leads"
    source, target = facts.bridge.source, facts.bridge.target
    if given in (None, source) and wanted in (None, target):
        return
    spot = place(node, 2)
    better = context.experts.bridge(given, wanted) if given and wanted else None
    yield errors.bridges.WrongBridge(
        spot.span,
        facts.id,
        source,
        target,
        given or "an unknown space",
        wanted or "an unknown space",
        better.id if better else None,
        spot.trail,
    )


def _through_picture(node: Node, given: str | None, wanted: str | None) -> Iterator[Diagnostic]:
    spot = place(node)
    first, second = (_name(model) for model in (maker(node.inputs[0]), node.inputs[1]))
    yield errors.bridges.ThroughPicture(
        spot.span, given or "an unknown space", wanted or "an unknown space", first, second, spot.trail
    )
    sampled = _drawn(node.inputs[0])
    size = constant(sampled.inputs[_SIZE]) if sampled is not None else None
    multiple = base_expert(node.inputs[1]).size_multiple
    if sampled is not None and isinstance(size, tuple) and any(side % multiple for side in size):
        where = place(sampled, _SIZE)
        rule = f"has sides that are multiples of {multiple} for the model that it is carried to"
        shown = f"{size[0]}x{size[1]}"
        yield errors.types.OutOfRange(where.span, "`size`", rule, shown, calls=where.trail)


def _name(model: Node) -> str:
    base = base_node(model)
    return base.name if base.op == "expert" else ""


def _drawn(latent: Node) -> Node | None:
    """The `sample` with a size of its own that a latent began with."""
    while latent.op in ("align", "resume"):
        latent = latent.inputs[1 if latent.op == "resume" else 0]
    return latent if latent.op == "sample" and latent.inputs[_SIZE].op != "default" else None
