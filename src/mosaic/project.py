"""What every face needs: plans read from disk, and the world that they are compiled in.

This is the place where the rooms meet: the catalog's experts and files, the standard library's operators,
fragments and zoo, the compiler and, when something is to be run, the engine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic, MosaicError, Sink
from mosaic.compiler.source import SourceFile

if TYPE_CHECKING:
    from mosaic.compiler import Compiled
    from mosaic.compiler.program import File, Program
    from mosaic.compiler.syntax.tree import Value
    from mosaic.runtime.engine import Engine, RunResult

PACKAGE: Final = "package:"
"""The scheme of locations inside the installed package, such as the zoo's weights."""
LARGEST_PLAN: Final = 4 * 1024 * 1024
"""More bytes than a plan can have. What is larger is read no further and reported by the parser."""


def read(path: str | os.PathLike[str] | BinaryIO, name: str | None = None) -> SourceFile:
    """Read a plan from a path or an open file. Its name is the path as written.

    Raises MosaicError where there is no file, or no text in it.
    """
    from mosaic.compiler.syntax.parse import decode

    sink = Sink()
    if isinstance(path, (str, os.PathLike)):
        name = name or os.fspath(path)
        data = _bytes(Path(path), name)
    else:
        name = name or "<stream>"
        data = path.read(LARGEST_PLAN + 1)
    source = decode(name, data, sink)
    if source is None:
        raise MosaicError(*sink)
    return source


def _bytes(path: Path, name: str) -> bytes:
    from mosaic.compiler.errors.inputs import NoSuchFile, Unreadable

    try:
        with path.open("rb") as file:
            return file.read(LARGEST_PLAN + 1)
    except FileNotFoundError:
        raise MosaicError(NoSuchFile(None, name)) from None
    except OSError as error:
        raise MosaicError(Unreadable(None, name, error.strerror or str(error))) from None


@dataclass(frozen=True)
class Project:
    """The world that plans are compiled in."""

    context: Context

    @classmethod
    def here(cls) -> Project:
        """The project around the current folder: plans may use fragments and pictures below it."""
        from mosaic import stdlib
        from mosaic.catalog import LocalExperts, LocalFiles
        from mosaic.stdlib import zoo

        experts = LocalExperts(zoo.index())
        files = LocalFiles(Path.cwd(), stdlib.fragments())
        return cls(Context(experts=experts, files=files, operators=stdlib.operators()))

    def check(self, source: SourceFile) -> tuple[Diagnostic, ...]:
        """Everything that is wrong with a plan file, in the order of the text."""
        from mosaic.compiler import check

        return check(source, self.context)

    def compile(
        self, source: SourceFile, *, plan: str | None = None, parameters: Mapping[str, Value] | None = None
    ) -> Compiled:
        """Compile a file's plans, or the one named. Raises MosaicError with every diagnostic where there are errors."""
        from mosaic.compiler import compile
        from mosaic.compiler.diagnostic import Severity

        compiled = compile(source, self.context, plan=plan, parameters=parameters or {})
        if any(d.severity is Severity.ERROR for d in compiled.diagnostics):
            raise MosaicError(*compiled.diagnostics)
        return compiled
