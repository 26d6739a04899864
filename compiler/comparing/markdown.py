"""A comparison as Markdown, for a pull request: a table a plan, what follows from it folded away."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mosaic.compiler.comparing import titles
from mosaic.compiler.comparing.changes import Change, Comparison, EmitChange, PlanChange, State
from mosaic.compiler.comparing.words import runs
from mosaic.compiler.reporting.text import visible

_MARKS = re.compile(r"[\\`*_\[\]#|~@&<>$]|:(?=//)|(?<=www)\.", re.IGNORECASE)
"""What could mean something to Markdown: emphasis, tables, links, mentions, references to issues, formulas."""
_HEAD = ("| | before | after | line |", "|---|---|---|---|")


def render(comparison: Comparison, names: tuple[str, str]) -> str:
    """GitHub-flavoured Markdown. Whatever plans hold is text in it, never markup, link or mention."""
    old, new = map(code, names)
    differing = [plan for plan in comparison.plans if plan.state is not State.SAME]
    same = [plan for plan in comparison.plans if plan.state is State.SAME]
    found = [f"**{old} → {new}**", ""]
    if not differing:
        found += ["No difference in meaning.", ""]
    for plan in differing:
        found += [*_plan(plan), ""]
    if differing and same:
        named = ", ".join(code(plan.name) for plan in same)
        found += [f"The same: {named}.", ""]
    found += [f"> {text(note)}" for note in comparison.notes]
    return "\n".join(found).rstrip() + "\n"


def code(words: str) -> str:
    """A name or value, shown as it is."""
    return f"<code>{text(words)}</code>" if words else ""


def text(words: str) -> str:
    """Words in which nothing is markup."""
    return _MARKS.sub(lambda found: f"&#{ord(found[0])};", visible(" ".join(words.split())))


def _plan(plan: PlanChange) -> Iterator[str]:
    yield f"### Plan {titles.headline(plan, code)}"
    rows = [row for change in plan.changes for row in _row(change, plan)]
    for emit in plan.emits:
        rows += [_emit(emit), *(row for change in emit.changes for row in _row(change, plan))]
    if rows:
        yield from ("", *_HEAD, *rows)
    said = [(change, line) for change in _all(plan) for line in titles.reasons(change)]
    if said:
        yield from _folded("Why", [f"- {text(titles.title(change))}: {text(line)}" for change, line in said])
    for name, changes in (("Use and credit", plan.rights), ("Predicted cost", plan.costs)):
        if changes:
            summary = ", ".join(filter(None, map(_short, changes)))
            head = f"{name}: {summary}" if summary else name
            yield from _folded(head, [*_HEAD, *(row for change in changes for row in _row(change, plan))])
    old, new = plan.programs
    if old and new and old != new:
        yield from _folded("Programs", [f"- before {code(old)}", f"- after {code(new)}"])


def _all(plan: PlanChange) -> Iterator[Change]:
    yield from plan.changes
    for emit in plan.emits:
        yield from emit.changes
    yield from plan.rights


def _short(change: Change) -> str:
    """What of a change the summary of a folded table says."""
    grown = titles.grown(change)
    if grown:
        return f"{text(titles.title(change))} {text(grown)}"
    if change.state is State.CHANGED:
        old, new = (str(side.value) if side is not None else "" for side in (change.old, change.new))
        return f"{text(titles.title(change))} {text(old)} → {text(new)}"
    return f"{text(titles.title(change))} {change.state}"


def _folded(summary: str, lines: Sequence[str]) -> Iterator[str]:
    # GitHub reads Markdown inside of HTML only after an empty line.
    yield from ("", f"<details><summary>{summary}</summary>", "", *lines, "", "</details>")


def _emit(emit: EmitChange) -> str:
    paths = ", ".join(code(path) for path in emit.emits)
    match emit.state:
        case State.RENAMED:
            return f"| **file** | {code(emit.was)} | {paths} | |"
        case State.ADDED:
            return f"| **{emit.type} added** | | {paths} | |"
        case State.REMOVED:
            return f"| **{emit.type} removed** | {paths} | | |"
        case _:
            return f"| **{paths}** | | | |"


def _row(change: Change, plan: PlanChange) -> Iterator[str]:
    old, new = code(titles.side(change.old)), code(titles.side(change.new))
    if change.state is State.CHANGED and change.aspect in titles.TEXTS:
        old, new = _words(titles.side(change.old), titles.side(change.new))
    grown = titles.grown(change)
    more = f" ({text(grown)})" if grown else ""
    yield f"| {text(titles.title(change))} | {old} | {new}{more} | {text(titles.lines(change, plan))} |"


def _words(old: str, new: str) -> tuple[str, str]:
    """Both texts, in each what the other does not have marked."""
    before, after = [], []
    for run in runs(" ".join(old.split()), " ".join(new.split())):
        # Spaces at the ends of a run count: they stand between words.
        words = _MARKS.sub(lambda found: f"&#{ord(found[0])};", visible(run.text))
        if run.state is not State.ADDED:
            before.append(f"<del>{words}</del>" if run.state is State.REMOVED else words)
        if run.state is not State.REMOVED:
            after.append(f"<ins>{words}</ins>" if run.state is State.ADDED else words)
    return f"<code>{''.join(before)}</code>", f"<code>{''.join(after)}</code>"
