"""`sum` against two oracles: dense float64 arithmetic, and PEFT's `cat`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic import stdlib
from mosaic.stdlib import arithmetic

torch = pytest.importorskip("torch")

_KERNEL = stdlib.find_operators()["sum"].kernel


def SUM(base: Any, deltas: Any, strengths: Any) -> Any:
    """Nothing is drawn at random, so the keys do not matter."""
    return _KERNEL(base, deltas, strengths, [""] * len(deltas))


@settings(max_examples=40, deadline=None)
@given(
    strengths=st.lists(st.floats(-3, 3, allow_nan=False), min_size=0, max_size=6), seed=st.integers(0, 2**31)
)
def test_equals_the_dense_sum_rounded_once(strengths: list[float], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    base = torch.randn(9, 5, generator=generator)
    deltas = [torch.randn(9, 5, generator=generator) for _ in strengths]
    dense = base.double()
    for strength, delta in zip(strengths, deltas, strict=True):
        dense = dense + strength * delta.double()
    result = SUM(base, deltas, strengths)
    # One rounding of the exact sum; the float64 sums themselves may differ in their last bit.
    torch.testing.assert_close(result, dense.float(), rtol=2e-7, atol=0 if not strengths else 1e-12)


def test_small_changes_survive_beside_large_ones() -> None:
    base = torch.tensor([1.0])
    deltas = [torch.tensor([1e8]), torch.tensor([-1e8]), torch.tensor([0.25])]
    assert SUM(base, deltas, [1.0, 1.0, 1.0]).item() == 1.25


def test_large_tensors_are_worked_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    base = torch.randn(7, 11)
    deltas = [torch.randn(7, 11) for _ in range(3)]
    whole = SUM(base, deltas, [1.0, 0.5, 0.25])
    monkeypatch.setattr(arithmetic, "AT_ONCE", 10)
    assert torch.equal(SUM(base, deltas, [1.0, 0.5, 0.25]), whole)


def test_views_that_are_not_contiguous() -> None:
    base, delta = torch.randn(6, 4).t(), torch.randn(6, 4).t()
    assert torch.equal(SUM(base, [delta], [1.0]), (base.double() + delta.double()).float())


def test_strengths_and_deltas_must_pair_up() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        SUM(torch.zeros(2), [torch.zeros(2)], [])


@pytest.fixture(scope="module")
def combined() -> dict[str, object]:
    """Two random LoRAs of one small network, and PEFT's combinations of them."""
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(12, 10), torch.nn.Conv2d(4, 6, 3))
    base = {"0.weight": network[0].weight.detach().clone(), "1.weight": network[1].weight.detach().clone()}
    config = peft.LoraConfig(r=3, lora_alpha=6, target_modules=["0", "1"], init_lora_weights=False)
    model = peft.get_peft_model(network, config, adapter_name="a")
    model.add_adapter("b", config)
    weights = {"a": 0.8, "b": -0.4}
    layers = {f"{i}.weight": model.base_model.model[i] for i in (0, 1)}
    deltas = {k: [layer.get_delta_weight(n).detach() for n in weights] for k, layer in layers.items()}
    found: dict[str, object] = {"base": base, "deltas": deltas, "weights": list(weights.values())}
    for kind in ("cat", "linear"):
        model.add_weighted_adapter(list(weights), list(weights.values()), kind, combination_type=kind)
        found[kind] = {k: base[k] + layer.get_delta_weight(kind).detach() for k, layer in layers.items()}
    return found


@pytest.mark.parametrize("key", ["0.weight", "1.weight"])
def test_equals_pefts_concatenation(combined: dict, key: str) -> None:  # type: ignore[type-arg]
    result = SUM(combined["base"][key], combined["deltas"][key], combined["weights"])
    torch.testing.assert_close(result, combined["cat"][key], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("key", ["0.weight", "1.weight"])
def test_known_wrong_answer_pefts_linear(combined: dict, key: str) -> None:  # type: ignore[type-arg]
    """PEFT's `linear` adds the factors, not the deltas. Should it ever agree, this test should go."""
    result = SUM(combined["base"][key], combined["deltas"][key], combined["weights"])
    wrong = combined["linear"][key]
    change = (result - combined["base"][key]).norm()
    assert (result - wrong).norm() > 0.2 * change
