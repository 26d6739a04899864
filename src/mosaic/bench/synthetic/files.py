"""Real safetensors files by the thousand: true names, few modules, random bytes. Some tens of kilobytes each."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from random import Random
from typing import Final

from mosaic.bench.synthetic.adapters import Recipe, adapter
from mosaic.bench.synthetic.words import QUALITIES, STYLES, SUBJECTS, draw
from mosaic.catalog.record import Signature

_BYTES: Final = {"F16": 2, "F32": 4}
_FOLDER: Final = 500
"""Files in a folder: directories of a hundred thousand entries measure the file system."""


def write_files(folder: Path, count: int, seed: int = 0) -> int:
    """So many adapters of every spelling, a module or two dozen each; gives their bytes together."""
    random = Random(f"files {seed}")
    total = 0
    for number in range(count):
        name = random.choice(("sd1", "sd1", "sdxl", "sdxl", "sd2"))
        spelling = random.choice(("kohya", "kohya", "peft", "diffusers"))
        most = random.choice((8, 8, 16, 24))
        made = adapter(Recipe(name, "lora", spelling, 1, "attention", most=most))
        stem = f"{draw(random, STYLES)}-{draw(random, SUBJECTS)}-{draw(random, QUALITIES)}-{number}"
        path = folder / f"{number // _FOLDER:03}" / f"{stem}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        total += write_file(path, made.signature, random, _metadata(spelling, stem))
    return total


def _metadata(spelling: str, stem: str) -> dict[str, str]:
    if spelling != "kohya":
        return {"format": "pt"}
    return {
        "ss_network_dim": "1",
        "ss_network_alpha": "1",
        "ss_network_module": "networks.lora",
        "modelspec.title": stem,
        "modelspec.trigger_phrase": stem.partition("-")[0],
    }


def write_file(path: Path, signature: Signature, random: Random, metadata: dict[str, str]) -> int:
    """One file with a signature's tensors; gives its size. Scalars are one, everything else is noise."""
    header: dict[str, object] = {"__metadata__": {**metadata, **dict(signature.metadata)}}
    parts, position = [], 0
    for name, dtype, shape in signature.tensors:
        size = _BYTES[dtype]
        for side in shape:
            size *= side
        parts.append(random.randbytes(size) if shape else struct.pack("<e", 1.0))
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, position + size]}
        position += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    data = struct.pack("<Q", len(text)) + text + b"".join(parts)
    path.write_bytes(data)
    return len(data)
