"""The table `[compose]` of a project's settings: who writes plans for it, and what that may cost."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Compose:
    """What the table says; None where it says nothing.

    A project's file is data from a repository: whoever uses these values asks the user's own settings first, and a key
    goes to no address that stands only here (`mosaic.agent.settings`).
    """

    backend: str | None = None  # "offline", "openai" or "local"
    model: str | None = None  # a name, or a folder for "local"
    base_url: str | None = None
    constraint: str | None = None  # how a model is held to the language
    key_env: str | None = None  # the variable that holds the key
    timeout: float | None = None  # seconds of one answer
    max_output_tokens: int | None = None  # of one answer
    limit_tokens: int | None = None  # of one composition, sent and written
    requests_per_minute: float | None = None
    decompose: str | None = None  # "model" or "offline"


NOTHING: Final = Compose()
"""What a project says that has no such table."""


def _one_of(*words: str) -> tuple[str, Callable[[Any], bool]]:
    return ("one of " + ", ".join(f'"{word}"' for word in words), lambda value: value in words)


def _number(value: Any, least: float, most: float = 1e6, *, whole: bool = False) -> bool:
    is_number = isinstance(value, int) or (isinstance(value, float) and not whole)
    return is_number and not isinstance(value, bool) and least <= value <= most


def _matches(value: Any, pattern: str) -> bool:
    return isinstance(value, str) and len(value) <= 300 and re.fullmatch(pattern, value) is not None


VALUES: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "backend": _one_of("offline", "openai", "local"),
    "model": ("a text", lambda value: isinstance(value, str) and bool(value)),
    "base_url": (
        'an address without a name, a password or a query, such as "http://127.0.0.1:8000/v1"',
        lambda value: _matches(value, r"https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._~/-]*)?"),
    ),
    "constraint": _one_of("grammar", "structured_outputs", "json_schema", "none"),
    "key_env": (
        "the name of a variable that ends in _API_KEY, not the key",
        lambda value: _matches(value, "([A-Z][A-Z0-9]*_)+API_KEY"),
    ),
    "timeout": ("a number of seconds", lambda value: _number(value, 0.1)),
    "max_output_tokens": (
        "a whole number from 16 to 100000",
        lambda value: _number(value, 16, 100_000, whole=True),
    ),
    "limit_tokens": ("a whole number from 1 to 1000000", lambda value: _number(value, 1, whole=True)),
    "requests_per_minute": ("a number of at least 0.1", lambda value: _number(value, 0.1)),
    "decompose": _one_of("model", "offline"),
}
"""What the keys of `[compose]` have to be."""

HIDDEN: Final = ("base_url", "key_env", "model")
"""Where a secret may have been written by mistake."""
SECRET: Final = re.compile(r"key|token|secret|passw|auth", re.IGNORECASE)
