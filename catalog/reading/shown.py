"""What tensors and configurations show of an expert, as claims that nothing overrules."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from mosaic.catalog.found import Found
from mosaic.catalog.reading.scalars import peek
from mosaic.catalog.reading.stored import PEFT, Weights
from mosaic.catalog.record import Claim, Evidence
from mosaic.compiler.facts import AdapterFacts, BridgeFacts
from mosaic.compiler.types import Kind, Prediction
from mosaic.compiler.weights import embeddings, families
from mosaic.compiler.weights.adapters import Adapter, adapter_facts
from mosaic.compiler.weights.header import Layout, numbers


@dataclass(frozen=True)
class AdapterShown:
    """An adapter's facts, and the alphas that its file holds, in ascending order without repetition."""

    facts: AdapterFacts
    alphas: tuple[float, ...]


def adapter_shown(adapter: Adapter, weights: Weights, config: str | None) -> AdapterShown:
    """Read an adapter's alphas and tell its facts. `config` is the text of PEFT's file beside it. Raises OSError."""
    told = weights.header.metadata if config is None else {PEFT: config, **weights.header.metadata}
    alphas = _peek(weights, adapter.alphas.values()) if adapter.alphas else {}
    return AdapterShown(adapter_facts(adapter, alphas, told), tuple(sorted(set(alphas.values()))))


def _peek(weights: Weights, names: Iterable[str]) -> dict[str, float]:
    path = weights.part.path
    if path.stat().st_size <= _SMALL:
        data = path.read_bytes()
        return peek(weights.header, names, lambda offset, count: data[offset : offset + count])
    with path.open("rb", buffering=0) as stream:

        def read(offset: int, count: int) -> bytes:
            stream.seek(offset)
            return stream.read(count)

        return peek(weights.header, names, read)


_SMALL: Final = 1 << 20
"""A file of this many bytes is read in the time of some dozens of peeks."""


def shown_claims(
    found: Found, weights: Sequence[Weights], adapter: AdapterFacts | None, stem: str
) -> list[Claim]:
    """The claims, first those that tensors prove; then, with the evidence of metadata, what is merely usual."""
    whole = found.kind is Kind.CHECKPOINT
    shapes = {name: None for file in weights for name in file.header.tensors} if whole else {}
    parameters, dtype = counted(weights)
    proven: Mapping[str, Any] = {
        "kind": str(found.kind),
        "family": found.family,
        "space": found.space,
        "prediction": _proven_prediction(found, shapes),
        "zero_snr": found.zero_snr if found.zero_snr is not None else families.zero_snr(shapes=shapes),
        "variant": found.variant,
        "latents": found.latents,
        "parameters": parameters,
        "dtype": dtype,
        "native_size": list(found.native_size) if found.native_size and _configured(found) else None,
        "bridge": plain(found.bridge) if found.bridge is not None else None,
        "adapter": plain(adapter) if adapter is not None else None,
        **(_embedding(weights, found, stem) if found.kind is Kind.EMBEDDING else {}),
    }
    claims = [
        Claim(key, str(said) if isinstance(said, str) else said, Evidence.HEADER)
        for key, said in proven.items()
        if said is not None
    ]
    return claims


def usual_claims(found: Found, stem: str) -> list[Claim]:
    """What holds where nothing else is said: of the family, or by the file's name."""
    claims = []
    if found.kind is Kind.CHECKPOINT:
        usual = families.usual_prediction(found.family)
        # Of a UNet by itself, what it predicts was said by the model that it was taken from.
        alone = found.space is None and "a text encoder" in found.lacks
        if usual is not None and not (alone and usual == Prediction.EPSILON):
            claims.append(Claim("prediction", str(usual), Evidence.METADATA, "usual for the family"))
        if found.native_size is not None:
            claims.append(
                Claim("native_size", list(found.native_size), Evidence.METADATA, "usual for the family")
            )
    if found.kind is Kind.EMBEDDING and found.trigger is not None:
        claims.append(Claim("trigger", found.trigger, Evidence.METADATA, "the file's name"))
    return claims


def counted(weights: Iterable[Weights]) -> tuple[int, str]:
    """How many numbers the tensors have, and the format of most of them."""
    totals: dict[str, int] = {}
    for file in weights:
        for dtype, count in _numbers(file.header.layout).items():
            totals[dtype] = totals.get(dtype, 0) + count
    most = max(sorted(totals), key=lambda dtype: totals[dtype], default="")
    return sum(totals.values()), most


@lru_cache(maxsize=64)
def _numbers(layout: Layout) -> Mapping[str, int]:
    return numbers(layout)


def plain(facts: AdapterFacts | BridgeFacts) -> dict[str, Any]:
    """An adapter's or a bridge's facts as JSON, what is not known left out."""
    content = {item.name: getattr(facts, item.name) for item in dataclasses.fields(facts)}
    return {key: list(v) if isinstance(v, tuple) else v for key, v in content.items() if v not in (None, ())}


_SCHEDULER: Final = "scheduler/scheduler_config.json"


def _configured(found: Found) -> bool:
    """Whether a configuration, not the family alone, was there to say the size."""
    return any(part.name in ("unet/config.json", "transformer/config.json") for part in found.parts)


def _proven_prediction(found: Found, names: Container[str]) -> str | None:
    if found.kind is not Kind.CHECKPOINT:
        return None
    marked = families.prediction(None, shapes=names)
    if marked is not None:
        return marked
    return found.prediction if any(part.name == _SCHEDULER for part in found.parts) else None


def _embedding(weights: Sequence[Weights], found: Found, stem: str) -> dict[str, Any]:
    shapes = {name: shape for file in weights for name, shape in file.header.shapes.items()}
    named = found.trigger is not None and found.trigger in shapes
    return {"vectors": embeddings.vector_count(shapes), "trigger": found.trigger if named else None}
