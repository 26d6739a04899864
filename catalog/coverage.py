"""How an expert's tensors meet a base's, from headers alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import prod
from pathlib import PurePosixPath
from typing import Final

from mosaic.compiler.facts import Coverage, ExpertFacts, FileFact
from mosaic.compiler.types import Kind
from mosaic.compiler.weights import autoencoders, embeddings, ldm
from mosaic.compiler.weights.adapter_keys import AdapterMatch, canonical, match
from mosaic.compiler.weights.changes import Change
from mosaic.compiler.weights.header import Header
from mosaic.compiler.weights.names import Shape, Shapes

Open = Callable[[FileFact], Header]
ReadText = Callable[[FileFact], str]

_FUSABLE: Final = ("unet", "text_encoder", "text_encoder_2", "transformer")
_PARTS: Final = (*_FUSABLE, "vae")
_TOKEN_TABLES: Final = (
    ("clip_l", "text_encoder.embeddings.token_embedding.weight"),
    ("clip_g", "text_encoder_2.embeddings.token_embedding.weight"),
)
_AT_LATENTS: Final = ("conv_in.weight", "conv_out.weight")
_LATENTS: Final = "vae.decoder.conv_in.weight"

# Names that early diffusers gave to the VAE's attention.
OLD_VAE: Final = (
    (".query.", ".to_q."),
    (".key.", ".to_k."),
    (".value.", ".to_v."),
    (".proj_attn.", ".to_out.0."),
)


def part_of(file: FileFact) -> str:
    """The part of a model that a file belongs to: its folder in the diffusers layout, else its role."""
    folder = PurePosixPath(file.name).parts[0] if "/" in file.name else ""
    return folder if folder in (*_PARTS, "tokenizer", "tokenizer_2", "scheduler") else file.role


def coverage(theirs: Shapes, expert: ExpertFacts, open_: Open, read: ReadText) -> Coverage:
    """How the tensors of a LoRA, embedding, VAE or checkpoint meet a base's (`tensors`). Raises
    MosaicError.
    """
    match expert.kind:
        case Kind.LORA:
            return _adapter(expert, theirs, open_, read)
        case Kind.EMBEDDING:
            return _embedding(expert, theirs, open_)
        case Kind.VAE:
            return _vae(expert, theirs, open_)
        case _:
            ours = {
                name: shape for name, shape in tensors(expert, open_).items() if not name.startswith("vae.")
            }
            return _same(ours, theirs)


def touched(theirs: Shapes, expert: ExpertFacts, open_: Open, read: ReadText) -> tuple[str, ...]:
    """The base's tensors (of `tensors`) that a LoRA or checkpoint changes, in the order of their names.

    Raises MosaicError.
    """
    match expert.kind:
        case Kind.LORA:
            met = (found for _, found in _met(expert, theirs, open_, read))
            return tuple(sorted({change.module for found in met for change in found.changes}))
        case Kind.CHECKPOINT:
            held = tensors(expert, open_)
            return tuple(sorted(name for name in held if name in theirs and not name.startswith("vae.")))
        case _:
            return ()


def tensors(facts: ExpertFacts, open_: Open) -> dict[str, Shape]:
    """A model's tensors by canonical name (diffusers' names, the component in front), to shapes."""
    found: dict[str, Shape] = {}
    for file in facts.files:
        if not file.name.endswith(".safetensors"):
            continue
        part, shapes = part_of(file), open_(file).shapes
        if part in _PARTS:
            found |= _component(part, shapes)
        elif ldm.is_ldm(shapes):
            found |= {canonical(name): shape for name, shape in ldm.components(shapes).items()}
        else:
            found |= {canonical(name): shape for name, shape in shapes.items()}
    # Some versions of the libraries store the numbers of the positions, others do not; they are no weights.
    return {name: shape for name, shape in found.items() if not name.endswith(".position_ids")}


def _component(part: str, shapes: Shapes) -> dict[str, Shape]:
    if part == "vae" and autoencoders.vae_is_ldm(shapes):
        full = {ldm.VAE + name.removeprefix(ldm.VAE): shape for name, shape in shapes.items()}
        return ldm.components(full)
    found = {}
    for name, shape in shapes.items():
        if part == "vae":
            for old, new in OLD_VAE:
                name = name.replace(old, new)
        found[canonical(f"{part}.{name.removeprefix(part + '.')}")] = shape
    return found


def _adapter(expert: ExpertFacts, base: Shapes, open_: Open, read: ReadText) -> Coverage:
    total, matched = 0, 0
    unmatched: list[str] = []
    misshaped: list[str] = []
    excessive: list[str] = []
    for header, met in _met(expert, base, open_, read):
        total += len(header.tensors)
        matched += sum(len(change.parts) for change in met.changes)
        unmatched += met.unmatched
        misshaped += met.misshaped
        excessive += filter(None, (_excess(change, base) for change in met.changes))
    return Coverage(matched, total, tuple(unmatched), tuple(misshaped), tuple(excessive))


def _met(
    expert: ExpertFacts, base: Shapes, open_: Open, read: ReadText
) -> Iterator[tuple[Header, AdapterMatch]]:
    """Each file of an adapter with where its tensors belong."""
    targets = {name: shape for name, shape in base.items() if not name.startswith("vae.")}
    stated = next((read(file) for file in expert.files if file.name.endswith("adapter_config.json")), None)
    for file in _weights(expert):
        header = open_(file)
        metadata = header.metadata if stated is None else {"lora_adapter_metadata": stated, **header.metadata}
        yield header, match(header.shapes, targets, metadata)


def _excess(change: Change, base: Shapes) -> str:
    """How a rank goes beyond what the matrix that it changes can have; empty where it does not."""
    target = base.get(change.module, ())
    # Latents have few channels: trainers that take one rank for all modules overdo it there, and harmlessly.
    if change.rank is None or len(target) < 2 or change.module.endswith(_AT_LATENTS):
        return ""
    largest = min(target[0], prod(target[1:]))
    if change.rank <= largest:
        return ""
    return f"{change.module.removesuffix('.weight')}: rank {change.rank}, the matrix has at most {largest}"


def _embedding(expert: ExpertFacts, base: Shapes, open_: Open) -> Coverage:
    total, matched = 0, 0
    unmatched: list[str] = []
    misshaped: list[str] = []
    for file in _weights(expert):
        for name, shape in embeddings.vectors(open_(file).shapes).items():
            total += 1
            table = base.get(dict(_TOKEN_TABLES).get(name, _TOKEN_TABLES[0][1]))
            if table is None:
                unmatched.append(name)
            elif table[1:] != shape[1:]:
                misshaped.append(f"{name}: {shape[1]} here, {table[1]} there")
            else:
                matched += 1
    return Coverage(matched, total, tuple(unmatched), tuple(misshaped))


def _vae(expert: ExpertFacts, base: Shapes, open_: Open) -> Coverage:
    ours = {
        name: shape
        for file in _weights(expert)
        for name, shape in _component("vae", open_(file).shapes).items()
    }
    stated = any(file.name.endswith("config.json") for file in expert.files)
    if not stated:
        # Without a configuration of its own it is built like the base's VAE, so all of it has to fit.
        return _same(ours, {name: shape for name, shape in base.items() if name.startswith("vae.")})
    here, there = ours.get(_LATENTS, ())[1:2], base.get("unet.conv_in.weight", ())[1:2]
    if here and there and here != there:
        shown = f"{_LATENTS.removeprefix('vae.')}: {here[0]} latent channels here, {there[0]} there"
        return Coverage(len(ours) - 1, len(ours), (), (shown,))
    return Coverage(len(ours), len(ours))


def _same(ours: Shapes, theirs: Shapes) -> Coverage:
    """Two sets of tensors that have to be the same, over the components that ours has."""
    unmatched = [name for name in ours if name not in theirs]
    differing = [name for name, shape in ours.items() if name in theirs and theirs[name] != shape]
    misshaped = [f"{name}: {_shown(ours[name])} here, {_shown(theirs[name])} there" for name in differing]
    held = dict.fromkeys(name.partition(".")[0] for name in ours)
    absent = [name for name in theirs if name.partition(".")[0] in held and name not in ours]
    misshaped += [f"{name}: not here, {_shown(theirs[name])} there" for name in absent]
    return Coverage(
        len(ours) - len(unmatched) - len(differing), len(ours), tuple(unmatched), tuple(misshaped)
    )


def _shown(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "a scalar"


def _weights(expert: ExpertFacts) -> Iterable[FileFact]:
    return (file for file in expert.files if file.name.endswith(".safetensors"))
