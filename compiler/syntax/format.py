"""The one canonical form of a file.

One statement a line, two spaces of indent, the `=` of neighbouring `let`s in one column, a call or list that is
too wide broken into one argument a line. Single empty lines between statements stay, comments stay: those on
their own line above what they stood above, those behind code behind the same line where it still exists.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile

from mosaic.compiler.source import Span
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.limits import EDITION
from mosaic.compiler.syntax.literals import escape

WIDTH = 110
INDENT = "  "

_BETWEEN = re.compile(r"[ \t]*[,(\[{]?[ \t]*")


def format_file(file: tree.File) -> str:
    """The canonical text of a file, ending in one line end.

    Formatting it again changes nothing, and reading it back gives an equal tree. The tree must come from a text
    without syntax errors: a `Hole` has no spelling.
    """
    lines = _File(file).lines()
    return "".join(f"{line}\n" for line in lines)


def format_expression(expression: tree.Expression) -> str:
    """An expression on one line."""
    match expression:
        case tree.Reference():
            return expression.text
        case tree.Literal():
            return expression.text
        case tree.Text():
            return _text(expression)
        case tree.List(items):
            return f"[{', '.join(format_expression(item) for item in items)}]"
        case tree.Range(low, high):
            return f"{format_expression(low)}..{format_expression(high)}"
        case tree.Call(function, arguments):
            return f"{function.text}({', '.join(_argument(argument) for argument in arguments)})"
        case tree.Strength(expert, strength):
            return f"{format_expression(expert)} * {format_expression(strength)}"
        case tree.Region(expert, region):
            return f"{format_expression(expert)} in {format_expression(region)}"
        case tree.Window(expert, start, end):
            return f"{format_expression(expert)} during {format_expression(start)}..{format_expression(end)}"
        case tree.Hole():
            raise ValueError("a file with syntax errors has no canonical form")


def _text(text: tree.Text) -> str:
    parts = (escape(part) if isinstance(part, str) else f"{{{part.reference.text}}}" for part in text.parts)
    return f'"{"".join(parts)}"'


def _argument(argument: tree.Argument) -> str:
    key = f"{argument.name.text}: " if argument.name else ""
    return key + format_expression(argument.value)


def _parameter(parameter: tree.Parameter) -> str:
    default = f" = {format_expression(parameter.default)}" if parameter.default is not None else ""
    return f"{parameter.name.text}: {parameter.type.text}{default}"


def _entry(entry: tree.Entry) -> str:
    return f"{entry.key.text}: {format_expression(entry.value)}"


@dataclass(frozen=True)
class _Piece:
    """A statement or item as lines, with what decides about the empty lines around it."""

    node: tree.Item | tree.Statement
    lines: tuple[str, ...]
    comments: tuple[str, ...]
    gap: bool  # whether an empty line stood above it
    group: str  # at the top of a file, an empty line stands between two groups; statements have none


class _Comments:
    """The comments not yet placed, in order."""

    def __init__(self, comments: Sequence[tree.Comment]) -> None:
        self._left = deque(comments)
        self.end = 0  # of the comment placed last

    def within(self, span: Span) -> bool:
        """Whether an unplaced comment begins in a span."""
        following = takewhile(lambda comment: comment.span.start < span.end, self._left)
        return any(span.start <= comment.span.start for comment in following)

    def before(self, offset: int) -> list[tree.Comment]:
        """Take the comments that begin before an offset."""
        taken: list[tree.Comment] = []
        while self._left and self._left[0].span.start < offset:
            taken.append(self._left.popleft())
        self.end = taken[-1].span.end if taken else self.end
        return taken

    def behind(self, offset: int, limit: int) -> str:
        """Take the comment that stands behind an offset on its line, before a limit; with two leading spaces.

        Only a comma or an opening bracket may stand between.
        """
        if not self._left:
            return ""
        comment = self._left[0]
        between = comment.span.source.text[offset : comment.span.start]
        if comment.own_line or not offset <= comment.span.start < limit or not _BETWEEN.fullmatch(between):
            return ""
        self._left.popleft()
        self.end = comment.span.end
        return f"  {comment.text}"


class _File:
    def __init__(self, file: tree.File) -> None:
        self.file = file
        self.text = file.source.text
        self.comments = _Comments(file.comments)

    def lines(self) -> list[str]:
        header = self.file.header or Span(self.file.source, 0, 0)
        above = self._above(self.comments.before(header.start), header.start, "")
        inside = self._above(self.comments.before(header.end), header.end, "")
        first = self.file.items[0].span.start if self.file.items else len(self.text)
        trailing = self.comments.behind(header.end, first)
        body = self._block(self.file.items, max(header.end, self.comments.end), len(self.text), "")
        return [*above, *inside, f"mosaic {EDITION}{trailing}", *([""] if body else []), *body]

    def _block(
        self, nodes: Sequence[tree.Item | tree.Statement], start: int, end: int, indent: str
    ) -> list[str]:
        """The lines of the nodes between two offsets, with the comments there."""
        pieces: list[_Piece] = []
        above = start
        for node in nodes:
            pieces.append(self._piece(node, above, end, indent))
            # A comment behind the node belongs to it.
            above = max(node.span.end, self.comments.end)
        lines: list[str] = []
        for piece, previous in zip(_aligned(pieces), [None, *pieces], strict=False):
            if previous is not None and _is_set_off(piece, previous):
                lines.append("")
            lines += [*piece.comments, *piece.lines]
        return lines + self._rest(above, end, indent, bool(lines))

    def _piece(self, node: tree.Item | tree.Statement, above: int, end: int, indent: str) -> _Piece:
        leading = self.comments.before(node.span.start)
        gap = self._is_gap(above, leading[0].span.start if leading else node.span.start)
        lines = self._lines(node, indent)
        # What stands in places that have no line of their own moves above the statement.
        inner = self.comments.before(node.span.end)
        lines[-1] += self.comments.behind(node.span.end, end)
        comments = [*self._above(leading, node.span.start, indent), *self._own_lines(inner, indent)]
        return _Piece(node, tuple(lines), tuple(comments), gap, "" if indent else _group(node))

    def _above(self, comments: Sequence[tree.Comment], offset: int, indent: str) -> list[str]:
        """Comments above what begins at an offset."""
        lines = self._own_lines(comments, indent)
        if comments and self._is_gap(comments[-1].span.end, offset):
            lines.append("")
        return lines

    def _own_lines(self, comments: Sequence[tree.Comment], indent: str) -> list[str]:
        lines: list[str] = []
        for previous, comment in zip([None, *comments], comments, strict=False):
            if previous is not None and self._is_gap(previous.span.end, comment.span.start):
                lines.append("")
            lines.append(indent + comment.text)
        return lines

    def _rest(self, above: int, end: int, indent: str, has_lines: bool) -> list[str]:
        """The comments behind the last node."""
        comments = self.comments.before(end)
        if not comments:
            return []
        gap = has_lines and self._is_gap(above, comments[0].span.start)
        return [*([""] if gap else []), *self._own_lines(comments, indent)]

    def _is_gap(self, start: int, end: int) -> bool:
        """Whether an empty line stands between two offsets."""
        return self.text[start:end].count("\n") > 1 and not self.text[start:end].strip()

    # Nodes

    def _lines(self, node: tree.Item | tree.Statement, indent: str) -> list[str]:
        match node:
            case tree.Use(module, alias):
                name = _text(module) if isinstance(module, tree.Text) else module.text
                return [f"{indent}use {name}{f' as {alias.text}' if alias else ''}"]
            case tree.Parameter():
                if node.default is None:
                    return [f"{indent}param {_parameter(node)}"]
                head = f"{indent}param {node.name.text}: {node.type.text} = "
                return self._value(head, node.default, "", indent)
            case tree.Define():
                return self._define(node, indent)
            case tree.Plan(name, body):
                return self._braced(f"{indent}plan {name.text} ", body, node.name.span, node.span, indent)
            case tree.Budget(entries) | tree.Policy(entries):
                word = "budget" if isinstance(node, tree.Budget) else "policy"
                return self._entries(f"{indent}{word} ", entries, node.span, indent)
            case tree.Let(name, value):
                return self._value(f"{indent}let {name.text} = ", value, "", indent)
            case tree.Emit(value, path):
                return self._value(f"{indent}emit ", value, f" as {_text(path)}", indent)
            case tree.Return(value):
                return self._value(f"{indent}return ", value, "", indent)

    def _define(self, node: tree.Define, indent: str) -> list[str]:
        head, result = f"{indent}define {node.name.text}(", f") -> {node.result.text} "
        last = head + ", ".join(_parameter(p) for p in node.parameters) + result
        lines: list[str] = []
        inside = Span(node.span.source, node.name.span.end, node.result.span.start)
        if node.parameters and (len(last) + 1 > WIDTH or self.comments.within(inside)):
            parts = [_Part(p.span, partial(_indented, _parameter(p))) for p in node.parameters]
            *lines, last = self._broken(head, parts, inside, indent, result)
        return [*lines, *self._braced(last, node.body, node.result.span, node.span, indent)]

    def _braced(
        self, head: str, body: Sequence[tree.Statement], before: Span, whole: Span, indent: str
    ) -> list[str]:
        opening = self.text.find("{", before.end, whole.end) + 1 or whole.start
        first = body[0].span.start if body else max(whole.end - 1, opening)
        trailing = self.comments.behind(opening, first)
        inner = self._block(body, opening, max(whole.end - 1, opening), indent + INDENT)
        if not inner and not trailing:
            return [f"{head}{{}}"]
        return [f"{head}{{{trailing}", *inner, f"{indent}}}"]

    def _entries(self, head: str, entries: Sequence[tree.Entry], span: Span, indent: str) -> list[str]:
        if not entries:
            return [f"{head}{{}}"]
        flat = f"{head}{{ {', '.join(_entry(entry) for entry in entries)} }}"
        inside = Span(span.source, span.start + len("budget"), span.end)
        if len(flat) <= WIDTH and not self.comments.within(inside):
            return [flat]
        parts = [_Part(e.span, partial(self._part, f"{e.key.text}: ", e.value)) for e in entries]
        return self._broken(f"{head}{{", parts, inside, indent, "}")

    def _value(self, head: str, value: tree.Expression, tail: str, indent: str) -> list[str]:
        """`head value tail`, the value broken where it is too wide or its brackets hold comments."""
        flat = f"{head}{format_expression(value)}{tail}"
        bracketed, modifiers = _bracketed(value)
        inside = _inside(bracketed)
        if inside is None or (len(flat) <= WIDTH and not self.comments.within(inside)):
            return [flat]
        if isinstance(bracketed, tree.List):
            parts = [_Part(item.span, partial(self._part, "", item)) for item in bracketed.items]
            return self._broken(f"{head}[", parts, inside, indent, f"]{modifiers}{tail}")
        assert isinstance(bracketed, tree.Call)
        parts = [
            _Part(a.span, partial(self._part, f"{a.name.text}: " if a.name else "", a.value))
            for a in bracketed.arguments
        ]
        return self._broken(f"{head}{bracketed.function.text}(", parts, inside, indent, f"){modifiers}{tail}")

    def _part(self, key: str, value: tree.Expression, own: str) -> list[str]:
        return self._value(own + key, value, ",", own)

    def _broken(self, head: str, parts: Sequence[_Part], inside: Span, indent: str, tail: str) -> list[str]:
        """`head`, one part a line with a comma behind each, `tail`; comments stay beside their parts."""
        own = indent + INDENT
        lines = [head + self.comments.behind(inside.start, parts[0].span.start)]
        limits = [*(part.span.start for part in parts[1:]), inside.end]
        for part, limit in zip(parts, limits, strict=True):
            leading = self.comments.before(part.span.start)
            rendered = part.render(own)
            lines += [own + comment.text for comment in (*leading, *self.comments.before(part.span.end))]
            rendered[-1] += self.comments.behind(part.span.end, limit)
            lines += rendered
        lines += [own + comment.text for comment in self.comments.before(inside.end)]
        return [*lines, f"{indent}{tail}"]


@dataclass(frozen=True)
class _Part:
    """One of several things in brackets: where it stands, and its lines at an indent, with a comma behind."""

    span: Span
    render: Callable[[str], list[str]]


def _indented(text: str, own: str) -> list[str]:
    return [f"{own}{text},"]


def _bracketed(value: tree.Expression) -> tuple[tree.Expression, str]:
    """What `*`, `in` and `during` are applied to, and their text."""
    modifiers = ""
    while isinstance(value, tree.Strength | tree.Region | tree.Window):
        inner = format_expression(value.expert)
        modifiers = format_expression(value)[len(inner) :] + modifiers
        value = value.expert
    return value, modifiers


def _inside(value: tree.Expression) -> Span | None:
    """The span of a value's brackets, or None where there is no place to break."""
    if isinstance(value, tree.Call) and value.arguments:
        return Span(value.span.source, value.function.span.end, value.span.end)
    return value.span if isinstance(value, tree.List) and value.items else None


def _group(node: tree.Item | tree.Statement) -> str:
    """What stays together at the top of a file. A plan and a define stand alone."""
    match node:
        case tree.Use():
            return "use"
        case tree.Parameter():
            return "param"
        case tree.Budget() | tree.Policy():
            return "settings"
        case _:
            return "alone"


def _is_set_off(piece: _Piece, previous: _Piece) -> bool:
    """Whether an empty line stands above a piece."""
    return piece.gap or piece.group != previous.group or piece.group == "alone"


def _aligned(pieces: Sequence[_Piece]) -> Iterator[_Piece]:
    """The pieces, with the `=` of neighbouring one-line `let`s in one column where that keeps them in width."""
    run: list[_Piece] = []
    for piece in pieces:
        is_let = isinstance(piece.node, tree.Let) and len(piece.lines) == 1
        if run and (not is_let or piece.gap or piece.comments):
            yield from _run(run)
            run = []
        if is_let:
            run.append(piece)
        else:
            yield piece
    yield from _run(run)


def _run(run: Sequence[_Piece]) -> Iterator[_Piece]:
    names = [piece.node.name.text for piece in run if isinstance(piece.node, tree.Let)]
    column = max(map(len, names), default=0)
    padding = [column - len(name) for name in names]
    if any(len(piece.lines[0]) + more > WIDTH for piece, more in zip(run, padding, strict=True) if more):
        yield from run
        return
    for piece, name, more in zip(run, names, padding, strict=True):
        line = piece.lines[0].replace(f"let {name} =", f"let {name}{' ' * more} =", 1)
        yield replace(piece, lines=(line,))
