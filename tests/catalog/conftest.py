"""Tiny real models of the first family, built once and never trained."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.weights import ldm

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")
save_file = pytest.importorskip("safetensors.torch").save_file

Shapes = Mapping[str, tuple[int, ...]]


def shapes_of(module: object, prefix: str) -> dict[str, tuple[int, ...]]:
    """A module's parameters as a base's header would list them."""
    return {f"{prefix}.{name}": tuple(tensor.shape) for name, tensor in module.state_dict().items()}


@pytest.fixture(scope="session")
def unet() -> object:
    """A UNet of Stable Diffusion 1's architecture, 8 and 16 channels wide."""
    return diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=2,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=12,
        attention_head_dim=2,
        norm_num_groups=4,
    )


@pytest.fixture(scope="session")
def text_encoder() -> object:
    """A CLIP text encoder, 12 wide."""
    config = transformers.CLIPTextConfig(
        vocab_size=60,
        hidden_size=12,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=20,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return transformers.CLIPTextModel(config)


@pytest.fixture(scope="session")
def vae() -> object:
    """An autoencoder with two levels and attention in the middle."""
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        norm_num_groups=4,
    )


@pytest.fixture(scope="session")
def base(unet: object, text_encoder: object) -> Shapes:
    """The names and shapes of a base, as coverage sees them."""
    return shapes_of(unet, "unet") | shapes_of(text_encoder, "text_encoder")


@pytest.fixture(scope="session")
def model_folder(
    tmp_path_factory: pytest.TempPathFactory, unet: object, text_encoder: object, vae: object
) -> Path:
    """A whole tiny model in the diffusers format. Shared: copy it before changing anything."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    for name, part in {"unet": unet, "text_encoder": text_encoder, "vae": vae}.items():
        part.save_pretrained(folder / name)  # type: ignore[attr-defined]
    diffusers.DDIMScheduler(prediction_type="v_prediction").save_pretrained(folder / "scheduler")
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=18)
    tokenizer.save_pretrained(folder / "tokenizer")
    index = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture
def plan(tmp_path: Path) -> Callable[[str], Span]:
    """Writes a plan that holds a text into the project's folder; gives the span of the text."""

    def write(literal: str, verb: str = "lora") -> Span:
        text = f'mosaic 1\nplan p {{ let x = {verb}("{literal}") }}\n'
        path = tmp_path / "plan.mosaic"
        path.write_text(text, encoding="utf-8")
        start = text.index("(") + 1
        return SourceFile(str(path), text).span(start, start + len(literal) + 2)

    return write


@pytest.fixture(scope="session")
def ldm_file(
    tmp_path_factory: pytest.TempPathFactory, unet: object, text_encoder: object, vae: object
) -> Path:
    """The same tiny model in one file of the original layout."""
    layout = ldm.layout_of_diffusers(f"unet.{name}" for name in unet.state_dict())  # type: ignore[attr-defined]
    tensors = {}
    for name, tensor in unet.state_dict().items():  # type: ignore[attr-defined]
        module, _, leaf = name.rpartition(".")
        original = ldm.to_ldm(f"unet.{module}", layout) or module
        tensors[ldm.UNET + original.removeprefix("unet.") + f".{leaf}"] = tensor
    for name, tensor in text_encoder.state_dict().items():  # type: ignore[attr-defined]
        tensors[f"{ldm.TEXT}text_model.{name}"] = tensor
    for name, tensor in vae.state_dict().items():  # type: ignore[attr-defined]
        tensors[ldm.VAE + in_ldm(name, levels=2)] = (
            tensor[:, :, None, None] if ".to_" in name and tensor.ndim == 2 else tensor
        )
    path = tmp_path_factory.mktemp("single") / "tiny.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


def in_ldm(name: str, levels: int = 4) -> str:
    """A VAE's diffusers name in the original layout, by rules written down a second time."""
    for level in range(levels):
        name = name.replace(f"encoder.down_blocks.{level}.", f"encoder.down.{level}.")
        name = name.replace(f"decoder.up_blocks.{level}.", f"decoder.up.{levels - 1 - level}.")
    for old, original in (
        ("mid_block.resnets.0", "mid.block_1"),
        ("mid_block.resnets.1", "mid.block_2"),
        ("mid_block.attentions.0", "mid.attn_1"),
        (".resnets.", ".block."),
        ("downsamplers.0", "downsample"),
        ("upsamplers.0", "upsample"),
        ("group_norm", "norm"),
        ("to_q", "q"),
        ("to_k", "k"),
        ("to_v", "v"),
        ("to_out.0", "proj_out"),
        ("conv_norm_out", "norm_out"),
        ("conv_shortcut", "nin_shortcut"),
    ):
        name = name.replace(old, original)
    return name


@pytest.fixture(scope="session")
def vae_name_in_ldm() -> Callable[[str], str]:
    """`in_ldm` for the published autoencoder of four levels."""
    return in_ldm


Write = Callable[..., Path]


@pytest.fixture(scope="session")
def write_tensors() -> Write:
    """Writes a safetensors file of given names and shapes without their numbers: the file is a hole behind its header.

    `scalars` are further tensors of one number each, with their values as 32-bit floats.
    """

    def write(
        path: Path,
        shapes: Shapes,
        dtype: str = "F16",
        metadata: Mapping[str, str] | None = None,
        scalars: Mapping[str, float] | None = None,
    ) -> Path:
        width = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1}[dtype]
        header: dict[str, object] = {} if metadata is None else {"__metadata__": dict(metadata)}
        data = b"".join(struct.pack("<f", value) for value in (scalars or {}).values())
        for number, name in enumerate(scalars or {}):
            header[name] = {"dtype": "F32", "shape": [], "data_offsets": [4 * number, 4 * number + 4]}
        end = len(data)
        for name, shape in shapes.items():
            start, end = end, end + width * math.prod(shape)
            header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
        text = json.dumps(header).encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as stream:
            stream.write(len(text).to_bytes(8, "little") + text + data)
            stream.truncate(8 + len(text) + end)
        return path

    return write
