"""What would change in a lock: one message a difference, at its line."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from mosaic.compiler import errors
from mosaic.compiler.comparing.files import changed_files
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.facts import ExpertFacts
from mosaic.lock.document import Lock, LockedExpert, LockedPlan
from mosaic.lock.toolchain import MACHINE

_DIGITS = 12


def differences(old: Lock, new: Lock) -> Iterator[Diagnostic]:
    """How a new lock of some files differs from the old one (M709). Versions of tools are no difference.

    Plans of other files, and experts that only they use, are left alone.
    """
    for plan in new.plans:
        before = next((other for other in old.plans if other.key == plan.key), None)
        if before is None:
            yield errors.integrity.LockOutdated(None, f"{plan.shown} is not in it")
        else:
            yield from _plan(old, before, plan)
    files = dict.fromkeys(plan.file for plan in new.plans)
    kept = {plan.key for plan in new.plans}
    for gone in old.plans:
        if gone.file in files and gone.key not in kept:
            where = old.where("plan", *gone.key, "name")
            yield errors.integrity.LockOutdated(where, f"{gone.shown} is gone")
    for expert in new.experts:
        known = old.expert(expert.key)
        if known is not None:
            yield from _expert(old, known, expert)


def tools(old: Lock, here: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    """Names, locked and present versions of what differs in the tool chain; "" for what is not there."""
    names = sorted({*old.toolchain, *here} - {*MACHINE})
    return tuple(
        (name, old.toolchain.get(name, ""), here.get(name, ""))
        for name in names
        if old.toolchain.get(name, "") != here.get(name, "")
    )


def _plan(lock: Lock, old: LockedPlan, new: LockedPlan) -> Iterator[Diagnostic]:
    said = False
    for what, now, key in _changes(old, new):
        said = True
        where = lock.where("plan", *old.key, key) or lock.where(key)
        yield errors.integrity.LockOutdated(where, f"{what} of {old.shown}", now)
    for find in new.finds:
        before = next((f for f in old.finds if (f.kind, f.words) == (find.kind, find.words)), None)
        if before is not None and before.chosen != find.chosen and find not in old.finds:
            said = True
            where = lock.where("find", *old.key, find.kind, find.words)
            what = f'find({find.kind}, "{find.words}") in {old.shown} was `{before.chosen}`'
            yield errors.integrity.LockOutdated(where, what, f"`{find.chosen}` answers better now")
    for steps in new.steps:
        taken = [each.taken for each in old.steps if (each.low, each.high) == (steps.low, steps.high)]
        if taken and taken != [steps.taken]:
            said = True
            shown = f"{steps.low}..{steps.high}"
            where = lock.where("steps", *old.key, shown)
            what = f"{taken[0]} of {shown} steps in {old.shown}"
            yield errors.integrity.LockOutdated(where, what, f"now {steps.taken}")
    if old.program != new.program and not said:
        # The consequence of an expert's or a tool's change, told last and only where nothing else was.
        where = lock.where("plan", *old.key, "program")
        yield errors.integrity.LockOutdated(
            where, f"the program of {old.shown}", f"now {new.program[: 7 + _DIGITS]}…"
        )


def _changes(old: LockedPlan, new: LockedPlan) -> Iterator[tuple[str, str, str]]:
    if old.text != new.text:
        yield "the text", f"now {new.text[:_DIGITS]}…", "text"
    for what, before, now in (
        ("library", old.libraries, new.libraries),
        ("picture", old.pictures, new.pictures),
        ("expert", old.experts, new.experts),
    ):
        found = (
            dict.fromkeys(find.chosen for find in (*old.finds, *new.finds)) if before is old.experts else {}
        )
        for name in sorted({*before, *now} - {*found}):
            if before.get(name) == now.get(name):
                continue
            if name not in before:
                yield f"another {what} `{name}`", "not locked yet", "experts"
            elif name not in now:
                yield f"the {what} `{name}`", "no longer used", "experts"
            else:
                yield f"the content of {what} `{name}`", f"now {_short(now[name])}", "experts"
    for fusion in new.fusions:
        locked = [other.operator for other in old.fusions if other.experts == fusion.experts]
        if locked and fusion.operator not in locked:
            yield f"the operator for {' + '.join(fusion.experts)}", f"now {fusion.operator}", "name"


def _expert(lock: Lock, old: LockedExpert, new: LockedExpert) -> Iterator[Diagnostic]:
    where = lock.where("expert", old.key, "digest")
    if old.digest != new.digest:
        changed = ", ".join(_files(old.facts, new.facts))
        now = f"now {new.digest[:_DIGITS]}…"
        yield errors.integrity.LockOutdated(where, f"the content of expert `{old.key}` ({changed})", now)
        return
    for field in dataclasses.fields(ExpertFacts):
        before, now_ = getattr(old.facts, field.name), getattr(new.facts, field.name)
        if field.name not in ("id", "files", "integrity", "license_evidence") and before != now_:
            at = lock.where("expert", old.key, "id")
            what = f"`{field.name}` of expert `{old.key}`, which was {_said(before)}"
            yield errors.integrity.LockOutdated(at, what, f"now {_said(now_)}")


def _files(old: ExpertFacts, new: ExpertFacts) -> Iterator[str]:
    return changed_files(old.files, new.files, (_tensors(old), _tensors(new)))


def _tensors(facts: ExpertFacts) -> dict[str, str]:
    return {file.sha256: file.tensors_sha256 for file in facts.files if file.tensors_sha256}


def _said(value: object) -> str:
    if value is None or value == "" or value == ():
        return "not known"
    shown = str(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"


def _short(value: str) -> str:
    return f"{value[:_DIGITS]}…" if len(value) == 64 else f"`{value}`"
