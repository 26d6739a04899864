"""A program as people read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from mosaic.cli.alternatives import alternatives
from mosaic.cli.predicted import range_taken, steps, summary
from mosaic.compiler.notation import taking_part
from mosaic.compiler.program import (
    Align,
    CombinePrompts,
    Decode,
    Denoise,
    Emit,
    EncodeImage,
    EncodeText,
    Fuse,
    LoadImage,
    LoadModel,
    Operand,
    Operation,
    Program,
    Refine,
    Resume,
)

if TYPE_CHECKING:
    from mosaic.api.kept import Known
    from mosaic.compiler import Compiled
    from mosaic.compiler.cost.profile import Profile
    from mosaic.compiler.decide import Decision
    from mosaic.compiler.ir.finds import Find
    from mosaic.compiler.ir.graph import Graph
    from mosaic.compiler.passes.choose_operators import Choice


def table(
    program: Program, compiled: Compiled, graph: Graph, profile: Profile | None, known: Known | None = None
) -> str:
    """Experts, instructions, choices, what was found of a program, what it is predicted to cost and what of it is
    cached, aligned."""
    source = program.source
    choices, finds = compiled.choices[source.plan], compiled.finds[source.plan]
    decision = compiled.decisions.get(source.plan)
    costs = steps(graph, decision) if decision is not None else []
    blocks = [
        f"plan {source.plan} of {source.name}\nprogram {program.digest}\nwrites {_written(program)}",
        _block("experts", _aligned(_experts(program))),
        _block("licences", _licences(program)),
        _block("parameters", [f"{name} = {value}" for name, value in source.parameters.items()]),
        _block("steps", _aligned(_steps(program, costs, known.marks() if known is not None else ()))),
        _block("choices", [*map(_choice, choices), *map(range_taken, compiled.steps[source.plan])]),
        _block("found", [line for find in finds for line in _found(find)]),
        _block("predicted", _predicted(decision, choices, graph, profile, known)),
        _block("cached", list(known.lines(len(_emits(program)))) if known is not None else []),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _predicted(
    decision: Decision | None,
    choices: Sequence[Choice],
    graph: Graph,
    profile: Profile | None,
    known: Known | None,
) -> list[str]:
    if decision is None or profile is None:
        return [
            "nothing: nobody measured this device (mosaic calibrate; --device h100 prices for another one)"
        ]
    return [*summary(decision, profile, graph.budget, known), *_aligned(alternatives(decision, choices))]


def _emits(program: Program) -> list[Emit]:
    return [each.operation for each in program.instructions if isinstance(each.operation, Emit)]


def _written(program: Program) -> str:
    return ", ".join(emit.path for emit in _emits(program)) or "nothing"


def _block(title: str, lines: Sequence[str]) -> str:
    return "\n  ".join([title, *lines]) if lines else ""


def _aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    table = [tuple(row) for row in rows]
    if not table:
        return []
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _experts(program: Program) -> Iterator[Sequence[str]]:
    if program.experts:
        yield "", "kind", "family", "latents", "predicts", "licence", "size"
    for expert in program.experts:
        yield (
            expert.id,
            expert.kind,
            expert.family or "",
            expert.latent_space or "",
            expert.prediction or "",
            expert.license or "licence unknown",
            _size(sum(file.size for file in expert.files)),
        )


def _licences(program: Program) -> list[str]:
    """What the plan's policy says of each expert, what is owed, and what is left to a person."""
    rights = program.rights
    if rights.policy is None:
        return []
    said = ", ".join(
        f"{key}: {str(value).lower() if isinstance(value, bool) else value}"
        for key, value in rights.policy.items()
    )
    lines = [f"policy {said}; {f'rated {rights.rating}' if rights.rating else 'rating not known'}"]
    rows = [
        (program.experts[duty.expert].id, duty.verdict or "not asked", "; ".join(duty.reasons))
        for duty in rights.duties
    ]
    lines += _aligned(rows)
    for duty in rights.duties:
        lines += [f"credit: {duty.credit}"] if duty.credit else []
        lines += [f"show: “{notice}”" for notice in duty.notices]
        lines += [f"pass on: {restriction}" for restriction in duty.restrictions]
        lines += [f"license the merge under {licence}" for licence in duty.share_alike]
    clauses = dict.fromkeys(clause for duty in rights.duties for clause in duty.clauses)
    return [*dict.fromkeys(lines), *(f"for a person: {clause}" for clause in clauses)]


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def _steps(program: Program, costs: Sequence[str], marks: Sequence[str]) -> Iterator[Sequence[str]]:
    for number, instruction in enumerate(program.instructions):
        frees = ", ".join(f"%{value}" for value in instruction.frees)
        operation = instruction.operation
        what = _what(operation, program)
        cost = (costs[number],) if costs else ()
        mark = (marks[number],) if marks else ()
        yield f"%{instruction.result}", operation.op, what, *cost, *mark, f"frees {frees}" if frees else ""


def described(program: Program, number: int) -> str:
    """An instruction as its line says it: `fuse  %0 with zoo/neon * 1 by sum rank=0`."""
    operation = program.instructions[number].operation
    return f"{operation.op}  {_what(operation, program)}"


def _what(operation: Operation, program: Program) -> str:
    match operation:
        case LoadModel():
            return program.experts[operation.expert].id
        case Fuse():
            operands = ", ".join(_operand(operand, program) for operand in operation.operands)
            settings = "".join(f" {name}={value}" for name, value in operation.settings.items())
            bridges = "".join(
                f"; from {way.source} to {way.target} by {program.experts[way.expert].id}"
                for way in operation.bridges
            )
            return (
                f"%{operation.model} with {operands or 'nothing'} by {operation.operator}{settings}{bridges}"
            )
        case EncodeText():
            return f'"{operation.text}" by %{operation.model}'
        case CombinePrompts():
            return ", ".join(
                taking_part(f"%{part.conditioning}", part.weight, part.window, part.region, program.images)
                for part in operation.parts
            )
        case Denoise():
            until = f" until {operation.until:.0%}" if operation.until < 1 else ""
            return f"{operation.width}x{operation.height}, {_run(operation)}{until}, by %{operation.model}"
        case Resume():
            until = f" until {operation.until:.0%}" if operation.until < 1 else ""
            return f"%{operation.latent}{until}, guidance {operation.guidance:g}, by %{operation.model}"
        case Refine():
            return (
                f"%{operation.latent} to {operation.strength:.0%}, {_run(operation)}, by %{operation.model}"
            )
        case Align(bridge=bridge):
            way = f"by {program.experts[bridge].id}" if bridge is not None else "through a picture"
            return f"%{operation.latent} of %{operation.source} into the space of %{operation.model}, {way}"
        case Decode():
            return f"%{operation.latent} by %{operation.model}{_tiles(operation)}"
        case EncodeImage():
            return f"%{operation.image} by %{operation.model}{_tiles(operation)}"
        case LoadImage():
            return program.images[operation.file].name
        case Emit():
            return f"%{operation.value} as {operation.path} ({operation.type})"


def _tiles(operation: Decode | EncodeImage) -> str:
    return f", in tiles of {operation.tile[0]}x{operation.tile[1]}" if operation.tile else ""


def _operand(operand: Operand, program: Program) -> str:
    """An operand as a plan writes it: `zoo/neon * 0.5 in rect(0%, 0%, 50%, 100%) during 0%..50%`."""
    name = f"%{operand.model}" if operand.expert is None else program.experts[operand.expert].id
    written = taking_part(name, operand.strength, operand.window, operand.region, program.images, always=True)
    return f"{written}, called by “{operand.words}”" if operand.words else written


def _run(operation: Denoise | Refine) -> str:
    steps, scheduler, seed = operation.steps, operation.scheduler, operation.seed
    return f"{steps} steps of {scheduler}, guidance {operation.guidance:g}, seed {seed}"


def _choice(choice: Choice) -> str:
    if not choice.operands:
        return f"{choice.operator}, as any other: there is nothing to blend"
    experts = " + ".join(choice.operands)
    return f"{choice.operator} for {experts}: {choice.reason}"


def _found(find: Find) -> Iterator[str]:
    yield f"{find.chosen} for {find.kind} “{find.words}”: {find.reason}"
    if find.others:
        yield f"  after it: {', '.join(find.others)}"
    for refused in find.refused:
        yield f"  not used: {refused}"
