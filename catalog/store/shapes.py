"""Tensor signatures as they are kept, and what makes two experts meet a base alike."""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import Any, Final

from mosaic.catalog.coverage import part_of
from mosaic.catalog.record import Signature, StoredFile
from mosaic.catalog.store.rows import Damaged
from mosaic.compiler.types import Kind
from mosaic.compiler.weights.header import Header, TensorInfo

_LEVEL: Final = 6
_STATED: Final = "config.json"


def pack(signature: Signature) -> bytes:
    """A signature in few bytes."""
    content = [[list(tensor) for tensor in signature.tensors], list(signature.metadata)]
    return zlib.compress(json.dumps(content, separators=(",", ":")).encode(), _LEVEL)


def unpack(data: bytes) -> Signature:
    """The signature again. Raises Damaged."""
    try:
        tensors, metadata = json.loads(zlib.decompress(data))
        return Signature(
            tuple((name, dtype, tuple(shape)) for name, dtype, shape in tensors),
            tuple((key, value) for key, value in metadata),
        )
    except (zlib.error, ValueError, TypeError) as error:
        raise Damaged(f"a signature cannot be read ({error})") from None


def pack_text(text: str) -> bytes:
    """A small file in few bytes."""
    return zlib.compress(text.encode("utf-8", "surrogatepass"), _LEVEL)


def unpack_text(data: bytes) -> str:
    """The text again. Raises Damaged."""
    try:
        return zlib.decompress(data).decode("utf-8", "surrogatepass")
    except (zlib.error, ValueError) as error:
        raise Damaged(f"a text cannot be read ({error})") from None


def header(signature: Signature) -> Header:
    """A signature as a header whose offsets say nothing."""
    tensors = {name: TensorInfo(dtype, shape, 0, 0) for name, dtype, shape in signature.tensors}
    return Header(tensors, dict(signature.metadata))


def shape_of(kind: Kind, files: tuple[StoredFile, ...]) -> str:
    """What coverage depends on, as 64 hex digits: the kind, and each file's part, signature and configuration.

    Empty where a file with tensors has no signature, so that nothing is known.
    """
    weights = [file for file in files if file.fact.name.endswith(".safetensors")]
    if not weights or any(not file.signature for file in weights):
        return ""
    content: list[Any] = [str(kind), sorted([part_of(file.fact), file.signature] for file in weights)]
    content += sorted(
        ["", file.fact.sha256 if kind is Kind.LORA else _STATED]
        for file in files
        if file.fact.name.endswith(_STATED) and kind in (Kind.LORA, Kind.VAE)
    )
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
