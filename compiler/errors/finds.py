"""M218, M219: a `find` that cannot be answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Label, called
from mosaic.compiler.source import Span


@dataclass(frozen=True)
class FoundNothing(Diagnostic):
    """`find` looked for an expert, and none that the catalog holds answers the words or may be used here.

        let look = fuse(base, find(lora, "stained glass"))     # M218

    Only experts are chosen that fit the base they are fused into, in family, algorithm and tensors, and that the
    plan's policy allows. The message names the candidates and why each was left. Other words, another base or an
    expert named by its id (`lora("…")`) help; `mosaic catalog search` shows what the catalog holds.
    """

    code: ClassVar[str] = "M218"
    title: ClassVar[str] = "no {kind} that answers “{shown}” {lack}"
    label: ClassVar[str] = "looked for here"

    kind: str
    words: str
    refused: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    total: int = 0
    calls: tuple[Span, ...] = ()

    @property
    def shown(self) -> str:
        """The words on one line, and not too many of them."""
        words = " ".join(self.words.split())
        return words if len(words) <= 60 else f"{words[:59]}…"

    @property
    def lack(self) -> str:
        """Whether there is none, or none that may be used."""
        return "can be used here" if self.refused else "is in the catalog"

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        shown = 5
        more = f"; and {len(self.refused) - shown} more" if len(self.refused) > shown else ""
        if self.refused:
            return (f"not usable: {'; '.join(self.refused[:shown])}{more}",)
        if not self.known:
            return (f"the catalog holds no {self.kind}",)
        names = ", ".join(f"`{name}`" for name in self.known)
        rest = f" and {self.total - len(self.known)} more" if self.total > len(self.known) else ""
        return (f"the catalog holds {names}{rest}; `mosaic catalog search` looks through them",)


@dataclass(frozen=True)
class FoundForTwoFamilies(Diagnostic):
    """One `find` is fused into bases of different families, and no expert fits both.

    For example, with one base of sd1 and one of sdxl:

        let wash = find(lora, "watercolour")     # M219
        let small = fuse(sd1_base, wash)
        let large = fuse(sdxl_base, wash)

    Write a `find` of its own for each base: the same words then give an expert that fits each.
    """

    code: ClassVar[str] = "M219"
    title: ClassVar[str] = "no {kind} is made for {bases} at once"
    label: ClassVar[str] = "one expert for bases of different families"

    kind: str
    words: str
    families: tuple[str, ...]
    calls: tuple[Span, ...] = ()

    @property
    def bases(self) -> str:
        """The families as a list in words."""
        *first, last = self.families
        return f"{', '.join(first)} and {last}"

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        return (f'write `find({self.kind}, "{self.words}")` once for each base',)
