"""The table of licences: the compiler's `Licences` over `table.toml`, read at the first need."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

from mosaic.catalog.licences.expressions import choices
from mosaic.compiler.diagnostic import InternalError
from mosaic.compiler.policy.terms import RIGHTS, Answer, Terms

_DROPPED: Final = ("the", "license", "licence", "agreement", "version")
_HEAD: Final = "[[licence]]\n"


class LicenceTable:
    """Implements `mosaic.compiler.policy.Licences`. A single known id costs a look into a dictionary."""

    def terms(self, expression: str) -> tuple[tuple[Terms, ...], ...] | None:
        """The choices that an expression leaves, each the licences that hold together; None where none is known."""
        if expression in _places():
            return ((entry(expression),),)
        key = key_of(expression)
        if key is not None:
            return ((entry(key),),)
        found = [
            tuple(entry(key) for key in choice)
            for choice in choices(expression)
            if all(key in _places() for key in choice)
        ]
        return tuple(found) or None


@cache
def entry(key: str) -> Terms:
    """One licence of the table, read alone: the whole takes longer than checking a plan. Raises KeyError."""
    return next(terms for terms, _ in _parsed(_sections()[_places()[key]]) if terms.key == key)


@cache
def entries() -> Mapping[str, Terms]:
    """The table by id."""
    return {terms.key: terms for terms, _ in _read()}


def key_of(text: str) -> str | None:
    """The id of a licence of the table by one of its names, however spelt; None where it has none such."""
    return _aliases().get(folded(text))


def folded(text: str) -> str:
    """What of a name counts: small letters and digits, without "the", "license" and "v".

    >>> folded("Apache License, Version 2.0") == folded("apache-2.0")
    True
    """
    words = re.findall(r"[a-z0-9+]+", re.sub(r"\bv(?=\d)", "", text.casefold()))
    return " ".join(word for word in words if word not in _DROPPED)


@cache
def _aliases() -> Mapping[str, str]:
    aliases: dict[str, str] = {}
    for terms, names in _read():
        for name in (terms.key, terms.label, *names):
            aliases.setdefault(folded(name), terms.key)
    return aliases


@cache
def _read() -> tuple[tuple[Terms, tuple[str, ...]], ...]:
    return tuple(_parsed("".join(_sections())))


@cache
def _sections() -> tuple[str, ...]:
    text = files("mosaic.catalog.licences").joinpath("table.toml").read_text(encoding="utf-8")
    return tuple(_HEAD + section for section in text.split(_HEAD)[1:])


@cache
def _places() -> Mapping[str, int]:
    """In which section each id stands, without reading the sections."""
    places: dict[str, int] = {}
    for number, section in enumerate(_sections()):
        lines = dict(
            line.split(" = ", 1) for line in section.splitlines() if " = " in line and line[0].isalpha()
        )
        for version in lines.get("versions", '""').split(","):
            places[lines["key"].strip('"').replace("{version}", version.strip(' []"'))] = number
    return places


def _parsed(text: str) -> Sequence[tuple[Terms, tuple[str, ...]]]:
    import tomllib  # most plans ask for no licence

    try:
        return [made for entry in tomllib.loads(text)["licence"] for made in _made(entry)]
    except (KeyError, TypeError, ValueError) as error:
        raise InternalError(f"the table of licences is malformed: {error!r}") from error


def _made(entry: Mapping[str, Any]) -> Iterator[tuple[Terms, tuple[str, ...]]]:
    for version in entry.get("versions", [entry.get("version", "")]):
        names = tuple(name.replace("{version}", version) for name in entry.get("aliases", ()))
        yield _terms(entry, version), names


def _terms(entry: Mapping[str, Any], version: str) -> Terms:
    return Terms(
        key=entry["key"].replace("{version}", version),
        name=entry["name"],
        version=version,
        **{right: Answer(entry.get(right, "yes")) for right in RIGHTS},
        lock=entry.get("lock", "").replace("{version}", version),
        credit=entry.get("credit", ""),
        notices=tuple((notice["when"], notice["text"]) for notice in entry.get("notices", ())),
        restrictions=entry.get("restrictions", ""),
        revenue=entry.get("revenue"),
        territories=tuple(entry.get("territories", ())),
        clauses=tuple(entry.get("clauses", ())),
        why=dict(entry.get("why", {})),
    )
