"""Regions, windows, several prompts and models as operands: what is chosen, what is refused, what a program holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mosaic.compiler import Compiled
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.passes import OPTIMISE
from mosaic.compiler.passes.cut_at_windows import cut_at_windows
from mosaic.compiler.pins import Pins
from mosaic.compiler.program import (
    CombinePrompts,
    Denoise,
    EncodeText,
    Fuse,
    Mask,
    Operation,
    Rectangle,
    Resume,
)
from mosaic.compiler.types import Kind

Compile = Callable[..., Compiled]
Make = Callable[..., ExpertFacts]

HEAD = """
let base = checkpoint("t/base")
let robot = checkpoint("t/robot")
let epsilon = checkpoint("t/epsilon")
let other = checkpoint("t/other")
let third = checkpoint("t/third")
let hero = embedding("t/hero")
let neon = lora("t/plain")
let wash = lora("t/wash")
let left = rect(0%, 0%, 50%, 100%)
let right = rect(50%, 0%, 50%, 100%)
"""


def sampled(model: str, prompt: str = '"a cat"', more: str = "") -> str:
    used = f"{model} {prompt} {more}"
    lines = [line for line in HEAD.splitlines() if " = " in line and line.split()[1] in used]
    return "\n".join([*lines, f'let look = {model}\nemit sample(look, prompt: {prompt}) as "p.png"', more])


def codes(result: Compiled) -> list[str]:
    return [found.code for found in result.diagnostics]


def operations(result: Compiled) -> list[Operation]:
    assert not codes(result), [found.message() for found in result.diagnostics]
    (program,) = result.programs
    return [instruction.operation for instruction in program.instructions]


def fusions(result: Compiled) -> list[Fuse]:
    return [each for each in operations(result) if isinstance(each, Fuse)]


def _fusions(result: Compiled) -> list[Fuse]:
    """Where a warning is expected."""
    (program,) = result.programs
    return [each.operation for each in program.instructions if isinstance(each.operation, Fuse)]


# Which operator


@pytest.mark.parametrize(
    ("operands", "operator", "why"),
    [
        ("neon, wash * 0.5", "sum", "exact weight arithmetic, one model evaluation a step"),
        ("robot * 0.5, neon", "sum", "exact weight arithmetic"),
        ("fuse(robot, neon) * 0.5", "sum", "exact weight arithmetic"),
        ("neon during 0%..50%", "sum", "exact weight arithmetic"),
        ("neon in rect(0%, 0%, 100%, 100%)", "sum", "exact weight arithmetic"),
        ("neon in left, wash", "beside", "weights know no regions"),
        ("robot in left", "blend", "weights know no regions"),
        ("robot in left, neon", "blend", "one evaluation for each model a step"),
        (
            "epsilon * 0.5",
            "blend",
            "the models predict different things (v, epsilon): predictions are blended",
        ),
        ("fuse(base, neon in left) * 0.5", "blend", "an operand is no one set of weights"),
        ("fuse(base, neon during 0%..50%) * 0.5", "blend", "an operand is no one set of weights"),
        (
            "third during 50%..100%",
            "turns",
            "the models work in several latent spaces: models denoise in turn",
        ),
        (
            "third during 50%..100%, via: [sum, turns]",
            "turns",
            "the first of the plan's list that takes these",
        ),
        ("neon in left, via: [sum, dear, blend]", "blend", "the first of the plan's list that takes these"),
        ("neon, via: blend", "blend", "pinned by the plan"),
    ],
)
def test_what_is_chosen_and_why(compiled: Compile, operands: str, operator: str, why: str) -> None:
    result = compiled(sampled(f"fuse(base, {operands})"))
    assert fusions(result)[-1].operator == operator
    assert why in result.choices["p"][-1].reason


def test_what_was_chosen_is_told_with_its_places(compiled: Compile) -> None:
    (choice,) = compiled(sampled("fuse(base, neon in left, wash during 0%..50%)")).choices["p"]
    assert choice.operands == ("t/plain in a region", "t/wash during a window")
    inner, outer = compiled(sampled("fuse(base, fuse(robot, neon) in left)")).choices["p"]
    assert inner.operands == ("t/plain",)
    assert outer.operands == ("fuse(t/robot, t/plain, via: sum) in a region",)
    assert (inner.experts, outer.experts) == (("t/plain",), ("t/robot", "t/plain"))


def test_two_fused_operands_over_one_base_have_names_of_their_own(compiled: Compile) -> None:
    more = 'emit sample(fuse(robot, fuse(base, neon in left)), prompt: "a dog") as "q.png"'
    choices = compiled(sampled("fuse(robot, fuse(base, neon))", more=more)).choices["p"]
    chosen = {choice.operands: choice.operator for choice in choices}
    assert chosen["fuse(t/base, t/plain, via: sum)",] == "sum"
    assert chosen["fuse(t/base, t/plain in a region, via: beside)",] == "blend"


def test_what_is_fused_many_times_over_costs_little_and_keeps_a_short_name(compiled: Compile) -> None:
    lets = ["let m0 = fuse(base, neon, via: sum)"]
    lets += [f"let m{n + 1} = fuse(m{n}, m{n} * 0.5, via: sum)" for n in range(60)]
    body = sampled("fuse(m60, m60, via: sum)", more="").splitlines()
    found = compiled(
        "\n".join(['let base = checkpoint("t/base")', 'let neon = lora("t/plain")', *lets, *body])
    )
    names = [name for choice in found.choices["p"] for name in choice.operands]
    assert len(max(names, key=len)) < 3000
    assert "fuse(fuse(t/base, t/plain, via: sum), fuse(t/base, …), via: sum)" in names


def test_a_lock_holds_only_what_still_fits(compiled: Compile) -> None:
    locked = Pins(operators={("t/plain",): "blend", ("t/plain in a region",): "sum"}, place="mosaic.lock")
    assert compiled(sampled("fuse(base, neon)"), pins=locked).choices["p"][0].operator == "blend"
    assert compiled(sampled("fuse(base, neon in left)"), pins=locked).choices["p"][0].operator == "beside"


def test_one_that_cannot_be_honoured_names_those_that_can(compiled: Compile) -> None:
    (found,) = compiled(sampled("fuse(base, neon in left, via: sum)")).diagnostics
    assert found.code == "M313"
    assert "`beside` or `blend`" in found.help()[0]
    assert [fix.edits[0].replacement for fix in found.fixes()] == ["beside", "blend"]
    (found,) = compiled(sampled("fuse(base, robot in left, neon, via: turns)")).diagnostics
    assert [fix.title for fix in found.fixes()] == ["write `beside`", "write `blend`"]
    (found,) = compiled(sampled("fuse(base, fuse(base, neon) in left, via: sum)")).diagnostics
    assert "it takes `blend`;" in found.help()[0]


@pytest.mark.parametrize(
    ("operands", "found"),
    [
        ("other * 0.5", ["M302"]),  # half of a model is none
        ("other", []),  # it has the whole run
        ("third", []),
        ("third during 50%..100%, via: turns", []),
        ("third during 0%..50%, via: turns", ["M322"]),  # no bridge leads back
        ("other during 50%..100%, third during 0%..50%, via: turns", ["M322"]),
        ("third, other, via: turns", ["M322"]),
        ("third, via: sum", ["M302"]),
        ("third, via: blend", ["M302"]),
        ("third, via: beside", ["M302"]),
        ("third * 0.5, via: turns", ["M302"]),
        ("epsilon, via: beside", []),
        ("epsilon * 0.5, via: beside", ["M403"]),
        ("epsilon * 0.5, via: blend", []),
    ],
)
def test_spaces_and_predictions(compiled: Compile, operands: str, found: list[str]) -> None:
    assert codes(compiled(sampled(f"fuse(base, {operands})"))) == found


def test_a_run_through_several_spaces_ends_in_the_last_one(compiled: Compile) -> None:
    for operands, space in (
        ("third during 50%..100%", "space-c"),
        ("third during 0%..50%", "space-a"),
        ("neon, third", "space-c"),
        ("third, neon", "space-a"),
    ):
        result = compiled(sampled(f"fuse(base, {operands}, via: turns)"))
        (graph,) = result.graphs
        (fusion,) = [node for node in graph.nodes() if node.op == "fuse"]
        assert (fusion.attribute("ends_in"), fusion.type.space) == (space, space)
        ((bridge,),) = (each.bridges for each in _fusions(result) if each.bridges)
        assert (bridge.source, bridge.target) == ("space-a", "space-c")
        assert result.programs[0].experts[bridge.expert].kind == "bridge"


@pytest.mark.parametrize(
    "use",
    [
        'emit refine(look, load_image("a.png"), prompt: "a") as "q.png"',
        'emit encode(load_image("a.png"), with: look) as "q.safetensors"',
        'emit resume(look, sample(look, prompt: "a", until: 50%)) as "q.png"',
        'emit sample(fuse(look, neon), prompt: "a") as "q.png"',
        'emit sample(fuse(base, look, via: turns), prompt: "a") as "q.png"',
    ],
)
def test_what_goes_through_several_spaces_is_only_sampled(compiled: Compile, use: str) -> None:
    result = compiled(sampled("fuse(base, third, via: turns)", more=use))
    assert "M317" in codes(result)
    assert set(codes(result)) <= {"M317", "M322"}


# What experts are, under models and places


def test_experts_of_whole_models_are_seen(compiled: Compile, made: Make) -> None:
    named = 'let token = embedding("t/hero")\n' + sampled(
        "fuse(base, fuse(robot, token) * 0.5, via: {})", '"a {token}"'
    )
    assert codes(compiled(named.replace("{}", "blend"))) == []
    assert codes(compiled(named.replace("{}", "blend").replace("a {token}", "a cat"))) == ["M405"]
    assert codes(compiled(named.replace("{}", "sum"))) == ["M404"]  # weights that are added bring no words


def test_whole_models_need_not_fit_the_base(compiled: Compile) -> None:
    assert codes(compiled(sampled('fuse(base, checkpoint("t/large"), via: sum)'))) == ["M401"]
    found = codes(compiled(sampled('fuse(base, checkpoint("t/large"), via: blend)')))
    assert found == ["M302", "M206"]  # the engine runs no model of its family, and it works in another space
    assert codes(
        compiled(sampled('fuse(base, fuse(checkpoint("t/large"), lora("t/film")) * 0.5, via: sum)'))
    ) == ["M401"]


def test_adapters_have_to_fit_every_model_below(compiled: Compile) -> None:
    model = 'fuse(fuse(base, checkpoint("t/large") in left, via: blend), neon)'
    assert sorted(codes(compiled(sampled(model)))) == ["M206", "M302", "M401"]


def test_parts_of_models_are_no_models(compiled: Compile, made: Make) -> None:
    from dataclasses import replace

    half = replace(made("x/half", Kind.CHECKPOINT, "sd1", "space-a", "v"), lacks=("a text encoder",))
    for operator, found in (("sum", []), ("blend", ["M409"]), ("turns", ["M409"])):
        body = sampled(f'fuse(base, checkpoint("x/half"), via: {operator})')
        assert codes(compiled(body, more=[half])) == found


@pytest.mark.parametrize(
    ("operands", "found"),
    [
        ("neon * 0.5, neon * 0.2", ["M408"]),
        ("neon during 0%..50%, neon during 50%..100%", []),
        ("neon during 0%..60%, neon during 50%..100%", ["M408"]),
        ("neon in left, neon in right", []),
        ("neon in left, neon in rect(40%, 0%, 60%, 100%)", ["M408"]),
        ("neon in left, neon", ["M408"]),
        ('neon in mask("a.png"), neon in mask("b.png")', []),
        ('neon in mask("a.png"), neon in mask("a.png")', ["M408"]),
        ("neon, wash, neon, via: turns", []),
        ("fuse(robot, neon) * 0.2, fuse(robot, neon) * 0.1", ["M408"]),
    ],
)
def test_twice_is_at_one_place_and_time(compiled: Compile, operands: str, found: list[str]) -> None:
    assert codes(compiled(sampled(f"fuse(base, {operands})"))) == found


# Several prompts


def test_several_prompts(compiled: Compile) -> None:
    prompt = '["a red cat" in left, "a blue dog" * 0.5 in right during 0%..50%, "a street"]'
    found = operations(compiled(sampled("base", prompt)))
    (combined,) = [each for each in found if isinstance(each, CombinePrompts)]
    texts = [found[part.conditioning] for part in combined.parts]
    assert [each.text for each in texts if isinstance(each, EncodeText)] == [
        "a red cat",
        "a blue dog",
        "a street",
    ]
    first, second, third = combined.parts
    assert (first.weight, first.window, first.region) == (1.0, None, Rectangle(x=0, y=0, width=0.5, height=1))
    assert (second.weight, second.window) == (0.5, (0.0, 0.5))
    assert second.region == Rectangle(x=0.5, y=0, width=0.5, height=1)
    assert (third.weight, third.window, third.region) == (1.0, None, None)
    (denoise,) = [each for each in found if isinstance(each, Denoise)]
    assert found[denoise.positive] is combined


def test_prompts_are_inherited(compiled: Compile) -> None:
    body = 'let base = checkpoint("t/base")\n' + (
        'let a = sample(base, prompt: ["a cat" in rect(0%, 0%, 50%, 100%), "a dog"], negative: "blur", until: 50%)\n'
        'emit resume(base, a) as "b.png"\nemit refine(base, decode(resume(base, a))) as "c.png"'
    )
    found = operations(compiled(body))
    combined = [at for at, each in enumerate(found) if isinstance(each, CombinePrompts)]
    assert len(combined) == 1
    users = [each for each in found if isinstance(each, Denoise | Resume)]
    assert {each.positive for each in users} == set(combined)


def test_prompts_come_through_names_and_fragments(compiled: Compile) -> None:
    before = (
        "param how: number = 0.5\n"
        "define both(base: model, one: text, two: text, where: mask) -> latent {\n"
        "  return sample(base, prompt: [one in where, two * how])\n}\n"
        "define one(base: model, what: text) -> latent { return sample(base, prompt: what) }\n"
    )
    start = 'let base = checkpoint("t/base")\nlet left = rect(0%, 0%, 50%, 100%)\n'
    by_hand = start + 'emit sample(base, prompt: ["a" in left, "b" * 0.5]) as "p.png"'
    named = (
        start
        + 'let first = "a" in left\nlet second = "b" * how\nemit sample(base, prompt: [first, second]) as "p.png"'
    )
    called = start + 'emit both(base, "a", "b", left) as "p.png"'
    digests = {compiled(body, before).programs[0].digest for body in (by_hand, named, called)}
    assert len(digests) == 1
    single = [start + f'emit {call} as "p.png"' for call in (
        'one(base, "a" * 0.5)', 'sample(base, prompt: "a" * 0.5)', 'sample(base, prompt: ["a" * how])'
    )]  # fmt: skip
    digests = {
        compiled(body.replace("let left = rect(0%, 0%, 50%, 100%)\n", ""), before).programs[0].digest
        for body in single
    }
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("prompt", "found", "words"),
    [
        (
            '["a cat", "one two three four five six seven eight"]',
            ["M407"],
            '"one two three four five six seven eight"',
        ),
        (
            '["a cat", "one two three four five six seven eight" * 0.5]',
            ["M407"],
            '"one two three four five six seven eight"',
        ),
        ('["a cat", "a {hero}"]', ["M404"], "{hero}"),
        ("[]", ["M301"], "[]"),
        ('["a cat", 4]', ["M301"], "4"),
        ('["a cat", ["a dog"]]', ["M301"], '["a dog"]'),
        ('["a cat" in left in right, "a dog"]', ["M306"], "right"),
        ('["a cat" in left]', ["M315"], '["a cat" in left]'),
        ('["a cat" in left, "a dog" in right]', [], ""),
        ('["a cat" in left, "a dog" in right during 0%..50%]', ["M315"], ""),
        ('["a cat" in left, "a dog" in rect(30%, 0%, 70%, 100%)]', [], ""),
        ('["a cat" in rect(0%, 0%, 30%, 100%), "a dog" in rect(30%, 0%, 70%, 100%)]', [], ""),
        ('["a cat" in left, "a dog" * 0]', ["M315"], ""),
        ('["a cat" in mask("m.png")]', [], ""),
        ('["a cat" during 0%..50%, "a dog" during 50%..100%]', [], ""),
        ('["a cat" during 0%..50%, "a dog" during 60%..100%]', ["M315"], ""),
    ],
)
def test_mistakes_in_lists(compiled: Compile, prompt: str, found: list[str], words: str) -> None:
    result = compiled(sampled("base", prompt))
    assert codes(result) == found
    if words:
        span = result.diagnostics[0].span
        assert span is not None and span.text == words


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ('"a" in left', "no prompt counts in 50%..100% of the width and all of the height"),
        ('"a" during 0%..50%', "no prompt counts during 50%..100% of the run"),
        (
            '["a" in left during 0%..50%]',
            "no prompt counts in 0%..50% of the width and all of the height during 50%..100% of the run",
        ),
        ('"a" * 0', "no prompt counts anywhere"),
    ],
)
def test_what_is_left_out_is_told(compiled: Compile, prompt: str, message: str) -> None:
    (found,) = compiled(sampled("base", prompt)).diagnostics
    assert found.message() == message


def test_a_trigger_in_any_prompt_calls(compiled: Compile) -> None:
    body = (
        'let base = checkpoint("t/base")\nlet neon = lora("t/neon")\n'
        'emit sample(fuse(base, neon), prompt: {}) as "p.png"'
    )
    assert codes(compiled(body.format('["a cat", "neon style, a dog" * 0.5]'))) == []
    (found,) = compiled(body.format('["a cat" * 0.5, "a dog"]')).diagnostics
    assert found.code == "M414"
    (fix,) = found.fixes()
    assert fix.edits[0].replacement == ", {neon}"
    edited = fix.edits[0].span.source.text[: fix.edits[0].span.start] + ", {neon}"
    assert edited.endswith('["a cat, {neon}')


# Regions and windows in programs


def test_operands_in_programs(compiled: Compile) -> None:
    text = (
        "fuse(base, neon * 0.5 in left during 10%..60% during 20%..100%, "
        'wash in mask("m.png", feather: 10%), robot in right)'
    )
    # Whole: a run that is cut at windows has none left.
    result = compiled(sampled(text), passes=tuple(each for each in OPTIMISE if each is not cut_at_windows))
    first, second, third = sorted(
        fusions(result)[0].operands, key=lambda each: result.programs[0].experts[each.expert or 0].id
    )
    assert (first.strength, first.window, first.region) == (
        0.5,
        (0.2, 0.6),
        Rectangle(x=0, y=0, width=0.5, height=1),
    )
    assert second.region == Rectangle(x=0.5, y=0, width=0.5, height=1)
    assert third.region == Mask(file=0, feather=0.1)
    assert result.programs[0].images[0].name == "m.png"


def test_models_in_programs(compiled: Compile) -> None:
    found = operations(compiled(sampled("fuse(base, fuse(robot, neon) * 0.5 in left)")))
    inner, outer = (at for at, each in enumerate(found) if isinstance(each, Fuse))
    fusion = found[outer]
    assert isinstance(fusion, Fuse)
    assert [(each.model, each.expert, each.strength) for each in fusion.operands] == [(inner, None, 0.5)]


def test_a_chain_of_a_thousand_fusions(compiled: Compile) -> None:
    lines = ["let m0 = base", *(f"let m{n + 1} = fuse(m{n}, m{n} * 0.5, via: blend)" for n in range(60))]
    body = (
        'let base = checkpoint("t/base")\n' + "\n".join(lines) + '\nemit sample(m60, prompt: "a") as "p.png"'
    )
    assert codes(compiled(body)) == []


# What else is asked of experts


def test_the_bridges_of_a_schedule_have_licences(compiled: Compile) -> None:
    policy = "policy { use: commercial, unknown: warn }\n"
    result = compiled(policy + sampled("fuse(base, third during 50%..100%, via: turns)"))
    assert any("t/space-a-to-space-c" in found.message() for found in result.diagnostics)
    (program,) = result.programs
    assert "bridge" in [program.experts[duty.expert].kind for duty in program.rights.duties]


@pytest.mark.parametrize(
    ("words", "via", "chosen"),
    [
        ("epsilon", "", "M218"),
        ("epsilon", ", via: sum", "M218"),
        ("epsilon", ", via: blend", "t/epsilon"),
        ("third", "", "M218"),
        ("third", ", via: turns", "M218"),
        ("robot", ", via: blend", "t/robot"),
    ],
)
def test_what_is_looked_up_can_be_blended(compiled: Compile, words: str, via: str, chosen: str) -> None:
    model = f'fuse(base, find(checkpoint, "{words}") * 0.5{via})'
    result = compiled(f'let base = checkpoint("t/base")\nemit sample({model}, prompt: "a cat") as "p.png"')
    if chosen == "M218":
        assert codes(result) == ["M218"]
    else:
        assert [find.chosen for find in result.finds["p"]] == [chosen]
