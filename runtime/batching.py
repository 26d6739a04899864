"""Runs that denoise together: which of an invocation's runs are rows of one batch, where the caller allows batches.

Runs belong together that have one model and the same settings, and whose prompts count alike; they may differ in seeds
and in what their prompts say. That is told by the programs alone, before anything is computed and without a look into
the cache: the same programs run together make the same batches.

What a denoiser predicts for a row is the same in every batch only up to floating point. So the results of such runs,
and all that is made of them, are neither looked for in the cache nor kept there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from mosaic.compiler.program import (
    CombinePrompts,
    Decode,
    Denoise,
    EncodeText,
    Mask,
    Operation,
    PromptPart,
    Refine,
    Resume,
)
from mosaic.runtime.ends import told

if TYPE_CHECKING:
    from mosaic.runtime.jobs import Job

_OWN: Final = ("seed",)
"""What rows of one batch may differ in, beside their prompts."""


@dataclass(frozen=True, eq=False)
class Member:
    """A run of a batch: an instruction of a job."""

    job: Job
    number: int

    @property
    def key(self) -> str:
        """The key of its result."""
        return self.job.keys[self.number]

    @property
    def operation(self) -> Denoise | Resume | Refine:
        """What is run."""
        operation = self.job.operations[self.number]
        assert isinstance(operation, Denoise | Resume | Refine)
        return operation


Batch = tuple[Member, ...]


@dataclass
class Batches:
    """The batches of an invocation, by the keys of the runs in them.

    `shorter` are for a batch the keys of the runs that its own go on from, one each: runs that are told the same and
    end earlier. `touched` are the keys of all results that are what they are only up to floating point.
    """

    of: dict[str, Batch] = field(default_factory=dict)
    shorter: dict[str, str] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)


def batches(jobs: Sequence[Job], most: int | None) -> Batches:
    """The batches of jobs that run in this order, of at most so many rows; none without a number."""
    found = Batches()
    if most is None or most < 2:
        return found
    for group in _groups(jobs):
        for batch in _evenly(group, most):
            if len(batch) > 1:
                found.of.update((member.key, batch) for member in batch)
    _note_shorter(found)
    for job in jobs:
        for number, key in enumerate(job.keys):
            if key in found.of or any(job.keys[taken] in found.touched for taken in job.inputs[number]):
                found.touched.add(key)
    return found


def _groups(jobs: Sequence[Job]) -> list[list[Member]]:
    """The runs that something needs, each once, by what they have to have in common."""
    groups: dict[str, list[Member]] = {}
    seen: set[str] = set()
    for job in jobs:
        forms = _Forms(job)
        for number in _needed(job):
            operation, key = job.operations[number], job.keys[number]
            if isinstance(operation, Denoise | Resume | Refine) and key not in seen:
                seen.add(key)
                groups.setdefault(forms.of(number), []).append(Member(job, number))
    return list(groups.values())


def _needed(job: Job) -> list[int]:
    """The instructions that a job's outputs need, in order."""
    needed = {made for made, _ in job.wanted()}
    for number in range(len(job.operations) - 1, -1, -1):
        if number in needed:
            needed.update(job.inputs[number])
    return sorted(needed)


def _evenly(group: Sequence[Member], most: int) -> list[Batch]:
    """A group in batches of at most so many, none much smaller than the others."""
    count = -(-len(group) // most)
    bounds = [len(group) * n // count for n in range(count + 1)]
    return [tuple(group[low:high]) for low, high in pairwise(bounds)]


def _note_shorter(found: Batches) -> None:
    """Let batches go on from others whose runs are told the same and end earlier."""
    ends: dict[str, dict[float, str]] = {}
    for key, batch in found.of.items():
        member = next(each for each in batch if each.key == key)
        what = _told(member)
        if what:
            ends.setdefault(what, {})[_end(member)] = key
    for batch in dict.fromkeys(found.of.values()):
        end = _end(batch[0])
        known = [ends.get(_told(member), {}) for member in batch]
        common = [each for each in known[0] if each < end and all(each in others for others in known)]
        if common:
            found.shorter.update(
                (member.key, others[max(common)]) for member, others in zip(batch, known, strict=True)
            )


def _told(member: Member) -> str:
    return told(member.operation, member.job.taken(member.number))


def _end(member: Member) -> float:
    operation = member.operation
    return 1.0 if isinstance(operation, Refine) else operation.until


class _Forms:
    """What a job's values have in common with others that could be rows beside them, as digests."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._known: dict[int, str] = {}

    def of(self, number: int) -> str:
        """The form of an instruction's result. What is no run and no prompt has only that of an equal value."""
        if number not in self._known:
            written = json.dumps(self._form(number), sort_keys=True)
            self._known[number] = hashlib.sha256(written.encode()).hexdigest()
        return self._known[number]

    def _form(self, number: int) -> Any:
        operation = self._job.operations[number]
        match operation:
            case EncodeText():
                return "text"
            case CombinePrompts(parts=parts):
                return [[self._place(part), self._value(part.conditioning)] for part in parts]
            case Denoise() | Resume() | Refine() | Decode():
                return self._settings(operation)
            case _:
                return self._job.keys[number]

    def _settings(self, operation: Operation) -> Any:
        written = operation.model_dump(mode="json", exclude=set(_OWN))
        for name in ("latent", "positive", "negative"):
            if name in written:
                written[name] = self._value(written[name])
        written["model"] = self._job.keys[self._job.made[written["model"]]]
        return written

    def _value(self, value: int) -> str:
        return self.of(self._job.made[value])

    def _place(self, part: PromptPart) -> Any:
        written = part.model_dump(mode="json", exclude={"conditioning"})
        if isinstance(part.region, Mask):
            written["region"]["file"] = self._job.program.images[part.region.file].sha256
        return written
