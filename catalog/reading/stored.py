"""The files of an expert as the catalog keeps them: digests, state on disk, signatures, small texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from mosaic.catalog.digests import Digests
from mosaic.catalog.found import Part, read_text
from mosaic.catalog.headers import Headers
from mosaic.catalog.identity import Identity
from mosaic.catalog.paths import whole
from mosaic.catalog.record import FileState, Signature, StoredFile
from mosaic.compiler.facts import FileFact
from mosaic.compiler.source import Span
from mosaic.compiler.weights.header import Header, Layout

PEFT: Final = "lora_adapter_metadata"
"""Where diffusers writes PEFT's configuration into a file's metadata; coverage and scales need it."""

_TEXTS: Final = ("config", "scheduler", "tokenizer")
_LARGEST_TEXT: Final = 16_000_000


@dataclass(frozen=True)
class Weights:
    """A safetensors file of an expert."""

    part: Part
    header: Header


class Files:
    """Reads the files of one expert; each is hashed once, `brief`ly (SHA-256 alone) or by all that hubs know."""

    def __init__(
        self,
        shown: str,
        headers: Headers,
        digests: Digests,
        span: Span | None = None,
        *,
        brief: bool = False,
    ) -> None:
        self._shown, self._headers, self._digests, self._span = shown, headers, digests, span
        self._brief = brief
        self._identities: dict[Path, Identity] = {}

    def weights(self, parts: Iterable[Part]) -> tuple[Weights, ...]:
        """The safetensors files among the parts. Raises MosaicError."""
        return tuple(Weights(part, self._header(part)) for part in parts if _is_weights(part))

    def identity(self, path: Path, header: Header | None) -> Identity:
        """Raises OSError."""
        if path not in self._identities:
            known = self._digests
            self._identities[path] = (
                Identity(known.sha256(path)) if self._brief else known.identity(path, header)
            )
        return self._identities[path]

    def stored(self, part: Part, signature: str) -> StoredFile:
        """Raises MosaicError, OSError."""
        stat = part.path.stat()
        state = FileState(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev)
        identity = self.identity(part.path, self._header(part) if _is_weights(part) else None)
        fact = FileFact(
            role=part.role,
            sha256=identity.sha256,
            size=stat.st_size,
            location=str(whole(part.path)),
            name=part.name,
            tensors_sha256=identity.tensors_sha256,
            blake3=identity.blake3,
            autov3=identity.autov3,
        )
        return StoredFile(fact, signature, state)

    def _header(self, part: Part) -> Header:
        shown = self._shown if part.path.name in self._shown else f"{self._shown}/{part.name}"
        return self._headers.read(part.path, shown, self._span)


def _is_weights(part: Part) -> bool:
    return part.path.name.lower().endswith(".safetensors")


def signature_of(header: Header) -> tuple[str, Signature]:
    """The names, dtypes and shapes of a file's tensors, and their digest."""
    return _signature(header.layout, header.metadata.get(PEFT))


@lru_cache(maxsize=64)
def _signature(layout: Layout, stated: str | None) -> tuple[str, Signature]:
    tensors = layout.tensors
    content = tuple((name, tensors[name].dtype, tensors[name].shape) for name in layout.names)
    signature = Signature(content, ((PEFT, stated),) if stated is not None else ())
    return signature.digest, signature


def texts_of(parts: Iterable[Part], files: Iterable[StoredFile]) -> dict[str, str]:
    """The configurations and tokenizers among the files, by their SHA-256. Raises MosaicError."""
    return {
        file.fact.sha256: read_text(part.path, str(part.path), None)
        for part, file in zip(parts, files, strict=True)
        if part.role in _TEXTS and file.fact.size <= _LARGEST_TEXT and not _is_weights(part)
    }
