"""Experts as somebody looks over them who chooses among them: facts, texts and measures, without tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mosaic.catalog.record import Score
from mosaic.catalog.store import lookup, rows
from mosaic.catalog.store.bulk import matching
from mosaic.compiler.facts import ExpertFacts

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Sight:
    """What is known of an expert and what strangers say of it. `facts` are without files."""

    facts: ExpertFacts
    description: str
    tags: tuple[str, ...]
    scores: tuple[Score, ...]


def sights(connection: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> list[Sight]:
    """In the order of the ids as given; an id that is not there is left out."""
    wanted = [id for id in dict.fromkeys(ids) if rows.is_unicode(id)]
    found = {
        number: (id, facts, description)
        for number, id, facts, description in matching(
            connection, "SELECT number, id, facts, description FROM experts WHERE id IN", wanted
        )
    }
    tags: dict[int, list[str]] = {}
    for expert, _, tag in sorted(
        matching(connection, "SELECT expert, position, tag FROM tags WHERE expert IN", found, "INTEGER")
    ):
        tags.setdefault(expert, []).append(tag)
    scores: dict[int, list[Score]] = {}
    query = "SELECT expert, position, name, share, low, high, n FROM capabilities WHERE expert IN"
    for expert, _, *row in sorted(matching(connection, query, found, "INTEGER")):
        scores.setdefault(expert, []).append(Score(*row))
    by_id = {
        id: Sight(
            rows.facts_of(facts, ()), description, tuple(tags.get(number, ())), tuple(scores.get(number, ()))
        )
        for number, (id, facts, description) in found.items()
    }
    return [by_id[id] for id in wanted if id in by_id]


def checkpoints(
    connection: duckdb.DuckDBPyConnection, families: Sequence[str], limit: int
) -> list[ExpertFacts]:
    """Checkpoints of some families (of all where none is named), by id."""
    query = f"""
        SELECT number FROM experts WHERE kind = 'checkpoint'
        {"AND family IN (SELECT unnest($2::VARCHAR[]))" if families else ""}
        ORDER BY id LIMIT $1"""
    values: list[object] = [limit, *([list(families)] if families else [])]
    numbers = [int(number) for (number,) in connection.execute(query, values).fetchall()]
    return lookup.facts(connection, numbers)
