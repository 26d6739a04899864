"""Each operator on weights against its definition, written anew: entry by entry, in numpy's float64."""

from __future__ import annotations

import hashlib
import itertools
import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic import stdlib
from mosaic.stdlib import arithmetic

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

KERNELS = {name: op.kernel for name, op in stdlib.find_operators().items()}
MASK = 2**64 - 1

Case = tuple[Any, list[Any], list[float], list[str]]


# The definitions.


def trim(delta: Any, density: float) -> Any:
    flat = sorted((abs(x) for x in delta.flat), reverse=True)
    least = flat[math.ceil(Fraction(str(density)) * len(flat)) - 1]
    return np.where(np.abs(delta) >= least, delta, 0.0)


def weighted(deltas: list[Any], strengths: list[float]) -> Any:
    return sum((w * d for w, d in zip(strengths, deltas, strict=True)), np.zeros(()))


def mean_of_the_elected(deltas: list[Any], strengths: list[float]) -> Any:
    result = np.zeros(deltas[0].shape) if deltas else np.zeros(())
    for index in np.ndindex(result.shape if deltas else ()):
        if not deltas:
            break
        votes = [w * float(d[index]) for w, d in zip(strengths, deltas, strict=True)]
        elected = math.copysign(1, math.fsum(votes)) if abs(math.fsum(votes)) > 0 else 0
        agreeing = [vote for vote in votes if vote * elected > 0]
        result[index] = math.fsum(agreeing) / len(agreeing) if agreeing else 0.0
    return result


def philox(key: int, block: int) -> list[int]:
    """Philox-4x64-10 (Salmon et al. 2011, section 3.3): the four words of one value of the counter."""
    counter, keys = [block, 0, 0, 0], [key & MASK, key >> 64]
    for _ in range(10):
        first, second = 0xD2E7470EE14C6C93 * counter[0], 0xCA5A826395121157 * counter[2]
        counter = [
            (second >> 64) ^ counter[1] ^ keys[0],
            second & MASK,
            (first >> 64) ^ counter[3] ^ keys[1],
            first & MASK,
        ]
        keys = [(keys[0] + 0x9E3779B97F4A7C15) & MASK, (keys[1] + 0xBB67AE8584CAA73B) & MASK]
    return counter


def drawn(key: str, seed: int, shape: tuple[int, ...]) -> Any:
    count = math.prod(shape)
    number = int.from_bytes(hashlib.sha256(f"{seed}\n{key}".encode()).digest()[:16], "little")
    blocks = (philox(number, block) for block in itertools.count(1))
    words = itertools.chain.from_iterable(blocks)
    halves = itertools.chain.from_iterable((word & 0xFFFFFFFF, word >> 32) for word in words)
    return np.array([(half >> 8) / 2**24 for half in itertools.islice(halves, count)]).reshape(shape)


def dropped(delta: Any, key: str, seed: int, density: float) -> Any:
    return np.where(drawn(key, seed, delta.shape) < density, delta / density, 0.0)


def pruned(delta: Any, key: str, seed: int, density: float, spread: float) -> Any:
    chances = drawn(key, seed, delta.shape)
    rows = delta.reshape(delta.shape[0], -1) if delta.ndim > 1 else delta.reshape(1, -1)
    result = np.zeros(rows.shape)
    for row in range(rows.shape[0]):
        order = sorted(range(rows.shape[1]), key=lambda column: (abs(rows[row, column]), column))
        for rank, column in enumerate(order):
            share = rank / (len(order) - 1) if len(order) > 1 else 0.5
            drop = max(0.0, (1 - density + spread / 2) - spread * share)
            keep = 1 - drop
            if keep > 0 and chances.reshape(rows.shape)[row, column] < keep:
                result[row, column] = rows[row, column] / keep
    return result.reshape(delta.shape)


def on_the_sphere(deltas: list[Any], strengths: list[float]) -> Any:
    """By gradient descent in the whole space, from the linear mean."""
    total = sum(map(abs, strengths))
    units = [d.ravel() / np.linalg.norm(d) * np.sign(w) for d, w in zip(deltas, strengths, strict=True)]
    shares = [abs(w) / total for w in strengths]
    point = sum(a * u for a, u in zip(shares, units, strict=True))
    point = point / np.linalg.norm(point)
    for _ in range(3000):
        step = np.zeros_like(point)
        for share, unit in zip(shares, units, strict=True):
            across = unit - (unit @ point) * point
            sine = np.linalg.norm(across)
            if sine > 1e-300:
                step += share * math.atan2(sine, unit @ point) * across / sine
        length = np.linalg.norm(step)
        if length < 1e-15:
            break
        point = math.cos(length) * point + math.sin(length) * step / length
        point /= np.linalg.norm(point)
    reach = sum(abs(w) * np.linalg.norm(d) for w, d in zip(strengths, deltas, strict=True))
    return (reach * point).reshape(deltas[0].shape)


# The tests.

SHAPES = st.sampled_from([(7,), (4, 6), (5, 1), (3, 2, 2, 2), (1,), (2, 9)])
STRENGTHS = st.floats(-2, 2).map(lambda w: round(w, 3)).filter(lambda w: w != 0)
DENSITIES = st.floats(0.02, 1).map(lambda d: round(d, 2))
KEYS = st.text("abc:.", min_size=1, max_size=4)


@st.composite
def cases(draw: st.DrawFn, most: int = 4, least: int = 0) -> Case:
    shape = draw(SHAPES)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    strengths = draw(st.lists(STRENGTHS, min_size=least, max_size=most))
    # Numbers of few digits, so that magnitudes are often equal and some are zero.
    deltas = [torch.randn(shape, generator=generator).mul(4).round().div(4) for _ in strengths]
    base = torch.randn(shape, generator=generator)
    keys = [f"{i}{draw(KEYS)}" for i in range(len(strengths))]
    return base, deltas, strengths, keys


def dense(tensors: list[Any]) -> list[Any]:
    return [tensor.double().numpy() for tensor in tensors]


def agrees(result: Any, base: Any, change: Any) -> None:
    assert result.dtype == torch.float32
    assert result.shape == base.shape
    wanted = torch.from_numpy(np.broadcast_to(base.double().numpy() + change, base.shape).copy())
    torch.testing.assert_close(result, wanted.float(), rtol=3e-7, atol=3e-7)


@settings(max_examples=60, deadline=None)
@given(cases(), DENSITIES)
def test_magnitude(case: Case, density: float) -> None:
    base, deltas, strengths, keys = case
    result = KERNELS["magnitude"](base, deltas, strengths, keys, density=density)
    agrees(result, base, weighted([trim(d, density) for d in dense(deltas)], strengths))


def balanced(deltas: list[Any], strengths: list[float], evenness: float, most: float) -> Any:
    lengths = [float(np.linalg.norm(d)) for d in deltas]
    total = sum(abs(w) for w, n in zip(strengths, lengths, strict=True) if n)
    if not total:
        return 0.0
    product = math.prod(n ** (abs(w) / total) for w, n in zip(strengths, lengths, strict=True) if n)
    factors = [min(most, max(1 / most, (product / n) ** evenness)) if n else 0.0 for n in lengths]
    return weighted(deltas, [w * f for w, f in zip(strengths, factors, strict=True)])


@settings(max_examples=60, deadline=None)
@given(cases(), st.floats(0, 1).map(lambda e: round(e, 2)), st.sampled_from([1, 1.5, 4, 100]))
def test_balance(case: Case, evenness: float, most: float) -> None:
    base, deltas, strengths, keys = case
    result = KERNELS["balance"](base, deltas, strengths, keys, evenness=evenness, most=most)
    agrees(result, base, balanced(dense(deltas), strengths, evenness, most))


@settings(max_examples=30, deadline=None)
@given(cases())
def test_balance_without_evenness_is_sum_to_the_byte(case: Case) -> None:
    base, deltas, strengths, keys = case
    plain = KERNELS["sum"](base, deltas, strengths, keys)
    assert torch.equal(KERNELS["balance"](base, deltas, strengths, keys, evenness=0), plain)
    assert torch.equal(KERNELS["balance"](base, deltas, strengths, keys, most=1), plain)


@given(st.floats(1e-6, 1e-3))
def test_balance_does_not_jump_where_a_strength_fades(strength: float) -> None:
    base, (large, small) = torch.zeros(3), (torch.tensor([4.0, 0, 0]), torch.tensor([0, 1.0, 0]))
    faded = KERNELS["balance"](base, [large, small], [1.0, strength], ["a", "b"])
    assert float((faded - large).abs().max()) < 10 * strength


@settings(max_examples=60, deadline=None)
@given(cases(), DENSITIES)
def test_ties(case: Case, density: float) -> None:
    base, deltas, strengths, keys = case
    result = KERNELS["ties"](base, deltas, strengths, keys, density=density)
    # Sums that cancel but for a rounding may elect either way: strengths of three digits and deltas in quarters keep
    # all sums of exact decimals, so what is nearly zero is meant to be zero.
    near = np.abs(weighted([trim(d, density) for d in dense(deltas)], strengths)) < 1e-9
    change = mean_of_the_elected([trim(d, density) for d in dense(deltas)], strengths)
    settled = torch.from_numpy(np.broadcast_to(~near, base.shape).copy())
    agrees(result.where(settled, base), base, np.where(near, 0, change))


@settings(max_examples=40, deadline=None)
@given(cases(), DENSITIES, st.integers(0, 2**53), st.booleans())
def test_dare(case: Case, density: float, seed: int, elect: bool) -> None:
    base, deltas, strengths, keys = case
    result = KERNELS["dare"](base, deltas, strengths, keys, density=density, seed=seed, elect=elect)
    left = [dropped(d, key, seed, density) for d, key in zip(dense(deltas), keys, strict=True)]
    if not elect:
        agrees(result, base, weighted(left, strengths))
        return
    near = np.abs(weighted(left, strengths)) < 1e-9
    settled = torch.from_numpy(np.broadcast_to(~near, base.shape).copy())
    agrees(result.where(settled, base), base, np.where(near, 0, mean_of_the_elected(left, strengths)))


@settings(max_examples=40, deadline=None)
@given(cases(), DENSITIES, st.floats(0, 1).map(lambda s: round(s, 2)), st.integers(0, 9))
def test_della(case: Case, density: float, spread: float, seed: int) -> None:
    base, deltas, strengths, keys = case
    result = KERNELS["della"](base, deltas, strengths, keys, density=density, spread=spread, seed=seed)
    left = [pruned(d, key, seed, density, spread) for d, key in zip(dense(deltas), keys, strict=True)]
    near = np.abs(weighted(left, strengths)) < 1e-6
    settled = torch.from_numpy(np.broadcast_to(~near, base.shape).copy())
    change = np.where(near, 0, mean_of_the_elected(left, strengths))
    # A chance to be kept of almost nothing makes what is kept almost without end; one rounding of that shows.
    wanted = (base.double() + torch.from_numpy(np.broadcast_to(change, base.shape).copy())).float()
    torch.testing.assert_close(result.where(settled, base), wanted, rtol=1e-5, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.floats(0.05, 2), min_size=1, max_size=5), st.booleans())
def test_slerp(seed: int, strengths: list[float], turned: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(6, 8, generator=generator)
    deltas = [torch.randn(6, 8, generator=generator) + 0.3 * shared for _ in strengths]
    if turned:
        strengths, deltas = [-strengths[0], *strengths[1:]], [-deltas[0], *deltas[1:]]
    base = torch.randn(6, 8, generator=generator)
    result = KERNELS["slerp"](base, deltas, strengths, [f"{i}" for i in range(len(deltas))])
    wanted = base.double() + torch.from_numpy(on_the_sphere(dense(deltas), strengths))
    torch.testing.assert_close(result.double(), wanted, rtol=1e-5, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(cases())
def test_attention_is_the_sum_of_what_it_is_handed(case: Case) -> None:
    base, deltas, strengths, keys = case
    result = KERNELS["attention"](base, deltas, strengths, keys, layers="attn2")
    assert torch.equal(result, KERNELS["sum"](base, deltas, strengths, keys))
    agrees(result, base, weighted(dense(deltas), strengths))


# What the manuals say.


@pytest.mark.parametrize("t", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_slerp_of_two_is_shoemakes_formula(t: float) -> None:
    generator = torch.Generator().manual_seed(5)
    first, second = (torch.randn(5, 7, generator=generator, dtype=torch.float64) for _ in range(2))
    u, v = first / first.norm(), second / second.norm()
    angle = torch.acos((u * v).sum())
    turned = (torch.sin((1 - t) * angle) * u + torch.sin(t * angle) * v) / torch.sin(angle)
    wanted = ((1 - t) * first.norm() + t * second.norm()) * turned
    result = KERNELS["slerp"](torch.zeros(5, 7), [first.float(), second.float()], [1 - t, t], ["a", "b"])
    torch.testing.assert_close(result.double(), wanted, rtol=1e-5, atol=1e-6)


def test_slerp_keeps_the_length_and_parallel_deltas_add_up() -> None:
    delta = torch.randn(6, 6, generator=torch.Generator().manual_seed(1))
    other = torch.randn(6, 6, generator=torch.Generator().manual_seed(2))
    result = KERNELS["slerp"](
        torch.zeros(6, 6), [delta, other, delta + other], [0.2, 0.3, 0.5], ["a", "b", "c"]
    )
    wanted = 0.2 * delta.norm() + 0.3 * other.norm() + 0.5 * (delta + other).norm()
    torch.testing.assert_close(result.norm(), wanted, rtol=1e-6, atol=0)
    for factors in ([1.0, 2.0], [1.0, 2.0, 0.125], [4.0, -1.0]):
        strengths = [0.5, 0.25, 0.3][: len(factors)]
        strengths = [-w if f < 0 else w for w, f in zip(strengths, factors, strict=True)]
        deltas, keys = [delta * f for f in factors], [str(f) for f in factors]
        result = KERNELS["slerp"](torch.zeros(6, 6), deltas, strengths, keys)
        summed = KERNELS["sum"](torch.zeros(6, 6), deltas, strengths, keys)
        torch.testing.assert_close(result, summed, rtol=1e-6, atol=1e-7)


def test_slerp_of_opposites_is_linear() -> None:
    delta = torch.randn(4, 4, generator=torch.Generator().manual_seed(1))
    result = KERNELS["slerp"](torch.zeros(4, 4), [delta, -delta], [0.75, 0.25], ["a", "b"])
    torch.testing.assert_close(result, 0.5 * delta, rtol=1e-6, atol=1e-7)
    result = KERNELS["slerp"](torch.zeros(4, 4), [delta, -delta], [0.5, 0.5], ["a", "b"])
    assert torch.equal(result, torch.zeros(4, 4))
    # Three directions a third of a circle apart cancel out.
    plane = [torch.tensor([math.cos(a), math.sin(a)]) for a in (0.0, 2 * math.pi / 3, 4 * math.pi / 3)]
    result = KERNELS["slerp"](torch.zeros(2), plane, [1.0, 1.0, 1.0], ["a", "b", "c"])
    torch.testing.assert_close(result, torch.zeros(2), rtol=0, atol=1e-6)


def test_slerp_leaves_out_a_delta_without_a_direction() -> None:
    delta = torch.randn(4, 4)
    result = KERNELS["slerp"](torch.zeros(4, 4), [delta, torch.zeros(4, 4)], [0.5, 0.5], ["a", "b"])
    assert torch.equal(result, 0.5 * delta)


def test_ties_as_the_paper_shows_it() -> None:
    """Agreement is averaged, a lone entry stays whole, the outvoted are left out, a tie changes nothing."""
    first = torch.tensor([2.0, 3.0, -1.0, 1.0])
    second = torch.tensor([4.0, 0.0, 5.0, -1.0])
    result = KERNELS["ties"](torch.zeros(4), [first, second], [1.0, 1.0], ["a", "b"], density=1.0)
    assert result.tolist() == [3.0, 3.0, 5.0, 0.0]
    result = KERNELS["ties"](torch.zeros(4), [first, second], [1.0, -1.0], ["a", "b"], density=1.0)
    assert result.tolist() == [-4.0, 3.0, -3.0, 1.0]


def test_trimming_keeps_all_that_are_as_large_as_the_last() -> None:
    delta = torch.tensor([[1.0, -2.0, 2.0], [0.5, -2.0, 3.0]])
    kept = arithmetic.trimmed(delta, 0.5)
    assert kept.tolist() == [[0.0, -2.0, 2.0], [0.0, -2.0, 3.0]]
    assert torch.equal(arithmetic.trimmed(torch.ones(5), 0.2), torch.ones(5))


@pytest.mark.parametrize(
    ("density", "elements", "kept"), [(0.07, 100, 7), (0.3, 10, 3), (0.5, 5, 3), (1e-9, 5, 1), (1, 4, 4)]
)
def test_how_many_entries_a_density_keeps(density: float, elements: int, kept: int) -> None:
    assert arithmetic.kept(density, elements) == kept


def test_dare_keeps_the_expected_share_and_value() -> None:
    delta = torch.ones(400, 500)
    change = KERNELS["dare"](torch.zeros(400, 500), [delta], [1.0], ["k"], density=0.3)
    assert abs((change != 0).float().mean() - 0.3) < 0.005
    assert abs(change.mean() - 1) < 0.02
    assert torch.unique(change).tolist() == pytest.approx([0, 1 / 0.3])


def test_della_keeps_large_entries_more_often() -> None:
    delta = torch.rand(2000, 101, generator=torch.Generator().manual_seed(0))
    change = KERNELS["della"](torch.zeros_like(delta), [delta], [1.0], ["k"], density=0.5, spread=0.4)
    order = delta.sort(dim=1).indices
    rates = (change != 0).float().gather(1, order).mean(dim=0)
    wanted = torch.linspace(0.3, 0.7, 101)
    assert float((rates - wanted).abs().max()) < 0.05
    assert abs(float(change.mean() / delta.mean()) - 1) < 0.01


def test_della_trims_where_nothing_would_be_kept() -> None:
    delta = torch.arange(1.0, 12.0).repeat(500, 1)
    change = KERNELS["della"](torch.zeros_like(delta), [delta], [1.0], ["k"], density=0.1, spread=1.0)
    # Probabilities run from -0.4 to 0.6 in steps of 0.1: the first five are never kept.
    assert not change[:, :5].any()
    assert abs(float((change[:, 10] != 0).float().mean()) - 0.6) < 0.08


@pytest.mark.parametrize("name", ["dare", "della"])
def test_masks_do_not_depend_on_how_a_tensor_lies_in_memory(name: str) -> None:
    delta = torch.randn(6, 9, generator=torch.Generator().manual_seed(3)).mul(2).round()
    turned = delta.t().contiguous().t()
    assert not turned.is_contiguous()
    first, second = (KERNELS[name](torch.zeros(6, 9), [d], [1.0], ["k"]) for d in (delta, turned))
    assert torch.equal(first, second)


def test_random_numbers_are_philox_and_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    like = torch.empty(5, 7)
    whole = arithmetic.uniform("unet.a:b", 11, like)
    assert whole.dtype == torch.float32
    assert torch.equal(whole.double(), torch.from_numpy(drawn("unet.a:b", 11, (5, 7))))
    monkeypatch.setattr(arithmetic, "AT_ONCE", 8)
    assert torch.equal(arithmetic.uniform("unet.a:b", 11, like), whole)


@pytest.mark.parametrize("name", ["sum", "ties", "dare", "slerp"])
def test_large_tensors_are_worked_on_in_parts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    base, *deltas = (torch.randn(7, 11) for _ in range(4))
    given = (base, deltas, [1.0, 0.5, 0.25], ["a", "b", "c"])
    whole = KERNELS[name](*given)
    monkeypatch.setattr(arithmetic, "AT_ONCE", 10)
    result = KERNELS[name](*given)
    torch.testing.assert_close(result, whole, rtol=1e-6, atol=0 if name != "slerp" else 1e-6)
