"""The header of a safetensors file: names, dtypes, shapes and places of its tensors, and its metadata.

The format: 8 bytes little-endian length N, N bytes of JSON, then the tensors' bytes without gaps. Only the
first `8 + N` bytes are needed, so a checkpoint of gigabytes is known after reading some hundred kilobytes.
A header is untrusted input: everything that a later reader would rely on is checked here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import prod
from types import MappingProxyType
from typing import Final

CAP: Final = 100_000_000
"""The largest header that the format allows, in bytes."""

LENGTH: Final = 8
"""The bytes in front of the JSON."""

_BITS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
        "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
        "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
        "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
        "I32": 32, "U32": 32, "F32": 32,
        "I64": 64, "U64": 64, "F64": 64, "C64": 64,
    }
)  # fmt: skip


class Fault(StrEnum):
    """What is wrong with a header, as the end of a sentence."""

    SHORT = "the file ends before its header does"
    LARGE = "its header claims to be larger than the format allows"
    NOT_JSON = "its header is not JSON"
    DUPLICATE = "its header names a tensor twice"
    ENTRY = "its header describes a tensor in a way that the format does not know"
    METADATA = "its metadata is not a table of texts"
    DTYPE = "its header names an unknown number format"
    SIZE = "a tensor's shape and its number of bytes disagree"
    OVERLAP = "its tensors overlap or leave gaps"
    TRUNCATED = "the file is shorter than its header says; the download or copy was cut off"
    TRAILING = "the file is longer than its header says"


class HeaderError(Exception):
    """A header that cannot be trusted. `tensor` is the name of the tensor at fault, where it is one."""

    def __init__(self, fault: Fault, tensor: str = "") -> None:
        super().__init__(f"{fault} ({tensor})" if tensor else str(fault))
        self.fault = fault
        self.tensor = tensor


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor. `start` and `end` count bytes from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Header:
    """What a file holds. `offset` is where the tensors' bytes begin in the file."""

    tensors: dict[str, TensorInfo]
    metadata: dict[str, str]
    offset: int = 0

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names to shapes, in the order of the header."""
        return {name: tensor.shape for name, tensor in self.tensors.items()}


def numbers(header: Header) -> dict[str, int]:
    """How many numbers of each format a file's tensors have."""
    counts: dict[str, int] = {}
    for tensor in header.tensors.values():
        counts[tensor.dtype] = counts.get(tensor.dtype, 0) + tensor.end - tensor.start
    return {dtype: 8 * size // _BITS[dtype] for dtype, size in counts.items()}


def header_size(start: bytes, file_size: int) -> int:
    """How many bytes from the beginning of the file the header takes, told by the file's first 8 bytes.

    Raises HeaderError.
    """
    if len(start) < LENGTH:
        raise HeaderError(Fault.SHORT)
    length = int.from_bytes(start[:LENGTH], "little")
    if length > CAP:
        raise HeaderError(Fault.LARGE)
    if length < 2 or LENGTH + length > file_size:
        raise HeaderError(Fault.SHORT)
    return LENGTH + length


def parse_header(data: bytes, file_size: int) -> Header:
    """Read a header from the beginning of a file (all of it, or at least `header_size` bytes).

    Raises HeaderError for anything that the format forbids: duplicate keys, unknown dtypes, sizes that
    disagree with shapes, overlaps, gaps, and a file shorter or longer than its tensors.
    """
    end = header_size(data, file_size)
    if len(data) < end:
        raise HeaderError(Fault.SHORT)
    try:
        content = json.loads(data[LENGTH:end].decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise HeaderError(Fault.NOT_JSON) from error
    if not isinstance(content, dict):
        raise HeaderError(Fault.NOT_JSON)
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise HeaderError(Fault.METADATA)
    tensors = {name: _tensor(name, entry) for name, entry in content.items()}
    _check_places(tensors, file_size - end)
    return Header(tensors, metadata, end)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise HeaderError(Fault.DUPLICATE, _first_repeated(pairs))
    return content


def _first_repeated(pairs: list[tuple[str, object]]) -> str:
    seen: dict[str, None] = {}
    for name, _ in pairs:
        if name in seen:
            return name
        seen[name] = None
    return ""


def _tensor(name: str, entry: object) -> TensorInfo:
    if not isinstance(entry, dict):
        raise HeaderError(Fault.ENTRY, name)
    dtype, shape, place = entry.get("dtype"), _counts(entry.get("shape")), _counts(entry.get("data_offsets"))
    if not isinstance(dtype, str) or shape is None or place is None or len(place) != 2:
        raise HeaderError(Fault.ENTRY, name)
    if dtype not in _BITS:
        raise HeaderError(Fault.DTYPE, name)
    start, end = place
    if end < start or prod(shape) * _BITS[dtype] != 8 * (end - start):
        raise HeaderError(Fault.SIZE, name)
    return TensorInfo(dtype, shape, start, end)


def _counts(value: object) -> tuple[int, ...] | None:
    # bool is an int in Python, and JSON's `true` is no number of bytes. A product over thousands of
    # dimensions would take minutes, and no tensor library has them.
    if not isinstance(value, list) or len(value) > _DIMENSIONS:
        return None
    return tuple(value) if all(type(item) is int and 0 <= item < 1 << 63 for item in value) else None


_DIMENSIONS: Final = 64


def _check_places(tensors: Mapping[str, TensorInfo], available: int) -> None:
    position = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if tensor.start != position:
            raise HeaderError(Fault.OVERLAP, name)
        position = tensor.end
    if position > available:
        raise HeaderError(Fault.TRUNCATED)
    if position < available:
        raise HeaderError(Fault.TRAILING)
