"""Versions of what a picture is made with, read from installed packages without importing any."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

PACKAGES: Final = ("diffusers", "numpy", "pillow", "safetensors", "tokenizers", "torch", "transformers")
"""Those that compute a picture or write its file."""

ENGINE: Final = "torch"
"""Without it nothing runs."""

MACHINE: Final = ("platform", "threads")


def toolchain() -> dict[str, str]:
    """Names to versions, sorted; what is not installed is left out.

    `platform` and `threads` are in it because sums are split by threads and by the width of registers: with
    another number, the last digit of a float may differ.
    """
    from mosaic import __version__

    found = {
        "mosaic": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}".lower(),
        "threads": str(threads()),
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return dict(sorted(found.items()))


def threads() -> int:
    """How many threads a sum is split over: what OMP_NUM_THREADS says, else the number of processors."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isascii() and asked.isdigit() and int(asked) > 0:
        return int(asked)
    return os.cpu_count() or 1
