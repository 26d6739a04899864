"""How a reference in a plan leads to a place on disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mosaic.compiler.source import Span

_STARTS: Final = ("./", "../", "/", "~/", ".\\", "..\\")


def is_path(reference: str) -> bool:
    """Whether an expert's reference is a path rather than an id: it begins with a dot, a slash or `~/`."""
    return reference in (".", "..") or reference.startswith(_STARTS) or Path(reference).is_absolute()


def place(reference: str, span: Span, project: Path) -> Path:
    """Where a reference leads, seen from the folder of the file that names it.

    A text without a place (standard input, a standard fragment) is taken to lie in the project's folder.
    Raises ValueError for what can be no path.
    """
    if "\0" in reference:
        raise ValueError("a path holds no NUL")
    return folder_of(span.source.name, project) / Path(reference).expanduser()


def folder_of(name: str, project: Path) -> Path:
    """The folder that relative references of a source file start from."""
    path = Path(name)
    if name.startswith("<") or not path.is_file():
        return project
    return path.parent


def whole(path: Path) -> Path:
    """A path from the root without `..`, so that one file has one place however it was named.

    What precedes the last `..` is followed through links, as the system would; links behind it keep their names.
    """
    parts = path.absolute().parts
    if ".." not in parts:
        return path.absolute()
    behind = len(parts) - parts[::-1].index("..")
    return Path(*parts[:behind]).resolve().joinpath(*parts[behind:])


def similar(path: Path) -> tuple[str, ...]:
    """Names in the same folder that are spelt much like a missing one."""
    try:
        names = sorted(os.listdir(path.parent))
    except OSError:
        return ()
    return near_names(path.name, names)


def near_names(name: str, known: Sequence[str]) -> tuple[str, ...]:
    """The known names most like a mistyped one, the best first."""
    from difflib import get_close_matches  # only a mistake needs it

    return tuple(get_close_matches(name, known, n=2, cutoff=0.6))


def beside(reference: str, name: str) -> str:
    """A reference with its last part exchanged."""
    head, slash, _ = reference.rpartition("/")
    return f"{head}{slash}{name}"
