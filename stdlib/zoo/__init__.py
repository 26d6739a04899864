"""The zoo: a tiny text-to-image family and its experts, shipped with the package.

This module only reads facts; it imports neither torch nor Pillow nor numpy, since `mosaic check` imports it.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any


def root() -> Path:
    """The folder to which the paths in the index are relative."""
    return Path(str(files(__name__)))


@cache
def index() -> dict[str, Any]:
    """The facts about every expert and bridge, as written by `mosaic.stdlib.zoo.train --only ship`."""
    text = files(__name__).joinpath("index.json").read_text(encoding="utf-8")
    facts: dict[str, Any] = json.loads(text)
    return facts
