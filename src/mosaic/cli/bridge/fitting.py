"""The work of `mosaic bridge fit`."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from mosaic.cli import console
from mosaic.cli.progress import progress
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.errors.bridges import NoPrompts, SpacesAlike, TooFewPictures, UnnamedSpace
from mosaic.compiler.errors.inputs import NoSuchFile, NotText
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.source import SourceFile
from mosaic.compiler.types import Kind
from mosaic.project import DeviceName, Project, engine, read_bytes

if TYPE_CHECKING:
    from mosaic.compiler.program import Expert
    from mosaic.runtime.engine import Engine
    from mosaic.runtime.fitting import Fitted, Measured
    from mosaic.runtime.progress import Progress
    from mosaic.runtime.values import Image

PLAN: Final = SourceFile(
    "<bridge fit>",
    """mosaic 1
param model: text
param words: text = ""
param seed: int = 0
plan sampled {
  emit sample(checkpoint(model), prompt: words, seed: seed) as "sample.png"
}
""",
)
"""What the first model draws, one run a picture."""
_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp")
_LARGEST_LIST: Final = 16_000_000
_USUAL: Final = (512, 512)


@dataclass(frozen=True)
class Request:
    """What the command was asked."""

    source: str
    target: str
    output: Path
    pictures: Path | None
    samples: int
    prompts: Path | None
    prompt: tuple[str, ...]
    seed: int
    form: str
    kernel: int
    steps: int
    width: int
    license: str
    register: bool
    catalog: Path | None
    device: DeviceName
    json_output: bool


@dataclass(frozen=True)
class Made:
    """A bridge as it was written. `id` is the one that it was registered under, else empty."""

    path: Path
    sha256: str
    source: str
    target: str
    measured: Measured
    id: str = ""


def run_fit(request: Request) -> None:
    """Fit, write, register, say how good it is. Raises MosaicError."""
    with Project(request.catalog) as project:
        source, target = (_checkpoint(project, name) for name in (request.source, request.target))
        if source.space == target.space:
            raise MosaicError(SpacesAlike(None, source.id, target.id, str(source.space)))
        words = _words(request, source) if request.samples else ()
        paths = _paths(request.pictures) if request.pictures is not None else ()
        with progress() as bars:
            worker = engine(device=request.device, progress=bars)
            fitted = _fit(request, project, (source, target), words, paths, worker, bars)
            made = _write(request, fitted)
    if request.register:
        made = _registered(request, made)
    _show(request, fitted, made)


def _checkpoint(project: Project, reference: str) -> ExpertFacts:
    """A checkpoint by id or path. Raises MosaicError where there is none, or its latent space is not known (M873)."""
    asked = SourceFile("<command line>", reference)
    facts = project.context(asked).experts.resolve(Kind.CHECKPOINT, reference, asked.span(0, len(reference)))
    if isinstance(facts, Diagnostic):
        raise MosaicError(facts)
    if facts.space is None:
        raise MosaicError(UnnamedSpace(None, facts.id))
    return facts


def _words(request: Request, source: ExpertFacts) -> Sequence[str]:
    """A prompt for each sample: those that are given, in turn, or captions of the zoo for a model of the zoo."""
    given = list(request.prompt)
    if request.prompts is not None:
        given += _lines(request.prompts)
    if not given and request.prompts is None and source.id.startswith("zoo/"):
        return _captions(request.samples, request.seed)
    if not given:
        where = (
            f"`{request.prompts}`"
            if request.prompts is not None
            else "the command: give --prompt or --prompts"
        )
        raise MosaicError(NoPrompts(None, where))
    return [given[number % len(given)] for number in range(request.samples)]


def _lines(path: Path) -> list[str]:
    try:
        text = read_bytes(path, _LARGEST_LIST).decode("utf-8")
    except UnicodeDecodeError:
        raise MosaicError(NotText(None, str(path))) from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def _captions(count: int, seed: int) -> list[str]:
    from mosaic.stdlib.zoo import world

    drawn = random.Random(seed)
    return [world.caption(world.base_scene(drawn)) for _ in range(count)]


def _paths(folder: Path) -> Sequence[Path]:
    if not folder.is_dir():
        raise MosaicError(NoSuchFile(None, str(folder)))
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())


def _fit(
    request: Request,
    project: Project,
    ends: tuple[ExpertFacts, ExpertFacts],
    words: Sequence[str],
    paths: Sequence[Path],
    worker: Engine,
    bars: Progress | None,
) -> Fitted:
    from mosaic.runtime import fitting, pictures
    from mosaic.runtime.values import Model

    count = len(words) or len(paths)
    where = f"`{request.pictures}`" if request.pictures is not None else "what --samples asks for"
    if count < fitting.LEAST:
        raise MosaicError(TooFewPictures(None, count, fitting.LEAST, where))
    source, target = (_expert(project, reference) for reference in (request.source, request.target))
    shown = (
        _drawn(request, project, words, worker)
        if words
        else [pictures.load(path, str(path)) for path in paths]
    )
    width, height = ends[0].native_size or ends[1].native_size or _USUAL
    shown = [fitting.squared(image, width, height) for image in shown]
    settings = fitting.Settings(
        form=request.form, kernel=request.kernel, width=request.width, steps=request.steps, seed=request.seed
    )
    if bars is not None:
        bars.stage("fit", 2 * request.steps if request.form == "conv" else 1)
    models = [Model.of(worker.base(expert)) for expert in (source, target)]
    advance = bars.advance if bars is not None else _silent
    return fitting.fit(models[0], models[1], shown, settings, where, advance)


def _silent(done: int) -> None:
    """Nobody watches."""


def _expert(project: Project, reference: str) -> Expert:
    return project.compile(PLAN, parameters={"model": reference}).programs[0].experts[0]


def _drawn(request: Request, project: Project, words: Sequence[str], worker: Engine) -> list[Image]:
    from mosaic.runtime import pictures

    drawn = []
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(words):
            settings = {"model": request.source, "words": text, "seed": request.seed + number}
            program = project.compile(PLAN, parameters=settings).programs[0]
            file = worker.run(program, Path(folder)).emitted[0]
            drawn.append(pictures.load(file.path, file.name))
    return drawn


def _write(request: Request, fitted: Fitted) -> tuple[Made, ...]:
    from mosaic.runtime.bridges import write_bridge

    paths = (request.output, request.output.with_suffix(f".back{request.output.suffix}"))
    made = []
    for path, bridge, measured in zip(paths, (fitted.there, fitted.back), fitted.measured, strict=True):
        told = {
            "r2": f"{measured.r2:.4f}",
            "round_trip_r2": f"{measured.round_trip:.4f}",
            "psnr": f"{measured.psnr:.2f}",
            "kernel": str(request.kernel),
            "fitted_on": str(fitted.fitted),
            "held_out": str(fitted.held_out),
            "data": "samples" if request.samples else "pictures",
        }
        sha256 = write_bridge(bridge, path, told, license=request.license)
        made.append(Made(path, sha256, bridge.source, bridge.target, measured))
    return tuple(made)


def _registered(request: Request, made: Sequence[Made]) -> tuple[Made, ...]:
    """Add what was made to the catalog, as `mosaic catalog add` does."""
    from dataclasses import replace

    from mosaic.catalog.reading import Refusal, read_one, shipped
    from mosaic.cli.catalog.opened import writing
    from mosaic.stdlib import zoo

    records = []
    for each in made:
        record = read_one(each.path.absolute())
        if isinstance(record, Refusal):
            raise MosaicError(*record.diagnostics)
        records.append(record)
    with writing(request.catalog) as store:
        store.put(shipped(zoo.index(), zoo.root()))
        store.put(records)
        held = [
            next((f.id for f in store.by_digest(each.sha256) if f.kind is Kind.BRIDGE), "") for each in made
        ]
    return tuple(replace(each, id=id) for each, id in zip(made, held, strict=True))


def _show(request: Request, fitted: Fitted, made: Sequence[Made]) -> None:
    if request.json_output:
        console.print_json(
            {"version": console.JSON_VERSION, "bridges": [_document(request, fitted, each) for each in made]}
        )
        return
    for each in made:
        typer.echo(f"{each.path}  {each.source} to {each.target}{f', as {each.id}' if each.id else ''}")
        typer.echo(
            f"  R² {each.measured.r2:.3f}, there and back {each.measured.round_trip:.3f},"
            f" pictures {each.measured.psnr:.1f} dB"
        )
    typer.echo(f"fitted on {fitted.fitted} pictures, measured on {fitted.held_out} others")


def _document(request: Request, fitted: Fitted, made: Made) -> dict[str, Any]:
    return {
        "path": str(made.path),
        "sha256": made.sha256,
        "id": made.id or None,
        "source": made.source,
        "target": made.target,
        "form": request.form,
        "kernel": request.kernel,
        "r2": round(made.measured.r2, 4),
        "round_trip": round(made.measured.round_trip, 4),
        "psnr": round(made.measured.psnr, 2),
        "fitted_on": fitted.fitted,
        "held_out": fitted.held_out,
    }
