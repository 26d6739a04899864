"""Messages that running a program can raise.

A compiled program has passed every check that headers allow, so most of these mean that a file changed, a
device is missing or a program was edited by hand. What a program raises has no span: it no longer knows its plan's
lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Label, called
from mosaic.compiler.source import Span

_SHOWN = 5
"""How many names a message lists before it says how many more there are."""


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


@dataclass(frozen=True)
class UnmatchedTensors(Diagnostic):
    """Some tensors of an adapter have no counterpart in the model it is fused into.

    An adapter is applied wholly or not at all: leaving tensors out would give another look than its author
    made, without a word. The usual reason is an adapter that was trained for another family, or for parts
    that this model does not have.

        let look = fuse(checkpoint("zoo/base"), lora("./made-for-sdxl.safetensors"))

    To mend it, use an adapter of the model's own family (`mosaic check` shows both), or another base.
    """

    code: ClassVar[str] = "M451"
    title: ClassVar[str] = "{count} of {total} tensors of `{expert}` have no place in the model"

    expert: str
    names: tuple[str, ...]
    total: int

    @property
    def count(self) -> int:
        """How many tensors found no place."""
        return len(self.names)

    def message(self) -> str:
        """The one-line statement of the mistake."""
        return f"{self.count} of {self.total} tensors of `{self.expert}` have no place in the model"

    def help(self) -> tuple[str, ...]:
        """Advice in words."""
        return (
            f"without a place: {_listed(self.names)}",
            "use an adapter that was trained for this model's family",
        )


@dataclass(frozen=True)
class UnsupportedAdapter(Diagnostic):
    """An adapter uses an algorithm that fusing does not handle.

    LoRA, DoRA, LoHa, LoKr and full differences on linear and convolution layers are handled, in the names of
    diffusers, PEFT, kohya and LyCORIS. OFT, IA3 and GLoRA follow other formulas; applying them as if they were
    LoRA would give a wrong picture, so they are refused.

        let look = fuse(base, lora("./an-oft-file.safetensors"))

    To mend it, use a LoRA version of the adapter, or fuse it into a checkpoint with its own tool and use
    that.
    """

    code: ClassVar[str] = "M452"
    title: ClassVar[str] = "`{expert}` is a {algorithm} adapter, which fusing does not handle"

    expert: str
    algorithm: str
    names: tuple[str, ...] = ()

    def help(self) -> tuple[str, ...]:
        """Advice in words."""
        told = (f"told by {_listed(self.names)}",) if self.names else ()
        return (*told, "LoRA, DoRA, LoHa, LoKr and full differences are handled")


@dataclass(frozen=True)
class TensorsDoNotFit(Diagnostic):
    """Tensors of an expert have other names or shapes than those of the model they should change.

    Fusing adds differences tensor by tensor, so both sides need the same architecture: the same tensors, of
    the same shapes.

        let mix = fuse(checkpoint("zoo/base"), checkpoint("./another-family") * 0.5)

    To mend it, take experts of one family and one variant (an inpainting model is another variant).
    """

    code: ClassVar[str] = "M453"
    title: ClassVar[str] = "tensors of `{expert}` do not fit the {what}"

    expert: str
    what: str
    names: tuple[str, ...]

    def help(self) -> tuple[str, ...]:
        """Advice in words."""
        return (f"that do not fit: {_listed(self.names)}",)


@dataclass(frozen=True)
class TokenTaken(Diagnostic):
    """An embedding's token already exists: in the tokenizer's vocabulary, or by an embedding added before.

    Two meanings of one token cannot be told apart in a prompt.

        let look = fuse(base, embedding("zoo/samurai"), embedding("./also-named-samurai.safetensors"))

    To mend it, use one of the two, or store the embedding under another token.
    """

    code: ClassVar[str] = "M454"
    title: ClassVar[str] = "the token `{token}` of `{expert}` is already taken"

    expert: str
    token: str


@dataclass(frozen=True)
class PromptTooLong(Diagnostic):
    """A prompt takes more tokens than the model's text encoder can read.

    Nothing is cut in silence: what does not fit would have no influence on the picture.

        sample(base, prompt: "a very long prompt, ...")

    To mend it, shorten the prompt; the message names the part that would be lost.
    """

    code: ClassVar[str] = "M455"
    title: ClassVar[str] = "the prompt takes {used} tokens and the text encoder reads {limit}"

    used: int
    limit: int
    cut: str

    def help(self) -> tuple[str, ...]:
        """Advice in words."""
        return (f"this part would be lost: `{self.cut}`",)


@dataclass(frozen=True)
class UnsupportedSize(Diagnostic):
    """A picture's width or height is not a multiple of what the model's layers divide it by.

    The VAE and the denoiser halve width and height several times, and each half must be whole.

        sample(base, prompt: "a cat", size: 65x64)

    To mend it, use multiples of the number in the message.
    """

    code: ClassVar[str] = "M456"
    title: ClassVar[str] = (
        "{width}x{height} is not possible: width and height must be positive multiples of {multiple}"
    )

    width: int
    height: int
    multiple: int


@dataclass(frozen=True)
class NothingToDenoise(Diagnostic):
    """An instruction would take no denoising step.

    `refine` takes `strength × steps` steps, rounded down, `sample(until:)` that fraction of its steps, rounded, and
    `resume` those that its latent has left. Where that is none, it could only hand back what it was given.

        refine(base, picture, strength: 0.01, steps: 20)

    To mend it, raise the strength, the steps or `until`.
    """

    code: ClassVar[str] = "M457"
    title: ClassVar[str] = "{operation} would take no denoising step ({reason})"
    label: ClassVar[str] = "too little"

    operation: str
    reason: str
    calls: tuple[Span, ...] = ()

    def labels(self) -> tuple[Label, ...]:
        return called(self.calls)

    def help(self) -> tuple[str, ...]:
        if self.operation == "refine":
            return ("give it more `steps`, or more `strength`",)
        return ("give the run more `steps`, or a later `until`",)


@dataclass(frozen=True)
class NotResumable(Diagnostic):
    """A latent is asked to go on that carries no denoising run, or to start anew in the middle of one.

    `resume` needs a latent that `sample(until:)` left half-way; a latent from a picture, or a finished one,
    has nothing to go on with. `refine` needs the opposite: a finished latent or a picture.

        resume(base, encode(photo, with: base))

    To mend it, use `refine` on pictures and finished latents, and `resume` on those cut by `until`.
    """

    code: ClassVar[str] = "M458"
    title: ClassVar[str] = "{operation} cannot take this latent: {reason}"

    operation: str
    reason: str


@dataclass(frozen=True)
class LatentDoesNotFit(Diagnostic):
    """A latent has another number of channels than the model works with.

    The compiler refuses latents of another latent space; this is the last guard of a program edited by hand.

        { "op": "decode", "latent": 7, "model": 0 }

    To mend it, compile the plan again.
    """

    code: ClassVar[str] = "M459"
    title: ClassVar[str] = "a latent of {given} channels does not fit a model of {wanted}"

    given: int
    wanted: int


@dataclass(frozen=True)
class SettingOutOfRange(Diagnostic):
    """A number in a program lies outside what the operation can take.

    The compiler refuses such plans; this is the last guard of a program edited by hand.

        { "op": "denoise", "steps": 0, ... }

    To mend it, correct the number, or compile the plan again.
    """

    code: ClassVar[str] = "M460"
    title: ClassVar[str] = "`{name}` is {value}, and must be {needed}"

    name: str
    value: float
    needed: str


@dataclass(frozen=True)
class OperatorDiffers(Diagnostic):
    """A program was compiled for a fusion operator that is not installed here in that version.

    Another version of an operator gives another picture, so it is not taken in its stead.

        { "op": "fuse", "operator": "sum", "operator_version": 7, ... }

    To mend it, install the package that brings the operator, or compile the plan again.
    """

    code: ClassVar[str] = "M461"
    title: ClassVar[str] = "the operator `{name}` version {wanted} is not available ({found})"

    name: str
    wanted: int
    found: str


@dataclass(frozen=True)
class NotOneModel(Diagnostic):
    """Weights were asked of a model that has more than one set of them.

    A model that changes from step to step, or whose experts predict beside each other, is several networks.

        fuse(base, fuse(other, neon, via: composite), via: ties)

    To mend it, fuse it by an operator on weights, or let it take part by `guidance`, `switch` or `chain`.
    """

    code: ClassVar[str] = "M469"
    title: ClassVar[str] = "{what} has to be one set of weights, and this model is several"

    what: str


@dataclass(frozen=True)
class FamilyCannotRun(Diagnostic):
    """An expert belongs to a model family that this version cannot run yet.

    Its plans compile, so that they can be checked; only running them waits for the family.

        let base = checkpoint("./a-flux-model")

    To mend it, use a model of a family named in the message.
    """

    code: ClassVar[str] = "M462"
    title: ClassVar[str] = "`{expert}` is of family {family}, which cannot be run yet (these can: {known})"

    expert: str
    family: str
    known: str


@dataclass(frozen=True)
class StrengthMustBeOne(Diagnostic):
    """An embedding or a VAE is given a strength.

    An embedding adds words and a VAE replaces another: both are there or not, nothing lies between.

        fuse(base, embedding("zoo/samurai") * 0.5)

    To mend it, leave the strength out.
    """

    code: ClassVar[str] = "M463"
    title: ClassVar[str] = "`{expert}` ({kind}) can only be fused at strength 1, not {strength}"

    expert: str
    kind: str
    strength: float


@dataclass(frozen=True)
class UnknownScheduler(Diagnostic):
    """A program names a scheduler that does not exist.

        { "op": "denoise", "scheduler": "plms", ... }

    To mend it, use one of those named in the message.
    """

    code: ClassVar[str] = "M464"
    title: ClassVar[str] = "unknown scheduler `{name}` (known: {known})"

    name: str
    known: str


@dataclass(frozen=True)
class FileChanged(Diagnostic):
    """A file's bytes are not those that the program was compiled for.

    A program names every file by digest. Running it on other bytes would give another picture under the same
    name, so the digest is verified before a file is used.

        mosaic run alley.program.json      # after models/base.safetensors was replaced

    To mend it, restore the file, or compile the plan again.
    """

    code: ClassVar[str] = "M751"
    title: ClassVar[str] = "`{location}` is not the file that the program was compiled for"

    location: str
    expected: str
    found: str

    def help(self) -> tuple[str, ...]:
        """Advice in words."""
        return (
            f"expected sha256 {self.expected}, found {self.found}",
            "restore the file or compile the plan again",
        )


@dataclass(frozen=True)
class MalformedProgram(Diagnostic):
    """A program's instructions do not fit together.

    Programs come from the compiler, which verifies them. A value that is used before it exists or after it
    was freed, or that is of the wrong type, means that the program was edited or damaged.

        { "result": 3, "operation": { "op": "decode", "latent": 9, "model": 0 } }

    To mend it, compile the plan again.
    """

    code: ClassVar[str] = "M752"
    title: ClassVar[str] = "instruction {position} of the program is malformed: {reason}"

    position: int
    reason: str


@dataclass(frozen=True)
class FileMissing(Diagnostic):
    """A file that the program needs is not where it was.

        mosaic run alley.program.json      # after models/ was moved

    To mend it, put the file back, or compile the plan again where the files are.
    """

    code: ClassVar[str] = "M851"
    title: ClassVar[str] = "the file `{location}` ({role}) cannot be read: {reason}"

    location: str
    role: str
    reason: str


@dataclass(frozen=True)
class UnreadableWeights(Diagnostic):
    """A safetensors file is damaged: cut off, or not safetensors at all.

        let base = checkpoint("./half-downloaded.safetensors")

    To mend it, download or copy the file again.
    """

    code: ClassVar[str] = "M852"
    title: ClassVar[str] = "`{location}` is not a whole safetensors file: {reason}"

    location: str
    reason: str


@dataclass(frozen=True)
class PickleRefused(Diagnostic):
    """A weight file is a pickle (`.ckpt`, `.pt`, `.pth`, `.bin`), which can run code when it is opened.

    Only safetensors files are ever read.

        let base = checkpoint("./model.ckpt")

    To mend it, use the safetensors version of the model, or convert it with a tool in a place that may run
    code.
    """

    code: ClassVar[str] = "M853"
    title: ClassVar[str] = "`{location}` is not safetensors; pickled weights are never opened"

    location: str


@dataclass(frozen=True)
class PartMissing(Diagnostic):
    """A checkpoint lacks a part that running it needs.

    A whole model has a denoiser, a text encoder, a tokenizer and a VAE. A single safetensors file carries no
    tokenizer: it is looked for in a folder `tokenizer/` beside the file.

        let base = checkpoint("./model.safetensors")      # and no ./tokenizer/ beside it

    To mend it, put the part beside the file (`tokenizer/vocab.json` and `tokenizer/merges.txt` of the model's
    family, or its `tokenizer.json`), or use the model's diffusers folder.
    """

    code: ClassVar[str] = "M854"
    title: ClassVar[str] = "`{expert}` has no {part}"

    expert: str
    part: str
    advice: str

    def help(self) -> tuple[str, ...]:
        """Advice in words."""
        return (self.advice,)


@dataclass(frozen=True)
class UnwritableOutput(Diagnostic):
    """An output file or its folder cannot be written.

        mosaic run alley.mosaic --out /a/read-only/folder

    To mend it, choose another folder, or make room or rights there. No half-written file is left behind.
    """

    code: ClassVar[str] = "M855"
    title: ClassVar[str] = "`{path}` cannot be written: {reason}"

    path: str
    reason: str


@dataclass(frozen=True)
class UnreadablePicture(Diagnostic):
    """A file that should be a picture cannot be read as one.

        let photo = load_image("notes.txt")

    To mend it, use a PNG, JPEG or WebP picture of ordinary size.
    """

    code: ClassVar[str] = "M856"
    title: ClassVar[str] = "`{path}` cannot be read as a picture: {reason}"

    path: str
    reason: str


@dataclass(frozen=True)
class NothingToRecover(Diagnostic):
    """A file carries no plan.

    mosaic writes the plan into every picture, latent and model that it emits. Other programs' files have
    none, and many web sites and editors remove it.

        mosaic recover holiday.jpg

    To mend it, use the file as it was emitted.
    """

    code: ClassVar[str] = "M857"
    title: ClassVar[str] = "`{path}` carries no plan ({reason})"

    path: str
    reason: str


@dataclass(frozen=True)
class OutputEscapes(Diagnostic):
    """A program wants to write outside the output folder.

        { "op": "emit", "path": "../../elsewhere.png", ... }

    To mend it, use a relative path without `..`.
    """

    code: ClassVar[str] = "M858"
    title: ClassVar[str] = "`{path}` lies outside the output folder"

    path: str


@dataclass(frozen=True)
class DeviceMissing(Diagnostic):
    """The wanted device is not there, or PyTorch was installed without support for it.

        mosaic run alley.mosaic --device cuda

    To mend it, use `--device auto` or `cpu`, or install a PyTorch build for the device.
    """

    code: ClassVar[str] = "M859"
    title: ClassVar[str] = "device `{device}` is not available here"

    device: str


@dataclass(frozen=True)
class UnreadableConfiguration(Diagnostic):
    """A configuration file of a model is damaged, or describes an architecture that cannot be built.

        unet/config.json: { "block_out_channels": "many" }

    To mend it, restore the file from where the model came from.
    """

    code: ClassVar[str] = "M860"
    title: ClassVar[str] = "`{location}` is not a usable configuration: {reason}"

    location: str
    reason: str


@dataclass(frozen=True)
class OutOfMemory(Diagnostic):
    """The device ran out of memory.

        sample(base, prompt: "a cat", size: 4096x4096)

    To mend it, ask for a smaller picture, or use a device with more memory (`--device cpu`).
    """

    code: ClassVar[str] = "M651"
    title: ClassVar[str] = "{device} ran out of memory in {operation}"

    device: str
    operation: str


@dataclass(frozen=True)
class NotFinite(Diagnostic):
    """The denoiser or the VAE produced numbers that are not finite (NaN or infinity).

    The picture would be black or noise. Causes are strengths far beyond what an expert was made for, and half
    precision on models that need more.

        fuse(base, lora("zoo/neon") * 1e9)

    To mend it, lower the strengths or run with `--dtype float32`.
    """

    code: ClassVar[str] = "M465"
    title: ClassVar[str] = "{operation} gave numbers that are not finite"

    operation: str
