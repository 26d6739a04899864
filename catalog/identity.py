"""Who a file is by its bytes: every digest that mosaic and the hubs know it by, in one pass.

- `sha256`: of the file. Its first 10 hex digits are AutoV2.
- `blake3`: of the file.
- `autov3`: SHA-256 of the bytes after the header. Hubs show 12 hex digits of it.
- `tensors_sha256`: SHA-256 of a JSON list in UTF-8, `[["name","dtype",[shape],"SHA-256 of its bytes"],…]`, with the
  tensors in the order of their names by code point, no spaces, and no escapes for characters outside ASCII. Editing
  metadata or the order of tensors does not change it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from mosaic.compiler.weights.header import Header, Layout

_CHUNK: Final = 1 << 20
WHOLE: Final = 1 << 24
"""Files of at most so many bytes are read in one piece."""


@dataclass(frozen=True)
class Identity:
    """The digests of a file, 64 hex digits each. The last two are empty for a file that is no safetensors, all but
    the first where only that was asked for.
    """

    sha256: str
    blake3: str = ""
    autov3: str = ""
    tensors_sha256: str = ""


def identify_bytes(data: bytes, header: Header | None) -> Identity:
    """The digests of a file's content; `header` is its header where it is a safetensors file."""
    from blake3 import blake3

    whole = hashlib.sha256(data).hexdigest()
    other = blake3(data).hexdigest()
    if header is None:
        return Identity(whole, other)
    view = memoryview(data)[header.offset :]
    sha256 = hashlib.sha256
    digests = {
        name: sha256(view[start:end]).hexdigest() for name, (_, _, start, end) in header.tensors.items()
    }
    return Identity(whole, other, hashlib.sha256(view).hexdigest(), _over(header, digests))


def identify_file(path: Path, header: Header | None) -> Identity:
    """The same for a file on disk, read once from beginning to end. Raises OSError."""
    from blake3 import blake3

    if path.stat().st_size <= WHOLE:
        return identify_bytes(path.read_bytes(), header)
    whole, other, after = hashlib.sha256(), blake3(), hashlib.sha256()
    tensors = _Tensors(header) if header is not None else None
    position = 0
    offset = header.offset if header is not None else 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            whole.update(chunk)
            other.update(chunk)
            if tensors is not None:
                data = memoryview(chunk)[max(offset - position, 0) :]
                after.update(data)
                tensors.update(data)
            position += len(chunk)
    if header is None or tensors is None:
        return Identity(whole.hexdigest(), other.hexdigest())
    return Identity(whole.hexdigest(), other.hexdigest(), after.hexdigest(), _over(header, tensors.digests))


class _Tensors:
    """The digest of each tensor while the data goes by: a header's tensors lie one behind the other."""

    def __init__(self, header: Header) -> None:
        empty = hashlib.sha256().hexdigest()
        places = [(tensor.start, tensor.end, name) for name, tensor in header.tensors.items()]
        self.digests = {name: empty for start, end, name in places if start == end}
        self._left = sorted((place for place in places if place[0] != place[1]), reverse=True)
        self._current = hashlib.sha256()
        self._position = 0

    def update(self, data: memoryview) -> None:
        while data and self._left:
            _, end, name = self._left[-1]
            here = data[: end - self._position]
            self._current.update(here)
            self._position += len(here)
            data = data[len(here) :]
            if self._position == end:
                self.digests[name] = self._current.hexdigest()
                self._current = hashlib.sha256()
                self._left.pop()


def _over(header: Header, digests: Mapping[str, str]) -> str:
    rows = _rows(header.layout)
    text = ",".join([f'{start}"{digests.get(name, "")}"]' for name, start in rows])
    return hashlib.sha256(f"[{text}]".encode()).hexdigest()


@lru_cache(maxsize=64)
def _rows(layout: Layout) -> tuple[tuple[str, str], ...]:
    """Each tensor's name with the beginning of its row in JSON, up to the digest."""
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    tensors = layout.tensors
    return tuple(
        (name, encode([name, tensors[name].dtype, tensors[name].shape])[:-1] + ",") for name in layout.names
    )
