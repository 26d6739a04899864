"""A table of a lock that is being read: its values with their types looked at, its lines for messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.source import SourceFile, Span
from mosaic.lock.marks import nearest

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One table. Every method raises MosaicError (M712, M713) for what is not as it says."""

    source: SourceFile
    marks: Mapping[tuple[str, ...], Span]
    path: tuple[str, ...]
    value: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The lock's file, as messages name it."""
        return self.source.name

    def mark(self, *inner: str) -> Span | None:
        """The line of a key, or of the innermost entry around it."""
        return nearest(self.marks, (*self.path, *inner))

    def fail(self, reason: str, *inner: str) -> NoReturn:
        """Raise MosaicError (M712) at a key."""
        raise MosaicError(errors.integrity.MalformedLock(self.mark(*inner), self.name, reason))

    def only(self, known: Iterable[str]) -> None:
        """No keys but these."""
        for key in self.value:
            if key not in known:
                self.fail(f"the key `{key}` is not known to this version", key)

    def text(self, key: str) -> str:
        """A text that must be there and say something."""
        value = self.value.get(key)
        if not isinstance(value, str) or not value:
            self.fail(f"`{key}` is wanted, a text", key)
        return value

    def count(self, key: str) -> int:
        """A number that must be there, none below zero."""
        value = self.value.get(key)
        if type(value) is not int or value < 0:
            self.fail(f"`{key}` is wanted, a number not below zero", key)
        return value

    def list(self, key: str) -> tuple[str, ...]:
        """Some texts, or none."""
        value = self.value.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fail(f"`{key}` is a list of texts", key)
        return tuple(value)

    def hash(self, key: str, shown: str, prefix: str = "") -> str:
        """A digest that must be there (M713)."""
        value = self.value.get(key)
        if isinstance(value, str) and _DIGEST.fullmatch(value.removeprefix(prefix)):
            return value
        where = self.mark(key)
        raise MosaicError(
            errors.integrity.EntryWithoutHash(where, self.name, shown, f"`{key}` that is a digest")
        )

    def table(self, key: str) -> Entry:
        """An inner table, empty where there is none."""
        value = self.value.get(key, {})
        if not isinstance(value, dict):
            self.fail(f"`{key}` is a table", key)
        return Entry(self.source, self.marks, (*self.path, key), value)

    def tables(self, key: str) -> tuple[Entry, ...]:
        """Inner tables, none where there are none."""
        value = self.value.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.fail(f"`{key}` is a list of tables", key)
        return tuple(
            Entry(self.source, self.marks, (*self.path, key, str(number)), item)
            for number, item in enumerate(value)
        )

    def texts(self, key: str) -> dict[str, str]:
        """A table of texts."""
        inner = self.table(key)
        for name, value in inner.value.items():
            if not isinstance(value, str):
                inner.fail(f"`{name}` is a text", name)
        return dict(inner.value)

    def hashes(self, key: str) -> dict[str, str]:
        """A table of digests."""
        inner = self.table(key)
        return {name: inner.hash(name, f"`{name}`") for name in inner.value}
