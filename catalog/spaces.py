"""Which latent space a VAE makes, told by its numbers: the same VAE is the same space however it is stored.

A VAE stands in a file of its own, inside a single file in the original layout, or inside a model that a plan emitted,
with names and shapes that differ. Its digest is over diffusers' names and shapes, and over its bytes. In another
precision it has another digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from mosaic.catalog.coverage import OLD_VAE
from mosaic.catalog.headers import Headers
from mosaic.catalog.index import locate
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.weights import autoencoders, ldm
from mosaic.compiler.weights.header import Header
from mosaic.compiler.weights.names import has_any

_PARTS: Final = ("vae.encoder.", "vae.decoder.", "vae.quant_conv.", "vae.post_quant_conv.")
_CHUNK: Final = 1 << 20


def known_spaces(experts: Iterable[ExpertFacts]) -> dict[str, str]:
    """The spaces of experts by the SHA-256 of their VAE's file, and by the VAE's digest where the file is there."""
    headers = Headers()
    found: dict[str, str] = {}
    for facts in experts:
        for file in facts.files:
            if facts.space is None or file.role != "vae" or not file.name.endswith(".safetensors"):
                continue
            found[file.sha256] = facts.space
            with suppress(OSError, MosaicError):
                path = locate(file.location)
                found[vae_digest(path, headers.read(path, file.name))] = facts.space
    return found


def vae_digest(path: Path, header: Header) -> str:
    """The SHA-256 of a VAE in a file, whatever else the file holds: of a JSON list in UTF-8,
    `[["name","dtype",[shape],"SHA-256 of its bytes"],…]`, in the order of the names. Raises OSError.
    """
    rows = []
    with path.open("rb") as stream:
        for name, stored in sorted(_names(header).items()):
            tensor = header.tensors[stored]
            shape = tensor.shape[:2] if ldm.is_projection(name) else tensor.shape
            stream.seek(header.offset + tensor.start)
            digest = hashlib.sha256()
            left = tensor.end - tensor.start
            while chunk := stream.read(min(left, _CHUNK)):
                digest.update(chunk)
                left -= len(chunk)
            rows.append([name, tensor.dtype, list(shape), digest.hexdigest()])
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _names(header: Header) -> dict[str, str]:
    """The VAE's tensors by diffusers' names (`vae.…`), to those that the file has."""
    stored = list(header.tensors)
    if has_any(stored, ldm.VAE):
        named = {name: name for name in stored if name.startswith((ldm.VAE, "vae."))}
    elif autoencoders.vae_is_ldm(stored):
        named = {ldm.VAE + name: name for name in stored}
    else:
        return _parts({_renewed(name): name for name in stored})
    return _parts({new: named[old] for old, new in ldm.to_diffusers(named).items()})


def _renewed(name: str) -> str:
    for old, new in OLD_VAE:
        name = name.replace(old, new)
    return f"vae.{name.removeprefix('vae.')}"


def _parts(names: dict[str, str]) -> dict[str, str]:
    """Without what training leaves in a file."""
    return {name: stored for name, stored in names.items() if name.startswith(_PARTS)}
