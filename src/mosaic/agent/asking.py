"""A request from what people and programs give: texts in the language's own spelling, checked first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from mosaic.agent.values import LONGEST_REQUEST, Limits, Request
from mosaic.api.faults import UsageError
from mosaic.compiler.near import nearest
from mosaic.compiler.syntax.build import RESERVED
from mosaic.compiler.verbs import BUDGET_KEYS, POLICY_KEYS

_VALUE: Final = re.compile(r'[A-Za-z0-9_.%-]+|"[A-Za-z0-9 ,_-]*"')
_SIZE: Final = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_PLAN: Final = "picture"


def request_of(
    text: str,
    *,
    policy: Mapping[str, str] | None = None,
    budget: Mapping[str, str] | None = None,
    family: str | None = None,
    base: str | None = None,
    wanted: Iterable[str] = (),
    without: Iterable[str] = (),
    most: int = 5,
    name: str = _PLAN,
    seed: int = 0,
    size: str | tuple[int, int] | None = None,
    steps: int | None = None,
) -> Request:
    """A request. Raises UsageError for what means nothing; whether a policy's words are words of the language is said
    when it is read."""
    plain = text.strip()
    if not plain:
        raise UsageError("the request is empty: say what the picture shows")
    if len(plain) > LONGEST_REQUEST:
        raise UsageError(f"the request has {len(plain):,} characters; {LONGEST_REQUEST:,} are read")
    _entries(policy or {}, tuple(POLICY_KEYS), "policy")
    _entries(budget or {}, tuple(BUDGET_KEYS), "budget")
    if not 0 <= seed < 2**32:
        raise UsageError(f"a seed lies between 0 and {2**32 - 1:,}, not {seed}", "--seed")
    limits = Limits(
        policy=dict(policy or {}),
        budget=dict(budget or {}),
        family=family,
        base=base,
        wanted=tuple(wanted),
        without=tuple(without),
        most=most,
    )
    return Request(text=plain, limits=limits, name=plan_name(name), seed=seed, size=_size(size), steps=steps)


def plan_name(name: str) -> str:
    """A name as the language takes it, after a file's."""
    plain = re.sub(r"\W+", "_", Path(name).stem, flags=re.ASCII).strip("_").lower()
    if not plain:
        return _PLAN
    plain = plain if plain[0].isalpha() else f"plan_{plain}"
    return f"{plain}_plan" if plain in RESERVED else plain


def entry(text: str, option: str) -> tuple[str, str]:
    """`key=value` of an option. Raises UsageError."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip() or not value.strip():
        raise UsageError(f"{text!r} is not KEY=VALUE", option)
    return key.strip(), value.strip()


def _entries(given: Mapping[str, str], known: tuple[str, ...], block: str) -> None:
    for key, value in given.items():
        if key not in known:
            near = nearest(key, known)
            hint = f"; did you mean {near!r}?" if near else f"; there are: {', '.join(known)}"
            raise UsageError(f"a {block} has no {key!r}{hint}", f"--{block}")
        # What is written into a plan's block must be one value and nothing else.
        if not _VALUE.fullmatch(value):
            raise UsageError(f"{value!r} is no value of `{key}` in a {block}", f"--{block}")


def _size(size: str | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None or isinstance(size, tuple):
        return size
    found = _SIZE.fullmatch(size)
    if found is None:
        raise UsageError(f"{size!r} is no size such as 64x64", "--size")
    return int(found[1]), int(found[2])
