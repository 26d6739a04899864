"""Pictures in and out of tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import UnreadablePicture
from mosaic.runtime.values import Image

_MOST_PIXELS = 1 << 26
"""8192 × 8192. A small file can hold a picture that fills the memory when it is unpacked."""


def load(path: Path, name: str) -> Image:
    """A picture as RGB, turned the way its camera meant it; transparency lies on white.

    Raises MosaicError (M856).
    """
    try:
        with Pillow.open(path) as picture:
            width, height = picture.size
            if width * height > _MOST_PIXELS:
                raise _unreadable(name, f"{width}x{height} is too large")
            upright = ImageOps.exif_transpose(picture)
            if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
                layer = upright.convert("RGBA")
                white = Pillow.new("RGBA", layer.size, "white")
                upright = Pillow.alpha_composite(white, layer)
            return Image(np.asarray(upright.convert("RGB")).copy())
    except (UnidentifiedImageError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        raise _unreadable(name, "it is no picture in a known format, or damaged") from error
    except OSError as error:
        raise _unreadable(name, error.strerror or str(error)) from error


def grey(image: Image) -> torch.Tensor:
    """The brightness of a picture, (height, width) float32 in [0, 1] (ITU-R BT.601 luma)."""
    pixels = torch.from_numpy(image.pixels).float() / 255
    return pixels @ torch.tensor([0.299, 0.587, 0.114])


def to_tensor(image: Image, device: torch.device) -> torch.Tensor:
    """(1, 3, height, width) float32 in [-1, 1]."""
    pixels = torch.from_numpy(image.pixels).to(device=device, dtype=torch.float32)
    return (pixels / 127.5 - 1).permute(2, 0, 1)[None]


def from_tensor(tensor: torch.Tensor) -> Image:
    """The inverse: clamped and rounded to 8 bits."""
    scaled = (tensor[0].float() / 2 + 0.5).clamp(0, 1) * 255
    return Image(scaled.round().to(torch.uint8).permute(1, 2, 0).cpu().numpy())


def _unreadable(name: str, reason: str) -> MosaicError:
    return MosaicError(UnreadablePicture(span=None, path=name, reason=reason))
