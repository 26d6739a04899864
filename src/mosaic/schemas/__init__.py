"""JSON Schemas (draft 2020-12) of what commands print and write for programs, and how to read them.

The files refer to each other by `urn:mosaic:schema:NAME:1`; `standalone` gives one that needs no other. They are open:
a key that they do not name is allowed, since keys may be added under the same version. `closed` makes them strict.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

Schema = dict[str, Any]

VERSION: Final = 1
"""Of the shapes; a part of each schema's `$id`."""

COMMON: Final = "common"
"""The file of parts that several schemas share; no document has its shape."""

OF_COMMANDS: Final[Mapping[str, str]] = {
    "bench agent": "bench-agent",
    "bench composition": "bench-composition",
    "bridge fit": "bridge-fit",
    "bridge list": "bridge-list",
    "cache clear": "cache-prune",
    "cache prune": "cache-prune",
    "cache stats": "cache-stats",
    "cache verify": "cache-verify",
    "catalog add": "catalog-add",
    "catalog export": "catalog-export",
    "catalog import": "catalog-import",
    "catalog list": "catalog-list",
    "catalog path": "catalog-path",
    "catalog relate": "catalog-relate",
    "catalog remove": "catalog-remove",
    "catalog search": "catalog-search",
    "catalog show": "catalog-show",
    "catalog stats": "catalog-stats",
    "catalog verify": "catalog-verify",
    "check": "diagnostics",
    "compose": "compose",
    "diff": "diff",
    "lint": "diagnostics",
    "lock": "lock",
    "plan": "plan",
    "recover": "recover",
    "run": "run",
    "verify": "verify",
}
"""The schema of what each command prints with `--json` or `--format json`. One that fails under `--json` prints the
shape `diagnostics` instead."""

_URN: Final = "urn:mosaic:schema:"
_FOLDER: Final = Path(__file__).parent


def names() -> tuple[str, ...]:
    """The schemas of whole documents, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json") if path.stem != COMMON))


def read(name: str) -> Schema:
    """A schema as its file has it. Raises KeyError where there is none of this name."""
    if name not in (*names(), COMMON):
        raise KeyError(name)
    return json.loads(_text(name))  # type: ignore[no-any-return]


def standalone(name: str) -> Schema:
    """A schema with all that it refers to in its own `$defs`. Raises KeyError where there is none of this name."""
    definitions: dict[str, Any] = {}
    root = read(name)
    root.pop("$defs", None)
    whole: Schema = _moved(root, name, definitions)
    return {**whole, "$defs": dict(sorted(definitions.items()))} if definitions else whole


def closed(schema: Schema) -> Schema:
    """The same, allowing no key that it does not name, wherever it names keys."""
    found: Schema = _closed(schema)
    return found


@cache
def _text(name: str) -> str:
    return (_FOLDER / f"{name}.json").read_text(encoding="utf-8")


def _moved(part: Any, home: str, definitions: dict[str, Any]) -> Any:
    """A part of the schema `home` whose references lead into `definitions`, which are filled on the way."""
    if isinstance(part, list):
        return [_moved(each, home, definitions) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        key: _here(value, home, definitions)
        if key == "$ref" and isinstance(value, str)
        else _moved(value, home, definitions)
        for key, value in part.items()
    }


def _here(reference: str, home: str, definitions: dict[str, Any]) -> str:
    """Where what a reference leads to stands in the document that holds it all."""
    address, _, pointer = reference.partition("#")
    named = address.removeprefix(_URN).rpartition(":")[0] if address else home
    key = pointer.removeprefix("/$defs/") or named
    if key not in definitions:
        whole = read(named)
        inner = whole.pop("$defs", {})
        definitions[key] = {}  # so that what refers to itself ends
        found = inner[key] if pointer else {k: v for k, v in whole.items() if k not in ("$schema", "$id")}
        definitions[key] = _moved(found, named, definitions)
    return f"#/$defs/{key}"


def _closed(part: Any) -> Any:
    if isinstance(part, list):
        return [_closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    inner = {
        # Names of properties and definitions are no keywords.
        key: {name: _closed(each) for name, each in value.items()}
        if key in ("properties", "$defs")
        else _closed(value)
        for key, value in part.items()
    }
    if isinstance(part.get("properties"), dict) and part.get("type") in ("object", ["object", "null"]):
        inner.setdefault("additionalProperties", False)
    return inner
