"""M305: numbers that mean something."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.facts import FileFact
from mosaic.compiler.ir.evaluate import constant, number, spelled
from mosaic.compiler.ir.graph import Attribute, Graph, Node
from mosaic.compiler.ir.models import Trees, trees
from mosaic.compiler.ir.origins import base_expert, maker
from mosaic.compiler.near import nearest
from mosaic.compiler.rules.place import place
from mosaic.compiler.verbs import LARGEST_SIDE, SCHEDULERS, SMALLEST_TILE, VERBS, Parameter

STRONGEST = 100.0
"""No expert was ever meant to be used at a hundred times its strength; the number is a slip."""

ROUNDING = 1e-9
"""30% and 70% need not make exactly one."""


def ranges(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Every bounded argument of every verb, strengths, sizes, windows, scheduler names."""
    known = trees(graph, context.operators)
    for node in graph.nodes():
        for position, (parameter, given) in enumerate(zip(_parameters(node), node.inputs, strict=False)):
            yield from _bounds(node, position, parameter, given)
        if node.op == "rect":
            yield from _rectangle(node)
        if node.op == "sample":
            yield from _size(node, known)
        if node.op in ("refine", "encode"):
            yield from _picture(node)
        if node.op in ("decode", "encode"):
            yield from _tile(node)
        if node.op == "strength":
            yield from _strength(node)
        if node.op == "window":
            yield from _window(node)


def _parameters(node: Node) -> tuple[Parameter, ...]:
    """The parameters of the verb that a node is a call of, one for each of its inputs."""
    verb = VERBS.get(node.op)
    if verb is None or node.op in ("fuse", "load_image"):
        return ()
    return verb.parameters[1:] if node.op == "mask" else verb.parameters


def _report(
    node: Node, position: int, where: str, rule: str, value: Attribute, fix: str | None = None
) -> errors.types.OutOfRange:
    spot = place(node, position)
    return errors.types.OutOfRange(
        spot.span, where, rule, spelled(value), fix if not spot.trail else None, spot.trail
    )


def _bounds(node: Node, position: int, parameter: Parameter, given: Node) -> Iterator[Diagnostic]:
    value = None if given.op == "default" else constant(given)
    where = f"`{parameter.name}`"
    if parameter.name == "scheduler" and isinstance(value, str) and value not in SCHEDULERS:
        near = nearest(value, SCHEDULERS)
        rule = f"is one of {', '.join(SCHEDULERS)}"
        yield _report(node, position, where, rule, value, f'"{near}"' if near else None)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    low, high = parameter.low, parameter.high
    if not math.isfinite(value):
        yield _report(node, position, where, "is a finite number", value)
    elif low is not None and (value < low or (parameter.low_open and value == low)):
        rule = f"is more than {low:g}" if parameter.low_open else f"is at least {low:g}"
        yield _report(node, position, where, rule, value, None if parameter.low_open else f"{low:g}")
    elif high is not None and value > high:
        yield _report(node, position, where, f"is at most {high:.17g}", value, f"{high:.17g}")


def _rectangle(node: Node) -> Iterator[Diagnostic]:
    values = [number(given) for given in node.inputs[:4]]
    known = [value for value in values if value is not None]
    if len(known) < 4 or not all(0 <= value <= 1 for value in known):
        return  # said already
    for position, edge, side in ((2, "x", "width"), (3, "y", "height")):
        start, size = known[position - 2], known[position]
        if start + size > 1 + ROUNDING:
            rule = f"lies on the canvas: `{edge}` + `{side}` is at most 1"
            yield _report(node, position, "a rectangle", rule, f"{start + size:.4g}")


def _size(node: Node, known: Trees) -> Iterator[Diagnostic]:
    position = 5
    value = constant(node.inputs[position]) if node.inputs[position].op != "default" else None
    if not isinstance(value, tuple):
        return
    bases = (leaf.base.expert for leaf in known.leaves(node.inputs[0]))
    multiple = math.lcm(*(base.size_multiple for base in bases))
    if min(value) < 1 or max(value) > LARGEST_SIDE:
        yield _report(node, position, "`size`", f"has sides of 1 to {LARGEST_SIDE} pixels", value)
    elif any(side % multiple for side in value):
        near = "x".join(str(max(multiple, round(side / multiple) * multiple)) for side in value)
        rule = f"has sides that are multiples of {multiple} for this model"
        yield _report(node, position, "`size`", rule, value, near)


def _picture(node: Node) -> Iterator[Diagnostic]:
    picture, model = (node.inputs[1], node.inputs[0]) if node.op == "refine" else node.inputs[:2]
    pixels = picture.facts.pixels if isinstance(picture.facts, FileFact) else None
    multiple = base_expert(model).size_multiple
    if pixels is not None and any(side % multiple for side in pixels):
        rule = f"has sides that are multiples of {multiple} for this model"
        yield _report(node, node.inputs.index(picture), f"the picture `{picture.name}`", rule, pixels)


def _tile(node: Node) -> Iterator[Diagnostic]:
    position = len(node.inputs) - 1
    value = constant(node.inputs[position]) if node.inputs[position].op != "default" else None
    if not isinstance(value, tuple):
        return
    model = node.inputs[1] if node.op == "encode" else maker(node.inputs[0])
    multiple = base_expert(model).size_multiple
    least = SMALLEST_TILE * multiple
    if min(value) < least or any(side % multiple for side in value):
        near = "x".join(str(max(least, round(side / multiple) * multiple)) for side in value)
        rule = f"has sides of at least {least} that are multiples of {multiple} for this model"
        yield _report(node, position, "`tile`", rule, value, near)


def _strength(node: Node) -> Iterator[Diagnostic]:
    value = constant(node.inputs[1])
    if not isinstance(value, int | float):
        return
    if not math.isfinite(value) or abs(value) > STRONGEST:
        yield _report(node, 1, "a strength", f"lies between -{STRONGEST:g} and {STRONGEST:g}", value)


def _window(node: Node) -> Iterator[Diagnostic]:
    start, end = (constant(given) for given in node.inputs[1:])
    if not isinstance(start, int | float) or not isinstance(end, int | float):
        return
    if not 0 <= start < end <= 1:
        yield _report(node, 1, "a window", "goes forward, within 0%..100%", f"{start:g}..{end:g}")
