"""Taking things out of a text so that what is left is tidy: statements with their lines, arguments with their comma.

A statement that has its lines for itself goes with them, with the comment behind it, and with the comment lines right
above where they can belong to nothing else: where another statement follows directly below, they may be a heading for
both, and stay. No empty lines are left behind that were not there before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mosaic.compiler.diagnostic import Edit
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.syntax import tree

_REST = re.compile(r"[ \t]*,?[ \t]*(#[^\n]*)?\r?(\n|\Z)")
"""What may stand behind something that has its line for itself."""
_BLANK = re.compile(r"[ \t]*")
_OPENING = re.compile(r"[{(\[][ \t]*(#.*)?")


def removal(span: Span) -> Edit:
    """How a statement or item is taken out."""
    lines = _own_lines(span)
    if lines is not None:
        return Edit(_tidied(span.source, *_with_heading(span.source, *lines)), "")
    return Edit(_inline(span), "")


def argument_removal(call: tree.Call, position: int) -> Edit | None:
    """How an argument of a call is taken out with the comma beside it; None where a comment stands in the way.

    Of a call that has no other argument, what is in its brackets goes.
    """
    span = call.arguments[position].span
    lines = _own_lines(span)
    if lines is not None:
        return Edit(_tidied(span.source, *_with_heading(span.source, *lines)), "")
    source, end = span.source, span.end
    before = call.arguments[position - 1].span.end if position else None
    after = call.arguments[position + 1].span.start if position + 1 < len(call.arguments) else None
    to_next = None if after is None or "#" in source.text[end:after] else source.span(span.start, after)
    if to_next is not None and (before is None or "\n" not in to_next.text):
        return Edit(to_next, "")
    if before is not None and "#" not in source.text[before : span.start]:
        return Edit(source.span(before, end), "")
    if len(call.arguments) > 1:
        return None if to_next is None else Edit(to_next, "")
    brackets = source.span(call.function.span.end, call.span.end)
    return None if "#" in source.text[end : call.span.end] else Edit(_inside(brackets), "")


def merged(source: SourceFile, spans: Sequence[Span]) -> tuple[Span, ...]:
    """Stretches of text that are all taken out, in order, with those that touch made one and tidied as one."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if found and span.start <= found[-1].end:
            joined = found.pop().to(span)
            found.append(_tidied(source, joined.start, joined.end) if _is_lines(joined) else joined)
        else:
            found.append(span)
    return tuple(found)


def _own_lines(span: Span) -> tuple[int, int] | None:
    """The lines of what has them for itself, the line end included."""
    text, start = span.source.text, span.source.text.rfind("\n", 0, span.start) + 1
    rest = _REST.match(text, span.end)
    return (start, rest.end()) if rest and not text[start : span.start].strip() else None


def _is_lines(span: Span) -> bool:
    text = span.source.text
    return (not span.start or text[span.start - 1] == "\n") and (
        span.end == len(text) or text[span.end - 1 : span.end] == "\n"
    )


def _with_heading(source: SourceFile, start: int, end: int) -> tuple[int, int]:
    """With the comment lines directly above, where what follows cannot mean them."""
    below = _line(source, end)
    is_alone = not below or below[0] in "#})]"
    first = start
    while is_alone and first and _line(source, _above(source, first)).startswith("#"):
        first = _above(source, first)
    return first, end


def _tidied(source: SourceFile, start: int, end: int) -> Span:
    """Whole lines, with an empty one beside them where two would be left or one at an edge."""
    text = source.text
    above, below = _line(source, _above(source, start)) if start else None, _line(source, end)
    is_last = end >= len(text) or below[:1] in ("}", ")", "]")
    is_first = above is None or (bool(_OPENING.search(above)) and _opens(above))
    if end < len(text) and below == "" and (is_first or above == ""):
        while end < len(text) and _line(source, end) == "":
            end = _next(source, end)
    elif is_last:
        while start and _line(source, _above(source, start)) == "":
            start = _above(source, start)
    return source.span(start, end)


def _opens(line: str) -> bool:
    """Whether a line ends in a bracket that is opened there, perhaps with a comment behind."""
    code = line.partition("#")[0].rstrip()
    return code.endswith(("{", "(", "["))


def _line(source: SourceFile, start: int) -> str:
    """The line that begins at an offset, stripped."""
    return source.text[start : _next(source, start)].strip()


def _above(source: SourceFile, start: int) -> int:
    """Where the line above the one that begins at an offset begins."""
    return source.text.rfind("\n", 0, start - 1) + 1


def _next(source: SourceFile, start: int) -> int:
    return (source.text.find("\n", start) + 1) or len(source.text)


def _inline(span: Span) -> Span:
    """What shares its line goes with the white space on one side of it."""
    text = span.source.text
    behind = _BLANK.match(text, span.end)
    assert behind is not None, "it matches nothing as well"
    if text[behind.end() : behind.end() + 1] not in ("", "#", "\r", "\n"):
        return span.source.span(span.start, behind.end())
    start = span.start
    while start and text[start - 1] in " \t":
        start -= 1
    return span.source.span(start, span.end)


def _inside(brackets: Span) -> Span:
    """What stands between the brackets of a call."""
    start = brackets.source.text.find("(", brackets.start) + 1
    return brackets.source.span(start, brackets.end - 1)
