"""A new project of plans: what `mosaic new` writes."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from mosaic.api.faults import UsageError
from mosaic.catalogs import find_catalog
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import MosaicError

Ci = Literal["github", "gitlab", "none"]

SNAPSHOT: Final = "experts"
"""The folder of a project that holds the snapshot of the catalog."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FILES: Final = {
    "plans/first.mosaic": "first.mosaic",
    "mosaic.toml": "settings.toml",
    "requirements.txt": "requirements.txt",
    "README.md": "README.md",
    ".pre-commit-config.yaml": "pre-commit.yaml",
    ".gitignore": "gitignore.txt",
    ".gitattributes": "gitattributes.txt",
}
_CI: Final = {
    "github": {".github/workflows/mosaic.yml": "github.yml"},
    "gitlab": {".gitlab-ci.yml": "gitlab.yml"},
    "none": {},
}


def new(
    folder: str | os.PathLike[str],
    *,
    ci: Ci = "github",
    catalog: str | os.PathLike[str] | None = None,
) -> tuple[Path, ...]:
    """Start a project in a new folder, and name the files that were written.

    A plan over the experts that come with mosaic, settings, a lock, a snapshot of the catalog where there is one, what
    a CI service and pre-commit run, and a README. What it writes passes its own CI. The folder is there whole or not at
    all.

    Raises MosaicError (M898) where something is there already, UsageError for a name that is none.

    >>> [path.as_posix() for path in mosaic.new("alley", ci="none")][:3]
    ['alley/.gitattributes', 'alley/.gitignore', 'alley/.pre-commit-config.yaml']
    >>> mosaic.check("alley").ok
    True
    """
    target = Path(folder)
    if _NAME.fullmatch(target.name) is None:
        raise UsageError(f"{target.name!r}: a project is called by letters, digits, dots, - and _", "NAME")
    if ci not in _CI:
        raise UsageError(f"{ci!r} is none of: {', '.join(_CI)}", "--ci")
    if os.path.lexists(target):
        raise MosaicError(errors.starting.AlreadyThere(None, str(target)))
    found = find_catalog(Path(catalog) if catalog is not None else None)
    part = _beside(target)
    try:
        _fill(part, target.name, ci, found)
        written = tuple(sorted(_below(part)))
        _open(part)
        _rename(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return tuple(target / path for path in written)


def _fill(folder: Path, name: str, ci: Ci, catalog: Path | None) -> None:
    from mosaic.api.locking import lock_plans
    from mosaic.runtime.writing import write

    for path, template in {**_FILES, **_CI[ci]}.items():
        write(folder / path, _filled(template, name, catalog is not None).encode())
    if catalog is not None:
        from mosaic.api.catalog.catalog import Catalog

        with Catalog.open(catalog) as opened:
            opened.export(folder / SNAPSHOT)
    lock_plans(folder / "plans", output=folder / "mosaic.lock", catalog=None)


def _filled(template: str, name: str, has_catalog: bool) -> str:
    from mosaic import __version__

    text = files("mosaic").joinpath("templates", "project", template).read_text(encoding="utf-8")
    row = f"| `{SNAPSHOT}/` | a snapshot of the catalog: `mosaic catalog export {SNAPSHOT}` renews it |\n"
    setting = f'catalog = "{SNAPSHOT}"  # a snapshot; `mosaic catalog export {SNAPSHOT}` renews it\n'
    values = {
        "name": name,
        "version": __version__,
        "rows": row if has_catalog else "",
        "catalog": setting if has_catalog else "",
    }
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def _below(folder: Path) -> Iterator[Path]:
    return (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def _beside(target: Path) -> Path:
    """A new folder where the target is to be: renaming it there is one step."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}.", dir=target.parent))
    except OSError as error:
        raise _unwritable(target, error) from error


def _open(folder: Path) -> None:
    """mkdtemp makes folders that only their owner can read."""
    mask = os.umask(0o077)  # the process's mask can only be read by setting it
    os.umask(mask)
    folder.chmod(0o777 & ~mask)


def _rename(part: Path, target: Path) -> None:
    try:
        part.rename(target)
    except OSError as error:
        if os.path.lexists(target):  # somebody was faster
            raise MosaicError(errors.starting.AlreadyThere(None, str(target))) from None
        raise _unwritable(target, error) from error


def _unwritable(target: Path, error: OSError) -> MosaicError:
    reason = error.strerror or type(error).__name__
    return MosaicError(errors.runtime.UnwritableOutput(None, str(target), reason))
