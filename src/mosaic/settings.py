"""A project's settings: `mosaic.toml`, or the table `[tool.mosaic]` of its `pyproject.toml`.

They are looked for beside a plan and in the folders above it, up to the repository's root (the folder with `.git`); the
nearest file counts alone, and of two in one folder `mosaic.toml`. The command line counts before them, and so do the
variables of the environment.

The values are looked at by hand and not by pydantic: `mosaic check` would take half as long again to start.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, Final

from mosaic import catalogs, profiles
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.near import nearest
from mosaic.compiler.selection import Selection, judge, normal
from mosaic.compiler.source import SourceFile, Span
from mosaic.compose_settings import HIDDEN, NOTHING, SECRET, VALUES, Compose
from mosaic.lock.marks import fault, marks
from mosaic.lock.marks import nearest as nearest_mark
from mosaic.project import read_bytes

NAME: Final = "mosaic.toml"
SHARED: Final = "pyproject.toml"
LARGEST: Final = 1024 * 1024
"""More bytes than settings have."""

Keys = tuple[str, ...]

# `[tool.mosaic…]`, `[tool]`, `tool.mosaic…`, `tool = …`: without one of them there is no table, and nothing to parse.
_TABLE: Final = re.compile(
    rb"""^[ \t]*(?:\[[ \t]*["']?tool["']?[ \t]*(?:\]|\.[ \t]*["']?mosaic)|["']?tool["']?[ \t]*[.=])""",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Settings:
    """What a project's settings say; without a file, nothing. `folder` is where their paths start."""

    name: str = ""  # of the file, as messages show it; empty where there is none
    folder: Path = Path()
    catalog: Path | None = None
    device: str | None = None  # a profile's file or name, as `--device` takes it
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    per_file: tuple[tuple[str, tuple[str, ...]], ...] = ()
    exclude: tuple[str, ...] = ()
    compose: Compose = NOTHING
    mistakes: tuple[Diagnostic, ...] = ()  # in the file, whatever is left of it counts

    def catalog_for(self, asked: Path | None) -> Path | None:
        """The catalog, by `--catalog` or these settings; None leaves it to `MOSAIC_CATALOG` and the user's own."""
        return asked or (None if os.environ.get(catalogs.VARIABLE) else self.catalog)

    def device_for(self, asked: str | None) -> str | None:
        """The same of the device's profile, and `MOSAIC_PROFILE`."""
        return asked or (None if os.environ.get(profiles.VARIABLE) else self.device)

    def selection(self, file: str) -> Selection:
        """The warnings and notes that are shown of a file."""
        ignored = [code for pattern, codes in self.per_file if self._fits(file, pattern) for code in codes]
        return Selection(self.select, self.ignore).without(ignored)

    def excludes(self, file: str) -> bool:
        """Whether a file that was found in a folder is left out."""
        return any(self._fits(file, pattern) for pattern in self.exclude)

    def _fits(self, file: str, pattern: str) -> bool:
        """Whether a pattern means a file: its path from the settings' folder, or a folder on the way; without a slash
        also the mere name of either."""
        relative = PurePosixPath(
            os.path.relpath(Path(file).absolute(), self.folder.absolute()).replace(os.sep, "/")
        )
        pattern = pattern.removeprefix("./").rstrip("/")
        candidates = [str(relative), *(str(parent) for parent in relative.parents)]
        if "/" not in pattern:
            candidates += relative.parts
        return any(fnmatchcase(candidate, pattern) for candidate in candidates)


class Finder:
    """Finds the settings of plans, reading each file once."""

    def __init__(self) -> None:
        self._by_folder: dict[Path, Settings] = {}

    def of(self, file: str) -> Settings:
        """The settings that hold for a plan, by its name; those of the current folder for standard input."""
        folder = Path.cwd() if file.startswith("<") else Path(file).absolute().parent
        return self._of(folder)

    @property
    def mistakes(self) -> tuple[Diagnostic, ...]:
        """What is wrong with the settings that were found, each once."""
        found = (mistake for settings in self._by_folder.values() for mistake in settings.mistakes)
        return tuple(dict.fromkeys(found))

    def _of(self, folder: Path) -> Settings:
        if folder not in self._by_folder:
            found = _beside(folder)
            if found is None:
                is_root = (folder / ".git").exists() or folder.parent == folder
                found = Settings() if is_root else self._of(folder.parent)
            self._by_folder[folder] = found
        return self._by_folder[folder]


def _beside(folder: Path) -> Settings | None:
    for name, inner in ((NAME, ()), (SHARED, ("tool", "mosaic"))):
        path = folder / name
        if path.is_file():
            settings = read_settings(path, inner)
            if settings is not None:
                return settings
    return None


def read_settings(path: Path, inner: Keys = ()) -> Settings | None:
    """The settings in a file's table; None where it has no such table. Mistakes are kept, not raised."""
    import tomllib  # most folders have no settings

    shown = os.path.relpath(path) if path.is_absolute() else str(path)
    try:
        data = read_bytes(path, LARGEST)
        if inner and not _TABLE.search(data):
            return None
        source = SourceFile(shown, data.decode("utf-8-sig").replace("\r\n", "\n"))
        content: Any = tomllib.loads(source.text)
    except MosaicError as error:
        return Settings(shown, path.parent, mistakes=error.diagnostics)
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} begins no character of UTF-8"
        return Settings(shown, path.parent, mistakes=(errors.settings.SettingsNotToml(None, shown, reason),))
    except (ValueError, RecursionError) as error:
        span, reason = fault(source, error)
        return Settings(shown, path.parent, mistakes=(errors.settings.SettingsNotToml(span, shown, reason),))
    for key in inner:
        content = content.get(key) if isinstance(content, dict) else None
    if content is None:
        return None
    return _Reader(source, inner, path.parent).read(content)


class _Reader:
    """Looks at a table key by key; what is wrong is noted and left out."""

    def __init__(self, source: SourceFile, inner: Keys, folder: Path) -> None:
        self.source, self.inner, self.folder = source, inner, folder
        self.marks = marks(source)
        self.mistakes: list[Diagnostic] = []

    def read(self, content: Any) -> Settings:
        found: dict[str, Any] = {}
        if not isinstance(content, dict):
            self._wrong((), "a table")
            content = {}
        for key, value in content.items():
            if key in _KEYS:
                found[_KEYS[key][0]] = _KEYS[key][1](self, key, value)
            else:
                near = nearest(key, _KEYS)
                self.mistakes.append(
                    errors.settings.UnknownSetting(self._mark(key), self.source.name, key, near)
                )
        named = {name: value for name, value in found.items() if value is not None}
        return Settings(self.source.name, self.folder, **named, mistakes=tuple(self.mistakes))

    def compose(self, key: str, value: Any) -> Compose | None:
        if not isinstance(value, dict):
            self._wrong((key,), 'a table, such as {backend = "openai", model = "a-model"}')
            return None
        found: dict[str, Any] = {}
        for name, each in value.items():
            if name in VALUES:
                wanted, fits = VALUES[name]
                if fits(each):
                    found[name] = each
                else:
                    self._wrong((key, name), wanted, hidden=name in HIDDEN)
            else:
                self._unknown(key, name, each)
        return Compose(**found)

    def _unknown(self, table: str, name: str, value: Any) -> None:
        """Note a key of `[compose]` that there is none of. A line that may hold a secret is not shown."""
        if isinstance(value, str) and SECRET.search(name):
            wanted = (
                "left out: keys come from the environment alone, `OPENAI_API_KEY` or what `key_env` names"
            )
            self._wrong((table, name), wanted, hidden=True)
            return
        mark, near = self._mark(table, name), nearest(name, VALUES)
        self.mistakes.append(
            errors.settings.UnknownSetting(mark, self.source.name, name, near, table, tuple(VALUES))
        )

    def path(self, key: str, value: Any) -> Path | None:
        text = self.text(key, value)
        return self.folder / Path(text).expanduser() if text else None

    def profile(self, key: str, value: Any) -> str | None:
        """A profile's file where there is one, from the settings' folder; else a name."""
        text = self.text(key, value)
        if text is None:
            return None
        file = self.folder / Path(text).expanduser()
        return str(file) if file.is_file() else text

    def text(self, key: str, value: Any) -> str | None:
        if isinstance(value, str) and value:
            return value
        self._wrong((key,), "a text")
        return None

    def texts(self, *path: str, value: Any) -> tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(each, str) and each for each in value):
            return tuple(value)
        self._wrong(path, "a list of texts")
        return ()

    def patterns(self, key: str, value: Any) -> tuple[str, ...]:
        return self.texts(key, value=value)

    def selected(self, key: str, value: Any) -> tuple[str, ...]:
        return tuple(self._codes(key, value=value, ignoring=False))

    def ignored(self, key: str, value: Any) -> tuple[str, ...]:
        return tuple(self._codes(key, value=value, ignoring=True))

    def per_file(self, key: str, value: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
        if not isinstance(value, dict):
            self._wrong((key,), 'a table of lists, such as {"drafts/*" = ["M4"]}')
            return ()
        return tuple(
            (pattern, tuple(self._codes(key, pattern, value=codes, ignoring=True)))
            for pattern, codes in value.items()
        )

    def _codes(self, *path: str, value: Any, ignoring: bool) -> Iterator[str]:
        for text in self.texts(*path, value=value):
            mistake = judge(normal(text), self._item(path, text), ignoring=ignoring)
            if mistake is None:
                yield normal(text)
            else:
                self.mistakes.append(mistake)

    def _item(self, path: Keys, text: str) -> Span | None:
        """Where a text of a list stands, or the list."""
        mark = self._mark(*path)
        if mark is None:
            return None
        for quote in ('"', "'"):
            start = self.source.text.find(f"{quote}{text}{quote}", mark.start)
            if start >= 0:
                return self.source.span(start, start + len(text) + 2)
        return mark

    def _wrong(self, path: Keys, wanted: str, *, hidden: bool = False) -> None:
        """Note a wrong value; a hidden one may be a secret, and its line is not shown."""
        shown = ".".join(path) or ".".join(self.inner)
        mark = None if hidden else self._mark(*path)
        self.mistakes.append(errors.settings.WrongSetting(mark, self.source.name, shown, wanted))

    def _mark(self, *path: str) -> Span | None:
        return nearest_mark(self.marks, (*self.inner, *path))


_KEYS: Final[Mapping[str, tuple[str, Callable[[_Reader, str, Any], Any]]]] = {
    "catalog": ("catalog", _Reader.path),
    "device": ("device", _Reader.profile),
    "select": ("select", _Reader.selected),
    "ignore": ("ignore", _Reader.ignored),
    "per-file-ignores": ("per_file", _Reader.per_file),
    "exclude": ("exclude", _Reader.patterns),
    "compose": ("compose", _Reader.compose),
}
