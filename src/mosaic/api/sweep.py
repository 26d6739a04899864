"""`--set name=value`: the cross product of the values that parameters are given."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.api.faults import UsageError
from mosaic.compiler.check.values import spelled
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.face import SweepTooLarge
from mosaic.compiler.syntax import tree
from mosaic.compiler.types import Kind

LIMIT: Final = 1000
"""The most runs of one sweep: a typing error must not fill a disk."""

_SETTING = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<values>.*)", re.DOTALL)
_ITEM = re.compile(r'\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^",]*))\s*(?P<comma>,|$)')
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")


@dataclass(frozen=True)
class Axis:
    """A parameter and the values it takes, as texts; the compiler reads them by the parameter's type."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One member of the cross product; `swept` are the parameters that have several values."""

    parameters: Mapping[str, str]
    swept: Mapping[str, str]

    @property
    def label(self) -> str:
        """`seed=3, who=cat`, or nothing where nothing is swept."""
        return ", ".join(f"{name}={value}" for name, value in self.swept.items())

    @property
    def folder(self) -> str:
        """A name for its folder that every file system takes."""
        parts = (re.sub(r"[^A-Za-z0-9._-]+", "-", f"{name}-{value}") for name, value in self.swept.items())
        return "_".join(part.strip("-.") for part in parts)


@dataclass(frozen=True)
class Sweep:
    """The axes of a command's `--set` options."""

    axes: tuple[Axis, ...]

    @property
    def open_axes(self) -> tuple[Axis, ...]:
        """The axes along which something changes."""
        return tuple(axis for axis in self.axes if len(axis.values) > 1)

    def __iter__(self) -> Iterator[Cell]:
        """Every member, the last axis changing fastest."""
        names = [axis.name for axis in self.axes]
        swept = {axis.name for axis in self.open_axes}
        for values in itertools.product(*(axis.values for axis in self.axes)):
            parameters = dict(zip(names, values, strict=True))
            yield Cell(parameters, {name: value for name, value in parameters.items() if name in swept})


def sweep(settings: Iterable[str], parameters: Iterable[tree.Parameter]) -> Sweep:
    """The sweep that `--set` options ask for; the file's parameters say which take ranges.

    Raises MosaicError (M883) for too many runs and UsageError for an option that is not `name=value`.
    """
    kinds = {parameter.name.text: parameter.type.text for parameter in parameters}
    axes = tuple(_axis(setting, kinds) for setting in settings)
    names = [axis.name for axis in axes]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{name} is given twice; write --set {name}=a,b", "--set")
    return _limited(axes)


def sweep_of(parameters: Mapping[str, object], swept: Mapping[str, Iterable[object]]) -> Sweep:
    """The same of Python values: one for each of `parameters`, and the cross product of those that are `swept`.

    Raises MosaicError (M883) for too many runs and UsageError for what is no sweep.
    """
    twice = [name for name in swept if name in parameters]
    if twice:
        raise UsageError(f"{twice[0]} has a value and is swept as well: one of them")
    axes = [Axis(name, (spelled(value),)) for name, value in parameters.items()]
    for name, values in swept.items():
        texts = () if isinstance(values, str) else tuple(dict.fromkeys(map(spelled, values)))
        if not texts:
            raise UsageError(f"{name} is swept over a list of values, and there are none")
        axes.append(Axis(name, texts))
    return _limited(tuple(axes))


def _limited(axes: tuple[Axis, ...]) -> Sweep:
    runs = 1
    for axis in axes:
        runs *= len(axis.values)
    if runs > LIMIT:
        raise MosaicError(SweepTooLarge(None, runs, LIMIT))
    return Sweep(axes)


def _axis(setting: str, kinds: Mapping[str, str]) -> Axis:
    match = _SETTING.fullmatch(setting)
    if not match:
        raise UsageError(f"{setting!r} is not name=value", "--set")
    ranges = kinds.get(match["name"]) == Kind.INT
    items = _items(setting, match["values"])
    values = tuple(value for item in items for value in (_spread(item) if ranges else (item,)))
    # The same value twice is one picture, and one folder.
    return Axis(match["name"], tuple(dict.fromkeys(values)))


def _items(setting: str, values: str) -> Sequence[str]:
    """Split at commas outside quotes; text without a comma needs no quotes."""
    if values.count('"') == 0 and "," not in values:
        return [values.strip()]
    items, start, more = [], 0, True
    while more:
        match = _ITEM.match(values, start)
        if not match:
            raise UsageError(f"{setting!r}: values are separated by commas", "--set")
        quoted = match["quoted"]
        items.append(match["bare"].strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        start, more = match.end(), match["comma"] == ","
    return items


def _spread(item: str) -> tuple[str, ...]:
    """`1..3` is 1, 2, 3."""
    match = _RANGE.fullmatch(item)
    if not match:
        return (item,)
    low, high = int(match[1]), int(match[2])
    if high < low:
        raise UsageError(f"the range {item} is empty", "--set")
    if high - low >= LIMIT:
        raise MosaicError(SweepTooLarge(None, high - low + 1, LIMIT))
    return tuple(map(str, range(low, high + 1)))
