"""The header of a safetensors file: names, dtypes, shapes and places of its tensors, and its metadata.

The format: 8 bytes little-endian length N, N bytes of JSON, then the tensors' bytes without gaps. Only the
first `8 + N` bytes are needed, so a checkpoint of gigabytes is known after reading some hundred kilobytes.
A header is untrusted input: everything that a later reader would rely on is checked here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

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


class TensorInfo(NamedTuple):
    """One tensor. `start` and `end` count bytes from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Layout:
    """The tensors of a header without its metadata.

    Files of one trainer and rank have the same, and share one object: what follows from a layout alone can be
    remembered by it. `size` is the bytes of all tensors.
    """

    tensors: dict[str, TensorInfo]
    size: int

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Names to shapes, in the order of the header."""
        return {name: tensor.shape for name, tensor in self.tensors.items()}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the tensors, sorted."""
        return tuple(sorted(self.tensors))


@dataclass(frozen=True)
class Header:
    """What a file holds. `offset` is where the tensors' bytes begin in the file."""

    tensors: dict[str, TensorInfo]
    metadata: dict[str, str]
    offset: int = 0
    shared: Layout | None = field(default=None, compare=False, repr=False)

    @property
    def layout(self) -> Layout:
        """The tensors, as an object that other headers may share."""
        return self.shared if self.shared is not None else Layout(self.tensors, 0)

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Names to shapes, in the order of the header."""
        return self.layout.shapes


def numbers(layout: Layout) -> dict[str, int]:
    """How many numbers of each format a file's tensors have."""
    counts: dict[str, int] = {}
    for tensor in layout.tensors.values():
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
        metadata, layout = _read(data[LENGTH:end].decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise HeaderError(Fault.NOT_JSON) from error
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise HeaderError(Fault.METADATA)
    if layout.size > file_size - end:
        raise HeaderError(Fault.TRUNCATED)
    if layout.size < file_size - end:
        raise HeaderError(Fault.TRAILING)
    return Header(layout.tensors, metadata, end, layout)


_METADATA: Final = "__metadata__"
_START: Final = rf'[ \t\r\n]*\{{[ \t\r\n]*"{_METADATA}"[ \t\r\n]*:[ \t\r\n]*'
_NEXT: Final = r'[ \t\r\n]*,[ \t\r\n]*(?=")'
_REMEMBERED: Final = 1 << 19
"""The longest layout that is remembered, in characters: some three thousand tensors."""


def _read(text: str) -> tuple[object, Layout]:
    """A header's metadata and its tensors. Raises HeaderError, ValueError, RecursionError."""
    if "\\ud" in text or "\\uD" in text:
        # Half of a surrogate pair is no text; nothing could print or store it. An encoding error is a ValueError.
        json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8")
    start = re.match(_START, text)
    if start is not None:
        # Writers put the metadata first. What follows is the same for all files of one trainer and rank.
        metadata, end = _DECODER.raw_decode(text, start.end())
        rest = text[end:]
        comma = re.match(_NEXT, rest)
        if comma is not None and len(rest) <= _REMEMBERED:
            return metadata, _remembered(rest[comma.end() :])
    content = json.loads(text, object_pairs_hook=_unique)
    if not isinstance(content, dict):
        raise HeaderError(Fault.NOT_JSON)
    metadata = content.pop(_METADATA, {})
    return metadata, _layout(content)


@lru_cache(maxsize=64)
def _remembered(rest: str) -> Layout:
    content = json.loads("{" + rest, object_pairs_hook=_unique)
    if _METADATA in content:
        raise HeaderError(Fault.DUPLICATE, _METADATA)
    return _layout(content)


def _layout(content: Mapping[str, object]) -> Layout:
    tensors = {name: _tensor(name, entry) for name, entry in content.items()}
    return Layout(tensors, _end(tensors))


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
    # Large adapters have thousands of entries, and catalogs tens of thousands of files: no call per number here.
    if not isinstance(entry, dict):
        raise HeaderError(Fault.ENTRY, name)
    dtype, shape, place = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if type(dtype) is not str or type(shape) is not list or type(place) is not list or len(place) != 2:
        raise HeaderError(Fault.ENTRY, name)
    # A product over thousands of dimensions would take minutes, and no tensor library has them.
    if len(shape) > _DIMENSIONS:
        raise HeaderError(Fault.ENTRY, name)
    count = 1
    for size in shape:
        # bool is an int in Python, and JSON's `true` is no number of bytes.
        if type(size) is not int or not 0 <= size < _LIMIT:
            raise HeaderError(Fault.ENTRY, name)
        count *= size
    start, end = place
    if type(start) is not int or type(end) is not int or not (0 <= start < _LIMIT and 0 <= end < _LIMIT):
        raise HeaderError(Fault.ENTRY, name)
    bits = _BITS.get(dtype)
    if bits is None:
        raise HeaderError(Fault.DTYPE, name)
    if end < start or count * bits != 8 * (end - start):
        raise HeaderError(Fault.SIZE, name)
    return TensorInfo(dtype, tuple(shape), start, end)


_LIMIT: Final = 1 << 63
_DIMENSIONS: Final = 64


def _end(tensors: Mapping[str, TensorInfo]) -> int:
    """How many bytes the tensors take. Raises HeaderError where they overlap or leave gaps."""
    position = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1][2:]):
        if tensor.start != position:
            raise HeaderError(Fault.OVERLAP, name)
        position = tensor.end
    return position


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique)
