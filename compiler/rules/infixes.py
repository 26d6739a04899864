"""M305, M306: strengths, regions and windows are words to `fuse` or a prompt; anywhere else they would be ignored."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import INFIXES, infixes, number, window
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.rules.place import place
from mosaic.compiler.rules.prompt_texts import PROMPT
from mosaic.compiler.types import Kind

_PLACES = {"fuse": "the base of `fuse`", "format": "a text that it is inserted into"}


def misplaced_infixes(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Look at every use of an operand or a text with an infix, and at infixes that go together."""
    for node in graph.nodes():
        if node.op == "region":
            yield from _second_region(node)
        elif node.op == "window":
            yield from _no_time(node)
        if node.op in INFIXES or node.op == "trigger":
            continue
        for position, given in enumerate(node.inputs):
            if given.op in INFIXES and not _has_meaning(node, position):
                yield _misplaced(node, position, given)


def _has_meaning(node: Node, position: int) -> bool:
    return node.op == "prompts" or (node.op == "fuse" and position > 0) or PROMPT.get(node.op) == position


def _misplaced(node: Node, position: int, given: Node) -> Diagnostic:
    spot = place(node, position)
    where = _PLACES.get(node.op, f"`{node.op}`")
    advice = "only the experts that are fused into a base take a strength, a region or a window"
    if given.type.kind is Kind.TEXT:
        advice = "of texts, only prompts take a strength, a region or a window"
    return errors.types.NotAnOperand(
        spot.span, f"a {given.op}", f"means nothing to {where}", advice, spot.trail
    )


def _second_region(node: Node) -> Iterator[Diagnostic]:
    if any(True for _ in infixes(node.inputs[0], "region")):
        spot = place(node, 1)
        advice = "one region says where: draw both into one `mask`, or name the operand twice"
        yield errors.types.NotAnOperand(
            spot.span, "a second region", "on one operand has no meaning", advice, spot.trail
        )


def _no_time(node: Node) -> Iterator[Diagnostic]:
    """Windows of one operand that are never open together; one that is wrong by itself is said by `ranges`."""
    both, inner = window(node), window(node.inputs[0])
    start, end = number(node.inputs[1]) or 0.0, number(node.inputs[2]) or 0.0
    is_wrong = start >= end or (inner is not None and inner[0] >= inner[1])
    if inner is None or both is None or is_wrong or both[0] < both[1]:
        return
    spot = place(node, 1)
    given = f"{start:g}..{end:g} beside {inner[0]:g}..{inner[1]:g}"
    yield errors.types.OutOfRange(
        spot.span, "the windows of one operand", "have a part in common", given, calls=spot.trail
    )
