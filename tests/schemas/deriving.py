"""Schemas of what pydantic models describe, derived from them. `python tests/schemas/deriving.py` writes the files.

What a field holds is said beside the field for readers of the code, and in `described.toml` for readers of the JSON.
"""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from mosaic import schemas
from mosaic.agent.values import Answer, Trace
from mosaic.compiler.program import Program

FOLDER = Path(schemas.__file__).parent
DRAFT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def program() -> Schema:
    """Closed: `mosaic run` takes programs, and no other keys."""
    head = ("program", "A compiled plan, which `mosaic plan -o` writes and `mosaic run` takes")
    return _whole(*head, Program, is_open=False)


def trace() -> Schema:
    """Of what composing did."""
    head = ("trace", "What `mosaic compose --trace` writes: what composing did, step by step")
    whole = _whole(*head, Trace, is_open=True)
    whole["$defs"]["Round"]["properties"]["diagnostics"]["items"] = {"$ref": "#/$defs/Returned"}
    whole["$defs"]["Returned"] = _returned()
    return whole


def _returned() -> Schema:
    """A diagnostic as it goes back to a model: with its line, and what could stand there."""
    common = f'"{_urn(schemas.COMMON)}#/$defs/'
    plain = schemas.read(schemas.COMMON)["$defs"]["diagnostic"]
    plain = json.loads(json.dumps(plain).replace('"#/$defs/', common))
    said = described()["Returned"]
    texts = {"type": "array", "items": {"type": "string"}}
    more = {
        "source": {"type": "string", "description": said["source"]},
        "expected": {**texts, "description": said["expected"]},
        "candidates": {**texts, "description": said["candidates"]},
    }
    return {**plain, "description": said["description"], "properties": {**plain["properties"], **more}}


def compose() -> Schema:
    """An answer, with where it went."""
    answer = _described(Answer.model_json_schema(mode="serialization"), is_open=True, name="Answer")
    inner = json.loads(json.dumps(answer["properties"]).replace('"#/$defs/', f'"{_urn("trace")}#/$defs/'))
    said = described()["compose"]
    properties = {
        "version": {"const": 1, "description": said["version"]},
        "met": {"type": "boolean", "description": said["met"]},
        "path": {"type": ["string", "null"], "description": said["path"]},
        **inner,
        "usage": {"description": said["usage"], "$ref": f"{_urn('trace')}#/$defs/Usage"},
        "report": {"type": ["string", "null"], "description": said["report"]},
        "run": {"description": said["run"], "anyOf": [{"$ref": _urn("run")}, {"type": "null"}]},
    }
    return {
        "$schema": DRAFT,
        "$id": _urn("compose"),
        "title": "What `mosaic compose --json` prints",
        "description": said["description"],
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


DERIVED = {"program": program, "trace": trace, "compose": compose}


@cache
def described() -> dict[str, dict[str, str]]:
    """What properties hold, by model."""
    found: dict[str, dict[str, str]] = tomllib.loads(
        Path(__file__).with_name("described.toml").read_text(encoding="utf-8")
    )
    return found


def written(schema: Schema) -> str:
    """As the files have it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _urn(name: str) -> str:
    return f"urn:mosaic:schema:{name}:1"


def _whole(name: str, title: str, model: type[BaseModel], *, is_open: bool) -> Schema:
    derived = model.model_json_schema(mode="validation" if not is_open else "serialization")
    definitions = derived.pop("$defs")
    body = _described(derived, is_open=is_open, name=model.__name__)
    inner = {key: _described(each, is_open=is_open, name=key) for key, each in definitions.items()}
    head = {"$schema": DRAFT, "$id": _urn(name), "title": title}
    return {**head, **{k: v for k, v in body.items() if k != "title"}, "$defs": inner}


def _described(schema: Schema, *, is_open: bool, name: str) -> Schema:
    """One model: its properties described, without the titles that pydantic makes of names."""
    found = _untitled(schema)
    if "description" in found:
        found["description"] = " ".join(found["description"].split(">>>")[0].split())
    if "properties" not in found:
        return found
    said = described()[name]
    for key, value in found["properties"].items():
        value["description"] = said[key]
        if is_open:
            value.pop("default", None)
    told = [key for key, value in found["properties"].items() if "const" in value]
    found["required"] = [
        *dict.fromkeys([*told, *found.get("required", ())])
    ]  # what tells forms apart is there
    if is_open:
        found.pop("additionalProperties", None)
        found["required"] = list(found["properties"])  # a model is written with all that it has
    return found


def _untitled(part: Any) -> Any:
    if isinstance(part, list):
        return [_untitled(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        key: {name: _untitled(each) for name, each in value.items()}
        if key == "properties"
        else _untitled(value)
        for key, value in part.items()
        if not (key == "title" and isinstance(value, str)) and key != "discriminator"
    }


if __name__ == "__main__":
    for name, derive in DERIVED.items():
        (FOLDER / f"{name}.json").write_text(written(derive()), encoding="utf-8")
