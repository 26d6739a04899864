"""`mosaic fmt`: the one canonical form."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Annotated

import typer

from mosaic.cli.console import guarded


@guarded
def fmt(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Plans, folders of plans, or - for standard input.")
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 where a file would change.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; print what would change.")] = False,
) -> None:
    """Rewrite plans in their canonical form, keeping comments; one with syntax errors is left as it is."""
    from mosaic.api.reports import Status
    from mosaic.api.sources import gather
    from mosaic.cli import console
    from mosaic.compiler.diagnostic import Sink
    from mosaic.compiler.syntax.format import format_file
    from mosaic.compiler.syntax.parse import parse
    from mosaic.runtime.writing import write

    gathered = gather(paths)
    sink = Sink()
    sink.extend(gathered.diagnostics)
    changed = 0
    for source in gathered.files:
        trouble = Sink()
        file = parse(source, trouble)
        if file is None or trouble.has_errors:
            sink.extend(trouble)
            continue
        text = format_file(file)
        differs = text != source.text
        changed += differs
        if diff and differs:
            sys.stdout.write(_difference(source.name, source.text, text))
        elif check and differs:
            print(f"would change {source.name}")
        elif not check and not diff and source.name == "<stdin>":
            sys.stdout.write(text)
        elif not check and not diff and differs:
            write(Path(source.name), text.encode())
            print(f"formatted {source.name}", file=sys.stderr)
    console.show(sink, to_stderr=True)
    if (check or diff) and changed and not gathered.unreadable:
        raise SystemExit(int(Status.ERRORS))
    console.finish(sink, unreadable=gathered.unreadable)


def _difference(name: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), name, f"{name} (formatted)"
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
