"""Records of made-up experts, for tests of the store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mosaic.catalog.record import Claim, Evidence, FileState, Record, Score, Signature, StoredFile
from mosaic.compiler.facts import ExpertFacts, FileFact
from mosaic.compiler.types import Kind


def sha(text: str) -> str:
    """64 hex digits of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def lora_signature(rank: int = 4, width: int = 8) -> Signature:
    """One module of a LoRA in diffusers' names."""
    name = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora"
    return Signature(((f"{name}_A.weight", "F16", (rank, width)), (f"{name}_B.weight", "F16", (width, rank))))


def base_signature(width: int = 8) -> Signature:
    """The module of a base that `lora_signature` is for."""
    name = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight"
    return Signature(((name, "F16", (width, width)),))


def record(
    id: str = "local/neon",
    content: str = "",
    *,
    path: str | None = "",
    kind: Kind = Kind.LORA,
    family: str | None = "sd1",
    signature: Signature | None = None,
    description: str = "",
    tags: tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
    scores: tuple[Score, ...] = (),
    mtime: int = 1,
    **facts: Any,
) -> Record:
    """An expert of one file whose bytes are `content` (the id, where empty), at `path` (None: not at hand)."""
    digest = sha(content or id)
    shape = signature or (base_signature() if kind is Kind.CHECKPOINT else lora_signature())
    location = "" if path is None else path or f"/models/{id}.safetensors"
    base = kind is Kind.CHECKPOINT
    fact = FileFact(
        role="unet" if base else "adapter",
        sha256=digest,
        size=1000,
        location=location,
        name="unet/model.safetensors" if base else "model.safetensors",
        tensors_sha256=sha("tensors" + digest),
        blake3=sha("blake3" + digest),
        autov3=sha("autov3" + digest),
    )
    state = FileState(1000, mtime, 2, 3, 4) if location else None
    return Record(
        facts=ExpertFacts(
            id=id, kind=kind, family=family, space=None, prediction=None, files=(fact,),
            **{"title": id.rpartition("/")[2].replace("-", " ").title(), **facts},
        ),
        files=(StoredFile(fact, shape.digest, state),),
        claims=(
            Claim("family", family, Evidence.HEADER, "tensors"),
            Claim("title", "a title", Evidence.METADATA, "modelspec.title"),
        ),
        description=description,
        author="somebody",
        tags=tags,
        aliases=aliases,
        scores=scores,
        signatures={shape.digest: shape},
    )  # fmt: skip


@pytest.fixture(scope="session")
def make() -> Callable[..., Record]:
    """`record`, for tests."""
    return record


@pytest.fixture(scope="session")
def zoo_records() -> list[Record]:
    """The experts that come with the package."""
    from mosaic.catalog.reading import shipped
    from mosaic.stdlib import zoo

    return shipped(zoo.index(), zoo.root())


@pytest.fixture
def on_disk(tmp_path: Path) -> Callable[..., Record]:
    """Makes an expert whose file is really there."""

    def write(name: str, content: bytes = b"x") -> Record:
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        stat = path.stat()
        made = record(f"local/{name}", content.hex(), path=str(path))
        state = FileState(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev)
        file = StoredFile(made.files[0].fact, made.files[0].signature, state)
        return Record(made.facts, (file,), signatures=made.signatures)

    return write
