"""Records as rows, and rows as records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from mosaic.catalog.record import FileState, Record, StoredFile, facts_from_json, facts_to_json
from mosaic.catalog.store import sums
from mosaic.compiler.facts import ExpertFacts, FileFact

_ESCAPED: Final = "json:"
_LICENSE: Final = re.compile(r"[^\s()]+")
_OPERATORS: Final = ("AND", "OR", "WITH")


class Damaged(ValueError):
    """What is kept is not what was put: another program wrote to the catalog, or the disk is failing."""


def dumps(value: Any) -> str:
    """Plain JSON in one form."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def facts_json(content: dict[str, Any], id: str) -> str:
    """The facts (`facts_to_json`) under the id that the expert is catalogued by, without the files: these have
    their own table."""
    kept = {key: value for key, value in content.items() if key != "files"} | {"id": id}
    return json.dumps(kept, separators=(",", ":"))


def facts_of(text: str, files: Iterable[FileFact]) -> ExpertFacts:
    """The facts again. Raises Damaged."""
    try:
        return replace(facts_from_json({**json.loads(text), "files": []}), files=tuple(files))
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"the facts of an expert cannot be read ({error})") from None


def content_of(
    record: Record, id: str, aliases: Sequence[str], plain_facts: dict[str, Any] | None = None
) -> str:
    """What the catalog's digest notices of an expert: all but claims that did not win and where copies lie."""
    facts = (plain_facts or facts_to_json(record.facts)) | {"id": id}
    facts["files"] = [{**file, "location": ""} for file in facts["files"]]
    scores = [[score.name, score.share, score.low, score.high, score.n] for score in record.scores]
    texts = [record.description, record.author, list(record.tags), sorted(aliases)]
    return sums.content(record.digest, facts, texts, scores, [file.signature for file in record.files])


def file_rows(number: int, files: Sequence[StoredFile]) -> list[tuple[Any, ...]]:
    """Rows of `files`."""
    rows = []
    for position, file in enumerate(files):
        fact = file.fact
        width, height = fact.pixels or (None, None)
        rows.append(
            (number, position, fact.role, fact.name, fact.sha256, fact.tensors_sha256, fact.autov3, fact.blake3,
             fact.size, width, height, file.signature)
        )  # fmt: skip
    return rows


def state_columns(state: FileState | None) -> tuple[int | None, ...]:
    """The state's columns of `locations`."""
    if state is None:
        return (None, None, None, None, None)
    return (state.size, state.mtime_ns, state.ctime_ns, state.inode, state.device)


def state_of(columns: Sequence[int | None]) -> FileState | None:
    """The state again."""
    if any(value is None for value in columns):
        return None
    size, mtime_ns, ctime_ns, inode, device = (int(value or 0) for value in columns)
    return FileState(size, mtime_ns, ctime_ns, inode, device)


def stored_path(location: str) -> str:
    """A path as text that any database takes; names that are no Unicode are escaped."""
    if location.startswith(_ESCAPED) or not is_unicode(location):
        return _ESCAPED + json.dumps(location)
    return location


def path_of(stored: str) -> str:
    """The path again."""
    if not stored.startswith(_ESCAPED):
        return stored
    return str(json.loads(stored.removeprefix(_ESCAPED)))


def plain(text: str) -> str:
    """Text for a column that is only listed and searched."""
    return text if is_unicode(text) else text.encode("utf-8", "replace").decode("utf-8")


def simple_licenses(expression: str | None) -> list[str]:
    """The licences that an expression names, each once."""
    found = [name for name in _LICENSE.findall(expression or "") if name.upper() not in _OPERATORS]
    return list(dict.fromkeys(found))


def is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogates, which come of file names that are not UTF-8."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)
