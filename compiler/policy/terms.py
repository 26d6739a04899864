"""What a machine can tell of a licence: answers to the questions that a policy asks, and what is left for a
person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Answer(StrEnum):
    """Whether a licence allows something. Contested: lawyers read it both ways, or it hangs on a step of a person."""

    YES = "yes"
    CONTESTED = "contested"
    NO = "no"


RIGHTS = ("outputs", "commercial", "serve", "redistribute", "derivatives")
"""The fields of `Terms` that answer a question, in the order in which they are asked."""


@dataclass(frozen=True)
class Terms:
    """A licence in one version. `key` is its SPDX id, or a LicenseRef-.

    `outputs` is selling what a model makes, `commercial` using or passing on the model itself for money, `serve`
    offering it to others as a service, `redistribute` passing it on, `derivatives` passing on what is merged of it.
    `lock` is what a merge has to be licensed under (share-alike), named so that locks can be compared: empty for
    none. `credit` says when credit is owed: "" never, "copies" with copies of the model, "use" always. `notices` are
    texts to show, each with "use" or "copies" in front as for credit; `restrictions` are what uses to forbid to
    whoever gets a copy; `revenue` is the most US dollars a year; `territories` are the countries left out, ISO
    3166-1. `clauses` only a person can judge. `why` gives for a right or a duty the section that says so.
    """

    key: str
    name: str
    version: str = ""
    outputs: Answer = Answer.YES
    commercial: Answer = Answer.YES
    serve: Answer = Answer.YES
    redistribute: Answer = Answer.YES
    derivatives: Answer = Answer.YES
    lock: str = ""
    credit: str = ""
    notices: tuple[tuple[str, str], ...] = ()
    restrictions: str = ""
    revenue: int | None = None
    territories: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    why: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def label(self) -> str:
        """The name as messages give it."""
        return f"{self.name} {self.version}".rstrip()

    def answer(self, right: str) -> Answer:
        """The answer to one of RIGHTS."""
        return Answer(getattr(self, right))

    def reason(self, about: str) -> str:
        """The licence's name and what it says about a right or duty."""
        said = self.why.get(about, "")
        return f"{self.label}: {said}" if said else self.label


class Licences(Protocol):
    """The table of licences, as the compiler sees it."""

    def terms(self, expression: str) -> tuple[tuple[Terms, ...], ...] | None:
        """What an SPDX expression means: the choices (OR), each the licences that hold together (AND).

        None where nothing is known of any choice.
        """


@dataclass(frozen=True)
class UnknownLicences:
    """A table without entries."""

    def terms(self, expression: str) -> tuple[tuple[Terms, ...], ...] | None:
        """None: nothing is known."""
        return None
