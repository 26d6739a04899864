"""The texts of a plan's prompts: which, and where they are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mosaic.compiler.ir.evaluate import operand
from mosaic.compiler.ir.graph import Node
from mosaic.compiler.ir.origins import Conditionings, prompts
from mosaic.compiler.rules.place import Place, place

PROMPT = {"sample": 1, "resume": 2, "refine": 3}
"""Which input of a verb is its prompt."""
NEGATIVE = {"sample": 2, "resume": 3, "refine": 4}


@dataclass(frozen=True)
class PromptText:
    """One text that a model reads, and where it stands: in this call, or the whole call where it is inherited."""

    text: Node
    spot: Place
    inherited: bool


def prompt_texts(node: Node, found: Conditionings) -> Iterator[PromptText]:
    """The texts of the prompt that a verb samples by, in order; the negative one is not among them."""
    position = PROMPT[node.op]
    inherited = node.inputs[position].op == "default"
    for at, part in enumerate(prompts(found.prompt)):
        several = found.prompt.op == "prompts" and not inherited
        spot = place(found.prompt, at) if several else place(node, position)
        yield PromptText(operand(part), _within(spot, operand(part)), inherited)


def _within(spot: Place, text: Node) -> Place:
    """The text itself, where it stands there under its infixes."""
    inner = place(text)
    outer, own = spot.span, inner.span
    if spot.trail or inner.trail or outer is None or own is None or own.source is not outer.source:
        return spot
    return inner if outer.start <= own.start and own.end <= outer.end else spot


def read_texts(node: Node, found: Conditionings) -> Iterator[PromptText]:
    """Those of the prompt, and the negative one."""
    yield from prompt_texts(node, found)
    position = NEGATIVE[node.op]
    yield PromptText(found.negative, place(node, position), node.inputs[position].op == "default")
