"""`mosaic diff`: what changed between two versions of plans, by meaning."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.api.reports import Status
from mosaic.cli.console import guarded
from mosaic.cli.options import CATALOG, DEVICE

if TYPE_CHECKING:
    from mosaic.api.comparing import Difference
    from mosaic.cli.beside import Pair
    from mosaic.sides import Given, Reader, Side


class Format(StrEnum):
    """How to print what differs."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


@guarded
def diff(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="OLD NEW",
            help="Two plans, folders of plans, compiled programs (.json), pictures, latents or models that carry "
            "their plan, or REVISION:PATH. With --git: REVISION [REVISION] [PATH]...",
        ),
    ],
    git: Annotated[
        bool, typer.Option("--git", help="Compare a revision with another one, or with the work tree.")
    ] = False,
    textconv: Annotated[
        bool, typer.Option("--textconv", help="Print one plan's normal form, for git to compare.")
    ] = False,
    format_: Annotated[Format, typer.Option("--format", help="How to print what differs.")] = Format.TEXT,
    json_output: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 1 where something differs.")
    ] = False,
    run: Annotated[
        bool, typer.Option("--run", help="Run both sides, and write their pictures side by side.")
    ] = False,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Where the pictures of --run go.")
    ] = Path("diff"),
    at: Annotated[
        Path | None,
        typer.Option(
            "--at",
            metavar="PATH",
            help="Where the plans stand, if git wrote them elsewhere.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Give a parameter a value, on both sides."),
    ] = None,
    catalog: Annotated[Path | None, CATALOG] = None,
    device: Annotated[str | None, DEVICE] = None,
) -> None:
    """Say what changed between two versions of plans, by meaning: names, order and layout are no difference."""
    from mosaic.api.comparing import between, reader_by
    from mosaic.api.sources import readable
    from mosaic.cli.given import Given as Values

    given = Values(settings or ())
    with ExitStack() as stack:
        if textconv:
            _textconv(_lenient(stack, catalog, device, given.of), what, at)
            return
        reader = reader_by(stack, catalog, device, given.of)
        with readable():
            old, new = _revisions(reader, what) if git else _named(reader, what, at)
        given.require_all_used()
        found = between(old, new)
        pairs = _run(found, output) if run else None
    _print(found, pairs, Format.JSON if json_output else format_)
    raise SystemExit(int(Status.ERRORS if exit_code and found.differs else Status.CLEAN))


def _lenient(stack: ExitStack, catalog: Path | None, device: str | None, given: Given) -> Reader:
    """What reads sides for git, which is to show a difference even where the settings are wrong."""
    from mosaic.api.comparing import reader_by
    from mosaic.compiler.diagnostic import MosaicError
    from mosaic.sides import Reader

    try:
        return reader_by(stack, catalog, device, given)
    except MosaicError:
        return Reader(stack, catalog, device, given)


def _named(reader: Reader, what: Sequence[str], at: Path | None) -> tuple[Side, Side]:
    if len(what) != 2:
        raise typer.BadParameter("two are compared: OLD and NEW (or --git, with a revision)")
    old, new = what
    return reader.side(old, at), reader.side(new, at)


def _revisions(reader: Reader, what: Sequence[str]) -> tuple[Side, Side]:
    """A revision beside another one, where the second word names one and no file, or beside the work tree."""
    from mosaic.api.comparing import revisions
    from mosaic.compiler.diagnostic import MosaicError
    from mosaic.revisions import Repository

    if not what:
        raise typer.BadParameter("--git takes a revision")
    new, paths = None, list(what[1:])
    if paths and not Path(paths[0]).exists():
        try:
            Repository.around(Path.cwd()).revision(paths[0])
            new = paths.pop(0)
        except MosaicError:
            pass  # then it is a path, of a file that is gone
    return revisions(reader, what[0], new, paths or ["."])


def _textconv(reader: Reader, what: Sequence[str], at: Path | None) -> None:
    """The normal form of a plan; of one that does not compile alone its text, so that git never fails over it."""
    from mosaic.api.sources import readable
    from mosaic.cli import console
    from mosaic.compiler.comparing.normal import normal
    from mosaic.compiler.diagnostic import MosaicError
    from mosaic.project import read

    if len(what) != 1:
        raise typer.BadParameter("--textconv takes one file")
    with readable():
        source = read(what[0])
    try:
        side = reader.side(what[0], at or _tracked(Path(what[0])))
    except MosaicError as error:
        console.show(error.diagnostics, to_stderr=True)
        typer.echo(source.text, nl=False)
        return
    # What holds fragments alone has no plan to be in a normal form.
    typer.echo(normal(side.versions) if side.versions else source.text, nl=False)


def _tracked(path: Path) -> Path | None:
    """Where a plan stands that git wrote to a temporary folder: where the one tracked file of its name is."""
    from mosaic.compiler.diagnostic import MosaicError
    from mosaic.revisions import Repository

    try:
        repository = Repository.around(Path.cwd())
    except MosaicError:
        return None
    if repository.path(path) is not None:
        return None
    found = repository.tracked(path.name)
    return repository.top / found[0] if len(found) == 1 else None


def _run(found: Difference, output: Path) -> list[Pair]:
    from mosaic.caches import open_cache
    from mosaic.cli import beside
    from mosaic.cli.progress import progress
    from mosaic.project import engine

    with progress() as bars:
        worker = engine(progress=bars, cache=open_cache(None))
        return beside.run(worker, found.comparison, found.old.versions, found.new.versions, output)


def _print(found: Difference, pairs: Sequence[Pair] | None, format_: Format) -> None:
    from mosaic.cli import beside, console

    if format_ is Format.JSON:
        pictures = None if pairs is None else beside.document(pairs)
        console.print_json({**found.document(), "pictures": pictures})
    elif format_ is Format.MARKDOWN:
        typer.echo(found.markdown(), nl=False)
        if pairs:
            typer.echo(f"\n{beside.markdown(pairs)}", nl=False)
    else:
        typer.echo(found.text(color=console.colored(sys.stdout)), nl=False)
        if pairs:
            typer.echo("\n" + "\n".join(beside.lines(pairs)))
