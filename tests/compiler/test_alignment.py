"""`align`: what it leads through, what is said of it, and what becomes of it in a program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mosaic.compiler import Compiled
from mosaic.compiler.facts import BridgeFacts, ExpertFacts
from mosaic.compiler.pins import Pins
from mosaic.compiler.program import Align, Program, Resume
from mosaic.compiler.types import Kind

Compile = Callable[..., Compiled]

MODELS = 'let base = checkpoint("t/base")\nlet other = checkpoint("t/other")\n'
HALF = 'let half = sample(base, prompt: "a cat", until: 50%)\n'
OVER = MODELS + HALF + 'emit resume(other, align(half, to: other)) as "p.png"'


@pytest.fixture
def bridge(made: Callable[..., ExpertFacts]) -> Callable[..., ExpertFacts]:
    def build(source: str = "space-a", target: str = "space-b", name: str = "") -> ExpertFacts:
        plain = made(name or f"t/{source}-to-{target}", Kind.BRIDGE, None, target)
        return replace(plain, bridge=BridgeFacts(source, target, r2=0.97), rating="general")

    return build


def aligned(program: Program) -> Align:
    (found,) = [i.operation for i in program.instructions if isinstance(i.operation, Align)]
    return found


def codes(compiled: Compiled) -> list[str]:
    return [found.code for found in compiled.diagnostics]


def test_the_registered_bridge_is_taken(compiled: Compile, bridge: Any) -> None:
    result = compiled(OVER, more=[bridge()])
    assert codes(result) == []
    (program,) = result.programs
    operation = aligned(program)
    assert operation.bridge is not None
    assert program.experts[operation.bridge].id == "t/space-a-to-space-b"
    assert program.experts[operation.bridge].kind == "bridge"
    by = {i.result: i.operation for i in program.instructions}
    loaded = {number: program.experts[o.expert].id for number, o in by.items() if o.op == "load_model"}
    assert loaded[operation.source] == "t/base"
    assert loaded[operation.model] == "t/other"
    # The prompt that the latent was made with goes on, read by the model that goes on with it.
    (resumed,) = [o for o in by.values() if isinstance(o, Resume)]
    positive = by[resumed.positive]
    assert (positive.op, positive.text, positive.model) == ("encode_text", "a cat", operation.model)


def test_a_bridge_by_name_wins(compiled: Compile, bridge: Any) -> None:
    text = OVER.replace("to: other)", 'to: other, by: "t/mine")')
    (program,) = compiled(text, more=[bridge(), bridge(name="t/mine")]).programs
    assert program.experts[aligned(program).bridge or 0].id == "t/mine"


def test_a_locked_bridge_wins_over_one_that_came_later(compiled: Compile, bridge: Any) -> None:
    pins = Pins(experts={"t/old": "0" * 64}, place="mosaic.lock")
    result = compiled(OVER, more=[bridge(), bridge(name="t/old")], pins=pins)
    assert result.programs[0].experts[aligned(result.programs[0]).bridge or 0].id == "t/old"


def test_without_one_it_goes_through_the_picture_and_is_told(compiled: Compile) -> None:
    result = compiled(OVER)
    assert codes(result) == ["M322"]
    assert aligned(result.programs[0]).bridge is None
    (found,) = result.diagnostics
    assert "mosaic bridge fit --from t/base --to t/other" in found.help()[0]


def test_the_same_space_is_nothing_to_carry(compiled: Compile) -> None:
    robot = MODELS.replace("t/other", "t/robot").replace("other", "robot")
    text = robot + HALF + 'emit resume(robot, align(half, to: robot)) as "p.png"'
    result = compiled(text)
    assert codes(result) == ["M320"]
    assert not [i for i in result.programs[0].instructions if isinstance(i.operation, Align)]
    (fix,) = result.diagnostics[0].fixes()
    (edit,) = fix.edits
    assert (edit.span.text, edit.replacement) == ("align(half, to: robot)", "half")


def test_a_bridge_that_leads_elsewhere_is_refused(compiled: Compile, bridge: Any) -> None:
    text = OVER.replace("to: other)", 'to: other, by: "t/space-b-to-space-a")')
    result = compiled(text, more=[bridge(), bridge("space-b", "space-a")])
    assert codes(result) == ["M321"]
    assert result.diagnostics[0].fixes()[0].edits[0].replacement == '"t/space-a-to-space-b"'


def test_a_latent_in_a_wrong_space_is_carried_by_the_fix(compiled: Compile, bridge: Any) -> None:
    text = OVER.replace("align(half, to: other)", "half")
    result = compiled(text, more=[bridge()])
    (found,) = result.diagnostics
    assert found.code == "M302"
    assert found.help() == ("carry it over first (bridge t/space-a-to-space-b, R² 0.97)",)
    (edit,) = found.fixes()[0].edits
    assert edit.replacement == "align(half, to: other)"
    source = edit.span.source.text
    mended = source[: edit.span.start] + edit.replacement + source[edit.span.end :]
    assert codes(compiled(mended, whole=True, more=[bridge()])) == []


@pytest.mark.parametrize(
    ("latent", "reason"),
    [
        ('sample(base, prompt: "a cat")', "finished"),
        ('encode(load_image("a.png"), with: base)', "no denoising run"),
    ],
)
def test_what_is_finished_stays_so_wherever_it_is_carried(
    latent: str, reason: str, compiled: Compile, bridge: Any
) -> None:
    text = MODELS + f'emit resume(other, align({latent}, to: other), prompt: "a dog") as "p.png"'
    (found,) = compiled(text, more=[bridge()]).diagnostics
    assert found.code == "M312"
    assert reason in found.message()


def test_where_it_stands_is_kept(compiled: Compile, bridge: Any) -> None:
    text = OVER.replace("to: other))", "to: other), until: 40%)")
    (found,) = compiled(text, more=[bridge()]).diagnostics
    assert (found.code, found.message()) == ("M312", "the latent stands at step 10 of 20")
    refined = MODELS + HALF + 'emit refine(other, align(half, to: other)) as "p.png"'
    assert codes(compiled(refined, more=[bridge()])) == ["M312"]


def test_the_picture_has_sides_that_the_other_vae_takes(compiled: Compile, made: Any) -> None:
    coarse = replace(made("t/coarse", Kind.CHECKPOINT, "sd1", "space-q", "v"), size_multiple=16)
    text = (
        'let base = checkpoint("t/base")\nlet coarse = checkpoint("t/coarse")\n'
        'let half = sample(base, prompt: "a cat", size: 72x64, until: 50%)\n'
        'emit resume(coarse, align(half, to: coarse)) as "p.png"'
    )
    assert sorted(codes(compiled(text, more=[coarse]))) == ["M305", "M322"]


def test_a_bridge_has_a_licence_like_any_part(compiled: Compile, bridge: Any) -> None:
    policy = "policy { use: commercial, unknown: warn }\n"
    result = compiled(policy + OVER, more=[bridge()])
    assert any("t/space-a-to-space-b" in found.message() for found in result.diagnostics)
    duties = [duty.expert for duty in result.programs[0].rights.duties]
    assert aligned(result.programs[0]).bridge in duties


def test_a_changed_bridge_is_told(compiled: Compile, bridge: Any) -> None:
    result = compiled(OVER, more=[replace(bridge(), integrity="changed")])
    assert codes(result) == ["M701"]


def test_a_bridge_inside_a_fragment(compiled: Compile, bridge: Any) -> None:
    before = "define over(a: latent, b: checkpoint) -> latent { return resume(b, align(a, to: b)) }"
    result = compiled(MODELS + HALF + 'emit over(half, other) as "p.png"', before, more=[bridge()])
    assert codes(result) == []
    assert aligned(result.programs[0]).bridge is not None
