"""The files of a checkpoint, sorted by part, and read into canonical tensors.

A checkpoint is a diffusers folder, or one safetensors file in the original layout (with a tokenizer beside it, or
emitted by mosaic with the tokenizer in its metadata), or a mixture: an expert may bring its own unet and name its
base's files for the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import PartMissing, UnreadableConfiguration
from mosaic.compiler.program import Expert, File
from mosaic.compiler.weights import ldm
from mosaic.compiler.weights.adapter_keys import canonical
from mosaic.compiler.weights.families import EMITTED
from mosaic.runtime.files import Reader
from mosaic.runtime.tokens import Tokens, from_json, from_vocabulary, revived

PARTS = ("unet", "text_encoder", "tokenizer", "vae", "scheduler")
_ADVICE = MappingProxyType(
    {
        "tokenizer": "put `tokenizer/vocab.json` and `tokenizer/merges.txt` (or `tokenizer/tokenizer.json`)"
        " of its family beside the file",
    }
)
_STATED = ("mosaic.config.", "mosaic.tokenizer")
_WHOLE = "use a complete diffusers folder, or a single file that holds every part"

# Names that early diffusers gave to the VAE's attention.
_OLD_VAE = (
    (".query.", ".to_q."),
    (".key.", ".to_k."),
    (".value.", ".to_v."),
    (".proj_attn.", ".to_out.0."),
)


@dataclass(frozen=True)
class Parts:
    """The files of one expert by part. `single` are the files that hold several parts at once."""

    expert: Expert
    reader: Reader

    @cached_property
    def single(self) -> tuple[File, ...]:
        """Files that hold several parts, in the original layout."""
        weights = [file for file in self.expert.files if file.name.endswith(".safetensors")]
        found = [file for file in weights if part_of(file) not in PARTS]
        if not found and len(weights) == 1 and EMITTED in self.reader.metadata(weights[0]):
            found = weights
        return tuple(found)

    @cached_property
    def whole(self) -> Mapping[str, torch.Tensor]:
        """The tensors of the single file by canonical name, of every component."""
        stored: dict[str, torch.Tensor] = {}
        for file in self.single:
            stored.update(self.reader.tensors(file))
        return {canonical(new): _linear(new, stored[old]) for old, new in ldm.to_diffusers(stored).items()}

    @cached_property
    def stated(self) -> Mapping[str, Any]:
        """The configurations and words that mosaic writes into a model's metadata, by key.

        Raises MosaicError (M860) where they are damaged.
        """
        found: dict[str, Any] = {}
        for file in self.single:
            for key, text in self.reader.metadata(file).items():
                if key.startswith(_STATED):
                    try:
                        found[key] = json.loads(text)
                    except (ValueError, RecursionError) as error:
                        raise MosaicError(unusable(file.location, error)) from error
        return found if EMITTED in found else {}

    def files(self, part: str) -> tuple[File, ...]:
        """The files of one part; a reduced-precision variant only where there is no full one."""
        found = [file for file in self.expert.files if part_of(file) == part and file not in self.single]
        full = [f for f in found if not (f.name.endswith(".safetensors") and ".fp16." in f.name)]
        has_weights = any(file.name.endswith(".safetensors") for file in full)
        return tuple(full if has_weights else found)

    def tensors(self, part: str) -> dict[str, torch.Tensor]:
        """A part's tensors by canonical name.

        Raises MosaicError (M853 for pickles, M854 where there are none).
        """
        files = self.files(part)
        weights = [file for file in files if file.name.endswith(".safetensors")]
        # Whatever else could be weights is handed to the reader, which refuses it by name.
        weights = weights or [file for file in files if not file.name.endswith((".json", ".txt", ".md"))]
        found: dict[str, torch.Tensor] = {}
        for file in weights:
            stored = self.reader.tensors(file)
            found.update(_vae_tensors(stored) if part == "vae" else _prefixed(part, stored))
        if not weights:
            prefix = f"{part}."
            found = {name: tensor for name, tensor in self.whole.items() if name.startswith(prefix)}
        if not found:
            raise MosaicError(self.missing(part))
        return found

    def holds(self, part: str) -> bool:
        """Whether there are weights of a part."""
        return bool(self.files(part)) or any(name.startswith(f"{part}.") for name in self.whole)

    def config(self, part: str) -> dict[str, Any] | None:
        """A part's own configuration, or None where it has none."""
        names = ("scheduler_config.json",) if part == "scheduler" else ("config.json",)
        for file in self.files(part):
            if file.name.rpartition("/")[2] in names:
                return self.reader.json(file)
        stated = self.stated.get(f"mosaic.config.{part}")
        return stated if isinstance(stated, dict) else None

    def tokens(self, positions: int) -> Tokens:
        """The tokenizer, for a text encoder that reads `positions` tokens.

        Raises MosaicError (M854, M860).
        """
        files = {file.name.rpartition("/")[2]: file for file in self.files("tokenizer")}
        config = self.reader.json(files["tokenizer_config.json"]) if "tokenizer_config.json" in files else {}
        if not files and "mosaic.tokenizer" in self.stated:
            return self._emitted_tokens()
        source = files.get("tokenizer.json") or files.get("vocab.json")
        if source is None or (source.name.endswith("vocab.json") and "merges.txt" not in files):
            raise MosaicError(self.missing("tokenizer"))
        try:
            if source.name.endswith("tokenizer.json"):
                return from_json(self.reader.bytes(source).decode(), config, positions)
            vocabulary = json.loads(self.reader.bytes(source))
            merges = self.reader.bytes(files["merges.txt"]).decode()
            return from_vocabulary(vocabulary, merges, config, positions)
        except (ValueError, TypeError) as error:
            raise MosaicError(unusable(source.location, error)) from error

    def _emitted_tokens(self) -> Tokens:
        try:
            return revived(self.stated["mosaic.tokenizer"])
        except (ValueError, TypeError, KeyError) as error:
            raise MosaicError(unusable(self.single[0].location, error)) from error

    def location(self, part: str) -> str:
        """What to name in a message about a part."""
        files = self.files(part) or self.single or self.expert.files
        return files[0].location if files else self.expert.id

    def missing(self, part: str) -> PartMissing:
        """The message that a part is not there."""
        shown = part.replace("_", " ")
        return PartMissing(span=None, expert=self.expert.id, part=shown, advice=_ADVICE.get(part, _WHOLE))

    def digest(self, part: str) -> tuple[str, ...]:
        """What identifies a part's bytes."""
        return tuple(f"{file.name}:{file.sha256}" for file in self.files(part) or self.single)


def part_of(file: File) -> str:
    """The part that a file belongs to: its folder in the diffusers layout, else its role."""
    folder = file.name.partition("/")[0] if "/" in file.name else ""
    return folder if folder in PARTS else file.role


def unusable(location: str, error: Exception) -> UnreadableConfiguration:
    """The message for a configuration that cannot be built."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UnreadableConfiguration(span=None, location=location, reason=reason[:200])


def _prefixed(part: str, stored: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {canonical(f"{part}.{name}"): tensor for name, tensor in stored.items()}


def _vae_tensors(stored: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A VAE alone by canonical name, from diffusers' names, its early names, or the original layout."""
    full = {name if name.startswith(ldm.VAE) else ldm.VAE + name: tensor for name, tensor in stored.items()}
    if any(name.startswith(f"{ldm.VAE}encoder.down.") for name in full):
        return {new: _linear(new, full[old]) for old, new in ldm.to_diffusers(full).items()}
    found: dict[str, torch.Tensor] = {}
    for name, tensor in stored.items():
        for old, new in _OLD_VAE:
            name = name.replace(old, new)
        found[f"vae.{name}"] = tensor
    return found


def _linear(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """The original layout stores the VAE's attention projections as 1×1 convolutions."""
    return tensor[:, :, 0, 0] if ldm.is_projection(name) and tensor.ndim == 4 else tensor
