"""mosaic: a declarative plan compiler and runtime for composing many expert image models.

    import mosaic

    report = mosaic.check("plans/")
    compiled = mosaic.compile("plans/alley.mosaic", parameters={"seed": 3}, device="rtx-4090")
    outcome = mosaic.run(compiled.programs[0], output="out")

What the command line does, Python code can do: docs/python.md. The names in `__all__` are the interface; what they are
called, take and give changes only with a word in CHANGELOG.md. Importing this package imports nothing else: each name
brings what it needs when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mosaic.agent.calling import Composed, compose
    from mosaic.api.catalog.catalog import Catalog
    from mosaic.api.checking import check
    from mosaic.api.comparing import Difference, diff, diff_revisions
    from mosaic.api.explaining import explain
    from mosaic.api.faults import UsageError
    from mosaic.api.graphing import graph
    from mosaic.api.linting import Linted, lint
    from mosaic.api.locking import Locked, lock_plans, verify
    from mosaic.api.plans import compile, fmt, recover
    from mosaic.api.reports import Report
    from mosaic.api.running import run
    from mosaic.api.session import Outcome
    from mosaic.api.starting import new
    from mosaic.compiler import Compiled
    from mosaic.compiler.diagnostic import Diagnostic, MosaicError
    from mosaic.compiler.program import Program
    from mosaic.compiler.source import SourceFile

__version__ = "0.1.0.dev0"
__all__ = [
    "Catalog",
    "Compiled",
    "Composed",
    "Diagnostic",
    "Difference",
    "Linted",
    "Locked",
    "MosaicError",
    "Outcome",
    "Program",
    "Report",
    "SourceFile",
    "UsageError",
    "__version__",
    "check",
    "compile",
    "compose",
    "diff",
    "diff_revisions",
    "explain",
    "fmt",
    "graph",
    "lint",
    "lock_plans",
    "new",
    "recover",
    "run",
    "verify",
]

_HOMES: Final = {
    "Catalog": "mosaic.api.catalog.catalog",
    "Compiled": "mosaic.compiler",
    "Composed": "mosaic.agent.calling",
    "Diagnostic": "mosaic.compiler.diagnostic",
    "Difference": "mosaic.api.comparing",
    "Linted": "mosaic.api.linting",
    "Locked": "mosaic.api.locking",
    "MosaicError": "mosaic.compiler.diagnostic",
    "Outcome": "mosaic.api.session",
    "Program": "mosaic.compiler.program",
    "Report": "mosaic.api.reports",
    "SourceFile": "mosaic.compiler.source",
    "UsageError": "mosaic.api.faults",
    "check": "mosaic.api.checking",
    "compile": "mosaic.api.plans",
    "compose": "mosaic.agent.calling",
    "diff": "mosaic.api.comparing",
    "diff_revisions": "mosaic.api.comparing",
    "explain": "mosaic.api.explaining",
    "fmt": "mosaic.api.plans",
    "graph": "mosaic.api.graphing",
    "lint": "mosaic.api.linting",
    "lock_plans": "mosaic.api.locking",
    "new": "mosaic.api.starting",
    "recover": "mosaic.api.plans",
    "run": "mosaic.api.running",
    "verify": "mosaic.api.locking",
}
"""Where each public name lives. None has the name of a module here: importing that would put it in the name's place."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
