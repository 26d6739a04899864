"""The verbs of the language and their signatures, as data.

`mosaic explain VERB` prints what stands here; the checker binds arguments by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mosaic.compiler.types import Kind


@dataclass(frozen=True)
class Parameter:
    """A parameter of a verb. `low` and `high` bound a number (both inclusive unless `low_open`). Where it is `ranged`,
    a plan may leave the number to the compiler: `12..30`."""

    name: str
    kinds: tuple[Kind, ...]
    doc: str
    required: bool = False
    positional: bool = False
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    shown: str = ""  # what stands in the manual for its kind, where that is none of the language's
    ranged: bool = False


@dataclass(frozen=True)
class Verb:
    """A verb. `variadic` names the kinds of further positional arguments."""

    name: str
    parameters: tuple[Parameter, ...]
    result: Kind
    doc: str
    example: str
    variadic: tuple[Kind, ...] = ()
    available: bool = True
    shown: str = ""  # what stands in the manual for its result, where arguments decide it

    def parameter(self, name: str) -> Parameter | None:
        """A parameter by name."""
        return next((p for p in self.parameters if p.name == name), None)


MOST_STEPS = 1000
"""Schedulers are trained on 1000 time steps; there are no more to visit."""
LARGEST_SEED = 2**53 - 1
"""The largest integer that canonical JSON (RFC 8785) carries exactly."""
LARGEST_SIDE = 8192
SMALLEST_TILE = 8
"""Multiples of a model's smallest size along a tile's side: of fewer, next to nothing would be left beside the quarter
that neighbours share."""


def _model(required: bool = True) -> Parameter:
    return Parameter("model", (Kind.MODEL,), "The model that denoises.", required, positional=True)


def _prompt(required: bool) -> Parameter:
    inherited = "" if required else " Left out: the prompt that the latent was made with."
    several = " A list holds several, each with its strength, region and window."
    return Parameter(
        "prompt",
        (Kind.TEXT, Kind.PROMPTS),
        "What the picture shows; `{name}` inserts." + several + inherited,
        required,
        shown="text | [text, …]",
    )


_NEGATIVE = Parameter("negative", (Kind.TEXT,), "What to steer away from; empty unless given.")
_RANGED = "int | int..int"
_STEPS = Parameter(
    "steps",
    (Kind.INT,),
    "Denoising steps; of a range the most that the budget allows.",
    low=1,
    high=MOST_STEPS,
    shown=_RANGED,
    ranged=True,
)
_GUIDANCE = Parameter(
    "guidance",
    (Kind.NUMBER,),
    "Classifier-free guidance scale; 1 is none (Ho & Salimans 2022).",
    low=0,
    high=100,
)
_SEED = Parameter("seed", (Kind.INT,), "Seed of the noise; 0 unless given.", low=0, high=LARGEST_SEED)
_SCHEDULER = Parameter("scheduler", (Kind.TEXT,), "ddim, euler, euler_a, dpmpp_2m or unipc.")
_UNTIL = Parameter(
    "until", (Kind.FRACTION,), "Stop after this part of the run.", low=0, high=1, low_open=True
)
_TILE = Parameter(
    "tile",
    (Kind.SIZE,),
    "Work on pieces of this size, blended where they overlap: less memory, slightly other pixels. In one piece unless "
    "given.",
)
_FEATHER = Parameter(
    "feather",
    (Kind.FRACTION,),
    "Width of the soft edge, a fraction of the canvas' shorter side; none unless given.",
    low=0,
    high=0.5,
)


def _expert(kind: Kind, doc: str, example: str, *more: Parameter, available: bool = True) -> Verb:
    what = Parameter(
        "id", (Kind.TEXT,), "Catalog id, `sha256:…` or `./path`.", required=True, positional=True
    )
    return Verb(kind.value, (what, *more), kind, doc, example, available=available)


_TABLE = (
    _expert(Kind.CHECKPOINT, "A whole model: denoiser, text encoder, VAE.", 'checkpoint("zoo/base")'),
    _expert(
        Kind.LORA,
        "Low-rank deltas to a model's weights (Hu et al. 2021).",
        'lora("zoo/neon")',
        Parameter(
            "partial", (Kind.FLAG,), "Load what fits the base and leave the rest out; false unless given."
        ),
    ),
    _expert(
        Kind.EMBEDDING, "A learned token, by textual inversion (Gal et al. 2022).", 'embedding("zoo/samurai")'
    ),
    _expert(Kind.CONTROL, "A ControlNet.", 'control("./canny.safetensors")', available=False),
    _expert(Kind.VAE, "An image codec that replaces a model's own.", 'vae("./vae.safetensors")'),
    Verb(
        "find",
        (
            Parameter(
                "kind",
                (),
                "What to look for, as a bare word: checkpoint, lora, embedding or vae.",
                required=True,
                positional=True,
                shown="kind",
            ),
            Parameter("words", (Kind.TEXT,), "What it should be able to do.", required=True, positional=True),
        ),
        Kind.LORA,
        "The catalog's best match for some words.\n"
        "It is chosen by words and triggers, weighed by what was measured, among the experts that fit the base it is\n"
        "fused into and that the policy allows. `mosaic plan` says why; a lock holds the choice.",
        'find(lora, "soft watercolour")',
        shown="an expert of that kind",
    ),
    Verb(
        "fuse",
        (
            Parameter("base", (Kind.MODEL,), "The model to build on.", required=True, positional=True),
            Parameter("via", (), "The operator; chosen by the compiler unless given.", shown="operator"),
        ),
        Kind.MODEL,
        "Compose a base with experts and other models. Strengths are written `expert * 0.8`, 1 unless given; regions\n"
        "`expert in rect(0%, 0%, 50%, 100%)`; windows of the run `expert during 0%..50%`.",
        "fuse(base, hero, neon * 0.8, wash * 0.4, via: sum)",
        variadic=(Kind.LORA, Kind.EMBEDDING, Kind.CHECKPOINT, Kind.MODEL, Kind.VAE, Kind.CONTROL),
    ),
    Verb(
        "sample",
        (
            _model(),
            _prompt(required=True),
            _NEGATIVE,
            _STEPS,
            _GUIDANCE,
            Parameter(
                "size", (Kind.SIZE,), "Width x height in pixels; the model's native size unless given."
            ),
            _SEED,
            _SCHEDULER,
            _UNTIL,
        ),
        Kind.LATENT,
        "Denoise from pure noise, wholly or until a part of the run.",
        'sample(look, prompt: "a red cat", steps: 20, guidance: 3, size: 64x64, seed: 7)',
    ),
    Verb(
        "resume",
        (
            _model(),
            Parameter(
                "latent", (Kind.LATENT,), "A latent that stands part-way.", required=True, positional=True
            ),
            _prompt(required=False),
            _NEGATIVE,
            _GUIDANCE,
            Parameter(
                "steps",
                (Kind.INT,),
                "Take at most this many of the steps left; all unless given.",
                low=1,
                high=MOST_STEPS,
                shown=_RANGED,
                ranged=True,
            ),
            _UNTIL,
        ),
        Kind.LATENT,
        "Go on from exactly where a latent stands, perhaps with another model. Scheduler, step and generator "
        "state come with the latent.",
        "resume(photo, draft)",
    ),
    Verb(
        "refine",
        (
            _model(),
            Parameter(
                "source",
                (Kind.IMAGE, Kind.LATENT),
                "A picture or a finished latent.",
                required=True,
                positional=True,
            ),
            Parameter(
                "strength",
                (Kind.FRACTION,),
                "How far to re-noise; 0.6 unless given.",
                low=0,
                high=1,
                low_open=True,
            ),
            _prompt(required=False),
            _NEGATIVE,
            _STEPS,
            _GUIDANCE,
            _SEED,
            _SCHEDULER,
        ),
        Kind.LATENT,
        "Re-noise a picture or latent to a strength and denoise it (SDEdit, Meng et al. 2021).",
        'refine(look, load_image("in.png"), strength: 0.5, prompt: "a red cat")',
    ),
    Verb(
        "align",
        (
            Parameter("latent", (Kind.LATENT,), "The latent to carry over.", required=True, positional=True),
            Parameter("to", (Kind.MODEL,), "A model of the wanted space.", required=True),
            Parameter(
                "by",
                (Kind.TEXT,),
                "A bridge: catalog id, `sha256:…` or `./path`; the best registered one unless given.",
            ),
        ),
        Kind.LATENT,
        "Carry a latent into the latent space of another model.\n"
        "By a bridge, or, where none is registered, through the picture: decoded and encoded again, which a warning\n"
        "says. A latent that stands part-way stays so: what is carried is the picture that it is becoming, and noise\n"
        "brings it back to the level at which the run stands. `mosaic bridge fit` makes bridges.",
        "align(draft, to: photo)",
    ),
    Verb(
        "decode",
        (
            Parameter("latent", (Kind.LATENT,), "A finished latent.", required=True, positional=True),
            _TILE,
        ),
        Kind.IMAGE,
        "Latent to picture, by the VAE of the model that made it. Implicit where an emit needs it.",
        "decode(latent)",
    ),
    Verb(
        "encode",
        (
            Parameter("image", (Kind.IMAGE,), "A picture.", required=True, positional=True),
            Parameter("with", (Kind.MODEL,), "The model whose VAE encodes.", required=True),
            _TILE,
        ),
        Kind.LATENT,
        "Picture to latent.",
        'encode(load_image("in.png"), with: base)',
    ),
    Verb(
        "load_image",
        (Parameter("path", (Kind.TEXT,), "A PNG or JPEG beside the plan.", required=True, positional=True),),
        Kind.IMAGE,
        "A picture from a file.",
        'load_image("in.png")',
    ),
    Verb(
        "rect",
        (
            *(
                Parameter(name, (Kind.FRACTION,), doc, True, True, low=0, high=1, low_open=is_open)
                for name, doc, is_open in (
                    ("x", "Left edge.", False),
                    ("y", "Upper edge.", False),
                    ("width", "Width.", True),
                    ("height", "Height.", True),
                )
            ),
            _FEATHER,
        ),
        Kind.MASK,
        "A rectangle, as fractions of the canvas. Stands behind `in`.",
        "rect(0%, 0%, 50%, 100%, feather: 5%)",
    ),
    Verb(
        "mask",
        (
            Parameter(
                "path", (Kind.TEXT,), "A grey picture beside the plan.", required=True, positional=True
            ),
            _FEATHER,
        ),
        Kind.MASK,
        "A region from a picture, white where it counts. It is stretched to the canvas. Stands behind `in`.",
        'mask("left.png", feather: 5%)',
    ),
)

VERBS: Mapping[str, Verb] = {verb.name: verb for verb in _TABLE}

SCHEDULERS = ("ddim", "euler", "euler_a", "dpmpp_2m", "unipc")

BUDGET_KEYS: Mapping[str, Kind] = {
    "latency": Kind.DURATION,
    "cold_latency": Kind.DURATION,
    "memory": Kind.MEMORY,
    "quality": Kind.FRACTION,
}
POLICY_KEYS: Mapping[str, tuple[str, ...] | Kind] = {
    "use": ("personal", "commercial"),
    "action": ("generate", "serve", "redistribute"),
    "revenue": Kind.NUMBER,
    "rating": ("general", "mature", "any"),
    "credit": Kind.FLAG,
    "territory": Kind.TEXT,
    "unknown": ("deny", "warn"),
}
