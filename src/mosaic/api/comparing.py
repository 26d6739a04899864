"""What changed between two versions of plans, by meaning: what `mosaic diff` prints."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mosaic.api.selecting import settings_of
from mosaic.api.session import parameters as declared
from mosaic.api.sources import readable
from mosaic.api.texts import Text, source_of
from mosaic.compiler.comparing import document, markdown, text
from mosaic.compiler.comparing.changes import Comparison
from mosaic.compiler.comparing.plans import compare
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.revisions import NotInRevision
from mosaic.compiler.source import SourceFile
from mosaic.revisions import Repository
from mosaic.sides import Given, Reader, Side


@dataclass(frozen=True)
class Difference:
    """What changed: `comparison` as data, and in the forms that `mosaic diff` prints.

    >>> difference = mosaic.diff(PLAN, PLAN.replace("steps: 2", "steps: 3"))
    >>> [plan.name for plan in difference.comparison.plans], "steps" in difference.markdown()
    (['cat'], True)
    """

    comparison: Comparison
    old: Side
    new: Side

    @property
    def differs(self) -> bool:
        """Whether anything does. Names, the order of symmetric operands and layout do not count."""
        return self.comparison.differs

    @property
    def names(self) -> tuple[str, str]:
        """What the sides are called."""
        return self.old.name, self.new.name

    def text(self, *, color: bool = False) -> str:
        """For a terminal."""
        return text.render(self.comparison, self.names, color=color)

    def markdown(self) -> str:
        """For a pull request."""
        return markdown.render(self.comparison, self.names)

    def document(self) -> dict[str, Any]:
        """The JSON shape that docs/json.md describes."""
        return document.document(self.comparison, self.names)


def diff(
    old: Text,
    new: Text,
    *,
    parameters: Mapping[str, object] | None = None,
    catalog: str | os.PathLike[str] | None = None,
    device: str | None = None,
) -> Difference:
    """What changed from one version of plans to another, by meaning.

    A side is a text, a file, a folder of plans, a compiled program (.json), a picture, latent or model that carries
    its plan, or `REVISION:PATH` of the git repository around the current folder. Parameters are given to both sides.

    Raises MosaicError for what cannot be read or does not compile.

    >>> difference = mosaic.diff(PLAN, PLAN.replace("a red cat", "a blue cat"))
    >>> difference.differs
    True
    >>> mosaic.diff(PLAN, PLAN.replace("picture", "image")).differs
    False
    """
    with ExitStack() as stack:
        reader = reader_by(stack, catalog, device, _given(parameters))
        with readable():
            return between(_side(reader, old), _side(reader, new))


def diff_revisions(
    old: str,
    new: str | None = None,
    paths: Sequence[str | os.PathLike[str]] = (".",),
    *,
    parameters: Mapping[str, object] | None = None,
    catalog: str | os.PathLike[str] | None = None,
    device: str | None = None,
) -> Difference:
    """The same of plans as a git revision has them, beside another one, or beside the work tree.

    `old` and `new` are whatever git calls commits (`HEAD`, `main`, `v1.0`), of the repository around the current
    folder; `paths` are plans, or folders of plans.

    Raises MosaicError (M815-M817) for what git does not have.

    >>> print(mosaic.diff_revisions("HEAD", paths=["cat.mosaic"]).names)
    ('HEAD', 'work tree')
    """
    with ExitStack() as stack:
        reader = reader_by(stack, catalog, device, _given(parameters))
        with readable():
            return between(*revisions(reader, old, new, [os.fspath(path) for path in paths]))


def reader_by(
    stack: ExitStack, catalog: str | os.PathLike[str] | None, device: str | None, given: Given
) -> Reader:
    """What reads sides, by options and by the settings of the current folder. Raises UnreadableError (M893-M897)."""
    said = settings_of("-")
    asked = Path(catalog) if catalog is not None else None
    return Reader(stack, said.catalog_for(asked), said.device_for(device), given)


def between(old: Side, new: Side) -> Difference:
    """Two sides compared."""
    return Difference(compare(old.versions, new.versions, (*old.notes, *new.notes)), old, new)


def revisions(reader: Reader, old: str, new: str | None, paths: Sequence[str]) -> tuple[Side, Side]:
    """The sides that two revisions are, or one and the work tree."""
    repository = Repository.around(Path.cwd())
    before = repository.revision(old)
    after = repository.revision(new) if new is not None else None
    inside = []
    for path in paths:
        found = repository.path(Path(path))
        if found is None:
            raise MosaicError(NotInRevision(None, old, path))
        inside.append(found)
    first = reader.revision(before, inside)
    second = reader.revision(after, inside) if after is not None else reader.work_tree(repository, inside)
    if not (first.versions or second.versions):
        raise MosaicError(NotInRevision(None, old, ", ".join(paths), "plan in"))
    return first, second


def _side(reader: Reader, given: Text) -> Side:
    found = source_of(given)
    return reader.text(found) if isinstance(found, SourceFile) else reader.side(found)


def _given(parameters: Mapping[str, object] | None) -> Given:
    """To each file the parameters that it has."""
    values = dict(parameters or {})

    def of(source: SourceFile) -> Mapping[str, object]:
        names = [each.name.text for each in declared(source)]
        return {name: value for name, value in values.items() if name in names}

    return of
