"""What comes with the language: operators, fragments, the zoo. Nothing here is listed; it is found."""

from __future__ import annotations

import json
import os
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mosaic.compiler import errors
from mosaic.compiler.cost.fidelity import Fidelity
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.operators import Operator

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "mosaic.operators"
"""The entry-point group by which other packages provide operators."""

_FRAGMENT: Final = ".mosaic"


def find_operators() -> Mapping[str, Operator]:
    """Every installed operator by name, in the order of names.

    Raises MosaicError: M216 where two packages provide one name (both are named), M217 where an announced
    operator cannot be loaded.
    """
    owners: dict[str, str] = {}
    found: dict[str, Operator] = {}
    for owner, operator in (*_own(), *_provided()):
        if operator.name in found:
            raise MosaicError(errors.inputs.OperatorClash(None, operator.name, owners[operator.name], owner))
        found[operator.name], owners[operator.name] = operator, owner
    return dict(sorted(found.items()))


def find_fragments() -> Mapping[str, str]:
    """The texts of the standard fragment libraries by module name: `std.looks`, ..."""
    return dict(sorted(_fragments()))


def fidelity(path: Path | None = None) -> Fidelity:
    """What was measured of operators: this package's own `fidelity.json`, or the user's in the same shape, that of
    `mosaic bench composition --json`. Raises MosaicError (M887) for a file that is none."""
    try:
        source = files(__name__).joinpath("fidelity.json") if path is None else path
        return Fidelity.read(json.loads(source.read_text(encoding="utf-8")))
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except KeyError as error:
        reason = f"it has no `{error.args[0]}`"
    except (TypeError, ValueError, AttributeError) as error:
        reason = str(error)
    raise MosaicError(errors.plans.BrokenMeasurements(None, str(path), reason))


def find_profiles() -> Mapping[str, Path]:
    """The device profiles of the package by name (`h100`, `rtx-4090`, …): estimates from data sheets."""
    folder = Path(str(files(__name__).joinpath("profiles")))
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def _fragments() -> Iterator[tuple[str, str]]:
    for entry in files(__name__).joinpath("fragments").iterdir():
        if entry.name.endswith(_FRAGMENT):
            yield f"std.{entry.name.removesuffix(_FRAGMENT)}", entry.read_text(encoding="utf-8")


def _own() -> Iterator[tuple[str, Operator]]:
    package = import_module("mosaic.stdlib.operators")
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        name = f"{package.__name__}.{module.name}"
        held = [value for value in vars(import_module(name)).values() if isinstance(value, Operator)]
        if len(held) != 1:
            raise MosaicError(
                errors.inputs.BrokenOperator(
                    None, module.name, name, "the file holds not exactly one operator"
                )
            )
        yield name, held[0]


def _provided() -> Iterator[tuple[str, Operator]]:
    if not any(map(_announces, sys.path)):
        return
    # Reading every package's metadata takes as long as checking a plan; most often there is nothing to find.
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group=GROUP), key=lambda point: (_owner(point), point.name)):
        yield _owner(point), _load(point)


def _announces(folder: str) -> bool:
    """Whether a package that is installed in a folder may provide operators."""
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return False
    return any(_mentions(os.path.join(folder, name)) for name in names if name.endswith("-info"))


def _mentions(info: str) -> bool:
    try:
        with open(os.path.join(info, "entry_points.txt"), "rb") as file:
            return GROUP.encode() in file.read()
    except OSError:
        return False


def _load(point: EntryPoint) -> Operator:
    try:
        operator = point.load()
    except (ImportError, AttributeError, TypeError, ValueError, SyntaxError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise MosaicError(errors.inputs.BrokenOperator(None, point.name, _owner(point), reason)) from error
    if not isinstance(operator, Operator):
        raise MosaicError(
            errors.inputs.BrokenOperator(None, point.name, _owner(point), f"`{point.value}` is no operator")
        )
    if operator.name != point.name:
        reason = f"`{point.value}` calls itself `{operator.name}`"
        raise MosaicError(errors.inputs.BrokenOperator(None, point.name, _owner(point), reason))
    return operator


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module
