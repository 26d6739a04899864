"""`mosaic catalog add`: read experts from files and folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.catalog.options import CATALOG, JSON
from mosaic.cli.console import guarded
from mosaic.compiler.types import Family

_ONE = "Statements about one expert"
_ALL = "Statements about every expert that is read"


@guarded
def add(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files, models' folders, folders of them.")
    ],
    id: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="Its id, studio/neon for one.", rich_help_panel=_ONE),
    ] = None,
    title: Annotated[
        str | None, typer.Option("--title", help="Its name for people.", rich_help_panel=_ONE)
    ] = None,
    trigger: Annotated[
        str | None,
        typer.Option("--trigger", metavar="WORDS", help="The words that call it.", rich_help_panel=_ONE),
    ] = None,
    strength: Annotated[
        str | None,
        typer.Option(
            "--strength", metavar="0.4..1.0", help="Where it is known to work.", rich_help_panel=_ONE
        ),
    ] = None,
    excludes: Annotated[
        list[str] | None,
        typer.Option("--excludes", metavar="ID", help="An expert it does not go with.", rich_help_panel=_ONE),
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="A safety expert: nothing is fused after it.", rich_help_panel=_ONE)
    ] = False,
    license: Annotated[
        str | None,
        typer.Option(
            "--license", metavar="SPDX", help="The licence, Apache-2.0 for one.", rich_help_panel=_ALL
        ),
    ] = None,
    rating: Annotated[
        str | None, typer.Option("--rating", help="general, mature or explicit.", rich_help_panel=_ALL)
    ] = None,
    family: Annotated[
        Family | None,
        typer.Option("--family", help="The family, where tensors do not tell.", rich_help_panel=_ALL),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="WORD", help="A word to be found by.", rich_help_panel=_ALL),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            metavar="NAME",
            help="What ids begin with \\[default: local].",
            rich_help_panel=_ALL,
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Read files too that look as when they were catalogued.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Processes that read \\[default: one a core, at most 8]."),
    ] = None,
    catalog: Annotated[Path | None, CATALOG] = None,
    json_output: Annotated[bool, JSON] = False,
) -> None:
    """Catalogue the experts in files and folders: 0 all, 1 something was refused, 2 no usable catalog.

    Nothing is loaded or executed: headers are read and bytes hashed. What has not changed since it was
    catalogued is skipped, so that the same command brings a catalog up to date.
    """
    from mosaic.api.catalog.adding import Request
    from mosaic.catalog.licence_text import licence
    from mosaic.catalog.reading import Declared
    from mosaic.cli.catalog.running_add import run_add

    stated = Declared(
        id=id,
        title=title,
        trigger=trigger,
        license=licence(license) if license else None,
        rating=rating,
        strengths=_strengths(strength),
        excludes=tuple(excludes or ()),
        last=last or None,
        tags=tuple(tag or ()),
        family=family.value if family else None,
    )
    run_add(Request(tuple(paths), stated, namespace, again, jobs), catalog, json_output=json_output)


def _strengths(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    low, dots, high = text.partition("..")
    try:
        return float(low), float(high if dots else low)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no range such as 0.4..1.0", param_hint="--strength") from None
