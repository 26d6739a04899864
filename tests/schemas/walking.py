"""Which properties of a schema a document has: so that a schema names nothing that never occurs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]


def named(schema: Schema) -> set[str]:
    """Every property that a standalone schema names: `run.emitted[].path` is there as the pointer to it."""
    return {pointer for pointer, _ in _named(schema, "")}


def met(schema: Schema, document: Any) -> set[str]:
    """Those that a document has. It has to be valid."""
    return set(_met(schema, schema, "", document))


def _named(part: Any, pointer: str) -> Iterator[tuple[str, Schema]]:
    if isinstance(part, list):
        for number, each in enumerate(part):
            yield from _named(each, f"{pointer}/{number}")
    if not isinstance(part, dict):
        return
    for key, value in part.items():
        if key in ("properties", "$defs") and isinstance(value, dict):
            for name, each in value.items():
                here = f"{pointer}/{key}/{name}"
                if key == "properties":
                    yield here, each
                yield from _named(each, here)
        elif key not in ("default", "examples", "enum"):
            yield from _named(value, f"{pointer}/{key}")


def _met(root: Schema, schema: Schema, pointer: str, value: Any) -> Iterator[str]:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        yield from _met(root, root["$defs"][name], f"/$defs/{name}", value)
    for key in ("anyOf", "oneOf"):
        for number, each in enumerate(schema.get(key, ())):
            if _is_valid(root, each, value):
                yield from _met(root, each, f"{pointer}/{key}/{number}", value)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name, each in value.items():
            if name in properties:
                yield f"{pointer}/properties/{name}"
                yield from _met(root, properties[name], f"{pointer}/properties/{name}", each)
            elif isinstance(schema.get("additionalProperties"), dict):
                yield from _met(root, schema["additionalProperties"], f"{pointer}/additionalProperties", each)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for each in value:
            yield from _met(root, schema["items"], f"{pointer}/items", each)


def _is_valid(root: Schema, part: Schema, value: Any) -> bool:
    return Draft202012Validator({**part, "$defs": root.get("$defs", {})}).is_valid(value)
