"""M312, M457: what a run would find at its place is known to the step before it begins, as the engine counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mosaic.compiler import Compiled
from mosaic.compiler.steps import steps_taken, steps_until

Compile = Callable[..., Compiled]


@pytest.mark.parametrize(
    ("latent", "codes"),
    [
        ("sample(base, prompt: T, steps: 4, until: 10%)", ["M457"]),
        ("sample(base, prompt: T, steps: 4, until: 12.5%)", []),
        ("sample(base, prompt: T, until: 2%)", ["M457"]),  # of 20 steps, the default
        ("sample(base, prompt: T, until: 3%)", []),
        ("refine(base, done, strength: 20%, steps: 4)", ["M457"]),
        ("refine(base, done, strength: 25%, steps: 4)", []),
        ("refine(base, done, steps: 1)", ["M457"]),  # 0.6, the default, of one step
        ("refine(base, done, strength: 1%, steps: 4)", ["M457"]),
        ("refine(base, done, strength: 30%, steps: 10)", []),
        ("resume(base, half)", []),
        ("resume(base, half, until: 60%)", ["M312"]),  # of 4 steps, two are done already
        ("resume(base, half, until: 70%)", []),
        ("resume(base, half, steps: 1)", []),
        ("resume(base, sample(base, prompt: T, steps: 4, until: 90%))", ["M312"]),  # rounds to all four
        ("resume(base, done)", ["M312"]),
        ("resume(base, resume(base, half, steps: 2))", ["M312"]),
        ("resume(base, resume(base, half, steps: 1))", []),
        ("refine(base, resume(base, half, steps: 2))", []),
        ("refine(base, resume(base, half, steps: 1))", ["M312"]),
        ("refine(base, resume(base, half))", []),
        ("refine(base, half)", ["M312"]),
        ("refine(base, decode(half))", []),
        ("resume(base, refine(base, done))", ["M312"]),
        ('resume(base, encode(load_image("a.png"), with: base), prompt: T)', ["M312"]),
        ("sample(base, prompt: T, steps: 0, until: 50%)", ["M305"]),  # not a word about fractions of nothing
        ("sample(base, prompt: T, steps: 4, until: 0%)", ["M305"]),
    ],
)
def test_runs_are_followed_to_the_step(compiled: Compile, latent: str, codes: list[str]) -> None:
    body = (
        """
let base = checkpoint("t/base")
let done = sample(base, prompt: "a cat", steps: 4)
let half = sample(base, prompt: "a cat", steps: 4, until: 50%)
"""
        + f'emit decode({latent.replace("T", chr(34) + "a cat" + chr(34))}) as "a.png"'
    )
    result = compiled(body)
    assert [found.code for found in result.diagnostics] == codes, [d.message() for d in result.diagnostics]


def test_a_resume_that_nothing_forbids_is_not_followed_beyond_a_mistake(compiled: Compile) -> None:
    """One mistake, one message: what hangs on a run that takes no step is not told as well."""
    body = """
let base = checkpoint("t/base")
let begun = sample(base, prompt: "a cat", steps: 4, until: 10%)
emit resume(base, begun) as "a.png"
"""
    assert [found.code for found in compiled(body).diagnostics] == ["M457"]


@pytest.mark.parametrize(
    ("fraction", "total", "until", "taken"),
    [
        (0.5, 5, 3, 2),
        (0.3, 10, 3, 3),
        (0.29999999999999998, 10, 3, 3),
        (1.0, 7, 7, 7),
        (0.1, 4, 0, 0),
        (0.125, 4, 1, 0),
    ],
)
def test_the_arithmetic(fraction: float, total: int, until: int, taken: int) -> None:
    assert (steps_until(fraction, total), steps_taken(fraction, total)) == (until, taken)
