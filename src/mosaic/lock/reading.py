"""TOML to a lock. A lock is trusted later, so that everything in it is looked at here, and nothing is passed over."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mosaic.catalog.record import content_digest
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.facts import Coverage
from mosaic.compiler.source import SourceFile, Span
from mosaic.lock.document import (
    VERSION,
    Lock,
    LockedCoverage,
    LockedExpert,
    LockedFind,
    LockedFusion,
    LockedPlan,
    LockedSteps,
)
from mosaic.lock.entry import Entry
from mosaic.lock.facts import read_facts
from mosaic.lock.marks import fault, marks

_TOP: Final = ("version", "toolchain", "catalog", "recorded", "plan", "expert")
_PLAN: Final = (
    "file", "name", "text", "program", "set", "libraries", "pictures", "outputs", "experts", "names", "find", "fuse",
    "steps",
)  # fmt: skip


def read_lock(source: SourceFile) -> Lock:
    """The lock that a text holds. Raises MosaicError (M710-M714)."""
    top = Entry(source, marks(source), (), _toml(source))
    version = top.value.get("version")
    if type(version) is not int:
        top.fail("it states no version of its form", "version")
    if version != VERSION:
        span = top.mark("version")
        raise MosaicError(errors.integrity.OtherLockVersion(span, source.name, str(version), VERSION))
    top.only(_TOP)
    asked = top.table("catalog")
    asked.only(("digest", "shipped"))
    lock = Lock(
        plans=tuple(_plan(entry) for entry in top.tables("plan")),
        experts=tuple(_expert(entry) for entry in top.tables("expert")),
        coverages=tuple(found for entry in top.tables("expert") for found in _coverages(entry)),
        toolchain=top.texts("toolchain"),
        catalog=asked.hash("digest", "the catalog") if "digest" in asked.value else "",
        shipped=asked.hash("shipped", "the index of shipped experts") if "shipped" in asked.value else "",
        recorded=top.texts("recorded"),
        source=source,
    )
    _whole(lock, top)
    return Lock(**{**vars(lock), "marks": _marks(lock, top)})


def _toml(source: SourceFile) -> dict[str, Any]:
    try:
        return tomllib.loads(source.text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, and a number of ten thousand digits
        span, reason = fault(source, error)
        raise MosaicError(errors.integrity.NotToml(span, source.name, reason)) from None


def _plan(entry: Entry) -> LockedPlan:
    entry.only(_PLAN)
    file, plan = entry.text("file"), entry.text("name")
    shown = f"plan `{plan}` of `{file}`"
    if file.startswith("/") or "\\" in file or ":" in file:
        entry.fail("a plan's file is a path relative to the lock", "file")
    return LockedPlan(
        file=file,
        plan=plan,
        text=entry.hash("text", shown),
        program=entry.hash("program", shown, "sha256:"),
        settings=entry.texts("set"),
        libraries=entry.hashes("libraries"),
        pictures=entry.hashes("pictures"),
        outputs=entry.hashes("outputs"),
        experts={**{key: key for key in entry.list("experts")}, **entry.texts("names")},
        finds=tuple(_find(inner) for inner in entry.tables("find")),
        fusions=tuple(_fusion(inner) for inner in entry.tables("fuse")),
        steps=tuple(_steps(inner) for inner in entry.tables("steps")),
    )


def _find(entry: Entry) -> LockedFind:
    entry.only(("kind", "words", "chosen"))
    return LockedFind(entry.text("kind"), entry.text("words"), entry.text("chosen"))


def _fusion(entry: Entry) -> LockedFusion:
    entry.only(("experts", "operator"))
    return LockedFusion(entry.list("experts"), entry.text("operator"))


def _steps(entry: Entry) -> LockedSteps:
    entry.only(("low", "high", "taken"))
    found = LockedSteps(entry.count("low"), entry.count("high"), entry.count("taken"))
    if not 1 <= found.low <= found.taken <= found.high:
        entry.fail(f"{found.taken} steps are none of {found.low}..{found.high}", "taken")
    return found


def _expert(entry: Entry) -> LockedExpert:
    shown = f"expert `{entry.text('id')}`"
    digest = entry.hash("digest", shown)
    files = entry.tables("file")
    if not files:
        raise MosaicError(errors.integrity.EntryWithoutHash(entry.mark(), entry.name, shown, "file"))
    facts = read_facts(entry, files, shown)
    if content_digest(facts) != digest:
        entry.fail(f"the digest of {shown} is not that of its files", "digest")
    return LockedExpert(facts, digest, entry.list("sources"), facts.license_evidence)


def _coverages(entry: Entry) -> Iterator[LockedCoverage]:
    for inner in entry.tables("covers"):
        yield _coverage(entry.text("id"), inner)


def _coverage(expert: str, entry: Entry) -> LockedCoverage:
    entry.only(("base", "matched", "total", "unmatched", "misshaped"))
    found = Coverage(
        entry.count("matched"), entry.count("total"), entry.list("unmatched"), entry.list("misshaped")
    )
    return LockedCoverage(expert, entry.text("base"), found)


def _whole(lock: Lock, top: Entry) -> None:
    """What no single entry can tell: there is something, nothing is there twice, every name leads somewhere."""
    for what, held in (("expert", lock.experts), ("plan", lock.plans)):
        if not held:
            raise MosaicError(errors.integrity.EmptyLock(None, top.name, what))
    keys = [expert.key for expert in lock.experts]
    for number, key in enumerate(keys):
        if key in keys[:number]:
            top.fail(f"expert `{key}` stands in it twice", "expert", str(number), "id")
    known = dict.fromkeys(keys)
    for number, plan in enumerate(lock.plans):
        if any(plan.key == other.key for other in lock.plans[:number]):
            top.fail(f"{plan.shown} stands in it twice", "plan", str(number), "name")
        for reference, key in plan.experts.items():
            if key not in known:
                part = ("names", reference) if reference != key else ("experts",)
                top.fail(f"it has no expert `{key}`", "plan", str(number), *part)
        for place, find in enumerate(plan.finds):
            if find.chosen not in known:
                reason = f"it has no expert `{find.chosen}`"
                top.fail(reason, "plan", str(number), "find", str(place), "chosen")
        ranges = [(steps.low, steps.high) for steps in plan.steps]
        for place, (low, high) in enumerate(ranges):
            if (low, high) in ranges[:place]:
                top.fail(
                    f"the range {low}..{high} stands in it twice", "plan", str(number), "steps", str(place)
                )


def _marks(lock: Lock, top: Entry) -> Mapping[tuple[str, ...], Span]:
    """The lines by names instead of numbers."""
    found: dict[tuple[str, ...], Span | None] = {}
    for number, expert in enumerate(lock.experts):
        for key in ("digest", "id"):
            found["expert", expert.key, key] = top.mark("expert", str(number), key)
    for number, plan in enumerate(lock.plans):
        for key in ("text", "program", "experts", "name"):
            found["plan", *plan.key, key] = top.mark("plan", str(number), key)
        for place, find in enumerate(plan.finds):
            path = ("plan", str(number), "find", str(place), "chosen")
            found["find", *plan.key, find.kind, find.words] = top.mark(*path)
        for place, steps in enumerate(plan.steps):
            path = ("plan", str(number), "steps", str(place), "taken")
            found["steps", *plan.key, f"{steps.low}..{steps.high}"] = top.mark(*path)
    return {path: span for path, span in found.items() if span is not None}
