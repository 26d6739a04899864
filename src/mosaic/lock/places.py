"""What things are called in a lock: plans and files relative to it, experts by id, by such a path, or by digest."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from mosaic.catalog.index import PACKAGE
from mosaic.catalog.paths import is_path, place
from mosaic.catalog.record import content_digest
from mosaic.compiler.facts import ExpertFacts, FileFact
from mosaic.compiler.source import Span

DIGEST: Final = "sha256:"


def below(path: Path, folder: Path) -> str | None:
    """A path relative to a folder, with forward slashes, where it lies in it; links are not followed."""
    full, start = os.path.abspath(path), os.path.abspath(folder)
    if not full.startswith(start.rstrip(os.sep) + os.sep):
        return None
    return Path(os.path.relpath(full, start)).as_posix()


def path_key(reference: str, span: Span, root: Path, folder: Path) -> str | None:
    """The key of an expert that a plan names by path, where it lies in the lock's folder."""
    if not is_path(reference) or "\0" in reference:
        return None
    try:
        inside = below(place(reference, span, root), folder)
    except (ValueError, RuntimeError):  # no home folder
        return None
    return f"./{inside}" if inside is not None else None


def key_of(facts: ExpertFacts, reference: str, span: Span, root: Path, folder: Path) -> str:
    """What an expert is called in a lock. The place of a file elsewhere is nobody's business: its digest tells."""
    if not is_path(reference):
        return facts.id
    return path_key(reference, span, root, folder) or f"{DIGEST}{content_digest(facts)}"


def told(reference: str) -> bool:
    """Whether a reference may stand in a lock: a path of one machine may not."""
    return (
        not is_path(reference)
        or reference.startswith(("./", "../", ".\\", "..\\"))
        or reference in (".", "..")
    )


def without_place(facts: ExpertFacts, key: str, folder: Path) -> ExpertFacts:
    """An expert under its key, its files where everybody finds them: in the package, below the lock, or nowhere."""
    return replace(facts, id=key, integrity="", files=tuple(_file(file, folder) for file in facts.files))


def _file(file: FileFact, folder: Path) -> FileFact:
    if file.location.startswith(PACKAGE) or not file.location:
        return file
    return replace(file, location=below(Path(file.location), folder) or "")
