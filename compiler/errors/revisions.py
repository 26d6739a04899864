"""Messages about revisions of files, as git keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic


@dataclass(frozen=True)
class NoGit(Diagnostic):
    """A revision was named, and there is no git to ask, or no repository where it was asked.

    Example: `mosaic diff HEAD:alley.mosaic alley.mosaic` in a folder that no repository holds.

    To mend it: install git, and run the command inside the repository; or compare two files.
    """

    code: ClassVar[str] = "M815"
    title: ClassVar[str] = "revisions cannot be read: {reason}"

    reason: str

    def help(self) -> tuple[str, ...]:
        """What needs none of it."""
        return ("two files are compared without git: mosaic diff old.mosaic new.mosaic",)


@dataclass(frozen=True)
class UnknownRevision(Diagnostic):
    """The repository has no such revision.

    In a checkout of CI, often only the newest one is there: fetch the one to compare with, or all (`fetch-depth: 0`).

    Example: `mosaic diff --git HEAD~1000 -- alley.mosaic`.

    To mend it: name a revision as git knows it: a branch, a tag, a commit, `HEAD~1`.
    """

    code: ClassVar[str] = "M816"
    title: ClassVar[str] = "the repository has no revision `{revision}`"

    revision: str

    def help(self) -> tuple[str, ...]:
        """How to see what there is."""
        return ("git log --oneline shows revisions; a shallow clone has few of them (git fetch --unshallow)",)


@dataclass(frozen=True)
class NotInRevision(Diagnostic):
    """A revision has no such file.

    Example: `mosaic diff HEAD~1:alley.mosaic alley.mosaic`, where the plan was committed only afterwards.

    To mend it: name the file as it was called then, from the top of the repository, or from here with `./` in front.
    """

    code: ClassVar[str] = "M817"
    title: ClassVar[str] = "revision `{revision}` has no {what} `{path}`"

    revision: str
    path: str
    what: str = "file"

    def help(self) -> tuple[str, ...]:
        """How to see what there is."""
        return (f"git ls-tree -r --name-only {self.revision} lists its files",)
