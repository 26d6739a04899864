"""Plans held to their request, whoever wrote them: its policy and budget, experts of its shortlist, and no files.

Limits, names and comments are put right in the text. What would have to be guessed at is refused (M866 to M868), and
such a plan is not compiled: compiling opens the files that a plan names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from unicodedata import category

from mosaic.agent.limits import blocks
from mosaic.agent.quoting import cleaned
from mosaic.agent.values import Request, Shortlist
from mosaic.agent.writing import nameable
from mosaic.compiler.diagnostic import Diagnostic, InternalError, MosaicError, Sink
from mosaic.compiler.errors.drafts import NotAsAsked, OutsideShortlist, ReadsMore
from mosaic.compiler.removing import removal
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.format import format_file
from mosaic.compiler.syntax.literals import escape
from mosaic.compiler.syntax.parse import parse
from mosaic.compiler.types import EXPERTS

if TYPE_CHECKING:
    from mosaic.compiler.program import Program

LONGEST_PLAN: Final = 32_768
"""Code points of a plan that is looked at; the plan of a request has some hundreds."""
_CANDIDATES: Final = 4
_CHANGES: Final = 16
"""Changes that are told."""
_SHOWN: Final = 80
"""Code points of a writer's words in a message."""
_STEERING: Final = re.compile(r"(?i)mosaic\s*:")
"""What comments begin with that keep messages from being shown (`compiler/ignoring.py`)."""
_KINDS: Final = frozenset(str(kind) for kind in EXPERTS)
_READERS: Final = {
    "find": "whatever the catalog has for some words",
    "load_image": "a picture beside the plan",
    "mask": "a picture beside the plan",
}
"""Verbs that read what a shortlist does not hold."""

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


def refusals(file: tree.File, request: Request, shortlist: Shortlist) -> tuple[Diagnostic, ...]:
    """What of a file is outside its request and cannot be put right, in the order of the text."""
    sink = Sink()
    allowed = _ids(shortlist)
    for node in _nodes(file):
        match node:
            case tree.Call():
                sink.extend(_about_call(node, allowed, shortlist))
            case tree.Use() if not _is_standard(node):
                sink.add(ReadsMore(node.module.span, "use", "another file", "write it into the plan itself"))
    sink.extend(_about_form(file, request))
    return tuple(sink)


def check_program(
    program: Program, request: Request, shortlist: Shortlist, insisted: Iterable[str] = ()
) -> tuple[Diagnostic, ...]:
    """What a compiled plan has that its request did not ask for. Nothing, where its text was held: this looks again at
    what will be run. `insisted` are experts that have to be in it."""
    allowed, used = _ids(shortlist), [expert.id for expert in program.experts]
    found: list[Diagnostic] = [
        OutsideShortlist(None, f"`{cleaned(expert.id, _SHOWN)}`", expert.kind)
        for expert in program.experts
        if expert.id not in allowed
    ]
    if program.images or any(not name.startswith("std.") for name in program.source.libraries):
        found.append(ReadsMore(None, "the plan", "a file beside it"))
    emits = [each.operation for each in program.instructions if each.operation.op == "emit"]
    if [(emit.type, emit.path) for emit in emits] != [("image", f"{request.name}.png")]:
        found.append(NotAsAsked(None, f"it has to make one picture, `{request.name}.png`"))
    if (program.rights.policy is None) != (not request.limits.policy):
        found.append(NotAsAsked(None, "its policy is not that of the request"))
    for id in insisted:
        if id not in used:
            found.append(NotAsAsked(None, f"`{cleaned(id, _SHOWN)}` has to be in the picture"))
    most = max(request.limits.most, len(request.limits.wanted))
    if len(used) - 1 > most:
        reason = f"it uses {len(used) - 1} experts beside its base, and at most {most} were asked for"
        found.append(NotAsAsked(None, reason, "leave out those that matter least"))
    return tuple(found)


# Limits


def _hold_limits(file: tree.File, wanted: tuple[Limit, ...], edits: _Edits) -> None:
    top, everywhere = _limits_at_top(file), _limits(file)
    if top == wanted and len(everywhere) == len(top):
        return
    for limit in everywhere:
        edits.cut(removal(limit.span).span)
        if limit not in wanted:
            edits.note(f"taken out: `{cleaned(limit.span.text, _SHOWN)}`")
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
    return tuple(node for node in _nodes(file) if isinstance(node, (tree.Budget, tree.Policy)))


# Names and comments


def _hold_names(file: tree.File, name: str, edits: _Edits) -> None:
    """The plan's and the picture's name, where there is one of each."""
    plans, emits = _plans(file), _emits(file)
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


# What is refused


def _about_call(call: tree.Call, allowed: frozenset[str], shortlist: Shortlist) -> Iterator[Diagnostic]:
    name = call.function.text
    if name in _READERS:
        advice = "leave it out"
        if name == "find":
            ids = ", ".join(f"`{id}`" for each in shortlist.names().values() for id in each[:2])
            advice = f"name an expert of the shortlist: {ids}" if ids else advice
        yield ReadsMore(call.function.span, name, _READERS[name], advice)
    elif name == "align":
        for argument in call.arguments:
            if argument.name is not None and argument.name.text == "by":
                yield ReadsMore(argument.span, "align(by:)", "a bridge", "leave `by` out")
    elif name in _KINDS:
        yield from _about_expert(call, allowed, shortlist)


def _about_expert(call: tree.Call, allowed: frozenset[str], shortlist: Shortlist) -> Iterator[Diagnostic]:
    kind = call.function.text
    given = [each for each in call.arguments if each.name is None or each.name.text == "id"]
    if not given:
        return  # the compiler says what is missing
    for argument in given:
        value = argument.value
        id = value.plain if isinstance(value, tree.Text) else None
        if id is None or id not in allowed or not nameable(id):
            what = f"`{cleaned(value.span.text, _SHOWN)}`"
            yield OutsideShortlist(value.span, what, kind, _near(kind, id or value.span.text, shortlist))


def _near(kind: str, reference: str, shortlist: Shortlist) -> tuple[str, ...]:
    """Ids of a kind that a reference may have meant, the likeliest first."""
    ids = shortlist.names().get(kind, [])
    close = get_close_matches(reference[:_SHOWN], ids, n=_CANDIDATES, cutoff=0.4)
    return tuple(dict.fromkeys((*close, *ids)))[:_CANDIDATES]


def _about_form(file: tree.File, request: Request) -> Iterator[Diagnostic]:
    plans, emits = _plans(file), _emits(file)
    if not plans:
        yield NotAsAsked(file.header, "it holds no plan", f"write `plan {request.name} {{ … }}`")
    for plan in plans[1:]:
        yield NotAsAsked(plan.name.span, "it holds several plans", "keep one")
    if plans and not emits:
        yield NotAsAsked(
            plans[0].name.span, "it emits no picture", f'end it by `emit image as "{request.name}.png"`'
        )
    for emit in emits[1:]:
        if len(plans) == 1:
            yield NotAsAsked(emit.span, "it emits several things", "keep the picture that was asked for")


def _is_standard(use: tree.Use) -> bool:
    return isinstance(use.module, tree.Reference) and use.module.parts[:1] == ("std",)


def _ids(shortlist: Shortlist) -> frozenset[str]:
    return frozenset((*shortlist.bases, *(option.expert for option in shortlist.options)))


# The tree


@lru_cache(maxsize=16)
def read(source: SourceFile) -> tuple[tree.File, tuple[Diagnostic, ...]]:
    """The tree of a text, and what is wrong with it as a text. The last ones are kept: one text is looked at often."""
    sink = Sink()
    file = parse(source, sink)
    return file, tuple(sink) if sink.has_errors else ()


def _nodes(value: Any) -> Iterator[Any]:
    """Every node of a tree, whatever its class: one that is added to the language is looked into as well."""
    if isinstance(value, tuple):
        for each in value:
            yield from _nodes(each)
    elif is_dataclass(value) and not isinstance(value, (Span, SourceFile)):
        yield value
        for field in fields(value):
            yield from _nodes(getattr(value, field.name))


def _plans(file: tree.File) -> list[tree.Plan]:
    return [item for item in file.items if isinstance(item, tree.Plan)]


def _emits(file: tree.File) -> list[tree.Emit]:
    return [node for node in _nodes(file) if isinstance(node, tree.Emit)]


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
