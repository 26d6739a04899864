"""A message as typed data.

A diagnostic is a frozen dataclass: its class says what went wrong (code, severity, wording), its fields say
with what. Raise sites carry no text, renderers carry no knowledge of the mistake, and the class docstring is
the manual page that `mosaic explain CODE` prints.

    @dataclass(frozen=True)
    class UnknownName(Diagnostic):
        '''A name is used that nothing binds.  ...'''

        code: ClassVar[str] = "M201"
        title: ClassVar[str] = "unknown name `{name}`"
        label: ClassVar[str] = "not bound here"

        name: str
        near: str | None = None

        def fixes(self) -> tuple[Fix, ...]: ...
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from mosaic.compiler.source import Span


class Severity(StrEnum):
    """How much a diagnostic weighs: an error forbids the plan, a warning does not, a note only says what is so."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Label:
    """A secondary place that explains the first."""

    span: Span
    text: str


@dataclass(frozen=True)
class Edit:
    """Replace the text of a span (an empty span inserts)."""

    span: Span
    replacement: str


@dataclass(frozen=True)
class Fix:
    """A change that a machine can apply. `safe` means that it cannot change what a correct plan meant."""

    title: str
    edits: tuple[Edit, ...]
    safe: bool = True


@dataclass(frozen=True)
class Diagnostic:
    """The base of every message to a user. Subclasses set the class variables and add fields.

    The texts are `str.format` templates over the instance's fields and properties. `span` is None only where no
    source text exists (running a compiled program, a fault in a file that is not text).

    >>> (found,) = mosaic.check(PLAN.replace("zoo/base", "zoo/bas"))
    >>> found.code, str(found.severity), found.span.text
    ('M210', 'error', '"zoo/bas"')
    >>> found.fixes()[0].title
    'use `zoo/base`'
    """

    code: ClassVar[str]
    title: ClassVar[str]
    label: ClassVar[str] = ""
    severity: ClassVar[Severity] = Severity.ERROR

    span: Span | None

    def message(self) -> str:
        """The one-line statement of the mistake."""
        return self._filled(self.title)

    def primary(self) -> str:
        """The text under the primary span, or an empty one."""
        return self._filled(self.label)

    def labels(self) -> tuple[Label, ...]:
        """Further places, each with its own text."""
        return ()

    def help(self) -> tuple[str, ...]:
        """Advice in words, most useful first."""
        return ()

    def fixes(self) -> tuple[Fix, ...]:
        """Changes that can be applied by machine, best first."""
        return ()

    def _filled(self, template: str) -> str:
        return template.format_map(_Attributes(self))


class _Attributes:
    """A diagnostic's fields and properties, by name."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self._diagnostic = diagnostic

    def __getitem__(self, name: str) -> object:
        return getattr(self._diagnostic, name)


def called(calls: tuple[Span, ...]) -> tuple[Label, ...]:
    """Labels for the way from a call in the plan down into a fragment, where the mistake shows."""
    return tuple(Label(span, "inside the fragment, here") for span in calls)


class Sink:
    """Collects diagnostics, so that one run reports every mistake; each is kept once."""

    def __init__(self) -> None:
        self._seen: dict[Diagnostic, None] = {}

    def add(self, diagnostic: Diagnostic) -> None:
        """Record a mistake and go on."""
        self._seen.setdefault(diagnostic)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Record several."""
        for diagnostic in diagnostics:
            self.add(diagnostic)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(sorted(self._seen, key=_order))

    @property
    def has_errors(self) -> bool:
        """Whether anything collected forbids the plan."""
        return any(d.severity is Severity.ERROR for d in self._seen)


class MosaicError(Exception):
    """Carries diagnostics out of a stage that cannot go on (loading a file, running a program).

    >>> try:
    ...     mosaic.compile("no-such.mosaic")
    ... except mosaic.MosaicError as error:
    ...     [found.code for found in error.diagnostics]
    ['M801']
    """

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("; ".join(f"{d.code}: {d.message()}" for d in diagnostics))
        self.diagnostics = diagnostics


class InternalError(Exception):
    """A fault of mosaic itself, never of its user: reported as M9xx with a request to file it."""


def _order(diagnostic: Diagnostic) -> tuple[tuple[str, int, int], str]:
    span = diagnostic.span
    return (span.key if span else ("", 0, 0)), diagnostic.code
