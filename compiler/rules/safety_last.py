"""M523: a safety expert that is marked to be merged last has nothing fused after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import operand
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.models import BESIDE, operator_of, title
from mosaic.compiler.ir.origins import base_node
from mosaic.compiler.operators import Law
from mosaic.compiler.rules.place import place
from mosaic.compiler.source import Span

Merged = tuple[Node, ...]
"""`expert` nodes in the order in which they are merged, each where it is merged for the last time."""


def safety_last(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """In the call that an expert stands in, in every call around it, and inside fused models that are operands."""
    known: dict[int, Merged] = {}
    for node in graph.nodes():
        if node.op != "fuse":
            continue
        below = known.get(id(operand(node.inputs[0])), ())
        parts = (below, *(_brought(given, node, known) for given in node.inputs[1:]))
        yield from _judged(node, parts, Law.SYMMETRIC in operator_of(node, context.operators).laws)
        known[id(node)] = _joined(parts)


def _judged(node: Node, parts: Sequence[Merged], symmetric: bool) -> Iterator[Diagnostic]:
    """What of the model (the first part) and of the operands has to be last, and is not."""
    for position, part in enumerate(parts):
        after = _joined(parts[position + 1 :])
        late = next((at for at, other in enumerate(parts) if at > position and not _all_last(other)), None)
        if late is None:
            continue
        again = [each.digest for each in after]
        for below in part:
            if not below.expert.last or below.digest in again:
                continue
            spot = place(node, position) if position else place(below)
            yield errors.policy.NotLast(
                spot.span,
                below.type.kind.value,
                below.name,
                title(node.inputs[late]),
                place(node, late).span,
                spot.trail,
                _order(node, position) if _helps(parts, position) else (),
                symmetric,
            )


def _brought(given: Node, fusion: Node, known: Mapping[int, Merged]) -> Merged:
    """The experts that an operand adds; of a fused model those fused into it, without what stays behind."""
    model = operand(given)
    if model.op != "fuse":
        return (model,)
    base = base_node(model)
    own = () if base.digest == base_node(fusion).digest else (base,)
    return (*own, *(each for each in known[id(model)] if each.type.kind not in BESIDE))


def _joined(parts: Sequence[Merged]) -> Merged:
    found: dict[str, Node] = {}
    for each in (each for part in parts for each in part):
        found.pop(each.digest, None)
        found[each.digest] = each
    return tuple(found.values())


def _all_last(part: Merged) -> bool:
    return all(each.expert.last for each in part)


def _helps(parts: Sequence[Merged], position: int) -> bool:
    """Whether an operand can be moved to the end without coming after a safety expert of another operand."""
    others = (part for at, part in enumerate(parts) if at and at != position)
    return position > 0 and (
        _all_last(parts[position]) or not any(each.expert.last for part in others for each in part)
    )


def _order(node: Node, position: int) -> tuple[Span, ...]:
    """The spans of the operands from a position on, where all of them can be moved by their text."""
    origin = node.origin
    if origin is None or origin.calls:
        return ()
    spans = origin.inputs[position : len(node.inputs)]
    return tuple(span for span in spans if span is not None) if None not in spans else ()
