"""What every graph must satisfy between passes. A violation is a fault of the compiler, never of a plan."""

from __future__ import annotations

from mosaic.compiler.diagnostic import InternalError
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.ir.ops import EFFECTS, OPS


def verify(graph: Graph, after: str, before: Graph | None = None) -> Graph:
    """Check each node against its operation's schema and its type against the inferred one; give the graph back.

    Nodes of a graph that was verified `before` are as sound as they were: a pass shares most of them.

    Raises InternalError naming the stage `after` which the graph was found broken.
    """
    known = {id(node) for node in before.nodes()} if before is not None else frozenset[int]()
    for node in graph.nodes():
        if id(node) in known:
            continue
        schema = OPS.get(node.op)
        if schema is None:
            raise InternalError(f"after {after}: no operation `{node.op}`")
        attributes = dict(node.attributes)
        problem = schema.problem(node.inputs, attributes)
        if problem:
            raise InternalError(f"after {after}: malformed `{node.op}`: {problem}")
        inferred = schema.result(tuple(i.type for i in node.inputs), attributes)
        if inferred != node.type:
            raise InternalError(f"after {after}: `{node.op}` is typed {node.type}, should be {inferred}")
        if node.op in ("argument",):
            raise InternalError(f"after {after}: an argument outside its fragment")
    for node in graph.emits:
        if node.op not in EFFECTS:
            raise InternalError(f"after {after}: `{node.op}` stands where an emit should")
    return graph
