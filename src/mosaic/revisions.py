"""Files as git keeps them: blobs are read by their ids, nothing is checked out, and no program of the repository's
(filters, textconv) is run."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Final

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.revisions import NoGit, NotInRevision, UnknownRevision

LINK: Final = "120000"
"""The mode of a symbolic link in a tree."""


@dataclass(frozen=True)
class Repository:
    """A git repository with a work tree. `top` is its folder."""

    top: Path

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """The repository that holds a folder. Raises MosaicError (M815)."""
        found = _git(folder, "rev-parse", "--show-toplevel")
        if found is None:
            raise MosaicError(NoGit(None, "there is no git repository here"))
        return cls(Path(os.fsdecode(found).removesuffix("\n")))

    def revision(self, name: str) -> Revision:
        """A revision by whatever git calls it. Raises MosaicError (M816)."""
        # What begins with a dash would be an option.
        if name and not name.startswith("-"):
            found = _git(self.top, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
            if found:
                return Revision(self, name, found.decode("ascii").strip())
        raise MosaicError(UnknownRevision(None, name))

    def path(self, path: Path) -> str | None:
        """A path as git has it, from the top (`.`); None where it lies outside."""
        full = os.path.abspath(path)
        # The work tree may be reached by a link; a link inside of it is a file of its own.
        places = (full, os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full)))
        for place, top in product(places, (os.path.abspath(self.top), os.path.realpath(self.top))):
            if place == top:
                return "."
            if place.startswith(top.rstrip(os.sep) + os.sep):
                return Path(os.path.relpath(place, top)).as_posix()
        return None

    def tracked(self, name: str) -> tuple[str, ...]:
        """Paths of files of this name that git knows, wherever they lie."""
        found = _git(self.top, "ls-files", "-z", "--", f":(top,glob)**/{name}") or b""
        return tuple(path for path in os.fsdecode(found).split("\0") if path)


@dataclass(frozen=True)
class Entry:
    """A file of a revision."""

    path: str
    mode: str
    blob: str


@dataclass(frozen=True)
class Revision:
    """A commit. `name` is what it was asked for by, `commit` its id."""

    repository: Repository
    name: str
    commit: str

    def read(self, path: str) -> bytes | None:
        """The bytes of a file, by its path from the top; None where there is none. A link is not followed."""
        entry = self._files.get(path)
        if entry is None or entry.mode == LINK:
            return None
        return _git(self.repository.top, "cat-file", "blob", entry.blob)

    def file(self, path: str) -> bytes:
        """The bytes of a file. Raises MosaicError (M817)."""
        data = self.read(path)
        if data is None:
            raise MosaicError(NotInRevision(None, self.name, path))
        return data

    def below(self, path: str, suffix: str) -> tuple[str, ...]:
        """The file of this path, or those with this suffix in the folder of this path, hidden ones left out, sorted."""
        if path in self._files:
            return (path,)
        start = "" if path in ("", ".") else f"{path.rstrip('/')}/"
        found = (name for name in self._files if name.startswith(start) and name.endswith(suffix))
        return tuple(sorted(name for name in found if not _hidden(name.removeprefix(start))))

    def folder(self, path: str) -> tuple[str, ...]:
        """The files below a folder."""
        return tuple(name for name in self._files if name.startswith(f"{path.rstrip('/')}/"))

    @cached_property
    def _files(self) -> dict[str, Entry]:
        listed = _git(self.repository.top, "ls-tree", "-r", "-z", "--full-tree", self.commit) or b""
        found = {}
        for line in os.fsdecode(listed).split("\0"):
            head, _, path = line.partition("\t")
            if path:
                mode, _, blob = head.split(" ", 2)
                found[path] = Entry(path, mode, blob)
        return found


def _hidden(path: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(path).parts)


def _git(folder: Path, *arguments: str) -> bytes | None:
    """What git prints, or None where it fails. Raises MosaicError (M815) where there is no git."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        # No shell: names are arguments, whatever they hold.
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            env=environment,
        )
    except FileNotFoundError:
        raise MosaicError(NoGit(None, "git is not installed")) from None
    except (OSError, ValueError) as error:
        raise MosaicError(NoGit(None, getattr(error, "strerror", None) or str(error))) from None
    return done.stdout if done.returncode == 0 else None
