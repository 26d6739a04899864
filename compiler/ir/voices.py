"""Which text encoders a model reads prompts by.

A *voice* is a text encoder as it is changed: models of one voice read a text alike. A model has the voice of its base
until something changes the text encoder or adds words; where several models take part in a run it has several.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mosaic.compiler.context import Context
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.ir.evaluate import is_partial, operand
from mosaic.compiler.ir.graph import Node, walk
from mosaic.compiler.ir.models import blended, is_whole, operator_of
from mosaic.compiler.ir.origins import base_expert
from mosaic.compiler.ir.touched import Touching, selector_of
from mosaic.compiler.operators import Acts
from mosaic.compiler.types import Kind
from mosaic.compiler.weights.layers import Selector

Voice = tuple[str, ...]
"""What a text encoder is made of, by digests, the base first."""
_ENCODER = "text_encoder"


@dataclass(frozen=True)
class Voices:
    """Tells the voices of a graph's models by headers alone. What is not known to keep a text encoder as it is is taken
    to change it."""

    context: Context
    _known: dict[int, frozenset[Voice]] = field(default_factory=dict)
    _nodes: list[Node] = field(default_factory=list)  # keeps identities from being given away

    def of(self, model: Node) -> frozenset[Voice]:
        """The voices of a model: every text encoder that one of its bases may be asked by."""
        top = operand(model)
        if id(top) not in self._known:
            for node in walk((top,)):
                if node.op in ("expert", "load_model", "fuse") and id(node) not in self._known:
                    self._nodes.append(node)
                    self._known[id(node)] = self._made(node)
        return self._known[id(top)]

    def _made(self, node: Node) -> frozenset[Voice]:
        if node.op == "expert":
            return frozenset(((node.digest,),))
        if node.op == "load_model":
            return self.of(node.inputs[0])
        return self._fused(node)

    def _fused(self, fusion: Node) -> frozenset[Voice]:
        base, operator = fusion.inputs[0], operator_of(fusion, self.context.operators)
        words = [given.digest for given in fusion.inputs[1:] if given.type.kind is Kind.EMBEDDING]
        own = frozenset((*voice, *words) for voice in self.of(base))
        changing = [given for given in blended(fusion) if self._changes(given, fusion)]
        if operator.acts is Acts.WEIGHTS:
            # One set of weights, or one for each stretch of the run: told apart no further.
            return frozenset((*voice, fusion.digest) for voice in own) if changing else own
        found = set(own)
        for given in changing:
            if is_whole(given, operator) and not _has_words(fusion):
                found |= self.of(given)
            else:
                found |= {(*voice, fusion.digest, given.digest) for voice in own}
        return frozenset(found)

    def _changes(self, given: Node, fusion: Node) -> bool:
        """Whether an operand may be, or bring, another text encoder than the base's."""
        below = operand(given)
        if below.op != "expert":
            return True
        operator = operator_of(fusion, self.context.operators)
        if operator.acts is not Acts.WEIGHTS and below.type.kind is not Kind.LORA:
            return True
        adapter = below.expert.adapter
        if adapter is not None and adapter.modules and not adapter.text_encoder:
            return False
        if is_partial(given):
            return True  # what of it fits depends on each base
        return self._touches(below, fusion, base_expert(fusion))

    def _touches(self, below: Node, fusion: Node, base: ExpertFacts) -> bool:
        touched = Touching(self.context).of(below, base)
        chosen = selector_of(fusion, self.context)
        if isinstance(chosen, Selector):
            touched = touched.within(chosen)
        noted = (adapter is None or not adapter.modules or adapter.text_encoder for adapter in touched.noted)
        return any(noted) or any(name.startswith(_ENCODER) for name in touched.names)


def _has_words(model: Node) -> bool:
    """Whether words were added to a model: then whole models that take part learn them as well."""
    while model.op == "fuse":
        if any(given.type.kind is Kind.EMBEDDING for given in model.inputs[1:]):
            return True
        model = model.inputs[0]
    return False
