"""Experts by the hundred thousand, as the catalog keeps them: a seeded stream of records, no file behind them.

Signatures are shared, as they are in life: files of one trainer and rank have the same tensors. Everything else
(digests, words, licences, ratings) is an expert's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

from mosaic.bench.synthetic.adapters import ALGORITHMS, SPELLINGS, Made, Recipe, adapter
from mosaic.bench.synthetic.architectures import ARCHITECTURES, Architecture, Shape, tensors
from mosaic.bench.synthetic.words import (
    AUTHORS,
    BASE_LICENSES,
    LICENSES,
    QUALITIES,
    RATINGS,
    STYLES,
    SUBJECTS,
    draw,
)
from mosaic.catalog.record import Claim, Evidence, Record, Signature, StoredFile
from mosaic.compiler.facts import ExpertFacts, FileFact
from mosaic.compiler.types import Kind
from mosaic.stdlib import zoo

RANKS: Final = (16, 32, 8, 64, 4, 128)
_TOKENIZER: Final = ("models", "base", "tokenizer", "tokenizer.json")  # in the zoo
_ARCHITECTURES: Final = ("sdxl", "sd1", "flux", "sd3", "sd2", "sdxl-refiner")
_KINDS: Final = (Kind.LORA,) * 15 + (
    Kind.CHECKPOINT,
    Kind.CHECKPOINT,
    Kind.EMBEDDING,
    Kind.EMBEDDING,
    Kind.VAE,
)


@dataclass(frozen=True)
class Part:
    """One file of an expert to be: where it belongs and what tensors it has."""

    role: str
    name: str
    signature: Signature | None
    digest: str
    size: int
    text: str = ""


def experts(count: int, seed: int = 0, namespace: str = "hub") -> Iterator[Record]:
    """So many experts of every family and kind; the same seed gives the same ones."""
    random = Random(f"experts {seed}")
    for number in range(count):
        kind = random.choice(_KINDS)
        name = draw(random, _ARCHITECTURES)
        if kind is Kind.EMBEDDING and name in ("flux", "sdxl-refiner"):
            name = "sd1"
        yield expert(random, f"{namespace}/{seed}-{number}", kind, name)


def expert(
    random: Random, id: str, kind: Kind, name: str, recipe: Recipe | None = None, **facts: Any
) -> Record:
    """One expert over an architecture; `facts` override what would be drawn for it. `id` is completed by words
    where it ends in a number."""
    style, subject, quality = draw(random, STYLES), draw(random, SUBJECTS), draw(random, QUALITIES)
    if id[-1].isdigit():
        id = f"{id}-{style}-{subject}"
    recipe = recipe or _recipe(random, name)
    made = adapter(recipe) if kind is Kind.LORA else None
    parts = _parts(kind, name, made, 1 + recipe.rank % 7)
    drawn = _facts(random, id, kind, ARCHITECTURES[name], style, subject)
    drawn |= _shown(parts, made)
    drawn |= facts
    digest = drawn.pop("content", id)
    files = tuple(_file(digest, part) for part in parts)
    known = ExpertFacts(id=id, kind=kind, files=tuple(file.fact for file in files), **drawn)
    return Record(
        facts=known,
        files=files,
        claims=_claims(known),
        description=f"{quality} {subject} in {style} style, trained on {random.randint(12, 400)} pictures.",
        author=draw(random, AUTHORS),
        tags=tuple(dict.fromkeys((style, subject, quality, draw(random, STYLES)))),
        signatures={part.digest: part.signature for part in parts if part.signature is not None},
        texts={file.fact.sha256: part.text for file, part in zip(files, parts, strict=True) if part.text},
    )


def _recipe(random: Random, name: str) -> Recipe:
    transformer = ARCHITECTURES[name].denoiser == "transformer"
    algorithm = random.choices(ALGORITHMS, (40, 4, 3, 3))[0]
    spelling = "kohya" if algorithm in ("loha", "lokr") else random.choices(SPELLINGS, (6, 3, 1))[0]
    if transformer and algorithm == "lora":
        spelling = "peft"
    scope = random.choice(("attention", "linear") if transformer else ("attention", "linear", "cross"))
    return Recipe(
        name, algorithm, spelling, draw(random, RANKS), scope, random.random() < 0.4 and not transformer
    )


def _facts(
    random: Random, id: str, kind: Kind, architecture: Architecture, style: str, subject: str
) -> dict[str, Any]:
    number = id.rpartition("/")[2].partition("-")[2].partition("-")[0]
    trigger = None
    if kind is Kind.EMBEDDING:
        trigger = f"<{style}-{subject}-{number}>"
    elif kind is Kind.LORA and random.random() < 0.6:
        trigger = f"{style}{subject} style"
    low = random.choice((0.0, 0.2, 0.4))
    whole = kind is Kind.CHECKPOINT
    license = BASE_LICENSES[architecture.family] if whole else draw(random, LICENSES)
    return {
        "family": None if kind is Kind.VAE else architecture.family,
        "space": architecture.space if kind in (Kind.CHECKPOINT, Kind.VAE) else None,
        "prediction": architecture.prediction if whole else None,
        "variant": architecture.variant if whole else None,
        "native_size": (architecture.size, architecture.size) if whole else None,
        "trigger": trigger,
        "triggers": (trigger,) if trigger else (),
        "title": f"{style.title()} {subject} v{random.randint(1, 9)}",
        "license": license,
        "license_evidence": "card" if license else "",
        "rating": random.choice(RATINGS),
        "strengths": (low, random.choice((1.0, 1.2, 1.5)))
        if kind is Kind.LORA and random.random() < 0.5
        else None,
        "lineage": random.choice(("pony", "illustrious", "")) if architecture.family == "sdxl" else "",
        "dtype": "F16",
    }


def _shown(parts: tuple[Part, ...], made: Made | None) -> dict[str, Any]:
    """What the tensors show beside family and space."""
    if made is not None:
        return {"parameters": made.parameters, "adapter": made.facts}
    shown: dict[str, Any] = {"parameters": sum(part.size for part in parts if not part.text) // 2}
    if parts[0].role == "embedding" and parts[0].signature is not None:
        shown["vectors"] = max(shape[0] for _, _, shape in parts[0].signature.tensors)
    return shown


def _parts(kind: Kind, name: str, made: Made | None, vectors: int) -> tuple[Part, ...]:
    if made is not None:
        return (Part("adapter", "adapter.safetensors", made.signature, made.digest, 2 * made.parameters),)
    if kind is Kind.CHECKPOINT:
        return _checkpoint(name)
    if kind is Kind.VAE:
        return tuple(part for part in _checkpoint(name) if part.role == "vae" and not part.text)
    return (_embedding(name, vectors),)


@cache
def _embedding(name: str, vectors: int) -> Part:
    widths: Mapping[str, int] = {
        "sd1": {"emb_params": 768},
        "sd2": {"emb_params": 1024},
        "sdxl": {"clip_l": 768, "clip_g": 1280},
        "sd3": {"clip_l": 768, "clip_g": 1280, "t5xxl": 4096},
    }[ARCHITECTURES[name].family]
    signature = Signature(tuple(sorted((key, "F32", (vectors, width)) for key, width in widths.items())))
    return Part(
        "embedding", "embedding.safetensors", signature, signature.digest, 4 * vectors * sum(widths.values())
    )


@cache
def _checkpoint(name: str) -> tuple[Part, ...]:
    architecture = ARCHITECTURES[name]
    found = []
    for part in (*architecture.parts, "vae"):
        file = "diffusion_pytorch_model" if part in ("unet", "transformer", "vae") else "model"
        found.append(_weights(part, f"{part}/{file}.safetensors", tensors(name, part)))
    config = (
        f'{{"_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512], '
        f'"latent_channels": {architecture.latents}, "scaling_factor": {architecture.scaling}}}'
    )
    found.append(Part("vae", "vae/config.json", None, "", len(config), config))
    words = zoo.root().joinpath(*_TOKENIZER).read_text("utf-8")
    found.append(Part("tokenizer", "tokenizer/tokenizer.json", None, "", len(words.encode()), words))
    return tuple(found)


@cache
def _signature(found: tuple[tuple[str, Shape], ...]) -> Signature:
    return Signature(tuple((name, "F16", shape) for name, shape in sorted(found)))


def _weights(role: str, name: str, shapes: Mapping[str, Shape]) -> Part:
    signature = _signature(tuple(shapes.items()))
    numbers = 0
    for shape in shapes.values():
        count = 1
        for side in shape:
            count *= side
        numbers += count
    return Part(role, name, signature, signature.digest, 2 * numbers)


def _file(content: str, part: Part) -> StoredFile:
    # A text is known by its bytes, weights are those of this expert alone.
    given = part.text if part.text else f"{content} {part.name}"
    sha256 = hashlib.sha256(given.encode()).hexdigest()
    other = hashlib.sha256(f"tensors {given}".encode()).hexdigest()
    fact = FileFact(
        role=part.role,
        sha256=sha256,
        size=part.size,
        location="",
        name=part.name,
        tensors_sha256="" if part.text else other,
        autov3="" if part.text else other[::-1],
        blake3=sha256[::-1],
    )
    return StoredFile(fact, part.digest)


def _claims(facts: ExpertFacts) -> tuple[Claim, ...]:
    said = (
        ("family", facts.family, Evidence.HEADER, ""),
        ("license", facts.license, Evidence.CARD, "license"),
        ("rating", facts.rating, Evidence.CARD, "nsfwLevel"),
        ("trigger", facts.trigger, Evidence.METADATA, "modelspec.trigger_phrase"),
        ("strengths", facts.strengths and list(facts.strengths), Evidence.DECLARED, "expert.toml"),
    )
    return tuple(
        Claim(key, value, evidence, source) for key, value, evidence, source in said if value is not None
    )


def at(record: Record, path: Path) -> Record:
    """A record whose first file lies at a path, as it looks there now."""
    from mosaic.catalog.record import FileState

    seen = path.stat()
    state = FileState(seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino, seen.st_dev)
    fact = replace(record.files[0].fact, location=str(path), size=seen.st_size)
    first = replace(record.files[0], fact=fact, state=state)
    files = (first, *record.files[1:])
    return replace(record, files=files, facts=replace(record.facts, files=tuple(file.fact for file in files)))
