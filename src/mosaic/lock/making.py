"""Compiled plans to a lock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mosaic.catalog.index import PACKAGE
from mosaic.catalog.paths import is_path
from mosaic.catalog.record import content_digest
from mosaic.compiler import Compiled, compile, errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic, MosaicError, Severity, Sink
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.program import Program
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.parse import parse
from mosaic.compiler.types import Kind
from mosaic.lock.document import (
    Lock,
    LockedCoverage,
    LockedExpert,
    LockedFind,
    LockedFusion,
    LockedPlan,
    LockedSteps,
    sorted_lock,
)
from mosaic.lock.experts import Asked, Recorder
from mosaic.lock.places import below, key_of, told, without_place
from mosaic.lock.toolchain import toolchain


@dataclass(frozen=True)
class ToLock:
    """A file of plans, and the parameters that are given, spelt as `--set` takes them."""

    source: SourceFile
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Made:
    """A lock, the programs that it vouches for, and what the compiler had to say of them."""

    lock: Lock
    programs: tuple[tuple[LockedPlan, Program], ...]
    notes: tuple[Diagnostic, ...]


def make(files: Sequence[ToLock], folder: Path, context: Callable[[SourceFile], Context]) -> Made:
    """Compile and lock. Nothing that an older lock says is taken over: what is found now is what is locked.

    Raises MosaicError with every diagnostic where a plan cannot be compiled, and M716, M719.
    """
    making = _Making(folder)
    sink = Sink()
    compiled = [(each, *_compile(each, context(each.source), sink)) for each in files]
    if sink.has_errors:
        raise MosaicError(*(d for d in sink if d.severity is Severity.ERROR))
    for each, recorder, result in compiled:
        making.add(each, recorder, result)
    if not making.experts:
        names = ", ".join(f"`{each.source.name}`" for each in files) or "these files"
        raise MosaicError(errors.integrity.NothingToLock(None, names))
    plans, experts, coverages = sorted_lock(
        [plan for plan, _ in making.programs],
        tuple(making.experts.values()),
        tuple(making.coverages.values()),
    )
    lock = Lock(plans, experts, coverages, toolchain(), shipped=shipped_digest())
    return Made(lock, tuple(making.programs), tuple(sink))


def shipped_digest() -> str:
    """Of the index of the experts that come with the package."""
    from importlib.resources import files

    return hashlib.sha256(files("mosaic.stdlib.zoo").joinpath("index.json").read_bytes()).hexdigest()


def text_digest(text: str) -> str:
    """Of a plan's or a library's text; line ends of Windows count as others do, because git changes them."""
    return hashlib.sha256(text.replace("\r\n", "\n").encode("utf-8", "surrogatepass")).hexdigest()


def _compile(each: ToLock, context: Context, sink: Sink) -> tuple[Recorder, Compiled]:
    recorder = Recorder(context.experts)
    result = compile(each.source, replace(context, experts=recorder), parameters=each.settings)
    sink.extend(result.diagnostics)
    return recorder, result


class _Making:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.experts: dict[str, LockedExpert] = {}
        self.coverages: dict[tuple[str, str], LockedCoverage] = {}
        self.programs: list[tuple[LockedPlan, Program]] = []

    def add(self, each: ToLock, recorder: Recorder, result: Compiled) -> None:
        """Take in what one file was compiled to."""
        file = below(Path(each.source.name), self._folder)
        if file is None:
            raise MosaicError(errors.integrity.PlanOutside(None, each.source.name))
        asked = [(entry, self._key(entry)) for entry in recorder.asked]
        blocks = _blocks(each.source)
        for program in result.programs:
            # A file asks once for a reference, however many of its plans name it.
            ids = dict.fromkeys(expert.id for expert in program.experts)
            used = [
                (entry, key)
                for entry, key in asked
                if entry.facts.id in ids or _concerns(entry, each.source, blocks, program.source.plan)
            ]
            for entry, key in used:
                self._expert(entry.facts, key)
            meant = {key: key for _, key in used}
            meant |= {entry.reference: key for entry, key in used if told(entry.reference)}
            self.programs.append((self._plan(file, each, result, program, meant), program))
        self._cover(recorder)

    def _plan(
        self, file: str, each: ToLock, result: Compiled, program: Program, meant: Mapping[str, str]
    ) -> LockedPlan:
        name = program.source.plan
        finds = [LockedFind(f.kind, f.words, f.chosen) for f in result.finds.get(name, ()) if f.chosen]
        fusions = [
            LockedFusion(choice.operands, choice.operator)
            for choice in result.choices.get(name, ())
            if choice.operands and all(map(told, choice.experts))
        ]
        steps = [
            LockedSteps(each.steps.low, each.steps.high, each.number) for each in result.steps.get(name, ())
        ]
        return LockedPlan(
            file=file,
            plan=name,
            text=text_digest(each.source.text),
            program=program.digest,
            settings=dict(each.settings),
            libraries=_texts(program.source.libraries, self._folder),
            pictures={image.name: image.sha256 for image in program.images},
            experts=dict(sorted(meant.items())),
            finds=tuple(sorted(dict.fromkeys(finds), key=lambda f: (f.kind, f.words, f.chosen))),
            fusions=tuple(sorted(dict.fromkeys(fusions), key=lambda f: (f.experts, f.operator))),
            steps=tuple(sorted(steps, key=lambda each: (each.low, each.high))),
        )

    def _key(self, entry: Asked) -> str:
        return key_of(entry.facts, entry.reference, entry.span, Path.cwd(), self._folder)

    def _expert(self, facts: ExpertFacts, key: str) -> None:
        if key in self.experts:
            return
        locked = without_place(facts, key, self._folder)
        sources = _sources(facts, locked)
        self.experts[key] = LockedExpert(locked, content_digest(facts), sources, _evidence(facts))

    def _cover(self, recorder: Recorder) -> None:
        keys: dict[str, str] = {}
        for key, locked in self.experts.items():
            keys.setdefault(locked.digest, key)
        for (expert, base), found in recorder.coverages.items():
            if expert in keys and base in keys:
                entry = LockedCoverage(keys[expert], keys[base], found)
                self.coverages[entry.expert, entry.base] = entry


def _sources(facts: ExpertFacts, locked: ExpertFacts) -> tuple[str, ...]:
    if all(file.location.startswith(PACKAGE) for file in facts.files):
        return ("package",)
    known = () if is_path(facts.id) else ("catalog",)
    return (*known, "file") if all(file.location for file in locked.files) else known


def _evidence(facts: ExpertFacts) -> str:
    """What the licence is known by, where it is known."""
    if facts.license is None or facts.license_evidence:
        return facts.license_evidence
    shipped = all(file.location.startswith(PACKAGE) for file in facts.files)
    return "shipped" if shipped else ""


def _texts(libraries: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Digests of imported texts, by what they are called seen from the lock."""
    return {_library(name, folder): text_digest(text) for name, text in libraries.items()}


def _library(name: str, folder: Path) -> str:
    path = Path(name)
    if not path.is_file():
        return name  # of the standard library
    return below(path, folder) or path.name


def _blocks(source: SourceFile) -> dict[str, tuple[int, int]]:
    """Where each plan of a file stands."""
    items = parse(source, Sink()).items
    return {item.name.text: (item.span.start, item.span.end) for item in items if isinstance(item, tree.Plan)}


def _concerns(entry: Asked, source: SourceFile, blocks: Mapping[str, tuple[int, int]], plan: str) -> bool:
    """Whether a reference stands in a plan, or in none (a parameter, a fragment, a library)."""
    if entry.facts.kind is Kind.BRIDGE and not entry.span.source.name:
        return False  # nobody wrote it: it is of the plans whose programs use it
    if entry.span.source.name != source.name:
        return True
    inside = [name for name, (start, end) in blocks.items() if start <= entry.span.start < end]
    return not inside or plan in inside
