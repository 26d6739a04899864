"""The server: tools and resources, by the official SDK, which only this package knows."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp_types import ToolAnnotations

from mosaic import __version__
from mosaic.api.faults import UsageError
from mosaic.compiler.diagnostic import InternalError, MosaicError
from mosaic.compiler.errors.face import InternalFault
from mosaic.mcp import bounds, teaching
from mosaic.mcp.catalogue import Catalogue
from mosaic.mcp.composing import Composer
from mosaic.mcp.deadline import within
from mosaic.mcp.running import Runner
from mosaic.mcp.tools import Tools
from mosaic.mcp.workbench import Options, Workbench

P = ParamSpec("P")
T = TypeVar("T")

READS: Final = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
RUNS: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
)


class Service:
    """What a server answers with. `close` cancels its runs and takes its own folder away."""

    def __init__(self, options: Options | None = None) -> None:
        asked = options or Options()
        self.workbench = Workbench(asked)
        self.catalogue = Catalogue(asked.catalog)
        self.runner = Runner(self.workbench, asked)
        self.tools = Tools(self.workbench, self.catalogue, self.runner, Composer(self.workbench))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything."""
        self.runner.close()
        self.workbench.close()

    def server(self) -> MCPServer:
        """A server over this service. Several may be made."""
        tools = self.tools
        server = MCPServer(
            "mosaic",
            title="mosaic",
            instructions=teaching.INSTRUCTIONS,
            version=__version__,
            log_level="WARNING",
        )
        for tool in (
            tools.catalog_search,
            tools.catalog_get,
            tools.catalog_compatible,
            tools.grammar,
            tools.compile_plan,
            tools.fix_plan,
            tools.explain,
            tools.diff_plans,
            tools.estimate_cost,
            tools.compose_plan,
            tools.get_job,
            tools.get_report,
        ):
            server.add_tool(self._guarded(tool), annotations=READS)
        server.add_tool(self._guarded(tools.run_plan), annotations=RUNS)
        self._add_resources(server)
        return server

    def _add_resources(self, server: MCPServer) -> None:
        plain, markdown = "text/plain", "text/markdown"

        @server.resource("mosaic://grammar", name="grammar", mime_type=plain)
        def grammar() -> str:
            """The grammar of plans as they are parsed (Lark)."""
            return teaching.grammar("lark")

        @server.resource("mosaic://grammar/llm", name="grammar for decoders", mime_type=plain)
        def decoders() -> str:
            """The grammar of plans in canonical form, for constrained decoding."""
            return teaching.grammar("llm")

        @server.resource("mosaic://language", name="language", mime_type=markdown)
        def language() -> str:
            """The language of plans, taught short. Read this before writing one."""
            return teaching.language()

        @server.resource("mosaic://diagnostics", name="diagnostics", mime_type="application/json")
        def diagnostics() -> str:
            """Every diagnostic's code, severity and message."""
            return teaching.diagnostics()

        @server.resource("mosaic://diagnostics/{code}", name="diagnostic", mime_type=markdown)
        def diagnostic(code: str) -> str:
            """The page about a diagnostic: what it means, an example, how to mend it."""
            try:
                return teaching.diagnostic(code)
            except MosaicError as error:
                raise ResourceError(self._told(error)) from None

    def _guarded(self, tool: Callable[P, T]) -> Callable[P, Any]:
        """A tool that ends in time, and whose failures are coded messages without a word about this machine."""
        if inspect.iscoroutinefunction(tool):

            @functools.wraps(tool)
            async def waiting(*args: P.args, **kwargs: P.kwargs) -> Any:
                try:
                    return await tool(*args, **kwargs)
                except Exception as error:
                    raise self._failure(error) from None

            return waiting

        @functools.wraps(tool)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return within(bounds.MOST_SECONDS, lambda: tool(*args, **kwargs))
            except Exception as error:
                raise self._failure(error) from None

        return guarded

    def _failure(self, error: Exception) -> ToolError:
        match error:
            case MosaicError():
                return ToolError(self._told(error))
            case UsageError():
                return ToolError(bounds.shown(self.workbench.places.hidden(str(error))))
            case InternalError():
                return ToolError(self._told(MosaicError(InternalFault(None, str(error)))))
            case _:
                return ToolError(self._told(MosaicError(InternalFault(None, type(error).__name__))))

    def _told(self, error: MosaicError) -> str:
        lines = []
        for each in self.workbench.documents(error.diagnostics):
            advice = "".join(f"; {line}" for line in each.help)
            lines.append(f"{each.code}: {each.message}{advice}")
        return "\n".join(lines)
