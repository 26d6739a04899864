"""Every discovered operator keeps the laws that it declares: passes rely on nothing else."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic import stdlib
from mosaic.compiler.operators import Acts, Law, Operator

torch = pytest.importorskip("torch")

SHAPES = [(5, 7), (3, 4, 3, 3), (6,)]
STRENGTHS = st.floats(-2, 2, allow_nan=False, width=32)

WEIGHTS = {name: op for name, op in stdlib.find_operators().items() if op.acts is Acts.WEIGHTS}

every = pytest.mark.parametrize("operator", [pytest.param(op, id=name) for name, op in WEIGHTS.items()])


def with_law(law: Law) -> pytest.MarkDecorator:
    """Each operator that declares a law."""
    return pytest.mark.parametrize(
        "operator", [pytest.param(op, id=name) for name, op in WEIGHTS.items() if law in op.laws]
    )


def fused(operator: Operator, base: Any, deltas: list[Any], strengths: list[float]) -> Any:
    """The kernel with its settings as a plan gets them that names none."""
    settings = {s.name: s.default for s in operator.settings if s.name != "rank"}
    return operator.kernel(base, deltas, strengths, [f"layer:{i}" for i in range(len(deltas))], **settings)


def operands(seed: int, count: int, shape: tuple[int, ...]) -> tuple[Any, list[Any]]:
    generator = torch.Generator().manual_seed(seed)
    base = torch.randn(shape, generator=generator)
    # Different magnitudes, so that an order of summation shows in the last bits.
    deltas = [torch.randn(shape, generator=generator) * 10.0 ** (i - 2) for i in range(count)]
    return base, deltas


@with_law(Law.SYMMETRIC)
@pytest.mark.parametrize("shape", SHAPES)
def test_symmetric_to_the_byte(operator: Operator, shape: tuple[int, ...]) -> None:
    base, deltas = operands(1, 4, shape)
    strengths = [0.8, -0.37, 1.13, 0.051]
    results = [
        fused(operator, base, [deltas[i] for i in order], [strengths[i] for i in order])
        for order in itertools.permutations(range(4))
    ]
    assert all(torch.equal(result, results[0]) for result in results)


@with_law(Law.LINEAR)
@settings(max_examples=25, deadline=None)
@given(first=STRENGTHS, second=STRENGTHS, seed=st.integers(0, 2**31))
def test_linear_in_each_strength(operator: Operator, first: float, second: float, seed: int) -> None:
    base, deltas = operands(seed, 2, (5, 7))
    low, high, middle = (
        fused(operator, base, deltas, [s, 0.3]) for s in (first, second, (first + second) / 2)
    )
    torch.testing.assert_close(middle, (low + high) / 2, rtol=1e-4, atol=1e-5)


@with_law(Law.IDENTITY_AT_ZERO)
@pytest.mark.parametrize("position", range(3))
def test_an_operand_of_strength_zero_may_be_dropped(operator: Operator, position: int) -> None:
    base, deltas = operands(3, 3, (5, 7))
    strengths = [0.8, -0.37, 1.13]
    strengths[position] = 0.0
    whole = fused(operator, base, deltas, strengths)
    fewer = [i for i in range(3) if i != position]
    dropped = fused(operator, base, [deltas[i] for i in fewer], [strengths[i] for i in fewer])
    assert torch.equal(whole, dropped)


@every
def test_arguments_are_left_alone_and_the_result_fits(operator: Operator) -> None:
    base, deltas = operands(4, 3, (4, 6))
    before = [tensor.clone() for tensor in (base, *deltas)]
    result = fused(operator, base, deltas, [0.5, 0.5, 0.5])
    assert all(torch.equal(now, then) for now, then in zip((base, *deltas), before, strict=True))
    assert (result.shape, result.dtype) == (base.shape, torch.float32)
    assert result.data_ptr() != base.data_ptr()


@every
def test_the_docstring_is_a_manual(operator: Operator) -> None:
    assert "arXiv:" in operator.doc
    assert len(operator.doc.splitlines()) > 3
