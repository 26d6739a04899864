"""The language as data: the grammar, and the malformed examples that name its commonest mistakes."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any


@cache
def grammar_text() -> str:
    """The text of `mosaic.lark`."""
    return _read("mosaic.lark")


@cache
def mistakes() -> tuple[dict[str, Any], ...]:
    """The entries of `mistakes.toml`, in order."""
    return tuple(tomllib.loads(_read("mistakes.toml"))["mistake"])


def _read(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
