"""Bridges are fitted by least squares and grown by a network; both are held against independent arithmetic."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.runtime.bridges import Bridge
from mosaic.runtime.fitting import LEAST, Settings, _error, _fitted, encode, fit, linear, r2, squared
from mosaic.runtime.values import Image, Model


def latents(n: int, channels: int, side: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_the_linear_fit_is_that_of_numpy(kernel: int) -> None:
    source, target = latents(20, 3), latents(20, 4, seed=1) + 0.5
    weight, bias = linear(source, target, kernel, ridge=0.0)
    half = kernel // 2
    padded = np.pad(source.numpy().astype(np.float64), ((0, 0), (0, 0), (half, half), (half, half)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(2, 3))
    rows = windows.transpose(0, 2, 3, 1, 4, 5).reshape(20 * 36, -1)
    rows = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    wanted = target.numpy().astype(np.float64).transpose(0, 2, 3, 1).reshape(20 * 36, -1)
    solution = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    assert np.allclose(weight.reshape(4, -1).numpy(), solution[:-1].T, atol=1e-5)
    assert np.allclose(bias.numpy(), solution[-1], atol=1e-5)


def test_a_map_that_is_linear_is_found() -> None:
    source = latents(30, 4)
    truth = Bridge(
        "t", "a", "b", torch.randn(4, 4, 3, 3, generator=torch.Generator().manual_seed(5)), torch.ones(4)
    )
    weight, bias = linear(source, truth.carry(source), 3, ridge=1e-9)
    assert torch.allclose(weight, truth.weight, atol=1e-4)
    assert torch.allclose(bias, truth.bias, atol=1e-4)


def test_r2_is_that_of_the_definition() -> None:
    found, wanted = latents(5, 2), latents(5, 2, seed=3)
    a, b = found.double().numpy(), wanted.double().numpy()
    spread = ((b - b.mean(axis=(0, 2, 3), keepdims=True)) ** 2).sum()
    assert r2(found, wanted) == pytest.approx(1 - ((a - b) ** 2).sum() / spread, rel=1e-9)
    assert r2(wanted, wanted) == 1
    assert r2(torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 2, 2)) == 1


def test_a_network_learns_what_no_convolution_can_and_is_never_worse() -> None:
    source = latents(24, 4)
    target = source.abs()
    short = Settings("conv", kernel=1, width=8, blocks=1, steps=200, batch=8)
    grown = _fitted(source, target, ("a", "b"), short, lambda done: None)
    plain = _fitted(source, target, ("a", "b"), replace(short, form="linear"), lambda done: None)
    assert grown.form == "conv"
    assert _error(grown, source, target) < 0.9 * _error(plain, source, target)
    again = _fitted(source, target, ("a", "b"), short, lambda done: None)
    assert torch.equal(grown.carry(source), again.carry(source))
    wild = _fitted(source, target, ("a", "b"), replace(short, steps=2, rate=50.0), lambda done: None)
    assert _error(wild, source, target) <= _error(plain, source, target)


def _shown(count: int, seed: int = 0) -> list[Image]:
    drawn = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return [Image(picture.repeat(4, axis=0).repeat(4, axis=1)) for picture in drawn]


def test_both_ways_are_fitted_and_measured_on_what_was_held_out(engine: Any, tiny: Any) -> None:
    model = Model.of(engine.base(tiny.expert))
    # Another space: the same VAE, its latents half as large.
    other = replace(model, space="half", vae=replace(model.vae, scaling=model.vae.scaling / 2))
    shown = _shown(20)
    fitted = fit(model, other, shown, Settings(kernel=1))
    assert (fitted.fitted, fitted.held_out) == (16, 4)
    assert (fitted.there.source, fitted.there.target) == (model.space, "half")
    assert (fitted.back.source, fitted.back.target) == ("half", model.space)
    for measured in fitted.measured:
        assert measured.r2 == pytest.approx(1, abs=1e-3)
        assert measured.round_trip == pytest.approx(1, abs=1e-3)
        assert measured.psnr > 40 or math.isinf(measured.psnr)
    assert encode(model, shown).shape == (20, 4, 8, 8)


def test_too_few_pictures_and_vaes_that_shrink_differently_are_refused(engine: Any, tiny: Any) -> None:
    model = Model.of(engine.base(tiny.expert))
    with pytest.raises(MosaicError, match=r"M874: 9 picture\(s\) in here"):
        fit(model, model, _shown(LEAST - 1), Settings(), "here")
    coarse = replace(model, vae=replace(model.vae, factor=16))
    with pytest.raises(MosaicError, match=r"M872.*16x16 of the other"):
        fit(model, coarse, _shown(LEAST), Settings())


def test_pictures_are_cut_to_one_size() -> None:
    wide = Image(np.zeros((20, 60, 3), dtype=np.uint8))
    assert squared(wide, 16, 16).pixels.shape == (16, 16, 3)
    assert squared(wide, 60, 20) is wide
