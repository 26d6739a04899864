"""The manual pages of diagnostics, verbs and operators: what `mosaic explain` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mosaic.compiler.operators import Operator
    from mosaic.compiler.verbs import Parameter, Verb


def explain(topic: str = "") -> str:
    """The manual page of a diagnostic's code (`M302`), a verb (`fuse`) or an operator (`sum`); alone, the contents.

    Raises MosaicError (M885) where there is no such page.

    >>> print(mosaic.explain("M881").splitlines()[0])
    M881 (error): no plans in `…`
    """
    from mosaic.compiler.diagnostic import MosaicError
    from mosaic.compiler.errors.face import UnknownTopic
    from mosaic.compiler.explain import diagnostics, explain_code
    from mosaic.compiler.verbs import VERBS
    from mosaic.stdlib import find_operators

    operators = find_operators()
    if not topic:
        return _lines(_contents(VERBS, operators))
    if page := explain_code(topic):
        return page
    if topic in VERBS:
        return _lines(_verb(VERBS[topic], operators))
    if topic in operators:
        return _lines(_operator(operators[topic]))
    topics = [*VERBS, *operators, *(kind.code for kind in diagnostics())]
    near = get_close_matches(topic, topics, n=1)
    raise MosaicError(UnknownTopic(None, topic, near[0] if near else None))


def _lines(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"


def _contents(verbs: Mapping[str, Verb], operators: Mapping[str, Operator]) -> Iterator[str]:
    from mosaic.compiler.explain import diagnostics

    yield "Verbs"
    for verb in verbs.values():
        yield f"  {verb.name:<12}{verb.doc.splitlines()[0]}{'' if verb.available else ' (not available yet)'}"
    yield "\nOperators of fuse"
    for operator in operators.values():
        yield f"  {operator.name:<12}{operator.doc.splitlines()[0]}"
    yield "\nDiagnostics"
    for code, title in dict.fromkeys((kind.code, kind.title) for kind in diagnostics()):
        yield f"  {code:<12}{title}"
    yield "\nRead one: mosaic explain fuse"


def _verb(verb: Verb, operators: Mapping[str, Operator]) -> Iterator[str]:
    yield f"{verb.name} -> {verb.shown or verb.result}{'' if verb.available else '   (not available in this version)'}"
    yield f"\n{verb.doc}\n\n    {verb.example}\n"
    for parameter in verb.parameters:
        yield f"  {_spelling(parameter):<12}{_kinds(parameter):<18}{parameter.doc}{_bounds(parameter)}"
    if verb.variadic:
        yield f"  {'...':<12}{' | '.join(verb.variadic)}"
        yield f"\nOperators: {', '.join(operators)}. Read about one: mosaic explain {next(iter(operators), 'sum')}"


def _spelling(parameter: Parameter) -> str:
    name = parameter.name if parameter.positional else f"{parameter.name}:"
    return name if parameter.required else f"[{name}]"


def _kinds(parameter: Parameter) -> str:
    return parameter.shown or " | ".join(parameter.kinds)


def _bounds(parameter: Parameter) -> str:
    low, high = parameter.low, parameter.high
    if low is None and high is None:
        return ""
    below = "" if low is None else f"above {low:g}" if parameter.low_open else f"from {low:g}"
    return f" ({' '.join(filter(None, (below, '' if high is None else f'to {high:.16g}')))})"


def _operator(operator: Operator) -> Iterator[str]:
    settings = ", ".join(f"{s.name}: {s.kind} = {s.default}" for s in operator.settings)
    yield f"{operator.name}({settings})   version {operator.version}, from {operator.owner}"
    yield f"\n{operator.doc}\n"
    yield f"acts on      {operator.acts}"
    yield f"takes        {', '.join(sorted(operator.accepts))}"
    yield f"laws         {', '.join(sorted(operator.laws)) or 'none'}"
    yield f"evaluations  {operator.evaluations} a step"
