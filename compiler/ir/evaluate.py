"""The value of a scalar node, where it is known at compile time."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler.ir.graph import Attribute, Node

INFIXES = ("strength", "region", "window", "partial")
"""Operations that say how an expert takes part in a fusion, or a text in a prompt."""
WHOLE_RUN = (0.0, 1.0)


def constant(node: Node) -> Attribute:
    """The value of a constant expression, or None where an argument of a fragment or a range is still open.

    >>> from mosaic.compiler.ir.graph import scalar
    >>> from mosaic.compiler.ir.ops import make
    >>> from mosaic.compiler.types import Kind
    >>> constant(make("format", (scalar(Kind.TEXT, "seed "), scalar(Kind.INT, 7))))
    'seed 7'
    """
    if node.op == "const":
        return node.attribute("value")
    if node.op == "range":
        return node.attribute("taken")
    if node.op == "trigger":
        below = operand(node.inputs[0])
        return below.expert.trigger if below.op == "expert" else None
    if node.op == "format":
        parts = [constant(part) for part in node.inputs]
        return None if None in parts else "".join(spelled(part) for part in parts)
    return None


def spelled(value: Attribute) -> str:
    """How a value reads inside a text: `true`, `0.5`, `64x64`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"{value[0]}x{value[1]}"
    return str(value)


def operand(node: Node) -> Node:
    """The node under strengths, regions and windows."""
    while node.op in INFIXES:
        node = node.inputs[0]
    return node


def infixes(given: Node, op: str) -> Iterator[Node]:
    """The strengths, regions or windows of an operand or prompt, the outermost first."""
    while given.op in INFIXES:
        if given.op == op:
            yield given
        given = given.inputs[0]


def number(node: Node) -> float | None:
    """The value of a number, or None for what is none (or not known)."""
    value = constant(node)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def strength(given: Node) -> float | None:
    """The product of all strengths of an operand or prompt, 1 where it has none; None where one is no number."""
    product = 1.0
    for node in infixes(given, "strength"):
        factor = number(node.inputs[1])
        if factor is None:
            return None
        product *= factor
    return product


def window(given: Node) -> tuple[float, float] | None:
    """The part of the run in which all windows of an operand or prompt are open; None where that is all of it.

    Bounds that are no numbers are taken as the ends of the run; a part that is empty ends where it begins or before.
    """
    start, end = WHOLE_RUN
    for node in infixes(given, "window"):
        low, high = number(node.inputs[1]), number(node.inputs[2])
        start, end = max(start, low or 0.0), min(end, 1.0 if high is None else high)
    return None if (start, end) == WHOLE_RUN else (start, end)


def region(given: Node) -> Node | None:
    """The region of an operand or prompt, a `rect` or a `mask`; None where it is the whole canvas."""
    found = next(infixes(given, "region"), None)
    return None if found is None or is_canvas(found.inputs[1]) else found.inputs[1]


def rectangle(region: Node) -> tuple[float, float, float, float] | None:
    """Left, upper, right and lower edge of a `rect` in fractions of the canvas; None where that is not known."""
    values = [number(given) for given in region.inputs[:4]] if region.op == "rect" else [None]
    if None in values:
        return None
    x, y, width, height = (value for value in values if value is not None)
    return x, y, x + width, y + height


def feather(region: Node) -> float:
    """The width of a region's soft edge, a fraction of the canvas' shorter side."""
    given = region.inputs[-1]
    return 0.0 if given.op == "default" else number(given) or 0.0


def is_canvas(region: Node) -> bool:
    """Whether a region is the whole canvas, which is the same as none."""
    return not feather(region) and rectangle(region) == (0.0, 0.0, 1.0, 1.0)


def is_partial(given: Node) -> bool:
    """Whether an operand may be loaded in part: `lora("…", partial: true)`."""
    while given.op in INFIXES:
        if given.op == "partial":
            return True
        given = given.inputs[0]
    return False
