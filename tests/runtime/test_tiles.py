"""Pictures decoded and encoded in pieces."""

from __future__ import annotations

import copy
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.program import Decode, EncodeImage, Program
from mosaic.compiler.source import SourceFile
from mosaic.compiler.tiles import SHARED, spans
from mosaic.project import Project, engine
from mosaic.runtime import tiles
from mosaic.runtime.values import Model

SIDES = st.integers(1, 200)
PIECES = st.integers(2, 64)

PLAN = """mosaic 1
plan p {{
  let base = checkpoint("zoo/base")
  let cat = sample(base, prompt: "a red cat on a chair", steps: 6, guidance: 3, size: {size}, seed: 3)
  emit {emitted} as "a.png"
}}
"""


@given(SIDES, PIECES)
def test_pieces_cover_a_side_and_share_a_quarter(size: int, piece: int) -> None:
    found = spans(size, piece)
    assert (found[0][0], found[-1][1]) == (0, size)
    assert {end - start for start, end in found} == {min(size, piece)}
    for (_, before), (after, _) in pairwise(found):
        assert before - after >= piece // SHARED


@given(SIDES, PIECES)
def test_at_every_place_pieces_count_one_in_all(size: int, piece: int) -> None:
    found = spans(size, piece)
    ramps = tiles.weights(found, torch.device("cpu"))
    total = torch.zeros(size)
    alone = torch.zeros(size, dtype=torch.int)
    for (start, end), ramp in zip(found, ramps, strict=True):
        assert bool((ramp > 0).all()), "no piece is decoded for nothing"
        total[start:end] += ramp
        alone[start:end] += 1
    assert torch.allclose(total, torch.ones(size), atol=1e-6)
    assert bool((total[alone == 1] == 1).all())


def model(factor: int) -> Any:
    """A codec that looks at each place by itself: pieces of it are the whole."""
    mean = torch.nn.AvgPool2d(factor)
    family = SimpleNamespace(
        decode=lambda vae, sample: sample.repeat_interleave(factor, 2).repeat_interleave(factor, 3),
        encode_image=lambda vae, picture: mean(picture),
    )
    return SimpleNamespace(base=SimpleNamespace(family=family), vae=SimpleNamespace(factor=factor))


@given(st.integers(1, 24), st.integers(1, 24), st.integers(2, 12), st.integers(2, 12), st.integers(1, 4))
def test_what_looks_at_each_place_by_itself_is_the_same_in_pieces(
    height: int, width: int, down: int, across: int, factor: int
) -> None:
    generator = torch.Generator().manual_seed(height * 31 + width)
    latent = torch.randn(2, 3, height, width, generator=generator)
    codec, tile = model(factor), (across * factor, down * factor)
    whole = tiles.decode(codec, latent)
    assert torch.allclose(tiles.decode(codec, latent, tile), whole, atol=1e-5)
    assert torch.allclose(tiles.encode(codec, whole, tile), latent, atol=1e-5)


@pytest.fixture(scope="module")
def zoo() -> tuple[Model, torch.Tensor]:
    """The zoo's base, and a latent of it of 24 x 16 places."""
    (program,) = Project().compile(SourceFile("<test>", PLAN.format(size="64x64", emitted="cat"))).programs
    base = Model.of(engine(device="cpu").base(program.experts[0]))
    assert base.vae.factor == 4
    return base, torch.randn(1, 4, 24, 16, generator=torch.Generator().manual_seed(1))


def test_a_picture_that_fits_into_one_piece_is_the_same_to_the_bit(zoo: tuple[Model, torch.Tensor]) -> None:
    base, latent = zoo
    whole = tiles.decode(base, latent)
    assert torch.equal(tiles.decode(base, latent, (64, 96)), whole)
    assert torch.equal(tiles.decode(base, latent, (512, 128)), whole)
    assert torch.equal(tiles.encode(base, whole, (64, 128)), tiles.encode(base, whole))
    assert not torch.equal(tiles.decode(base, latent, (32, 96)), whole)
    assert not torch.equal(tiles.decode(base, latent, (64, 32)), whole)


def test_where_one_piece_lies_alone_its_pixels_are_that_pieces(zoo: tuple[Model, torch.Tensor]) -> None:
    base, latent = zoo
    corner = tiles.decode(base, latent[:, :, :8, :8])
    tiled = tiles.decode(base, latent, (32, 32))
    assert spans(24, 8)[1][0] == 5
    assert spans(16, 8)[1][0] == 4
    assert torch.equal(tiled[:, :, :20, :16], corner[:, :, :20, :16])
    assert not torch.equal(tiled[:, :, :21, :16], corner[:, :, :21, :16])


def test_a_piece_that_a_codec_cannot_take_is_an_error(zoo: tuple[Model, torch.Tensor]) -> None:
    base, latent = zoo
    for tile in ((33, 32), (32, 0), (2, 32)):
        with pytest.raises(MosaicError) as caught:
            tiles.decode(base, latent, tile)
        assert isinstance(caught.value.diagnostics[0], errors.runtime.SettingOutOfRange)


def _program(size: str, emitted: str) -> Program:
    (program,) = Project().compile(SourceFile("<test>", PLAN.format(size=size, emitted=emitted))).programs
    return program


def _pixels(program: Program, folder: Path) -> np.ndarray[Any, Any]:
    from PIL import Image

    (result,) = engine(device="cpu").run_all([program], [folder])
    with Image.open(result.emitted[0].path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_a_plan_in_tiles_shows_the_same_picture_without_seams(tmp_path: Path) -> None:
    whole = _pixels(_program("192x128", "cat"), tmp_path / "whole")
    tiled = _pixels(_program("192x128", "decode(cat, tile: 64x64)"), tmp_path / "tiled")
    assert whole.shape == tiled.shape == (128, 192, 3)
    difference = np.abs(whole - tiled)
    assert 0 < difference.mean() < 6, "nearly the same levels, of 255"
    # Along a seam neighbours would differ more than elsewhere.
    steps = np.abs(np.diff(tiled, axis=1)).mean(axis=(0, 2))
    usual = np.abs(np.diff(whole, axis=1)).mean(axis=(0, 2))
    assert bool((steps < usual + 8).all())


def test_a_tile_is_part_of_what_determines_a_picture() -> None:
    plain, tiled, larger = (
        _program("128x128", emitted)
        for emitted in ("decode(cat)", "decode(cat, tile: 64x64)", "decode(cat, tile: 64x128)")
    )
    assert plain.digest == _program("128x128", "cat").digest
    assert len({plain.digest, tiled.digest, larger.digest}) == 3
    decode = next(each.operation for each in tiled.instructions if isinstance(each.operation, Decode))
    assert decode.tile == (64, 64)
    assert "tile" not in plain.to_json().decode()
    assert Program.from_json(tiled.to_json()) == tiled


def test_pictures_are_encoded_in_tiles_too() -> None:
    emitted = 'refine(base, encode(decode(cat), with: base, tile: 64x64), strength: 0.5, prompt: "a cat")'
    program = _program("128x128", emitted)
    encode = next(each.operation for each in program.instructions if isinstance(each.operation, EncodeImage))
    assert encode.tile == (64, 64)


def test_diffusers_own_tiles_agree_where_their_geometry_is_ours(zoo: tuple[Model, torch.Tensor]) -> None:
    base, _ = zoo
    latent = torch.randn(1, 4, 28, 28, generator=torch.Generator().manual_seed(2))
    ours = tiles.decode(base, latent, (64, 64))
    theirs: Any = copy.deepcopy(base.vae.module)
    theirs.enable_tiling()
    theirs.tile_latent_min_size, theirs.tile_sample_min_size, theirs.tile_overlap_factor = 16, 64, 0.25
    with torch.no_grad():
        wanted = theirs.decode(latent / base.vae.scaling + base.vae.shift).sample
    assert wanted.shape == ours.shape
    # Theirs has a third, ragged piece from 96 on; where pieces lie alone both have the same numbers.
    difference = (ours - wanted)[:, :, :96, :96].abs()
    alone = [slice(0, 48), slice(64, 96)]
    assert all(float(difference[:, :, rows, columns].max()) < 1e-5 for rows in alone for columns in alone)
    # Theirs weighs a pixel by its left edge, ours by its middle: half a pixel of sixteen.
    spread = float(ours.max() - ours.min())
    assert float(difference.max()) < spread / 16
    assert float(difference.mean()) < spread / 500
