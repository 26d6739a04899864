"""What differs between two plans: one edit is one change, and how a plan is written is none."""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.compiler.comparing import changes, compared, of, zoo
from tests.compiler.test_policy import NC, context

from mosaic.catalog.record import content_digest
from mosaic.compiler.comparing.changes import Aspect, State
from mosaic.compiler.comparing.identity import digest
from mosaic.compiler.comparing.meaning import Version
from mosaic.compiler.comparing.normal import normal
from mosaic.compiler.comparing.pairing import by_likeness, in_order
from mosaic.compiler.comparing.plans import compare
from mosaic.compiler.comparing.words import runs
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.program import Program
from mosaic.compiler.source import SourceFile
from mosaic.compiler.types import Kind

PLAN = """mosaic 1
param seed: int = 6
plan p {
  let base = checkpoint("zoo/base")
  let ink = lora("zoo/sketch")
  let wash = lora("zoo/watercolor")
  let hero = embedding("zoo/samurai")
  let look = fuse(base, hero, ink * 0.5, wash * 0.25, via: sum)
  let left = rect(0%, 0%, 50%, 100%)
  let words = "a blue {hero}, sketch style, watercolor style"
  let half = sample(look, prompt: words, steps: 10, guidance: 3, seed: seed, until: 50%)
  let done = resume(look, half, guidance: 2)
  let again = refine(look, done, strength: 40%, steps: 8, seed: 3, prompt: ["a cat" in left, "a {hero}"])
  emit again as "a.png"
  emit look as "look.safetensors"
}
"""

EDITS: list[tuple[str, str, list[tuple[str, str, str, str]]]] = [
    ("ink * 0.5", "ink * 0.75", [("strength", "zoo/sketch", "0.5", "0.75")]),
    ("steps: 10", "steps: 12", [("steps", "", "10", "12")]),
    ("steps: 8", "steps: 9", [("steps", "", "8", "9")]),
    ("seed: 3", "seed: 4", [("seed", "", "3", "4")]),
    ("guidance: 2", "guidance: 2.5", [("guidance", "", "2", "2.5")]),
    ("until: 50%", "until: 60%", [("until", "", "50%", "60%")]),
    ("strength: 40%", "strength: 55%", [("refine strength", "", "40%", "55%")]),
    ("seed: 3", "seed: 3, scheduler: \"euler\"", [("scheduler", "", "ddim", "euler")]),
    ("until: 50%", "until: 50%, size: 64x32", [("size", "", "64x64", "64x32")]),
    ("until: 50%", 'until: 50%, negative: "red"', [("negative prompt", "", "", "red")]),
    ("via: sum", "via: ties", [("operator", "", "sum(rank: 0)", "ties(density: 0.5, rank: 0)")]),
    ("via: sum", "via: sum(rank: 4)", [("setting", "sum(rank)", "0", "4")]),
    ("wash * 0.25, ", "wash * 0.25, lora(\"zoo/neon\") * 0.4, ",
     [("operand", "zoo/neon", "", "zoo/neon * 0.4 (lora, Apache-2.0, …)"),
      ("credit", "", "", "“Neon” (zoo/neon), Apache License 2.0")]),
    ("wash * 0.25, ", "", [("operand", "zoo/watercolor", "zoo/watercolor * 0.25 (lora, Apache-2.0, …)", ""),
      ("credit", "", "“Watercolor” (zoo/watercolor), Apache License 2.0", "")]),
    ("0%, 50%, 100%)", "0%, 40%, 100%)",
     [("region", "“a cat”", "rect(0%, 0%, 50%, 100%)", "rect(0%, 0%, 40%, 100%)")]),
    ('"a cat" in left', '"a dog" in left', [("prompt", "", "a cat", "a dog")]),
    ('"a cat" in left', '"a cat" * 0.5 in left', [("weight", "“a cat”", "1", "0.5")]),
    ('"a cat" in left', '"a cat" in left during 0%..50%', [("window", "“a cat”", "the whole run", "0%..50%")]),
    (', "a {hero}"]', ', "a {hero}", "snow"]', [("prompt", "", "", "snow")]),
    ('"a cat" in left, "a {hero}"', '"a {hero}", "a cat" in left',
     [("order", "prompt", "“a cat”, “a <samurai>”", "“a <samurai>”, “a cat”")]),
    ("a blue", "a red", [("prompt", "", "a blue <samurai>, sketch style, watercolor style",
                          "a red <samurai>, sketch style, watercolor style")]),
    ("emit again", "emit done", [("step", "refine", "40%, 8 steps, seed 3, by zoo/base with zoo/samurai, zoo/sketch "
                                  "* 0.5, zoo/watercolor * 0.25 by sum", "")]),
    ("int = 6", "int = 7", [("parameter", "seed", "int = 6", "int = 7"), ("seed", "", "6", "7")]),
    ("plan p {", "plan p {\n  budget { memory: 4GiB }", [("budget", "memory", "", "4GiB")]),
    ("plan p {", "plan p {\n  policy { credit: true }", [("policy", "credit", "", "true")]),
]  # fmt: skip
"""One edit of the text, and what it is told as: nothing besides."""


@pytest.mark.parametrize(("old", "new", "told"), EDITS, ids=[f"{old}-{new}" for old, new, _ in EDITS])
def test_one_edit_is_one_change(old: str, new: str, told: list[tuple[str, str, str, str]]) -> None:
    assert PLAN.count(old) == 1
    comparison = compared(PLAN, PLAN.replace(old, new))
    assert changes(comparison) == told
    assert comparison.differs


@pytest.mark.parametrize(
    ("old", "new"), [(old, new) for old, new, _ in EDITS], ids=[f"{o}-{n}" for o, n, _ in EDITS]
)
def test_the_way_back_is_the_same_change_turned_around(old: str, new: str) -> None:
    there = compared(PLAN, PLAN.replace(old, new))
    back = compared(PLAN.replace(old, new), PLAN)
    turned = [(aspect, before, after) for aspect, _, after, before in changes(back)]
    assert [(aspect, before, after) for aspect, _, before, after in changes(there)] == turned


def test_lines_of_both_files() -> None:
    (plan,) = compared(
        PLAN, PLAN.replace("param seed", "# one line more\nparam seed").replace("0.5, wash", "0.6, wash")
    ).plans
    (change,) = plan.emits[0].changes
    assert change.old is not None and change.new is not None
    assert (str(change.old.place), str(change.new.place)) == ("plan.mosaic:8", "plan.mosaic:9")


def test_what_is_shared_by_emits_is_told_once() -> None:
    (plan,) = compared(PLAN, PLAN.replace("ink * 0.5", "ink * 0.6").replace("steps: 8", "steps: 9")).plans
    told = [(emit.emits, [str(change.aspect) for change in emit.changes]) for emit in plan.emits]
    assert told == [(("a.png", "look.safetensors"), ["strength"]), (("a.png",), ["steps"])]


def test_why_an_operator_was_chosen() -> None:
    (plan,) = compared(PLAN.replace(", via: sum", ""), PLAN).plans
    change = next(change for change in plan.emits[0].changes if change.aspect is Aspect.OPERATOR)
    assert change.old is not None and change.new is not None
    assert change.old.reason.startswith("the best measured")
    assert change.new.reason == "pinned by the plan"


def test_bases() -> None:
    body = 'mosaic 1\nplan p {{ emit sample(checkpoint("{}"), prompt: "a cat") as "a.png" }}\n'
    told = changes(compared(body.format("zoo/base"), body.format("zoo/robot")))
    assert told == [("base", "", "zoo/base", "zoo/robot")]


def test_finds() -> None:
    body = 'mosaic 1\nplan p {{ emit sample(fuse(checkpoint("zoo/base"), {}), prompt: "neon style") as "a.png" }}\n'
    found, named = body.format('find(lora, "neon tubes")'), body.format('lora("zoo/neon")')
    assert changes(compared(found, named)) == []  # what was found is what is meant


def test_order_where_it_counts() -> None:
    fused = 'fuse(checkpoint("zoo/base"), {}, via: {})'
    body = f'mosaic 1\nplan p {{{{ emit sample({fused}, prompt: "a cat {{}}") as "a.png" }}}}\n'
    words = "neon style, sketch style"
    one, other = 'lora("zoo/neon"), lora("zoo/sketch")', 'lora("zoo/sketch"), lora("zoo/neon")'
    assert changes(compared(body.format(one, "sum", words), body.format(other, "sum", words))) == []
    told = changes(compared(body.format(one, "switch", words), body.format(other, "switch", words)))
    assert told == [("order", "", "zoo/neon, zoo/sketch", "zoo/sketch, zoo/neon")]


def test_emits_by_name() -> None:
    renamed = compared(PLAN, PLAN.replace("a.png", "b.png")).plans[0]
    assert [(emit.state, emit.was, emit.emits) for emit in renamed.emits] == [
        (State.RENAMED, "a.png", ("b.png",))
    ]
    more = compared(PLAN, PLAN.replace("emit look", 'emit half as "h.png"\n  emit look')).plans[0]
    assert [(emit.state, emit.emits) for emit in more.emits] == [(State.ADDED, ("h.png",))]
    less = compared(PLAN, PLAN.replace('  emit look as "look.safetensors"\n', "")).plans[0]
    assert [(emit.state, emit.emits) for emit in less.emits] == [(State.REMOVED, ("look.safetensors",))]


def _two(first: str, second: str, steps: int = 5) -> str:
    body = 'plan {} {{ emit sample(checkpoint("zoo/base"), prompt: "{}", steps: {}) as "a.png" }}\n'
    return "mosaic 1\n" + body.format(first, "a cat", steps) + body.format(second, "a dog", 5)


def test_plans_by_name() -> None:
    states = [(plan.state, plan.name) for plan in compared(_two("p", "q"), _two("q", "p")).plans]
    assert states == [
        (State.CHANGED, "p"),
        (State.CHANGED, "q"),
    ]  # not paired by what they make: names go first
    states = [(plan.state, plan.name) for plan in compared(_two("p", "q"), _two("r", "q")).plans]
    assert states == [(State.RENAMED, "r"), (State.SAME, "q")]
    states = [(plan.state, plan.name) for plan in compared(_two("p", "q"), _two("r", "s", 6)).plans]
    assert states == [(State.CHANGED, "r"), (State.RENAMED, "s")]
    one = "mosaic 1\n" + _two("p", "q").splitlines()[1]
    states = [(plan.state, plan.name) for plan in compared(one, _two("p", "q")).plans]
    assert states == [(State.SAME, "p"), (State.ADDED, "q")]
    assert [plan.state for plan in compared(_two("p", "q"), one).plans] == [State.SAME, State.REMOVED]


def test_other_bytes_under_one_name() -> None:
    old = of(PLAN)
    new = [_other_bytes(version, "zoo/sketch") for version in old]
    (plan,) = compare(old, new).plans
    (change,) = plan.changes
    assert (change.aspect, change.of) == (Aspect.EXPERT_BYTES, "zoo/sketch")
    assert change.new is not None and "its bytes" in change.new.reason
    assert plan.emits == ()  # the plan says what it said before


def test_digests_are_those_of_locks() -> None:
    (version,) = of(PLAN)
    span = SourceFile("<plan>", "").span(0, 0)
    for expert in version.meaning.experts:
        facts = zoo().experts.resolve(Kind(expert.kind), expert.id, span)
        assert isinstance(facts, ExpertFacts) and digest(expert) == content_digest(facts)


def test_another_name_for_the_same_bytes() -> None:
    old = of(PLAN)
    new = [_renamed(version, "zoo/sketch", "studio/ink") for version in old]
    (plan,) = compare(old, new).plans
    assert [(change.aspect, change.of) for change in plan.changes] == [(Aspect.EXPERT_NAME, "studio/ink")]
    assert plan.emits == ()


def _other_bytes(version, id_):  # type: ignore[no-untyped-def]
    def change(expert: dict) -> None:
        for file in expert["files"] if expert["id"] == id_ else ():
            file["sha256"] = "0" * 64

    return _experts(version, change)


def _renamed(version, id_, name):  # type: ignore[no-untyped-def]
    def change(expert: dict) -> None:
        expert["id"] = name if expert["id"] == id_ else expert["id"]

    return _experts(version, change)


def _experts(version, change: Callable[[dict], None]):  # type: ignore[no-untyped-def]
    made = []
    for program in (version.program, version.meaning):
        document = program.model_dump(mode="json")
        for expert in document["experts"]:
            change(expert)
        made.append(Program.model_validate(document))
    return replace(version, program=made[0], meaning=made[1])


BODY = """mosaic 1
plan p {{
  {}
  let base = checkpoint("t/base")
  emit sample(fuse(base, lora("t/neon")), prompt: "a cat neon style") as "p.png"
}}
"""


def test_what_results_may_be_used_for() -> None:
    text = BODY.format("")
    told = compare(of(text, context({})), of(text, context({"t/neon": {"license": NC}}))).plans[0].rights
    shown = [(str(c.aspect), c.of, c.old and c.old.value, c.new and c.new.value) for c in told]
    assert ("licence", "t/neon", "Apache-2.0", NC) in shown
    assert ("permitted", "commercial use", "allowed", "denied") in shown
    commercial = next(c for c in told if c.of == "commercial use")
    assert commercial.new is not None and "t/neon" in commercial.new.text and commercial.new.reason
    credits = [c for c in told if c.aspect is Aspect.CREDIT]
    assert [c.new.text for c in credits if c.new] == ["t/neon, CC-BY-NC 4.0"] or credits


def test_what_a_policy_says() -> None:
    old, new = BODY.format("policy { use: personal }"), BODY.format("policy { use: commercial, revenue: 10 }")
    (plan,) = compare(of(old, context({})), of(new, context({}))).plans
    assert [(c.of, c.old and c.old.text, c.new and c.new.text) for c in plan.changes] == [
        ("use", "personal", "commercial"),
        ("revenue", None, "10"),
    ]
    assert plan.emits == ()


# Random plans: what is written another way is the same, what is changed is told.


@dataclass(frozen=True)
class Spec:
    """What a plan means."""

    experts: tuple[
        tuple[str, float, int], ...
    ]  # id, strength, percent at which its window closes (100: none)
    operator: str
    prompt: str
    steps: int
    guidance: float
    seed: int
    emits: int  # further pictures of other seeds


TRIGGERS = {"zoo/neon": "neon style", "zoo/sketch": "sketch style", "zoo/watercolor": "watercolor style"}
DEFAULT_STEPS, DEFAULT_GUIDANCE = 20, 3.0


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    names = draw(st.lists(st.sampled_from(sorted(TRIGGERS)), min_size=1, max_size=3, unique=True))
    strengths = st.integers(1, 12).map(lambda number: number / 8)
    return Spec(
        tuple((name, draw(strengths), draw(st.sampled_from([100, 100, 40, 75]))) for name in names),
        draw(st.sampled_from(["composite", "guidance"])),
        draw(st.sampled_from(["a red cat", "a blue house at night", "two # cats"])),
        draw(st.sampled_from([4, DEFAULT_STEPS])),
        draw(st.sampled_from([DEFAULT_GUIDANCE, 5.0])),
        draw(st.integers(0, 9)),
        draw(st.integers(0, 2)),
    )


def written(spec: Spec, seed: int) -> str:
    """A plan of this meaning, in one of very many ways."""
    rng = random.Random(seed)
    flip = lambda: rng.random() < 0.5  # noqa: E731
    lets: list[str] = []

    def named(expression: str) -> str:
        """The expression, or a name for it."""
        if flip():
            return expression
        name = f"{rng.choice(['x', 'look', 'thing', 'a'])}_{len(lets)}"
        lets.append(f"let {name} = {expression}")
        return name

    base = named('checkpoint("zoo/base")')
    operands = []
    for name, strength, end in spec.experts:
        operand = named(f'lora("{name}")')
        times = f" * {strength}" if strength != 1 or flip() else ""
        when = f" during 0%..{end}%" if end != 100 or flip() else ""
        operands.append(named(operand + times + when))
    rng.shuffle(operands)
    fused = f"fuse({base}, {', '.join(operands)}, via: {spec.operator})"
    if flip():
        fused = f"wrap({base}, {', '.join(operands)})" if _plain(spec) else fused
    look = named(fused)
    words = ", ".join([spec.prompt, *(TRIGGERS[name] for name, _, _ in spec.experts)])
    emits = []
    for number in range(spec.emits + 1):
        arguments = [f'prompt: "{words}"', f"seed: {spec.seed + number}"]
        if spec.steps != DEFAULT_STEPS or flip():
            arguments.append(f"steps: {spec.steps}")
        if spec.guidance != DEFAULT_GUIDANCE or flip():
            arguments.append(f"guidance: {spec.guidance}")
        if flip():
            arguments.append("size: 64x64")
        if flip():
            arguments.append('negative: ""')
        rng.shuffle(arguments)
        picture = named(f"sample({look}, {', '.join(arguments)})")
        if flip():
            picture = named(f"decode({picture})")
        emits.append(f'emit {picture} as "{number}.png"')
    # A name stands before its use; beyond that, and among emits, order is free.
    rng.shuffle(emits)
    define = (
        f"define wrap(base: checkpoint, {', '.join(f'e{i}: lora' for i in range(len(operands)))}) -> model {{\n"
        f"  return fuse(base, {', '.join(f'e{i}' for i in range(len(operands)))}, via: {spec.operator})\n}}\n"
    )
    gap = lambda: rng.choice(["\n", "\n\n", "\n  # a note\n", "   \n"])  # noqa: E731
    body = "".join(f"{gap()}  {line}" for line in (*lets, *emits))
    head = define if "wrap(" in body else ""
    return f"{'# by hand' if flip() else ''}\nmosaic 1{gap()}{head}plan p {{{body}{gap()}}}\n"


def _plain(spec: Spec) -> bool:
    """Whether nothing is said of operands: a fragment takes experts."""
    return all(strength == 1 and end == 100 for _, strength, end in spec.experts)


MANY = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


@MANY
@given(specs(), st.integers(0, 10**6), st.integers(0, 10**6))
def test_how_a_plan_is_written_is_no_difference(spec: Spec, one: int, other: int) -> None:
    first, second = of(written(spec, one)), of(written(spec, other))
    assert not compare(first, second).differs
    assert normal(first) == normal(second)


@MANY
@given(specs(), st.integers(0, 10**6), st.integers(0, 10**6), st.data())
def test_a_random_edit_is_exactly_that_change(spec: Spec, one: int, other: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(spec.experts) - 1))
    name, strength, end = spec.experts[at]
    experts = lambda changed: (*spec.experts[:at], changed, *spec.experts[at + 1 :])  # noqa: E731
    when = lambda percent: "the whole run" if percent == 100 else f"0%..{percent}%"  # noqa: E731
    later = {100: 40, 40: 75, 75: 100}[end]
    prompts = [
        ", ".join([prompt, *(TRIGGERS[each] for each, _, _ in spec.experts)])
        for prompt in (spec.prompt, "snow")
    ]
    edits = {
        "strength": (
            replace(spec, experts=experts((name, strength + 0.25, end))),
            [("strength", name, f"{strength:.12g}", f"{strength + 0.25:.12g}")],
        ),
        "window": (
            replace(spec, experts=experts((name, strength, later))),
            [("window", name, when(end), when(later))],
        ),
        "prompt": (replace(spec, prompt="snow"), [("prompt", "", *prompts)]),
        "steps": (replace(spec, steps=7), [("steps", "", str(spec.steps), "7")]),
        "guidance": (replace(spec, guidance=2.0), [("guidance", "", f"{spec.guidance:g}", "2")]),
    }
    changed, told = edits[data.draw(st.sampled_from(sorted(edits)))]
    first, second = of(written(spec, one)), of(written(changed, other))
    found = changes(compare(first, second))
    # One text in several pictures is one change a place; each says the same.
    assert sorted(set(found)) == told
    assert normal(first) != normal(second)


FIRST, COUNT = 50_001, 60
"""Other seeds than those that plans are run from."""


@cache
def some_plans() -> list[tuple[Version, ...]]:
    """Plans of `benchmarks/random_plans.py`, those of them that compile: of every verb, over pictures and finds."""
    path = Path(__file__).parents[2] / "benchmarks" / "random_plans.py"
    spec = importlib.util.spec_from_file_location("random_plans", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found = []
    for seed in range(FIRST, FIRST + COUNT):
        with suppress(AssertionError):
            found.append(of(module.random_plan(seed)))
    return found


def test_random_plans_beside_each_other() -> None:
    """Whatever two plans are, what differs has a name, and nothing differs from itself."""
    plans = some_plans()
    assert len(plans) > COUNT / 5
    for old, new in pairwise(plans):
        assert not compare(old, old).differs
        comparison = compare(old, new)
        assert comparison.differs == (normal(old) != normal(new))
        assert "computation" not in [aspect for aspect, *_ in changes(comparison)]
        # What is gone on one way is new on the way back.
        turned = {State.ADDED: State.REMOVED, State.REMOVED: State.ADDED}
        there = sorted(turned.get(plan.state, plan.state) for plan in comparison.plans)
        assert there == sorted(plan.state for plan in compare(new, old).plans)


# The parts

TEXTS = st.lists(st.sampled_from(["a", "red", "cat", " ", ",", "<b>", "at night"]), max_size=12).map(" ".join)


@given(TEXTS, TEXTS)
def test_words_give_both_texts_back(old: str, new: str) -> None:
    found = runs(old, new)
    assert "".join(run.text for run in found if run.state is not State.ADDED) == old
    assert "".join(run.text for run in found if run.state is not State.REMOVED) == new


@given(st.lists(st.integers(0, 4), max_size=7), st.lists(st.integers(0, 4), max_size=7))
def test_pairs_in_order(old: list[int], new: list[int]) -> None:
    found = in_order(old, new, lambda one, other: float(one == other))
    assert [one for one, _ in found if one is not None] == old
    assert [other for _, other in found if other is not None] == new
    assert all(one == other for one, other in found if one is not None and other is not None)


@given(st.lists(st.integers(0, 4), max_size=7), st.lists(st.integers(0, 4), max_size=7))
def test_pairs_by_likeness(old: list[int], new: list[int]) -> None:
    found = by_likeness(old, new, lambda one, other: float(one == other))
    assert sorted(i for i, _ in found if i is not None) == list(range(len(old)))
    assert sorted(j for _, j in found if j is not None) == list(range(len(new)))
    common = sum(min(old.count(value), new.count(value)) for value in set(old))
    assert sum(i is not None and j is not None for i, j in found) == common
