"""Does a value fit where it stands?"""

from __future__ import annotations

from mosaic.compiler import errors
from mosaic.compiler.check.world import World
from mosaic.compiler.ir.graph import Node
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind, accepts


def wanted(node: Node, kinds: tuple[Kind, ...], where: str, span: Span, world: World) -> bool:
    """Whether a node may stand where some kinds are wanted; if not, say so."""
    if any(accepts(kind, node.type.kind) for kind in kinds):
        return True
    names = " or ".join(article(kind) for kind in kinds)
    world.sink.add(
        errors.types.TypeMismatch(span, where, names, article(node.type.kind), _suggestion(node, kinds, span))
    )
    return False


def article(kind: Kind) -> str:
    """The kind's name with its article."""
    if kind is Kind.PROMPTS:
        return "a list of texts"
    return f"an {kind}" if kind.value[0] in "aeiou" else f"a {kind}"


def _suggestion(node: Node, kinds: tuple[Kind, ...], span: Span) -> str | None:
    if node.op != "const" or node.type.kind not in (Kind.INT, Kind.NUMBER):
        return None
    value = span.text
    if Kind.SIZE in kinds and node.type.kind is Kind.INT:
        return f"{value}x{value}"
    if Kind.DURATION in kinds:
        return f"{value}s"
    if Kind.MEMORY in kinds:
        return f"{value}GiB"
    if Kind.INT in kinds and float(value).is_integer():
        return str(int(float(value)))
    return None
