"""A version of a plan, ready to be compared: its program, where each part of it is written, and what is said beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mosaic.compiler import Compiled
from mosaic.compiler.comparing.changes import Place
from mosaic.compiler.context import Context
from mosaic.compiler.cost.budget import Budget
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.ir.evaluate import INFIXES
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.lower import instructions
from mosaic.compiler.operators import Law, Operator
from mosaic.compiler.passes import Pass
from mosaic.compiler.passes.choose_operators import Choice
from mosaic.compiler.passes.drop_dead import drop_dead
from mosaic.compiler.passes.drop_idle import drop_idle
from mosaic.compiler.passes.expand_verbs import expand_verbs
from mosaic.compiler.passes.fold_constants import fold_constants
from mosaic.compiler.passes.order_operands import order_operands
from mosaic.compiler.passes.share_equal import share_equal
from mosaic.compiler.passes.spell_operands import spell_operands
from mosaic.compiler.policy.permitted import Permitted, permitted
from mosaic.compiler.program import Program
from mosaic.compiler.source import Span
from mosaic.compiler.syntax import tree

MEANING: tuple[Pass, ...] = (
    fold_constants,
    spell_operands,
    drop_idle,
    order_operands,
    expand_verbs,
    share_equal,
    drop_dead,
)
"""The rewrites of `OPTIMISE` that make equal plans equal; without those that only save work: a run that is cut where a
window closes is one run to whoever wrote it."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a plan's file: its type, as written, and the value that it has."""

    type: str
    value: object
    place: Place | None = None


@dataclass(frozen=True)
class Cost:
    """What a plan is predicted to take on a device: seconds, bytes, calls of denoisers."""

    warm: float
    cold: float
    peak: int
    evaluations: int


@dataclass(frozen=True)
class Written:
    """Where an instruction is written, its inputs in the order of the core operation, and why its operator was
    chosen."""

    whole: Place | None = None
    inputs: tuple[Place | None, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Version:
    """One version of one plan.

    `program` is what runs, `meaning` the same in the form in which it is compared; `written` has an entry for each of
    its instructions, or none. `symmetric` are the operators to which the order of operands does not matter. What is
    None is not known: of a program that came compiled, and cannot be made again here.
    """

    file: str
    program: Program
    meaning: Program
    symmetric: tuple[str, ...]
    written: tuple[Written, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    budget: Mapping[str, float] | None = None
    permitted: tuple[Permitted, ...] | None = None
    cost: Cost | None = None
    tensors: Mapping[str, str] = field(default_factory=dict)  # digests of tensors by those of their files
    is_closed: bool = False  # made before, and not to be made again here: known as it runs, and no further

    @property
    def name(self) -> str:
        """Of the plan."""
        return self.program.source.plan

    @property
    def known_as(self) -> tuple[str, str]:
        """The file that it is shown under, and its name."""
        return self.meaning.source.name, self.name

    def at(self, number: int) -> Written:
        """Where an instruction is written."""
        return self.written[number] if number < len(self.written) else Written()


def versions(
    file: str, full: Compiled, plain: Compiled, context: Context, items: Sequence[tree.Item] = ()
) -> tuple[Version, ...]:
    """The plans of a file, compiled once as they run and once with `MEANING`. `items` are those of the file."""
    symmetric = symmetric_operators(context.operators)
    found = []
    for program, meaning, graph in zip(full.programs, plain.programs, plain.graphs, strict=True):
        name = program.source.plan
        found.append(
            Version(
                file,
                program,
                meaning,
                symmetric,
                _written(graph, plain.choices.get(name, ())),
                parameters(program, items),
                limits(graph.budget),
                permitted(graph, context),
                _cost(full, name),
                _tensors(graph),
            )
        )
    return tuple(found)


def closed(version: Version) -> Version:
    """The version as it runs, to be compared with one of which no more is known."""
    return replace(version, meaning=version.program, written=(), is_closed=True)


def symmetric_operators(operators: Mapping[str, Operator]) -> tuple[str, ...]:
    """Names of those to which the order of operands does not matter."""
    return tuple(name for name, operator in operators.items() if Law.SYMMETRIC in operator.laws)


def parameters(program: Program, items: Sequence[tree.Item]) -> dict[str, Parameter]:
    """The parameters that a program was made with, with the types that its file gives them."""
    told = {item.name.text: item for item in items if isinstance(item, tree.Parameter)}
    return {
        name: Parameter(
            told[name].type.text if name in told else "",
            value,
            place(told[name].span) if name in told else None,
        )
        for name, value in program.source.parameters.items()
    }


def limits(budget: Budget | None) -> dict[str, float]:
    """What a budget says, by key."""
    keys = ("latency", "cold_latency", "memory", "quality")
    said = {key: getattr(budget, key) for key in keys} if budget is not None else {}
    return {key: value for key, value in said.items() if value is not None}


def place(span: Span | None) -> Place | None:
    """The line that a span begins in."""
    return None if span is None else Place(span.source.name, span.source.position(span.start)[0])


def _written(graph: Graph, choices: Sequence[Choice]) -> tuple[Written, ...]:
    return tuple(
        Written(_of(node), tuple(_input(node, at) for at in range(len(node.inputs))), _reason(node, choices))
        for node in instructions(graph)
    )


def _of(node: Node) -> Place | None:
    return place(node.origin.span) if node.origin is not None else None


def _input(node: Node, at: int) -> Place | None:
    """Where an input is written: an operand with all that is said of it, a number where it is given."""
    given, own = node.inputs[at], node.origin
    if given.op in INFIXES and given.origin is not None:
        return place(given.origin.span)
    if node.op == "fuse" and own is not None and at < len(own.inputs) and own.inputs[at] is not None:
        return place(own.inputs[at])
    return _of(given) or _of(node)


def _reason(node: Node, choices: Sequence[Choice]) -> str:
    if node.op != "fuse" or node.origin is None:
        return ""
    operator = node.attribute("operator")
    found = (each.reason for each in choices if (each.span, each.operator) == (node.origin.span, operator))
    return next(found, "")


def _cost(compiled: Compiled, name: str) -> Cost | None:
    decision = compiled.decisions.get(name)
    if decision is None or decision.chosen is None:
        return None
    took = decision.chosen.prediction
    return Cost(took.warm, took.cold, took.peak, took.evaluations)


def _tensors(graph: Graph) -> dict[str, str]:
    experts = (node.facts for node in graph.nodes() if isinstance(node.facts, ExpertFacts))
    files = (file for facts in experts for file in facts.files)
    return {file.sha256: file.tensors_sha256 for file in files if file.tensors_sha256}
