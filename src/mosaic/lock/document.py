"""A lock as data. Every digest is 64 hexadecimal digits; nothing in it depends on where the project lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mosaic.compiler.facts import Coverage, ExpertFacts
from mosaic.compiler.source import SourceFile, Span

VERSION = 1
"""Of the form. A lock of another one is not read."""

NAME = "mosaic.lock"


@dataclass(frozen=True)
class LockedFind:
    """What `find(kind, "words")` was resolved to."""

    kind: str
    words: str
    chosen: str


@dataclass(frozen=True)
class LockedFusion:
    """Which operator a fusion uses, by the names of the experts that it blends."""

    experts: tuple[str, ...]
    operator: str


@dataclass(frozen=True)
class LockedSteps:
    """How many steps a range `low..high` stands for."""

    low: int
    high: int
    taken: int


@dataclass(frozen=True)
class LockedCoverage:
    """How an expert's tensors meet a base's, found out when the plan was locked. Both by key."""

    expert: str
    base: str
    coverage: Coverage


@dataclass(frozen=True)
class LockedPlan:
    """One plan of one file. `file` is relative to the lock, with forward slashes.

    `experts` maps each reference, as the plan writes it (an id, an alias, a digest, a relative path), to the key of
    the expert that it means, and each key to itself. `settings` are the parameters that were given, spelt as
    `--set` takes them.
    """

    file: str
    plan: str
    text: str
    program: str
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)
    libraries: Mapping[str, str] = field(default_factory=dict, hash=False)
    pictures: Mapping[str, str] = field(default_factory=dict, hash=False)
    experts: Mapping[str, str] = field(default_factory=dict, hash=False)
    finds: tuple[LockedFind, ...] = ()
    fusions: tuple[LockedFusion, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict, hash=False)
    steps: tuple[LockedSteps, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What it is known by."""
        return self.file, self.plan

    @property
    def operators(self) -> Mapping[tuple[str, ...], str]:
        """The operator of each fusion, by the names of what it blends.

        Names that several fusions share (into other bases, say) are left out where their operators differ: which
        fusion is which is not known here, and each is chosen again.
        """
        found: dict[tuple[str, ...], str] = {}
        several: dict[tuple[str, ...], None] = {}
        for fusion in self.fusions:
            if found.setdefault(fusion.experts, fusion.operator) != fusion.operator:
                several[fusion.experts] = None
        return {experts: operator for experts, operator in found.items() if experts not in several}

    @property
    def shown(self) -> str:
        """As messages name it."""
        return f"plan `{self.plan}` of `{self.file}`"


@dataclass(frozen=True)
class LockedExpert:
    """An expert, with all that is needed to compile with it again.

    `key` is its id in a catalog; for one that a plan names by a relative path, that path from the lock's folder
    (`./models/neon.safetensors`); for one that lies elsewhere, `sha256:` and its digest. `facts.id` is the key.
    Locations of files are `package:…`, or relative to the lock, or empty. `sources` are places where it is known
    to be had: "package", "catalog", "file".
    """

    facts: ExpertFacts
    digest: str
    sources: tuple[str, ...] = ()
    evidence: str = ""  # what the licence is known by

    @property
    def key(self) -> str:
        """What it is known by."""
        return self.facts.id


@dataclass(frozen=True)
class Lock:
    """What `mosaic.lock` holds, and the text that it was read from.

    `toolchain` has versions and the platform; `catalog` the digest of the catalog that answered (empty where none
    was asked), `shipped` that of the index of shipped experts. `recorded` tells on what the outputs of plans were
    made, where they were.
    """

    plans: tuple[LockedPlan, ...]
    experts: tuple[LockedExpert, ...]
    coverages: tuple[LockedCoverage, ...] = ()
    toolchain: Mapping[str, str] = field(default_factory=dict, hash=False)
    catalog: str = ""
    shipped: str = ""
    recorded: Mapping[str, str] = field(default_factory=dict, hash=False)
    source: SourceFile = field(default=SourceFile(NAME, ""), compare=False)
    marks: Mapping[tuple[str, ...], Span] = field(default_factory=dict, compare=False, repr=False)

    def plans_of(self, file: str) -> tuple[LockedPlan, ...]:
        """The plans of a file."""
        return tuple(plan for plan in self.plans if plan.file == file)

    def expert(self, key: str) -> LockedExpert | None:
        """An expert by key."""
        return next((expert for expert in self.experts if expert.key == key), None)

    def where(self, *path: str) -> Span | None:
        """The line of an entry: ("expert", key), ("plan", file, plan) or less of it."""
        return self.marks.get(path)


def sorted_lock(
    plans: Sequence[LockedPlan], experts: Sequence[LockedExpert], coverages: Sequence[LockedCoverage]
) -> tuple[tuple[LockedPlan, ...], tuple[LockedExpert, ...], tuple[LockedCoverage, ...]]:
    """The parts in the one order that a lock has."""
    return (
        tuple(sorted(plans, key=lambda plan: plan.key)),
        tuple(sorted(experts, key=lambda expert: expert.key)),
        tuple(sorted(coverages, key=lambda entry: (entry.expert, entry.base))),
    )
