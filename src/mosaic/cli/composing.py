"""What `mosaic compose` prints, writes and runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mosaic.agent.session import Asked, told
from mosaic.cli import console

if TYPE_CHECKING:
    from mosaic.agent.values import Answer, Trace
    from mosaic.api.session import Outcome


@dataclass(frozen=True)
class Wishes:
    """What becomes of a plan."""

    nearest: bool = False
    run: bool = False
    pictures: Path | None = None
    report: Path | None = None
    trace: Path | None = None
    as_json: bool = False


@contextmanager
def working() -> Iterator[Callable[[str], None]]:
    """Shows on a terminal what is being done, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    from rich.console import Console

    status = Console(stderr=True).status("composing")

    def tell(step: str) -> None:
        # Not before: what is asked of a person first must not be drawn over.
        status.update(step)
        status.start()

    try:
        yield tell
    finally:
        status.stop()


def ask(sentence: str) -> bool:
    """Ask a person on the terminal."""
    return typer.confirm(f"{sentence} Go on?", err=True)


def say(sentence: str) -> None:
    """Tell a person, beside what is printed for programs."""
    typer.echo(sentence, err=True)


def deliver(asked: Asked, trace: Trace, wishes: Wishes) -> None:
    """Write, run and tell. Ends with 1 where the request was not met and the nearest plan was not taken."""
    answer = trace.answer
    assert answer is not None, "a composition that ends has an answer"
    if wishes.trace is not None:
        from mosaic.agent.tracing import write_trace

        write_trace(trace, wishes.trace)
    taken = answer.met or (wishes.nearest and bool(answer.plan))
    path = _write(asked, answer) if taken else None
    outcome = _run(asked, answer, wishes) if taken and wishes.run else None
    page = _page(trace, outcome, wishes)
    if wishes.as_json:
        console.print_json(document(trace, path, outcome, page))
    else:
        _tell(trace, path, outcome, page, taken)
    if not taken:
        raise SystemExit(1)


def document(trace: Trace, path: Path | None, outcome: Outcome | None, page: Path | None) -> dict[str, Any]:
    """The JSON shape that docs/json.md describes."""
    answer = trace.answer
    assert answer is not None
    return {
        "version": console.JSON_VERSION,
        "met": answer.met,
        "path": str(path) if path is not None else None,
        **answer.model_dump(mode="json"),
        "usage": trace.usage.model_dump(mode="json"),
        "report": str(page) if page is not None else None,
        "run": outcome.document() if outcome is not None else None,
    }


def _write(asked: Asked, answer: Answer) -> Path | None:
    if asked.output is None:
        return None
    from mosaic.runtime.writing import write

    write(asked.output, answer.plan.encode())
    return asked.output


def _run(asked: Asked, answer: Answer, wishes: Wishes) -> Outcome:
    from mosaic.agent.page import PAGE
    from mosaic.api import session
    from mosaic.api.running import How, perform
    from mosaic.api.sweep import sweep
    from mosaic.caches import open_cache
    from mosaic.cli.progress import progress
    from mosaic.compiler.source import SourceFile
    from mosaic.project import Project

    beside = asked.output.parent if asked.output is not None else Path(".")
    source = SourceFile(str(asked.output) if asked.output is not None else "<composed>", answer.plan)

    def compiled(project: Project) -> session.Jobs:
        return session.jobs(project, source, None, sweep((), session.parameters(source)))

    how = How(catalog=asked.catalog_path, cache=open_cache(None))
    with progress() as bars:
        return perform(compiled, how, wishes.pictures or beside, wishes.report, bars, before=PAGE)


def _page(trace: Trace, outcome: Outcome | None, wishes: Wishes) -> Path | None:
    if wishes.report is None:
        return None
    from mosaic.agent.page import write_page

    files = outcome.files if outcome is not None else ()
    return write_page(trace, wishes.report, [file.path for file in files if file.type == "image"])


def _tell(trace: Trace, path: Path | None, outcome: Outcome | None, page: Path | None, taken: bool) -> None:
    answer = trace.answer
    assert answer is not None
    console.show(told(trace), to_stderr=True)
    if path is None and answer.plan:
        typer.echo(answer.plan, nl=False)
    typer.echo(answer.explanation, err=path is None)
    if path is not None:
        typer.echo(f"{path}  plan")
    if trace.usage.calls:
        used = trace.usage
        typer.echo(
            f"{trace.model}: {used.calls} calls, {used.input_tokens:,} tokens sent, {used.output_tokens:,} written",
            err=True,
        )
    for line in outcome.lines() if outcome is not None else ():
        typer.echo(line)
    if page is not None:
        typer.echo(f"{page}  report")
