"""What is compared, read from wherever it is: plan files and folders of them, revisions, compiled programs, and what
carries its plan."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from mosaic.compiler.comparing.meaning import MEANING, Version, parameters, symmetric_operators, versions
from mosaic.compiler.diagnostic import Diagnostic, MosaicError, Sink
from mosaic.compiler.errors.names import UnknownPlan
from mosaic.compiler.program import Program
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax.parse import decode, parse
from mosaic.elsewhere import ElsewhereProject, RevisionShelf, Shelf, TextsShelf
from mosaic.lock.projects import LockedProject, Mode
from mosaic.project import engine_missing, load_program, read, read_bytes
from mosaic.revisions import Repository, Revision

PLAN: Final = ".mosaic"
CARRIERS: Final = (".png", ".safetensors")
"""Files that carry their plan."""

Given = Callable[[SourceFile], Mapping[str, object]]
"""Values for a file's parameters."""


@dataclass(frozen=True)
class Side:
    """One of two sides: what it is called, the versions of plans that it holds, and what could not be told of it."""

    name: str
    versions: tuple[Version, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sources:
    """Texts to be compiled, each with what pairs it with one of the other side, and the shelf that they are from."""

    texts: tuple[tuple[str, SourceFile, Path], ...]
    shelf: Shelf | None = None
    locks: bool = True  # whether one may hold them


@dataclass(frozen=True)
class _Told:
    """What a program or picture says of its making: the text, where it stood, the plan's name, the values of its
    parameters, the texts of fragments by name, the program's digest; of a picture also the digests of its experts'
    files, by id and name."""

    source: SourceFile
    stood: str
    plan: str
    parameters: Mapping[str, Any]
    libraries: Mapping[str, str]
    digest: str
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass
class Reader:
    """Reads sides. A plan that a lock holds is what its lock says, as far as that goes; the `catalog` and the `device`
    are those of today. `stack` closes what was opened, when nothing of it is needed any more."""

    stack: ExitStack
    catalog: Path | None = None
    device: str | None = None
    given: Given = field(default=lambda source: {})

    def side(self, name: str, at: Path | None = None) -> Side:
        """A side by its name: a path, or `REVISION:PATH`. `at` is where a plan stands that lies elsewhere.

        Raises MosaicError for what cannot be read or does not compile.
        """
        path = Path(name)
        if name != "-" and not path.exists() and ":" in name:
            revision, _, inside = name.partition(":")
            return self._revision(revision, inside)
        if path.is_dir():
            return self._folder(path)
        if path.suffix == ".json":
            return self._program(path)
        if path.suffix.lower() in CARRIERS:
            return self._carrier(path)
        return self._plan(name, at)

    def text(self, source: SourceFile) -> Side:
        """A text that was read before. Raises MosaicError where it does not compile."""
        return self._compiled(source.name, Sources((("", source, Path(source.name)),)))

    def revision(self, revision: Revision, paths: Iterable[str]) -> Side:
        """The plans of some paths, from the top of the repository, as they were."""
        shelf = RevisionShelf(revision)
        texts = []
        for path in dict.fromkeys(each for given in paths for each in revision.below(given, PLAN)):
            place = revision.repository.top / path
            texts.append((path, _decoded(shelf.shown(place), revision.file(path)), place))
        return self._compiled(revision.name, Sources(tuple(texts), shelf))

    def work_tree(self, repository: Repository, paths: Iterable[str]) -> Side:
        """The same as they are now."""
        texts = []
        for path in dict.fromkeys(paths):
            start = repository.top / path
            for place in [start] if start.is_file() else _plans(start):
                key = repository.path(place) or str(place)
                texts.append((key, read(_shown(place)), place))
        return self._compiled("work tree", Sources(tuple(texts)))

    def _revision(self, name: str, inside: str) -> Side:
        repository = Repository.around(Path.cwd())
        revision = repository.revision(name)
        path = inside
        if inside.startswith(("./", "../")):  # from here, as git has it
            path = repository.path(Path(inside)) or inside
        place = repository.top / path
        shelf = RevisionShelf(revision)
        source = _decoded(shelf.shown(place), revision.file(path))
        return self._compiled(source.name, Sources((("", source, place),), shelf))

    def _folder(self, folder: Path) -> Side:
        texts = [
            (place.relative_to(folder).as_posix(), read(_shown(place)), place) for place in _plans(folder)
        ]
        if not texts:
            from mosaic.compiler.errors.face import NoPlansInFolder

            raise MosaicError(NoPlansInFolder(None, str(folder)))
        return self._compiled(str(folder), Sources(tuple(texts)))

    def _plan(self, name: str, at: Path | None) -> Side:
        import sys

        source = read(sys.stdin.buffer, "<stdin>") if name == "-" else read(name)
        if at is None:
            return self._compiled(name, Sources((("", source, Path(name)),)))
        # As if it stood there: what it names beside it is read there, from the disk.
        return self._compiled(name, Sources((("", source, at),), TextsShelf({}, name)))

    def _program(self, path: Path) -> Side:
        program = load_program(path)
        source = program.source
        texts = SourceFile(str(path), source.text)
        told = _Told(texts, source.name, source.plan, source.parameters, source.libraries, program.digest)
        try:
            made = self._again(told)
        except MosaicError:
            made = None
        if made is not None and made.program.digest == program.digest:
            return Side(str(path), (replace(made, program=_rooted(program, path.absolute().parent)),))
        note = f"{path} cannot be made again here: it is compared as it was compiled, without costs and uses"
        return Side(str(path), (self._closed(program, path),), (note,))

    def _closed(self, program: Program, path: Path) -> Version:
        from mosaic.stdlib import find_operators

        rooted = _rooted(program, path.absolute().parent)
        items = parse(SourceFile(str(path), program.source.text), Sink()).items
        return Version(
            "",
            rooted,
            rooted,
            symmetric_operators(find_operators()),
            parameters=parameters(rooted, items),
            is_closed=True,
        )

    def _carrier(self, path: Path) -> Side:
        try:
            from mosaic.runtime.outputs import recover
        except ModuleNotFoundError as error:
            raise engine_missing(error) from None
        read_bytes(path, 1)
        found = recover(path)
        source = SourceFile(str(path), found.plan)
        files = {row["id"]: row["files"] for row in found.experts}
        told = _Told(
            source, found.source, found.plan_name, found.parameters, found.libraries, found.digest, files
        )
        version = self._again(told)
        if version.program.digest == found.digest:
            return Side(str(path), (version,))
        note = f"{path} was not made by what its plan gives here: other choices were taken, or by another version"
        return Side(str(path), (version,), (note,))

    def _again(self, told: _Told) -> Version:
        """A plan compiled again from what it was compiled from: by the lock that is there now, or without one,
        whichever gives the same program."""
        texts = {Path(os.path.abspath(name)): text for name, text in told.libraries.items()}
        fragments = {name: text for name, text in told.libraries.items() if _is_std(name)}
        shelf = TextsShelf(texts, told.source.name, fragments)
        values = {
            key: tuple(value) if isinstance(value, list) else value for key, value in told.parameters.items()
        }
        place = Path.cwd() / "-" if told.stood.startswith("<") else Path(told.stood)
        found: list[Version] = []
        for locks in (True, False):
            sources = Sources((("", told.source, place),), shelf, locks)
            side = self._compiled(told.source.name, sources, lambda source: values)
            version = next((each for each in side.versions if each.name == told.plan), None)
            if version is None:
                raise MosaicError(UnknownPlan(None, told.plan, told.source.name, None))
            found.append(_with_bytes(version, told.files) if told.files else version)
            if found[-1].program.digest == told.digest:
                return found[-1]
        return found[0]

    def _compiled(self, name: str, sources: Sources, given: Given | None = None) -> Side:
        world = _World(self, sources)
        found: list[Version] = []
        mistakes: list[Diagnostic] = []
        for key, source, place in sources.texts:
            try:
                found += world.versions(key, source, place, (given or self.given)(source))
            except MosaicError as error:
                mistakes += error.diagnostics
        if mistakes:
            raise MosaicError(*mistakes)
        return Side(name, tuple(found))


class _World:
    """The projects that one side is compiled in: one held to its locks, and one to which they are advice."""

    def __init__(self, reader: Reader, sources: Sources) -> None:
        self._reader, self._sources = reader, sources
        self._projects: dict[Mode, LockedProject] = {}

    def versions(
        self, key: str, source: SourceFile, place: Path, values: Mapping[str, object]
    ) -> tuple[Version, ...]:
        project = self._project(Mode.BESIDE, source, place)
        if project.held(source) is not None:
            try:
                return self._versions(self._project(Mode.FROZEN, source, place), key, source, values)
            except MosaicError:
                pass  # the lock is behind the plan: what it does not hold is what it is today
        return self._versions(project, key, source, values)

    def _versions(
        self, project: LockedProject, key: str, source: SourceFile, values: Mapping[str, object]
    ) -> tuple[Version, ...]:
        from mosaic.compiler import compile

        full = project.compile(source, parameters=values, alternatives=1)  # so that it is priced
        context = project.context(source)
        with project:
            plain = compile(source, context, parameters=values, passes=MEANING)
            return versions(key, full, plain, context, parse(source, Sink()).items)

    def _project(self, mode: Mode, source: SourceFile, place: Path) -> LockedProject:
        reader = self._reader
        if mode not in self._projects:
            shelf = self._sources.shelf
            if shelf is None:
                self._projects[mode] = LockedProject(reader.catalog, mode, device=reader.device)
            else:
                made = ElsewhereProject(shelf, reader.catalog, mode, reader.device, locks=self._sources.locks)
                reader.stack.callback(made.remove)
                self._projects[mode] = made
        project = self._projects[mode]
        if isinstance(project, ElsewhereProject):
            project.stand(source.name, place)
        return project


def _decoded(name: str, data: bytes) -> SourceFile:
    sink = Sink()
    source = decode(name, data, sink)
    if source is None:
        raise MosaicError(*sink)
    return source


def _plans(folder: Path) -> Sequence[Path]:
    """All plans of a folder and those in it, hidden ones left out, sorted."""
    found = (path for path in sorted(folder.rglob(f"*{PLAN}")) if path.is_file())
    return [path for path in found if not any(p.startswith(".") for p in path.relative_to(folder).parts)]


def _shown(path: Path) -> str:
    """A path as a person in the current folder writes it."""
    here, full = Path.cwd(), path.absolute()
    return str(full.relative_to(here)) if full.is_relative_to(here) else str(path)


def _is_std(name: str) -> bool:
    return name.startswith("std.") and "/" not in name


def _rooted(program: Program, folder: Path) -> Program:
    """A program whose files are found from any folder: relative locations start beside its file."""
    from mosaic.catalog.index import PACKAGE

    document = program.model_dump(mode="json")
    for holder in (document, *document["experts"]):
        for file in holder.get("images") or holder.get("files") or ():
            if file["location"] and not file["location"].startswith(PACKAGE):
                file["location"] = str(folder / file["location"])
    return Program.model_validate(document)


def _with_bytes(version: Version, recorded: Mapping[str, Mapping[str, str]]) -> Version:
    """A version whose experts have the bytes that were recorded of them, by id and file."""

    def told(program: Program) -> Program:
        document = program.model_dump(mode="json")
        for expert in document["experts"]:
            for file in expert["files"]:
                file["sha256"] = recorded.get(expert["id"], {}).get(file["name"], file["sha256"])
        return Program.model_validate(document)

    return replace(version, program=told(version.program), meaning=told(version.meaning))
