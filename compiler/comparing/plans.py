"""What differs between two versions of a plan, and which plan of one side is which of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from mosaic.compiler.budgeting import duration, memory
from mosaic.compiler.comparing.changes import (
    Aspect,
    Change,
    Comparison,
    EmitChange,
    PlanChange,
    Side,
    State,
    Value,
    between,
)
from mosaic.compiler.comparing.costs import costs
from mosaic.compiler.comparing.experts import experts
from mosaic.compiler.comparing.identity import View, names
from mosaic.compiler.comparing.making import Making
from mosaic.compiler.comparing.meaning import Parameter, Version, closed
from mosaic.compiler.comparing.rights import rights
from mosaic.compiler.notation import percent
from mosaic.compiler.program import Emit

_LIMITS: Mapping[str, Callable[[float], str]] = {
    "latency": duration,
    "cold_latency": duration,
    "memory": memory,
    "quality": percent,
}


def compare(old: Sequence[Version], new: Sequence[Version], notes: Sequence[str] = ()) -> Comparison:
    """Two sets of plans. Those of one file and name are the same plan; so are two whose programs are equal, and two
    that are all that is left of a file."""
    pairs = _pairs(old, new)
    plans = [
        compare_plan(old[i], new[j]) if i is not None and j is not None else _alone(old, new, i, j)
        for i, j in pairs
    ]
    return Comparison(tuple(plans), tuple(dict.fromkeys(notes)))


def compare_plan(old: Version, new: Version) -> PlanChange:
    """Two versions of one plan."""
    if old.is_closed != new.is_closed:
        old, new = closed(old), closed(new)
    same = old.program.digest == new.program.digest
    pairs: list[tuple[str, str, str]] = []
    emits: list[EmitChange] = []
    if same:
        pairs += [(path, path, kind) for path, kind in sorted((e.path, e.type) for e in _written(old))]
    else:
        pairs, emits = _emits(old, new)
    changes = (*experts(old, new), *_parameters(old, new), *_said(old, new))
    owed, taken = tuple(rights(old, new)), tuple(costs(old, new))
    state = State.SAME
    if changes or owed or taken or emits:
        state = State.CHANGED
    elif old.name != new.name or old.file != new.file:
        state = State.RENAMED
    return PlanChange(
        state,
        old.known_as,
        new.known_as,
        changes,
        tuple(emits),
        owed,
        taken,
        (old.program.digest, new.program.digest),
        tuple(pairs),
    )


def _pairs(old: Sequence[Version], new: Sequence[Version]) -> list[tuple[int | None, int | None]]:
    left, right = list(range(len(old))), list(range(len(new)))
    pairs: dict[int, int] = {}

    def pair(i: int, j: int) -> None:
        pairs[i] = j
        left.remove(i)
        right.remove(j)

    for i in tuple(left):
        same = [j for j in right if (new[j].file, new[j].name) == (old[i].file, old[i].name)]
        if same:
            pair(i, same[0])
    for i in tuple(left):
        equal = [j for j in right if new[j].program.digest == old[i].program.digest]
        if equal:
            pair(i, equal[0])
    for i in tuple(left):
        before = [other for other in left if old[other].file == old[i].file]
        after = [j for j in right if new[j].file == old[i].file]
        if len(before) == len(after) == 1:
            pair(i, after[0])
    found: list[tuple[int | None, int | None]] = [(i, pairs.get(i)) for i in range(len(old))]
    return found + [(None, j) for j in right]


def _alone(old: Sequence[Version], new: Sequence[Version], i: int | None, j: int | None) -> PlanChange:
    """A plan that only one side has, with what it emits."""
    given = old[i] if i is not None else new[j] if j is not None else None
    assert given is not None, "a pair has one side at least"
    state = State.REMOVED if i is not None else State.ADDED
    emits = tuple(
        EmitChange((emit.path,), state, type=emit.type)
        for emit in sorted(_written(given), key=lambda each: each.path)
    )
    digest = given.program.digest
    if i is not None:
        return PlanChange(state, given.known_as, None, emits=emits, programs=(digest, ""))
    return PlanChange(state, None, given.known_as, emits=emits, programs=("", digest))


def _written(version: Version) -> list[Emit]:
    operations = (each.operation for each in version.meaning.instructions)
    return [operation for operation in operations if isinstance(operation, Emit)]


def _emits(old: Version, new: Version) -> tuple[list[tuple[str, str, str]], list[EmitChange]]:
    """Which emit is which, and what changed, files that changed alike together."""
    named = names(old.meaning, new.meaning)
    views = View(old, named[0]), View(new, named[1])
    making = Making(*views)
    before, after = (dict((emit.path, (at, emit)) for at, emit in view.emits()) for view in views)
    paired = _same_files(views, before, after)
    found: list[EmitChange] = []
    alike: dict[Change, list[str]] = {}
    for path, (_, emit) in before.items():
        if path not in paired:
            found.append(EmitChange((path,), State.REMOVED, type=emit.type))
    for was, now in paired.items():
        (_, one), (_, other) = before[was], after[now]
        changes = list(making.changes(one.value, other.value))
        if one.type != other.type:
            changes.insert(0, Change(Aspect.EMIT, Side(one.type, one.type), Side(other.type, other.type)))
        if was != now:
            found.append(EmitChange((now,), State.RENAMED, was=was, type=other.type))
        for change in changes:
            alike.setdefault(change, []).append(now)
    for path, (_, emit) in after.items():
        if path not in paired.values():
            found.append(EmitChange((path,), State.ADDED, type=emit.type))
    groups: dict[tuple[str, ...], list[Change]] = {}
    for change, paths in alike.items():
        groups.setdefault(tuple(sorted(paths)), []).append(change)
    for emits, told in sorted(groups.items(), key=lambda group: (-len(group[0]), group[0])):
        kind = after[emits[0]][1].type
        found.append(EmitChange(emits, State.CHANGED, tuple(told), type=kind))
    pairs: list[tuple[str, str, str]] = [(was, now, after[now][1].type) for was, now in paired.items()]
    return pairs, found


_Emits = Mapping[str, tuple[int, Emit]]


def _same_files(views: tuple[View, View], before: _Emits, after: _Emits) -> dict[str, str]:
    """By name; then what is made in the same way under another name; then the one that is left on both sides."""
    paired = {path: path for path in before if path in after}
    left = [path for path in before if path not in paired]
    right = [path for path in after if path not in paired]
    for was in tuple(left):
        key = views[0].key(before[was][1].value)
        now = next((path for path in right if views[1].key(after[path][1].value) == key), None)
        if now is not None:
            paired[was] = now
            left.remove(was)
            right.remove(now)
    if len(left) == len(right) == 1:
        paired[left[0]] = right[0]
    return paired


def _parameters(old: Version, new: Version) -> Iterator[Change]:
    for name in _every(old.parameters, new.parameters):
        one, other = old.parameters.get(name), new.parameters.get(name)
        if one is None or other is None or (one.type, one.value) != (other.type, other.value):
            yield Change(Aspect.PARAMETER, _parameter(one), _parameter(other), of=name)


def _parameter(parameter: Parameter | None) -> Side | None:
    if parameter is None:
        return None
    value = parameter.value
    if isinstance(value, (tuple, list)):
        data: Value = tuple(value)
        text = "x".join(map(str, value))
    else:
        data = value if isinstance(value, (str, int, float, bool)) else str(value)
        text = f'"{value}"' if isinstance(value, str) else str(value).lower()
    return Side(data, f"{parameter.type} = {text}" if parameter.type else text, place=parameter.place)


def _said(old: Version, new: Version) -> Iterator[Change]:
    """What the plan says of itself: its budget, where both are known, and its policy."""
    if old.budget is not None and new.budget is not None:
        for key in _every(old.budget, new.budget):
            was, now = old.budget.get(key), new.budget.get(key)
            if was != now:
                sides = (None if v is None else Side(v, _LIMITS[key](v)) for v in (was, now))
                yield between(Aspect.BUDGET, sides, of=key)
    before, after = old.meaning.rights.policy or {}, new.meaning.rights.policy or {}
    for key in _every(before, after):
        if before.get(key) != after.get(key):
            yield Change(Aspect.POLICY, _policy(before.get(key)), _policy(after.get(key)), of=key)


def _policy(value: object) -> Side | None:
    if value is None:
        return None
    data = value if isinstance(value, (str, int, float, bool)) else str(value)
    return Side(data, str(value).lower() if isinstance(value, bool) else str(value))


def _every(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    return list(dict.fromkeys((*old, *new)))
