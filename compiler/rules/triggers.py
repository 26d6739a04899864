"""M414, M415: a LoRA's trigger words stand in a prompt, and call one LoRA only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic, Edit
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.ir.evaluate import constant, operand
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.models import trees
from mosaic.compiler.ir.origins import SAMPLED, conditionings
from mosaic.compiler.rules.fused import fused, is_literal, strength
from mosaic.compiler.rules.place import Place, place
from mosaic.compiler.rules.prompt_texts import prompt_texts
from mosaic.compiler.types import Kind


def triggers(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """A LoRA is called if any prompt that its model reads holds any of its words, in whatever case."""
    for use in _uses(graph, context).values():
        if not use.called:
            yield _missing(use, graph)
    yield from _clashes(graph, context)


@dataclass
class _Use:
    """A LoRA's first reader, and whether any prompt calls it."""

    node: Node
    reader: Node
    called: bool = field(default=False)


def _uses(graph: Graph, context: Context) -> dict[str, _Use]:
    uses: dict[str, _Use] = {}
    known = trees(graph, context.operators)
    for reader in graph.nodes():
        found = conditionings(reader) if reader.op in SAMPLED else None
        if found is None:
            continue
        texts = [constant(text) for text in found.texts]
        for given in known.fused_into(reader.inputs[0]):
            node, much = operand(given), strength(given)
            # What is weakened (a strength of zero or less) is not meant to be called.
            if node.type.kind is not Kind.LORA or not words(node.expert) or (much is not None and much <= 0):
                continue
            use = uses.setdefault(node.digest, _Use(node, reader))
            use.called = use.called or any(_holds(text, node.expert) for text in texts)
    return uses


def words(expert: ExpertFacts) -> tuple[str, ...]:
    """Every spelling that calls an expert."""
    return tuple(dict.fromkeys(word for word in (expert.trigger, *expert.triggers) if word and word.strip()))


def _holds(text: object, expert: ExpertFacts) -> bool:
    if not isinstance(text, str):
        return True  # not known before it runs
    told = _plain(text)
    return any(_plain(word) in told for word in words(expert))


def _plain(text: str) -> str:
    return " ".join(text.replace("_", " ").casefold().split())


def _missing(use: _Use, graph: Graph) -> Diagnostic:
    word = words(use.node.expert)[0]
    spot, insert, edit = insertion(use.node, use.reader, word, graph)
    return errors.usage.TriggerMissing(spot.span, use.node.name, word, insert, edit, spot.trail)


def insertion(node: Node, reader: Node, word: str, graph: Graph) -> tuple[Place, str | None, Edit | None]:
    """How the prompt that a model reads may call an expert: where it stands, the name to insert, and the edit.

    The edit is None where the prompt is not written as a text at that place.
    """
    found = conditionings(reader)
    assert found is not None, "only what reads a prompt misses something in it"
    # Of several prompts the first: which of them is meant, nobody can tell.
    first = next(prompt_texts(reader, found))
    spot, inherited = place(reader) if first.inherited else first.spot, first.inherited
    insert, edit = _name(node, reader, graph), None
    if spot.span is not None and not spot.trail and not inherited and is_literal(spot.span):
        end = spot.span.source.span(spot.span.end - 1, spot.span.end - 1)
        text = f"{{{insert}}}" if insert else word.translate(_ESCAPED)
        edit = Edit(end, text if spot.span.text == '""' else f", {text}")
    return spot, insert, edit


_ESCAPED = str.maketrans({"{": "{{", "}": "}}", '"': '\\"', "\\": "\\\\"})


def _name(node: Node, reader: Node, graph: Graph) -> str | None:
    """The name that an expert is bound to before the prompt, if it is."""
    read = reader.origin
    # The name that the fusion itself uses goes before another one for the same expert.
    for name, given in sorted(graph.bindings, key=lambda binding: operand(binding[1]) is not node):
        bound = operand(given)
        if bound.digest != node.digest or bound.origin is None or bound.origin.calls or read is None:
            continue
        here, there = bound.origin.span, read.span
        # A value bound in another file, or further down, has no name there.
        if here.source == there.source and here.start < there.start and bound.expert.trigger:
            return name
    return None


def _clashes(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    for each in fused(graph, context):
        mine, *_ = words(each.expert) or ("",)
        if each.expert.kind is not Kind.LORA or not mine:
            continue
        for node, span in each.before():
            other, *_ = words(node.expert) or ("",)
            if (
                node.type.kind is not Kind.LORA
                or node.digest == each.node.digest
                or _plain(other) != _plain(mine)
            ):
                continue
            spot = each.spot
            yield errors.usage.TriggerClash(spot.span, node.name, each.node.name, mine, span, spot.trail)
            break
