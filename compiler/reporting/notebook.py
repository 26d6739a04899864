"""Plans, programs and results as notebooks show them: the rich forms that Jupyter asks objects for. All text is
escaped."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mosaic.compiler import Compiled
    from mosaic.compiler.cost.predict import Prediction
    from mosaic.compiler.program import Program

Bundle = dict[str, str | bytes]
"""A form by its media type; what IPython encodes itself is bytes."""

MOST_PICTURES: Final = 16
"""Pictures shown of one result."""
MOST_BYTES: Final = 4 * 2**20
"""Bytes of the largest picture that is shown: a notebook keeps what it shows."""
MOST_DRAWN: Final = 200
"""Instructions of the largest plans that are drawn."""


@dataclass(frozen=True)
class Shown:
    """One emitted file; `png` where it is a picture that is shown."""

    name: str
    digest: str
    png: bytes | None = None


def of_compiled(compiled: Compiled) -> Bundle:
    """A table of plans, with a drawing, or what is wrong with them."""
    from mosaic.compiler.reporting.text import render_text

    rows = [_row(compiled, program) for program in compiled.programs]
    head = ("plan", "experts", "choices", "predicted s (warm)", "evaluations")
    said = render_text(compiled.diagnostics, color=False) if compiled.diagnostics else ""
    html = _table(head, rows) if rows else ""
    html += f"<pre>{escape(said)}</pre>" if said else ""
    plain = "\n".join(["  ".join(row) for row in (head, *rows)] if rows else [])
    return {
        "text/plain": "\n".join(filter(None, (plain, said))) or "no plans",
        "text/html": (html or "<p>no plans</p>") + _drawing(compiled),
    }


def of_program(program: Program) -> Bundle:
    """Its digest, its size and its experts."""
    title = (
        f"program of plan {program.source.plan}, {len(program.instructions)} instructions, {program.digest}"
    )
    rows = [(each.id, each.kind, each.family or "", each.license or "") for each in program.experts]
    head = ("expert", "kind", "family", "licence")
    plain = "\n".join((title, *("  ".join(filter(None, row)) for row in rows)))
    return {"text/plain": plain, "text/html": f"<p>{escape(title)}</p>{_table(head, rows)}"}


def of_result(files: Sequence[Shown], seconds: float, evaluations: int) -> Bundle:
    """What was emitted, the pictures among it as they are; `image/png` where there is one picture."""
    title = f"{len(files)} emitted, {seconds:.1f} s, {evaluations} model evaluations"
    plain = "\n".join((title, *(f"{file.name}  sha256:{file.digest}" for file in files)))
    html = f"<p>{escape(title)}</p>" + "".join(_figure(file) for file in files)
    bundle: Bundle = {"text/plain": plain, "text/html": html}
    pictures = [file.png for file in files if file.png is not None]
    if len(files) == 1 and pictures:
        bundle["image/png"] = pictures[0]
    return bundle


def _row(compiled: Compiled, program: Program) -> tuple[str, ...]:
    plan = program.source.plan
    prediction = _prediction(compiled, program)
    return (
        plan,
        ", ".join(expert.id for expert in program.experts),
        "; ".join(f"{each.operator}: {each.reason}" for each in compiled.choices.get(plan, ())),
        f"{prediction.warm:.3g}" if prediction is not None else "not known",
        str(prediction.evaluations) if prediction is not None else "not known",
    )


def _drawing(compiled: Compiled) -> str:
    if not compiled.programs or sum(len(each.instructions) for each in compiled.programs) > MOST_DRAWN:
        return ""
    from mosaic.compiler.diagrams import svg
    from mosaic.compiler.diagrams.drawn import drawing
    from mosaic.compiler.diagrams.model import Color

    predicted = [_prediction(compiled, program) for program in compiled.programs]
    if not any(predicted):
        return svg.render(drawing(compiled.programs, Color.COST))
    seconds = [
        [priced.seconds + priced.load for priced in each.in_order] if each is not None else None
        for each in predicted
    ]
    return svg.render(drawing(compiled.programs, Color.COST, seconds=seconds))


def _prediction(compiled: Compiled, program: Program) -> Prediction | None:
    decision = compiled.decisions.get(program.source.plan)
    return decision.chosen.prediction if decision is not None and decision.chosen is not None else None


def _figure(file: Shown) -> str:
    caption = f"<figcaption>{escape(file.name)} <code>sha256:{escape(file.digest)}</code></figcaption>"
    if file.png is None:
        return f"<figure>{caption}</figure>"
    data = b64encode(file.png).decode("ascii")
    return f'<figure><img alt="" src="data:image/png;base64,{data}">{caption}</figure>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{line('th', head)}{''.join(line('td', row) for row in rows)}</table>"
