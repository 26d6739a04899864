"""Compiled plans as drawings: what `mosaic graph` prints."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from mosaic.api.opening import open_project
from mosaic.api.selecting import settings_of
from mosaic.api.texts import Text, read_source
from mosaic.caches import open_cache
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.diagrams import dot, html, mermaid, svg
from mosaic.compiler.diagrams.drawn import drawing
from mosaic.compiler.diagrams.model import Color, Drawing, Origin

if TYPE_CHECKING:
    from mosaic.compiler import Compiled
    from mosaic.compiler.context import Context
    from mosaic.compiler.program import Program

Format = Literal["mermaid", "dot", "svg", "html"]
RENDER: Final = {"mermaid": mermaid.render, "dot": dot.render, "svg": svg.render, "html": html.render}
"""How a drawing is written, by the name of the format."""

NO_PROFILE: Final = "no cost known: this device was never measured (mosaic calibrate, or --device h100)"


def graph(
    plan: Text,
    *,
    format: Format = "mermaid",
    color: Literal["cost", "source"] = "cost",
    only: str | None = None,
    parameters: Mapping[str, object] | None = None,
    catalog: str | os.PathLike[str] | None = None,
    device: str | None = None,
    locked: bool = False,
    frozen: bool = False,
    cache: str | os.PathLike[str] | None = None,
) -> str:
    """The compiled plans of a file or text, or `only` the one of that name, as a drawing.

    Coloured by predicted `"cost"` (grey where no device is known), or by `"source"`: what a run on this machine would
    read from the cache, make once for several files, or compute.

    Raises MosaicError with every diagnostic where the plans have errors.

    >>> print(mosaic.graph(PLAN).splitlines()[0])
    flowchart TD
    >>> mosaic.graph(PLAN, format="svg", device="h100")[:4]
    '<svg'
    """
    found, _ = draw(
        plan,
        Color(color),
        only=only,
        parameters=parameters,
        catalog=_path(catalog),
        device=device,
        locked=locked,
        frozen=frozen,
        cache=_path(cache),
    )
    return RENDER[format](found)


def draw(
    plan: Text,
    color: Color,
    *,
    only: str | None = None,
    parameters: Mapping[str, object] | None = None,
    catalog: Path | None = None,
    device: str | None = None,
    locked: bool = False,
    frozen: bool = False,
    cache: Path | None = None,
) -> tuple[Drawing, tuple[Diagnostic, ...]]:
    """The drawing before it is written, and what compiling warned of."""
    source = read_source(plan)
    said = settings_of(source.name)
    with open_project(
        said.catalog_for(catalog), locked=locked, frozen=frozen, device=said.device_for(device), fits=True
    ) as project:
        # Without a budget nothing is priced unless others are asked for.
        compiled = project.compile(source, plan=only, parameters=parameters, alternatives=1)
        context = project.context(source)
        if color is Color.COST:
            return _by_cost(compiled, context), compiled.diagnostics
        return _by_source(compiled.programs, context, cache), compiled.diagnostics


def _by_cost(compiled: Compiled, context: Context) -> Drawing:
    seconds = [_seconds(compiled, program) for program in compiled.programs]
    profile = context.profile
    if profile is None or not any(seconds):
        return drawing(compiled.programs, Color.COST, note=NO_PROFILE)
    note = f"on {profile.name} in {profile.dtype}{', an estimate' if profile.is_estimate else ''}"
    return drawing(compiled.programs, Color.COST, seconds=seconds, note=note)


def _seconds(compiled: Compiled, program: Program) -> list[float] | None:
    decision = compiled.decisions.get(program.source.plan)
    if decision is None or decision.chosen is None:
        return None
    return [priced.seconds + priced.load for priced in decision.chosen.prediction.in_order]


def _by_source(programs: Sequence[Program], context: Context, cache: Path | None) -> Drawing:
    from mosaic.api.kept import ask
    from mosaic.runtime.origin import Origin as Found

    profile = context.profile
    if profile is not None and profile.is_estimate:
        note = f"what is cached is not asked for another device than this one ({profile.name})"
        return drawing(programs, Color.SOURCE, note=note)
    kept = ask(open_cache(cache), programs, context.operators, profile)
    names = {
        Found.COMPUTED: Origin.COMPUTED,
        Found.SHARED: Origin.SHARED,
        Found.CACHE: Origin.CACHED,
        Found.UNUSED: Origin.UNUSED,
    }
    origins = [tuple(names[each] for each in found) for found in kept.origins]
    note = f"cached: {kept.reason}" if kept.reason else ""
    return drawing(programs, Color.SOURCE, origins=origins, note=note)


def _path(path: str | os.PathLike[str] | None) -> Path | None:
    return Path(path) if path is not None else None
