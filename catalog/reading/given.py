"""What a reader is told beside the files: how to name experts, and what a person states of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mosaic.compiler.diagnostic import Diagnostic

_LONGEST_SLUG: Final = 80
_GENERIC: Final = (
    "adapter_model",
    "pytorch_lora_weights",
    "learned_embeds",
    "diffusion_pytorch_model",
    "diffusion_pytorch_model.fp16",
    "model",
    "model.fp16",
)
"""Names that every trainer gives to its files; the folder says more."""


@dataclass(frozen=True)
class Naming:
    """How experts without an id of their own are called: `namespace/slug-of-the-name`."""

    namespace: str = "local"

    def id(self, path: Path) -> str:
        """The id of a file or folder, the same wherever it lies."""
        return f"{self.namespace}/{slug(title_of(path))}"


def title_of(path: Path) -> str:
    """The name of a file without its ending, or of its folder where the file's own name says nothing."""
    whole = Path(os.path.abspath(path))  # `.` and `..` have no name of their own
    stem = whole.stem if whole.suffix.lower() == ".safetensors" else whole.name
    return whole.parent.name if stem in _GENERIC else stem


def slug(name: str) -> str:
    """A name as ids write it: lower case, letters and digits with single hyphens, dots and underscores kept inside."""
    kept = "".join(char if char.isalnum() or char in "._" else "-" for char in name.lower())
    words = "-".join(word for word in kept.split("-") if word).strip("._-")[:_LONGEST_SLUG].rstrip("._-")
    return words or f"expert-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"


@dataclass(frozen=True)
class Declared:
    """What a person states of an expert, by options or a sidecar file. None and empty: not said.

    `source` names the place, for the evidence.
    """

    id: str | None = None
    title: str | None = None
    trigger: str | None = None
    license: str | None = None
    rating: str | None = None
    category: str | None = None
    strengths: tuple[float, float] | None = None
    excludes: tuple[str, ...] = ()
    last: bool | None = None
    tags: tuple[str, ...] = ()
    family: str | None = None
    prediction: str | None = None
    clip_skip: int | None = None
    description: str | None = None
    author: str | None = None
    source: str = field(default="", compare=False)

    def over(self, other: Declared) -> Declared:
        """This one's statements, and the other's where this one says nothing."""
        given: Mapping[str, Any] = self.__dict__
        return Declared(
            **{
                key: value if given[key] in (None, (), "") else given[key]
                for key, value in other.__dict__.items()
            }
        )


@dataclass(frozen=True)
class Refusal:
    """A path that gives no expert, and why."""

    path: Path
    diagnostics: tuple[Diagnostic, ...]
