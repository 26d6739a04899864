"""Applying the fixes that diagnostics offer: to a text, and again and again until there is nothing left to fix.

A plan in canonical form stays in canonical form; of any other only the places change that a fix names. A change after
which a plan reads worse than before (it no longer parses, or has more errors) is not made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix, Severity, Sink
from mosaic.compiler.removing import merged
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.syntax.format import format_file
from mosaic.compiler.syntax.parse import parse

ROUNDS: Final = 100
"""How often a text is fixed and looked at again. One fix lays bare the next; plans need three or four."""

Look = Callable[[SourceFile], Sequence[Diagnostic]]
"""What is to be said of a text."""

May = Callable[[Fix], bool]
"""Whether a fix may be made here."""


@dataclass(frozen=True)
class Made:
    """A fix that was made, and the code of what it is for."""

    code: str
    fix: Fix


@dataclass(frozen=True)
class Mended:
    """A text with its fixes made, in order, and what is still to be said of it."""

    source: SourceFile
    made: tuple[Made, ...]
    left: tuple[Diagnostic, ...]


def mend(source: SourceFile, look: Look, *, unsafe: bool = False, may: May | None = None) -> Mended:
    """Make every safe fix of what is said of a text, with `unsafe` the others too, until nothing changes.

    Of a diagnostic the first fix counts that may be made, by `may` as well. Of fixes that collide the one of the
    earlier diagnostic is made, and the other again if it is still offered. Warnings wait until there is no error: what
    nothing names may be what a name that is misspelled meant.
    """
    made: list[Made] = []
    left = tuple(look(source))
    for _ in range(ROUNDS):
        first = tuple(d for d in left if d.severity is Severity.ERROR) or left
        step = _step(source, left, offered(source, first, unsafe=unsafe, may=may), look)
        if step is None:
            break
        source, left = step.source, step.left
        made += step.made
    return Mended(source, tuple(made), left)


def offered(
    source: SourceFile, diagnostics: Iterable[Diagnostic], *, unsafe: bool = False, may: May | None = None
) -> tuple[Made, ...]:
    """The fixes of a text that may be made, one a diagnostic. What belongs to another file is not among them."""
    found: dict[Made, None] = {}
    for diagnostic in diagnostics:
        allowed = (fix for fix in diagnostic.fixes() if (fix.safe or unsafe) and _is_within(fix, source))
        first = next((fix for fix in allowed if may is None or may(fix)), None)
        if first is not None:
            found.setdefault(Made(diagnostic.code, first))
    return tuple(found)


def apply(source: SourceFile, fixes: Iterable[Fix]) -> SourceFile:
    """The text with fixes applied, those left out that collide with one before. What was canonical stays so."""
    edits = chosen_edits(fixes)
    text = _edited(source, edits)
    canonical = _canonical(source) == source.text
    changed = SourceFile(source.name, text)
    return SourceFile(source.name, _canonical(changed) or text) if canonical else changed


def apply_fixes(text: str, fixes: Iterable[Fix]) -> str:
    """The text with every fix applied that does not collide with one before it.

    A fix is applied wholly or not at all. All edits must belong to the file of the text. Equal edits of two fixes
    count once; two different insertions at one place collide, because their order would be a guess.
    """
    return _edited(SourceFile("", text), chosen_edits(fixes))


def chosen_edits(fixes: Iterable[Fix]) -> tuple[Edit, ...]:
    """The edits of all fixes but those that collide with one before."""
    taken: list[Edit] = []
    for fix in fixes:
        fresh = [edit for edit in fix.edits if edit not in taken]
        if not any(_collide(edit, other) for edit in fresh for other in taken):
            taken.extend(fresh)
    return tuple(taken)


def _step(
    source: SourceFile, left: tuple[Diagnostic, ...], made: Sequence[Made], look: Look
) -> Mended | None:
    """All fixes at once, or, where one of them does harm, the first that can be made alone; None where none can."""
    syntax, wrong = _badness(left)
    for some in (made, *((each,) for each in made if len(made) > 1)):
        changed = apply(source, [each.fix for each in some])
        if changed.text == source.text:
            continue
        edits = chosen_edits(each.fix for each in some)
        done = tuple(each for each in some if all(edit in edits for edit in each.fix.edits))
        # Of several fixes of errors each has to take its own away: else one that does harm hides behind the others.
        hoped = len(done) if wrong and len(some) > 1 else 0
        after = tuple(look(changed))
        if _badness(after) <= (syntax, wrong - hoped):
            return Mended(changed, done, after)
    return None


def _badness(found: Sequence[Diagnostic]) -> tuple[int, int]:
    """Errors of syntax weigh most: they hide others."""
    wrong = [d for d in found if d.severity is Severity.ERROR]
    return sum(d.code.startswith("M1") for d in wrong), len(wrong)


def _is_within(fix: Fix, source: SourceFile) -> bool:
    return all(edit.span.source.name == source.name for edit in fix.edits)


def _canonical(source: SourceFile) -> str | None:
    """The canonical form of a text; None where it has none."""
    sink = Sink()
    file = parse(source, sink)
    return None if sink.has_errors else format_file(file)


def _edited(source: SourceFile, edits: Sequence[Edit]) -> str:
    written = [edit for edit in edits if edit.replacement]
    out: tuple[Span, ...] = tuple(edit.span for edit in edits if not edit.replacement)
    joined = merged(source, out)
    if not any(_collide(Edit(span, ""), edit) for span in joined for edit in written):
        out = joined
    changes = [(span.start, span.end, "") for span in out]
    changes += [(edit.span.start, edit.span.end, edit.replacement) for edit in written]
    text = source.text
    for start, end, replacement in sorted(changes, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


def _collide(one: Edit, other: Edit) -> bool:
    first, second = sorted((one, other), key=lambda edit: edit.span.start)
    if first.span.start < second.span.start >= first.span.end:
        return False
    # Two that only take out may share the empty lines between what they take out.
    shared = first.span.source.text[second.span.start : min(first.span.end, second.span.end)]
    return bool(one.replacement or other.replacement or shared.strip() or not shared)
