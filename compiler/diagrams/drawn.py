"""From programs to boxes and arrows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mosaic.compiler.diagrams.model import Arrow, Box, Color, Drawing, Group, Origin, clean
from mosaic.compiler.diagrams.told import taken, told
from mosaic.compiler.program import Align, Emit, Fuse, LoadModel, Operation, Program


def drawing(
    programs: Sequence[Program],
    color: Color,
    *,
    seconds: Sequence[Sequence[float] | None] = (),
    origins: Sequence[Sequence[Origin]] = (),
    note: str = "",
) -> Drawing:
    """Programs as one drawing. `seconds` and `origins` are those of their instructions, where they are known."""
    times = seconds or [None] * len(programs)
    found = origins or [()] * len(programs)
    groups = [
        _group(number, program, time, origin)
        for number, (program, time, origin) in enumerate(zip(programs, times, found, strict=True))
    ]
    total = sum(box.seconds or 0.0 for group in groups for box in group.boxes)
    shared = tuple(
        replace(group, boxes=tuple(_with_share(box, total) for box in group.boxes)) for group in groups
    )
    return Drawing(shared, color, note)


def _with_share(box: Box, total: float) -> Box:
    return replace(box, share=box.seconds / total) if box.seconds and total else box


def _group(
    number: int, program: Program, seconds: Sequence[float] | None, origins: Sequence[Origin]
) -> Group:
    made = {each.result: f"p{number}v{each.result}" for each in program.instructions}
    needed = _needed_by(program)
    boxes, arrows = list[Box](), dict[Arrow, None]()
    shown = set[int]()
    for at, instruction in enumerate(program.instructions):
        operation, id_ = instruction.operation, made[instruction.result]
        for expert in _experts(operation):
            name = f"p{number}x{expert}"
            if expert not in shown:
                shown.add(expert)
                boxes.append(_expert(name, program, expert))
            arrows[Arrow(name, id_, "expert")] = None
        for value, kind in taken(operation):
            arrows[Arrow(made[value], id_, kind)] = None
        origin = origins[at] if origins else Origin.COMPUTED
        if origin is Origin.COMPUTED and len(needed[at]) > 1:
            origin = Origin.SHARED
        title, detail = map(clean, told(operation, program))
        time = seconds[at] if seconds is not None else None
        boxes.append(Box(id_, operation.op, title, detail, time, origin=origin))
    return Group(clean(f"plan {program.source.plan}"), tuple(boxes), tuple(arrows))


def _expert(name: str, program: Program, number: int) -> Box:
    expert = program.experts[number]
    return Box(name, "expert", clean(expert.id), clean(expert.kind))


def _experts(operation: Operation) -> Iterator[int]:
    """Experts whose files an operation reads."""
    match operation:
        case LoadModel(expert=expert):
            yield expert
        case Fuse(operands=operands, bridges=bridges):
            yield from (each.expert for each in operands if each.expert is not None)
            yield from (each.expert for each in bridges)
        case Align(bridge=bridge):
            if bridge is not None:
                yield bridge


def _needed_by(program: Program) -> list[set[int]]:
    """For each instruction, the emits that its result goes into."""
    at = {each.result: number for number, each in enumerate(program.instructions)}
    needed: list[set[int]] = [set() for _ in program.instructions]
    for number in range(len(needed) - 1, -1, -1):
        operation = program.instructions[number].operation
        if isinstance(operation, Emit):
            needed[number].add(number)
        for value, _ in taken(operation):
            needed[at[value]] |= needed[number]
    return needed
