"""Made-up diagnostics with everything that a form has to cope with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix, Label, Severity
from mosaic.compiler.source import SourceFile, Span

BASKET = SourceFile("market/basket.fruit", "put 3 apples, 2 pears\nand a 🍑 plum\n")


@dataclass(frozen=True)
class WrongFruit(Diagnostic):
    """A fruit is in the basket that should not be.

    put 3 apples        # M142

    Eat it.
    """

    code: ClassVar[str] = "M142"
    title: ClassVar[str] = "{fruit} too many"
    label: ClassVar[str] = "grown elsewhere"

    fruit: str
    more: tuple[Label, ...] = ()
    advice: tuple[str, ...] = ()
    mends: tuple[Fix, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return self.more

    def help(self) -> tuple[str, ...]:
        return self.advice

    def fixes(self) -> tuple[Fix, ...]:
        return self.mends


@dataclass(frozen=True)
class RipeSoon(WrongFruit):
    """A fruit will be ripe soon."""

    code: ClassVar[str] = "M143"
    severity: ClassVar[Severity] = Severity.WARNING


@dataclass(frozen=True)
class Grown(WrongFruit):
    """Where a fruit was grown."""

    code: ClassVar[str] = "M144"
    severity: ClassVar[Severity] = Severity.NOTE


def at(text: str, source: SourceFile = BASKET) -> Span:
    """Where a text stands in a source."""
    start = source.text.index(text)
    return source.span(start, start + len(text))


FULL = WrongFruit(
    at("apples"),
    "apples",
    more=(Label(at("pears"), "pears are fine"), Label(at("🍑 plum"), "")),
    advice=("eat some", "or bake\na cake"),
    mends=(Fix("eat", (Edit(at("pears"), ""), Edit(at("apples"), "plums")), safe=False),),
)
NOWHERE = WrongFruit(None, "plums")
RIPE = RipeSoon(at("🍑 plum"), "plums")
NOTE = Grown(at("2"), "pears")
