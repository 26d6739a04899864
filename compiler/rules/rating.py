"""M520, M521, M522: a plan is rated at least as its strictest part, its prompts among them."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.facts import RATINGS
from mosaic.compiler.ir.evaluate import constant
from mosaic.compiler.ir.graph import Graph, Node, walk
from mosaic.compiler.ir.origins import SAMPLED, conditionings
from mosaic.compiler.policy.parts import parts
from mosaic.compiler.policy.policy import Policy
from mosaic.compiler.policy.refusal import too_strict
from mosaic.compiler.rules.allowed import allowed
from mosaic.compiler.rules.place import place
from mosaic.compiler.rules.prompt_texts import prompt_texts


def rating(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Nothing is above what the policy allows. Without a rating in the policy nothing is judged."""
    rule = graph.policy
    if rule is None or rule.rating not in RATINGS:
        return
    asked = rule.at("rating")
    for part in parts(graph, context):
        facts, spot = part.facts, place(part.node)
        known = (spot.span, facts.kind.value, facts.id)
        if too_strict(facts.rating, rule):
            yield errors.policy.RatedAbove(
                *known, str(facts.rating), rule.rating, asked, spot.trail, allowed(part, rule, context)
            )
        elif facts.rating is None and rule.rating == RATINGS[0]:
            yield errors.policy.Unrated(*known, rule.rating, asked, spot.trail)
    for node in walk(graph.emits):
        if node.op in SAMPLED:
            yield from _words(node, rule, context)


def _words(node: Node, rule: Policy, context: Context) -> Iterator[Diagnostic]:
    found = conditionings(node)
    for each in prompt_texts(node, found) if found is not None else ():
        text = constant(each.text)
        # A prompt that is inherited was looked at where it was given.
        if not isinstance(text, str) or each.inherited:
            continue
        for word in context.words.found(text):
            if too_strict(word.rating, rule):
                yield errors.policy.PromptAbove(
                    each.spot.span,
                    word.word,
                    word.category,
                    word.rating,
                    str(rule.rating),
                    rule.at("rating"),
                    each.spot.trail,
                )
