"""Messages about what a plan names: experts, fragments, pictures and their files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix
from mosaic.compiler.source import Span


def _quoted(span: Span, text: str) -> Edit:
    """Replace a literal, keeping its quotes where the span covers them."""
    quoted = span.text.startswith('"')
    return Edit(span, f'"{text}"' if quoted else text)


def _replace(span: Span | None, near: tuple[str, ...]) -> tuple[Fix, ...]:
    if span is None:
        return ()
    return tuple(Fix(f"use `{name}`", (_quoted(span, name),), safe=False) for name in near[:1])


def _did_you_mean(near: tuple[str, ...]) -> tuple[str, ...]:
    return ("did you mean " + " or ".join(f"`{name}`" for name in near) + "?",) if near else ()


@dataclass(frozen=True)
class UnknownExpert(Diagnostic):
    """No expert of this id is known.

    An expert is named by its id in the catalog (`zoo/neon`), by the digest of its file (`sha256:…`), or by
    a path that begins with `./`, `../` or `/` and is taken relative to the plan's file.

        let neon = lora("zoo/neom")

    Mend it by choosing one of the ids that the message suggests, or by naming a file:
    `lora("./neon.safetensors")`.
    """

    code: ClassVar[str] = "M210"
    title: ClassVar[str] = "unknown {kind} `{reference}`"
    label: ClassVar[str] = "the catalog has no {kind} of this name"

    kind: str
    reference: str
    near: tuple[str, ...] = ()
    is_file: bool = False

    def help(self) -> tuple[str, ...]:
        if self.is_file:
            return (
                f'a file of this name exists; a path begins with a dot: {self.kind}("./{self.reference}")',
            )
        return _did_you_mean(self.near)

    def fixes(self) -> tuple[Fix, ...]:
        if self.is_file:
            return _replace(self.span, (f"./{self.reference}",))
        return _replace(self.span, self.near)


@dataclass(frozen=True)
class UnknownFragment(Diagnostic):
    """A fragment library is used that the standard library does not have.

        use std.lookz

    Mend it by the suggested name. A library of one's own is used by its path: `use "./house.mosaic"`.
    """

    code: ClassVar[str] = "M211"
    title: ClassVar[str] = "unknown fragment library `{reference}`"
    label: ClassVar[str] = "not in the standard library"

    reference: str
    near: tuple[str, ...] = ()

    def help(self) -> tuple[str, ...]:
        return _did_you_mean(self.near)

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None or not self.near:
            return ()
        return (Fix(f"use `{self.near[0]}`", (Edit(self.span, self.near[0]),), safe=False),)


@dataclass(frozen=True)
class UnknownDigest(Diagnostic):
    """No known expert has a file of this digest.

        let neon = lora("sha256:0000000000000000")

    A digest is written `sha256:` and at least 8 hexadecimal digits, and must name exactly one expert. Mend
    it by the full digest of the file, or by a path to it.
    """

    code: ClassVar[str] = "M212"
    title: ClassVar[str] = "`{reference}` names {count}"
    label: ClassVar[str] = "no single {kind} has this digest"

    kind: str
    reference: str
    count: str  # "no expert", "several experts"

    def help(self) -> tuple[str, ...]:
        return ("a digest is `sha256:` and at least 8 hexadecimal digits of the file's SHA-256",)


@dataclass(frozen=True)
class RemoteExpert(Diagnostic):
    """An expert is named by an address on the network.

        let neon = lora("https://example.org/neon.safetensors")

    Compiling a plan never fetches anything. Mend it by downloading the file, and naming it by its path.
    """

    code: ClassVar[str] = "M213"
    title: ClassVar[str] = "`{reference}` is an address on the network"
    label: ClassVar[str] = "experts are named by id, digest or path"

    kind: str
    reference: str

    def help(self) -> tuple[str, ...]:
        return (f'download the file and name it by its path: {self.kind}("./model.safetensors")',)


@dataclass(frozen=True)
class WrongExpertKind(Diagnostic):
    """An expert exists, but is of another kind than the verb asks for.

        let style = lora("zoo/base")

    `zoo/base` is a checkpoint. Mend it by the verb of the expert's kind (`checkpoint("zoo/base")`), or by an
    expert of the kind that the verb names. What a file is, is read from its tensors, never from its name.
    """

    code: ClassVar[str] = "M215"
    title: ClassVar[str] = "`{reference}` is a {actual}, not a {wanted}"
    label: ClassVar[str] = "this is a {actual}"

    reference: str
    wanted: str
    actual: str

    def help(self) -> tuple[str, ...]:
        return (f'write {self.actual}("{self.reference}")',)

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None:
            return ()
        before = self.span.source.text[: self.span.start]
        verb = re.search(rf"\b{self.wanted}(?=\s*\(\s*$)", before)
        if verb is None:
            return ()
        edit = Edit(self.span.source.span(verb.start(), verb.end()), self.actual)
        return (Fix(f"use the verb `{self.actual}`", (edit,), safe=False),)


@dataclass(frozen=True)
class OperatorClash(Diagnostic):
    """Two packages provide an operator of the same name.

    Operators are discovered among the installed packages; which of two would be meant by `via: name` cannot
    be known. Mend it by uninstalling one of the two packages that the message names.
    """

    code: ClassVar[str] = "M216"
    title: ClassVar[str] = "operator `{name}` is provided twice: by `{first}` and by `{second}`"

    name: str
    first: str
    second: str

    def help(self) -> tuple[str, ...]:
        return ("uninstall one of the two packages, or rename its operator",)


@dataclass(frozen=True)
class BrokenOperator(Diagnostic):
    """An installed package announces an operator that cannot be loaded.

    The entry point must name an object made by `mosaic.compiler.operators.operator`. Mend it by repairing or
    uninstalling the package that the message names.
    """

    code: ClassVar[str] = "M217"
    title: ClassVar[str] = "operator `{name}` of `{owner}` cannot be loaded: {reason}"

    name: str
    owner: str
    reason: str

    def help(self) -> tuple[str, ...]:
        return (f"repair or uninstall the package that provides `{self.owner}`",)


@dataclass(frozen=True)
class NoSuchFile(Diagnostic):
    """A path leads to nothing.

        let neon = lora("./neon.safetensors")

    A relative path is taken from the folder of the file that names it. Mend the path; if the message
    suggests a name, such a file exists in the same folder.
    """

    code: ClassVar[str] = "M801"
    title: ClassVar[str] = "`{path}` does not exist"
    label: ClassVar[str] = "nothing is there"

    path: str
    near: tuple[str, ...] = ()

    def help(self) -> tuple[str, ...]:
        start = "the folder of the file that names it" if self.span else "the current folder"
        return _did_you_mean(self.near) or (f"a relative path starts at {start}",)

    def fixes(self) -> tuple[Fix, ...]:
        return _replace(self.span, self.near)


@dataclass(frozen=True)
class NotAModel(Diagnostic):
    """A path leads to something that holds no model.

        let base = checkpoint("./pictures")

    A model is a folder in the diffusers format (with `model_index.json` or `unet/`), or one `.safetensors`
    file.
    """

    code: ClassVar[str] = "M802"
    title: ClassVar[str] = "`{path}` is not a model: {reason}"
    label: ClassVar[str] = "no model"

    path: str
    reason: str

    def help(self) -> tuple[str, ...]:
        return ("a model is a folder in the diffusers format, or one .safetensors file",)


@dataclass(frozen=True)
class PickleRefused(Diagnostic):
    """A model file is a pickle, and is refused.

        let old = checkpoint("./model.ckpt")

    Loading a pickle (`.ckpt`, `.pt`, `.pth`, `.bin`, `.pkl`) can execute code that is hidden in it. mosaic
    opens none, whatever its ending. Mend it by a safetensors version of the model, or by converting it
    where it may be trusted to run.
    """

    code: ClassVar[str] = "M803"
    title: ClassVar[str] = "`{path}` is a pickle; pickles are never opened"
    label: ClassVar[str] = "loading it could execute code"

    path: str

    def help(self) -> tuple[str, ...]:
        return ("use the model's safetensors version, or convert the file where it may be trusted to run",)


@dataclass(frozen=True)
class BrokenSafetensors(Diagnostic):
    """A safetensors file is damaged or cut off.

        let neon = lora("./half-downloaded.safetensors")

    The file's header does not agree with its contents. Mend it by fetching the file again and comparing its
    digest.
    """

    code: ClassVar[str] = "M804"
    title: ClassVar[str] = "`{path}` is damaged: {reason}"
    label: ClassVar[str] = "not a whole safetensors file"

    path: str
    reason: str

    def help(self) -> tuple[str, ...]:
        return ("fetch the file again, and compare its size and digest with the source's",)


@dataclass(frozen=True)
class IncompleteModel(Diagnostic):
    """A model folder lacks a part that a model of its family needs.

        let base = checkpoint("./half-copied-folder")

    Mend it by copying the part that the message names, or by fetching the folder again.
    """

    code: ClassVar[str] = "M805"
    title: ClassVar[str] = "`{path}` lacks {missing}"
    label: ClassVar[str] = "this model is incomplete"

    path: str
    missing: str

    def help(self) -> tuple[str, ...]:
        return (f"add {self.missing}, or fetch the folder again",)


@dataclass(frozen=True)
class UnknownArchitecture(Diagnostic):
    """A safetensors file is whole, but its tensors are of no kind of expert that mosaic knows.

        let base = checkpoint("./language-model.safetensors")

    What a file is, is read from the names and shapes of its tensors. The message shows some of them.
    """

    code: ClassVar[str] = "M806"
    title: ClassVar[str] = "`{path}` is no expert of a known kind"
    label: ClassVar[str] = "its tensors are not recognised"

    path: str
    names: tuple[str, ...] = ()

    def help(self) -> tuple[str, ...]:
        if not self.names:
            return ("the file holds no tensors",)
        return ("its first tensors are " + ", ".join(f"`{name}`" for name in self.names),)


@dataclass(frozen=True)
class Unreadable(Diagnostic):
    """A file exists but cannot be read.

        use "./house.mosaic"        # M807, where the file may not be read

    The operating system refused: the message gives its words. Mend it by the file's permissions.
    """

    code: ClassVar[str] = "M807"
    title: ClassVar[str] = "`{path}` cannot be read: {reason}"
    label: ClassVar[str] = "not readable"

    path: str
    reason: str


@dataclass(frozen=True)
class OutsideProject(Diagnostic):
    """A plan names a fragment or picture that lies outside the project's folder.

        use "../../elsewhere/house.mosaic"

    A plan may be somebody else's; it must not reach for arbitrary files of the machine it is compiled on.
    Symbolic links are followed before the rule is applied. Mend it by copying the file into the project.
    Models are exempt: they may lie wherever the plan says.
    """

    code: ClassVar[str] = "M808"
    title: ClassVar[str] = "`{path}` lies outside the project"
    label: ClassVar[str] = "leads out of the project's folder"

    path: str

    def help(self) -> tuple[str, ...]:
        return ("copy the file into the project's folder",)


@dataclass(frozen=True)
class NotText(Diagnostic):
    """A plan or fragment is not UTF-8 text.

        use "./picture.mosaic"

    Mend it by saving the file as UTF-8.
    """

    code: ClassVar[str] = "M809"
    title: ClassVar[str] = "`{path}` is not UTF-8 text"
    label: ClassVar[str] = "not text"

    path: str

    def help(self) -> tuple[str, ...]:
        return ("save the file as UTF-8",)


@dataclass(frozen=True)
class FileTooLarge(Diagnostic):
    """A file is larger than anything of its kind should be, and is not read.

        load_image("./holiday.png")  # M810, where the picture is far too large

    The limits keep a mistake (a video given as a picture, a model as a plan) from filling the memory.
    """

    code: ClassVar[str] = "M810"
    title: ClassVar[str] = "`{path}` is too large: {size} MB, at most {limit} MB are read"
    label: ClassVar[str] = "too large"

    path: str
    size: int
    limit: int


@dataclass(frozen=True)
class NotAPicture(Diagnostic):
    """A file that a plan loads as a picture is neither PNG nor JPEG.

        let photo = load_image("./photo.webp")

    What a file is, is read from its first bytes, not from its name. Mend it by converting the picture to PNG.
    """

    code: ClassVar[str] = "M811"
    title: ClassVar[str] = "`{path}` is neither a PNG nor a JPEG picture"
    label: ClassVar[str] = "not a picture that can be loaded"

    path: str
    found: str = ""

    def help(self) -> tuple[str, ...]:
        known = f"its first bytes are those of a {self.found} file; " if self.found else ""
        return (f"{known}convert it to PNG",)


@dataclass(frozen=True)
class BrokenConfig(Diagnostic):
    """A configuration file of a model folder cannot be understood.

        let base = checkpoint("./edited-by-hand")

    Mend it by fetching the file again.
    """

    code: ClassVar[str] = "M812"
    title: ClassVar[str] = "`{path}` is not a valid configuration: {reason}"
    label: ClassVar[str] = "this model's configuration is broken"

    path: str
    reason: str

    def help(self) -> tuple[str, ...]:
        return ("fetch the file again",)


@dataclass(frozen=True)
class UnsupportedAdapter(Diagnostic):
    """An adapter encodes its changes in a way that mosaic cannot apply.

        let style = lora("./style-oft.safetensors")

    LoRA, DoRA, LoHa, LoKr and full differences are applied. OFT, IA3 and GLoRA share their file names and some
    of their tensor names, but applying them as if they were LoRA would give a wrong picture, so they are refused.
    Mend it by a LoRA version of the adapter.
    """

    code: ClassVar[str] = "M813"
    title: ClassVar[str] = "`{path}` is encoded as {algorithm}, which is not supported"
    label: ClassVar[str] = "{algorithm}"

    path: str
    algorithm: str

    def help(self) -> tuple[str, ...]:
        return (
            "LoRA, DoRA, LoHa, LoKr and full differences are applied: use such a version of the adapter, "
            "or convert it with its trainer's tools",
        )


@dataclass(frozen=True)
class UnsupportedVariant(Diagnostic):
    """A model belongs to a known family, but to a variety of it that needs inputs that plans do not have yet.

        let base = checkpoint("./inpainting.safetensors")

    Inpainting and editing variants read additional channels beside the latent. Mend it by the family's plain
    text-to-image model.
    """

    code: ClassVar[str] = "M814"
    title: ClassVar[str] = "`{path}` reads {channels} channels where its latents have {latent}"
    label: ClassVar[str] = "an inpainting or editing variant"

    path: str
    channels: int
    latent: int

    def help(self) -> tuple[str, ...]:
        return ("use the family's plain text-to-image model",)
