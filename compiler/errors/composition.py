"""M315-M317: prompts that leave places out, and models that are no one set of weights or go through several spaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Label, called
from mosaic.compiler.source import Span


@dataclass(frozen=True)
class NoPromptThere(Diagnostic):
    """Every prompt of a picture has a region or a window, and together they leave a part of it without a prompt.

        prompt: ["a red cat" in rect(0%, 0%, 50%, 100%)]     # M315: the right half has none

    What the picture is to show there is not said. A prompt without a region counts wherever the others leave room:

        prompt: ["a red cat" in rect(0%, 0%, 50%, 100%), "a street at night"]
    """

    code: ClassVar[str] = "M315"
    title: ClassVar[str] = "no prompt counts {where}"
    label: ClassVar[str] = "leaves this out"

    where: str
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        return ("add a prompt without a region or a window: it counts wherever the others leave room",)


@dataclass(frozen=True)
class NotOneModel(Diagnostic):
    """A model is used as one set of weights, and is none: its experts act in places or at times, or blend predictions.

        let look = fuse(base, neon in left, via: composite)
        emit look as "look.safetensors"                         # M316
        let more = fuse(base, look * 0.5, via: sum)             # M316

    A file of weights, and arithmetic on weights, know no regions, no windows and no steps. Fuse without them, or emit
    the pictures that the model makes.
    """

    code: ClassVar[str] = "M316"
    title: ClassVar[str] = "{what} is no one set of weights: {reason}"
    label: ClassVar[str] = "{use}"

    what: str
    reason: str
    use: str
    fusion: Span | None = None
    able: tuple[str, ...] = ()
    emitted: bool = False
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        fusion = (Label(self.fusion, "fused here"),) if self.fusion else ()
        return (*fusion, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        if self.emitted:
            return (
                "emit the pictures that it makes, or fuse without regions and windows by an operator on weights",
            )
        names = ", ".join(f"`{name}`" for name in self.able)
        return (f"operators that blend whole models: {names}",) if names else ()


@dataclass(frozen=True)
class OnlySampled(Diagnostic):
    """A model whose experts work in several latent spaces is used for something else than `sample`.

        let both = fuse(sketch, photo, via: chain)     # sketch works in zoo-a, photo in zoo-b
        refine(both, picture)                          # M317

    In which space such a model works depends on the step, so that a latent which comes from elsewhere has no place
    in it. Sample from it; to go on from a latent, use the one model that is to go on, with `align` where its space is
    another.
    """

    code: ClassVar[str] = "M317"
    title: ClassVar[str] = "`{verb}` cannot use a model that goes through several latent spaces ({spaces})"
    label: ClassVar[str] = "this model"

    verb: str
    spaces: str
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        return ("`sample` can use it; elsewhere name one of its models, and carry latents over by `align`",)
