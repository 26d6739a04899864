"""`mosaic diff --run`: both sides run, and their pictures side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.api import session
from mosaic.compiler.comparing.changes import Comparison, PlanChange
from mosaic.compiler.comparing.markdown import code
from mosaic.compiler.comparing.meaning import Version

if TYPE_CHECKING:
    from mosaic.runtime.apart import Apart
    from mosaic.runtime.engine import Engine

SIDES = ("old", "new")


@dataclass(frozen=True)
class Pair:
    """A file that both sides emit: where it lies, whether both have the same bytes, or at least the same pixels or
    tensors, and how far apart they are (None: no pictures)."""

    plan: str
    emit: str
    type: str
    old: Path
    new: Path
    same_bytes: bool
    same_content: bool
    apart: Apart | None = None

    @property
    def told(self) -> str:
        """The numbers, in words."""
        if self.same_bytes:
            return "the same bytes"
        apart = self.apart
        if apart is None:
            return "the same tensors" if self.same_content else "other tensors"
        if apart.mean is None or apart.share is None:
            return "of another size"
        if self.same_content:
            return "the same pixels"
        return (
            f"{apart.mean:.2f} levels apart on average, {apart.largest} at most, "
            f"in {apart.share:.1%} of the pixels"
        )


def run(
    engine: Engine, comparison: Comparison, old: Sequence[Version], new: Sequence[Version], output: Path
) -> list[Pair]:
    """Run all plans that are on both sides in one invocation, and compare what they emit, picture by picture.

    Files go to `old/` and `new/` below the output folder, what shows both beside them. Raises MosaicError as an engine
    does; a plan that only one side has is not run.
    """
    shared = [plan for plan in comparison.plans if plan.pairs]
    folders = _folders(shared)
    jobs, outputs = [], []
    for plan in shared:
        for side, versions, name in ((0, old, plan.old_name), (1, new, plan.new_name)):
            version = next(each for each in versions if each.known_as == name)
            jobs.append(session.Job(version.program))
            outputs.append(output / SIDES[side] / folders[plan])
    session.at_hand(session.Jobs(tuple(jobs)))
    engine.run_all([job.program for job in jobs], outputs)
    return [pair for plan in shared for pair in _pairs(plan, output, folders[plan])]


def lines(pairs: Sequence[Pair]) -> Iterator[str]:
    """For a terminal."""
    for pair in pairs:
        yield f"{pair.emit} of {pair.plan}: {pair.told}"
        if pair.apart is not None and pair.apart.sheet is not None:
            yield f"  {pair.apart.sheet}"


def markdown(pairs: Sequence[Pair]) -> str:
    """For a pull request: numbers, and where the pictures lie."""
    head = ("### Pictures", "", "| plan | file | apart | side by side |", "|---|---|---|---|")
    rows = []
    for pair in pairs:
        sheet = str(pair.apart.sheet) if pair.apart is not None and pair.apart.sheet is not None else ""
        rows.append(f"| {code(pair.plan)} | {code(pair.emit)} | {pair.told} | {code(sheet)} |")
    return "\n".join((*head, *rows)) + "\n"


def document(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """The JSON shape that docs/json.md describes."""
    return [_document(pair) for pair in pairs]


def _document(pair: Pair) -> dict[str, Any]:
    apart = pair.apart
    return {
        "plan": pair.plan,
        "emit": pair.emit,
        "type": pair.type,
        "old": str(pair.old),
        "new": str(pair.new),
        "same_bytes": pair.same_bytes,
        "same_content": pair.same_content,
        "mean": None if apart is None or apart.mean is None else round(apart.mean, 4),
        "largest": None if apart is None else apart.largest,
        "share": None if apart is None or apart.share is None else round(apart.share, 6),
        "factor": None if apart is None else apart.factor,
        "sheet": None if apart is None or apart.sheet is None else str(apart.sheet),
    }


def _folders(plans: Sequence[PlanChange]) -> dict[PlanChange, str]:
    """A folder for each plan, none where there is but one; named by plan, and by file where names meet."""
    if len(plans) == 1:
        return {plans[0]: ""}
    names = [plan.name for plan in plans]
    found: dict[PlanChange, str] = {}
    for number, plan in enumerate(plans):
        file = plan.new_name[0] if plan.new_name is not None else ""
        name = plan.name if names.count(plan.name) == 1 else f"{_plain(file)}.{plan.name}"
        found[plan] = name if name not in found.values() else f"{name}.{number}"
    return found


def _plain(file: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", file.removesuffix(".mosaic")).strip("-.")


def _pairs(plan: PlanChange, output: Path, folder: str) -> Iterator[Pair]:
    from mosaic.runtime.apart import compare, same_bytes, same_tensors

    for was, now, kind in plan.pairs:
        old, new = output / SIDES[0] / folder / was, output / SIDES[1] / folder / now
        if kind != "image" or not was.lower().endswith(".png") or not now.lower().endswith(".png"):
            same = same_bytes(old, new)
            yield Pair(plan.name, now, kind, old, new, same, same or same_tensors(old, new))
            continue
        apart = compare(old, new, (output / folder / now).with_suffix(".beside.png"))
        yield Pair(plan.name, now, kind, old, new, apart.same_bytes, apart.same_pixels, apart)
