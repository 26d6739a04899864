"""Names and shapes of tensors: what the modules of this room share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
Config = Mapping[str, Any]


def has_any(shapes: Iterable[str], *prefixes: str) -> bool:
    """Whether a name begins with one of the prefixes."""
    return any(name.startswith(prefixes) for name in shapes)


def inner_names(shapes: Shapes, prefixes: tuple[str, ...]) -> dict[str, Shape]:
    """The tensors under one of the prefixes without it, or all where none is under one."""
    for prefix in prefixes:
        found = {
            name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)
        }
        if found:
            return found
    return dict(shapes)
