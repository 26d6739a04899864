"""M320-M322, M466, M467, M870-M875: latents that are carried into another latent space, and what carries them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix, Label, Severity, called
from mosaic.compiler.source import Span


@dataclass(frozen=True)
class NothingToAlign(Diagnostic):
    """A latent is carried into the space that it is in already.

        let half = sample(base, prompt: "a red cat", until: 50%)
        resume(robot, align(half, to: robot))     # M320: base and robot share one latent space

    Nothing is done: the latent goes on as it is. Models whose VAEs are the same share a latent space.
    """

    code: ClassVar[str] = "M320"
    title: ClassVar[str] = "`align` has nothing to do: both models work in space {space}"
    label: ClassVar[str] = "this latent is in space {space} already"
    severity: ClassVar[Severity] = Severity.WARNING

    space: str
    call: Span | None = None
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def fixes(self) -> tuple[Fix, ...]:
        if self.call is None or self.span is None:
            return ()
        return (Fix(f"write `{self.span.text}`", (Edit(self.call, self.span.text),)),)


@dataclass(frozen=True)
class WrongBridge(Diagnostic):
    """`align` names a bridge that leads from another space, or into another one, than it is used between.

        align(draft, to: photo, by: "zoo/b-to-a")     # M321: draft is in zoo-a, and the bridge starts from zoo-b

    A bridge maps one space into one other, in one direction. Leave `by` out to have the registered one.
    """

    code: ClassVar[str] = "M321"
    title: ClassVar[str] = "bridge `{bridge}` leads from {source} to {target}, not from {given} to {wanted}"
    label: ClassVar[str] = "this bridge"

    bridge: str
    source: str
    target: str
    given: str
    wanted: str
    instead: str | None = None
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        if self.instead is None:
            return (
                f"no bridge from {self.given} to {self.wanted} is registered: `mosaic bridge fit` makes one",
            )
        return (f"use `{self.instead}`",)

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None or self.instead is None or self.calls:
            return ()
        return (Fix(f"write `{self.instead}`", (Edit(self.span, f'"{self.instead}"'),), safe=False),)


@dataclass(frozen=True)
class ThroughPicture(Diagnostic):
    """A latent is carried over without a bridge: it is decoded to a picture and encoded again.

        align(draft, to: photo)     # M322: no bridge from zoo-a to their-space is registered

    This works between any two models, and takes the time of both VAEs. Of a latent that stands part-way, the picture
    is what it is becoming, which no VAE was trained to encode. A bridge is a small map between the two spaces that
    does the same in one step:

        mosaic bridge fit --from zoo/base --to ./photo --samples 200 -o bridge.safetensors --register
    """

    code: ClassVar[str] = "M322"
    title: ClassVar[str] = "no bridge leads from {given} to {wanted}: the latent goes through a picture"
    label: ClassVar[str] = "decoded by the one VAE, encoded by the other"
    severity: ClassVar[Severity] = Severity.WARNING

    given: str
    wanted: str
    source: str = ""
    target: str = ""
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        if not (self.source and self.target):
            return ()
        fit = f"mosaic bridge fit --from {self.source} --to {self.target} --samples 200 --register"
        return (f"make a bridge once: `{fit} -o bridge.safetensors`",)


@dataclass(frozen=True)
class NoCleanLatent(Diagnostic):
    """A latent that stands part-way cannot be carried over: what it is becoming is not known.

    A step of denoising predicts the clean latent; that is what a bridge maps. A latent that took no step yet has no
    such prediction.

        resume(other, align(sample(base, prompt: "a cat", steps: 4, until: 10%), to: other))

    To mend it, let the first model take at least one step before the latent is carried over.
    """

    code: ClassVar[str] = "M466"
    title: ClassVar[str] = (
        "the latent stands at step {position} of {total} without a prediction of the clean latent"
    )

    position: int
    total: int

    def help(self) -> tuple[str, ...]:
        return ("let the first model take a step before the latent is carried over",)


@dataclass(frozen=True)
class BridgeDoesNotFit(Diagnostic):
    """A bridge maps latents of another shape than those that it is given or that are wanted of it.

    A bridge keeps height and width, and maps a fixed number of channels to another. Two models whose VAEs shrink
    pictures by different factors cannot be bridged by it.

    To mend it, use a bridge that was fitted between these two models, or leave `by` out and let the latent go through
    the picture.
    """

    code: ClassVar[str] = "M467"
    title: ClassVar[str] = "bridge `{bridge}` does not fit: {reason}"

    bridge: str
    reason: str

    def help(self) -> tuple[str, ...]:
        return ("name a bridge that was fitted between these two models: `mosaic bridge fit`",)


@dataclass(frozen=True)
class BrokenBridge(Diagnostic):
    """A file says that it is a bridge, and what it holds is none.

    A bridge is a safetensors file. Its metadata has `mosaic.bridge.kind` (`linear` or `conv`),
    `mosaic.bridge.source` and `mosaic.bridge.target` (names of latent spaces); its tensors are `weight` (out, in, k, k)
    with k odd and `bias` (out), and for `conv` those of a small network beside them.

    To mend it, fit it anew with `mosaic bridge fit`, or restore the file.
    """

    code: ClassVar[str] = "M870"
    title: ClassVar[str] = "`{path}` is no usable bridge: {reason}"

    path: str
    reason: str

    def help(self) -> tuple[str, ...]:
        return ("fit it anew: `mosaic bridge fit`",)


@dataclass(frozen=True)
class SpacesAlike(Diagnostic):
    """`mosaic bridge fit` was asked for a bridge between two models of one latent space.

        mosaic bridge fit --from zoo/base --to zoo/robot …     # M871: both work in zoo-a

    Latents of the one are latents of the other: nothing has to be carried over.
    """

    code: ClassVar[str] = "M871"
    title: ClassVar[str] = "`{source}` and `{target}` both work in space {space}: no bridge is needed"

    source: str
    target: str
    space: str

    def help(self) -> tuple[str, ...]:
        return ("hand latents from the one to the other as they are",)


@dataclass(frozen=True)
class SpacesUnlike(Diagnostic):
    """A bridge cannot be fitted between these two models: their VAEs shrink pictures by different factors.

    A bridge keeps the height and width of a latent. Where the factors differ, `align` goes through the picture.
    """

    code: ClassVar[str] = "M872"
    title: ClassVar[str] = (
        "no bridge can lead from `{source}` to `{target}`: one latent stands for {first}x{first} pixels of the one "
        "and {second}x{second} of the other"
    )

    source: str
    target: str
    first: int
    second: int

    def help(self) -> tuple[str, ...]:
        return ("leave it to `align`, which then goes through the picture",)


@dataclass(frozen=True)
class UnnamedSpace(Diagnostic):
    """A model's latent space is not known, so that no plan could use a bridge out of it or into it.

    The space is told by the model's VAE. A checkpoint without a VAE has none.

        mosaic bridge fit --from ./denoiser.safetensors --to zoo/base --samples 200 -o bridge.safetensors

    To mend it, name a checkpoint that holds its VAE.
    """

    code: ClassVar[str] = "M873"
    title: ClassVar[str] = "the latent space of `{expert}` is not known"

    expert: str

    def help(self) -> tuple[str, ...]:
        return ("name a checkpoint that holds its VAE",)


@dataclass(frozen=True)
class TooFewPictures(Diagnostic):
    """There are fewer pictures than a bridge can be fitted and measured on.

        mosaic bridge fit --from zoo/base --to zoo/base-b --pictures photos/ -o bridge.safetensors     # M874

    A fifth of the pictures is held out to measure on, and the rest have to determine every number of the map.

    To mend it, give more pictures, or have the first model draw them: `--samples 200`.
    """

    code: ClassVar[str] = "M874"
    title: ClassVar[str] = "{found} picture(s) in {where}: a bridge is fitted on {least} or more"

    found: int
    least: int
    where: str

    def help(self) -> tuple[str, ...]:
        return ("give more pictures, or let the first model draw them: `--samples 200`",)


@dataclass(frozen=True)
class NoPrompts(Diagnostic):
    """`mosaic bridge fit --samples` needs prompts to draw from, and was given none.

    A list of prompts is a text file with a prompt a line.

        mosaic bridge fit --from ./a --to ./b --samples 200 --prompts prompts.txt -o bridge.safetensors
    """

    code: ClassVar[str] = "M875"
    title: ClassVar[str] = "no prompts in {where}"

    where: str

    def help(self) -> tuple[str, ...]:
        return ("write a prompt a line, or give some by --prompt",)
