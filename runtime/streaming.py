"""Writing a safetensors file one tensor after the other, so that no second copy of a model is ever held.

The header is written first, from names, precisions and shapes alone: metadata by key, then the tensors in the order in
which their bytes lie (wider precisions first, which keeps every tensor aligned; then by name). So equal content gives
equal bytes; the library's own writer puts metadata in hash order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch

from mosaic.runtime.writing import write_pieces

_DTYPES: Mapping[torch.dtype, str] = MappingProxyType(
    {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
)


@dataclass(frozen=True)
class Entry:
    """A tensor of a file: its precision and shape, and a function that computes it, on any device and in any
    precision. It is called once, when its turn comes, and what it gives is cast once."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    compute: Callable[[], torch.Tensor]

    @property
    def size(self) -> int:
        """Bytes."""
        return self.dtype.itemsize * math.prod(self.shape)


def write_tensors(path: Path, entries: Mapping[str, Entry], metadata: Mapping[str, str]) -> str:
    """Write tensors by name and return the file's sha256. Beside what they are computed from, one at a time is held.

    Raises MosaicError (M855) for a file that cannot be written.
    """
    placed = sorted(entries.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    return write_pieces(path, _pieces(dict(placed), metadata))


def _pieces(placed: Mapping[str, Entry], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    yield _header(placed, metadata)
    with torch.no_grad():
        for name, entry in placed.items():
            yield _bytes(name, entry)


def _header(placed: Mapping[str, Entry], metadata: Mapping[str, str]) -> bytes:
    content: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    start = 0
    for name, entry in placed.items():
        end = start + entry.size
        content[name] = {
            "dtype": _DTYPES[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _bytes(name: str, entry: Entry) -> memoryview:
    tensor = entry.compute()
    if tuple(tensor.shape) != entry.shape:
        raise AssertionError(f"`{name}` was announced as {entry.shape} and computed as {tuple(tensor.shape)}")
    # On its device first: half as many bytes are moved.
    tensor = tensor.to(entry.dtype).cpu().contiguous()
    numbers: npt.NDArray[np.uint8] = tensor.reshape(-1).view(torch.uint8).numpy()
    return numbers.data
