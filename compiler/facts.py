"""What is known of experts and files without reading a weight: the values that the catalog gives the compiler.

Every field beyond an expert's identity is optional: None, zero or empty means that nobody knows, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mosaic.compiler.types import Kind

RATINGS = ("general", "mature", "explicit")
"""From the mildest to the strictest."""

CATEGORIES = ("character", "clothes", "style", "background", "object")
"""What an expert is for, in the categories of ComposLoRA (Zhong et al. 2024, arXiv:2402.16843)."""


@dataclass(frozen=True)
class FileFact:
    """One file of an expert or an input picture.

    `location` says where to look for the bytes and is no part of any digest: `package:` + a path inside the
    installed `mosaic` package, or a path as the operating system takes it. Empty where the bytes are not at
    hand (an expert of a snapshot).
    """

    role: str  # unet, text_encoder, tokenizer, vae, scheduler, config, adapter, embedding, checkpoint, image
    sha256: str
    size: int
    location: str
    name: str = ""  # the path inside the expert, "unet/diffusion_pytorch_model.safetensors"
    pixels: tuple[int, int] | None = None  # width and height of a picture
    tensors_sha256: str = ""  # over names, dtypes, shapes and bytes of the tensors; metadata left out
    blake3: str = ""
    autov3: str = ""  # SHA-256 of the bytes after the header, 64 hex digits; a hub shows the first 12


@dataclass(frozen=True)
class AdapterFacts:
    """How an adapter encodes its deltas and what it touches, told by its tensors.

    `ranks` are the smallest and the largest rank of a module; `scales` the smallest and largest effective scale
    (alpha / rank, or alpha / sqrt(rank) where rank-stabilised), None where alphas are not at hand. `parts` are
    components of a base ("unet", "text_encoder", "text_encoder_2", "transformer"), `blocks` stages of the
    denoiser ("down", "mid", "up", "double", "single", "joint"), `attention` is of "self" and "cross".
    """

    algorithm: str = "lora"  # lora, dora, loha, lokr, oft, ia3, glora, full
    ranks: tuple[int, int] | None = None
    scales: tuple[float, float] | None = None
    parts: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    attention: tuple[str, ...] = ()
    modules: int = 0

    @property
    def text_encoder(self) -> bool:
        """Whether a text encoder is changed, so that a prompt's encoding depends on the adapter."""
        return any(part.startswith("text_encoder") for part in self.parts)


@dataclass(frozen=True)
class Permissions:
    """What a creator allows beside the licence, as hubs record it. None: not said.

    `commercial` lists what may be sold: of "image" (pictures), "rentcivit", "rent" (generation as a service),
    "sell" (the model itself).
    """

    commercial: tuple[str, ...] | None = None
    derivatives: bool | None = None
    no_credit: bool | None = None
    different_license: bool | None = None


@dataclass(frozen=True)
class BridgeFacts:
    """Where a bridge between latent spaces leads, how it maps and how well.

    `r2` is the share of the target latents' variance that it explains on pictures that it was not fitted on,
    `round_trip` the same of the source latents after the way there and back by the reverse bridge, `psnr` the peak
    signal-to-noise ratio in dB of pictures decoded from carried latents against those decoded from encoded ones.
    """

    source: str  # the latent space that it leads out of
    target: str  # the latent space that it leads into
    form: str = "linear"  # one convolution, or "conv": a small convolutional network
    r2: float | None = None
    round_trip: float | None = None
    psnr: float | None = None


@dataclass(frozen=True)
class ExpertFacts:
    """What is known of an expert without reading its weights."""

    id: str
    kind: Kind
    family: str | None
    space: str | None
    prediction: str | None
    files: tuple[FileFact, ...]
    trigger: str | None = None  # the words that a prompt's `{name}` inserts; an embedding's token
    title: str = ""
    license: str | None = None  # an SPDX expression, with LicenseRef-… for what SPDX does not list
    native_size: tuple[int, int] | None = None
    size_multiple: int = 8  # width and height must be multiples of this many pixels
    lacks: tuple[str, ...] = ()  # what a checkpoint needs to make pictures and does not have, in words
    defaults: Mapping[str, object] = field(
        default_factory=dict, hash=False
    )  # steps, guidance, scheduler, size
    triggers: tuple[str, ...] = ()  # every word known to call the expert, the usual one first
    adapter: AdapterFacts | None = None
    vectors: int = 0  # how many vectors an embedding's token stands for
    variant: str | None = None  # "inpaint" or "edit": a denoiser that reads more than its latents
    clip_skip: int | None = (
        None  # trained on this layer of the text encoder from the end: 1 the last, 2 the one before
    )
    strengths: tuple[float, float] | None = None  # the range that it is known to work in
    excludes: tuple[str, ...] = ()  # ids of experts that it does not go with
    rating: str | None = None  # one of RATINGS
    category: str = ""  # one of CATEGORIES
    last: bool = False  # a safety expert: nothing may be fused after it
    trained_on: str = ""  # sha256 of the base that it was trained on, as its metadata says
    lineage: str = (
        ""  # training family inside an architecture ("pony", "illustrious"), as metadata or card says
    )
    permissions: Permissions | None = None
    license_evidence: str = ""  # header, metadata, card, declared or shipped
    parameters: int = 0  # numbers in its tensors
    dtype: str = ""  # of most of them, as safetensors spells it: F32, F16, BF16, F8_E4M3
    bridge: BridgeFacts | None = None  # of a bridge: its `space` is the one that it leads into
    integrity: str = ""  # "": as catalogued; "changed", "missing" or "unhashed": not to be relied on


@dataclass(frozen=True)
class Coverage:
    """How an adapter's or checkpoint's tensors meet a base's, by names and shapes alone."""

    matched: int
    total: int
    unmatched: tuple[str, ...] = ()  # names with no counterpart in the base
    misshaped: tuple[str, ...] = ()  # "name: 64 here, 768 there"
    excessive: tuple[str, ...] = ()  # "name: rank 128, the matrix has at most 64"

    @property
    def complete(self) -> bool:
        """Whether every tensor found its place."""
        return self.matched == self.total and not self.misshaped


@dataclass(frozen=True)
class TokenCount:
    """How many tokens a prompt takes, and how many the encoder can (both without begin and end marks).

    `kept` is the length of the leading part of the text that fits, in characters, `merges` how many pairs the
    tokenizer's vocabulary joins: a few hundred for a model that knows a few hundred words, 48,894 for CLIP's.
    """

    used: int
    limit: int
    kept: int
    merges: int = 0


@dataclass(frozen=True)
class Interference:
    """How the deltas of two adapters meet, by Gram traces of their factors; no delta is materialised.

    Over the modules that both change, at strength one: `cosine` is the Frobenius inner product over the product
    of the norms, in -1..1; `overlap` the share of the smaller row and column spaces that both use, in 0..1, and
    `chance` what two unrelated adapters of these ranks and sizes would share (0 where that is not known); `conflict`
    the share of the shared modules, by joint energy, where the inner product is negative. `layers` are the modules
    that weigh most, worst first, with the cosine of each.
    """

    cosine: float
    overlap: float
    conflict: float
    shared: int  # modules that both change
    layers: tuple[tuple[str, float], ...] = ()
    chance: float = 0.0


@dataclass(frozen=True)
class Candidate:
    """An expert that answers `find`, with what speaks for it.

    `score` is what candidates are ranked by: `relevance` (lexical, 0..1) times what was measured (the lower end of
    the 95 % interval of the share of pictures that were right, named `measure`), or a prior where nothing was.
    """

    expert: ExpertFacts
    score: float
    relevance: float
    measured: float | None = None
    measure: str = ""
    words: tuple[str, ...] = ()  # those of the request that it answers to
