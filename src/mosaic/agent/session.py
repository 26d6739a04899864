"""One composition from a face's options: where its catalog, its backend and its limits come from, and what becomes of
its plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.agent.composing import Tell, compose
from mosaic.agent.spending import Ask, Say, Spend
from mosaic.agent.values import Request, Trace
from mosaic.agent.world import World
from mosaic.api.opening import open_project
from mosaic.api.selecting import settings_of
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.requests import CannotBeMet, FileThere

if TYPE_CHECKING:
    from mosaic.agent.backend import Backend
    from mosaic.compiler.diagnostic import Diagnostic
    from mosaic.project import Project
    from mosaic.settings import Settings

HERE = "-"
"""Settings are those of the current folder where no plan's file is named."""


@dataclass(frozen=True)
class Asked:
    """What a face was asked for; what is None is the settings' to say."""

    request: Request
    output: Path | None = None  # the plan's file
    force: bool = False  # whether that may be overwritten
    catalog: Path | None = None
    device: str | None = None
    backend: str | Backend | None = None
    model: str | None = None
    base_url: str | None = None
    limit_tokens: int | None = None
    yes: bool = False

    def compose(
        self, tell: Tell = lambda step: None, ask: Ask | None = None, say: Say | None = None
    ) -> Trace:
        """Compose. Raises MosaicError and UsageError as `mosaic.agent.composing.compose`, and M869 for a file that is
        there before anything is spent."""
        if self.output is not None and self.output.exists() and not self.force:
            raise MosaicError(FileThere(None, str(self.output)))
        with self.project() as project:
            return self._composed(project, tell, ask, say)

    @property
    def catalog_path(self) -> Path | None:
        """The catalog, by what was asked or the settings."""
        return settings_of(self._place).catalog_for(self.catalog)

    def project(self) -> Project:
        """The project that it is composed in."""
        device = settings_of(self._place).device_for(self.device)
        return open_project(self.catalog_path, locked=False, frozen=False, device=device, fits=True)

    @property
    def _place(self) -> str:
        return str(self.output) if self.output is not None else HERE

    def _composed(self, project: Project, tell: Tell, ask: Ask | None, say: Say | None) -> Trace:
        said = settings_of(self._place)
        world = World(project, self._place if self.output is not None else "<composed>")
        limit = self.limit_tokens if self.limit_tokens is not None else said.compose.limit_tokens
        spend = Spend(limit, yes=self.yes, ask=ask, say=say)
        return compose(self.request, world, self._backend(said, world, spend), spend=spend, tell=tell)

    def _backend(self, said: Settings, world: World, spend: Spend) -> Backend:
        if self.backend is not None and not isinstance(self.backend, str):
            return self.backend
        from mosaic.agent.settings import backend_of

        return backend_of(
            said, backend=self.backend, model=self.model, base_url=self.base_url, world=world, spend=spend
        )


def told(trace: Trace) -> tuple[Diagnostic, ...]:
    """What could not be met, as messages (M861)."""
    answer = trace.answer
    if answer is None:
        return ()
    return tuple(CannotBeMet(None, each.what, each.reason, bool(answer.plan)) for each in answer.unmet)
