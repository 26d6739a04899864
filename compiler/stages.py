"""The graphs of a plan between its passes, for people who want to see what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mosaic.compiler.check.file import check_file
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Sink
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.passes import OPTIMISE, RESOLVE, Pass, run_passes
from mosaic.compiler.passes.choose_operators import settle
from mosaic.compiler.passes.choose_steps import take
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax.parse import parse

if TYPE_CHECKING:
    from mosaic.compiler import Compiled

CHECKED = "check"
"""The stage before all passes."""
STAGES: tuple[str, ...] = (CHECKED, *(each.__name__ for each in (*RESOLVE, *OPTIMISE)))
"""What `--after` takes, in order."""


@dataclass(frozen=True)
class Stages:
    """The graphs of one plan by the pass that made them, the checked one first."""

    graphs: Mapping[str, Graph]
    context: Context

    def resolved(self) -> Graph:
        """The graph that is optimised."""
        return self.graphs[RESOLVE[-1].__name__]

    def without(self, left_out: Pass) -> Graph:
        """What optimising gives where one pass is left out."""
        return run_passes(
            self.resolved(), self.context, tuple(each for each in OPTIMISE if each is not left_out)
        )


def stages(
    source: SourceFile, context: Context, compiled: Compiled, parameters: Mapping[str, object]
) -> tuple[Stages, ...]:
    """The stages of every plan that was compiled without a mistake, by the operators and steps chosen then."""
    sink = Sink()
    file = parse(source, sink)
    assert file is not None, "it was compiled before"
    found = check_file(file, context, parameters, sink).graphs
    return tuple(_stages(graph, context, compiled) for graph in found if graph.name in compiled.choices)


def _stages(graph: Graph, context: Context, compiled: Compiled) -> Stages:
    own = replace(context, pins=context.pins.of(graph.name)) if context.pins else context
    picked = tuple(choice.operator for choice in compiled.choices[graph.name])

    numbers = {taken.steps: taken.number for taken in compiled.steps[graph.name]}
    # Under a budget operators and steps are chosen together; here they are known already.
    known: Mapping[str, Pass] = {
        "choose_operators": lambda given, _: settle(given, own, picked)[0],
        "choose_steps": lambda given, _: take(given, numbers),
    }
    graphs = {CHECKED: graph}
    for rewrite in (*RESOLVE, *OPTIMISE):
        graph = run_passes(graph, own, (known.get(rewrite.__name__, rewrite),))
        graphs[rewrite.__name__] = graph
    return Stages(graphs, own)
