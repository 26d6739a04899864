"""An expert's facts from an entry of a lock, with the type of each field looked at."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from mosaic.catalog.record import facts_from_json
from mosaic.compiler.facts import RATINGS, AdapterFacts, BridgeFacts, ExpertFacts, Permissions
from mosaic.compiler.types import EXPERTS, Kind
from mosaic.lock.entry import Entry

PACKAGE: Final = "package:"
_KINDS: Final = (*EXPERTS, Kind.BRIDGE)

_BESIDE: Final = ("digest", "sources", "covers", "file")
_FILE: Final = (
    "role", "name", "size", "sha256", "tensors_sha256", "blake3", "autov3", "location", "pixels",
)  # fmt: skip


def read_facts(entry: Entry, files: Sequence[Entry], shown: str) -> ExpertFacts:
    """The facts of an expert. Raises MosaicError (M712, M713)."""
    own = {key: value for key, value in entry.value.items() if key not in _BESIDE}
    _typed(entry, own, ExpertFacts, ("files", "integrity"))
    if own.get("kind") not in _KINDS:
        entry.fail("`kind` is one of " + ", ".join(_KINDS), "kind")
    if own.get("rating") not in (None, *RATINGS):
        entry.fail("`rating` is one of " + ", ".join(RATINGS), "rating")
    own["files"] = [_file(file, shown) for file in files]
    try:
        return facts_from_json(own)
    except (KeyError, TypeError, ValueError) as error:
        entry.fail(f"{shown} cannot be read ({error})")


def _file(entry: Entry, shown: str) -> dict[str, Any]:
    entry.only(_FILE)
    name = entry.text("name")
    known = {"role": entry.text("role"), "name": name, "size": entry.count("size"), "location": ""}
    known["sha256"] = entry.hash("sha256", f"file `{name}` of {shown}")
    for key in ("tensors_sha256", "blake3", "autov3"):
        if key in entry.value:
            known[key] = entry.hash(key, f"file `{name}` of {shown}")
    if "location" in entry.value:
        known["location"] = _location(entry)
    if "pixels" in entry.value:
        if not _pair(entry.value["pixels"]):
            entry.fail("`pixels` is a width and a height", "pixels")
        known["pixels"] = entry.value["pixels"]
    return known


def _location(entry: Entry) -> str:
    location = entry.text("location")
    path = location.removeprefix(PACKAGE)
    inside = ".." not in PurePosixPath(path).parts
    relative = not path.startswith(("/", "~")) and "\\" not in path and ":" not in path and "\0" not in path
    if not relative or (location.startswith(PACKAGE) and not inside):
        entry.fail("a location is inside the package, or a path relative to the lock", "location")
    return location


def _typed(entry: Entry, given: Mapping[str, Any], kind: type[Any], without: Sequence[str] = ()) -> None:
    fields = {field.name: str(field.type) for field in dataclasses.fields(kind) if field.name not in without}
    for key, value in given.items():
        if key not in fields:
            entry.fail(f"the key `{key}` is not known to this version", key)
        wanted = fields[key].removesuffix(" | None")
        if wanted in _NESTED:
            inner = entry.table(key)
            _typed(inner, inner.value, _NESTED[wanted])
        elif not _CHECKS[wanted](value):
            entry.fail(f"`{key}` is no {_WORDS.get(wanted, wanted)}", key)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _number(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_number, value))


def _span(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(each) in (int, float) for each in value)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _plain(value: object) -> bool:
    """What JSON has too: TOML's dates and times mean nothing here."""
    if isinstance(value, dict | list):
        return all(map(_plain, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str | int | float)


_NESTED: Final[Mapping[str, type[Any]]] = {
    "AdapterFacts": AdapterFacts,
    "BridgeFacts": BridgeFacts,
    "Permissions": Permissions,
}
_CHECKS: Final[Mapping[str, Callable[[object], bool]]] = {
    "str": _text,
    "Kind": _text,
    "int": _number,
    "float": lambda value: type(value) in (int, float),
    "bool": lambda value: isinstance(value, bool),
    "tuple[str, ...]": _texts,
    "tuple[int, int]": _pair,
    "tuple[float, float]": _span,
    "Mapping[str, object]": lambda value: isinstance(value, dict) and _plain(value),
}
"""By the annotation of a field, so that a new field of a known type needs nothing here."""
_WORDS: Final[Mapping[str, str]] = {
    "str": "text",
    "Kind": "text",
    "int": "number",
    "float": "number",
    "bool": "truth value",
    "tuple[str, ...]": "list of texts",
    "tuple[int, int]": "pair of numbers",
    "tuple[float, float]": "pair of numbers",
    "Mapping[str, object]": "table",
}
