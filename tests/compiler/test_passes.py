"""Optimised means equal: programs with and without a pass, and what each pass is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosaic.compiler import Compiled
from mosaic.compiler.facts import AdapterFacts, ExpertFacts
from mosaic.compiler.ir.evaluate import constant, infixes, operand, strength, window
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.ir.origins import base_node
from mosaic.compiler.ir.text import GraphSyntaxError, parse_graph, print_graph
from mosaic.compiler.lower import instructions, used
from mosaic.compiler.passes import OPTIMISE, Pass
from mosaic.compiler.passes.cut_at_windows import cut_at_windows
from mosaic.compiler.passes.drop_dead import drop_dead
from mosaic.compiler.passes.drop_idle import drop_idle
from mosaic.compiler.passes.expand_verbs import expand_verbs
from mosaic.compiler.passes.fold_constants import fold_constants
from mosaic.compiler.passes.order_operands import order_operands
from mosaic.compiler.passes.share_codecs import share_codecs
from mosaic.compiler.passes.share_encodings import share_encodings
from mosaic.compiler.passes.share_equal import share_equal
from mosaic.compiler.passes.share_prefixes import share_prefixes
from mosaic.compiler.passes.skip_unconditional import skip_unconditional
from mosaic.compiler.types import Kind

Compile = Callable[..., Compiled]
Make = Callable[..., ExpertFacts]

PLAN = """
let base = checkpoint("t/base")
let robot = checkpoint("t/robot")
let hero = embedding("t/hero")
let neon = lora("t/neon")
let look = fuse(base, hero, neon * 0.8, robot * 0.2)
let again = fuse(base, hero, neon * 0.8, robot * 0.2)
let a = sample(look, prompt: "{hero} {what} {n}", until: 50%, seed: 3)
let b = resume(again, a)
let c = refine(base, decode(b), prompt: "a dog", strength: 40%)
let unused = sample(base, prompt: "nobody looks")
emit b as "b.png"
emit c as "c.png"
emit a as "a.safetensors"
"""
BEFORE = 'param what: text = "cat"\nparam n: int = 2\n'


def _without(*left_out: Pass) -> tuple[Pass, ...]:
    return tuple(each for each in OPTIMISE if each not in left_out)


def _graph(compiled: Compile, passes: tuple[Pass, ...] = OPTIMISE) -> Graph:
    result = compiled(PLAN, BEFORE, passes=passes)
    assert not result.has_errors, [d.message() for d in result.diagnostics]
    return result.graphs[0]


def test_folding_changes_no_program(compiled: Compile) -> None:
    (with_it,) = compiled(PLAN, BEFORE).programs
    (without,) = compiled(PLAN, BEFORE, passes=_without(fold_constants)).programs
    assert with_it.digest == without.digest


REWRITES = (fold_constants, drop_idle, order_operands, share_equal, drop_dead)


@pytest.mark.parametrize("pass_", REWRITES, ids=lambda p: p.__name__)
def test_every_pass_but_the_lowering_one_can_be_left_out(compiled: Compile, pass_: Pass) -> None:
    graph, without = _graph(compiled), _graph(compiled, _without(pass_))
    (program,) = compiled(PLAN, BEFORE, passes=_without(pass_)).programs
    emits = [i.operation.path for i in program.instructions if i.operation.op == "emit"]
    assert emits == ["b.png", "c.png", "a.safetensors"]
    if pass_ in (share_equal, drop_dead):  # the others replace nodes: equality is shown by the program above
        assert graph.digest == without.digest


def test_sharing_computes_equal_things_once(compiled: Compile) -> None:
    (program,) = compiled(PLAN, BEFORE).programs
    (without,) = compiled(PLAN, BEFORE, passes=_without(share_equal)).programs
    count = lambda p, op: sum(i.operation.op == op for i in p.instructions)  # noqa: E731
    assert (count(program, "fuse"), count(without, "fuse")) == (1, 2)
    assert count(program, "load_model") == 1
    assert count(without, "load_model") > 1
    assert count(program, "encode_text") < count(without, "encode_text")


def test_the_dead_are_dropped(compiled: Compile) -> None:
    (program,) = compiled(PLAN, BEFORE).programs
    (without,) = compiled(PLAN, BEFORE, passes=_without(drop_dead)).programs
    texts = lambda p: [i.operation.text for i in p.instructions if i.operation.op == "encode_text"]  # noqa: E731
    assert "nobody looks" not in texts(program)
    assert "nobody looks" in texts(without)


def test_texts_are_folded(compiled: Compile) -> None:
    graph = _graph(compiled)
    assert not [node for node in graph.nodes() if node.op in ("format", "trigger")]
    (program,) = compiled(PLAN, BEFORE).programs
    assert program.instructions[2].operation.text == "<hero> cat 2"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "passes", [(), (fold_constants,), (expand_verbs,), OPTIMISE], ids=lambda p: str(len(p))
)
def test_text_form_reads_back(compiled: Compile, passes: tuple[Pass, ...]) -> None:
    graph = _graph(compiled, OPTIMISE)
    if passes != OPTIMISE:
        # A graph that is not core cannot be lowered; print what the passes leave.
        from mosaic.compiler import passes as module

        graph = module.run_passes(graph, None, passes)  # type: ignore[arg-type]
    text = print_graph(graph)
    back = parse_graph(text)
    assert back.digest == graph.digest
    assert print_graph(back) == text


def test_broken_text_form() -> None:
    with pytest.raises(GraphSyntaxError, match="line 2"):
        parse_graph("graph g {\n  %0 = const(%1) : text\n}\n")


def test_schedule_frees_each_value_once_after_its_last_use(compiled: Compile) -> None:
    (program,) = compiled(PLAN, BEFORE).programs
    freed: set[int] = set()
    for instruction in program.instructions:
        assert not freed & set(used(instruction.operation)), "used after it was freed"
        assert all(value < instruction.result for value in used(instruction.operation))
        assert not freed & set(instruction.frees)
        freed |= set(instruction.frees)
    assert freed == {i.result for i in program.instructions if i.operation.op != "emit"}


def test_defaults_are_written_out(compiled: Compile) -> None:
    body = 'let base = checkpoint("t/base")\nemit sample(base, prompt: "a") as "a.png"'
    (program,) = compiled(body).programs
    (denoise,) = [i.operation for i in program.instructions if i.operation.op == "denoise"]
    assert (denoise.steps, denoise.guidance, denoise.scheduler, denoise.seed) == (20, 3.0, "ddim", 0)
    assert (denoise.width, denoise.height) == (64, 64)


def test_resume_inherits_what_the_latent_was_made_with(compiled: Compile) -> None:
    body = """
    let base = checkpoint("t/base")
    let a = sample(base, prompt: "a cat", negative: "blur", guidance: 2, until: 50%)
    let b = resume(base, a)
    emit b as "b.png"
    """
    (program,) = compiled(body).programs
    (resume,) = [i.operation for i in program.instructions if i.operation.op == "resume"]
    texts = {i.result: i.operation.text for i in program.instructions if i.operation.op == "encode_text"}
    assert (texts[resume.positive], texts[resume.negative], resume.guidance) == ("a cat", "blur", 2.0)


def test_digest_is_of_meaning(compiled: Compile) -> None:
    one = 'let b = checkpoint("t/base") emit sample(b, prompt: "a", steps: 4) as "a.png"'
    two = '# named otherwise\nlet q = checkpoint("t/base")\nlet s = sample(q, steps: 4, prompt: "a")\nemit s as "a.png"'
    three = one.replace("steps: 4", "steps: 5")
    digests = [compiled(body).programs[0].digest for body in (one, two, three)]
    assert digests[0] == digests[1] != digests[2]


def test_program_reads_back(compiled: Compile) -> None:
    from mosaic.compiler.program import Program

    (program,) = compiled(PLAN, BEFORE).programs
    assert Program.from_json(program.to_json()) == program
    assert Program.from_json(program.to_json()).digest == program.digest


HEAD = """
let base = checkpoint("t/base")
let robot = checkpoint("t/robot")
let hero = embedding("t/hero")
let neon = lora("t/plain")
let wash = lora("t/wash")
let left = rect(0%, 0%, 50%, 100%)
"""


def _rewritten(compiled: Compile, model: str, prompt: str, *passes: Pass) -> str:
    """The surface graph of a picture after some rewrites, one line a node that is no expert and no constant."""
    body = f'{HEAD}emit sample({model}, prompt: {prompt}) as "a.png"'
    given = compiled(body, passes=(expand_verbs,))
    assert not given.has_errors, [d.message() for d in given.diagnostics]
    graph = compiled(body, passes=(*passes, expand_verbs)).graphs[0]
    shown = (line.strip() for line in print_graph(graph).splitlines())
    wanted = ("strength", "region", "window", "fuse", "combine_prompts", "denoise")
    return "\n".join(line for line in shown if line.partition(" = ")[2].startswith(wanted))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("fuse(base)", "base"),
        ("fuse(fuse(base), neon * 1)", "fuse(base, neon)"),
        ("fuse(base, neon, wash * 0)", "fuse(base, neon)"),
        ("fuse(base, neon * 0)", "base"),
        ("fuse(base, neon * 0.5 * 0, robot * 0)", "base"),
        ("fuse(base, hero, neon * 0)", "fuse(base, hero)"),
        ("fuse(base, fuse(base, neon * 0) * 0.5)", "fuse(base, base * 0.5)"),
        ("fuse(base, neon during 0%..100%)", "fuse(base, neon)"),
        ("fuse(base, neon * 0.5 during 0%..100% in rect(0%, 0%, 100%, 100%))", "fuse(base, neon * 0.5)"),
        ("fuse(base, neon in left * 0, wash in left, via: beside)", "fuse(base, wash in left, via: beside)"),
        ("fuse(base, neon * 0, wash, via: dear)", "fuse(base, neon * 0, wash, via: dear)"),
        (
            "fuse(base, neon in rect(0%, 0%, 100%, 100%, feather: 5%), via: beside)",
            "fuse(base, neon in rect(0%, 0%, 100%, 100%, feather: 5%), via: beside)",
        ),
    ],
)
def test_what_says_nothing_is_dropped(compiled: Compile, before: str, after: str) -> None:
    prompt = '"a <hero>"'
    found = _rewritten(compiled, before, prompt, fold_constants, drop_idle, share_equal, drop_dead)
    assert found == _rewritten(compiled, after, prompt, fold_constants, share_equal, drop_dead)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('["a cat"]', '"a cat"'),
        ('"a cat" * 1 during 0%..100%', '"a cat"'),
        ('["a cat" in rect(0%, 0%, 100%, 100%)]', '"a cat"'),
        ('["a cat", "a dog" * 0]', '"a cat"'),
        ('["a cat", "a dog" in left * 1]', '["a cat", "a dog" in left]'),
        ('"a cat" * 2', '["a cat" * 2]'),
    ],
)
def test_prompts_that_say_nothing_are_dropped(compiled: Compile, before: str, after: str) -> None:
    found = _rewritten(compiled, "base", before, fold_constants, drop_idle, share_equal, drop_dead)
    assert found == _rewritten(compiled, "base", after, fold_constants, share_equal, drop_dead)


def test_dropping_as_text(compiled: Compile) -> None:
    model = "fuse(fuse(base), wash * 0, neon * 1 during 0%..100% in left, via: beside)"
    given = (compiled, model, '["a cat", "b" * 0]')
    assert _rewritten(*given, fold_constants, share_equal, drop_dead) == BEFORE_DROPPING
    assert _rewritten(*given, fold_constants, drop_idle, share_equal, drop_dead) == AFTER_DROPPING


BEFORE_DROPPING = """\
%2 = fuse(%1) {"ends_in":"","operator":"sum","settings":"{\\"rank\\": 0, \\"scale\\": 1.0}"} : model<sd1, space-a, v>
%5 = strength(%3, %4) : lora<sd1>
%8 = strength(%6, %7) : lora<sd1>
%9 = window(%8, %4, %7) : lora<sd1>
%13 = region(%9, %12) : lora<sd1>
%14 = fuse(%2, %5, %13) {"ends_in":"","operator":"beside","settings":"{}"} : model<sd1, space-a, v>
%19 = strength(%18, %4) : conditioning
%20 = combine_prompts(%16, %19) : conditioning
%29 = denoise(%14, %20, %22, %23, %24, %25, %26, %27, %28) : latent<space-a>"""
AFTER_DROPPING = """\
%8 = region(%2, %7) : lora<sd1>
%9 = fuse(%1, %8) {"ends_in":"","operator":"beside","settings":"{}"} : model<sd1, space-a, v>
%20 = denoise(%9, %11, %13, %14, %15, %16, %17, %18, %19) : latent<space-a>"""


@pytest.mark.parametrize("via", ["sum", "beside", "blend"], ids=lambda via: f"{via} is symmetric")
def test_order_does_not_matter(compiled: Compile, via: str) -> None:
    orders = ("neon * 0.5, hero, wash during 0%..50%, robot", "hero, robot, wash during 0%..0.5, neon * 50%")
    digests = {
        compiled(f'{HEAD}emit sample(fuse(base, {given}, via: {via}), prompt: "<hero>") as "a.png"')
        .programs[0]
        .digest
        for given in orders
    }
    assert len(digests) == 1


@pytest.mark.parametrize("via", ["dear", "turns"])
def test_order_is_kept_where_it_matters(compiled: Compile, via: str) -> None:
    orders = ("neon, wash", "wash, neon")
    digests = {
        compiled(f'{HEAD}emit sample(fuse(base, {given}, via: {via}), prompt: "a") as "a.png"')
        .programs[0]
        .digest
        for given in orders
    }
    assert len(digests) == 2


def test_parts_keep_their_order(compiled: Compile, made: Make) -> None:
    body = (
        HEAD + 'let twin = embedding("x/twin")\nemit sample(fuse(base, {}), prompt: "<hero> <b>") as "a.png"'
    )
    more = [made("x/twin", Kind.EMBEDDING, trigger="<b>")]
    digests = [
        compiled(body.format(given), more=more).programs[0].digest
        for given in ("hero, neon, twin", "neon, hero, twin", "twin, neon, hero")
    ]
    assert digests[0] == digests[1] != digests[2]


def test_ordering_as_text(compiled: Compile) -> None:
    given = (compiled, "fuse(base, neon, robot * 0.5, hero)", '"<hero>"', fold_constants)
    assert _operands(*given) == ["t/base", "t/plain", "t/robot * 0.5", "t/hero"]
    assert _operands(*given, order_operands) == ["t/base", "t/hero", "t/robot * 0.5", "t/plain"]


def _operands(compiled: Compile, model: str, prompt: str, *passes: Pass) -> list[str]:
    """The inputs of a picture's fusion."""
    body = f'{HEAD}emit sample({model}, prompt: {prompt}) as "a.png"'
    (graph,) = compiled(body, passes=(*passes, expand_verbs, drop_dead)).graphs
    (fusion,) = (node for node in graph.nodes() if node.op == "fuse")
    return [
        f"{operand(given).name or base_node(given).name}"
        + "".join(f" * {constant(each.inputs[1])}" for each in infixes(given, "strength"))
        for given in fusion.inputs
    ]


# Passes over core graphs: before and after, as text


def _core(compiled: Compile, body: str, *passes: Pass, more: tuple[ExpertFacts, ...] = ()) -> str:
    """What runs after some passes, one line an instruction, with values numbered as in a program."""
    result = compiled(f"{HEAD}{body}", passes=(fold_constants, expand_verbs, *passes, share_equal), more=more)
    assert not result.has_errors, [d.message() for d in result.diagnostics]
    graph = replace(result.graphs[0], bindings=())
    nodes = instructions(graph)
    numbers = {id(node): number for number, node in enumerate(nodes)}
    return "\n".join(f"%{at} = {_line(node, numbers)}" for at, node in enumerate(nodes))


def _line(node: Node, numbers: dict[int, int]) -> str:
    told = (_argument(given, numbers) for given in node.inputs)
    return f"{node.op}({', '.join(each for each in told if each)})"


def _argument(given: Node, numbers: dict[int, int]) -> str:
    below = operand(given)
    name = f"%{numbers[id(below)]}" if id(below) in numbers else below.name
    if below.op == "const":
        return repr(constant(below))
    factor, time = strength(given), window(given)
    times = "" if factor == 1.0 else f" * {factor:g}"
    return name + times + ("" if time is None else f" during {time[0]:g}..{time[1]:g}")


SAMPLED = 'sample(look, prompt: "a cat", negative: "blur", steps: 20, {})'


def _sampled(model: str, more: str = "seed: 1") -> str:
    return f'let look = {model}\nemit {SAMPLED.format(more)} as "a.safetensors"'


def test_cutting_as_text(compiled: Compile) -> None:
    body = _sampled("fuse(base, robot * 0.2, neon * 0.5 during 0%..52%)", "until: 80%")
    before, after = _core(compiled, body), _core(compiled, body, cut_at_windows)
    assert before == BEFORE_CUTTING
    assert after == AFTER_CUTTING


BEFORE_CUTTING = """\
%0 = load_model(t/base)
%1 = fuse(%0, t/robot * 0.2, t/plain * 0.5 during 0..0.52)
%2 = encode_text(%1, 'a cat')
%3 = encode_text(%1, 'blur')
%4 = denoise(%1, %2, %3, 20, 3.0, (64, 64), 0, 'ddim', 0.8)
%5 = write(%4, 'a.safetensors')"""
AFTER_CUTTING = """\
%0 = load_model(t/base)
%1 = fuse(%0, t/robot * 0.2)
%2 = fuse(%0, t/robot * 0.2, t/plain * 0.5)
%3 = encode_text(%2, 'a cat')
%4 = encode_text(%2, 'blur')
%5 = denoise(%2, %3, %4, 20, 3.0, (64, 64), 0, 'ddim', 0.5)
%6 = encode_text(%1, 'a cat')
%7 = encode_text(%1, 'blur')
%8 = denoise_rest(%1, %5, %6, %7, 3.0, 0.8)
%9 = write(%8, 'a.safetensors')"""


def test_a_chain_is_cut_where_models_change(compiled: Compile) -> None:
    after = _core(compiled, _sampled("fuse(base, neon, wash, via: turns)"), cut_at_windows, share_encodings)
    fusions = [line for line in after.splitlines() if "fuse(" in line]
    assert fusions == ["%1 = fuse(%0, t/wash)", "%2 = fuse(%0, t/plain)"]


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("fuse(base, neon)", "no window"),
        ("fuse(base, third during 50%..100%, via: turns)", "through several latent spaces"),
    ],
)
def test_what_is_not_cut(compiled: Compile, model: str, why: str) -> None:
    body = 'let third = checkpoint("t/third")\n' + _sampled(model)
    assert "denoise_rest" not in _core(compiled, body, cut_at_windows), why


def test_two_fusions_that_predict_and_become_one_are_not_cut(compiled: Compile) -> None:
    """Their predictions are added one after the other: a sum of their shares rounds otherwise."""
    early, late = "fuse(base, neon during 0%..50%)", "fuse(base, neon during 0%..70%)"
    whole = _core(compiled, _sampled(f"fuse(base, {early} * 0.4, {late} * 0.4, via: blend)"), cut_at_windows)
    assert "denoise_rest" not in whole


def test_skipping_as_text(compiled: Compile) -> None:
    body = _sampled("base", "guidance: 1")
    after = _core(compiled, body, skip_unconditional)
    assert "encode_text(%0, 'blur')" in _core(compiled, body)
    assert "denoise(%0, %1, %1, 20, 1, " in after
    assert "blur" not in after
    assert "blur" in _core(compiled, _sampled("base", "guidance: 1.5"), skip_unconditional)


def test_a_prompt_that_may_be_silent_keeps_its_negative(compiled: Compile) -> None:
    prompts = '["a cat" during 0%..50%, "a dog" during 50%..100%]'
    body = _sampled("base", "guidance: 1").replace('"a cat"', prompts, 1)
    assert "blur" in _core(compiled, body, skip_unconditional)


QUIET = AdapterFacts("lora", (4, 4), None, ("unet",), ("down",), ("cross",), 8)
LOUD = replace(QUIET, parts=("unet", "text_encoder"))


@pytest.mark.parametrize(
    ("adapter", "model", "reader"),
    [
        (QUIET, "fuse(base, ink)", "%0"),
        (QUIET, "fuse(base, ink * 0.5, via: beside)", "%0"),
        (QUIET, "fuse(base, ink during 50%..100%, via: turns)", "%0"),
        (QUIET, "fuse(fuse(base, ink), ink * 0.1)", "%0"),
        (LOUD, "fuse(base, ink)", "%1"),
        (LOUD, "fuse(base, ink, via: beside)", "%1"),
        (None, "fuse(base, ink)", "%1"),  # nobody knows what it changes
        (QUIET, "fuse(base, hero, ink)", "%1"),  # words
        (QUIET, "fuse(base, ink, robot * 0.1)", "%1"),  # a text encoder of its own
        (QUIET, "fuse(base, ink, robot * 0.5, via: blend)", "%1"),
        (QUIET, "fuse(fuse(base, hero), ink)", "%1"),  # by the model with the words, below
    ],
)
def test_texts_are_read_by_the_lowest_model(
    compiled: Compile, made: Make, adapter: AdapterFacts | None, model: str, reader: str
) -> None:
    ink = replace(made("x/ink", Kind.LORA), adapter=adapter)
    text = "a <hero>" if "hero" in model else "a cat"
    body = f'let ink = lora("x/ink")\n{_sampled(model)}'.replace("a cat", text)
    assert f"encode_text({reader}, {text!r})" in _core(compiled, body, share_encodings, more=(ink,))


def test_pictures_are_decoded_by_the_lowest_model_with_the_codec(compiled: Compile) -> None:
    picture = 'let look = {}\nemit sample(look, prompt: "a cat <hero>", steps: 20) as "a.png"'
    vae = 'let codec = vae("t/vae")\n'
    for model, reader in (
        ("fuse(base, hero, neon)", "%0"),
        ("fuse(fuse(base, neon), hero, wash during 0%..50%, via: turns)", "%0"),
        ("fuse(fuse(base, codec), hero, neon)", "%1"),
        ("fuse(base, codec, hero, neon)", "%1"),
    ):
        found = _core(compiled, vae + picture.format(model), share_codecs)
        (decode,) = (line for line in found.splitlines() if "decode_latent" in line)
        assert decode.endswith(f", {reader})"), model


def test_beginnings_as_text(compiled: Compile) -> None:
    runs = "\n".join(
        f'emit sample(base, prompt: "a cat", negative: "blur", steps: 20{until}) as "{at}.safetensors"'
        for at, until in enumerate(("", ", until: 50%", ", until: 75%", ", seed: 1", ", until: 75%, seed: 2"))
    )
    assert _core(compiled, runs, share_prefixes) == BEGINNINGS


BEGINNINGS = """\
%0 = load_model(t/base)
%1 = encode_text(%0, 'a cat')
%2 = encode_text(%0, 'blur')
%3 = denoise(%0, %1, %2, 20, 3.0, (64, 64), 0, 'ddim', 0.5)
%4 = denoise_rest(%0, %3, %1, %2, 3.0, 0.75)
%5 = denoise_rest(%0, %4, %1, %2, 3.0, 1.0)
%6 = write(%5, '0.safetensors')
%7 = write(%3, '1.safetensors')
%8 = write(%4, '2.safetensors')
%9 = denoise(%0, %1, %2, 20, 3.0, (64, 64), 1, 'ddim', 1.0)
%10 = write(%9, '3.safetensors')
%11 = denoise(%0, %1, %2, 20, 3.0, (64, 64), 2, 'ddim', 0.75)
%12 = write(%11, '4.safetensors')"""


def test_a_run_through_several_spaces_has_no_beginning_of_its_own(compiled: Compile) -> None:
    """Cut where the engine carries it over, it would be resumed in the space that it comes from."""
    model = 'let third = checkpoint("t/third")\nlet look = fuse(base, third during 50%..100%, via: turns)\n'
    runs = (
        f'emit sample(look, prompt: "a cat", steps: 20{until}) as "{at}.safetensors"\n'
        for at, until in enumerate(("", ", until: 50%"))
    )
    assert "denoise_rest" not in _core(compiled, model + "".join(runs), cut_at_windows, share_prefixes)


# Plans that say the same are one program


def test_plans_that_differ_from_some_step_on_share_the_steps_before(compiled: Compile) -> None:
    """By digest, over plans: what the engine computes once."""
    plans = [
        _sampled(f"fuse(base, robot * 0.2, neon * 0.5 during 0%..50%{late}, via: {via})")
        for via, late in (("sum", ""), ("sum", ", wash during 60%..100%"), ("beside", ""))
    ]
    found = [{node.digest for node in instructions(compiled(HEAD + body).graphs[0])} for body in plans]
    runs = {node.digest for node in instructions(compiled(HEAD + plans[0]).graphs[0]) if node.op == "denoise"}
    assert len(runs) == 1
    assert runs <= found[1]
    assert not runs & found[2]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(random=st.randoms(use_true_random=False))
def test_spelling_does_not_matter(compiled: Compile, random: Random) -> None:
    operator = random.choice(["sum", "beside", "blend"])
    names = random.sample(["neon", "wash", "robot"], random.choice([1, 2, 3]))
    said = [(name, random.choice([0.25, 0.5, 1.0]), random.choice([None, 5, 10, 20])) for name in names]
    digests = {compiled(_spelled(said, operator, random)).programs[0].digest for _ in range(2)}
    assert len(digests) == 1


def _spelled(said: list[tuple[str, float, int | None]], operator: str, random: Random) -> str:
    """A plan of 20 steps in one of the ways in which it can be written."""
    operands = [_operand(*each, random) for each in said]
    unused = [name for name in ("neon", "wash", "robot") if name not in {each[0] for each in said}]
    operands += [f"{name} * 0" for name in unused if random.random() < 0.5]
    random.shuffle(operands)
    base = random.choice(["base", "fuse(base)", "base"])
    name = random.choice(["look", "m", "neon2"])
    until = random.choice(["", ", until: 100%", ", until: 1.0", ", until: 99%"])
    spare = random.choice(["", f'let spare = sample({name}, prompt: "nobody", until: 30%)\n'])
    return (
        f"{HEAD}let {name} = fuse({base}, {', '.join(operands)}, via: {operator})\n{spare}"
        f'emit sample({name}, steps: 20, prompt: "a cat"{until}) as "a.png"'
    )


def _operand(name: str, factor: float, steps: int | None, random: Random) -> str:
    strengths = {
        0.25: ["* 0.25", "* 0.5 * 0.5", "* 25%"],
        0.5: ["* 0.5", "* 50%", "* 2 * 0.25"],
        1.0: ["", "* 1", "* 4 * 0.25"],
    }
    windows = {
        None: [""],
        5: ["during 0%..25%", "during 0%..26%"],
        10: ["during 0%..50%", "during 0%..0.51 during 0%..80%"],
        20: ["", "during 0%..100%", "during 1%..99%"],
    }
    parts = [random.choice(strengths[factor]), random.choice(windows[steps])]
    random.shuffle(parts)
    return " ".join((name, *filter(None, parts)))
