"""M43x: LoRAs that get in each other's way, told by the factors of their deltas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Label, Severity, called
from mosaic.compiler.facts import Interference
from mosaic.compiler.source import Span

_SHOWN = 3


@dataclass(frozen=True)
class Pair(Diagnostic):
    """Two LoRAs of one fusion, at their strengths; the message points at the second."""

    label: ClassVar[str] = "at a strength of {strength}"
    severity: ClassVar[Severity] = Severity.WARNING

    first: str
    second: str
    met: Interference
    strengths: tuple[float, float]
    other: Span | None = None
    calls: tuple[Span, ...] = ()

    @property
    def strength(self) -> float:
        """That of the second one."""
        return self.strengths[1]

    @property
    def effective(self) -> float:
        """The cosine of the deltas as they are added, signs of the strengths included."""
        return self.met.cosine if self.strengths[0] * self.strengths[1] > 0 else -self.met.cosine

    @property
    def shown(self) -> str:
        """That cosine in two digits."""
        return f"{self.effective:.2f}"

    def labels(self) -> tuple[Label, ...]:
        first = (Label(self.other, f"at a strength of {self.strengths[0]:g}"),) if self.other else ()
        return (*first, *called(self.calls))


@dataclass(frozen=True)
class Interferes(Pair):
    """Two LoRAs of one fusion change the same directions of the same layers, much more than two unrelated ones would.

    For example:

        let neon  = lora("zoo/neon")
        let tiles = lora("zoo/tiles")
        let look  = fuse(base, neon, tiles)     # M430

    Their sum is exact all the same: what suffers is the picture, in which one tends to hide the other. In the zoo,
    pairs that share 1.28 times what chance gives, or more, show what both stand for in 33 to 80 of 100 pictures, while
    each alone does in 97 to 100. The measure is no proof: pairs differ in how much they lose, and a pair below the
    limit can lose too (docs/interference.md has the figures).

    Lower the strength of the one that shows more and look at a picture, or use one of the two.
    """

    code: ClassVar[str] = "M430"
    title: ClassVar[str] = (
        "`{first}` and `{second}` interfere: their changes overlap {times} times as much as by chance"
    )

    @property
    def times(self) -> str:
        """How many times the overlap of unrelated adapters."""
        return f"{self.met.overlap / self.met.chance:.1f}"

    def help(self) -> tuple[str, ...]:
        unrelated = f"unrelated ones of their ranks share {self.met.chance:.1%}"
        names = ", ".join(name for name, _ in self.met.layers[:_SHOWN])
        return (
            "one may hide the other: lower the strength of the one that shows more, or use one of the two",
            f"they share {self.met.overlap:.1%} of the directions that they change; {unrelated}",
            *((f"most of all in {names}",) if names else ()),
        )


@dataclass(frozen=True)
class Doubles(Pair):
    """Two LoRAs of one fusion change the model in nearly the same way, so that together they act like one that is too
    strong.

    For example, with two versions of one LoRA:

        let look = fuse(base, lora("./film-v1.safetensors"), lora("./film-v2.safetensors"))     # M431

    The cosine of their deltas tells how much of the one is the other. In the zoo, a LoRA at a strength of 1.5 begins to
    spoil colours and subjects; a cosine of 0.5 does the same to two at full strength.

    Use one of the two, or lower both.
    """

    code: ClassVar[str] = "M431"
    title: ClassVar[str] = "`{first}` and `{second}` do nearly the same (cosine {shown})"

    @property
    def together(self) -> float:
        """The strength of the first that does as much of its kind as both do, if both deltas are of one size."""
        return abs(self.strengths[0]) + abs(self.met.cosine * self.strengths[1])

    def help(self) -> tuple[str, ...]:
        acts = f"together they act like one of them at a strength of about {self.together:.2g}; use one, or lower both"
        return (acts, *_most(self.met.layers))


@dataclass(frozen=True)
class Cancels(Pair):
    """Two LoRAs of one fusion change the model in opposite ways, so that each takes back part of what the other does.

    For example, where a LoRA and a near copy of it have strengths of different signs:

        let look = fuse(base, lora("./film-v1.safetensors"), lora("./film-v2.safetensors") * -0.8)     # M432

    The cosine of their deltas, with the signs of the strengths, tells how much is lost. In the zoo a LoRA at a strength
    of 0.7 is told in fewer pictures; a cosine of -0.3 does the same to two at full strength.

    Where that is meant (one style taken out of another), nothing is wrong. Else use one of the two.
    """

    code: ClassVar[str] = "M432"
    title: ClassVar[str] = "`{first}` and `{second}` work against each other (cosine {shown})"

    def help(self) -> tuple[str, ...]:
        return ("each takes back part of what the other does; use one of the two", *_most(self.met.layers))


def _most(layers: tuple[tuple[str, float], ...]) -> tuple[str, ...]:
    named = ", ".join(f"{name} ({cosine:+.2f})" for name, cosine in layers[:_SHOWN])
    return (f"most of all in {named}",) if named else ()
