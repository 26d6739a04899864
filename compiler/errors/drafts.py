"""M866-M868: what a composed plan may not hold, whoever wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix
from mosaic.compiler.syntax.literals import escape


@dataclass(frozen=True)
class OutsideShortlist(Diagnostic):
    """A composed plan names an expert that was not found for the request.

    What a plan may name is settled before it is written: experts of the catalog that answer the request and that its
    limits allow. Whoever writes the plan names them by their ids, as texts without inserts; a path, a digest, an alias,
    a parameter or an id that only looks like one of them is none of these. Nothing is invented.

        let neon = lora("./downloads/neon.safetensors")     # M866
        let neon = lora("zoo/neon")

    To mend it: one of the candidates; or name the expert yourself where it belongs into the request
    (`mosaic compose … --with zoo/neon`).
    """

    code: ClassVar[str] = "M866"
    title: ClassVar[str] = "{what} is not among the experts that were found for the request"
    label: ClassVar[str] = "not on the shortlist"

    what: str
    kind: str = ""
    candidates: tuple[str, ...] = ()

    def help(self) -> tuple[str, ...]:
        """What there is instead."""
        if not self.candidates:
            return (f"no {self.kind or 'expert'} may be named: leave it out",)
        return ("there are: " + ", ".join(f"`{id}`" for id in self.candidates),)

    def fixes(self) -> tuple[Fix, ...]:
        """Each candidate in its place. Not safe: which one was meant is a guess."""
        if self.span is None:
            return ()
        return tuple(
            Fix(f"use `{id}`", (Edit(self.span, f'"{escape(id)}"'),), safe=False) for id in self.candidates
        )


@dataclass(frozen=True)
class ReadsMore(Diagnostic):
    """A composed plan reads something besides the experts of its shortlist.

    A plan that a person writes may look experts up (`find`), load pictures and masks, and use other files. One that is
    composed from a request may not: what it reads would be chosen by whoever wrote it, and nobody has looked at that.

        use "../house.mosaic" as house              # M867
        let photo = load_image("secret.png")        # M867

    To mend it: leave it out; write such a plan yourself, or add it to the composed one once it is there.
    """

    code: ClassVar[str] = "M867"
    title: ClassVar[str] = "a composed plan reads nothing but experts, and `{what}` reads {reads}"
    label: ClassVar[str] = "not in a composed plan"

    what: str
    reads: str
    advice: str = "leave it out"

    def help(self) -> tuple[str, ...]:
        """What to write instead."""
        return (self.advice,)


@dataclass(frozen=True)
class NotAsAsked(Diagnostic):
    """A composed plan has not the form that was asked for: one plan of the request's name, with one picture, the
    experts that the request insists on and no more than it allows, under its policy and budget.

    Example: a file with `plan day` and `plan night` for the request "a red cat".

    To mend it: what the message says. A plan's and a picture's name are put right without a message.
    """

    code: ClassVar[str] = "M868"
    title: ClassVar[str] = "the plan is not as it was asked for: {reason}"
    label: ClassVar[str] = "here"

    reason: str
    advice: str = ""

    def help(self) -> tuple[str, ...]:
        """What to write instead."""
        return (self.advice,) if self.advice else ()
