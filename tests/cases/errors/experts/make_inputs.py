"""Writes the broken and foreign files that the cases name: `python make_inputs.py`."""

from __future__ import annotations

import json
from pathlib import Path

from mosaic.compiler.weights.header import parse_header
from mosaic.stdlib import zoo

HERE = Path(__file__).parent


def safetensors(shapes: dict[str, tuple[int, ...]], **metadata: str) -> bytes:
    """A file of zeros in half precision."""
    entries: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, shape in shapes.items():
        start, size = end, 2
        for length in shape:
            size *= length
        end = start + size
        entries[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [start, end]}
    head = json.dumps(entries, separators=(",", ":")).encode()
    return len(head).to_bytes(8, "little") + head + bytes(end)


def write(name: str, data: bytes | str) -> None:
    """Write one file below this folder."""
    path = HERE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


LORA = {"unet.conv_in.lora_A.weight": (1, 4, 3, 3), "unet.conv_in.lora_B.weight": (8, 1, 1, 1)}
INPAINTING = {
    "model.diffusion_model.input_blocks.0.0.weight": (8, 9, 3, 3),
    "first_stage_model.decoder.conv_in.weight": (8, 4, 3, 3),
    "first_stage_model.decoder.conv_out.weight": (3, 8, 3, 3),
}


def denoiser() -> dict[str, tuple[int, ...]]:
    """Enough tensors of the zoo's base to be told as a denoiser of its family."""
    path = zoo.root() / "models/base/unet/diffusion_pytorch_model.safetensors"
    data = path.read_bytes()
    shapes = parse_header(data, len(data)).shapes
    cross = min(name for name in shapes if name.endswith("attn2.to_k.weight"))
    return {name: shapes[name] for name in ("conv_in.weight", "time_embedding.linear_1.bias", cross)}


def adapter(module: str, out: int, width: int) -> dict[str, tuple[int, ...]]:
    """A LoRA of rank one on one linear layer."""
    return {f"{module}.lora_A.weight": (1, width), f"{module}.lora_B.weight": (out, 1)}


LICENSED = {
    "ink": "CC-BY-NC-4.0",
    "paper": "CC-BY-ND-4.0",
    "chalk": "CC-BY-SA-4.0",
    "moss": "LicenseRef-scancode-fair-ai-public-1.0-sd",
    "slate": "LicenseRef-scancode-flux-1-nc",
    "coral": "LicenseRef-scancode-stability-ai-community-2024",
    "jade": "LicenseRef-mosaic-tencent-hunyuan-community",
    "rust": "LicenseRef-scancode-stable-diffusion-2022-08-22",
    "clay": "LicenseRef-mosaic-snofs-1.1",
    "foam": "",
}
"""LoRAs of the zoo's base that differ in their licence alone."""


if __name__ == "__main__":
    write("pictures/notes.txt", "No model here.\n")
    write("old.ckpt", "not even a pickle, but named like one\n")
    write("cut-off.safetensors", safetensors(LORA)[:-20])
    bridge = {
        f"mosaic.bridge.{key}": end
        for key, end in (("kind", "linear"), ("source", "zoo-a"), ("target", "zoo-b"))
    }
    write("broken-bridge.safetensors", safetensors({"weight": (4, 4, 2, 2), "bias": (4,)}, **bridge))
    write("no-prompts.txt", "\n\n")
    write("half-copied/unet/config.json", "{}\n")
    write("language.safetensors", safetensors({"lm_head.weight": (4, 2), "model.norm.weight": (2,)}))
    write("edited-by-hand/unet/config.json", '{"sample_size": 8,}\n')
    write(
        "loha.safetensors",
        safetensors({"lora_unet_conv_in.hada_w1_a": (8, 1), "lora_unet_conv_in.hada_w1_b": (1, 4)}),
    )
    write("oft.safetensors", safetensors({"lora_unet_conv_in.oft_blocks": (2, 4, 4)}))
    write("inpainting.safetensors", safetensors(INPAINTING))
    write("photo.webp", b"RIFF\x04\0\0\0WEBP")
    write("latin.mosaic", "mosaic 1 # caf\xe9\n".encode("latin-1"))
    deep = "unet.down_blocks.2.attentions.0.transformer_blocks.0.attn2.to_k"
    write("sdxl-film.safetensors", safetensors(adapter(deep, 1280, 2048)))
    write("partial.safetensors", safetensors(adapter(deep, 96, 64)))
    write("epsilon/config.json", '{"_class_name": "UNet2DConditionModel"}\n')
    stated = {"modelspec.prediction_type": "epsilon"}
    write("epsilon/diffusion_pytorch_model.safetensors", safetensors(denoiser(), **stated))
    write("twin.safetensors", safetensors({"<samurai>": (1, 64)}))
    write("word.safetensors", safetensors({"cat": (1, 64)}))
    middle = adapter("unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q", 96, 96)
    write("half.safetensors", safetensors({**middle, **adapter(deep, 96, 64)}))
    write("safety.safetensors", safetensors(middle))
    write("safety.expert.toml", "# What has to be merged last.\nlast = true\n")
    for name, licence in LICENSED.items():
        known = {"modelspec.license": licence} if licence else {}
        write(f"licensed/{name}.safetensors", safetensors(middle, **known, **{"modelspec.title": name}))
