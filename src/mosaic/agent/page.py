"""One self-contained page about a composition: its four steps, and why the plan is as it is."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mosaic.agent.showing import colored, marked, name_of, parts, taken, told
from mosaic.agent.tracing import write_trace
from mosaic.agent.values import Facet, FacetKind, Option, Round, Trace
from mosaic.compiler.reporting.text import visible
from mosaic.project import engine_missing, read_bytes
from mosaic.runtime.writing import write

if TYPE_CHECKING:
    import jinja2

PAGE: Final = "composition.html"
"""What the page is called in a folder of reports."""
DOCUMENT: Final = "composition.json"
"""What the trace is called beside it."""
_MAGIC: Final = ((b"\x89PNG\r\n", "png"), (b"\xff\xd8\xff", "jpeg"))


def write_page(trace: Trace, folder: Path, pictures: Sequence[Path] = ()) -> Path:
    """Write `composition.html`, and the trace as `composition.json`, into a folder and return the page's path.

    Raises MosaicError where a picture cannot be read (M801, M807), the files cannot be written (M855), or what makes
    pages is not installed (M880).
    """
    text = page(trace, pictures)
    write_trace(trace, folder / DOCUMENT)
    write(folder / PAGE, text.encode())
    return folder / PAGE


def page(trace: Trace, pictures: Sequence[Path] = ()) -> str:
    """A trace as HTML that needs nothing beside it. Of the files named, PNG and JPEG pictures are shown.

    Raises as `write_page` does. Every text of a trace is a stranger's: all of it is escaped, and what steers the
    direction of text is made visible.
    """
    facets = trace.decomposition.facets if trace.decomposition is not None else ()
    rendered: str = _template().render(
        trace=trace,
        request=trace.request,
        answer=trace.answer,
        facets=facets,
        pieces=marked(trace.request.text, facets),
        kinds=[str(kind) for kind in FacetKind if any(facet.kind is kind for facet in facets)],
        parts=parts(trace),
        candidates=list(_candidates(trace, facets)),
        taken=taken(trace),
        rounds=[(each, _diagnostics(each)) for each in trace.rounds],
        pictures=[shown for path in pictures if (shown := _picture(path))],
        experts=trace.shortlist.experts if trace.shortlist is not None else {},
        name=lambda place: name_of(facets, place),
        status=_status(trace),
    )
    return rendered


def _candidates(trace: Trace, facets: Sequence[Facet]) -> Iterator[tuple[str, str, list[Option]]]:
    """The options of each facet: what it is called, its kind, and who may serve it, the best first."""
    options = trace.shortlist.options if trace.shortlist is not None else ()
    for place, several in groupby(sorted(options, key=lambda each: each.facet), lambda each: each.facet):
        kind = str(facets[place].kind) if 0 <= place < len(facets) else ""
        yield name_of(facets, place), kind, list(several)


def _diagnostics(each: Round) -> list[Any]:
    plan = each.plan or each.draft.plan
    return [told(found, plan) for found in each.diagnostics]


def _status(trace: Trace) -> tuple[str, str]:
    """How it ended: the sort of an ending, and the words for it."""
    if trace.answer is None:
        return "open", "not finished"
    if not trace.answer.plan:
        return "none", "no plan can be made of it"
    if trace.answer.unmet:
        return "partly", "the nearest plan: not all of it can be met"
    return "met", "met"


def _picture(path: Path) -> dict[str, str] | None:
    data = read_bytes(path)
    form = next((form for magic, form in _MAGIC if data.startswith(magic)), None)
    if form is None:
        return None
    return {"name": path.name, "form": form, "data": base64.b64encode(data).decode()}


@cache
def _template() -> jinja2.Template:
    try:
        from jinja2 import FileSystemLoader, StrictUndefined
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ModuleNotFoundError as error:
        raise engine_missing(error) from None
    here = Path(__file__).parent
    environment = ImmutableSandboxedEnvironment(
        autoescape=True,
        finalize=_harmless,
        loader=FileSystemLoader([here, here.parent / "runtime"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        colored=colored, plain=lambda value: f"{value:g}", share=_share, width=_width, seconds=_seconds
    )
    return environment.get_template("page.html.j2")


def _harmless(value: object) -> object:
    """A text without what steers its direction or a terminal; lines stay lines. What a macro made is harmless."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in value.split("\n"))


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _width(value: float) -> str:
    """A bar's length for a share: percent of the whole."""
    return str(round(100 * min(max(value, 0.0), 1.0)))


def _seconds(value: float | None) -> str:
    """Seconds for people."""
    if value is None:
        return "–"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"
