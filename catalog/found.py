"""What a look at a path gives, before it becomes facts: the common shape of folders and single files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.facts import BridgeFacts
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind

if TYPE_CHECKING:
    from mosaic.compiler.weights.adapters import Adapter

MEGABYTE: Final = 1_000_000
_CONFIG_MEGABYTES: Final = 64
"""Configurations have kilobytes; the largest tokenizers have some megabytes."""


@dataclass(frozen=True)
class Part:
    """A file of an expert. `name` is its path inside the expert."""

    role: str
    name: str
    path: Path


@dataclass(frozen=True)
class Found:
    """An expert as its files show it."""

    kind: Kind
    parts: tuple[Part, ...]
    family: str | None = None
    prediction: str | None = None
    space: str | None = None
    native_size: tuple[int, int] | None = None
    size_multiple: int = 8
    trigger: str | None = None
    title: str = ""
    license: str | None = None
    lacks: tuple[str, ...] = ()
    adapter: Adapter | None = None
    variant: str | None = None  # a denoiser that reads more than its latents
    channels: tuple[int, int] | None = None  # what such a denoiser reads, and what its latents have
    latents: int | None = None  # channels of a VAE's latents
    bridge: BridgeFacts | None = None  # of a bridge, where it leads
    zero_snr: bool | None = None  # trained to end in pure noise


def read_text(path: Path, shown: str, span: Span | None) -> str:
    """A small text file of a model. Raises MosaicError (M807, M810, M812)."""
    try:
        size = path.stat().st_size
        if size > _CONFIG_MEGABYTES * MEGABYTE:
            raise MosaicError(errors.inputs.FileTooLarge(span, shown, size // MEGABYTE, _CONFIG_MEGABYTES))
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise MosaicError(
            errors.inputs.Unreadable(span, shown, error.strerror or type(error).__name__)
        ) from None
    except UnicodeDecodeError:
        raise MosaicError(errors.inputs.BrokenConfig(span, shown, "it is not UTF-8 text")) from None


def read_config(path: Path, shown: str, span: Span | None) -> dict[str, Any]:
    """A JSON object in a file. Raises MosaicError (M807, M810, M812)."""
    return parse_config(read_text(path, shown, span), shown, span)


def parse_config(text: str, shown: str, span: Span | None) -> dict[str, Any]:
    """A JSON object in a text. Raises MosaicError (M812)."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise MosaicError(errors.inputs.BrokenConfig(span, shown, f"it is not JSON{line}")) from None
    if not isinstance(content, dict):
        raise MosaicError(errors.inputs.BrokenConfig(span, shown, "it is no JSON object"))
    return content
