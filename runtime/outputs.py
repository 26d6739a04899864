"""Writing what a program emits, and reading the plan back out of it.

Every file carries its recipe: the plan's text, the program's digest, the experts with strengths, licences
and digests, the parameters. A PNG holds them in text chunks (iTXt, UTF-8), a safetensors file in its
metadata, under the same keys. Nothing that changes from run to run (times, paths, host names) is written,
so equal runs give equal bytes.

A latent is one float32 tensor `latent` (1, channels, h, w) in the model's scaled latent space. What a model is
written as, `exports` tells.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image as Pillow
from PIL import PngImagePlugin, UnidentifiedImageError
from safetensors import SafetensorError, safe_open

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import NothingToRecover
from mosaic.compiler.program import Emit, Fuse, LoadModel, Program
from mosaic.runtime.exports import entries, identity, provenance
from mosaic.runtime.streaming import Entry, write_tensors
from mosaic.runtime.values import Image, Latent, Model
from mosaic.runtime.writing import write


@dataclass(frozen=True)
class Emitted:
    """A file that was written. `name` is its path in the program."""

    name: str
    path: Path
    type: str
    sha256: str


@dataclass(frozen=True)
class Recovered:
    """What a file says of its making."""

    plan: str
    plan_name: str
    source: str
    digest: str
    parameters: Mapping[str, Any]
    experts: tuple[Mapping[str, Any], ...]
    libraries: Mapping[str, str]
    version: str


def expert_rows(program: Program) -> list[dict[str, Any]]:
    """The experts of a program with the strengths at which it uses them, as they are written into files."""
    strengths: dict[int, list[float]] = {}
    for instruction in program.instructions:
        operation = instruction.operation
        if isinstance(operation, LoadModel):
            strengths.setdefault(operation.expert, [])
        elif isinstance(operation, Fuse):
            for operand in operation.operands:
                if operand.expert is not None:
                    strengths.setdefault(operand.expert, []).append(operand.strength)
    return [
        {
            "id": expert.id,
            "kind": expert.kind,
            "title": expert.title,
            "license": expert.license,
            "strengths": sorted(set(strengths.get(index, []))),
            "files": {file.name: file.sha256 for file in expert.files},
        }
        for index, expert in enumerate(program.experts)
    ]


def recipe(program: Program, version: str, emit: Emit) -> dict[str, str]:
    """The texts that an emitted file carries, by key. A model's also tell how that model was made."""
    source = program.source
    made = provenance(program, emit) if emit.type == "model" else {}
    return {
        **made,
        "mosaic.version": version,
        "mosaic.plan": source.text,
        "mosaic.plan.name": source.plan,
        "mosaic.source": source.name,
        "mosaic.program.digest": program.digest,
        "mosaic.parameters": _compact({name: _plain(value) for name, value in source.parameters.items()}),
        "mosaic.experts": _compact(expert_rows(program)),
        "mosaic.libraries": _compact(source.libraries),
    }


def write_image(image: Image, path: Path, texts: Mapping[str, str]) -> str:
    """Write a PNG and return its sha256."""
    chunks = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        chunks.add_itxt(key, text)
    stream = io.BytesIO()
    Pillow.fromarray(image.pixels).save(stream, "PNG", pnginfo=chunks)
    return write(path, stream.getvalue())


def write_latent(latent: Latent, path: Path, texts: Mapping[str, str]) -> str:
    """Write a latent and return its sha256. A half-denoised one says at which step it stands."""
    extra = {}
    if latent.run is not None:
        position = {
            "scheduler": latent.run.name,
            "position": latent.run.position,
            "total": latent.run.total,
        }
        extra["mosaic.run"] = _compact(position)
    sample = latent.sample
    entry = Entry(torch.float32, tuple(sample.shape), lambda: sample)
    return write_tensors(path, {"latent": entry}, {**texts, **extra})


def write_model(model: Model, path: Path, texts: Mapping[str, str]) -> str:
    """Write a model's unet, text encoder and VAE, tensor by tensor, and return the file's sha256."""
    return write_tensors(path, entries(model), {**texts, **identity(model)})


def recover(path: Path) -> Recovered:
    """The plan and experts that a picture, latent or model was made from. Raises MosaicError (M857)."""
    texts = _texts(path)
    if "mosaic.plan" not in texts:
        raise _nothing(path, "it was not emitted by mosaic, or its texts were removed")
    try:
        return Recovered(
            plan=texts["mosaic.plan"],
            plan_name=texts.get("mosaic.plan.name", ""),
            source=texts.get("mosaic.source", ""),
            digest=texts.get("mosaic.program.digest", ""),
            parameters=json.loads(texts.get("mosaic.parameters", "{}")),
            experts=tuple(json.loads(texts.get("mosaic.experts", "[]"))),
            libraries=json.loads(texts.get("mosaic.libraries", "{}")),
            version=texts.get("mosaic.version", ""),
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise _nothing(path, "its texts are damaged") from error


def _texts(path: Path) -> dict[str, str]:
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt", device="cpu") as opened:
                return dict(opened.metadata() or {})
        with Pillow.open(path) as picture:
            if not isinstance(picture, PngImagePlugin.PngImageFile):
                raise _nothing(path, f"it is a {picture.format} picture, and only PNG carries plans")
            return {key: str(text) for key, text in picture.text.items()}
    except (
        UnidentifiedImageError,
        SafetensorError,
        SyntaxError,
        ValueError,
        Pillow.DecompressionBombError,
    ) as error:
        raise _nothing(path, "it is neither a PNG nor a safetensors file") from error
    except OSError as error:
        raise _nothing(path, error.strerror or "it cannot be read") from error


def _nothing(path: Path, reason: str) -> MosaicError:
    return MosaicError(NothingToRecover(span=None, path=str(path), reason=reason))


def _plain(value: Any) -> Any:
    """A number as a program's JSON has it, where 1.0 is written 1 (RFC 8785): a program that was read back writes the
    same file."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
