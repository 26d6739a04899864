"""The pure core: text in, programs and diagnostics out. No torch, no database, no file access, no clock.

| stage    | from                  | to                              | where                          |
|----------|-----------------------|---------------------------------|--------------------------------|
| parse    | `SourceFile`          | `tree.File`                     | `syntax/parse`                 |
| check    | `tree.File`           | surface `Graph`s, one a plan    | `check/file`                   |
| resolve  | surface `Graph`       | the same, inlined, choices made | `passes` (`RESOLVE`)           |
| judge    | resolved `Graph`      | diagnostics                     | `rules`                        |
| optimise | resolved `Graph`      | core `Graph`                    | `passes` (`OPTIMISE`)          |
| lower    | core `Graph`          | `Program`                       | `lower`                        |

The outside comes in by the protocols of `context`. Mistakes go to a sink, so that one run reports them all;
a plan with an error gives no program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mosaic.compiler import errors
from mosaic.compiler.budgeting import hold
from mosaic.compiler.check.file import Checked, check_file
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic, Severity, Sink
from mosaic.compiler.ir.finds import Find, spelling
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.ir.verify import verify
from mosaic.compiler.near import nearest
from mosaic.compiler.passes import OPTIMISE, RESOLVE, Pass, run_passes
from mosaic.compiler.passes.choose_operators import Choice, settle
from mosaic.compiler.passes.choose_steps import LOW, Numbers, Taken, at, choose_steps, open_steps, take
from mosaic.compiler.passes.resolve_finds import finds
from mosaic.compiler.rules import run_rules
from mosaic.compiler.rules.half_done import half_done
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.parse import parse

if TYPE_CHECKING:
    from mosaic.compiler.decide import Decision, Finish
    from mosaic.compiler.lint.subject import Subject
    from mosaic.compiler.program import Program, Source


@dataclass(frozen=True)
class Compiled:
    """What became of a file. Where there are errors, there are no programs.

    By plan: the operators that were `choices` and why, the experts that `finds` found, what the ranges of `steps` stand
    for, and, where a device was known, the `decisions` with what each choice is predicted to cost.

    >>> compiled = mosaic.compile(PLAN, device="h100")
    >>> chosen = compiled.decisions["cat"].chosen
    >>> chosen.prediction.warm < chosen.prediction.cold
    True
    """

    diagnostics: tuple[Diagnostic, ...]
    programs: tuple[Program, ...] = ()
    graphs: tuple[Graph, ...] = ()
    choices: Mapping[str, tuple[Choice, ...]] = field(default_factory=dict)
    finds: Mapping[str, tuple[Find, ...]] = field(default_factory=dict)
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    steps: Mapping[str, tuple[Taken, ...]] = field(default_factory=dict)

    @property
    def has_errors(self) -> bool:
        """Whether anything forbids running."""
        return any(d.severity is Severity.ERROR for d in self.diagnostics)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str | bytes]:
        """How a notebook shows it."""
        from mosaic.compiler.reporting.notebook import of_compiled

        return of_compiled(self)


def compile(
    source: SourceFile,
    context: Context,
    *,
    plan: str | None = None,
    parameters: Mapping[str, object] | None = None,
    passes: tuple[Pass, ...] = OPTIMISE,
    alternatives: int = 0,
) -> Compiled:
    """Compile every plan of a file, or the one that is named.

    `parameters` gives values to the file's `param`s, as text or as Python values. `passes` are the rewrites
    after the rules; leaving any but `expand_verbs` out changes no byte of a result. With a profile, `alternatives`
    says how many other choices of operators are priced beside the one taken.
    """
    judged = _judge(source, context, plan, parameters or {}, alternatives)
    if judged.sink.has_errors or judged.checked is None:
        return Compiled(tuple(judged.sink))
    # Programs are pydantic models; `check` needs none, and starts in half the time without them.
    from mosaic.compiler.lower import lower

    graphs = tuple(run_passes(graph, context, passes) for graph in judged.resolved)
    told = {graph.name: finds(graph) for graph in judged.resolved}
    programs = tuple(
        lower(graph, context, _source(source, graph, judged.checked, told[graph.name])) for graph in graphs
    )
    return Compiled(
        tuple(judged.sink), programs, graphs, judged.choices, told, judged.decisions, judged.steps
    )


def check(source: SourceFile, context: Context) -> tuple[Diagnostic, ...]:
    """Every mistake of a file, without making a program of it."""
    return tuple(_judge(source, context, None, {}).sink)


def advise(source: SourceFile, context: Context) -> tuple[Diagnostic, ...]:
    """Every mistake of a file and, where it has no error, what it could say better."""
    from mosaic.compiler.lint import run_lints

    judged = _judge(source, context, None, {})
    subject = _subject(judged, context)
    if subject is not None:
        run_lints(subject, judged.sink)
    return tuple(judged.sink)


def _subject(judged: _Judged, context: Context) -> Subject | None:
    from mosaic.compiler.lint.subject import Subject

    if judged.sink.has_errors or judged.file is None:
        return None

    def again(source: SourceFile) -> Subject | None:
        return _subject(_judge(source, context, None, {}), context)

    return Subject(judged.file, judged.resolved, tuple(judged.sink), context, again)


@dataclass(frozen=True)
class _Judged:
    sink: Sink
    file: tree.File | None = None
    checked: Checked | None = None
    resolved: tuple[Graph, ...] = ()
    choices: Mapping[str, tuple[Choice, ...]] = field(default_factory=dict)
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    steps: Mapping[str, tuple[Taken, ...]] = field(default_factory=dict)


def _judge(
    source: SourceFile,
    context: Context,
    plan: str | None,
    parameters: Mapping[str, object],
    alternatives: int = 0,
) -> _Judged:
    """Parse, check, resolve and judge: all that can be said of a file."""
    sink = Sink()
    file = parse(source, sink)
    if file is None:
        return _Judged(sink)
    checked = check_file(file, context, parameters, sink)
    names = [graph.name for graph in checked.graphs]
    if plan is not None and plan not in names and not sink.has_errors:
        sink.add(errors.names.UnknownPlan(None, plan, source.name, nearest(plan, names)))
    resolved = []
    choices, decisions, steps = {}, {}, {}
    whole = not any(d.code.startswith("M1") for d in sink)
    for surface in checked.graphs:
        own = replace(context, pins=context.pins.of(surface.name)) if context.pins else context
        found = run_passes(surface, own, RESOLVE[:-3])
        graph, graph_choices, told = _settled(found, own, whole)
        if not told.has_errors:
            told.extend(_fewest(graph, own))
        if not told.has_errors:
            held = hold(found, graph_choices, own, _finish(own), every=alternatives)
            if own.profile is not None or own.room is not None:
                from mosaic.compiler.fit import fit  # where nothing is priced, `check` starts without prices

                held = fit(found, graph, graph_choices, own, _finish(own), held, every=alternatives)
            if any(held.picked) or held.steps:
                numbers = {taken.steps: taken.number for taken in held.steps}
                graph, graph_choices, told = _settled(found, own, whole, held.picked, numbers)
            told.extend(held.told)
            steps[graph.name] = held.steps
            if held.decision is not None:
                decisions[graph.name] = held.decision
        sink.extend(told)
        if plan in (None, graph.name):
            resolved.append(graph)
            choices[graph.name] = graph_choices
    return _Judged(sink, file, checked, tuple(resolved), choices, decisions, steps)


def _settled(
    found: Graph,
    context: Context,
    whole: bool,
    picked: tuple[str, ...] = (),
    numbers: Numbers | None = None,
) -> tuple[Graph, tuple[Choice, ...], Sink]:
    """A graph with its operators, numbers of steps and bridges chosen, how operators were, and what the rules say of
    it. Without `numbers` ranges of steps stand for the most of them, or for what a lock holds."""
    graph, choices = settle(found, context, picked)
    graph = choose_steps(graph, context) if numbers is None else take(graph, numbers)
    graph = run_passes(verify(graph, "choose_steps"), context, RESOLVE[-1:])
    told = Sink()
    run_rules(graph, context, told, whole=whole)
    return graph, choices, told


def _fewest(graph: Graph, context: Context) -> tuple[Diagnostic, ...]:
    """What is wrong with the fewest steps of a plan's ranges: whether a plan compiles is not left to a budget."""
    ranges = open_steps(graph)
    return tuple(half_done(take(graph, at(ranges, LOW, context.pins)), context)) if ranges else ()


def _finish(context: Context) -> Finish:
    return lambda graph: run_passes(graph, context, (*RESOLVE[-1:], *OPTIMISE))


def _source(source: SourceFile, graph: Graph, checked: Checked, told: tuple[Find, ...]) -> Source:
    from mosaic.compiler.program import Source

    # A parameter that looks an expert up is the expert that was found: so a picture can be made again.
    found = {spelling(find.kind, find.words): find.chosen for find in told}
    return Source(
        name=source.name,
        plan=graph.name,
        text=source.text,
        parameters={
            name: found.get(value, value) if isinstance(value, str) else value
            for name, value in checked.parameters.items()
        },
        libraries=dict(checked.libraries),
    )
