"""An expert in one safetensors file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from mosaic.catalog.found import Found, Part, parse_config
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind
from mosaic.compiler.weights import autoencoders, bridges, denoisers, embeddings, families
from mosaic.compiler.weights.adapters import variant_of
from mosaic.compiler.weights.changes import APPLIED
from mosaic.compiler.weights.header import Header
from mosaic.compiler.weights.names import Shapes

Space = Callable[[autoencoders.VaeFacts, str | None], str | None]

TOKENIZER_FILES: Final = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
)
_TRIGGERS: Final = ("modelspec.trigger_phrase", "trigger_phrase", "trigger_words", "activation_text")
_LONGEST_TRIGGER: Final = 200
_SHOWN: Final = 3
_SPELT: Final[Mapping[str, str]] = {
    "oft": "OFT",
    "ia3": "IA3",
    "glora": "GLoRA",
}

_ROLES: Final[Mapping[Kind, str]] = {
    Kind.CHECKPOINT: "checkpoint",
    Kind.LORA: "adapter",
    Kind.EMBEDDING: "embedding",
    Kind.CONTROL: "control",
    Kind.VAE: "vae",
    Kind.BRIDGE: "bridge",
}


def single_file(path: Path, header: Header, shown: str, span: Span | None, space: Space) -> Found:
    """What a safetensors file holds. `space` names the latent space of a VAE inside it, given a family.

    Raises MosaicError: M806 for tensors of no known kind, M870 for a bridge that is none.
    """
    shapes = header.shapes
    if bridges.is_bridge(header.metadata):
        return _bridge(path, header, shown, span)
    identity = families.identify_header(header)
    kind = identity.kind
    if kind is None or identity.layout == "prefixed":
        # Nothing says what the parts of a whole model in diffusers' names are built like.
        raise MosaicError(errors.inputs.UnknownArchitecture(span, shown, tuple(sorted(shapes)[:_SHOWN])))
    told = header.metadata
    parts = _parts(kind, identity.layout, path)
    found = Found(kind, parts, identity.family, identity.prediction, adapter=identity.adapter)
    if kind is Kind.CHECKPOINT and identity.layout == "emitted":
        found = _emitted(found, header, shown, span, space)
    elif kind is Kind.CHECKPOINT:
        found = _checkpoint(found, shapes, shown, span, space)
    elif kind is Kind.EMBEDDING:
        found = replace(found, trigger=embeddings.embedding_token(shapes, path.stem))
    elif kind is Kind.VAE:
        vae = autoencoders.vae_of_shapes(shapes)
        found = replace(found, space=space(vae, None) if vae else None, latents=vae.latents if vae else None)
    else:
        found = replace(found, trigger=_trigger(told))
    if identity.adapter is not None:
        found = replace(found, variant=variant_of(identity.adapter))
    return replace(found, title=told.get("modelspec.title", ""), license=told.get("modelspec.license"))


def _bridge(path: Path, header: Header, shown: str, span: Span | None) -> Found:
    """A bridge between latent spaces. Raises MosaicError (M870)."""
    facts = bridges.bridge_facts(header.metadata)
    reason = facts if isinstance(facts, str) else bridges.fault(header.shapes, facts.form)
    if isinstance(facts, str) or reason:
        raise MosaicError(errors.bridges.BrokenBridge(span, shown, reason))
    return Found(
        Kind.BRIDGE,
        _parts(Kind.BRIDGE, "", path),
        space=facts.target,
        title=header.metadata.get("modelspec.title", ""),
        license=header.metadata.get("modelspec.license"),
        bridge=facts,
    )


def _checkpoint(found: Found, shapes: Shapes, shown: str, span: Span | None, space: Space) -> Found:
    vae = autoencoders.vae_of_shapes(shapes)
    multiple = vae.multiple if vae else 8
    return replace(
        with_channels(found, shapes, vae),
        space=space(vae, found.family) if vae else None,
        native_size=families.native_size(found.family, found.prediction, multiple=multiple),
        size_multiple=multiple,
        lacks=_lacks(shapes, vae is not None, len(found.parts) > 1),
    )


def _emitted(found: Found, header: Header, shown: str, span: Span | None, space: Space) -> Found:
    """A model that a plan emitted. Its configurations stand in its metadata; without them it cannot be built."""
    names = tuple(sorted(header.shapes)[:_SHOWN])
    unet, vae = (_stated(header.metadata, part, shown, span) for part in ("unet", "vae"))
    facts = autoencoders.vae_of_config(vae) if vae else None
    if unet is None or facts is None:
        raise MosaicError(errors.inputs.UnknownArchitecture(span, shown, names))
    return replace(
        with_channels(found, header.shapes, facts),
        space=space(facts, found.family),
        native_size=families.native_size(found.family, found.prediction, unet, facts.multiple),
        size_multiple=facts.multiple,
    )


def _stated(told: Mapping[str, str], part: str, shown: str, span: Span | None) -> dict[str, Any] | None:
    text = told.get(f"mosaic.config.{part}")
    return None if text is None else parse_config(text, shown, span)


PICTURES_NEED: Final = ("a text encoder", "a VAE", "a tokenizer")
"""What a denoiser makes pictures with."""


def _lacks(shapes: Shapes, vae: bool, tokenizer: bool) -> tuple[str, ...]:
    encoder = any(name.startswith(("cond_stage_model.", "conditioner.", "text_encoders.")) for name in shapes)
    held = zip(PICTURES_NEED, (encoder, vae, tokenizer), strict=True)
    return tuple(name for name, there in held if not there)


def with_channels(found: Found, shapes: Shapes, vae: autoencoders.VaeFacts | None) -> Found:
    """What a denoiser reads beside its latents, if anything."""
    reads, usual = denoisers.channels(shapes)
    latents = vae.latents if vae else usual
    if reads is None or latents is None or reads == latents:
        return found
    return replace(found, variant=denoisers.variant(reads, latents), channels=(reads, latents))


def refuse_unrunnable(found: Found, shown: str, span: Span | None) -> None:
    """Refuse what a plan cannot use by its path (M813, M814): no catalog says what it is to the rules."""
    if found.adapter is not None and found.adapter.algorithm not in APPLIED:
        named = found.adapter.algorithm
        raise MosaicError(errors.inputs.UnsupportedAdapter(span, shown, _SPELT.get(named, named)))
    if found.channels is not None:
        raise MosaicError(errors.inputs.UnsupportedVariant(span, shown, *found.channels))


def _trigger(told: Mapping[str, str]) -> str | None:
    found = next((told[key] for key in _TRIGGERS if told.get(key, "").strip()), None)
    return found if found is not None and len(found) <= _LONGEST_TRIGGER else None


def _parts(kind: Kind, layout: str, path: Path) -> tuple[Part, ...]:
    if kind is Kind.LORA:
        # PEFT keeps alpha in a file beside the adapter.
        config = path.with_name("adapter_config.json")
        beside = (
            (Part("config", config.name, config),)
            if path.stem == "adapter_model" and config.is_file()
            else ()
        )
        return (Part("adapter", path.name, path), *beside)
    if kind is Kind.CHECKPOINT and layout == "diffusers":
        return (Part("unet", f"unet/{path.name}", path),)
    if kind is not Kind.CHECKPOINT:
        return (Part(_ROLES[kind], path.name, path),)
    # A single file holds no tokenizer; one is taken from a folder beside it.
    folder = path.parent / "tokenizer"
    words = [
        Part("tokenizer", f"tokenizer/{n}", folder / n) for n in TOKENIZER_FILES if (folder / n).is_file()
    ]
    return (Part("checkpoint", path.name, path), *words)
