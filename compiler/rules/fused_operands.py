"""M306, M313, M408: operands that the operator can take, in the way they are written."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import infixes, operand, rectangle, region, window
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.models import BESIDE, blended, operator_of, title
from mosaic.compiler.ir.origins import operands
from mosaic.compiler.operators import Acts, Operator
from mosaic.compiler.passes.choose_operators import fits, unhonoured
from mosaic.compiler.rules.place import place
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind


def fused_operands(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """What an operator cannot take or honour is refused, never ignored."""
    for node in graph.nodes():
        if node.op != "fuse":
            continue
        operator = operator_of(node, context.operators)
        for position, given in enumerate(node.inputs[1:], 1):
            yield from _kinds(node, position, given, operator, context)
        for given in blended(node):
            if given.type.kind in operator.accepts:
                yield from _infixes(node, given, operator, context)
        if operator.acts is not Acts.SCHEDULE:  # there an expert may well have several turns
            yield from _repeats(node)
        yield from _tokens(node)


def _kinds(
    node: Node, position: int, given: Node, operator: Operator, context: Context
) -> Iterator[Diagnostic]:
    kind = given.type.kind
    if kind in operator.accepts or kind in BESIDE:
        return
    spot = place(node, position)
    what = f"a fused {kind}" if kind is Kind.MODEL else f"a {kind}"
    able = (f"`{name}`" for name, other in context.operators.items() if fits(other, node, context.operators))
    names = ", ".join(able)
    advice = f"operators that can fuse these operands: {names}" if names else ""
    yield errors.types.NotAnOperand(
        spot.span, what, f"is nothing that `{operator.name}` can fuse", advice, spot.trail
    )


def _infixes(node: Node, given: Node, operator: Operator, context: Context) -> Iterator[Diagnostic]:
    for what in unhonoured(operator, given):
        spot = place(next(infixes(given, what)), 1)
        able = tuple(
            name for name, other in context.operators.items() if fits(other, node, context.operators)
        )
        yield errors.types.CannotHonour(
            spot.span, operator.name, what, spot.trail, able, _named(node, operator)
        )


def _named(node: Node, operator: Operator) -> Span | None:
    """Where `via` names an operator and nothing else."""
    via = place(node, len(node.inputs))
    if via.span is None or via.trail or via.span.text.partition(":")[2].strip() != operator.name:
        return None
    return via.span.source.span(via.span.end - len(operator.name), via.span.end)


def _repeats(node: Node) -> Iterator[Diagnostic]:
    """An expert that stands twice, at one place and one time."""
    seen: dict[str, list[tuple[Node, Span | None]]] = {}
    for position, given in enumerate(node.inputs[1:], 1):
        below, spot = operand(given), place(node, position)
        before = seen.setdefault(below.digest, [])
        for other, span in before:
            if meet_in_time(given, other) and _meet_in_place(given, other):
                yield errors.compatibility.FusedTwice(spot.span, title(below), span)
                break
        before.append((given, spot.span))


def meet_in_time(one: Node, other: Node) -> bool:
    """Whether the windows of two operands have a part in common."""
    (start, end), (low, high) = window(one) or (0.0, 1.0), window(other) or (0.0, 1.0)
    return max(start, low) < min(end, high)


def _meet_in_place(one: Node, other: Node) -> bool:
    """Whether the regions of two operands are known to have a part in common."""
    first, second = region(one), region(other)
    if first is None or second is None or first.digest == second.digest:
        return True
    ours, theirs = rectangle(first), rectangle(second)
    if ours is None or theirs is None:
        return False  # two masks may well be each other's rest
    return max(ours[0], theirs[0]) < min(ours[2], theirs[2]) and max(ours[1], theirs[1]) < min(
        ours[3], theirs[3]
    )


def _tokens(node: Node) -> Iterator[Diagnostic]:
    """Embeddings of one token, among the operands and what the base has."""
    tokens: dict[str, tuple[str, Span | None]] = {}
    for given in operands(node.inputs[0]):
        below = operand(given)
        if below.type.kind is Kind.EMBEDDING:
            tokens[below.expert.trigger or ""] = (below.name, None)
    told: dict[str, None] = {}
    for position, given in enumerate(node.inputs[1:], 1):
        below, spot = operand(given), place(node, position)
        if below.type.kind is not Kind.EMBEDDING or below.digest in told or below.expert.trigger is None:
            continue
        told[below.digest] = None
        token = below.expert.trigger
        if token in tokens:
            first, span = tokens[token]
            yield errors.compatibility.TokenClash(spot.span, first, below.name, token, span)
        tokens[token] = (below.name, spot.span)
