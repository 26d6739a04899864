"""The work of `mosaic plan --emit ir --after PASS` and `mosaic plan --why VALUE`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from mosaic.cli.table import described
from mosaic.compiler import Compiled
from mosaic.compiler.context import Context
from mosaic.compiler.ir.text import print_graph
from mosaic.compiler.near import nearest
from mosaic.compiler.program import Program
from mosaic.compiler.source import SourceFile
from mosaic.compiler.stages import STAGES, Stages, stages
from mosaic.compiler.why import Named, Reason, Why
from mosaic.runtime.origin import Origin

if TYPE_CHECKING:
    from mosaic.api.kept import Known

_MOST_PATHS = 3
_CACHED = {
    Origin.CACHE: ("  It is cached: a run reads it, and computes nothing for it.",),
    Origin.UNUSED: ("  A run does not need it now: what it is for is cached.",),
}


def answer(
    source: SourceFile,
    context: Context,
    compiled: Compiled,
    parameters: Mapping[str, object],
    *,
    after: str = "",
    why: str = "",
    known: Known | None = None,
) -> str:
    """The graphs of the plans as a pass leaves them (`after`), or why a value of the one plan is computed (`why`), with
    what is `known` of the cache.

    Raises typer.BadParameter for a pass, a value or a name that is not there.
    """
    found = stages(source, context, compiled, parameters)
    return _after(found, after) if after else _why(found[0], compiled.programs[0], why, known)


def _after(found: Sequence[Stages], stage: str) -> str:
    if stage not in STAGES:
        near = nearest(stage, STAGES)
        meant = f", did you mean {near}?" if near else "."
        raise typer.BadParameter(
            f"no pass `{stage}`{meant} One of: {', '.join(STAGES)}", param_hint="--after"
        )
    return "\n".join(print_graph(each.graphs[stage]) for each in found)


def _why(found: Stages, program: Program, wanted: str, known: Known | None) -> str:
    answers = Why(found)
    number = wanted.removeprefix("%")
    if number.isdecimal():
        reason = answers.of(int(number))
        if reason is None:
            last = len(program.instructions) - 1
            raise typer.BadParameter(f"the program has values %0 to %{last}", param_hint="--why")
        return "\n".join(_told(reason, program, known)) + "\n"
    named = answers.named(wanted)
    if named is None:
        raise typer.BadParameter(
            f"the plan has no name `{wanted}`, and values are written %0, %1 …", param_hint="--why"
        )
    blocks = [_meaning(named)]
    for each in named.numbers:
        reason = answers.of(each)
        assert reason is not None, "it is a value of the program"
        blocks.append("\n".join(_told(reason, program, known)))
    return "\n\n".join(blocks) + "\n"


def _meaning(named: Named) -> str:
    values = _values(named.numbers)
    if not named.numbers:
        return f"`{named.name}` is not computed: no emit needs it."
    if named.whole:
        return f"`{named.name}` is in {values}."
    return f"`{named.name}` is not computed as it stands; {values} came out of it."


def _told(reason: Reason, program: Program, known: Known | None) -> Iterator[str]:
    """A few sentences, the value's own line of the table first."""
    yield f"%{reason.number}  {described(program, reason.number)}"
    if reason.place is not None:
        file, (line, column) = reason.place.source.name, reason.place.source.position(reason.place.start)
        yield f"  It is written at {file}:{line}:{column}."
    if reason.written > 1:
        yield f"  The plan comes to it {reason.written} times; it is computed once."
    for path in sorted(reason.paths, key=len)[:_MOST_PATHS]:
        yield f"  {_path(path, program)}"
    if len(reason.paths) > _MOST_PATHS:
        yield f"  {len(reason.paths) - _MOST_PATHS} more files need it."
    if reason.needs:
        yield f"  It needs {_values(reason.needs)}."
    if known is not None and known.origins:
        yield from _CACHED.get(known.origins[reason.number], ())
    for hand in reason.hands:
        way = f" By way of {_values(hand.by_way_of)}." if hand.by_way_of else ""
        yield f"  Pass {hand.name}: {hand.summary[:1].lower()}{hand.summary[1:]}.{way}"


def _path(path: Sequence[int], program: Program) -> str:
    steps = " → ".join(f"%{value} {program.instructions[value].operation.op}" for value in path[1:-1])
    last = program.instructions[path[-1]].operation
    file = getattr(last, "path", "")
    if len(path) == 1:
        return f"It writes {file}."
    return f"{file} needs it: {steps + ' → ' if steps else ''}%{path[-1]}."


def _values(numbers: Sequence[int]) -> str:
    return ", ".join(f"%{number}" for number in numbers)
