"""Finding experts by words: BM25 over weighted fields (Robertson & Zaragoza 2009), in SQL.

A word of a request stands for itself, for longer words that begin with it, and, where nobody knows it, for words that
are spelt much like it; the latter two at less weight. A word counts once, by the best of what it stands for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Any, Final

from mosaic.catalog.store import lookup, terms
from mosaic.catalog.store.bulk import matching
from mosaic.catalog.store.values import Hit, Row
from mosaic.compiler.facts import Candidate, ExpertFacts
from mosaic.compiler.types import Kind

if TYPE_CHECKING:
    import duckdb

_K1: Final = 1.2  # how soon more of a word stops to count
_B: Final = 0.5  # how much longer texts count less
_PREFIX: Final = 0.6
_NEAR: Final = 0.5
_LEAST_LIKE: Final = 0.88  # Jaro-Winkler
_SHORTEST: Final = 3  # letters of a word that may stand for others
_VARIANTS: Final = 40  # words that one may stand for
_WORDS: Final = 16  # of a request; the rest is left out
_COMMON: Final = 0.05  # of all experts: a word that more of them have is a common one
_FEW: Final = 500  # a word that no more experts have is none: a catalog may well be of one theme
_POOL: Final = 200
"""Of so many experts, the most relevant, those are chosen that were measured to be good."""
_MOST: Final = 32
_PRIOR: Final = 0.5
"""The capability of an expert that was not measured."""
_FITTING: Final = 3
_DIGITS: Final = 6  # of a score: beyond these, the order of summands shows

_ROW: Final = "id, kind, family, title, trigger, license, rating, size, digest"


@dataclass(frozen=True)
class Filter:
    """What a search is narrowed to; what is empty does not narrow. All ignore case but the families."""

    kind: Kind | None = None
    families: tuple[str, ...] = ()
    license: str | None = None
    trigger: str | None = None
    ratings: tuple[str, ...] = ()

    def sql(self, first: int) -> tuple[str, list[Any]]:
        """A condition on `experts` whose parameters are numbered from `first`, and these."""
        parts: list[str] = ["true"]
        values: list[Any] = []
        for condition, value in (
            ("experts.kind = {}", str(self.kind) if self.kind else None),
            ("experts.family IN (SELECT unnest({}::VARCHAR[]))", list(self.families)),
            ("experts.rating IN (SELECT unnest({}::VARCHAR[]))", list(self.ratings)),
            (
                "experts.number IN (SELECT expert FROM licenses WHERE lower(licenses.license) = lower({}))",
                self.license,
            ),
            (
                "experts.number IN (SELECT expert FROM triggers WHERE contains(lower(triggers.trigger), lower({})))",
                self.trigger,
            ),
        ):
            if value:
                parts.append(condition.format(f"${first + len(values)}"))
                values.append(value)
        return " AND ".join(parts), values


@dataclass(frozen=True)
class _Match:
    number: int
    id: str
    relevance: float  # 0..1
    words: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """An expert that answers some words; the fields as those of `Candidate`."""

    number: int
    id: str
    score: float
    relevance: float
    measured: float | None
    measure: str
    words: tuple[str, ...]


def row_of(columns: Sequence[Any]) -> Row:
    """A line of a listing from the columns of `_ROW`."""
    id, kind, *rest = columns
    return Row(id, Kind(kind), *rest)


def listing(
    connection: duckdb.DuckDBPyConnection, filter_: Filter, limit: int | None, offset: int
) -> list[Row]:
    """Experts by id."""
    condition, values = filter_.sql(3)
    query = f"SELECT {_ROW} FROM experts WHERE {condition} ORDER BY id LIMIT $1 OFFSET $2"
    most = limit if limit is not None else (1 << 62)
    return [row_of(row) for row in connection.execute(query, [most, offset, *values]).fetchall()]


def search(connection: duckdb.DuckDBPyConnection, words: str, filter_: Filter, limit: int) -> list[Hit]:
    """Experts that answer to some of the words, the best first."""
    found = _matches(connection, words, filter_, limit)
    query = f"SELECT number, {_ROW} FROM experts WHERE number IN"
    rows = {
        number: row_of(row)
        for number, *row in matching(connection, query, [match.number for match in found], "INTEGER")
    }
    return [Hit(rows[match.number], match.relevance, match.words) for match in found]


def find(connection: duckdb.DuckDBPyConnection, words: str, filter_: Filter) -> list[Candidate]:
    """Experts that answer to the words and were measured to be good, the best first."""
    (best,) = answers(connection, [words], filter_, _MOST)
    experts = lookup.facts(connection, [each.number for each in best])
    return [
        Candidate(expert, each.score, each.relevance, each.measured, each.measure, each.words)
        for expert, each in zip(experts, best, strict=True)
    ]


def answers(
    connection: duckdb.DuckDBPyConnection,
    texts: Sequence[str],
    filter_: Filter,
    most: int,
    loose: Collection[str] | None = None,
) -> list[list[Answer]]:
    """The same for several texts at once, without the experts' facts; at most so many for each. Only words (in normal
    form) that are `loose` stand for longer and misspelt ones; all do where nothing is said."""
    found = _all_matches(connection, texts, filter_, _POOL, loose)
    numbers = dict.fromkeys(match.number for some in found for match in some)
    capabilities = _capabilities(connection, list(numbers))
    answers = []
    for text, some in zip(texts, found, strict=True):
        asked = terms.words(text)
        ranked = []
        for match in some:
            name, low = capabilities.best(match.number, asked)
            score = round(match.relevance * (_PRIOR if low is None else low), _DIGITS)
            ranked.append(Answer(match.number, match.id, score, match.relevance, low, name, match.words))
        answers.append(sorted(ranked, key=lambda each: (-each.score, each.id))[:most])
    return answers


def fitting(
    connection: duckdb.DuckDBPyConnection, kind: Kind, base: ExpertFacts, base_digest: str, like: ExpertFacts
) -> list[str]:
    """Experts of a kind for a base's family whose tensors are not known to miss it, most like another first."""
    if base.family is None:
        return []
    row = connection.execute("SELECT description FROM experts WHERE id = $1", [like.id]).fetchone()
    text = " ".join([like.title, like.trigger or "", like.id.rpartition("/")[2], row[0] if row else ""])
    filter_ = Filter(kind, (base.family,))
    alike = [match.number for match in _matches(connection, text, filter_, _MOST)]
    best = _covered(connection, kind, base, base_digest, like, f"number IN ({_listed(alike or [0])})")
    place = {number: rank for rank, number in enumerate(alike)}
    ids = [id for _, id in sorted(best, key=lambda row: place[row[0]])][:_FITTING]
    if len(ids) < _FITTING:
        ids += [id for _, id in _covered(connection, kind, base, base_digest, like, "true") if id not in ids]
    return ids[:_FITTING]


def _covered(
    connection: duckdb.DuckDBPyConnection,
    kind: Kind,
    base: ExpertFacts,
    base_digest: str,
    like: ExpertFacts,
    among: str,
) -> list[tuple[int, str]]:
    """Some experts of a base's family, by id, without those whose tensors are known not to fit."""
    query = f"""
        SELECT number, id FROM experts WHERE {among} AND kind = $1 AND family = $2 AND id NOT IN ($3, $4)
        AND shape NOT IN (
            SELECT coverages.shape FROM coverages WHERE NOT complete
            AND base = (SELECT shape FROM experts WHERE id = $3 AND digest = $5))
        ORDER BY id LIMIT {_MOST}"""
    values = [str(kind), base.family, base.id, like.id, base_digest]
    return connection.execute(query, values).fetchall()


def near(connection: duckdb.DuckDBPyConnection, kind: Kind, reference: str, limit: int = 2) -> list[str]:
    """Ids of a kind that are spelt much like a mistyped one."""
    query = """
        SELECT id FROM (
            SELECT id, greatest(
                jaro_winkler_similarity(lower(id), $2), jaro_winkler_similarity(parse_filename(lower(id)), $3)
            ) AS alike FROM experts WHERE kind = $1)
        WHERE alike >= $4 ORDER BY round(alike, 6) DESC, id LIMIT $5"""
    wanted = reference.lower()
    values = [str(kind), wanted, wanted.rpartition("/")[2], _LEAST_LIKE, limit]
    return [str(id) for (id,) in connection.execute(query, values).fetchall()]


def _matches(connection: duckdb.DuckDBPyConnection, text: str, filter_: Filter, limit: int) -> list[_Match]:
    return _all_matches(connection, [text], filter_, limit)[0]


def _all_matches(
    connection: duckdb.DuckDBPyConnection,
    texts: Sequence[str],
    filter_: Filter,
    limit: int,
    loose: Collection[str] | None = None,
) -> list[list[_Match]]:
    """What answers each of some texts, the best first: all are looked up in one go over the catalog."""
    asked = [list(dict.fromkeys(terms.words(text)))[:_WORDS] for text in texts]
    words = list(dict.fromkeys(word for some in asked for word in some))
    variants = _variants(connection, words, words if loose is None else loose) if words else []
    row = connection.execute("SELECT count(*), coalesce(avg(length), 1) FROM experts").fetchone()
    total, average = (int(row[0]), float(row[1]) or 1.0) if row else (0, 1.0)
    if not total or not variants:
        return [[] for _ in texts]
    counts = _counts(connection, variants)
    rarity = [_rarity(counts.get(place, 0), total) for place in range(len(words))]
    columns: list[list[Any]] = [[], [], [], [], []]
    for number, some in enumerate(asked):
        own = [(term, place, like) for term, place, like in variants if words[place] in some]
        # A word that much of the catalog has decides little: it counts only for those that rarer words have found.
        rare = {place for _, place, _ in own if counts.get(place, 0) <= max(_FEW, total * _COMMON)}
        for term, place, like in own:
            row_ = (number, term, place, like, not rare or place in rare)
            for column, value in zip(columns, row_, strict=True):
                column.append(value)
    condition, values = filter_.sql(8)
    query = f"""
        WITH asked AS (
            SELECT unnest($1::INTEGER[]) AS text, unnest($2::INTEGER[]) AS term, unnest($3::INTEGER[]) AS word,
                unnest($4::FLOAT[]) AS likeness, unnest($5::BOOLEAN[]) AS rare
        ), met AS (
            SELECT text, asked.word, expert, max(weight * likeness) AS weight, bool_or(rare) AS rare
            FROM postings JOIN asked USING (term) WHERE term IN ({_listed(list(dict.fromkeys(columns[1])))})
            GROUP BY ALL
        ), found AS (
            SELECT text, expert,
                sum(($6::DOUBLE[])[met.word + 1] * met.weight
                    / (met.weight + {_K1} * ({1 - _B} + {_B} * length / $7))) AS score,
                list(DISTINCT met.word ORDER BY met.word) AS words
            FROM met JOIN experts ON number = expert
            WHERE {condition} GROUP BY text, expert HAVING bool_or(rare)
        )
        SELECT text, expert, id, round(score, {_DIGITS}) AS score, words
        FROM found JOIN experts ON number = expert
        QUALIFY row_number() OVER (PARTITION BY text ORDER BY round(score, {_DIGITS}) DESC, id) <= {limit:d}
        ORDER BY text, score DESC, id"""
    found = connection.execute(query, [*columns, rarity, average, *values]).fetchall()
    # What an expert would score that says nothing but the words asked for.
    places = {word: place for place, word in enumerate(words)}
    whole = [sum(rarity[places[word]] for word in some) or 1.0 for some in asked]
    matches: list[list[_Match]] = [[] for _ in texts]
    for number, expert, id, score, said in found:
        relevance = min(1.0, round(score / whole[number], _DIGITS))
        spoken = {words[place] for place in said}
        in_order = tuple(word for word in asked[number] if word in spoken)
        matches[number].append(_Match(expert, id, relevance, in_order))
    return matches


def _rarity(count: int, total: int) -> float:
    # An expert that has two variants of a word was counted twice.
    count = min(count, total)
    return log(1 + (total - count + 0.5) / (count + 0.5))


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(f"{number:d}" for number in numbers)


def _counts(
    connection: duckdb.DuckDBPyConnection, variants: Sequence[tuple[int, int, float]]
) -> dict[int, int]:
    """In how many experts each word asked for occurs. All are counted: a filter does not change how two compare."""
    numbers, places = [number for number, _, _ in variants], [word for _, word, _ in variants]
    query = f"""
        SELECT asked.word, count(*) FROM postings
        JOIN (SELECT unnest($1::INTEGER[]) AS term, unnest($2::INTEGER[]) AS word) AS asked USING (term)
        WHERE term IN ({_listed(numbers)}) GROUP BY asked.word"""
    return dict(connection.execute(query, [numbers, places]).fetchall())


def _variants(
    connection: duckdb.DuckDBPyConnection, asked: Sequence[str], loose: Collection[str]
) -> list[tuple[int, int, float]]:
    """The known words that each word stands for: (term, place of the word, likeness 0..1)."""
    rows = _beginning(connection, asked, loose)
    known = {term: number for number, term in rows}
    found: dict[tuple[int, int], float] = {}
    for place, word in enumerate(asked):
        if word in known:
            found[known[word], place] = 1.0
        if len(word) < _SHORTEST or word not in loose:
            continue
        longer = sorted((len(term), term) for _, term in rows if term != word and term.startswith(word))
        for length, term in longer[:_VARIANTS]:
            found.setdefault((known[term], place), _PREFIX * len(word) / length)
        if word not in known:
            for number, alike in _alike(connection, word):
                likeness = _NEAR * alike
                found[number, place] = max(found.get((number, place), 0.0), likeness)
    return [(number, place, likeness) for (number, place), likeness in found.items()]


def _beginning(
    connection: duckdb.DuckDBPyConnection, asked: Sequence[str], loose: Collection[str]
) -> list[tuple[int, str]]:
    """The words of the catalog that are, or begin with, one of some words: one look over all of them."""
    places = ", ".join(f"${place}" for place in range(1, len(asked) + 1))
    wanted = [f"term IN ({places})"]
    wanted += [
        f"starts_with(term, ${place})"
        for place, word in enumerate(asked, 1)
        if len(word) >= _SHORTEST and word in loose
    ]
    query = f"SELECT number, term FROM terms WHERE {' OR '.join(wanted)}"
    return connection.execute(query, list(asked)).fetchall()


def _alike(connection: duckdb.DuckDBPyConnection, word: str) -> list[tuple[int, float]]:
    # A first letter is seldom mistyped, and comparing with it alone keeps the question short.
    query = """
        SELECT number, jaro_winkler_similarity(term, $1) AS alike FROM terms
        WHERE starts_with(term, $2) AND abs(length(term) - length($1)) <= 2 AND alike >= $3
        ORDER BY round(alike, 6) DESC, term LIMIT $4"""
    return connection.execute(query, [word, word[0], _LEAST_LIKE, 5]).fetchall()


@dataclass(frozen=True)
class _Capabilities:
    """What was measured of experts: (position, name, low) by number; and the words of their triggers."""

    measures: Mapping[int, Sequence[tuple[int, str, float]]]
    triggers: Mapping[int, Sequence[str]]

    def best(self, number: int, asked: Sequence[str]) -> tuple[str, float | None]:
        """The measure that answers the words best: its name shares most words with the request, else with the
        expert's triggers; else it is the first, by which the expert was judged first of all."""
        best: tuple[tuple[float, ...], str, float | None] = ((), "", None)
        for position, name, low in self.measures.get(number, ()):
            said = terms.words(name)
            share = sum(word in asked for word in said) / (len(said) or 1)
            own = sum(word in self.triggers.get(number, ()) for word in said)
            rank = (-share, -float(own), float(position))
            if best[2] is None or rank < best[0]:
                best = (rank, name, low)
        return best[1], best[2]


def _capabilities(connection: duckdb.DuckDBPyConnection, numbers: Sequence[int]) -> _Capabilities:
    measures: dict[int, list[tuple[int, str, float]]] = {}
    query = "SELECT expert, position, name, low FROM capabilities WHERE expert IN"
    for expert, position, name, low in sorted(matching(connection, query, numbers, "INTEGER")):
        measures.setdefault(expert, []).append((position, name, low))
    triggers: dict[int, list[str]] = {}
    query = "SELECT expert, trigger FROM triggers WHERE expert IN"
    for expert, trigger in matching(connection, query, measures, "INTEGER"):
        triggers.setdefault(expert, []).extend(terms.words(trigger))
    return _Capabilities(measures, triggers)
