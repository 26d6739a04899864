"""Every discovered operator keeps the laws that it declares: passes rely on nothing else."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic import stdlib
from mosaic.compiler.operators import Acts, Law, Operator
from mosaic.compiler.types import Kind

torch = pytest.importorskip("torch")

SHAPES = [(5, 7), (3, 4, 3, 3), (6,)]
STRENGTHS = st.floats(-2, 2, allow_nan=False, width=32)

WEIGHTS = {name: op for name, op in stdlib.find_operators().items() if op.acts is Acts.WEIGHTS}

every = pytest.mark.parametrize("operator", [pytest.param(op, id=name) for name, op in WEIGHTS.items()])


seeded = pytest.mark.parametrize(
    "operator",
    [pytest.param(op, id=name) for name, op in WEIGHTS.items() if any(s.name == "seed" for s in op.settings)],
)
MASKS = {"dare": "x.x.xxxxxx.xx.x.x..xxx.x", "della": "x.x.xx.xxx.xx.x.x..xxxxx"}


def same_bytes(first: Any, second: Any) -> bool:
    return first.numpy().tobytes() == second.numpy().tobytes()


def with_law(law: Law) -> pytest.MarkDecorator:
    """Each operator that declares a law."""
    return pytest.mark.parametrize(
        "operator", [pytest.param(op, id=name) for name, op in WEIGHTS.items() if law in op.laws]
    )


@dataclass(frozen=True)
class Given:
    """An operand as a kernel is handed it: its key goes with its content, wherever it stands."""

    delta: Any
    strength: float
    key: str


def fused(operator: Operator, base: Any, operands: Sequence[Given], **given: object) -> Any:
    """The kernel with its settings as a plan gets them that names none, but for some."""
    settings = {s.name: s.default for s in operator.settings if s.name != "rank"}
    return operator.kernel(
        base,
        [operand.delta for operand in operands],
        [operand.strength for operand in operands],
        [operand.key for operand in operands],
        **{**settings, **given},
    )


def operands(seed: int, shape: tuple[int, ...], strengths: Sequence[float]) -> tuple[Any, list[Given]]:
    generator = torch.Generator().manual_seed(seed)
    base = torch.randn(shape, generator=generator)
    # Different magnitudes, so that an order of summation shows in the last bits.
    return base, [
        Given(torch.randn(shape, generator=generator) * 10.0 ** (i - 2), strength, f"layer:{i}")
        for i, strength in enumerate(strengths)
    ]


@with_law(Law.SYMMETRIC)
@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_symmetric_to_the_byte(operator: Operator, shape: tuple[int, ...], flag: bool) -> None:
    base, given = operands(1, shape, [0.8, -0.37, 1.13, 0.051])
    flags = {s.name: flag for s in operator.settings if s.kind is Kind.FLAG}
    results = [fused(operator, base, order, **flags) for order in itertools.permutations(given)]
    assert all(same_bytes(result, results[0]) for result in results)


@with_law(Law.SYMMETRIC)
@settings(max_examples=15, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**31))
def test_any_order_of_any_operands(operator: Operator, data: st.DataObject, seed: int) -> None:
    strengths = data.draw(st.lists(STRENGTHS, max_size=5))
    base, given = operands(seed, data.draw(st.sampled_from(SHAPES)), strengths)
    order = data.draw(st.permutations(given))
    assert same_bytes(fused(operator, base, given), fused(operator, base, order))


@with_law(Law.LINEAR)
@settings(max_examples=25, deadline=None)
@given(first=STRENGTHS, second=STRENGTHS, seed=st.integers(0, 2**31))
def test_linear_in_strengths_and_deltas(operator: Operator, first: float, second: float, seed: int) -> None:
    base, given = operands(seed, (5, 7), [first, second])
    dense = base.double() + sum(each.strength * each.delta.double() for each in given)
    torch.testing.assert_close(fused(operator, base, given), dense.float(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@every
def test_what_is_not_linear_does_not_say_so(operator: Operator, shape: tuple[int, ...]) -> None:
    """The engine cuts sums of factors to a rank where this law allows it."""
    base, given = operands(2, shape, [0.5, 0.7, 0.4])
    dense = base.double() + sum(each.strength * each.delta.double() for each in given)
    is_sum = torch.allclose(fused(operator, base, given), dense.float(), rtol=1e-5, atol=1e-5)
    assert is_sum == (Law.LINEAR in operator.laws)


@with_law(Law.IDENTITY_AT_ZERO)
@pytest.mark.parametrize("content", [None, 0.0, float("inf"), float("nan")])
@pytest.mark.parametrize("position", range(3))
def test_an_operand_of_strength_zero_may_be_dropped(
    operator: Operator, position: int, content: float | None
) -> None:
    strengths = [0.8, -0.37, 1.13]
    strengths[position] = 0.0
    base, given = operands(3, (5, 7), strengths)
    if content is not None:
        given[position] = replace(given[position], delta=torch.full((5, 7), content))
    dropped = [each for i, each in enumerate(given) if i != position]
    assert same_bytes(fused(operator, base, given), fused(operator, base, dropped))


@with_law(Law.IDENTITY_AT_ZERO)
def test_nothing_but_zero_strengths_leaves_the_base(operator: Operator) -> None:
    base, given = operands(3, (5, 7), [0.0, -0.0])
    base[0, 0] = -0.0
    assert same_bytes(fused(operator, base, given), base)
    assert same_bytes(fused(operator, base, []), base)


@every
@pytest.mark.parametrize("shape", [(4, 6), (0, 3), (1,), (1, 1)])
def test_arguments_are_left_alone_and_the_result_fits(operator: Operator, shape: tuple[int, ...]) -> None:
    for strengths in ([0.5, 0.5, 0.5], [0.5], [0.0], []):
        base, given = operands(4, shape, strengths)
        before = [tensor.clone() for tensor in (base, *(each.delta for each in given))]
        result = fused(operator, base, given)
        now = (base, *(each.delta for each in given))
        assert all(same_bytes(ours, then) for ours, then in zip(now, before, strict=True))
        assert (result.shape, result.dtype) == (base.shape, torch.float32)
        assert result.data_ptr() != base.data_ptr() or not base.numel()


@every
@pytest.mark.parametrize("shape", SHAPES)
def test_deltas_of_zeros_change_nothing(operator: Operator, shape: tuple[int, ...]) -> None:
    base, _ = operands(5, shape, [])
    given = [Given(torch.zeros(shape), strength, f"layer:{strength}") for strength in (1.0, -0.5)]
    assert torch.equal(fused(operator, base, given), base)


@every
def test_the_whole_of_one_operand_is_its_strength_times_its_delta(operator: Operator) -> None:
    """Where nothing is taken out (a density of one), every operator says the same of one expert."""
    base, given = operands(6, (5, 7), [0.7])
    whole = {s.name: 1.0 for s in operator.settings if s.name == "density"}
    calm = {s.name: 0.0 for s in operator.settings if s.name == "spread"}
    dense = base.double() + 0.7 * given[0].delta.double()
    assert torch.equal(fused(operator, base, given, **whole, **calm), dense.float())


@every
def test_views_that_are_not_contiguous(operator: Operator) -> None:
    base, given = operands(7, (6, 4), [0.5, 0.25])
    turned = [replace(each, delta=each.delta.t().contiguous().t()) for each in given]
    assert same_bytes(
        fused(operator, base, given), fused(operator, base.t().contiguous().t(), turned).contiguous()
    )


@every
def test_strengths_deltas_and_keys_must_pair_up(operator: Operator) -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        operator.kernel(torch.zeros(2), [torch.zeros(2)], [], [])
    with pytest.raises(ValueError, match=r"shorter|longer"):
        operator.kernel(torch.zeros(2), [torch.zeros(2)], [1.0], [])


@seeded
def test_the_seed_and_the_key_decide_the_mask(operator: Operator) -> None:
    base, (given,) = operands(8, (40, 50), [1.0])
    first = fused(operator, base, [given], seed=3)
    assert same_bytes(first, fused(operator, base, [given], seed=3))
    other_seed = fused(operator, base, [given], seed=4)
    other_key = fused(operator, base, [replace(given, key="another layer:0")], seed=3)
    masks = [(result != base).double() - 0.5 for result in (first, other_seed, other_key)]
    for one, other in itertools.combinations(masks, 2):
        # 2000 tosses of a coin: the correlation of two unrelated masks has a standard deviation of 0.022.
        assert abs(float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])) < 0.1


@seeded
def test_a_mask_does_not_depend_on_other_operands(operator: Operator) -> None:
    """Two operands on places of their own: each changes what it changes alone."""
    base = torch.zeros(20, 30)
    left, right = torch.zeros(20, 30), torch.zeros(20, 30)
    left[:, :15], right[:, 15:] = torch.rand(20, 15) + 0.5, torch.rand(20, 15) + 0.5
    one, other = Given(left, 1.0, "layer:one"), Given(right, 0.5, "layer:other")
    both = fused(operator, base, [other, one])
    assert torch.equal(both, fused(operator, base, [one]) + fused(operator, base, [other]))


@seeded
def test_the_same_bytes_everywhere(operator: Operator) -> None:
    """Pinned, so that a picture of today is the picture of tomorrow: a change of this raises the operator's version."""
    delta = torch.arange(1, 25, dtype=torch.float32).reshape(4, 6)
    result = fused(operator, torch.zeros(4, 6), [Given(delta, 1.0, "layer:one")], seed=1)
    kept = "".join("x" if changed else "." for changed in (result != 0).flatten().tolist())
    assert (operator.version, kept) == (1, MASKS[operator.name])


@every
def test_the_docstring_is_a_manual(operator: Operator) -> None:
    assert re.search(r"\((\w+\W+)+(et al\. )?(19|20)\d\d\b", operator.doc), "names a paper"
    assert len(operator.doc.splitlines()) > 3


@every
def test_defaults_are_within_bounds(operator: Operator) -> None:
    for setting in operator.settings:
        if setting.kind in (Kind.INT, Kind.NUMBER):
            assert setting.bounds.broken(setting.default) is None
