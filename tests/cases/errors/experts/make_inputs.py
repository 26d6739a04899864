"""Writes the broken and foreign files that the cases about inputs (M2xx, M8xx) name: `python
make_inputs.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

HERE = Path(__file__).parent


def safetensors(shapes: dict[str, tuple[int, ...]]) -> bytes:
    """A file of zeros in half precision."""
    entries, end = {}, 0
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

if __name__ == "__main__":
    write("pictures/notes.txt", "No model here.\n")
    write("old.ckpt", "not even a pickle, but named like one\n")
    write("cut-off.safetensors", safetensors(LORA)[:-20])
    write("half-copied/unet/config.json", "{}\n")
    write("language.safetensors", safetensors({"lm_head.weight": (4, 2), "model.norm.weight": (2,)}))
    write("edited-by-hand/unet/config.json", '{"sample_size": 8,}\n')
    write(
        "loha.safetensors",
        safetensors({"lora_unet_conv_in.hada_w1_a": (8, 1), "lora_unet_conv_in.hada_w1_b": (1, 4)}),
    )
    write("inpainting.safetensors", safetensors(INPAINTING))
    write("photo.webp", b"RIFF\x04\0\0\0WEBP")
    write("latin.mosaic", "mosaic 1 # caf\xe9\n".encode("latin-1"))
