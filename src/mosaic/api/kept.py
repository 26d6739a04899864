"""What a run would take from the cache now, for `mosaic plan`: asked by keys alone, without the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic.runtime.cache.settings import Setting, recall
from mosaic.runtime.forecast import forecast
from mosaic.runtime.origin import Origin
from mosaic.runtime.surroundings import circumstances, surroundings

if TYPE_CHECKING:
    from mosaic.compiler.cost.profile import Profile
    from mosaic.compiler.operators import Operator
    from mosaic.compiler.program import Program
    from mosaic.runtime.cache.disk import Disk

_MARKS = {Origin.CACHE: "cached", Origin.UNUSED: "not needed", Origin.SHARED: "shared"}


@dataclass(frozen=True)
class Kept:
    """What is cached of some programs. `origins` are those of their instructions, in order, for a run with `facts`:
    none where that is not known, and `reason` says why, or why nothing is found."""

    folder: Path
    facts: Mapping[str, str]
    origins: tuple[tuple[Origin, ...], ...] = ()
    reason: str = ""

    def of(self, number: int) -> Known:
        """Of one program."""
        return Known(self, self.origins[number] if self.origins else ())


@dataclass(frozen=True)
class Known:
    """What is cached of one program; no `origins` where that is not known."""

    kept: Kept
    origins: tuple[Origin, ...]

    def marks(self) -> tuple[str, ...]:
        """A word for each instruction that a run would not compute, else nothing; none at all where it computes all."""
        if not any(origin in (Origin.CACHE, Origin.SHARED) for origin in self.origins):
            return ()
        return tuple(_MARKS.get(origin, "") for origin in self.origins)

    @property
    def is_computed(self) -> tuple[bool, ...]:
        """Whether a run would compute (or write) the result of each instruction."""
        return tuple(origin is Origin.COMPUTED for origin in self.origins)

    def lines(self, emits: int) -> Iterator[str]:
        """As people read it; `emits` of the instructions write files."""
        if self.kept.reason:
            yield self.kept.reason
        elif self.origins:
            yield f"{self._counted(emits)} ({_as_settled(self.kept.facts)})"

    def _counted(self, emits: int) -> str:
        counts = {origin: self.origins.count(origin) for origin in Origin}
        computed, unused = counts[Origin.COMPUTED] - emits, counts[Origin.UNUSED]
        if not counts[Origin.CACHE]:
            return "nothing of this plan"
        if not computed:
            return "everything that is written: a run loads no model and computes nothing"
        needless = f", {unused} not needed then" if unused else ""
        return f"{counts[Origin.CACHE]} of {len(self.origins) - emits} results{needless}, {computed} to be computed"

    def document(self) -> dict[str, Any]:
        """The shape that docs/json.md describes."""
        facts = self.kept.facts
        return {
            "folder": str(self.kept.folder),
            "reason": self.kept.reason,
            "device": facts.get("device"),
            "dtype": facts.get("dtype"),
            "threads": int(facts["threads"]) if "threads" in facts else None,
            "sources": [str(origin) for origin in self.origins],
        }


def ask(
    disk: Disk, programs: Sequence[Program], operators: Mapping[str, Operator], profile: Profile | None
) -> Kept:
    """What a cache holds of programs that are run together, on the device of the profile, or else of the last run.

    A run settles by its circumstances how it computes; where none was made in these, nothing can be told.
    """
    runs = [run for run in recall(disk) if profile is None or _is_on(run, profile)]
    if not runs:
        return Kept(disk.folder, {}, reason=_no_run(profile))
    here = circumstances()
    fitting = [run for run in runs if run.circumstances == here]
    if not fitting:
        return Kept(disk.folder, {}, reason=_other_circumstances(runs[-1].circumstances, here))
    last, today = fitting[-1].numerics, surroundings(operators)
    facts = {**last, **today}
    origins = tuple(forecast(programs, facts, disk.has))
    found = any(Origin.CACHE in each for each in origins)
    changed = [] if found else [name for name, value in today.items() if last.get(name) != value]
    return Kept(disk.folder, facts, origins, _other_code(changed, last, today) if changed else "")


def _is_on(run: Setting, profile: Profile) -> bool:
    return (run.numerics.get("device"), run.numerics.get("dtype")) == (profile.device, profile.dtype)


def _no_run(profile: Profile | None) -> str:
    where = f" on {profile.device} in {profile.dtype}" if profile is not None else ""
    return f"nothing: no run{where} has kept results yet"


def _other_circumstances(before: Mapping[str, str], here: Mapping[str, str]) -> str:
    def told(facts: Mapping[str, str], name: str) -> str:
        if name in ("cores", "processor"):
            return f"{facts.get(name)} cores" if name == "cores" else f"on {facts.get(name)}"
        return f"{name}={facts[name]}" if name in facts else f"{name} not set"

    names = [name for name in sorted({*before, *here}) if before.get(name) != here.get(name)]
    then, now = (", ".join(told(facts, name) for name in names) for facts in (before, here))
    return f"not known before a run was made with {now} (the last one had {then})"


def _other_code(changed: Sequence[str], before: Mapping[str, str], today: Mapping[str, str]) -> str:
    versions = [name for name in changed if name.startswith("version.")]
    told = [
        f"{name.removeprefix('version.')} {before.get(name, 'absent')} is now {today[name]}"
        for name in versions
    ]
    if "code" in changed:
        told.append("mosaic's own code is another")
    if "operators" in changed:
        told.append("the operators' code is another")
    why = ", ".join(told) or ", ".join(changed)
    return f"nothing: what was kept was made by other code ({why})"


def _as_settled(facts: Mapping[str, str]) -> str:
    threads = facts.get("threads", "")
    count = f" with {threads} thread{'' if threads == '1' else 's'}" if threads else ""
    return f"on {facts.get('device')} in {facts.get('dtype')}{count}"
