"""Messages about experts that are read into the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix, Severity


@dataclass(frozen=True)
class MetadataDisagrees(Diagnostic):
    """A file's embedded metadata, or a person, says one thing of it and its tensors show another.

    For example, a LoRA whose metadata holds

        ss_base_model_version: sd_v1        # M820, where its tensors are made for SDXL

    Metadata is text that trainers, converters and people edit; what tensors show decides whether the file works. The
    catalog keeps the tensors' side, and the metadata's as a claim. Nothing has to be mended; where the file is one's
    own, correcting its metadata spares others the doubt.
    """

    code: ClassVar[str] = "M820"
    title: ClassVar[str] = "`{path}`: its metadata says {what} {said}, its tensors show {shown}"
    label: ClassVar[str] = "the tensors decide"
    severity: ClassVar[Severity] = Severity.WARNING

    path: str
    what: str  # "family", "rank", "alpha", "prediction", "algorithm"
    said: str
    shown: str
    source: str  # the metadata's key, or the place where a person states it
    stated: bool = False  # by a person

    def message(self) -> str:
        if self.stated:
            what = f"{self.what} {self.said} is stated ({self.source})"
            return f"`{self.path}`: {what}, its tensors show {self.shown}"
        return f"`{self.path}`: its metadata says {self.what} {self.said}, its tensors show {self.shown}"

    def help(self) -> tuple[str, ...]:
        if self.stated:
            return ("the catalog keeps what the tensors show: is it the file that was meant?",)
        return (f"the catalog keeps what the tensors show; `{self.source}` stays as a claim",)


@dataclass(frozen=True)
class ForeignHash(Diagnostic):
    """A file's metadata holds the digest of other tensors than its own.

    For example, a LoRA whose metadata holds

        modelspec.hash_sha256: 0x1f3c…      # M821, where its tensors have another digest

    Some trainers write one and the same digest into every file; a merged or edited file keeps that of its origin; or
    bytes were lost. Embedded digests are never used as an identity. Where the file came from a place that states its
    digest, compare the two.
    """

    code: ClassVar[str] = "M821"
    title: ClassVar[str] = "`{path}`: the digest in its metadata is not that of its tensors"
    label: ClassVar[str] = "embedded digests are not relied on"
    severity: ClassVar[Severity] = Severity.WARNING

    path: str
    said: str
    actual: str

    def help(self) -> tuple[str, ...]:
        return (f"its tensors have {self.actual[:12]}, its metadata says {self.said[:12]}",)


@dataclass(frozen=True)
class BrokenSidecar(Diagnostic):
    """A sidecar, the file in which a person states facts of an expert, is not TOML.

    For example, `neon.expert.toml` beside `neon.safetensors` that holds

        license = Apache-2.0                # M822: texts stand in quotes

    The expert is not added, because what the file was meant to state may forbid its use. Mend the line that the
    message names.
    """

    code: ClassVar[str] = "M822"
    title: ClassVar[str] = "`{path}` is not valid TOML: {reason}"
    label: ClassVar[str] = "not understood"

    path: str
    reason: str

    def help(self) -> tuple[str, ...]:
        return ('a sidecar holds lines such as: license = "Apache-2.0"',)


@dataclass(frozen=True)
class UnknownStatement(Diagnostic):
    """A sidecar states something that mosaic has no word for.

    For example, `neon.expert.toml` that holds

        licence = "Apache-2.0"              # M823: the key is called `license`

    The expert is not added, because a misspelt licence or rating would be lost without a trace. Mend it by the
    suggested key. The keys are `id`, `title`, `description`, `author`, `trigger`, `license`, `rating`, `category`,
    `strengths`, `excludes`, `last`, `tags`, `family`, `prediction` and `clip_skip`.
    """

    code: ClassVar[str] = "M823"
    title: ClassVar[str] = "`{path}` states `{key}`, which is no fact of an expert"
    label: ClassVar[str] = "unknown key"

    path: str
    key: str
    near: tuple[str, ...] = ()

    def help(self) -> tuple[str, ...]:
        return ("did you mean " + " or ".join(f"`{name}`" for name in self.near) + "?",) if self.near else ()

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None or self.span.text != self.key or not self.near:
            return ()
        return (Fix(f"write `{self.near[0]}`", (Edit(self.span, self.near[0]),), safe=False),)


@dataclass(frozen=True)
class WrongStatement(Diagnostic):
    """A sidecar or an option states a fact of an expert with a value that it cannot have.

    For example, `neon.expert.toml` that holds

        strengths = "strong"                # M824: two numbers, the weakest and the strongest

    The expert is not added. Mend the value as the message says.
    """

    code: ClassVar[str] = "M824"
    title: ClassVar[str] = "`{path}`: `{key}` has to be {wanted}"
    label: ClassVar[str] = "no such value"

    path: str
    key: str
    wanted: str


@dataclass(frozen=True)
class UnknownFamily(Diagnostic):
    """The family of an adapter cannot be told from its tensors, and nothing else states it.

    For example, a slider that changes self-attention alone has the same tensors for Stable Diffusion 1 and 2. Nothing
    is guessed: the expert is catalogued without a family, and fits no base until a person states one. Write it into a
    sidecar file beside the expert, `NAME.expert.toml`:

        family = "sdxl"
    """

    code: ClassVar[str] = "M825"
    title: ClassVar[str] = "`{path}`: its tensors do not tell which family it is made for"
    label: ClassVar[str] = "family unknown"
    severity: ClassVar[Severity] = Severity.WARNING

    path: str

    def help(self) -> tuple[str, ...]:
        return ('state it in a sidecar file beside it: family = "sdxl"',)
