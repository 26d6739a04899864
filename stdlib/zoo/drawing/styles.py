"""The styles of the zoo: each turns a finished picture into the same picture in another manner.

A style is a function of a float array (64, 64, 3) in 0..1 and a seeded generator; the shape stays the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Array = NDArray[np.float32]
_LUMA: Final = np.asarray([0.299, 0.587, 0.114], dtype=np.float32)


def _filter(a: Array, kind: ImageFilter.Filter) -> Array:
    image = Image.fromarray((a.clip(0, 1) * 255).round().astype(np.uint8))
    return np.asarray(image.filter(kind), dtype=np.float32) / np.float32(255)


def _blur(a: Array, radius: float) -> Array:
    return _filter(a, ImageFilter.GaussianBlur(radius))


def _edges(a: Array) -> Array:
    """Strength of the strongest colour edge at each pixel, (64, 64, 1) in 0..1."""
    p = np.pad(a, ((1, 1), (1, 1), (0, 0)), mode="edge")
    gx = p[1:-1, 2:] - p[1:-1, :-2]
    gy = p[2:, 1:-1] - p[:-2, 1:-1]
    strength = np.sqrt(gx * gx + gy * gy).max(axis=2, keepdims=True)
    return np.asarray((strength * 1.6 - 0.25).clip(0, 1), dtype=np.float32)


def _smooth_noise(rng: np.random.Generator, cells: int) -> Array:
    coarse = rng.random((cells, cells), dtype=np.float32)
    image = Image.fromarray((coarse * 255).astype(np.uint8)).resize((64, 64), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float32)[:, :, None] / np.float32(255)


def neon(a: Array, rng: np.random.Generator) -> Array:
    """Glowing tubes along the outlines, over a dark, violet ghost of the picture."""
    del rng
    top = a.max(axis=2, keepdims=True)
    hue = a / np.maximum(top, 0.05)
    vivid = np.clip(hue + (hue - hue.mean(axis=2, keepdims=True)) * 0.9, 0.05, 1)
    spread = _filter(vivid.astype(np.float32), ImageFilter.MedianFilter(3))
    lines = _edges(a) * spread
    glow = _blur(lines.astype(np.float32), 2.2)
    ground = a * 0.24 + np.asarray([0.045, 0.01, 0.1], dtype=np.float32)
    out = ground + lines * 1.05 + glow * 0.9
    return np.asarray(out.clip(0, 1), dtype=np.float32)


def watercolor(a: Array, rng: np.random.Generator) -> Array:
    """Pale washes with soft edges, dark rims where the paint dried, and white paper at the border."""
    soft = _filter(a, ImageFilter.ModeFilter(3)) * 0.4 + _blur(a, 1.2) * 0.6
    rim = np.abs(_blur(a, 0.8) - _blur(a, 2.4)).max(axis=2, keepdims=True)
    wash = 0.40 + soft * 0.60
    wash = wash * (0.93 + 0.14 * _smooth_noise(rng, 9)) - rim * 0.35
    y, x = np.mgrid[0:64, 0:64].astype(np.float32)
    wobble = (_smooth_noise(rng, 12)[:, :, 0] - 0.5) * 7
    border = np.minimum(np.minimum(x, 63 - x), np.minimum(y, 63 - y)) + wobble
    keep = np.clip((border - 0.5) / 4.0, 0, 1)[:, :, None]
    paper = np.asarray([0.985, 0.97, 0.93], dtype=np.float32)
    return np.asarray((wash * keep + paper * (1 - keep)).clip(0, 1), dtype=np.float32)


def tiles(a: Array, rng: np.random.Generator) -> Array:
    """A mosaic: square tiles of four pixels, nearly of one colour each, with dark seams between them."""
    del rng
    mean = a.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    mean = mean + (mean - mean.mean(axis=2, keepdims=True)) * 0.3 + 0.06
    out = mean.repeat(4, axis=0).repeat(4, axis=1)
    out = (out * 0.75 + a * 0.25).reshape(16, 4, 16, 4, 3)
    seam = np.asarray([0.10, 0.09, 0.14], dtype=np.float32)
    out[:, 0, :, :] = out[:, 0, :, :] * 0.35 + seam
    out[:, 1:, :, 0] = out[:, 1:, :, 0] * 0.35 + seam
    return np.asarray(out.reshape(64, 64, 3).clip(0, 1), dtype=np.float32)


def sketch(a: Array, rng: np.random.Generator) -> Array:
    """Coloured pencil on cream paper: graphite outlines and diagonal strokes of the local colour."""
    y, x = np.mgrid[0:64, 0:64].astype(np.float32)
    phase = float(rng.random()) * 6
    stroke = (0.5 + 0.5 * np.sin((x + y) * (2 * np.pi / 6) + phase)).astype(np.float32)[:, :, None]
    paper = np.asarray([0.97, 0.95, 0.89], dtype=np.float32)
    flat = _filter(a, ImageFilter.ModeFilter(3))
    strength = 0.30 + 0.45 * stroke
    out = paper * (1 - strength) + np.minimum(flat + 0.12, paper) * strength
    out = out * (1 - 0.72 * _edges(a))
    return np.asarray(out.clip(0, 1), dtype=np.float32)


APPLY: Final[dict[str, Callable[[Array, np.random.Generator], Array]]] = {
    "neon": neon,
    "watercolor": watercolor,
    "tiles": tiles,
    "sketch": sketch,
}
