"""Optimised means equal: programs with and without a pass, and what each pass is for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mosaic.compiler import Compiled
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.ir.text import GraphSyntaxError, parse_graph, print_graph
from mosaic.compiler.lower import used
from mosaic.compiler.passes import OPTIMISE, Pass
from mosaic.compiler.passes.drop_dead import drop_dead
from mosaic.compiler.passes.expand_verbs import expand_verbs
from mosaic.compiler.passes.fold_constants import fold_constants
from mosaic.compiler.passes.share_equal import share_equal

Compile = Callable[..., Compiled]

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


@pytest.mark.parametrize("pass_", [fold_constants, share_equal, drop_dead], ids=lambda p: p.__name__)
def test_every_pass_but_the_lowering_one_can_be_left_out(compiled: Compile, pass_: Pass) -> None:
    graph, without = _graph(compiled), _graph(compiled, _without(pass_))
    (program,) = compiled(PLAN, BEFORE, passes=_without(pass_)).programs
    emits = [i.operation.path for i in program.instructions if i.operation.op == "emit"]
    assert emits == ["b.png", "c.png", "a.safetensors"]
    if pass_ is not fold_constants:  # folding replaces nodes: equality is shown by the program above
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
