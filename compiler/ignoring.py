"""Comments that keep warnings and notes from being shown: `# mosaic: ignore[M431] why`.

One on a line of its own counts for the statement below; one behind code counts for its line, and for the statement that
begins or ends there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, Edit, Severity, Sink
from mosaic.compiler.near import nearest
from mosaic.compiler.selection import known_codes
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.parse import parse

_IGNORE = re.compile(r"#[ \t]*mosaic[ \t]*:[ \t]*ignore\b(?:\[(?P<codes>[^\]]*)\])?")
_CODE = re.compile(r"[^\s,]+")

Found = tuple[SourceFile, tuple[Diagnostic, ...]]
"""A file that was checked, and what was found by that, in it and in what it uses."""


@dataclass(frozen=True)
class _Comment:
    """A comment that ignores something: its codes with their places, and the lines that it counts for."""

    span: Span
    own_line: bool
    codes: tuple[tuple[str, Span], ...]
    lines: frozenset[int]
    in_library: bool  # in a file without plans


def everything(code: str) -> bool:
    """Whether it is known of a code that there is no such warning: of every one."""
    return True


def without_lints(code: str) -> bool:
    """The same where only `check` has looked: what `lint` would find is not known."""
    return not code.startswith("M0")


def apply_ignores(found: Sequence[Found], judged: Callable[[str], bool] = everything) -> tuple[Found, ...]:
    """What is left of diagnostics where comments count, with what is to be said of the comments.

    A comment counts in whatever file it stands, also in a library of which another file's plan makes a bad use. That
    one hides nothing is told of files that were checked, hold plans (what is warned of in a library depends on who uses
    it) and have no errors (what stands behind one is not known), and of codes that are `judged`.
    """
    used: set[tuple[Span, str]] = set()
    kept = [(source, tuple(d for d in told if not _hidden(d, used))) for source, told in found]
    broken = {
        d.span.source.name
        for _, told in found
        for d in told
        if d.severity is Severity.ERROR and d.span is not None
    }
    files: list[Found] = []
    for source, told in kept:
        unknown = source.name in broken or any(d.severity is Severity.ERROR for d in told)
        about = _about(source, used, judged, unknown=unknown)
        files.append((source, _merged(told, tuple(about), source)))
    return tuple(files)


def not_ignored(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """What is left of diagnostics where comments count; nothing is said of the comments themselves."""
    return tuple(diagnostic for diagnostic in diagnostics if not _hidden(diagnostic, set()))


def _hidden(diagnostic: Diagnostic, used: set[tuple[Span, str]]) -> bool:
    span = diagnostic.span
    if span is None or diagnostic.severity is Severity.ERROR:
        return False
    line = span.source.position(span.start)[0]
    counting = [
        comment
        for comment in _comments(span.source)
        if line in comment.lines and any(code == diagnostic.code for code, _ in comment.codes)
    ]
    used.update((comment.span, diagnostic.code) for comment in counting)
    return bool(counting)


def _about(
    source: SourceFile, used: set[tuple[Span, str]], judged: Callable[[str], bool], *, unknown: bool
) -> Iterator[Diagnostic]:
    """What is to be said of the comments of a file."""
    for comment in _comments(source):
        if not comment.codes:
            yield errors.selecting.IgnoresNothing(comment.span)
            continue
        known = known_codes()
        unused = []
        for code, span in comment.codes:
            if code not in known:
                yield errors.selecting.IgnoredUnknown(span, code, nearest(code, known))
            elif known[code] is Severity.ERROR:
                yield errors.selecting.IgnoredError(span, code)
            elif (comment.span, code) not in used and judged(code) and not (unknown or comment.in_library):
                unused.append(code)
        if unused:
            edit = _taken_out(comment, unused)
            yield errors.selecting.UnusedIgnore(comment.span, tuple(dict.fromkeys(unused)), edit)


def _taken_out(comment: _Comment, codes: Sequence[str]) -> Edit:
    """The comment without some of its codes; all of it where none is left."""
    source, span = comment.span.source, comment.span
    left = [(code, place) for code, place in comment.codes if code not in codes]
    if left:
        inner = source.span(comment.codes[0][1].start, comment.codes[-1][1].end)
        return Edit(inner, ", ".join(place.text for _, place in left))
    text, start, end = source.text, span.start, span.end
    while start and text[start - 1] in " \t":
        start -= 1
    if comment.own_line:
        end += next((len(each) for each in ("\r\n", "\n") if text.startswith(each, end)), 0)
    return Edit(source.span(start, end), "")


def _merged(
    told: Sequence[Diagnostic], about: Sequence[Diagnostic], source: SourceFile
) -> tuple[Diagnostic, ...]:
    """Diagnostics of a file, with others in between, in the order of the text."""
    merged = list(told)
    for diagnostic in about:
        assert diagnostic.span is not None
        start = diagnostic.span.start
        later = (
            at
            for at, d in enumerate(merged)
            if d.span and d.span.source.name == source.name and d.span.start > start
        )
        merged.insert(next(later, len(merged)), diagnostic)
    return tuple(merged)


@lru_cache(maxsize=256)
def _comments(source: SourceFile) -> tuple[_Comment, ...]:
    """The comments of a file that ignore something. Most files have none, and are not read again for that."""
    if not _IGNORE.search(source.text):
        return ()
    file = parse(source, Sink())
    spans = [_lines(node.span) for node in _statements(file)]
    library = not any(isinstance(item, tree.Plan) for item in file.items)
    alone = {_lines(comment.span)[0] for comment in file.comments if comment.own_line}
    return tuple(
        _Comment(
            source.span(comment.span.start + match.start(), comment.span.end),
            comment.own_line and not match.start(),
            tuple(_codes(source, comment.span.start, match)),
            frozenset(_counted(source, _lines(comment.span)[0], comment.own_line, spans, alone)),
            library,
        )
        for comment in file.comments
        if (match := _IGNORE.search(comment.text))
    )


def _codes(source: SourceFile, offset: int, match: re.Match[str]) -> Iterator[tuple[str, Span]]:
    if match["codes"] is None:
        return
    for code in _CODE.finditer(match["codes"]):
        start = offset + match.start("codes") + code.start()
        yield code[0].upper(), source.span(start, start + len(code[0]))


def _counted(
    source: SourceFile, line: int, own_line: bool, spans: Sequence[tuple[int, int]], alone: set[int]
) -> Iterator[int]:
    """The lines that a comment on a line counts for."""
    if own_line:
        last = len(source.line_starts)
        line = next((n for n in range(line + 1, last + 1) if n not in alone and source.line(n).strip()), line)
    yield line
    for first, last in spans:
        if line == first or (line == last and not own_line):
            yield from range(first, last + 1)


def _lines(span: Span) -> tuple[int, int]:
    return span.source.position(span.start)[0], span.source.position(max(span.start, span.end - 1))[0]


def _statements(file: tree.File) -> Iterator[tree.Item | tree.Statement]:
    for item in file.items:
        if isinstance(item, (tree.Define, tree.Plan)):
            yield from item.body
        else:
            yield item
