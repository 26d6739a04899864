"""The factors of a LoRA (Hu et al. 2021, arXiv:2106.09685), read from its file one module at a time.

Modules are named without a base, one key in every spelling, so that two adapters meet whoever wrote them. Needs
numpy, which the core does not install; whoever imports this module has to be ready for its absence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import numpy as np
from numpy.typing import NDArray

from mosaic.catalog.headers import Headers
from mosaic.compiler.weights import ldm
from mosaic.compiler.weights.adapter_keys import algorithm, grouped, stated_alpha
from mosaic.compiler.weights.header import Header

Array = NDArray[np.float64]

_LDM: Final = r"unet_(input|output)_blocks_(\d{1,4})_(\d)_(.+)$"
_LDM_MIDDLE: Final = r"unet_middle_block_(\d)_(.+)$"
_CONFIG: Final = "adapter_config.json"


class NoFactors(Exception):
    """The file is no plain LoRA whose factors can be read."""


@dataclass(frozen=True)
class Module:
    """One module's delta, `up @ down`, in float64: up (out, rank) with the scale multiplied in, down (rank, in·kernel).

    A Tucker core is multiplied into `down`.
    """

    up: Array
    down: Array

    @property
    def shape(self) -> tuple[int, int]:
        """Of the delta, as a matrix."""
        return self.up.shape[0], self.down.shape[1]


class Factors:
    """An open adapter. A context manager; nothing is kept of a module that was read."""

    def __init__(self, path: Path) -> None:
        """Raises MosaicError where the file is no safetensors file, NoFactors where it is no plain LoRA."""
        self._path = path
        self._header: Header = Headers().read(path, str(path))
        names = self._header.tensors
        groups, others = grouped(names)
        if others or not groups or algorithm(list(names)) != "lora":
            raise NoFactors(str(path))
        self._metadata = _metadata(path, self._header)
        if re.search(r'use_dora"\s*:\s*true', self._metadata.get("lora_adapter_metadata", "")):
            raise NoFactors(str(path))
        self.modules: Mapping[str, Mapping[str, str]] = {
            _diffusers(key): group for key, group in groups.items()
        }
        self._stream: BinaryIO | None = None

    def __enter__(self) -> Self:
        self._stream = self._path.open("rb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    def read(self, key: str) -> Module:
        """One module's factors. Raises NoFactors for shapes that make no delta, and for numbers that say nothing."""
        names = self.modules[key]
        if "down" not in names or "up" not in names:
            raise NoFactors(key)
        down, up = self._tensor(names["down"]), self._tensor(names["up"])
        if down.ndim < 2 or up.ndim < 2 or up.shape[1] != down.shape[0] or prod(up.shape[2:]) != 1:
            raise NoFactors(key)
        rank = down.shape[0]
        up = up.reshape(up.shape[0], rank) * self._scale(names, rank)
        if "mid" in names:
            core = self._tensor(names["mid"])
            if core.shape[:2] != (rank, rank) or prod(down.shape[2:]) != 1:
                raise NoFactors(key)
            # delta[o,i,k,l] = Σ up[o,r] · core[r,s,k,l] · down[s,i] (LoCon)
            down = np.einsum("rs...,si->ri...", core, down.reshape(rank, -1))
        return Module(up, down.reshape(rank, -1))

    def _scale(self, names: Mapping[str, str], rank: int) -> float:
        if "alpha" in names:
            alpha = self._tensor(names["alpha"])
            if alpha.size != 1:
                raise NoFactors(names["alpha"])
            return float(alpha.reshape(())) / rank
        stated = stated_alpha(self._metadata, names["down"], rank)
        return 1.0 if stated is None else stated / rank

    def _tensor(self, name: str) -> Array:
        tensor = self._header.tensors[name]
        assert self._stream is not None, "used outside `with`"
        self._stream.seek(self._header.offset + tensor.start)
        data = self._stream.read(tensor.end - tensor.start)
        if len(data) != tensor.end - tensor.start:  # cut off since its header was read
            raise NoFactors(name)
        numbers = _decoded(tensor.dtype, data).reshape(tensor.shape)
        if not np.isfinite(numbers).all():
            raise NoFactors(name)
        return numbers


def _decoded(dtype: str, data: bytes) -> Array:
    match dtype:
        case "F64" | "F32" | "F16":
            return np.frombuffer(data, f"<f{int(dtype[1:]) // 8}").astype(np.float64)
        case "BF16":
            bits = np.frombuffer(data, "<u2").astype("<u4") << 16
            return bits.view("<f4").astype(np.float64)
        case "F8_E5M2":
            return (np.frombuffer(data, "u1").astype("<u2") << 8).view("<f2").astype(np.float64)
        case "F8_E4M3":
            numbers: Array = _e4m3()[np.frombuffer(data, "u1")]
            return numbers
        case _:
            raise NoFactors(dtype)


@cache
def _e4m3() -> Array:
    """The 256 values of the format without infinities (Micikevicius et al. 2022, arXiv:2209.05433, table 1)."""
    code = np.arange(256)
    exponent, fraction = (code >> 3) & 15, (code & 7) / 8
    size = np.where(exponent == 0, fraction * 2.0**-6, (1 + fraction) * 2.0 ** (exponent - 7.0))
    values: Array = np.where(code & 127 == 127, np.nan, np.where(code & 128, -size, size))
    return values


def _metadata(path: Path, header: Header) -> Mapping[str, str]:
    # PEFT keeps beside the weights what diffusers keeps in their metadata.
    beside = path.with_name(_CONFIG)
    if path.stem != "adapter_model" or not beside.is_file():
        return header.metadata
    return {"lora_adapter_metadata": beside.read_text(encoding="utf-8", errors="replace"), **header.metadata}


def _diffusers(key: str) -> str:
    """A module of the original layout under its diffusers key; any other key as it is."""
    if found := re.match(_LDM_MIDDLE, key):
        module = f"middle_block.{found[1]}.{_dotted(found[2])}"
    elif found := re.match(_LDM, key):
        module = f"{found[1]}_blocks.{found[2]}.{found[3]}.{_dotted(found[4])}"
    else:
        return key
    name = ldm.module_to_diffusers(module)
    return key if name is None else f"unet_{name.replace('.', '_')}"


def _dotted(leaf: str) -> str:
    # `in_layers_2` is `in_layers.2`; names inside an attention are the same in both layouts.
    return re.sub(r"^(in_layers|emb_layers|out_layers)_(\d)$", r"\1.\2", leaf)
