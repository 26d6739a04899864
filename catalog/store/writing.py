"""What a batch decided, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mosaic.catalog.record import Record, facts_to_json
from mosaic.catalog.store import lookup, rows, shapes, sums, terms, whole
from mosaic.catalog.store.bulk import OF_EXPERT, delete, insert, insert_new, matching
from mosaic.catalog.store.known import Known, by_number

if TYPE_CHECKING:
    import duckdb


def write(connection: duckdb.DuckDBPyConnection, entries: Sequence[Known]) -> None:
    """Write experts anew, move their copies, take away those that are gone."""
    drop(connection, [entry for entry in entries if entry.gone])
    living = [entry for entry in entries if not entry.gone]
    fresh = [(entry, entry.record) for entry in living if entry.record is not None]
    rewritten = [entry.number for entry, _ in fresh if not entry.new]
    moved = [entry.number for entry in living if entry.moved and entry.number not in rewritten]
    for table in OF_EXPERT:
        delete(connection, table, "expert", rewritten)
    delete(connection, "experts", "number", rewritten)
    delete(connection, "locations", "expert", moved)
    lengths = _index(connection, [(entry, record) for entry, record in fresh])
    insert(connection, "experts", [_row(entry, record, lengths[entry.number]) for entry, record in fresh])
    insert(connection, "files", [row for e, r in fresh for row in rows.file_rows(e.number, r.files)])
    placed = [entry for entry in living if entry.record is not None or entry.moved]
    insert(connection, "locations", [row for entry in placed for row in _locations(entry)])
    insert(connection, "claims", [row for entry, record in fresh for row in _claims(entry.number, record)])
    insert(connection, "aliases", [(alias, entry.number) for entry, _ in fresh for alias in entry.aliases])
    insert(
        connection,
        "tags",
        [(e.number, *item) for e, r in fresh for item in enumerate(map(rows.plain, r.tags))],
    )
    insert(connection, "triggers", [(e.number, *item) for e, r in fresh for item in enumerate(triggers(r))])
    insert(
        connection,
        "licenses",
        [(e.number, name) for e, r in fresh for name in rows.simple_licenses(r.facts.license)],
    )
    insert(
        connection,
        "capabilities",
        [
            (entry.number, position, score.name, score.share, score.low, score.high, score.n)
            for entry, record in fresh
            for position, score in enumerate(record.scores)
        ],
    )


def drop(connection: duckdb.DuckDBPyConnection, entries: Sequence[Known]) -> None:
    """Take experts away, with all that is only theirs; the catalog's sum is the caller's affair."""
    if not entries:
        return
    numbers = [entry.number for entry in entries]
    for table in OF_EXPERT:
        delete(connection, table, "expert", numbers)
    delete(connection, "experts", "number", numbers)
    gone = [entry.digest for entry in entries]
    lost = matching(connection, "SELECT content FROM edges WHERE first IN", gone)
    connection.execute("DELETE FROM edges WHERE first IN (SELECT unnest($1::VARCHAR[]))", [gone])
    sums.write(connection, sums.changed(sums.read(connection), [content for (content,) in lost], ()))
    connection.execute("DELETE FROM signatures WHERE digest NOT IN (SELECT signature FROM files)")
    connection.execute("DELETE FROM texts WHERE sha256 NOT IN (SELECT sha256 FROM files)")


def shared(connection: duckdb.DuckDBPyConnection, records: Iterable[Record]) -> None:
    """Write what experts share: signatures and small texts, each once."""
    signatures = {digest: item for record in records for digest, item in record.signatures.items()}
    known = dict.fromkeys(
        digest
        for (digest,) in matching(connection, "SELECT digest FROM signatures WHERE digest IN", signatures)
    )
    new = {digest: shapes.pack(item) for digest, item in signatures.items() if digest not in known}
    insert(connection, "signatures", list(new.items()))
    texts = {digest: shapes.pack_text(text) for record in records for digest, text in record.texts.items()}
    insert_new(connection, "texts", texts)


def edges(connection: duckdb.DuckDBPyConnection, records: Iterable[Record], total: sums.Sum) -> sums.Sum:
    """Write the relations that records tell of, the later over the earlier; gives the catalog's new sum."""
    new = {}
    for record in records:
        for edge in record.edges:
            key = (edge.relation, edge.first, edge.second)
            new[key] = (rows.dumps(edge.value), sums.content("edge", *key, edge.value))
    return put_edges(connection, new, total)


def put_edges(
    connection: duckdb.DuckDBPyConnection,
    new: dict[tuple[str, str, str], tuple[str, str]],
    total: sums.Sum,
) -> sums.Sum:
    """Write relations given as (value, content) by (relation, first, second); gives the catalog's new sum."""
    if not new:
        return total
    query = "SELECT relation, first, second, content FROM edges WHERE first IN"
    old = {
        tuple(row[:3]): row[3] for row in matching(connection, query, dict.fromkeys(key[1] for key in new))
    }
    changed = {key: item for key, item in new.items() if old.get(key) != item[1]}
    for key in changed:
        if key in old:
            connection.execute(
                "DELETE FROM edges WHERE relation = $1 AND first = $2 AND second = $3", list(key)
            )
    insert(connection, "edges", [(*key, *item) for key, item in changed.items()])
    gone = [old[key] for key in changed if key in old]
    return sums.changed(total, gone, [content for _, content in changed.values()])


def record(connection: duckdb.DuckDBPyConnection, number: int) -> Record:
    """An expert as it was put."""
    return whole.records(connection, [number])[0]


def hashes(connection: duckdb.DuckDBPyConnection, entry: Known) -> dict[int, str]:
    """The SHA-256 of each file of an expert, by position."""
    if entry.record is not None:
        return {position: file.fact.sha256 for position, file in enumerate(entry.record.files)}
    query = "SELECT position, sha256 FROM files WHERE expert = $1"
    return dict(connection.execute(query, [entry.number]).fetchall())


def triggers(record: Record) -> list[str]:
    """Every word that calls an expert, the usual one first."""
    first = (record.facts.trigger,) if record.facts.trigger else ()
    return [rows.plain(word) for word in dict.fromkeys((*first, *record.facts.triggers))]


def _row(entry: Known, record: Record, length: float) -> tuple[Any, ...]:
    facts = record.facts
    return (
        entry.number, entry.digest, entry.id, str(facts.kind), facts.family, facts.space, facts.prediction,
        rows.plain(facts.title), rows.plain(record.description), rows.plain(record.author), facts.license,
        facts.license_evidence, facts.rating, rows.plain(facts.trigger) if facts.trigger else None,
        sum(file.fact.size for file in record.files), shapes.shape_of(facts.kind, record.files), length,
        entry.content, rows.facts_json(entry.facts or facts_to_json(facts), entry.id),
    )  # fmt: skip


def _locations(entry: Known) -> list[tuple[Any, ...]]:
    return [
        (entry.number, position, copy, rows.stored_path(path), *rows.state_columns(state))
        for copy, places in enumerate(entry.copies)
        for position, path, state in places
    ]


def _claims(number: int, record: Record) -> list[tuple[Any, ...]]:
    return [
        (
            number,
            position,
            rows.plain(claim.key),
            rows.dumps(claim.value),
            claim.evidence.value,
            rows.plain(claim.source),
        )
        for position, claim in enumerate(record.claims)
    ]


def _index(connection: duckdb.DuckDBPyConnection, fresh: Sequence[tuple[Known, Record]]) -> dict[int, float]:
    """Write the words of experts; gives the length of each one's text."""
    weighed = {entry.number: terms.weighed(_fields(entry, record)) for entry, record in fresh}
    words = dict.fromkeys(word for weights in weighed.values() for word in weights)
    numbers = dict(matching(connection, "SELECT term, number FROM terms WHERE term IN", words))
    row = connection.execute("SELECT coalesce(max(number), 0) FROM terms").fetchone()
    first = (int(row[0]) if row else 0) + 1
    new = {word: number for number, word in enumerate((w for w in words if w not in numbers), first)}
    insert(connection, "terms", [(number, word) for word, number in new.items()])
    numbers |= new
    insert(
        connection,
        "postings",
        [
            (numbers[word], expert, weight)
            for expert, found in weighed.items()
            for word, weight in found.items()
        ],
    )
    return {expert: sum(found.values()) for expert, found in weighed.items()}


def _fields(entry: Known, record: Record) -> list[tuple[str, str]]:
    return [
        *(("trigger", word) for word in triggers(record)),
        ("title", rows.plain(record.facts.title)),
        ("id", entry.id),
        *(("alias", alias) for alias in entry.aliases),
        *(("tag", rows.plain(tag)) for tag in record.tags),
        ("description", rows.plain(record.description)),
    ]


def remove(connection: duckdb.DuckDBPyConnection, references: Iterable[str]) -> tuple[str, ...]:
    """Take experts away by id, alias or digest; gives the ids of those that were there."""
    found = [lookup.by_reference(connection, reference) for reference in references]
    entries = by_number(connection, dict.fromkeys(number for number in found if number is not None))
    drop(connection, entries)
    total = sums.changed(sums.read(connection), [entry.before for entry in entries], ())
    sums.write(connection, total)
    return tuple(entry.id for entry in entries)
