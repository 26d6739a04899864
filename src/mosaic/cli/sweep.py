"""`--set name=value`: the cross product of the values that parameters are given."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import typer

from mosaic.compiler.diagnostic import MosaicError, Sink
from mosaic.compiler.errors.face import SweepTooLarge
from mosaic.compiler.errors.names import BadParameter
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.parse import parse
from mosaic.compiler.types import SCALARS, Kind, accepts

LIMIT: Final = 1000
"""The most runs of one sweep: a typing error must not fill a disk."""

_SETTING = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<values>.+)", re.DOTALL)
_ITEM = re.compile(r'\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^",]+))\s*(?:,|$)')
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")


@dataclass(frozen=True)
class Axis:
    """A parameter and the values it takes, each with the text that shows it."""

    name: str
    values: tuple[tree.Value, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One member of the cross product. `where` is its place on every axis that has more than one value."""

    parameters: Mapping[str, tree.Value]
    where: tuple[int, ...]
    label: str

    @property
    def folder(self) -> str:
        """A name for its folder that every file system takes."""
        return re.sub(r"[^A-Za-z0-9._,=-]+", "-", self.label).strip("-.")


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
        for places in itertools.product(*(range(len(axis.values)) for axis in self.axes)):
            chosen = tuple(zip(self.axes, places, strict=True))
            swept = [(axis, place) for axis, place in chosen if len(axis.values) > 1]
            yield Cell(
                parameters={axis.name: axis.values[place] for axis, place in chosen},
                where=tuple(place for _, place in swept),
                label=",".join(f"{axis.name}={axis.labels[place]}" for axis, place in swept),
            )


def sweep(settings: Iterable[str], file: tree.File | None) -> Sweep:
    """The sweep that `--set` options ask for, their values read by the types of the file's parameters.

    A parameter that the file does not declare is kept as a text: the compiler reports it. Raises MosaicError
    where a value is of another type, and typer.BadParameter where an option is not `name=value`.
    """
    declared = _declared(file)
    axes = tuple(_axis(setting, declared) for setting in settings)
    runs = 1
    for axis in axes:
        runs *= len(axis.values)
    if runs > LIMIT:
        raise MosaicError(SweepTooLarge(None, runs, LIMIT))
    return Sweep(axes)


def _declared(file: tree.File | None) -> Mapping[str, tree.Parameter]:
    items = () if file is None else file.items
    return {item.name.text: item for item in items if isinstance(item, tree.Parameter)}


def _axis(setting: str, declared: Mapping[str, tree.Parameter]) -> Axis:
    match = _SETTING.fullmatch(setting)
    if not match:
        raise typer.BadParameter(f"{setting!r} is not name=value", param_hint="--set")
    parameter = declared.get(match["name"])
    kind = Kind.TEXT
    if parameter and parameter.type.text in SCALARS:
        kind = Kind(parameter.type.text)
    labels = tuple(label for item in _items(setting, match["values"]) for label in _spread(item, kind))
    return Axis(match["name"], tuple(_value(match["name"], label, kind, parameter) for label in labels), labels)


def _items(setting: str, values: str) -> Sequence[str]:
    """Split at commas outside quotes."""
    items, start = [], 0
    while start < len(values):
        match = _ITEM.match(values, start)
        if not match:
            raise typer.BadParameter(f"{setting!r}: values are separated by commas", param_hint="--set")
        quoted = match["quoted"]
        items.append(match["bare"].strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        start = match.end()
    return items


def _spread(item: str, kind: Kind) -> tuple[str, ...]:
    """`1..3` is 1, 2, 3 for a parameter of whole numbers."""
    match = _RANGE.fullmatch(item) if kind is Kind.INT else None
    if not match:
        return (item,)
    low, high = int(match[1]), int(match[2])
    if high - low >= LIMIT:
        raise MosaicError(SweepTooLarge(None, high - low + 1, LIMIT))
    if high < low:
        raise typer.BadParameter(f"the range {item} is empty", param_hint="--set")
    return tuple(map(str, range(low, high + 1)))


def _value(name: str, text: str, kind: Kind, parameter: tree.Parameter | None) -> tree.Value:
    """Read a value as the parser reads a parameter's default, so that both are written alike."""
    if kind is Kind.TEXT:
        return text
    sink = Sink()
    file = parse(SourceFile("--set", f"mosaic 1\nparam value: {kind} = {text}\n"), sink)
    items = () if file is None or sink.has_errors else file.items
    if len(items) == 1 and isinstance(items[0], tree.Parameter) and isinstance(items[0].default, tree.Literal):
        literal = items[0].default
        if accepts(kind, literal.kind):
            return literal.value
    span = parameter.span if parameter else None
    raise MosaicError(BadParameter(span, name, f"`{text}` is no value of type {kind}"))
