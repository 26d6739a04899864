"""`mosaic mcp`: the catalog, the compiler and the engine as tools for agents."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mosaic.cli.console import guarded
from mosaic.cli.options import CATALOG, DEVICE

if TYPE_CHECKING:
    from mosaic.mcp.server import Service
    from mosaic.mcp.workbench import Options

_PLACE: Final = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]/\s]*):)?(?P<port>\d{1,5})")
_LOOPBACK: Final = "127.0.0.1"
_OURS: Final = (_LOOPBACK, "localhost", "::1")
_WARNING: Final = (
    "warning: whoever reaches {host} may have plans compiled and run here; nobody is asked for a key"
)
_BROUGHT: Final = frozenset({"mcp", "mcp_types", "anyio", "starlette", "uvicorn"})
"""What the `mcp` extra brings."""


@guarded
def mcp(
    http: Annotated[
        str | None,
        typer.Option(
            "--http",
            metavar="[HOST:]PORT",
            help="Serve streamable HTTP there, at /mcp, instead of standard input and output (host: 127.0.0.1 "
            "unless given; port 0: any that is free).",
            show_default=False,
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            metavar="DIR",
            help="Plans may name files below this folder (else none at all).",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Where runs write (else a temporary folder that goes with the server).",
            show_default=False,
        ),
    ] = None,
    catalog: Annotated[Path | None, CATALOG] = None,
    device: Annotated[str | None, DEVICE] = None,
) -> None:
    """Serve agents by the Model Context Protocol until the client leaves: search, compile, mend, price, run."""
    from mosaic.api.faults import UsageError

    place = None if http is None else _place(http)
    if root is not None and not root.is_dir():
        raise UsageError(f"{str(root)!r} is no folder", "--root")
    if output is not None and output.exists() and not output.is_dir():
        raise UsageError(f"{str(output)!r} is no folder", "--output")
    with _service(root, output, catalog, device) as service:
        if root is not None:
            os.chdir(root)  # fragments that name others are found from here
        from mosaic.mcp.serving import serve_http, serve_standard

        if place is None:
            serve_standard(service)
            return
        if place[0] not in _OURS:
            print(_WARNING.format(host=place[0]), file=sys.stderr)
        serve_http(service, *place)


def _service(root: Path | None, output: Path | None, catalog: Path | None, device: str | None) -> Service:
    """The service by the options and the settings of the current folder. Raises MosaicError (M878)."""
    from mosaic.compiler.diagnostic import MosaicError
    from mosaic.compiler.errors.serving import ServingNeeds

    try:
        from mosaic.mcp.server import Service
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _BROUGHT:
            raise
        raise MosaicError(ServingNeeds(None, module)) from None
    return Service(_options(root, output, catalog, device))


def _options(root: Path | None, output: Path | None, catalog: Path | None, device: str | None) -> Options:
    from mosaic.api.opening import open_project
    from mosaic.api.selecting import settings_of
    from mosaic.catalogs import find_catalog
    from mosaic.mcp.workbench import Options
    from mosaic.profiles import find_profile

    said = settings_of("-")
    named = said.device_for(device)
    open_project(
        None, locked=False, frozen=False, device=named
    )  # says what is wrong with it, before anybody asks
    profile = find_profile(named)
    found = find_catalog(said.catalog_for(catalog))
    return Options(
        root=_whole(root),
        output=_whole(output),
        catalog=_whole(found),
        device=None if profile is None else str(profile.absolute()),
    )


def _whole(path: Path | None) -> Path | None:
    return None if path is None else path.expanduser().absolute()


def _place(text: str) -> tuple[str, int]:
    """Host and port. Raises UsageError."""
    from mosaic.api.faults import UsageError

    found = _PLACE.fullmatch(text.strip())
    if found is None or not 0 <= int(found["port"]) < 65536:
        raise UsageError(f"{text!r} is neither PORT nor HOST:PORT", "--http")
    return (found["host"] or _LOOPBACK).strip("[]"), int(found["port"])
