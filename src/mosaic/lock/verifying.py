"""Whether this machine would give the locked picture, and what differs if not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from mosaic.catalog.index import locate
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.program import Program
from mosaic.lock.comparing import tools
from mosaic.lock.document import Lock, LockedExpert, LockedPlan
from mosaic.lock.making import text_digest
from mosaic.lock.projects import LockedProject
from mosaic.lock.toolchain import ENGINE, MACHINE, toolchain
from mosaic.project import read


class Verdict(StrEnum):
    """What to expect."""

    SAME = "same bytes expected"
    ROUNDING = "same picture up to rounding"
    OTHER = "not the same"


class State(StrEnum):
    """How one thing stands."""

    SAME = "same"
    DIFFERS = "differs"
    MISSING = "missing"
    NOTED = "noted"  # differs, and changes nothing


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `exact` says that a difference in it may be a rounding and no more."""

    what: str  # expert, plan, tool, machine, output
    name: str
    state: State
    detail: str = ""
    exact: bool = False


@dataclass(frozen=True)
class Verified:
    """Everything that was looked at."""

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of what was found."""
        wrong = [f for f in self.findings if f.state in (State.DIFFERS, State.MISSING)]
        if not wrong:
            return Verdict.SAME
        return Verdict.ROUNDING if all(finding.exact for finding in wrong) else Verdict.OTHER


def verify(lock: Lock, folder: Path, project: LockedProject, *, run: bool = False) -> Verified:
    """Hash every file of every expert, compile every plan from the lock alone, compare tools and machine.

    With `run`, plans whose outputs were recorded are run as well, and what they emit is compared.
    """
    experts = list(_experts(lock, folder, project))
    plans = [(plan, *_plan(plan, folder, project)) for plan in lock.plans]
    findings = [*experts, *(finding for _, finding, _ in plans), *_tools(lock), *_machine(lock)]
    if run:
        for plan, _, program in plans:
            if program is not None:
                findings.extend(_outputs(lock, plan, program, findings))
    return Verified(tuple(findings))


def _experts(lock: Lock, folder: Path, project: LockedProject) -> Iterator[Finding]:
    locator = project.locator(folder)
    for expert in lock.experts:
        placed = replace(
            expert.facts,
            files=tuple(replace(file, location=locator(file)) for file in expert.facts.files),
        )
        yield _expert(expert, placed)


def _expert(expert: LockedExpert, placed: ExpertFacts) -> Finding:
    missing = [file.name for file in placed.files if not file.location]
    if missing:
        return Finding("expert", expert.key, State.MISSING, f"not at hand: {_some(missing)}")
    wrong = [file.name for file in placed.files if _hash(locate(file.location)) != file.sha256]
    if wrong:
        return Finding("expert", expert.key, State.DIFFERS, f"other bytes: {_some(wrong)}")
    return Finding("expert", expert.key, State.SAME, f"sha256 of {_count(len(placed.files), 'file')}")


def _plan(plan: LockedPlan, folder: Path, project: LockedProject) -> tuple[Finding, Program | None]:
    name = f"{plan.file}, {plan.plan}"
    try:
        source = read(folder / plan.file, (folder / plan.file).as_posix())
    except MosaicError:
        return Finding("plan", name, State.MISSING, "the file is not there"), None
    try:
        compiled = project.compile(source, plan=plan.plan, parameters=plan.settings)
    except MosaicError as error:
        first = error.diagnostics[0]
        return Finding("plan", name, State.DIFFERS, f"{first.code}: {first.message()}"), None
    (program,) = compiled.programs
    edited = text_digest(source.text) != plan.text
    if program.digest != plan.program:
        why = "its text changed" if edited else "it compiles to another program"
        return Finding("plan", name, State.DIFFERS, why), program
    if edited:
        return Finding("plan", name, State.NOTED, "its text changed, the program is the same"), program
    return Finding("plan", name, State.SAME, "text and program"), program


def _tools(lock: Lock) -> Iterator[Finding]:
    here = toolchain()
    differing = {name: (then, now) for name, then, now in tools(lock, here)}
    for name in sorted({*lock.toolchain, *here} - {*MACHINE}):
        then, now = differing.get(name, ("", ""))
        if not then and not now:
            yield Finding("tool", name, State.SAME, here[name])
        elif not now:
            # Without the engine there is no picture at all.
            yield Finding("tool", name, State.MISSING, f"{then} locked, not installed", name != ENGINE)
        elif not then:
            yield Finding("tool", name, State.NOTED, f"{now} here, not there when it was locked")
        elif name == "python":
            yield Finding("tool", name, State.NOTED, f"{then} locked, {now} here; computes no picture")
        else:
            yield Finding("tool", name, State.DIFFERS, f"{then} locked, {now} here", exact=True)


def _machine(lock: Lock) -> Iterator[Finding]:
    here = toolchain()
    for name in MACHINE:
        then, now = lock.toolchain.get(name, ""), here[name]
        if then == now:
            yield Finding("machine", name, State.SAME, now)
        else:
            yield Finding(
                "machine", name, State.DIFFERS, f"{then or 'unknown'} locked, {now} here", exact=True
            )


def _outputs(lock: Lock, plan: LockedPlan, program: Program, before: Sequence[Finding]) -> Iterator[Finding]:
    from mosaic.lock.outputs import emit

    if not plan.outputs:
        yield Finding("output", f"{plan.file}, {plan.plan}", State.NOTED, "none was recorded")
        return
    emission = emit(program)
    # Other bytes out of equal experts, programs, tools and machines refute what was expected.
    rounding = any(f.exact and f.state is State.DIFFERS for f in before)
    for name in ("device", "dtype"):
        then, now = lock.recorded.get(name, ""), emission.machine[name]
        if then != now:
            rounding = True
            yield Finding("machine", name, State.DIFFERS, f"{then} locked, {now} here", exact=True)
    for name, digest in plan.outputs.items():
        found = emission.files.get(name)
        if found == digest:
            yield Finding("output", name, State.SAME, f"sha256:{digest[:12]}…")
        elif found is None:
            yield Finding("output", name, State.MISSING, "it is not emitted")
        else:
            detail = f"sha256:{digest[:12]}… locked, {found[:12]}… here"
            yield Finding("output", name, State.DIFFERS, detail, rounding)


def _hash(path: Path) -> str:
    """Of the bytes as they lie there now; no cache is asked."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
