"""What importing from headers is measured against: safetensors' own reader and hashlib's SHA-256, on as many processes.

It keeps nothing and understands nothing; it only reads what has to be read.
"""

from __future__ import annotations

import hashlib
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path


def read(path: Path) -> tuple[str, int]:
    """A file's digest, and how many tensors it has."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest(), len(shapes)


def main() -> None:
    """Read every safetensors file below a folder."""
    folder, processes = Path(sys.argv[1]), int(sys.argv[2])
    paths = sorted(folder.rglob("*.safetensors"))
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(read, paths, chunksize=16))
    print(len(found), sum(count for _, count in found))


if __name__ == "__main__":
    main()
