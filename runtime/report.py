"""The report of a run: `report.json` for machines, and one self-contained page for people."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2

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
    Mask,
    Operand,
    Operation,
    Program,
    PromptPart,
    Rectangle,
    Refine,
    Resume,
)
from mosaic.runtime.diagram import draw
from mosaic.runtime.origin import Origin
from mosaic.runtime.outputs import expert_rows
from mosaic.runtime.results import RunResult
from mosaic.runtime.writing import write

VERSION: Final = 1
"""The version of `report.json`. A change that older readers would misread raises it."""


def write_report(program: Program, result: RunResult, folder: Path, before: str = "") -> Path:
    """Write `report.json` and `report.html` into a folder and return the page's path. `before` is the name of a page in
    that folder about how the plan came to be, to which this one leads.

    Raises MosaicError (M855) where they cannot be written.
    """
    document = describe(program, result)
    write(folder / "report.json", (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode())
    page = folder / "report.html"
    write(page, _page(program, result, document, before).encode())
    return page


def describe(program: Program, result: RunResult) -> dict[str, Any]:
    """The content of `report.json`; docs/json.md describes it."""
    keys = {count.expert: count for count in result.keys}
    duties = {duty.expert: duty for duty in program.rights.duties}
    experts = [
        {
            **row,
            "trigger": expert.trigger,
            "family": expert.family,
            "bytes": sum(file.size for file in expert.files),
            "keys": asdict(keys[expert.id]) if expert.id in keys else None,
            "rights": duties[number].model_dump(mode="json", exclude={"expert"})
            if number in duties
            else None,
        }
        for number, (row, expert) in enumerate(zip(expert_rows(program), program.experts, strict=True))
    ]
    for row in experts:
        if row["keys"]:
            del row["keys"]["expert"]
    return {
        "version": VERSION,
        "program": result.program,
        "plan": program.source.plan,
        "source": program.source.name,
        "parameters": program.source.parameters,
        "emitted": [
            {"path": e.name, "type": e.type, "sha256": e.sha256, "batched": e.name in result.batched}
            for e in result.emitted
        ],
        "experts": experts,
        "policy": program.rights.policy,
        "rating": program.rights.rating,
        "instructions": [
            {
                "op": timing.op,
                "label": timing.label,
                "detail": _detail(program, instruction.operation),
                "seconds": round(timing.seconds, 6),
                "source": str(timing.source),
            }
            for timing, instruction in zip(result.timings, program.instructions, strict=True)
        ],
        "seconds": round(result.seconds, 6),
        "evaluations": result.evaluations,
        "rows": result.rows,
        "truncations": [asdict(each) for each in result.truncations],
        "device": result.device,
        "dtype": result.dtype,
        "versions": dict(result.versions),
    }


def _page(program: Program, result: RunResult, document: dict[str, Any], before: str) -> str:
    labels = {t.instruction: (_title(t.label), _second(program, t.instruction)) for t in result.timings}
    pictures = [
        {"name": emitted.name, "data": base64.b64encode(emitted.path.read_bytes()).decode()}
        for emitted in result.emitted
        if emitted.type == "image"
    ]
    operations = [instruction.operation for instruction in program.instructions]
    longest = max((timing.seconds for timing in result.timings), default=0.0) or 1.0
    page: str = _template().render(
        report=document,
        before=before,
        text=program.source.text,
        pictures=pictures,
        prompts=list(dict.fromkeys(o.text for o in operations if isinstance(o, EncodeText) and o.text)),
        diagram=draw(program.instructions, labels),
        longest=longest,
        sources=_SOURCES,
        clauses=list(dict.fromkeys(clause for duty in program.rights.duties for clause in duty.clauses)),
    )
    return page


@cache
def _template() -> jinja2.Template:
    # Prompts, titles and file names come from outside: everything is escaped, nothing is marked safe.
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        autoescape=True, loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["size"] = _size
    environment.filters["strength"] = lambda value: f"{value:g}"
    environment.filters["seconds"] = _seconds
    return environment.get_template("report.html.j2")


def _detail(program: Program, operation: Operation) -> str:
    """What an instruction does, in a line."""
    match operation:
        case LoadModel(expert=expert):
            return f"family {program.experts[expert].family}"
        case Fuse():
            parts = (_operand(program, operand) for operand in operation.operands)
            return f"{operation.operator}: {', '.join(parts)}"
        case EncodeText(text=text):
            return f"“{text}”" if text else "no words"
        case CombinePrompts(parts=prompts):
            return ", ".join(
                f"prompt {n} × {each.weight:g}{_place(each)}" for n, each in enumerate(prompts, 1)
            )
        case Align(bridge=bridge):
            return "through the picture" if bridge is None else f"by {program.experts[bridge].id}"
        case Denoise():
            whole = "" if operation.until == 1 else f" until {operation.until:.0%}"
            return (
                f"{operation.steps} steps{whole}, {operation.scheduler}, guidance {operation.guidance:g}, "
                f"{operation.width}×{operation.height}, seed {operation.seed}"
            )
        case Resume():
            steps = "" if operation.steps is None else f"{operation.steps} steps, "
            until = "the end" if operation.until == 1 else f"{operation.until:.0%}"
            return f"{steps}to {until}, guidance {operation.guidance:g}"
        case Refine():
            return (
                f"strength {operation.strength:g} of {operation.steps} steps, {operation.scheduler}, "
                f"guidance {operation.guidance:g}, seed {operation.seed}"
            )
        case Decode(tile=tile) | EncodeImage(tile=tile):
            return "by the model's VAE" + (f", in tiles of {tile[0]}×{tile[1]}" if tile else "")
        case LoadImage(file=file):
            return program.images[file].name
        case Emit():
            return operation.type


def _operand(program: Program, operand: Operand) -> str:
    named = "a model" if operand.expert is None else program.experts[operand.expert].id
    return f"{named} × {operand.strength:g}{_place(operand)}"


def _place(each: Operand | PromptPart) -> str:
    """Where and when an operand or a prompt counts."""
    window = "" if each.window is None else f" during {each.window[0]:.0%}–{each.window[1]:.0%}"
    match each.region:
        case Rectangle(x=x, y=y, width=width, height=height):
            return f"{window} in the rectangle {x:.0%}, {y:.0%}, {width:.0%} × {height:.0%}"
        case Mask():
            return f"{window} in a mask"
        case None:
            return window


_SOURCES: Final = {
    Origin.COMPUTED: "",
    Origin.SHARED: "shared",
    Origin.CACHE: "from the cache",
    Origin.UNUSED: "not needed",
}


def _title(label: str) -> str:
    return label[:1].upper() + label[1:]


def _second(program: Program, number: int) -> str:
    """The second line of a box."""
    operation = program.instructions[number].operation
    match operation:
        case Denoise():
            return f"{operation.steps} steps, {operation.scheduler}"
        case Refine():
            return f"strength {operation.strength:g}"
        case Fuse():
            return f"by {operation.operator}"
        case _:
            return _detail(program, operation)


def _size(count: int) -> str:
    """Bytes for people."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} GB"


def _seconds(value: float) -> str:
    """Seconds for people."""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"
