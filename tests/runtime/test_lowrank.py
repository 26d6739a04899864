"""Cuts to a rank: the best there is, by three ways that agree, and an honest figure of what is lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from mosaic.runtime.lowrank import flattened, recompress, truncate  # noqa: E402


def loras(seed: int, shape: tuple[int, int], ranks: list[int]) -> tuple[list[Any], list[Any], list[float]]:
    generator = torch.Generator().manual_seed(seed)
    ups = [torch.randn(shape[0], rank, generator=generator) for rank in ranks]
    downs = [torch.randn(rank, shape[1], generator=generator) for rank in ranks]
    return ups, downs, [0.8, -0.5, 1.3, 0.2][: len(ranks)]


def summed(ups: list[Any], downs: list[Any], scales: list[float]) -> Any:
    return sum(s * up.double() @ down.double() for up, down, s in zip(ups, downs, scales, strict=True))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shape=st.sampled_from([(12, 9), (5, 20), (3, 3), (1, 4)]),
    ranks=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    rank=st.integers(1, 12),
)
def test_the_core_gives_the_cut_of_the_dense_sum(
    seed: int, shape: tuple[int, int], ranks: list[int], rank: int
) -> None:
    ups, downs, scales = loras(seed, shape, ranks)
    dense = summed(ups, downs, scales)
    found = recompress(ups, downs, scales, rank)
    outer, values, inner = torch.linalg.svd(dense, full_matrices=False)
    best = (outer[:, :rank] * values[:rank]) @ inner[:rank]
    torch.testing.assert_close(found.dense(shape).double(), best, rtol=1e-5, atol=1e-5)
    whole = float(dense.square().sum())
    assert found.lost == pytest.approx(float((dense - best).square().sum()) / whole, abs=1e-12)
    assert found.up.shape == (shape[0], min(rank, *shape, sum(ranks)))
    assert found.down.shape == (found.up.shape[1], shape[1])
    cut, lost = truncate(dense.float(), rank)
    torch.testing.assert_close(cut, found.dense(shape), rtol=1e-4, atol=1e-5)
    assert lost == pytest.approx(found.lost, abs=1e-7)


def test_a_rank_that_holds_all_loses_nothing() -> None:
    ups, downs, scales = loras(0, (30, 20), [3, 4])
    found = recompress(ups, downs, scales, 7)
    assert found.lost < 1e-20
    torch.testing.assert_close(
        found.dense((30, 20)).double(), summed(ups, downs, scales), rtol=1e-5, atol=1e-5
    )
    assert recompress(ups, downs, scales, 6).lost > 1e-4
    whole = torch.randn(4, 6)
    assert truncate(whole, 4)[0].equal(whole)
    assert truncate(whole, 4)[1] == 0


def test_kernels_count_as_matrices() -> None:
    delta = torch.randn(8, 4, 3, 3)
    cut, lost = truncate(delta, 2)
    assert cut.shape == delta.shape
    assert torch.linalg.matrix_rank(cut.flatten(1)) == 2
    assert 0 < lost < 1
    bias = torch.randn(8)
    assert truncate(bias, 1) == (bias, 0.0)


def test_factors_of_convolutions_and_tucker_cores() -> None:
    up, mid, down = torch.randn(8, 3, 1, 1), torch.randn(3, 3, 3, 3), torch.randn(3, 5, 1, 1)
    core = torch.einsum("or,rskl,si->oikl", up[..., 0, 0], mid, down[..., 0, 0])
    found = recompress(*[[part] for part in flattened(up, down, mid)], [2.0], 3)
    torch.testing.assert_close(found.dense((8, 5, 3, 3)), 2 * core, rtol=1e-4, atol=1e-4)
    plain = torch.randn(3, 5, 3, 3)
    wide = flattened(up, plain)
    assert [part.shape for part in wide] == [(8, 3), (3, 45)]
    product = torch.einsum("or,rikl->oikl", up[..., 0, 0], plain)
    torch.testing.assert_close(recompress(*[[p] for p in wide], [1.0], 3).dense((8, 5, 3, 3)), product)


def test_nothing_and_zeros() -> None:
    ups, downs, _ = loras(0, (6, 5), [2])
    found = recompress(ups, downs, [0.0], 1)
    assert (found.lost, float(found.dense((6, 5)).abs().max())) == (0.0, 0.0)
    assert truncate(torch.zeros(6, 5), 1)[1] == 0
    for rank in (0, -1):
        with pytest.raises(ValueError, match="at least 1"):
            recompress(ups, downs, [1.0], rank)
        with pytest.raises(ValueError, match="at least 1"):
            truncate(torch.zeros(6, 5), rank)
    with pytest.raises(ValueError, match="nothing to cut"):
        recompress([], [], [], 1)
    with pytest.raises(ValueError, match=r"shorter|longer"):
        recompress(ups, downs, [1.0, 2.0], 1)


def test_half_precision_factors_are_cut_in_full_precision() -> None:
    ups, downs, scales = loras(4, (16, 12), [2, 2])
    halves = [up.half() for up in ups], [down.half() for down in downs]
    found = recompress(*halves, scales, 2)
    assert (found.up.dtype, found.down.dtype) == (torch.float32, torch.float32)
    exact = recompress([u.double() for u in halves[0]], [d.double() for d in halves[1]], scales, 2)
    assert torch.equal(found.dense((16, 12)), exact.dense((16, 12)))


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_equals_pefts_svd(rank: int) -> None:
    """`svd` of PEFT 0.21 and later: the same best approximation, by a dense decomposition."""
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(12, 10))
    config = peft.LoraConfig(r=3, lora_alpha=6, target_modules=["0"], init_lora_weights=False)
    model = peft.get_peft_model(network, config, adapter_name="one")
    model.add_adapter("other", config)
    weights = {"one": 0.8, "other": 0.4}
    layer = model.base_model.model[0]
    model.add_weighted_adapter(list(weights), list(weights.values()), "cut", "svd", svd_rank=rank)
    model.add_weighted_adapter(list(weights), list(weights.values()), "whole", "cat")
    ups = [layer.lora_B[name].weight.detach() for name in weights]
    downs = [layer.lora_A[name].weight.detach() for name in weights]
    found = recompress(ups, downs, [2 * weight for weight in weights.values()], rank)
    torch.testing.assert_close(
        found.dense((10, 12)), layer.get_delta_weight("cut").detach(), rtol=1e-4, atol=1e-5
    )
    whole = recompress(ups, downs, [2 * weight for weight in weights.values()], 10)
    torch.testing.assert_close(
        whole.dense((10, 12)), layer.get_delta_weight("whole").detach(), rtol=1e-4, atol=1e-5
    )
