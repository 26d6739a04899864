"""`steps: 12..30`: where a range may stand, what it comes to be, and what is wrong with one. For budgets see
test_budgets.py."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.compiler import Compiled
from mosaic.compiler.passes import OPTIMISE
from mosaic.compiler.passes.choose_steps import HIGH, LOW, Steps, at, parts
from mosaic.compiler.pins import Pins
from mosaic.compiler.program import Denoise, Refine, Resume

Compile = Callable[..., Compiled]

BASE = 'let base = checkpoint("t/base")\n'
EMIT = '\nemit image as "p.png"'


def sampled(steps: str, more: str = "") -> str:
    return f'{BASE}let image = sample(base, prompt: "a cat", steps: {steps}{more}){EMIT}'


def counts(found: Compiled) -> list[int | None]:
    """The steps of each run of the only program."""
    assert not found.has_errors, [d.message() for d in found.diagnostics]
    operations = [instruction.operation for instruction in found.programs[0].instructions]
    return [each.steps for each in operations if isinstance(each, Denoise | Refine | Resume)]


def test_without_a_budget_a_range_is_its_highest_number(compiled: Compile) -> None:
    found = compiled(sampled("12..30"))
    assert counts(found) == [30]
    (taken,) = found.steps["p"]
    assert (taken.steps, taken.number, taken.reason) == (Steps(12, 30), 30, "nothing asks for fewer")


def test_a_program_holds_a_plain_number(compiled: Compile) -> None:
    plain, ranged = compiled(sampled("30")), compiled(sampled("12..30"))
    assert ranged.programs[0].digest == plain.programs[0].digest
    assert ranged.graphs[0].digest == plain.graphs[0].digest, "passes see no difference"
    assert plain.steps["p"] == ()


@pytest.mark.parametrize("left_out", ["fold_constants", "share_prefixes", "cut_at_windows"])
def test_no_pass_is_needed_to_read_a_range(compiled: Compile, left_out: str) -> None:
    some = tuple(each for each in OPTIMISE if each.__name__ != left_out)
    body = sampled("12..30", ", until: 50%")
    assert counts(compiled(body, passes=some)) == [30]


REACHED = {
    "let": ("let few = 12..30\n" + sampled("few"), "", [30]),
    "names": (sampled("low..high"), "param low: int = 3\nparam high: int = 6\n", [6]),
    "one": (sampled("7..7"), "", [7]),
    "refine": (
        f'{BASE}let image = refine(base, load_image("a.png"), prompt: "a", steps: 5..9){EMIT}',
        "",
        [9],
    ),
    "fragment": (
        f"{BASE}let image = drawn(base, 12..30){EMIT}",
        'define drawn(model: model, n: int) -> latent { return sample(model, prompt: "a", steps: n) }\n',
        [30],
    ),
    "default": (
        f"{BASE}let image = drawn(base){EMIT}",
        'define drawn(model: model, n: int = 5..6) -> latent { return sample(model, prompt: "a", steps: n) }\n',
        [6],
    ),
    "bounds": (
        f"{BASE}let image = drawn(base, 9){EMIT}",
        'define drawn(model: model, n: int) -> latent { return sample(model, prompt: "a", steps: 2..n) }\n',
        [9],
    ),
}


@pytest.mark.parametrize("way", REACHED)
def test_a_range_reaches_the_steps_through(compiled: Compile, way: str) -> None:
    body, before, expected = REACHED[way]
    assert counts(compiled(body, before)) == expected


def test_resume_takes_at_most_so_many(compiled: Compile) -> None:
    cut = f'{BASE}let cut = sample(base, prompt: "a", steps: 4..8, until: 50%)\n'
    ranged = compiled(f'{cut}emit resume(base, cut, steps: 1..3) as "p.safetensors"')
    plain = compiled(f'{cut.replace("4..8", "8")}emit resume(base, cut, steps: 3) as "p.safetensors"')
    assert ranged.programs[0].digest == plain.programs[0].digest
    assert [taken.number for taken in ranged.steps["p"]] == [8, 3]


FRAGMENT = (
    'define drawn(n: int) -> latent { return sample(checkpoint("t/base"), prompt: "a", seed: n, steps: n) }\n'
)
ELSEWHERE = {
    "seed": (sampled("4", ", seed: 1..3"), "", "1..3"),
    "guidance": (sampled("4", ", guidance: 2..5"), "", "2..5"),
    "until": (sampled("4", ", until: 30%..60%"), "", "30%..60%"),
    "strength": (BASE + 'emit fuse(base, lora("t/plain") * 0.4..0.8) as "a.safetensors"', "", "0.4..0.8"),
    "seed by a name": ("let few = 1..3\n" + sampled("4", ", seed: few"), "", "few"),
    "number by a name": ("let few = 1..3\n" + sampled("4", ", guidance: few"), "", "few"),
    "bound by a name": ("let few = 1..3\n" + sampled("few..9"), "", "few"),
    "text": ("let few = 1..3\n" + BASE + 'let image = sample(base, prompt: "{few} cats")' + EMIT, "", "few"),
    "path": ("let few = 1..3\n" + sampled("few").replace("p.png", "{few}.png"), "", "few"),
    "fragment": (f"let image = drawn(2..4){EMIT}", FRAGMENT, "drawn(2..4)"),
    "param": (sampled("n"), "param n: int = 2..4\n", "2..4"),
    "number": (
        f"{BASE}let image = drawn(base, 2..4){EMIT}",
        'define drawn(m: model, w: number) -> latent { return sample(m, prompt: "a", guidance: w) }\n',
        "2..4",
    ),
    "budget": ("budget { latency: 1s..2s }\n" + sampled("4"), "", "1s..2s"),
    "list": (BASE + 'let image = sample(base, prompt: ["a", 1..2])' + EMIT, "", "1..2"),
}  # fmt: skip


@pytest.mark.parametrize("place", ELSEWHERE)
def test_elsewhere_a_range_is_refused(compiled: Compile, place: str) -> None:
    body, before, words = ELSEWHERE[place]
    found = [d for d in compiled(body, before).diagnostics if d.code != "M601"]
    assert [d.code for d in found] == ["M206"]
    assert found[0].span is not None and words in found[0].span.text
    assert "`steps` of `sample`" in found[0].help()[0]


WRONG = [
    ("30..12", "M305", "30..12", "12..30"),
    ("0..5", "M305", "0", "1"),
    ("-3..5", "M305", "-3", "1"),
    ("12..2000", "M305", "2000", "1000"),
    ("1.5..3", "M301", "1.5", "2"),
    ("1..3.5", "M301", "3.5", "3"),
    ("10%..30", "M301", "10%", None),
    ('"a"..30', "M301", '"a"', None),
]


@pytest.mark.parametrize(("steps", "code", "words", "fix"), WRONG)
@pytest.mark.parametrize("more", ["", ", until: 50%"])
def test_a_wrong_range_is_told_where_it_is_wrong(
    compiled: Compile, steps: str, code: str, words: str, fix: str | None, more: str
) -> None:
    (found,) = compiled(sampled(steps, more)).diagnostics
    assert found.code == code
    assert found.span is not None and found.span.text == words
    assert [fix.edits[0].replacement for fix in found.fixes()] == ([fix] if fix else [])
    assert fix is None or not compiled(sampled(steps.replace(words, fix), more)).has_errors


def test_inside_a_fragment_a_wrong_range_is_told_at_its_call(compiled: Compile) -> None:
    drawn = 'define drawn(m: model, n: int) -> latent { return sample(m, prompt: "a", steps: n..9) }\n'
    (found,) = compiled(f"{BASE}let image = drawn(base, 12){EMIT}", drawn).diagnostics
    assert (found.code, found.fixes()) == ("M305", ())
    assert found.span is not None and found.span.text == "drawn(base, 12)"
    assert [label.span.text for label in found.labels()] == ["n..9"]


def test_the_fewest_steps_are_judged_too(compiled: Compile) -> None:
    """Whether a plan compiles must not hang on a budget: 4% of 30 steps is one, of 12 it is none."""
    refined = (
        f'{BASE}let image = refine(base, load_image("a.png"), prompt: "a", strength: 4%, steps: STEPS){EMIT}'
    )
    assert not compiled(refined.replace("STEPS", "30")).has_errors
    (found,) = compiled(refined.replace("STEPS", "12..30")).diagnostics
    assert found.code == "M457" and "12 steps" in found.message()
    assert counts(compiled(refined.replace("STEPS", "25..30"))) == [30]


def test_a_lock_holds_the_number_of_a_range(compiled: Compile) -> None:
    pins = Pins(steps={(12, 30): 17}, place="mosaic.lock")
    found = compiled(sampled("12..30"), pins=pins)
    assert counts(found) == [17]
    assert [(taken.number, taken.reason) for taken in found.steps["p"]] == [(17, "as locked")]
    assert counts(compiled(sampled("12..31"), pins=pins)) == [31], "an edited range is chosen anew"


widths = st.tuples(st.integers(1, 1000), st.integers(1, 1000)).map(lambda pair: Steps(min(pair), max(pair)))
ranges = st.lists(widths, min_size=1, max_size=4, unique=True)


@given(ranges, st.data())
def test_ranges_rise_together(found: list[Steps], data: st.DataObject) -> None:
    held = data.draw(st.sampled_from([(), *((each,) for each in found)]))
    pins = Pins(steps={(each.low, each.high): each.high for each in held}, place="mosaic.lock")
    free = [each for each in found if each not in held]
    notches = parts(found, pins)
    assert notches[0] == LOW and notches == sorted(set(notches))
    rows = [[at(found, part, pins)[each] for each in free] for part in notches]
    assert rows[0] == [each.low for each in free]
    assert rows[-1] == [each.high for each in free] and at(found, HIGH, pins)
    for before, after in pairwise(rows):
        assert all(0 <= b - a <= 1 or len(free) > 1 for a, b in zip(before, after, strict=True))
        assert before != after and all(a <= b for a, b in zip(before, after, strict=True))
