"""A comparison for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mosaic.compiler.comparing import titles
from mosaic.compiler.comparing.changes import Change, Comparison, EmitChange, PlanChange, State
from mosaic.compiler.comparing.words import runs
from mosaic.compiler.reporting.text import visible


@dataclass(frozen=True)
class Colors:
    """The control sequences around parts of the text; all empty without color."""

    old: str = ""
    new: str = ""
    head: str = ""
    faint: str = ""
    end: str = ""

    def paint(self, style: str, text: str) -> str:
        """The text in a style."""
        return f"{style}{text}{self.end}" if style and text else text


_PLAIN = Colors()
_COLORED = Colors("\x1b[31m", "\x1b[32m", "\x1b[1m", "\x1b[2m", "\x1b[0m")


def render(comparison: Comparison, names: tuple[str, str], *, color: bool = False) -> str:
    """One block of lines a plan that differs, an empty line between two. `names` are those of the two sides.

    With `color`, ANSI sequences mark old and new. Control characters of plans are never passed on.
    """
    colors = _COLORED if color else _PLAIN
    old, new = (visible(name) for name in names)
    head = f"{colors.paint(colors.old, old)} → {colors.paint(colors.new, new)}"
    blocks = [_block(plan, colors) for plan in comparison.plans if plan.state is not State.SAME]
    same = sum(plan.state is State.SAME for plan in comparison.plans)
    if not blocks:
        blocks.append(["no difference in meaning"])
    elif same:
        blocks.append([colors.paint(colors.faint, f"{same} other plan{'' if same == 1 else 's'}: the same")])
    notes = [colors.paint(colors.faint, f"note: {visible(note)}") for note in comparison.notes]
    return "\n\n".join("\n".join(block) for block in ([head], *blocks, notes) if block) + "\n"


def _block(plan: PlanChange, colors: Colors) -> list[str]:
    found = [colors.paint(colors.head, f"plan {visible(titles.headline(plan))}")]
    found += [f"  {line}" for line in _table(plan.changes, plan, colors)]
    for emit in plan.emits:
        found.append(f"  {_emit(emit, colors)}")
        found += [f"    {line}" for line in _table(emit.changes, plan, colors)]
    for name, changes in (("use and credit", plan.rights), ("predicted", plan.costs)):
        if changes:
            found.append(f"  {colors.paint(colors.head, name)}")
            found += [f"    {line}" for line in _table(changes, plan, colors)]
    return found


def _emit(emit: EmitChange, colors: Colors) -> str:
    paths = visible(", ".join(emit.emits))
    match emit.state:
        case State.ADDED:
            return f"{colors.paint(colors.new, f'+ {paths}')} ({emit.type})"
        case State.REMOVED:
            return f"{colors.paint(colors.old, f'- {paths}')} ({emit.type})"
        case State.RENAMED:
            return f"{colors.paint(colors.old, visible(emit.was))} → {colors.paint(colors.new, paths)}"
        case _:
            return colors.paint(colors.head, paths)


def _table(changes: Sequence[Change], plan: PlanChange, colors: Colors) -> Iterator[str]:
    width = max((len(visible(titles.title(change))) for change in changes), default=0)
    for change in changes:
        sign = {State.ADDED: "+", State.REMOVED: "-"}.get(change.state, "~")
        name = visible(titles.title(change))
        where = titles.lines(change, plan)
        tail = colors.paint(colors.faint, f"  (line {visible(where)})") if where else ""
        yield f"{sign} {name:<{width}}  {_values(change, colors)}{tail}"
        for reason in titles.reasons(change):
            yield colors.paint(colors.faint, f"  {'':<{width}}  {visible(reason)}")


def _values(change: Change, colors: Colors) -> str:
    old, new = visible(titles.side(change.old)), visible(titles.side(change.new))
    if change.state is State.ADDED:
        return colors.paint(colors.new, new)
    if change.state is State.REMOVED:
        return colors.paint(colors.old, old)
    if change.aspect in titles.TEXTS:
        return f"“{_words(old, new, colors)}”"
    grown = titles.grown(change)
    more = f" ({grown})" if grown else ""
    return f"{colors.paint(colors.old, old)} → {colors.paint(colors.new, new)}{more}"


def _words(old: str, new: str, colors: Colors) -> str:
    marks = {State.REMOVED: ("[-", "-]", colors.old), State.ADDED: ("{+", "+}", colors.new)}
    found = []
    for run in runs(old, new):
        if run.state is State.SAME:
            found.append(run.text)
        else:
            before, after, style = marks[run.state]
            found.append(colors.paint(style, f"{before}{run.text}{after}"))
    return "".join(found)
