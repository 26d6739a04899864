"""The closed result of compiling: what to run, on which bytes, in which order.

A program names every file by digest, holds every parameter resolved and lists its instructions in the order in
which they run, each with the values that may be freed after it. It needs neither the plan, nor a catalog, nor
the compiler to run. Its digest covers what determines the outputs and nothing else: not where files lie, not
the plan's text, not its spelling.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

FORMAT: Literal[1] = 1
"""The version of the JSON form. A change that older readers would misread raises it."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class File(_Frozen):
    """A file by content. `location` is where the bytes were seen last; it is outside the digest."""

    role: str
    name: str
    sha256: str
    size: int
    location: str


class Expert(_Frozen):
    """An expert by content."""

    id: str
    kind: Literal["checkpoint", "lora", "embedding", "control", "vae", "bridge"]
    family: str | None
    latent_space: str | None
    prediction: str | None
    trigger: str | None
    license: str | None
    title: str
    files: tuple[File, ...]


class Rectangle(_Frozen):
    """A rectangle in fractions of the canvas. `feather` is the width of its soft edge, a fraction of the shorter
    side."""

    shape: Literal["rect"] = "rect"
    x: float
    y: float
    width: float
    height: float
    feather: float = 0.0


class Mask(_Frozen):
    """A grey picture, white where it counts. `file` indexes `Program.images`; `feather` as of a rectangle."""

    shape: Literal["mask"] = "mask"
    file: int
    feather: float = 0.0


Region = Annotated[Rectangle | Mask, Field(discriminator="shape")]


class _Sparse(_Frozen):
    """Written without what is not said, so that a digest does not change when a field is added."""

    @model_serializer(mode="wrap")
    def _only_what_is_said(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = whole(self)
        for name, field in type(self).model_fields.items():
            if name != "op" and not field.is_required() and getattr(self, name) == field.default:
                written.pop(name, None)
        return written


class Operand(_Sparse):
    """An expert or a fused model in a fusion. `expert` indexes `Program.experts`, `model` is another value; it has one
    of the two.

    `window` is a part of the whole denoising run, from one fraction to another; None is all of it. `region` None is the
    whole canvas. `words` are those of the prompt that call the expert, where the operator weighs experts by them.
    """

    strength: float
    expert: int | None = None
    model: int | None = None
    partial: bool = False  # load what fits
    window: tuple[float, float] | None = None
    region: Region | None = None
    words: str = ""


class BridgeUse(_Frozen):
    """Which expert carries latents from one space into another."""

    source: str
    target: str
    expert: int


class LoadModel(_Frozen):
    """-> model. Load a checkpoint."""

    op: Literal["load_model"] = "load_model"
    expert: int


class Fuse(_Sparse):
    """(model, operands' models) -> model. What the operands change, by the operator; embeddings add tokens; a VAE
    replaces the model's own (both at strength 1). `bridges` are those that a schedule over several latent spaces goes
    through.
    """

    op: Literal["fuse"] = "fuse"
    model: int
    operator: str
    operator_version: int
    settings: dict[str, Any]
    operands: tuple[Operand, ...]
    bridges: tuple[BridgeUse, ...] = ()


class EncodeText(_Frozen):
    """(model) -> conditioning."""

    op: Literal["encode_text"] = "encode_text"
    model: int
    text: str


class PromptPart(_Sparse):
    """One of several prompts. `conditioning` is a value; `weight`, `window` and `region` say where and when it
    counts."""

    conditioning: int
    weight: float = 1.0
    window: tuple[float, float] | None = None
    region: Region | None = None


class CombinePrompts(_Frozen):
    """(conditionings) -> conditioning. Several prompts in one picture: each counts in its region and window, what has
    no region counts wherever the others leave room.
    """

    op: Literal["combine_prompts"] = "combine_prompts"
    parts: tuple[PromptPart, ...]


class Denoise(_Frozen):
    """(model, conditioning, conditioning) -> latent. From noise, wholly or until a fraction of the steps."""

    op: Literal["denoise"] = "denoise"
    model: int
    positive: int
    negative: int
    steps: int
    guidance: float
    width: int
    height: int
    seed: int
    scheduler: str
    until: float = 1.0


class Resume(_Frozen):
    """(model, latent, conditioning, conditioning) -> latent. Go on where the latent stands.

    `until` is a fraction of the whole run; `steps` caps how many of the remaining steps are taken (None: all).
    """

    op: Literal["resume"] = "resume"
    model: int
    latent: int
    positive: int
    negative: int
    guidance: float
    steps: int | None = None
    until: float = 1.0


class Refine(_Frozen):
    """(model, latent, conditioning, conditioning) -> latent. Re-noise to `strength` and denoise (img2img)."""

    op: Literal["refine"] = "refine"
    model: int
    latent: int
    positive: int
    negative: int
    strength: float
    steps: int
    guidance: float
    seed: int
    scheduler: str


class Align(_Sparse):
    """(latent, model, model) -> latent. Carry a latent of `source` into the latent space of `model`.

    By a bridge (`bridge` indexes `Program.experts`), or, without one, decoded by the source's VAE and encoded by the
    target's. A latent that stands part-way is carried as its predicted clean latent and re-noised to where it stood, by
    noise from its own generator.
    """

    latent: int
    source: int
    model: int
    op: Literal["align"] = "align"
    bridge: int | None = None


class Decode(_Sparse):
    """(latent, model) -> image, by the model's VAE. `tile` is the size (width, height) of overlapping pieces that are
    decoded one by one and blended; None is the whole at once.
    """

    op: Literal["decode"] = "decode"
    latent: int
    model: int
    tile: tuple[int, int] | None = None


class EncodeImage(_Sparse):
    """(image, model) -> latent, by the model's VAE. `tile` as of `Decode`."""

    op: Literal["encode_image"] = "encode_image"
    image: int
    model: int
    tile: tuple[int, int] | None = None


class LoadImage(_Frozen):
    """-> image. `file` indexes `Program.images`."""

    op: Literal["load_image"] = "load_image"
    file: int


class Emit(_Frozen):
    """(image, latent or model) -> a file. `path` is relative to the output folder."""

    op: Literal["emit"] = "emit"
    value: int
    path: str
    type: Literal["image", "latent", "model"]


Operation = Annotated[
    LoadModel
    | Fuse
    | EncodeText
    | CombinePrompts
    | Denoise
    | Resume
    | Refine
    | Align
    | Decode
    | EncodeImage
    | LoadImage
    | Emit,
    Field(discriminator="op"),
]


class Instruction(_Frozen):
    """One operation. Its result is value number `result`; `frees` are the values that nothing later uses."""

    result: int
    operation: Operation
    frees: tuple[int, ...] = ()


class Source(_Frozen):
    """The plan's text, kept so that a picture can give its plan back. Outside the digest."""

    name: str
    plan: str
    text: str
    parameters: dict[str, Any]
    libraries: dict[str, str] = {}  # imported files by name


class Duty(_Frozen):
    """What the licence of one expert says of this plan. `expert` indexes `Program.experts`.

    `verdict` is empty where the plan has no policy, else allowed, undeclared, contested or unknown, with the
    `reasons`. `credit` is the line to show (empty: none is owed), `notices` are texts to show, `restrictions` uses to
    forbid to whoever gets a copy of an emitted model, `share_alike` licences that a merge has to be under, `clauses`
    are for a person to judge. `evidence` is where the licence was told: header, metadata, card, declared or shipped.
    """

    expert: int
    licences: tuple[str, ...] = ()
    evidence: str = ""
    verdict: Literal["", "allowed", "undeclared", "contested", "unknown", "denied"] = ""
    reasons: tuple[str, ...] = ()
    credit: str = ""
    notices: tuple[str, ...] = ()
    restrictions: tuple[str, ...] = ()
    share_alike: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()


class Rights(_Frozen):
    """What a plan may do and what it owes for it. `policy` is None where the plan has none; `rating` where it is not
    known.
    """

    policy: dict[str, Any] | None = None
    rating: str | None = None
    duties: tuple[Duty, ...] = ()


class Program(_Frozen):
    """A compiled plan. `rights` are for people and outside the digest.

    >>> program = mosaic.compile(PLAN).programs[0]
    >>> [each.operation.op for each in program.instructions]
    ['load_model', 'encode_text', 'encode_text', 'denoise', 'decode', 'emit']
    >>> mosaic.Program.from_json(program.to_json()) == program
    True
    """

    mosaic_program: Literal[1] = FORMAT
    experts: tuple[Expert, ...]
    images: tuple[File, ...]
    instructions: tuple[Instruction, ...]
    source: Source
    rights: Rights = Rights()

    def to_json(self) -> bytes:
        """The canonical JSON form (RFC 8785), with a final line end."""
        return rfc8785.dumps(self.model_dump(mode="json")) + b"\n"

    @classmethod
    def from_json(cls, data: bytes | str) -> Program:
        """Read the JSON form. Raises pydantic.ValidationError."""
        return cls.model_validate_json(data)

    @property
    def digest(self) -> str:
        """`sha256:` + 64 hex digits over what determines the outputs."""
        content = self.model_dump(mode="json", exclude={"source", "rights"})
        for holder in (content, *content["experts"]):
            for file in holder.get("images") or holder.get("files") or ():
                del file["location"]
        for expert in content["experts"]:
            # Names and notices do not change a pixel; bytes do.
            for key in ("id", "trigger", "license", "title"):
                del expert[key]
        return "sha256:" + hashlib.sha256(rfc8785.dumps(content)).hexdigest()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str | bytes]:
        """How a notebook shows it."""
        from mosaic.compiler.reporting.notebook import of_program

        return of_program(self)
