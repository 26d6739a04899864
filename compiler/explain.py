"""The manual page of every diagnostic: its class's docstring."""

from __future__ import annotations

import inspect
import re
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic


@cache
def diagnostics() -> tuple[type[Diagnostic], ...]:
    """Every kind of diagnostic in `mosaic.compiler.errors`, by code."""
    found: dict[type[Diagnostic], None] = {}
    for module in iter_modules(errors.__path__, f"{errors.__name__}."):
        for value in vars(import_module(module.name)).values():
            if inspect.isclass(value) and issubclass(value, Diagnostic) and hasattr(value, "code"):
                found.setdefault(value)
    return tuple(sorted(found, key=lambda kind: (kind.code, kind.__name__)))


def explain_code(code: str) -> str | None:
    """The page of a code (`M302`, in any case), or None where no diagnostic has it."""
    for kind in diagnostics():
        if kind.code == code.strip().upper():
            return f"{kind.code} ({kind.severity}): {headline(kind)}\n\n{page(kind)}\n"
    return None


def page(kind: type[Diagnostic]) -> str:
    """The docstring of a kind, without the indent of its class; examples keep theirs."""
    return re.sub(r"^ {4}", "", kind.__dict__.get("__doc__") or "", flags=re.MULTILINE).strip()


def headline(kind: type[Diagnostic]) -> str:
    """The message with an ellipsis for each field."""
    return re.sub(r"\{[^{}]*\}", "…", kind.title)
