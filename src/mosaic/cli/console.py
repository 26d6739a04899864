"""How commands print diagnostics and end."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, ParamSpec, TextIO

from mosaic.api.faults import UnreadableError, UsageError
from mosaic.api.reports import status
from mosaic.cli import interrupted
from mosaic.compiler.diagnostic import Diagnostic, InternalError, MosaicError

JSON_VERSION = 1
"""The version of the shapes that docs/json.md describes; a change that would break a reader raises it."""

P = ParamSpec("P")


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Turn what a command raises into messages and exit codes.

    With `--json` the messages are printed as JSON too, on standard output.
    """

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        as_json = bool(kwargs.get("json_output")) or kwargs.get("format_") == "json"
        try:
            command(*args, **kwargs)
        except MosaicError as error:
            show(error.diagnostics, as_json=as_json, to_stderr=not as_json)
            finish(error.diagnostics, unreadable=isinstance(error, UnreadableError))
        except UsageError as error:
            import typer  # what is well used needs it not

            raise typer.BadParameter(str(error), param_hint=error.option) from None
        except InternalError as error:
            from mosaic.compiler.errors.face import InternalFault

            fault = (InternalFault(None, str(error)),)
            show(fault, as_json=as_json, to_stderr=not as_json)
            finish(fault)
        except KeyboardInterrupt:
            interrupted()  # before typer makes a message of its own

    return wrapper


def show(
    diagnostics: Iterable[Diagnostic], *, as_json: bool = False, to_stderr: bool = False, files: int = 1
) -> None:
    """Print diagnostics; `files` is how many files were read."""
    from mosaic.compiler.reporting.document import json_report
    from mosaic.compiler.reporting.text import render_text

    stream = sys.stderr if to_stderr else sys.stdout
    found = tuple(diagnostics)
    if as_json:
        print_json(json_report(found, files=files))
    elif found:
        print(render_text(found, color=colored(stream)), file=stream)


def finish(diagnostics: Iterable[Diagnostic], *, unreadable: bool = False) -> NoReturn:
    """End the command with the exit code that the diagnostics ask for."""
    raise SystemExit(int(status(diagnostics, unreadable=unreadable)))


def print_json(document: dict[str, Any]) -> None:
    """Print a document with its keys in the order given, readable by people as well."""
    from mosaic.compiler.reporting.document import dumps

    print(dumps(document))


def colored(stream: TextIO) -> bool:
    """Whether to write colours: to a terminal, unless NO_COLOR (no-color.org) is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
