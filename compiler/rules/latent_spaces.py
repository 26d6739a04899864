"""M302, M317, M322: latents and models meet in one space, or there is a way from one to the next."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import INFIXES, operand
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.models import MODELS, operator_of
from mosaic.compiler.ir.origins import base_node
from mosaic.compiler.ir.stretches import spaces, stretches
from mosaic.compiler.operators import Acts
from mosaic.compiler.passes.choose_bridges import registered
from mosaic.compiler.passes.choose_operators import clash, fits
from mosaic.compiler.rules.place import place
from mosaic.compiler.types import Kind


def latent_spaces(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """A latent is read by a model of its space; models of one fusion work in one, but for those of a schedule."""
    for node in graph.nodes():
        if node.op == "fuse":
            yield from _operands(node, context)
        yield from _only_sampled(node)
        if node.op in ("resume", "refine") and node.inputs[1].type.kind is Kind.LATENT:
            yield from _latent(node, context)


def _latent(node: Node, context: Context) -> Iterator[Diagnostic]:
    given, wanted = node.inputs[1].type.space, node.inputs[0].type.space
    if given is None or wanted is None or given == wanted or crosses(node.inputs[0]):
        return
    spot = place(node, 1)
    model = place(node, 0).span
    bridge = registered(given, wanted, context, spot.span)
    yield errors.types.SpaceMismatch(
        spot.span,
        given,
        wanted,
        model if model != spot.span else None,
        spot.trail,
        bridge.id if bridge else "",
        bridge.bridge.r2 if bridge and bridge.bridge else None,
    )


def _operands(node: Node, context: Context) -> Iterator[Diagnostic]:
    operator, base = operator_of(node, context.operators), node.inputs[0]
    if operator.acts is Acts.SCHEDULE:
        yield from _ways(node, context)
    for position, given in enumerate(node.inputs[1:], 1):
        wanted, space = base.type.space, given.type.space
        if given.type.kind not in MODELS or wanted is None or space is None or space == wanted:
            continue
        if given.type.kind not in operator.accepts:
            continue  # said by `fused_operands`
        if clash(operator, base, given, context.operators) != "space":
            continue
        spot = place(node, position)
        able = tuple(
            name
            for name, other in context.operators.items()
            if other.acts is Acts.SCHEDULE and fits(other, node, context.operators)
        )
        yield errors.types.SpaceMismatch(
            spot.span, space, wanted, place(node, 0).span, spot.trail, operator=operator.name, able=able
        )


def _ways(node: Node, context: Context) -> Iterator[Diagnostic]:
    """Where a run is handed over between spaces that no bridge connects."""
    if len(spaces(node.inputs)) < 2:
        return
    told: dict[tuple[str, str], None] = {}
    settings = str(node.attribute("settings"))
    run = [
        each for each in stretches(operator_of(node, context.operators), settings, node.inputs) if each.space
    ]
    for before, after in pairwise(run):
        way = (before.space, after.space)
        if before.space == after.space or way in told:
            continue
        told[way] = None
        spot = place(node, after.position)
        if registered(*way, context, spot.span) is None:
            source, target = (base_node(node.inputs[each.position]).name for each in (before, after))
            yield errors.bridges.ThroughPicture(spot.span, *way, source, target, spot.trail)


def crosses(model: Node) -> bool:
    """Whether a model goes through several latent spaces."""
    below = operand(model)
    return below.op == "fuse" and bool(below.attribute("ends_in"))


def _only_sampled(node: Node) -> Iterator[Diagnostic]:
    if node.op in ("sample", *INFIXES):
        return
    for position, given in enumerate(node.inputs):
        if given.type.kind is not Kind.MODEL or not crosses(given) or node.op == "emit":
            continue
        spot = place(node, position)
        yield errors.composition.OnlySampled(
            spot.span, node.op, ", ".join(spaces(operand(given).inputs)), spot.trail
        )
