"""Runs begun for clients who have acknowledged what they cost, and what came of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mosaic.api import session
from mosaic.compiler.cost.manner import Manner
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.errors.face import EngineMissing
from mosaic.compiler.errors.serving import TooMuch, UnknownJob
from mosaic.mcp import bounds, values
from mosaic.mcp.jobs import Following, Jobs, Ticket
from mosaic.mcp.pricing import acknowledgement, cost_of, refusal
from mosaic.mcp.workbench import NAMELESS, Options, Parameters, Workbench, compiled_in
from mosaic.project import engine

if TYPE_CHECKING:
    from mosaic.compiler import Compiled
    from mosaic.compiler.context import Context
    from mosaic.compiler.cost.profile import Profile
    from mosaic.runtime.cache.disk import Disk

_ENGINE: Final = ("torch", "diffusers", "transformers", "safetensors", "tokenizers", "numpy", "PIL", "jinja2")
"""What the `run` extra brings."""


class Runner:
    """Begins runs and tells how they are doing."""

    def __init__(self, workbench: Workbench, options: Options) -> None:
        self._workbench, self._options = workbench, options
        self.jobs = Jobs(workbench.output)

    def begin(
        self,
        plan: str,
        acknowledged: values.Acknowledgement | None,
        parameters: Parameters,
        only: str | None = None,
    ) -> values.Run:
        """Queue a run, where its cost was acknowledged and the engine is there (M880)."""
        told = self._workbench.documents
        try:
            _require_engine()
            with self._workbench.project() as project:
                context = project.context(NAMELESS)
                compiled = compiled_in(context, plan, parameters, only)
                if compiled.has_errors:
                    return values.Run(
                        accepted=False,
                        refused="the plan does not compile: see `diagnostics`, and fix_plan",
                        diagnostics=told(compiled.diagnostics),
                    )
                costs = [cost_of(graph, context, self._workbench.places) for graph in compiled.graphs]
                now = acknowledgement([program.digest for program in compiled.programs], costs)
                reason = refusal(acknowledged, now)
                if reason:
                    return values.Run(accepted=False, refused=reason, acknowledgement=now)
                work = _jobs_of(compiled, context)
            ticket = self.jobs.put(lambda ticket: self._run(work, ticket))
        except MosaicError as error:
            refused = "; ".join(each.message for each in told(error.diagnostics))
            return values.Run(accepted=False, refused=refused, diagnostics=told(error.diagnostics))
        return values.Run(accepted=True, job=ticket.id, diagnostics=told(compiled.diagnostics))

    def state(self, id: str) -> values.Job:
        """How a run is doing. Raises MosaicError (M877)."""
        ticket = self.jobs.get(id)
        outcome = ticket.outcome
        return values.Job(
            job=ticket.id,
            state=ticket.state,
            ahead=self.jobs.ahead(ticket),
            stage=ticket.stage if ticket.state == "running" else "",
            done=ticket.done if ticket.state == "running" else 0,
            total=ticket.total if ticket.state == "running" else 0,
            seconds=None if outcome is None else round(sum(each.seconds for each in outcome.results), 3),
            evaluations=None if outcome is None else sum(each.evaluations for each in outcome.results),
            files=list(_files(outcome, ticket)) if outcome is not None else [],
            diagnostics=self._workbench.documents(ticket.diagnostics),
        )

    def report(self, id: str) -> tuple[list[dict[str, Any]], list[tuple[str, Path]]]:
        """The reports of a run, one a plan, and its pictures by name. Raises MosaicError (M877)."""
        ticket = self.jobs.get(id, "the report")
        if ticket.outcome is None or ticket.state != "done":
            raise MosaicError(UnknownJob(None, "the report", ticket.id, f"it is {ticket.state}"))
        found = []
        for page in ticket.outcome.reports:
            content = json.loads(page.with_name("report.json").read_text(encoding="utf-8"))
            found.append(self._workbench.places.document(content))
        pictures = [
            (file.name, file.path)
            for job, result in ticket.outcome.jobs
            for file in result.emitted
            if file.type == "image"
        ]
        return found, pictures

    def close(self) -> None:
        """Cancel every run."""
        self.jobs.close()

    def _run(self, work: session.Jobs, ticket: Ticket) -> session.Outcome:
        session.at_hand(work)
        following = Following(ticket)
        following.stage("loading", 0)
        worker = engine(progress=following, cache=self._cache())
        room = session.room(worker, work)
        with self._workbench.project() as project:
            fits = session.fits(project, work, room, Manner())
        if not fits:
            raise MosaicError(*self._too_large(work, room))
        return session.work(worker, work, ticket.files, ticket.report)

    def _too_large(self, work: session.Jobs, room: Profile) -> tuple[Diagnostic, ...]:
        """What was acknowledged is one program: another that is smaller is not run in its stead."""
        from mosaic.compiler.cost.predict import price

        assert work.context is not None, "compiled here"
        context = replace(work.context, profile=room)
        with self._workbench.project():
            peak = max(price(job.graph, context, room).peak for job in work.jobs if job.graph is not None)
        return (
            TooMuch(
                None, "bytes of memory for the run", f"{peak:,}", f"{room.memory:,.0f}, not all of it free"
            ),
        )

    def _cache(self) -> Disk | None:
        from mosaic.caches import open_cache

        return open_cache(self._options.cache)


def _require_engine() -> None:
    """Raises MosaicError (M880). Nothing is imported: that takes seconds, and is the run's to do."""
    for module in _ENGINE:
        if find_spec(module) is None:
            raise MosaicError(EngineMissing(None, module))


def _jobs_of(compiled: Compiled, context: Context) -> session.Jobs:
    from mosaic.learning import expected

    several = len(compiled.programs) > 1
    found = [
        session.Job(
            program,
            program.source.plan if several else "",
            expected=expected(graph, context),
            graph=graph,
        )
        for program, graph in zip(compiled.programs, compiled.graphs, strict=True)
    ]
    return session.Jobs(tuple(found), compiled.diagnostics, context=context)


def _files(outcome: session.Outcome, ticket: Ticket) -> Iterator[values.File]:
    for _, result in outcome.jobs:
        for file in result.emitted:
            size = file.path.stat().st_size if file.path.exists() else 0
            name = str(file.path.relative_to(ticket.files).as_posix())
            yield values.File(name=name, path=str(file.path), type=file.type, sha256=file.sha256, bytes=size)


def sendable(pictures: list[tuple[str, Path]]) -> tuple[list[tuple[str, bytes]], list[str]]:
    """Pictures that are few and small enough for one answer, and the names of the rest."""
    sent: list[tuple[str, bytes]] = []
    left: list[str] = []
    room = bounds.MOST_PICTURE_BYTES
    for name, path in pictures:
        size = path.stat().st_size if path.exists() else room + 1
        if len(sent) >= bounds.MOST_PICTURES or size > room:
            left.append(name)
            continue
        sent.append((name, path.read_bytes()))
        room -= size
    return sent, left
