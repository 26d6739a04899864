"""A batch of records becomes rows: what is new, what took the place of what, and under which id.

- Content decides: a record whose digest is known is the same expert, wherever it lies. Read again at the same
  place, its facts are replaced. Met at another place, that is one more copy; the facts of the first stay, and the
  id that it would have had becomes an alias.
- Other content at the same place replaces what was there: the id stays, the old digest goes.
- An id that other content has gets six digits of the digest behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from mosaic.catalog.record import Record, facts_to_json
from mosaic.catalog.store import known, sums, writing
from mosaic.catalog.store.bulk import matching
from mosaic.catalog.store.known import Known, copy_of, paths
from mosaic.catalog.store.rows import content_of
from mosaic.catalog.store.values import Put
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic

if TYPE_CHECKING:
    import duckdb

_DIGITS: Final = 6


Plain = dict[str, Any]
Prepared = Sequence[tuple[Record, str, Plain]]


def prepare(records: Sequence[Record]) -> Prepared:
    """What can be computed before the catalog is held: the digest of each record and its facts as JSON."""
    return [(record, record.digest, facts_to_json(record.facts)) for record in records]


def put(connection: duckdb.DuckDBPyConnection, prepared: Prepared) -> Put:
    """Write records inside an open transaction."""
    batch = _Batch(connection, [record for record, _, _ in prepared])
    for record, digest, facts in prepared:
        batch.take(record, digest, facts)
    batch.write()
    return Put(tuple(batch.added), tuple(batch.updated), tuple(batch.unchanged), tuple(batch.warnings))


class _Batch:
    def __init__(self, connection: duckdb.DuckDBPyConnection, records: Sequence[Record]) -> None:
        self._connection, self._records = connection, records
        self._all = known.load(connection, records)
        self._by_digest = {entry.digest: entry for entry in self._all}
        self._at: dict[str, list[Known]] = {}
        for entry in self._all:
            for copy in entry.copies:
                self._stands(entry, copy)
        self._taken = self._names()
        row = connection.execute("SELECT coalesce(max(number), 0) FROM experts").fetchone()
        self._last = int(row[0]) if row else 0
        self.added: list[str] = []
        self.updated: list[str] = []
        self.unchanged: list[str] = []
        self.warnings: list[Diagnostic] = []

    def take(self, record: Record, digest: str, facts: Plain) -> None:
        """Decide what a record is."""
        copy = copy_of(record)
        replaced = self._replaced(record, copy, digest)
        entry = self._by_digest.get(digest)
        if entry is None:
            self._add(record, facts, copy, digest, replaced)
            return
        if entry.copies and copy and not any(paths(copy) == paths(other) for other in entry.copies):
            self._another(entry, record, copy)
            return
        self._again(entry, record, facts, copy)

    def write(self) -> None:
        """Make it so, in the open transaction."""
        writing.write(self._connection, [entry for entry in self._all if not (entry.gone and entry.new)])
        writing.shared(self._connection, self._records)
        changed = [entry for entry in self._all if entry.gone or entry.content != entry.before]
        come = [entry.content for entry in changed if not entry.gone]
        gone = [entry.before for entry in changed if entry.before]
        total = sums.changed(sums.read(self._connection), gone, come)
        sums.write(self._connection, writing.edges(self._connection, self._records, total))

    def _add(
        self, record: Record, facts: Plain, copy: known.Copy, digest: str, replaced: list[Known]
    ) -> None:
        wanted = record.facts.id
        freed = [entry for entry in replaced if entry.gone]
        kept = next((entry.id for entry in freed if _is_form(entry.id, wanted)), None)
        self._last += 1
        entry = Known(self._last, digest, "", "", copies=[copy] if copy else [], record=record, new=True)
        entry.id = self._free(kept or wanted, digest, entry)
        entry.aliases = self._claim(record.aliases, entry)
        _seal(entry, record, facts)
        self._all.append(entry)
        self._by_digest[digest] = entry
        self._stands(entry, copy)
        (self.updated if freed else self.added).append(entry.id)
        if entry.id != wanted and entry.id != kept:
            self.warnings.append(errors.catalog.ExpertRenamed(None, wanted, entry.id))

    def _another(self, entry: Known, record: Record, copy: known.Copy) -> None:
        entry.copies.append(copy)
        entry.moved = True
        self._stands(entry, copy)
        names = (record.facts.id, *record.aliases)
        self._alias(entry, [name for name in names if name != entry.id])
        self.updated.append(entry.id)

    def _again(self, entry: Known, record: Record, facts: Plain, copy: known.Copy) -> None:
        wanted = record.facts.id
        same_place = [place for place in entry.copies if paths(place) == paths(copy)]
        if copy and copy not in entry.copies:
            entry.copies = [copy if place in same_place else place for place in entry.copies] or [copy]
            entry.moved = True
            self._stands(entry, copy)
        if entry.copies and not (copy and paths(copy) == paths(entry.copies[0])):
            # The first copy speaks for the expert: not another one, nor a record whose files are not at hand.
            names = [name for name in (wanted, *record.aliases) if name != entry.id]
            before = list(entry.aliases)
            self._alias(entry, names)
            (self.updated if entry.aliases != before else self.unchanged).append(entry.id)
            return
        aliases = list(entry.aliases)
        if not _is_form(entry.id, wanted):
            # Plans may name it by the old id.
            aliases.append(entry.id)
            entry.id = self._free(wanted, entry.digest, entry)
        entry.aliases = [name for name in aliases if name != entry.id]
        entry.aliases = sorted({*entry.aliases, *self._claim(record.aliases, entry)})
        content = content_of(record, entry.id, entry.aliases, facts)
        if content == entry.content:
            self.unchanged.append(entry.id)
            return
        entry.record, entry.facts, entry.content = record, facts, content
        self.updated.append(entry.id)

    def _alias(self, entry: Known, names: Sequence[str]) -> None:
        claimed = [name for name in self._claim(names, entry) if name not in entry.aliases]
        if not claimed:
            return
        entry.aliases = sorted([*entry.aliases, *claimed])
        written = entry.record or writing.record(self._connection, entry.number)
        _seal(entry, written, entry.facts or facts_to_json(written.facts))

    def _replaced(self, record: Record, copy: known.Copy, digest: str) -> list[Known]:
        """Take away the copies of other experts that stood where this one stands now."""
        sums_here = {file.fact.location: file.fact.sha256 for file in record.files if file.fact.location}
        found = []
        for entry in self._neighbours(copy):
            if entry.digest == digest or entry.gone:
                continue
            left = [
                other for other in entry.copies if not self._is_taken(entry, other, copy, sums_here, record)
            ]
            if len(left) == len(entry.copies):
                continue
            entry.copies, entry.moved = left, True
            found.append(entry)
            if not left:
                entry.gone = True
                self._by_digest.pop(entry.digest)
                for name in (entry.id, *entry.aliases):
                    self._taken.pop(name, None)
        return found

    def _is_taken(
        self, entry: Known, other: known.Copy, copy: known.Copy, here: dict[str, str], record: Record
    ) -> bool:
        old, new = paths(other), paths(copy)
        # Experts may share files (one VAE in two folders); only one that lies within the other is the same place.
        if not (old <= new or new <= old):
            return False
        hashes = writing.hashes(self._connection, entry)
        differing = any(path in here and here[path] != hashes.get(position) for position, path, _ in other)
        return differing or _is_form(entry.id, record.facts.id)

    def _neighbours(self, copy: known.Copy) -> list[Known]:
        found = {entry.number: entry for path in paths(copy) for entry in self._at.get(path, ())}
        return [found[number] for number in sorted(found)]

    def _stands(self, entry: Known, copy: known.Copy) -> None:
        for path in paths(copy):
            self._at.setdefault(path, []).append(entry)

    def _names(self) -> dict[str, int]:
        """Ids and aliases that a record of this batch may ask for, and who has them."""
        wanted = dict.fromkeys(
            name
            for record in self._records
            for name in (record.facts.id, *record.aliases, *_forms(record.facts.id, record.digest))
        )
        rows = matching(self._connection, "SELECT id, number FROM experts WHERE id IN", wanted)
        rows += matching(self._connection, "SELECT alias, expert FROM aliases WHERE alias IN", wanted)
        taken = {name: entry.number for entry in self._all for name in (entry.id, *entry.aliases)}
        return {**dict(rows), **taken}

    def _free(self, wanted: str, digest: str, entry: Known) -> str:
        """The id itself, or with as much of the digest behind it as it takes."""
        for name in (wanted, *_forms(wanted, digest)):
            if self._taken.setdefault(name, entry.number) == entry.number:
                return name
        return f"{wanted}-{digest}"

    def _claim(self, names: Sequence[str], entry: Known) -> list[str]:
        """Those of some aliases that nobody else has."""
        free = [name for name in names if self._taken.setdefault(name, entry.number) == entry.number]
        return sorted(name for name in dict.fromkeys(free) if name != entry.id)


def _seal(entry: Known, record: Record, facts: Plain) -> None:
    """Have an expert written anew."""
    entry.record, entry.facts = record, facts
    entry.content = content_of(record, entry.id, entry.aliases, entry.facts)


def _forms(wanted: str, digest: str) -> tuple[str, ...]:
    return tuple(f"{wanted}-{digest[:length]}" for length in (_DIGITS, 2 * _DIGITS, len(digest)))


def _is_form(id: str, wanted: str) -> bool:
    """Whether an id is the wanted one, or that with digits of a digest behind it."""
    head, _, tail = id.rpartition("-")
    return id == wanted or (
        head == wanted and len(tail) >= _DIGITS and all(char in "0123456789abcdef" for char in tail)
    )
