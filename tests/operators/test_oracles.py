"""Our operators beside those of other programs: where definitions agree so do the numbers, where not they differ.

`docs/operators/oracles.md` is the table of this. Each known difference is shown by a test that asserts both what we say
(against the definition, written out) and that the other program says something else: should one of these fail because
the other program has changed, the table has a line less. sd-mecha and mergekit are not installed with the others;
without them their tests are skipped.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from mosaic import stdlib
from mosaic.stdlib import arithmetic

torch = pytest.importorskip("torch")

KERNELS = {name: op.kernel for name, op in stdlib.find_operators().items()}
SHAPE = (10, 20)
STRENGTHS = [1.0, 0.5, 0.8]


@pytest.fixture(scope="module")
def deltas() -> list[Any]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(SHAPE, generator=generator) for _ in range(3)]


def ours(name: str, deltas: list[Any], strengths: list[float], **given: object) -> Any:
    keys = [f"layer:{i}" for i in range(len(deltas))]
    return KERNELS[name](torch.zeros_like(deltas[0]), deltas, strengths, keys, **given)


def apart(first: Any, second: Any) -> float:
    return float((first - second).norm() / first.norm())


def weighted_ties(deltas: list[Any], strengths: list[float]) -> Any:
    """The definition of `ties` after trimming."""
    votes = torch.stack([w * d.double() for w, d in zip(strengths, deltas, strict=True)])
    agrees = (votes.sign() == votes.sum(0).sign()) & (votes != 0)
    return ((votes * agrees).sum(0) / agrees.sum(0).clamp(min=1)).float()


# PEFT: the primitives on dense deltas.


@pytest.fixture(scope="module")
def peft() -> Any:
    return pytest.importorskip("peft.utils.merge_utils")


@pytest.mark.parametrize("density", [0.1, 0.3, 0.5, 1.0])
def test_peft_magnitude_agrees(peft: Any, deltas: list[Any], density: float) -> None:
    theirs = peft.magnitude_prune(deltas, torch.tensor(STRENGTHS), density)
    torch.testing.assert_close(
        ours("magnitude", deltas, STRENGTHS, density=density), theirs, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_peft_ties_agrees_on_equal_strengths(peft: Any, deltas: list[Any], strength: float) -> None:
    theirs = peft.ties(deltas, torch.tensor([strength] * 3), 0.3)
    torch.testing.assert_close(
        ours("ties", deltas, [strength] * 3, density=0.3), theirs, rtol=1e-5, atol=1e-6
    )


def test_peft_ties_elects_without_strengths(peft: Any, deltas: list[Any]) -> None:
    strengths = [1.0, 0.2, 0.1]
    trimmed = [arithmetic.trimmed(delta, 0.6) for delta in deltas]
    result = ours("ties", deltas, strengths, density=0.6)
    torch.testing.assert_close(result, weighted_ties(trimmed, strengths))
    assert apart(result, peft.ties(deltas, torch.tensor(strengths), 0.6)) > 0.2


def test_peft_ties_counts_a_sum_of_zero_as_positive(peft: Any) -> None:
    pair = [torch.tensor([1.0, 2.0]), torch.tensor([-1.0, 2.0])]
    assert ours("ties", pair, [1.0, 1.0], density=1.0).tolist() == [0.0, 2.0]
    with pytest.warns(UserWarning, match="no pruning"):
        assert peft.ties(pair, torch.ones(2), 1.0).tolist() == [1.0, 2.0]


def test_peft_keeps_fewer_where_entries_are_equally_large_or_do_not_divide(peft: Any) -> None:
    equal, odd = torch.ones(4), torch.tensor([1.0, 2.0, 3.0])
    assert ours("magnitude", [equal], [1.0], density=0.5).tolist() == [1.0, 1.0, 1.0, 1.0]
    assert float(peft.magnitude_prune([equal], torch.ones(1), 0.5).sum()) == 2
    assert ours("magnitude", [odd], [1.0], density=0.5).tolist() == [0.0, 2.0, 3.0]
    assert peft.magnitude_prune([odd], torch.ones(1), 0.5).tolist() == [0.0, 0.0, 3.0]


def test_peft_dare_is_the_same_up_to_its_mask(peft: Any, deltas: list[Any]) -> None:
    for result in (
        peft.dare_linear(deltas[:1], torch.ones(1), 0.3),
        ours("dare", deltas[:1], [1.0], density=0.3),
    ):
        kept = result != 0
        torch.testing.assert_close(result[kept], deltas[0][kept] / 0.3)
        assert 0.15 < float(kept.float().mean()) < 0.45


def test_peft_dare_has_no_seed(peft: Any, deltas: list[Any]) -> None:
    first, second = (peft.dare_linear(deltas, torch.tensor(STRENGTHS), 0.5) for _ in range(2))
    assert apart(first, second) > 0.2
    assert torch.equal(ours("dare", deltas, STRENGTHS), ours("dare", deltas, STRENGTHS))


@pytest.mark.parametrize("kind", ["ties", "magnitude_prune"])
def test_peft_adapters_are_combined_by_their_factors(kind: str) -> None:
    """`add_weighted_adapter` without `_svd`: the result depends on how a delta was taken apart."""
    peft = pytest.importorskip("peft")

    def change(turn: Any) -> tuple[Any, list[Any]]:
        torch.manual_seed(0)
        config = peft.LoraConfig(r=3, lora_alpha=3, target_modules=["0"], init_lora_weights=False)
        model = peft.get_peft_model(torch.nn.Sequential(torch.nn.Linear(12, 10)), config, adapter_name="one")
        model.add_adapter("other", config)
        layer = model.base_model.model[0]
        with torch.no_grad():
            layer.lora_A["one"].weight.copy_(turn @ layer.lora_A["one"].weight)
            layer.lora_B["one"].weight.copy_(layer.lora_B["one"].weight @ turn.T)
        model.add_weighted_adapter(["one", "other"], [1.0, 1.0], "both", combination_type=kind, density=0.5)
        parts = [layer.get_delta_weight(name).detach() for name in ("one", "other")]
        return layer.get_delta_weight("both").detach(), parts

    turned, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(4)))
    (first, parts), (second, same) = change(torch.eye(3)), change(turned)
    torch.testing.assert_close(parts[0], same[0], rtol=1e-4, atol=1e-5)
    assert apart(first, second) > 0.2
    name = {"ties": "ties", "magnitude_prune": "magnitude"}[kind]
    assert apart(ours(name, parts, [1.0, 1.0]), first) > 0.2


# mergekit.


@pytest.fixture(scope="module")
def sparsify() -> Any:
    return pytest.importorskip("mergekit.sparsify")


def mergekit(kind: str, deltas: list[Any], strengths: list[float], density: float, **given: object) -> Any:
    """A merge by mergekit's own code, as a plan of its own would start it."""
    module = pytest.importorskip("mergekit.merge_methods.generalized_task_arithmetic")
    groups = pytest.importorskip("mergekit.merge_methods.base")
    method = module.GeneralizedTaskArithmeticMerge(
        consensus_method=module.ConsensusMethod.sum if kind == "ties" else None,
        sparsification_method=module.SparsificationMethod.magnitude,
        default_normalize=kind == "ties",
        default_rescale=False,
        method_name=kind,
        method_pretty_name=None,
        method_reference_url=None,
    )
    base = torch.zeros_like(deltas[0])
    group = groups.TensorGroup.from_tensors([base, *deltas], base_index=0)
    settings = {"normalize": kind == "ties", "rescale": False, "int8_mask": False, "lambda": 1.0, **given}
    return method.merge_group(
        group,
        weight={i + 1: strength for i, strength in enumerate(strengths)},
        density={i + 1: density for i in range(len(deltas))},
        **settings,
    )


def test_mergekit_trims_the_same(sparsify: Any, deltas: list[Any]) -> None:
    for density in (0.1, 0.3, 0.5):
        theirs = sparsify.magnitude(deltas[0], density)
        assert torch.equal(arithmetic.trimmed(deltas[0], density), theirs)


def test_mergekit_task_arithmetic_is_magnitude(deltas: list[Any]) -> None:
    theirs = mergekit("sum", deltas, STRENGTHS, 0.3)
    torch.testing.assert_close(
        ours("magnitude", deltas, STRENGTHS, density=0.3), theirs, rtol=1e-5, atol=1e-6
    )


def test_mergekit_ties_agrees_on_equal_strengths_of_one(deltas: list[Any]) -> None:
    theirs = mergekit("ties", deltas, [1.0] * 3, 0.3)
    torch.testing.assert_close(ours("ties", deltas, [1.0] * 3, density=0.3), theirs, rtol=1e-5, atol=1e-6)


def test_mergekit_ties_divides_by_strengths(deltas: list[Any]) -> None:
    """A strength has no effect where an operand is alone: 0.5 · τ / 0.5."""
    trimmed = [arithmetic.trimmed(delta, 0.3) for delta in deltas]
    result = ours("ties", deltas, STRENGTHS, density=0.3)
    torch.testing.assert_close(result, weighted_ties(trimmed, STRENGTHS))
    assert apart(result, mergekit("ties", deltas, STRENGTHS, 0.3)) > 0.2
    alone = mergekit("ties", deltas[:1], [0.5], 1.0)
    torch.testing.assert_close(alone, deltas[0])
    torch.testing.assert_close(ours("ties", deltas[:1], [0.5], density=1.0), 0.5 * deltas[0])


def test_mergekit_rescales_to_a_norm(sparsify: Any, deltas: list[Any]) -> None:
    theirs = sparsify.bernoulli(deltas[0], 0.3, sparsify.RescaleNorm.l1)
    kept = theirs != 0
    factors = theirs[kept] / deltas[0][kept]
    torch.testing.assert_close(factors, factors[:1].expand_as(factors), rtol=1e-5, atol=0)
    assert abs(float(factors[0]) - 1 / 0.3) > 1e-3
    ours_ = ours("dare", deltas[:1], [1.0], density=0.3)
    torch.testing.assert_close(ours_[ours_ != 0], deltas[0][ours_ != 0] / 0.3)


def test_mergekit_della_has_our_chances_at_half_the_spread(sparsify: Any) -> None:
    row = torch.arange(1.0, 12.0).repeat(4000, 1)
    torch.manual_seed(0)
    theirs = (sparsify.della_magprune(row, 0.5, 0.2) != 0).float().mean(0)
    rates = (ours("della", [row], [1.0], density=0.5, spread=0.4) != 0).float().mean(0)
    assert float((theirs - rates).abs().max()) < 0.04
    # What is kept is not divided by its chance.
    once = sparsify.della_magprune(row, 0.5, 0.2)
    assert torch.equal(once[once != 0], row[once != 0])


# sd-mecha.


@pytest.fixture(scope="module")
def mecha() -> Any:
    pytest.importorskip("sd_mecha")
    # Two of its names mean another function from outside.
    return pytest.importorskip("sd_mecha.extensions.builtin.merge_methods.ties")


def test_mecha_ties_agrees_when_it_elects_by_sums(mecha: Any, deltas: list[Any]) -> None:
    """It keeps all that are as large as the entry before our k-th."""
    density = 0.3
    theirs = mecha.ties_sum.__wrapped__(*deltas, k=density, vote_sgn=True)
    one_more = density + 1 / deltas[0].numel()
    result = ours("ties", deltas, [1.0] * 3, density=one_more)
    torch.testing.assert_close(result, theirs, rtol=1e-5, atol=1e-6)


def test_mecha_ties_counts_signs(mecha: Any, deltas: list[Any]) -> None:
    trimmed = [arithmetic.trimmed(delta, 0.6) for delta in deltas]
    result = ours("ties", deltas, [1.0] * 3, density=0.6)
    torch.testing.assert_close(result, weighted_ties(trimmed, [1.0] * 3))
    assert apart(result, mecha.ties_sum.__wrapped__(*deltas, k=0.6)) > 0.2


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.7])
def test_mecha_slerp_agrees(deltas: list[Any], alpha: float) -> None:
    mecha = pytest.importorskip("sd_mecha")
    theirs = mecha.slerp.__wrapped__(deltas[0], 3 * deltas[1], torch.tensor(alpha))
    result = ours("slerp", [deltas[0], 3 * deltas[1]], [1 - alpha, alpha])
    torch.testing.assert_close(result, theirs, rtol=1e-4, atol=1e-5)


def test_mecha_dropout_divides_by_overlapping_masks(mecha: Any) -> None:
    pair = [torch.ones(50, 50), torch.ones(50, 50)]
    theirs = mecha.dropout.__wrapped__(*pair, probability=0.5, seed=1)
    assert set(theirs.unique().tolist()) == {0.0, 2.0}
    assert set(ours("dare", pair, [1.0, 1.0], density=0.5).unique().tolist()) == {0.0, 2.0, 4.0}


def test_mecha_uses_one_mask_for_tensors_of_one_shape(mecha: Any, deltas: list[Any]) -> None:
    masks = [mecha.dropout.__wrapped__(d.abs() + 1, probability=0.5, seed=3) != 0 for d in deltas[:2]]
    assert torch.equal(*masks)
    keys = ("first:a", "second:a")
    base = torch.zeros(SHAPE)
    one, other = (KERNELS["dare"](base, [deltas[0].abs() + 1], [1.0], [key]) != 0 for key in keys)
    assert 0.35 < float((one == other).float().mean()) < 0.65


def test_mecha_della_ranks_the_whole_tensor(mecha: Any) -> None:
    """Rows of different sizes: the smaller row is nearly always dropped there, and half of it is kept here."""
    tall = torch.stack([torch.linspace(1, 2, 4000), torch.linspace(10, 20, 4000)])
    theirs = mecha.ties_sum_with_dropout.__wrapped__(
        tall, probability=torch.tensor(0.5), della_eps=0.9, k=1.0, vote_sgn=True, apply_stock=True, seed=0
    )
    rates = (theirs != 0).float().mean(1)
    assert float(rates[1] - rates[0]) > 0.3
    result = ours("della", [tall], [1.0], density=0.5, spread=0.9)
    assert torch.allclose((result != 0).float().mean(1), torch.tensor(0.5), atol=0.04)
    assert math.isclose(float(result.mean() / tall.mean()), 1, abs_tol=0.05)
