"""`prompt: ["a red cat" in left, "a blue dog" in right]`: several prompts for one picture."""

from __future__ import annotations

from collections.abc import Callable

from mosaic.compiler import errors
from mosaic.compiler.check.kinds import wanted
from mosaic.compiler.check.scope import Scope
from mosaic.compiler.check.world import World
from mosaic.compiler.ir.graph import Node, Origin
from mosaic.compiler.ir.ops import make
from mosaic.compiler.syntax import tree
from mosaic.compiler.types import Kind

Build = Callable[[tree.Expression, Scope, World], Node | None]


def build_prompts(value: tree.List, verb: str, scope: Scope, world: World, build: Build) -> Node | None:
    """A `prompts` node over the texts of a list, or None with a diagnostic."""
    if not value.items:
        where, texts = f"`prompt` of `{verb}`", "a text or several"
        world.sink.add(errors.types.TypeMismatch(value.span, where, texts, "an empty list"))
        return None
    nodes = [build(item, scope, world) for item in value.items]
    known = tuple(node for node in nodes if node is not None)
    if len(known) < len(nodes):
        return None
    where = f"a list of prompts of `{verb}`"
    fitting = [
        wanted(node, (Kind.TEXT,), where, item.span, world)
        for node, item in zip(known, value.items, strict=True)
    ]
    if not all(fitting):
        return None
    return make("prompts", known, origin=Origin(value.span, tuple(item.span for item in value.items)))
