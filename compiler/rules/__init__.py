"""What makes a plan impossible. One rule, one file: a function from a resolved graph to diagnostics.

Rules judge the surface graph after fragments are inlined and operators chosen: every type is as sharp as the
headers allow, and every node still knows the words it was written with. The order below is the order of
importance; all of them run, so that every mistake is reported at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic, Severity, Sink
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.rules.algorithms import algorithms
from mosaic.compiler.rules.alignment import alignment
from mosaic.compiler.rules.clip_skips import clip_skips
from mosaic.compiler.rules.coverage import coverage
from mosaic.compiler.rules.engine_families import engine_families
from mosaic.compiler.rules.exclusions import exclusions
from mosaic.compiler.rules.families import families
from mosaic.compiler.rules.finds import finds, without_finds
from mosaic.compiler.rules.fused_operands import fused_operands
from mosaic.compiler.rules.half_done import half_done
from mosaic.compiler.rules.infixes import misplaced_infixes
from mosaic.compiler.rules.integrity import integrity
from mosaic.compiler.rules.interference import interference
from mosaic.compiler.rules.latent_spaces import latent_spaces
from mosaic.compiler.rules.lineages import lineages
from mosaic.compiler.rules.native_sizes import native_sizes
from mosaic.compiler.rules.one_model import one_model
from mosaic.compiler.rules.outputs import outputs
from mosaic.compiler.rules.policy import policy
from mosaic.compiler.rules.predictions import predictions
from mosaic.compiler.rules.prompts import prompts
from mosaic.compiler.rules.ranges import ranges
from mosaic.compiler.rules.rating import rating
from mosaic.compiler.rules.safety_last import safety_last
from mosaic.compiler.rules.selectors import selectors
from mosaic.compiler.rules.step_ranges import step_ranges
from mosaic.compiler.rules.strengths import strengths
from mosaic.compiler.rules.text_encoders import text_encoders
from mosaic.compiler.rules.tokens import tokens
from mosaic.compiler.rules.triggers import triggers
from mosaic.compiler.rules.uncovered import uncovered
from mosaic.compiler.rules.variants import variants
from mosaic.compiler.rules.vocabulary import vocabulary
from mosaic.compiler.rules.whole_bases import whole_bases

Rule = Callable[[Graph, Context], Iterator[Diagnostic]]

RULES: tuple[Rule, ...] = (
    integrity,
    engine_families,
    families,
    variants,
    predictions,
    latent_spaces,
    alignment,
    whole_bases,
    algorithms,
    text_encoders,
    coverage,
    selectors,
    exclusions,
    fused_operands,
    misplaced_infixes,
    one_model,
    uncovered,
    interference,
    tokens,
    vocabulary,
    triggers,
    prompts,
    half_done,
    step_ranges,
    ranges,
    strengths,
    native_sizes,
    clip_skips,
    lineages,
    outputs,
    policy,
    rating,
    safety_last,
)


def run_rules(graph: Graph, context: Context, sink: Sink, *, whole: bool = True) -> None:
    """Judge a graph by every rule. What hangs on an expert that was not found is left out: that is said by itself.

    Advice is only given on a plan that was read `whole`: what was misread may be what it is about.
    """
    sink.extend(finds(graph, context))
    graph = without_finds(graph)
    for rule in RULES:
        sink.extend(d for d in rule(graph, context) if whole or d.severity is Severity.ERROR)
