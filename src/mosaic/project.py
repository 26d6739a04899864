"""What every face needs: plans read from disk, and the world that they are compiled and run in.

This is the place where the rooms meet: the catalog's experts and files, the standard library's operators,
fragments and zoo, the compiler and, when something is to be run, the engine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, Self

from mosaic.catalog.library import Once
from mosaic.catalogs import find_catalog, open_library, shipped_library
from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.cost.manner import Manner
from mosaic.compiler.diagnostic import Diagnostic, MosaicError, Sink
from mosaic.compiler.source import SourceFile

if TYPE_CHECKING:
    from mosaic.catalog.library import Library
    from mosaic.compiler import Compiled
    from mosaic.compiler.cost.profile import Profile
    from mosaic.compiler.program import File, Program
    from mosaic.runtime.cache.disk import Disk
    from mosaic.runtime.engine import Engine
    from mosaic.runtime.progress import Progress

WORDS: Final = "MOSAIC_WORDS"
"""The variable that names a list of rated words other than the shipped one."""
LARGEST_PLAN: Final = 8 * 1024 * 1024
"""More bytes than the parser accepts: a file is read so far and no further."""

FIDELITY: Final = "MOSAIC_FIDELITY"
"""The variable that names a table of measured fidelity other than the shipped one."""

_ENGINE: Final = frozenset(
    {"diffusers", "jinja2", "numpy", "PIL", "safetensors", "tokenizers", "torch", "transformers"}
)
"""What the `run` extra brings."""

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
DtypeName = Literal["auto", "float32", "float16", "bfloat16"]


def read(path: str | os.PathLike[str] | BinaryIO, name: str | None = None) -> SourceFile:
    """Read a plan from a path or an open file. Its name is the path as written.

    Raises MosaicError where there is no file, or no text in it.
    """
    from mosaic.compiler.syntax.parse import decode

    if isinstance(path, (str, os.PathLike)):
        name = name or os.fspath(path)
        data = read_bytes(Path(path), LARGEST_PLAN)
    else:
        name = name or "<stream>"
        data = path.read(LARGEST_PLAN)
    sink = Sink()
    source = decode(name, data, sink)
    if source is None:
        raise MosaicError(*sink)
    return source


def read_bytes(path: Path, most: int = -1) -> bytes:
    """At most so many bytes of a file. Raises MosaicError (M801, M807)."""
    try:
        with path.open("rb") as file:
            return file.read(most)
    except FileNotFoundError:
        raise MosaicError(errors.inputs.NoSuchFile(None, str(path))) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MosaicError(errors.inputs.Unreadable(None, str(path), reason)) from None


class Project:
    """The world that plans are compiled in.

    A plan may use fragments and load pictures below its project's folder: the current folder, or the plan's
    own where that lies elsewhere. `catalog` is a catalog's file or a snapshot's folder; without one it is found
    as `mosaic.catalogs` says. `device` is the profile that plans are priced by, a file or the name of a shipped one;
    without it, it is found as `mosaic.profiles` says, if there is one. `manner` is how the engine will be told to run.
    Plans have to fit into the memory of the `room` that is given, or, with `fits`, of the profile's device.
    """

    def __init__(
        self,
        catalog: str | os.PathLike[str] | None = None,
        device: str | None = None,
        *,
        manner: Manner | None = None,
        fits: bool = False,
        room: Profile | None = None,
    ) -> None:
        self._device = device
        self._manner = manner or Manner()
        self._fits, self._room = fits, room
        self._contexts: dict[Path, Context] = {}
        path = find_catalog(Path(catalog) if catalog is not None else None)
        self._catalog = Once(lambda: open_library(path)) if path is not None else None
        self._search = self._catalog or Once(shipped_library)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @property
    def catalog(self) -> Library | None:
        """The user's catalog, where one was asked for anything so far."""
        return self._catalog.opened if self._catalog is not None else None

    @property
    def library(self) -> Library:
        """The catalog that words are looked up in: the user's, or the experts that come with mosaic."""
        return self._search.get()

    def context(self, source: SourceFile) -> Context:
        """The context of a file. Raises MosaicError where installed operators clash."""
        root = _root(source.name)
        if root not in self._contexts:
            self._contexts[root] = self._context(root)
        return self._contexts[root]

    def check(self, source: SourceFile) -> tuple[Diagnostic, ...]:
        """Everything that is wrong with a plan file, in the order of the text."""
        from mosaic.compiler import check

        return check(source, self.context(source))

    def lint(self, source: SourceFile) -> tuple[Diagnostic, ...]:
        """Everything that is wrong with a plan file, and what it could say better."""
        from mosaic.compiler import advise

        return advise(source, self.context(source))

    def compile(
        self,
        source: SourceFile,
        *,
        plan: str | None = None,
        parameters: Mapping[str, object] | None = None,
        alternatives: int = 0,
    ) -> Compiled:
        """Compile a file's plans, or the one named; `alternatives` as `mosaic.compiler.compile` has it. Raises
        MosaicError with everything where there are errors.
        """
        from mosaic.compiler import compile

        try:
            compiled = compile(
                source,
                self.context(source),
                plan=plan,
                parameters=parameters or {},
                alternatives=alternatives,
            )
        finally:
            self.release()
        if compiled.has_errors:
            raise MosaicError(*compiled.diagnostics)
        return compiled

    def release(self) -> None:
        """Let go of the catalog: a run may take hours, and nobody can add to one that is held open for reading. It is
        opened again when it is asked again."""
        if self.catalog is not None:
            self.catalog.close()

    def _context(self, root: Path) -> Context:
        from mosaic import stdlib
        from mosaic.catalog import LocalExperts, LocalFiles
        from mosaic.catalog.digests import Digests
        from mosaic.catalog.licences import LicenceTable
        from mosaic.catalog.words import WordList
        from mosaic.profiles import find_profile, load_profile
        from mosaic.stdlib import zoo

        digests, found = Digests(), find_profile(self._device)
        profile = None if found is None else load_profile(found)
        words, measured = os.environ.get(WORDS), os.environ.get(FIDELITY)
        return Context(
            experts=LocalExperts(zoo.index(), zoo.root(), root, digests, self._catalog, self._search),
            files=LocalFiles(root, stdlib.find_fragments(), digests),
            operators=stdlib.find_operators(),
            fidelity=stdlib.fidelity(Path(measured).expanduser() if measured else None),
            profile=profile,
            room=self._room or (profile if self._fits else None),
            manner=self._manner,
            licences=LicenceTable(),
            words=WordList(Path(words).expanduser() if words else None),
        )


def engine(
    *,
    device: DeviceName = "auto",
    dtype: DtypeName = "auto",
    progress: Progress | None = None,
    beside: Path | None = None,
    cache: Disk | None = None,
    batch: int | None = None,
    offload: bool = False,
) -> Engine:
    """An engine that finds files where programs say, relative paths from the folder `beside`. With a `cache` it keeps
    results there, and looks for them. `batch` and `offload` as `Engine` has them.

    Raises MosaicError where the engine is not installed (M880) or the device is not there (M859).
    """
    from mosaic import stdlib

    try:
        from mosaic.runtime.cache.store import open_store
        from mosaic.runtime.engine import Engine
    except ModuleNotFoundError as error:
        raise engine_missing(error) from None
    return Engine(
        locate=_locator(beside),
        operators=stdlib.find_operators(),
        device=device,
        dtype=dtype,
        progress=progress,
        store=None if cache is None else open_store(cache),
        batch=batch,
        offload=offload,
    )


def engine_missing(error: ModuleNotFoundError) -> Exception:
    """What to raise where a module of the engine cannot be imported."""
    from mosaic.compiler.errors.face import EngineMissing

    module = (error.name or "").partition(".")[0]
    return MosaicError(EngineMissing(None, module)) if module in _ENGINE else error


def load_program(path: Path) -> Program:
    """A compiled program from its file. Raises MosaicError (M801, M807, M884)."""
    import pydantic

    from mosaic.compiler.errors.face import NotAProgram
    from mosaic.compiler.program import Program

    data = read_bytes(path)
    try:
        return Program.from_json(data)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        reason = f"{where}: {first['msg']}" if where else first["msg"]
        raise MosaicError(NotAProgram(None, str(path), reason)) from None


def _root(name: str) -> Path:
    here = Path.cwd()
    folder = Path(name).absolute().parent
    return here if name.startswith("<") or folder.is_relative_to(here) else folder


def _locator(beside: Path | None) -> Callable[[File], Path]:
    from mosaic.catalog import locate

    def where(file: File) -> Path:
        path = locate(file.location)
        return path if beside is None else beside / path

    return where
