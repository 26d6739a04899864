"""What differs between two versions of plans, as data: a comparison holds plans, a plan what changed, by emit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What became of something. Only what was paired is changed, renamed or the same."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    RENAMED = "renamed"
    SAME = "same"


class Aspect(StrEnum):
    """What of a plan a change is about. The words are those of the JSON form."""

    # The plan as a whole
    PARAMETER = "parameter"
    BUDGET = "budget"
    POLICY = "policy"
    EXPERT_BYTES = "expert bytes"
    EXPERT_NAME = "expert name"
    TRIGGER = "trigger"
    # Models
    BASE = "base"
    FUSION = "fusion"
    OPERAND = "operand"
    STRENGTH = "strength"
    WINDOW = "window"
    REGION = "region"
    PARTIAL = "partial"
    ORDER = "order"
    OPERATOR = "operator"
    SETTING = "setting"
    VERSION = "operator version"
    BRIDGE = "bridge"
    # Runs
    STEP = "step"
    PROMPT = "prompt"
    NEGATIVE = "negative prompt"
    WEIGHT = "weight"
    STEPS = "steps"
    GUIDANCE = "guidance"
    SIZE = "size"
    SEED = "seed"
    SCHEDULER = "scheduler"
    UNTIL = "until"
    AMOUNT = "refine strength"
    TILE = "tile"
    PICTURE = "picture"
    # Files
    EMIT = "emit"
    COMPUTED = "computation"
    # What follows for whoever uses the results
    PERMITTED = "permitted"
    VERDICT = "verdict"
    LICENCE = "licence"
    RATING = "rating"
    CREDIT = "credit"
    NOTICE = "notice"
    RESTRICTION = "restriction"
    SHARE_ALIKE = "share-alike"
    # What follows for whoever pays for them
    WARM = "seconds warm"
    COLD = "seconds cold"
    MEMORY = "memory"
    EVALUATIONS = "evaluations"


Value = str | int | float | bool | tuple[float, ...] | tuple[str, ...] | None
"""A value as data: of a window its ends, of a size width and height, of an order the names. None: there is none."""


@dataclass(frozen=True)
class Place:
    """A line of a file, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Side:
    """One of the two versions of what changed: its value, how a plan spells it, why it is so where that was chosen,
    and where it is written, where that is known."""

    value: Value
    text: str
    reason: str = ""
    place: Place | None = None


@dataclass(frozen=True)
class Change:
    """One thing that differs. `of` is what it is said of: an expert, a parameter, a setting; empty where the aspect
    says it all. `at` is the step of a picture's making that it belongs to ("sample", "refine 2"), empty for what
    concerns a model or the whole plan. `old` is None for what was added, `new` for what was removed."""

    aspect: Aspect
    old: Side | None
    new: Side | None
    of: str = ""
    at: str = ""

    @property
    def state(self) -> State:
        """Whether it was added, removed or changed."""
        if self.old is None:
            return State.ADDED
        return State.REMOVED if self.new is None else State.CHANGED


def between(aspect: Aspect, sides: Iterable[Side | None], of: str = "", at: str = "") -> Change:
    """A change from the first of two sides to the second."""
    old, new = sides
    return Change(aspect, old, new, of, at)


@dataclass(frozen=True)
class EmitChange:
    """What became of emitted files that changed alike. `emits` are their paths; `was` the path of a renamed one."""

    emits: tuple[str, ...]
    state: State
    changes: tuple[Change, ...] = ()
    was: str = ""
    type: str = "image"


@dataclass(frozen=True)
class PlanChange:
    """What became of a plan. `old_name` and `new_name` are (file, plan), None on the side where it is not.

    `changes` are those of the whole plan, `emits` those of what it emits; `rights` and `costs` follow from them.
    `programs` are the digests of both programs; equal ones give equal bytes. `pairs` are the emits of both sides
    that are the same file to a reader, (old path, new path, type).
    """

    state: State
    old_name: tuple[str, str] | None
    new_name: tuple[str, str] | None
    changes: tuple[Change, ...] = ()
    emits: tuple[EmitChange, ...] = ()
    rights: tuple[Change, ...] = ()
    costs: tuple[Change, ...] = ()
    programs: tuple[str, str] = ("", "")
    pairs: tuple[tuple[str, str, str], ...] = ()

    @property
    def name(self) -> str:
        """What it is called, now or before it was removed."""
        named = self.new_name or self.old_name
        assert named is not None, "a plan stands on one side at least"
        return named[1]


@dataclass(frozen=True)
class Comparison:
    """Two versions of one or more plans. `plans` are all of them, those that are the same too; `notes` say what could
    not be told from what was given."""

    plans: tuple[PlanChange, ...]
    notes: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything does."""
        return any(plan.state is not State.SAME for plan in self.plans)
