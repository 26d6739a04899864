"""Scalar tensors read by their place in the file: the alphas of an adapter. Nothing else of the data is read."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from math import ldexp, prod
from types import MappingProxyType
from typing import Final

from mosaic.compiler.weights.header import Header, TensorInfo

ReadAt = Callable[[int, int], bytes]
"""The bytes of a file at an offset: `read(offset, count)`."""

_MOST: Final = 20_000
"""Scalars that are read of one file; large adapters have some thousands."""

_FORMATS: Final = MappingProxyType(
    {"F16": "<e", "F32": "<f", "F64": "<d", "I8": "<b", "U8": "<B", "I16": "<h", "I32": "<i", "I64": "<q"}
)


def peek(header: Header, names: Iterable[str], read: ReadAt) -> dict[str, float]:
    """The values of some scalar tensors by name; a tensor that is none, or of an unknown format, is left out.

    Raises OSError where the file cannot be read.
    """
    values: dict[str, float] = {}
    for name in names:
        tensor = header.tensors.get(name)
        if tensor is None or tensor.end - tensor.start > 8 or prod(tensor.shape) != 1:
            continue
        value = decode(tensor, read(header.offset + tensor.start, tensor.end - tensor.start))
        if value is not None:
            values[name] = value
        if len(values) >= _MOST:
            break
    return values


def decode(tensor: TensorInfo, data: bytes) -> float | None:
    """The number that a scalar's bytes are, or None for a format that has no numbers here, or too few bytes."""
    if len(data) != tensor.end - tensor.start:
        return None
    if tensor.dtype in _FORMATS:
        return float(struct.unpack(_FORMATS[tensor.dtype], data)[0])
    if tensor.dtype == "BF16":
        return float(struct.unpack("<f", b"\0\0" + data)[0])
    if tensor.dtype in ("F8_E4M3", "F8_E5M2"):
        return _eight(data[0], tensor.dtype)
    return None


def _eight(byte: int, dtype: str) -> float | None:
    """An 8-bit number (Micikevicius et al. 2022, arXiv:2209.05433), None for one that is not finite."""
    fraction, bias = (3, 7) if dtype == "F8_E4M3" else (2, 15)
    sign = -1.0 if byte & 0x80 else 1.0
    exponent, mantissa = (byte & 0x7F) >> fraction, byte & ((1 << fraction) - 1)
    if (dtype == "F8_E4M3" and byte & 0x7F == 0x7F) or (dtype == "F8_E5M2" and exponent == 31):
        return None
    if exponent == 0:
        return sign * ldexp(mantissa, 1 - bias - fraction)
    return sign * ldexp((1 << fraction) + mantissa, exponent - bias - fraction)
