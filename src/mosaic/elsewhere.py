"""Projects of plans whose files are not, or not all, where they stand: those of a revision, those that a picture
carries.

What a plan names by a relative path is looked for on a shelf first and, where the shelf is not the whole of it, on the
disk. It is laid out in a temporary folder as it would lie in the project, so that it is read by the same code and under
the same rules as files of the disk.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol, TypeVar

from mosaic.catalog.paths import is_path
from mosaic.compiler.context import Context, Experts, Files
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.facts import ExpertFacts, FileFact
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.types import Kind
from mosaic.lock.document import Lock
from mosaic.lock.experts import Recorder
from mosaic.lock.places import below
from mosaic.lock.projects import NAME, Held, LockedProject, Mode
from mosaic.project import Project
from mosaic.revisions import Revision

_POINTER: Final = b"version https://git-lfs.github.com/spec/"
"""What stands in a repository for a file that Git LFS keeps elsewhere."""


class Shelf(Protocol):
    """Where files are read that are not on the disk. Paths are absolute, without `..`."""

    @property
    def root(self) -> Path:
        """The folder that the files would lie in."""

    @property
    def is_whole(self) -> bool:
        """Whether a text or picture below the root that is not here is nowhere."""

    @property
    def fragments(self) -> Mapping[str, str]:
        """Standard fragments, by name, that are to be used instead of those of this version."""

    def read(self, path: Path) -> bytes | None:
        """The bytes of a file, None where there is none."""

    def below(self, path: Path) -> tuple[Path, ...]:
        """The files of a folder and of those in it."""

    def shown(self, path: Path) -> str:
        """How messages name a file."""


@dataclass(frozen=True)
class RevisionShelf:
    """The files of a revision."""

    revision: Revision
    is_whole: bool = True
    fragments: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def root(self) -> Path:
        """The top of the repository."""
        return self.revision.repository.top

    def read(self, path: Path) -> bytes | None:
        """As it was committed. What Git LFS keeps elsewhere is not here."""
        name = self.revision.repository.path(path)
        data = self.revision.read(name) if name is not None else None
        return None if data is not None and data.startswith(_POINTER) else data

    def below(self, path: Path) -> tuple[Path, ...]:
        """As it was committed."""
        name = self.revision.repository.path(path)
        return tuple(self.root / each for each in self.revision.folder(name)) if name is not None else ()

    def shown(self, path: Path) -> str:
        """As git names it: `HEAD~1:plans/alley.mosaic`."""
        return f"{self.revision.name}:{self.revision.repository.path(path) or path}"


@dataclass(frozen=True)
class TextsShelf:
    """Texts that a program or a picture carries, by their paths. The rest is on the disk."""

    texts: Mapping[Path, str] = field(hash=False)
    name: str
    fragments: Mapping[str, str] = field(default_factory=dict, hash=False)
    root: Path = field(default_factory=Path.cwd)
    is_whole: bool = False

    def read(self, path: Path) -> bytes | None:
        """As it was when the program was compiled."""
        return self.texts[path].encode() if path in self.texts else None

    def below(self, path: Path) -> tuple[Path, ...]:
        """None: texts are no experts."""
        return ()

    def shown(self, path: Path) -> str:
        """By what carries it."""
        return f"{self.name}:{below(path, self.root) or path.name}"


class Standing:
    """Where sources stand, and the temporary folder in which the shelf's files are laid out."""

    def __init__(self, shelf: Shelf, folder: Path) -> None:
        self.shelf = shelf
        self._folder = folder
        self._paths: dict[str, Path] = {}

    def put(self, name: str, path: Path) -> None:
        """Say where a source stands that is shown under a name."""
        self._paths[name] = Path(os.path.abspath(path))

    def path(self, name: str) -> Path | None:
        """Where a source stands; None for one that is where its name says."""
        return self._paths.get(name)

    def plain(self, span: Span) -> Span:
        """The span in a source that is named by where it stands, as a person in the current folder would."""
        path = self.path(span.source.name)
        if path is None:
            return span
        name = below(path, Path.cwd()) or str(path)
        return replace(span, source=SourceFile(name, span.source.text))

    def laid_out(self, span: Span) -> Span:
        """The span in a source that is laid out."""
        path = self.path(span.source.name)
        if path is None:
            return span
        name = self.lay(path, span.source.text.encode())
        return replace(span, source=SourceFile(str(name), span.source.text))

    def target(self, reference: str, span: Span) -> Path | None:
        """What a reference means, where it can be on the shelf: below its root, from a source that stands there."""
        path = self.path(span.source.name)
        if path is None or "\0" in reference or reference.startswith("~"):
            return None
        target = Path(os.path.abspath(path.parent / reference))
        return target if below(target, self.shelf.root) is not None else None

    def lay(self, path: Path, data: bytes) -> Path:
        """Write a file where it lies in the laid-out project."""
        place = self.place(path)
        if not place.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        return place

    def place(self, path: Path) -> Path:
        """Where a path lies in the laid-out project; the whole of it for one outside."""
        inside = below(path, self.shelf.root)
        return self._folder / inside if inside is not None else self._folder


@dataclass(frozen=True)
class ShelvedFiles:
    """`Files` of a shelf. `disk` reads what is not there; `laid` reads what is laid out."""

    standing: Standing
    disk: Files
    laid: Files

    def fragment(self, reference: str, span: Span) -> SourceFile | Diagnostic:
        """The text of `use std.looks` or `use "./house.mosaic"`, as it is on the shelf."""
        if reference.startswith("std.") and "/" not in reference:
            return _placed(self.laid.fragment(reference, self.standing.plain(span)), span)
        path = self._fetched(reference, span)
        if path is None:
            return _placed(self.disk.fragment(reference, self.standing.plain(span)), span)
        found = self.laid.fragment(reference, self.standing.laid_out(span))
        if isinstance(found, Diagnostic):
            return _placed(found, span)
        name = self.standing.shelf.shown(path)
        self.standing.put(name, path)
        return SourceFile(name, found.text)

    def image(self, reference: str, span: Span) -> FileFact | Diagnostic:
        """A picture as it is on the shelf."""
        if self._fetched(reference, span) is None:
            return _placed(self.disk.image(reference, self.standing.plain(span)), span)
        return _placed(self.laid.image(reference, self.standing.laid_out(span)), span)

    def _fetched(self, reference: str, span: Span) -> Path | None:
        """Where a reference leads, laid out if it is there; None where the disk is to be asked."""
        path = self.standing.target(reference, span)
        data = self.standing.shelf.read(path) if path is not None else None
        if path is None or data is None:
            return path if self.standing.shelf.is_whole else None
        self.standing.lay(path, data)
        return path


@dataclass
class ShelvedExperts(Recorder):
    """`Experts` for plans of a shelf: those that are named by a path are read from it, where they are there."""

    standing: Standing | None = None

    def resolve(self, kind: Kind, reference: str, span: Span) -> ExpertFacts | Diagnostic:
        """As `Experts` has it."""
        assert self.standing is not None, "made with one"
        if is_path(reference) and self._fetched(reference, span):
            return _placed(self.inner.resolve(kind, reference, self.standing.laid_out(span)), span)
        return _placed(self.inner.resolve(kind, reference, self.standing.plain(span)), span)

    def _fetched(self, reference: str, span: Span) -> bool:
        assert self.standing is not None, "made with one"
        path = self.standing.target(reference, span)
        if path is None:
            return False
        files = (path, *self.standing.shelf.below(path))
        held = [(file, data) for file in files if (data := self.standing.shelf.read(file)) is not None]
        for file, data in held:
            self.standing.lay(file, data)
        return bool(held)


class ElsewhereProject(LockedProject):
    """A project over a shelf. Sources are told where they stand by `stand`. What was laid out stays until `remove`:
    pictures that a plan loads are read from there when it runs. Without `locks` none holds anything."""

    def __init__(
        self,
        shelf: Shelf,
        catalog: str | os.PathLike[str] | None = None,
        mode: Mode = Mode.BESIDE,
        device: str | None = None,
        *,
        locks: bool = True,
    ) -> None:
        super().__init__(catalog, mode, device=device)
        self._has_locks = locks
        self._folder = Path(tempfile.mkdtemp(prefix="mosaic-"))
        self._standing = Standing(shelf, self._folder)

    def remove(self) -> None:
        """Remove what was laid out: nothing that was compiled here can be run any more."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def stand(self, name: str, path: Path) -> None:
        """Say where the source of a name stands."""
        self._standing.put(name, path)

    def context(self, source: SourceFile) -> Context:
        """The context of a source, whose files are read from the shelf. Raises as `LockedProject.context`."""
        if source.name not in self._bound:
            span = self._standing.plain(source.span(0, 0))
            disk = Project.context(self, span.source)
            shelved = replace(
                disk, files=self._files(disk.files, source), experts=self._experts(disk.experts)
            )
            bound = self._bind(source, shelved)
            if bound.experts is not shelved.experts:  # the lock's, which knows no shelf
                bound = replace(bound, experts=self._experts(bound.experts))
            self._bound[source.name] = bound
        return self._bound[source.name]

    def _files(self, disk: Files, source: SourceFile) -> Files:
        from mosaic import stdlib
        from mosaic.catalog import LocalFiles

        # Either the current folder or, for a plan elsewhere, its own.
        path = self._standing.path(source.name) or Path(source.name).absolute()
        here = Path.cwd()
        root = here if below(path, here) is not None else path.parent
        fragments = {**stdlib.find_fragments(), **self._standing.shelf.fragments}
        return ShelvedFiles(self._standing, disk, LocalFiles(self._standing.place(root), fragments))

    def _experts(self, inner: Experts) -> Experts:
        return ShelvedExperts(inner, standing=self._standing)

    def _find(self, source: SourceFile) -> Held | None:
        """The lock beside where a source stands, or in the current folder, as it is on the shelf."""
        if not self._has_locks:
            return None
        path, shelf = self._standing.path(source.name), self._standing.shelf
        if path is None or not shelf.is_whole:
            return super()._find(self._standing.plain(source.span(0, 0)).source)
        for folder in dict.fromkeys((path.parent, Path.cwd())):
            data = shelf.read(folder / NAME)
            file = below(path, folder)
            if data is None or file is None:
                continue
            lock = self._shelved_lock(shelf.shown(folder / NAME), data)
            if lock.plans_of(file):
                return Held(lock, folder, file)
        return None

    def _shelved_lock(self, name: str, data: bytes) -> Lock:
        from mosaic.lock.reading import read_lock

        if Path(name) not in self._locks:
            text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n")
            self._locks[Path(name)] = read_lock(SourceFile(name, text))
        return self._locks[Path(name)]


_Found = TypeVar("_Found")


def _placed(found: _Found, span: Span) -> _Found:
    """What was found; a message at the place in the source as it is shown."""
    return replace(found, span=span) if isinstance(found, Diagnostic) else found
