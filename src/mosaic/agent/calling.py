"""Composing from Python: what `mosaic compose` does, as a function."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pydantic

from mosaic.agent.asking import request_of
from mosaic.agent.session import Asked, told
from mosaic.agent.values import Answer, LeftOut, Limits, Trace
from mosaic.api.faults import UsageError
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.source import SourceFile
from mosaic.compiler.types import Kind
from mosaic.compiler.verbs import POLICY_KEYS

if TYPE_CHECKING:
    from mosaic.agent.backend import Backend
    from mosaic.compiler import Compiled
    from mosaic.compiler.diagnostic import Diagnostic

Entry = str | int | float | bool
"""A value in a policy or a budget: a text in the language's own spelling (`"2s"`, `"commercial"`), or a number."""


@dataclass(frozen=True)
class Composed:
    """What came of a request: a plan, whether it is what was asked for, and how it came to be.

    >>> composed = mosaic.compose("a blue house in the snow")
    >>> composed.plan == mosaic.fmt(composed.plan)
    True
    >>> composed.trace.request.text
    'a blue house in the snow'
    """

    trace: Trace
    asked: Asked = field(repr=False)

    @property
    def plan(self) -> str:
        """The plan's text: where the request cannot be met, the nearest that can; empty where there is none."""
        return self._answer.plan

    @property
    def met(self) -> bool:
        """Whether the plan is what was asked for."""
        return self._answer.met

    @property
    def unmet(self) -> tuple[LeftOut, ...]:
        """What could not be met, and why."""
        return self._answer.unmet

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """All that was asked for and is not in the picture, what matters less too."""
        return self._answer.left_out

    @property
    def explanation(self) -> str:
        """The plan in two sentences."""
        return self._answer.explanation

    @property
    def experts(self) -> tuple[str, ...]:
        """The ids of the experts in the plan."""
        return self._answer.experts

    def compile(self) -> Compiled:
        """The plan compiled, in the catalog and for the device that it was composed for. Raises MosaicError: M861 where
        there is no plan.

        >>> mosaic.compose("a red cat", name="cat").compile().programs[0].source.plan
        'cat'
        """
        from mosaic.api.plans import compile

        if not self.plan:
            raise MosaicError(*told(self.trace))
        source = SourceFile("<composed>", self.plan)
        return compile(source, catalog=self.asked.catalog, device=self.asked.device)

    def report(self, folder: str | os.PathLike[str], pictures: Iterable[str | os.PathLike[str]] = ()) -> Path:
        """Write a page about how it came to be, with pictures that were made of the plan, and the trace as JSON into a
        folder; the page's path. Needs the `run` or `llm` extra. Raises MosaicError (M801, M807, M855, M880)."""
        from mosaic.agent.page import write_page

        return write_page(self.trace, Path(folder), [Path(picture) for picture in pictures])

    @property
    def _answer(self) -> Answer:
        assert self.trace.answer is not None, "a composition that ends has an answer"
        return self.trace.answer


def compose(
    request: str,
    *,
    use: str | None = None,
    rating: str | None = None,
    policy: Mapping[str, Entry] | None = None,
    latency: str | None = None,
    memory: str | None = None,
    budget: Mapping[str, Entry] | None = None,
    family: str | None = None,
    base: str | None = None,
    wanted: str | Iterable[str] = (),
    without: str | Iterable[str] = (),
    most: int = 5,
    name: str = "picture",
    seed: int = 0,
    size: str | tuple[int, int] | None = None,
    steps: int | None = None,
    backend: str | Backend = "offline",
    model: str | None = None,
    base_url: str | None = None,
    limit_tokens: int | None = None,
    yes: bool = False,
    catalog: str | os.PathLike[str] | None = None,
    device: str | None = None,
) -> Composed:
    """Write a plan for a request in plain words.

    Experts are looked for in the catalog, weighed, and put into a plan that compiles within the policy (`use`,
    `rating`, other entries by `policy`) and the budget (`latency`, `memory`, others by `budget`), whose values are
    spelled as in the language: `"2s"`, `"8GiB"`. `family` and `base` say what to start from, `wanted` and `without`
    name experts that have to be in the plan or must not, at most `most` besides the base. The plan is called `name`.

    Without a model nothing leaves this machine. `backend` may be `"openai"`, a model behind an endpoint, `"local"`, one
    in this process, or an object of your own (`mosaic.agent.backend`). What it may cost at most is refused (M865)
    unless `limit_tokens`, the project's settings or `yes` allow it.

    A request that cannot be met is no error: `unmet` says what is missing and why, and the plan is the nearest that can
    be made. Raises MosaicError where composing fails (M862 to M865), UsageError for arguments that mean nothing.

    >>> composed = mosaic.compose("a blue cat in the snow, watercolor", use="commercial")
    >>> composed.met, "zoo/watercolor" in composed.experts
    (True, True)
    >>> nearest = mosaic.compose("a blue cat riding a dinosaur")
    >>> nearest.met, [missing.what for missing in nearest.unmet]
    (False, ['dinosaur'])
    """
    with _meaningful():
        wish = request_of(
            request,
            policy=_entries("policy", policy, use=use, rating=rating),
            budget=_entries("budget", budget, latency=latency, memory=memory),
            family=family,
            base=base,
            wanted=_ids(wanted),
            without=_ids(without),
            most=most,
            name=name,
            seed=seed,
            size=size,
            steps=steps,
        )
    asked = Asked(
        wish,
        catalog=None if catalog is None else Path(catalog),
        device=device,
        backend=backend,
        model=model,
        base_url=base_url,
        limit_tokens=limit_tokens,
        yes=yes,
    )
    _check_limits(asked)
    return Composed(asked.compose(), asked)


@contextmanager
def _meaningful() -> Iterator[None]:
    """What a type of values refuses, as UsageError."""
    try:
        yield
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{where}: {first['msg']}") from None


def _check_limits(asked: Asked) -> None:
    """Raises UsageError for a value of a limit that means nothing: there is no text of the caller's to show it in."""
    from mosaic.agent.limits import read_limits
    from mosaic.agent.world import World

    limits = asked.request.limits
    if not limits.policy and not limits.budget:
        return
    try:
        with asked.project() as project:
            read_limits(limits, World(project))
    except MosaicError as error:
        if any(found.span is None for found in error.diagnostics):
            raise  # of the catalog or the installation
        raise _mistaken(limits, error.diagnostics) from None


def _mistaken(limits: Limits, found: Sequence[Diagnostic]) -> UsageError:
    """What is wrong with the first entry that means nothing, by the name that the caller gave it."""
    first = found[0]
    assert first.span is not None
    for block, entries in (("budget", limits.budget), ("policy", limits.policy)):
        for key, value in entries.items():
            written = f" {key}: {value}"
            start = first.span.source.text.find(written)
            if 0 <= start <= first.span.start <= start + len(written):
                return UsageError(f"{key}={value!r} means nothing: {first.message()}", f"--{block}")
    return UsageError(first.message())


def _entries(block: str, given: Mapping[str, Entry] | None, **named: str | None) -> dict[str, str]:
    """The entries of a block in the language's spelling."""
    found = {key: _spelled(key, value) for key, value in (given or {}).items()}
    for key, value in named.items():
        if value is None:
            continue
        if key in found:
            raise UsageError(f"{key}= says what {block}={{{key!r}: …}} says: one of them")
        found[key] = _spelled(key, value)
    return found


def _spelled(key: str, value: Entry) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if POLICY_KEYS.get(key) is Kind.TEXT and not str(value).startswith('"'):
        return f'"{value}"'
    return str(value)


def _ids(given: str | Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
