"""Plans held to their request, whoever wrote them: its policy and budget, experts of its shortlist, and no files.

Limits, names and comments are put right in the text. What would have to be guessed at is refused (M866 to M868), and
such a plan is not compiled: compiling opens the files that a plan names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from unicodedata import category

from mosaic.agent.limits import blocks
from mosaic.agent.quoting import cleaned
from mosaic.agent.refusing import SHOWN, emits_of, nodes, plans_of, read, refusals
from mosaic.agent.values import Request, Shortlist
from mosaic.compiler.diagnostic import Diagnostic, InternalError, MosaicError
from mosaic.compiler.errors.drafts import NotAsAsked
from mosaic.compiler.removing import removal
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.format import format_file
from mosaic.compiler.syntax.literals import escape

if TYPE_CHECKING:
    pass

LONGEST_PLAN: Final = 32_768
"""Code points of a plan that is looked at; the plan of a request has some hundreds."""
_CHANGES: Final = 16
"""Changes that are told."""
_STEERING: Final = re.compile(r"(?i)mosaic\s*:")
"""What comments begin with that keep messages from being shown (`compiler/ignoring.py`)."""

Limit = tree.Budget | tree.Policy


@dataclass(frozen=True)
class Held:
    """A plan that keeps to its request in all that can be put right, what was changed for that, and what could not be.

    A text that is no plan stays as it is, and `diagnostics` are the parser's.
    """

    plan: str
    changed: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def hold(plan: str, request: Request, shortlist: Shortlist, name: str = "<composed>") -> Held:
    """A plan held to its request, in canonical form. `name` is the file that messages name."""
    if len(plan) > LONGEST_PLAN:
        reason = f"it has {len(plan):,} characters, and {LONGEST_PLAN:,} are read"
        return Held("", (), (NotAsAsked(None, reason, "write a plan of some twenty lines"),))
    file, wrong = read(SourceFile(name, plan))
    if wrong:
        return Held(plan, (), wrong)
    file, wrong = read(SourceFile(name, _visible(plan)))
    if wrong:
        return Held(plan, (), wrong)
    wanted = _wanted(request)
    edits = _Edits(file)
    if file.source.text != plan.replace("\t", " "):
        edits.note("characters that nobody sees taken out")
    _hold_limits(file, wanted, edits)
    _hold_names(file, request.name, edits)
    _hold_comments(file, edits)
    edited, wrong = read(SourceFile(name, edits.text()))
    if wrong:
        raise InternalError(f"holding a plan broke it: {[each.code for each in wrong]}")
    text = format_file(replace(edited, comments=tuple(_plain(each) for each in edited.comments)))
    final, wrong = read(SourceFile(name, text))
    if wrong or not keeps_limits(final, request):
        raise InternalError("a plan was held to a request and does not keep to it")
    return Held(text, tuple(edits.changed), refusals(final, request, shortlist))


def keeps_limits(file: tree.File, request: Request) -> bool:
    """Whether a file has the limits of a request at its top, and no others anywhere."""
    return _limits_at_top(file) == _wanted(request) and len(_limits(file)) == len(_limits_at_top(file))


# Limits


def _hold_limits(file: tree.File, wanted: tuple[Limit, ...], edits: _Edits) -> None:
    top, everywhere = _limits_at_top(file), _limits(file)
    if top == wanted and len(everywhere) == len(top):
        return
    for limit in everywhere:
        edits.cut(removal(limit.span).span)
        if limit not in wanted:
            edits.note(f"taken out: `{cleaned(limit.span.text, SHOWN)}`")
    if wanted and file.header is not None:
        text = "\n".join(limit.span.text for limit in wanted)
        edits.insert(_behind(file.header), f"\n\n{text}\n\n")
        for limit in wanted:
            if limit not in everywhere:
                edits.note(f"put in: `{limit.span.text}`")
    if not edits.changed:
        edits.note("policy and budget moved to the top")


def _behind(header: Span) -> int:
    """Where the header ends, with the comment on its line."""
    line, _, _ = header.source.text[header.end :].partition("\n")
    return header.end + (len(line) if line.lstrip().startswith("#") else 0)


def _wanted(request: Request) -> tuple[Limit, ...]:
    file, wrong = read(SourceFile("<limits>", f"mosaic 1\n\n{blocks(request.limits)}\n"))
    if wrong:
        raise MosaicError(*wrong)
    return _limits_at_top(file)


def _limits_at_top(file: tree.File) -> tuple[Limit, ...]:
    return tuple(item for item in file.items if isinstance(item, (tree.Budget, tree.Policy)))


def _limits(file: tree.File) -> tuple[Limit, ...]:
    return tuple(node for node in nodes(file) if isinstance(node, (tree.Budget, tree.Policy)))


# Names and comments


def _hold_names(file: tree.File, name: str, edits: _Edits) -> None:
    """The plan's and the picture's name, where there is one of each."""
    plans, emits = plans_of(file), emits_of(file)
    if len(plans) != 1 or len(emits) != 1:
        return
    if plans[0].name.text != name:
        edits.put(plans[0].name.span, name)
        edits.note(f"the plan is called `{name}`")
    picture = f"{name}.png"
    if emits[0].path.plain != picture:
        edits.put(emits[0].path.span, f'"{escape(picture)}"')
        edits.note(f"the picture is called `{picture}`")


def _visible(text: str) -> str:
    """A text without characters that nobody sees: what it says to a reader is what it says."""
    return "".join(
        char if char.isprintable() or char in "\n\r" else "" if category(char) == "Cf" else " "
        for char in text
    )


def _hold_comments(file: tree.File, edits: _Edits) -> None:
    """Those that silence messages are taken out."""
    for comment in file.comments:
        plain = _plain(comment)
        if _STEERING.search(plain.text):
            edits.cut(removal(comment.span).span)
        if _STEERING.search(plain.text) or plain is not comment:
            edits.note("comments made plain")


def _plain(comment: tree.Comment) -> tree.Comment:
    """A comment without characters that nobody sees."""
    text = cleaned(comment.text)
    return comment if text == comment.text.rstrip() else replace(comment, text=text)


class _Edits:
    """Changes to a text, gathered. Stretches that are cut may overlap each other; nothing else may."""

    def __init__(self, file: tree.File) -> None:
        self._source = file.source.text
        self._cuts: list[Span] = []
        self._puts: list[tuple[int, int, str]] = []
        self.changed: list[str] = []

    def note(self, change: str) -> None:
        """Say what was changed; each is said once, and a limited number of them."""
        if change not in self.changed and len(self.changed) < _CHANGES:
            self.changed.append(change)

    def cut(self, span: Span) -> None:
        """Take a stretch out."""
        self._cuts.append(span)

    def put(self, span: Span, text: str) -> None:
        """Write something in place of a stretch."""
        self._puts.append((span.start, span.end, text))

    def insert(self, offset: int, text: str) -> None:
        """Write something between two characters."""
        self._puts.append((offset, offset, text))

    def text(self) -> str:
        """The text with all changes made."""
        gone = {place for span in self._cuts for place in range(span.start, span.end)}
        out: list[str] = []
        last = 0
        for start, end, text in (*sorted(self._puts), (len(self._source), len(self._source), "")):
            out += [char for place, char in enumerate(self._source[last:start], last) if place not in gone]
            out.append(text)
            last = end
        return "".join(out)
