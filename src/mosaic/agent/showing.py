"""What a page about a composition shows of its values: the request's parts in its text, who serves them, plans in
pieces, diagnostics with their line.

A trace may have been read from a stranger's file: places that are not there and odd shapes of diagnostics are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mosaic.agent.values import Combination, Facet, Trace
from mosaic.compiler.syntax.cursor import tables

LONGEST_COLORED: Final = 20_000
"""Code points of the longest plan that is shown in colors."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a text, and what it is: a facet's place, a sort of token; "" where it is nothing in particular."""

    text: str
    sort: str = ""
    facet: Facet | None = None


@dataclass(frozen=True)
class Told:
    """A diagnostic as a page shows it. `before`, `marked` and `after` are its line in the plan, where it is there."""

    severity: str
    code: str
    message: str
    place: str = ""
    line: int | None = None
    before: str = ""
    marked: str = ""
    after: str = ""
    help: tuple[str, ...] = ()
    fixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """A facet and what became of it: ids of experts of the plan that serve it, or in a few words why there are none."""

    facet: Facet
    of: str
    experts: tuple[str, ...]
    said: str


def marked(text: str, facets: Sequence[Facet]) -> tuple[Piece, ...]:
    """A request in pieces. Of facets that overlap the first counts."""
    pieces, end = [], 0
    for facet in sorted(facets, key=lambda each: each.start):
        if not end <= facet.start < facet.end <= len(text):
            continue
        pieces.append(Piece(text[end : facet.start]))
        pieces.append(Piece(text[facet.start : facet.end], str(facet.kind), facet))
        end = facet.end
    pieces.append(Piece(text[end:]))
    return tuple(piece for piece in pieces if piece.text)


def colored(plan: str) -> tuple[Piece, ...]:
    """A plan in pieces by what they are: comment, text, number, keyword, call. They add up to the plan."""
    if len(plan) > LONGEST_COLORED:
        return (Piece(plan),)
    lexer = tables().lexer
    pieces: list[Piece] = []
    for match in lexer.pattern.finditer(plan):
        sort = _SORTS.get(str(match.lastgroup), "")
        if match.lastgroup == "NAME":
            called = plan[match.end() : match.end() + 1] == "("
            sort = "keyword" if match[0] in lexer.keywords else "call" if called else ""
        if pieces and pieces[-1].sort == sort:
            pieces[-1] = Piece(pieces[-1].text + match[0], sort)
        else:
            pieces.append(Piece(match[0], sort))
    return tuple(pieces)


_SORTS: Final = {"COMMENT": "comment", "TEXT": "text", "NUMBER": "number", "LOW": "number"}


def taken(trace: Trace) -> Combination | None:
    """The combination that the answer's plan is, where it is one of those that were weighed."""
    if trace.ranking is None or trace.answer is None:
        return None
    return next((each for each in trace.ranking.combinations if each.plan == trace.answer.plan), None)


def parts(trace: Trace) -> tuple[Part, ...]:
    """The facets of a trace, and what became of each."""
    facets = trace.decomposition.facets if trace.decomposition is not None else ()
    return tuple(
        Part(facet, name_of(facets, facet.of), *_became(trace, place)) for place, facet in enumerate(facets)
    )


def name_of(facets: Sequence[Facet], place: int | None) -> str:
    """What a facet is called by its place, which is below 0 for experts asked for by name; "" where there is none."""
    if place is None:
        return ""
    if place < 0:
        return "asked for by name"
    return facets[place].text if 0 <= place < len(facets) else f"part {place}"


def _became(trace: Trace, place: int) -> tuple[tuple[str, ...], str]:
    answer, best = trace.answer, taken(trace)
    if answer is None or not answer.plan:
        return (), ""
    if best is not None:
        experts = tuple(pick.expert for pick in best.picks if place in pick.facets)
    else:
        options = trace.shortlist.options if trace.shortlist is not None else ()
        served = dict.fromkeys(option.expert for option in options if option.facet == place)
        experts = tuple(id for id in answer.experts if id in served)
    if experts:
        return experts, ""
    missing = next((each for each in (*answer.unmet, *answer.left_out) if each.facet == place), None)
    if missing is not None:
        return (), f"left out: {missing.reason}"
    if best is None:
        return (), ""
    return (), "by the prompt alone" if place in best.spoken else "not in the picture"


def told(found: Mapping[str, Any], plan: str) -> Told:
    """A diagnostic in the JSON shape of `mosaic check`, with its line in the plan that it is about."""
    line, column = _whole(found.get("line")), _whole(found.get("column"))
    file = str(found.get("file") or "")
    before, mark, after = _line(found, plan) if file.startswith("<") or not file else ("", "", "")
    return Told(
        severity=str(found.get("severity", "error")),
        code=str(found.get("code", "")),
        message=str(found.get("message", "")),
        place="" if line is None else f"{file}:{line}:{column}",
        line=line if before or mark or after else None,
        before=before,
        marked=mark,
        after=after,
        help=tuple(_texts(found.get("help"))),
        fixes=tuple(_texts(found.get("fixes"))),
    )


def _line(found: Mapping[str, Any], plan: str) -> tuple[str, str, str]:
    """The line that a diagnostic is about, before, in and after its span; all empty where the plan has no such line."""
    lines = plan.split("\n")
    line, column = _whole(found.get("line")), _whole(found.get("column"))
    if line is None or column is None or not 1 <= line <= len(lines) or column < 1:
        return "", "", ""
    text = lines[line - 1]
    last, end = _whole(found.get("end_line")), _whole(found.get("end_column"))
    stop = end - 1 if end is not None and last == line else len(text)
    start = min(column - 1, len(text))
    stop = max(start, min(stop, len(text)))
    return text[:start], text[start:stop], text[stop:]


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _texts(value: object) -> Iterator[str]:
    """Advice in words, and the titles of fixes."""
    for each in value if isinstance(value, (list, tuple)) else ():
        if isinstance(each, str):
            yield each
        elif isinstance(each, Mapping) and isinstance(each.get("title"), str):
            yield each["title"]
