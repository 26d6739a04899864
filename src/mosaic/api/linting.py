"""What plans could say better, and plans that say it: what `mosaic lint` does."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mosaic.api.checking import Asked, world_by, world_of
from mosaic.api.reports import Report
from mosaic.api.selecting import Wanted, shown
from mosaic.api.sources import Gathered, gather
from mosaic.api.texts import Text, sources_of
from mosaic.api.workers import groups
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.fixing import Mended, mend
from mosaic.compiler.source import SourceFile
from mosaic.project import Project


@dataclass(frozen=True)
class Linted:
    """What came of plans: each as it was and as it is, and what could not be read.

    >>> mosaic.lint(PLAN).report.ok
    True
    """

    files: tuple[tuple[SourceFile, Mended], ...]
    unread: tuple[Diagnostic, ...] = ()

    @property
    def changed(self) -> tuple[tuple[SourceFile, SourceFile], ...]:
        """The plans that fixes change, before and after."""
        return tuple((old, new.source) for old, new in self.files if new.source.text != old.text)

    @property
    def left(self) -> tuple[Diagnostic, ...]:
        """What is still to be said. Two plans that use one broken library report its mistakes once."""
        return tuple(dict.fromkeys((*self.unread, *(d for _, each in self.files for d in each.left))))

    @property
    def report(self) -> Report:
        """What is still to be said, as `check` gives it."""
        return Report(self.left, tuple(source.name for source, _ in self.files), unreadable=bool(self.unread))

    def write(self) -> tuple[Path, ...]:
        """Write the plans that fixes change over their files, and name them. Texts that have none are left out."""
        from mosaic.runtime.writing import write

        written = [new for _, new in self.changed if not new.name.startswith("<")]
        for new in written:
            write(Path(new.name), new.text.encode())
        return tuple(Path(new.name) for new in written)


def lint(
    plans: Text | Iterable[Text],
    *,
    fix: bool = False,
    unsafe: bool = False,
    catalog: str | os.PathLike[str] | None = None,
    device: str | None = None,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] | None = None,
    locked: bool = False,
    frozen: bool = False,
) -> Linted:
    """What plans could say better, beside their mistakes. Settings and ignore comments count, as for `check`.

    With `fix` the fixes that are safe are made, with `unsafe` the others too: `changed` has the texts before and
    after, and `write()` writes them. Nothing is written otherwise. Raises what `check` raises.

    >>> linted = mosaic.lint('''mosaic 1
    ... plan p {
    ...   let neon = lora("zoo/neon")
    ...   emit sample(checkpoint("zoo/base"), prompt: "a cat", seed: 1) as "a.png"
    ... }''', fix=True, unsafe=True)
    >>> [old.text.count("neon") for old, new in linted.changed], [new.text.count("neon") for old, new in linted.changed]
    ([2], [0])
    """
    world = world_by(catalog, device, locked=locked, frozen=frozen)
    asked = Asked(world, Wanted.of(select, ignore))
    return look(gather(sources_of(plans)), asked, fix=fix or unsafe, unsafe=unsafe)


def look(gathered: Gathered, asked: Asked, *, fix: bool, unsafe: bool) -> Linted:
    """Lint what was gathered."""
    mended: dict[SourceFile, Mended] = {}
    worlds = [world_of(source.name, gathered, asked.world) for source in gathered.files]
    for world, numbers in groups(worlds):
        with world.open() as project:
            for source in (gathered.files[number] for number in numbers):
                mended[source] = _mended(source, project, gathered, asked.wanted, fix=fix, unsafe=unsafe)
    return Linted(tuple((source, mended[source]) for source in gathered.files), gathered.diagnostics)


def _mended(
    source: SourceFile, project: Project, gathered: Gathered, wanted: Wanted, *, fix: bool, unsafe: bool
) -> Mended:
    def see(text: SourceFile) -> tuple[Diagnostic, ...]:
        ((_, told),) = shown(((text, project.lint(text)),), gathered.settings, wanted)
        return told

    return mend(source, see, unsafe=unsafe) if fix else Mended(source, (), see(source))
