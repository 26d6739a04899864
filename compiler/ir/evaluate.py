"""The value of a scalar node, where it is known at compile time."""

from __future__ import annotations

from mosaic.compiler.ir.graph import Attribute, Node

INFIXES = ("strength", "region", "window", "partial")
"""Operations that say how an expert takes part in a fusion."""


def constant(node: Node) -> Attribute:
    """The value of a constant expression, or None where an argument of a fragment is still open.

    >>> from mosaic.compiler.ir.graph import scalar
    >>> from mosaic.compiler.ir.ops import make
    >>> from mosaic.compiler.types import Kind
    >>> constant(make("format", (scalar(Kind.TEXT, "seed "), scalar(Kind.INT, 7))))
    'seed 7'
    """
    if node.op == "const":
        return node.attribute("value")
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


def is_partial(given: Node) -> bool:
    """Whether an operand may be loaded in part: `lora("…", partial: true)`."""
    while given.op in INFIXES:
        if given.op == "partial":
            return True
        given = given.inputs[0]
    return False
