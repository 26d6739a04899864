"""Pictures decoded and encoded in pieces: memory goes by the piece and not by the picture.

An autoencoder looks at the whole picture at once (its norms and its attention take means over all of it), so pieces are
not what the whole would be: neighbours overlap by a quarter, and there the picture goes over from one to the other,
linearly. A picture that fits into one piece is encoded and decoded as without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import SettingOutOfRange
from mosaic.compiler.tiles import Span, spans
from mosaic.runtime.values import Model

Tile = tuple[int, int]
"""Width and height in pixels."""


def decode(model: Model, sample: torch.Tensor, tile: Tile | None = None) -> torch.Tensor:
    """Latents (n, channels, h, w) to a picture (n, 3, H, W) by a model's VAE. Raises MosaicError (M460)."""
    family, vae = model.base.family, model.vae

    def whole(piece: torch.Tensor) -> torch.Tensor:
        return family.decode(vae, piece)

    if tile is None:
        return whole(sample)
    return _in_pieces(whole, sample, _latents(tile, vae.factor), vae.factor, 1)


def encode(model: Model, picture: torch.Tensor, tile: Tile | None = None) -> torch.Tensor:
    """The inverse of `decode`. Raises MosaicError (M460)."""
    family, vae = model.base.family, model.vae

    def whole(piece: torch.Tensor) -> torch.Tensor:
        return family.encode_image(vae, piece)

    if tile is None:
        return whole(picture)
    return _in_pieces(whole, picture, _latents(tile, vae.factor), 1, vae.factor)


def weights(found: Sequence[Span], device: torch.device) -> list[torch.Tensor]:
    """How much each piece counts at the places that it covers, float32: at every place of the side one in all."""
    ramps = [torch.ones(end - start, device=device) for start, end in found]
    for (before, after), (earlier, later) in zip(pairwise(found), pairwise(ramps), strict=True):
        shared = before[1] - after[0]
        rise = (torch.arange(shared, device=device) + 0.5) / shared
        later[:shared] *= rise
        earlier[len(earlier) - shared :] *= rise.flip(0)
    total = torch.zeros(found[-1][1], device=device)
    for (start, end), ramp in zip(found, ramps, strict=True):
        total[start:end] += ramp
    return [ramp / total[start:end] for (start, end), ramp in zip(found, ramps, strict=True)]


def _in_pieces(
    whole: Callable[[torch.Tensor], torch.Tensor], given: torch.Tensor, piece: Span, out: int, into: int
) -> torch.Tensor:
    """What `whole` makes of pieces, blended. `piece` is (width, height) in latents; places of a result and of what is
    given for each latent are `out` and `into`."""
    height, width = (side // into for side in given.shape[2:])
    rows, columns = spans(height, piece[1]), spans(width, piece[0])
    if len(rows) == len(columns) == 1:
        return whole(given)
    down, across = (
        weights([(start * out, end * out) for start, end in found], given.device) for found in (rows, columns)
    )
    blended: torch.Tensor | None = None
    for (upper, lower), y in zip(rows, down, strict=True):
        for (left, right), x in zip(columns, across, strict=True):
            made = whole(given[:, :, upper * into : lower * into, left * into : right * into])
            if blended is None:
                blended = made.new_zeros((*made.shape[:2], height * out, width * out))
            made = made * (y[:, None] * x)
            blended[:, :, upper * out : lower * out, left * out : right * out] += made
    assert blended is not None, "a picture has a piece"
    return blended


def _latents(tile: Tile, factor: int) -> Span:
    for side in tile:
        if side < factor or side % factor:
            raise MosaicError(SettingOutOfRange(None, "tile", side, f"a positive multiple of {factor}"))
    return tile[0] // factor, tile[1] // factor
