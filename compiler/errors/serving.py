"""M876-M879: what `mosaic mcp` refuses its clients, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic


@dataclass(frozen=True)
class PathRefused(Diagnostic):
    """A plan that came over the Model Context Protocol names a file where the server reads none.

        let style = lora("./private/me.safetensors")

    Such a plan is a stranger's: it could look for files of the machine that it is compiled on, and have them read. So a
    server reads nothing by a path of a plan's unless it was started with a folder for that, and then nothing outside.
    Symbolic links are followed before the rule is applied. Unlike on the command line, models are not exempt.

    To mend it: name an expert of the catalog by its id, or start the server with `mosaic mcp --root DIR` and put the
    file there.
    """

    code: ClassVar[str] = "M876"
    title: ClassVar[str] = "`{path}` is not read for plans that come from clients"
    label: ClassVar[str] = "a file of the server's machine"

    path: str
    rooted: bool

    def help(self) -> tuple[str, ...]:
        """What is read instead."""
        if self.rooted:
            return ("files are read from the server's folder alone; name one in it, or an expert by its id",)
        return ("this server reads no files; name an expert of the catalog by its id",)


@dataclass(frozen=True)
class UnknownJob(Diagnostic):
    """A client asked a server for a run that it does not know, or for the report of one that has none.

    A server keeps the last runs that it was asked for, and forgets all when it ends. A run that failed, was cancelled
    or is not over has no report.

    Example: `get_job` with an id that no `run_plan` gave.

    To mend it: take the id from the answer of `run_plan`, and ask `get_job` until the run is done.
    """

    code: ClassVar[str] = "M877"
    title: ClassVar[str] = "{what} of job `{id}`: {reason}"

    what: str
    id: str
    reason: str

    def help(self) -> tuple[str, ...]:
        """Where ids come from."""
        return ("ids come from run_plan; get_job says how a run is doing",)


@dataclass(frozen=True)
class ServingNeeds(Diagnostic):
    """Serving agents needs the Model Context Protocol's package, which is installed apart.

    Example: `mosaic mcp` where only the core is installed.

    To mend it: `pip install "mosaic-plan[mcp]"`; with `[mcp,run]` plans are run, too.
    """

    code: ClassVar[str] = "M878"
    title: ClassVar[str] = "serving agents needs `{module}`, which is not installed"

    module: str

    def help(self) -> tuple[str, ...]:
        """How to install it."""
        return ('install it: pip install "mosaic-plan[mcp]"',)


@dataclass(frozen=True)
class TooMuch(Diagnostic):
    """A client asked a server for more than it does at once, or sent more than it reads.

    Example: `compile_plan` with a plan of a million characters, or a ninth run while eight wait.

    To mend it: send less, or wait until runs are over (`get_job`).
    """

    code: ClassVar[str] = "M879"
    title: ClassVar[str] = "{what}: {amount}, and the most is {most}"

    what: str
    amount: str
    most: str
