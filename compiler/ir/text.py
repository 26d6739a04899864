"""The text form of a graph: one node a line, numbered in order, parseable.

    graph alley {
      %0 = expert "zoo/base" {"content":"4f…","kind":"checkpoint",…} : checkpoint<sd1, zoo-a, v>
      %1 = const {"kind":"number","value":0.8} : number
      %2 = strength(%0, %1) : checkpoint<sd1, zoo-a, v>
      emit %2
      let look = %2
    }

Facts and origins are not written: a graph read back has equal digests and types, but cannot be lowered.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from mosaic.compiler.ir.graph import Attribute, Fragment, Graph, Node, walk
from mosaic.compiler.ir.ops import make


class GraphSyntaxError(ValueError):
    """The text is no graph; carries the 1-based line."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line


def print_graph(graph: Graph) -> str:
    """The text form, fragments (if any are left) first."""
    blocks = [_fragment(fragment) for fragment in graph.fragments.values()]
    lines, number = _nodes(graph.roots)
    lines += [f"  emit %{number[id(node)]}" for node in graph.emits]
    lines += [f"  let {name} = %{number[id(node)]}" for name, node in graph.bindings]
    blocks.append("\n".join([f"graph {graph.name} {{", *lines, "}"]) + "\n")
    return "\n".join(blocks)


def _fragment(fragment: Fragment) -> str:
    lines, number = _nodes((*fragment.parameters, fragment.result))
    parameters = ", ".join(f"%{number[id(node)]}" for node in fragment.parameters)
    head = f"fragment {json.dumps(fragment.name)} ({parameters}) {{"
    return "\n".join([head, *lines, f"  return %{number[id(fragment.result)]}", "}"]) + "\n"


def _nodes(roots: tuple[Node, ...]) -> tuple[list[str], dict[int, int]]:
    number: dict[int, int] = {}
    lines = []
    for node in walk(roots):
        number[id(node)] = len(number)
        lines.append(f"  %{number[id(node)]} = {describe(node, number)}")
    return lines, number


def describe(node: Node, number: dict[int, int]) -> str:
    """One node's line, without its own number."""
    name = f" {json.dumps(node.name, ensure_ascii=False)}" if node.name else ""
    inputs = f"({', '.join(f'%{number[id(i)]}' for i in node.inputs)})" if node.inputs else ""
    attributes = dict(node.attributes)
    written = f" {json.dumps(attributes, separators=(',', ':'), ensure_ascii=False)}" if attributes else ""
    return f"{node.op}{name}{inputs}{written} : {node.type}"


_NODE = re.compile(
    r'%(?P<number>\d+) = (?P<op>\w+)(?: (?P<name>"(?:\\.|[^"\\])*"))?(?:\((?P<inputs>[^)]*)\))?'
    r"(?: (?P<attributes>\{.*\}))? : (?P<type>.+)"
)
_HEAD = re.compile(
    r'(?:graph (?P<graph>\S+)|fragment (?P<fragment>"(?:\\.|[^"\\])*") \((?P<parameters>[^)]*)\)) \{'
)
_ROOT = re.compile(r"(?:(?P<emit>emit)|(?P<return>return)|let (?P<let>\S+) =) %(?P<number>\d+)")


def parse_graph(text: str) -> Graph:
    """Read the text form back. Raises GraphSyntaxError."""
    fragments: dict[str, Fragment] = {}
    graph: Graph | None = None
    head: re.Match[str] | None = None
    nodes: list[Node] = []
    emits: list[Node] = []
    bindings: list[tuple[str, Node]] = []
    result: Node | None = None
    for line_number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line:
            continue
        if head is None:
            head = _HEAD.fullmatch(line)
            if head is None:
                raise GraphSyntaxError(line_number, "a graph or fragment begins here")
            nodes, emits, bindings, result = [], [], [], None
        elif line == "}":
            if head["graph"]:
                graph = Graph(head["graph"], tuple(emits), tuple(bindings), fragments)
            elif result is not None:
                parameters = tuple(_refer(nodes, p, line_number) for p in _split(head["parameters"]))
                fragments[json.loads(head["fragment"])] = Fragment(
                    json.loads(head["fragment"]), parameters, result
                )
            head = None
        elif match := _ROOT.fullmatch(line):
            node = _refer(nodes, f"%{match['number']}", line_number)
            if match["emit"]:
                emits.append(node)
            elif match["return"]:
                result = node
            else:
                bindings.append((match["let"], node))
        else:
            nodes.append(_read(line, nodes, line_number))
    if graph is None or head is not None:
        raise GraphSyntaxError(len(text.splitlines()), "the graph does not end")
    return graph


def _read(line: str, nodes: list[Node], line_number: int) -> Node:
    match = _NODE.fullmatch(line)
    if match is None or int(match["number"]) != len(nodes):
        raise GraphSyntaxError(line_number, f"node %{len(nodes)} is wanted here")
    attributes: dict[str, Attribute] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in json.loads(match["attributes"] or "{}").items()
    }
    inputs = tuple(_refer(nodes, name, line_number) for name in _split(match["inputs"] or ""))
    node = make(match["op"], inputs, attributes)
    if str(node.type) != match["type"]:
        raise GraphSyntaxError(line_number, f"type is {node.type}, not {match['type']}")
    return replace(node, name=json.loads(match["name"] or '""'))


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _refer(nodes: list[Node], name: str, line_number: int) -> Node:
    number = int(name.removeprefix("%"))
    if number >= len(nodes):
        raise GraphSyntaxError(line_number, f"{name} is not defined above")
    return nodes[number]
