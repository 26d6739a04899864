"""Fragments, imports, scopes."""

from __future__ import annotations

from collections.abc import Callable

from mosaic.compiler import Compiled

Compile = Callable[..., Compiled]

LIBRARY = """mosaic 1
define styled(base: checkpoint, style: lora, strength: number = 0.5) -> model {
  return fuse(base, style * strength)
}
define picture(base: checkpoint, style: lora, what: text) -> latent {
  let look = styled(base, style, strength: 1)
  return sample(look, prompt: "{what}, {style}", steps: 4)
}
"""
PLAN = """
let base = checkpoint("t/base")
let neon = lora("t/neon")
let image = house.picture(base, neon, "a cat")
emit image as "p.png"
"""
BY_HAND = """
let base = checkpoint("t/base")
let neon = lora("t/neon")
let look = fuse(base, neon * 1)
let image = sample(look, prompt: "a cat, {neon}", steps: 4)
emit image as "p.png"
"""
USE = 'use "./house.mosaic"\n'


def test_a_fragment_is_what_it_says(compiled: Compile) -> None:
    (by_use,) = compiled(PLAN, USE, texts={"./house.mosaic": LIBRARY}).programs
    (by_hand,) = compiled(BY_HAND).programs
    assert by_use.digest == by_hand.digest
    assert by_use.source.libraries == {"./house.mosaic": LIBRARY}


def test_alias(compiled: Compile) -> None:
    body = PLAN.replace("house.", "h.")
    assert not compiled(body, 'use "./house.mosaic" as h\n', texts={"./house.mosaic": LIBRARY}).diagnostics


def test_a_mistake_that_shows_inside_a_fragment_points_at_the_call(compiled: Compile) -> None:
    body = PLAN.replace('lora("t/neon")', 'lora("t/film")').replace(", {style}", "")
    library = LIBRARY.replace(", {style}", "")
    (found,) = compiled(body, USE, texts={"./house.mosaic": library}).diagnostics
    assert found.code == "M401"
    assert found.span is not None
    assert found.span.source.name == "plan.mosaic"
    assert found.span.text == 'house.picture(base, neon, "a cat")'
    assert [label.span.source.name for label in found.labels()][-1] == "./house.mosaic"


def test_unknown_member(compiled: Compile) -> None:
    (found,) = compiled(PLAN.replace("picture", "pictur"), USE, texts={"./house.mosaic": LIBRARY}).diagnostics
    assert found.code == "M220"
    assert found.fixes()[0].edits[0].replacement == "house.picture"


def test_cycle(compiled: Compile) -> None:
    texts = {
        "./house.mosaic": 'mosaic 1\nuse "./b.mosaic"\n',
        "./b.mosaic": 'mosaic 1\nuse "./house.mosaic"\n',
    }
    codes = [d.code for d in compiled(BY_HAND, USE, texts=texts).diagnostics]
    assert codes == ["M208"]


def test_a_fragment_cannot_call_itself(compiled: Compile) -> None:
    before = "define f(m: checkpoint) -> model { return f(m) }\n"
    assert [d.code for d in compiled(BY_HAND, before).diagnostics] == ["M203"]


def test_fragment_arguments(compiled: Compile) -> None:
    wrong = PLAN.replace('"a cat"', "4")
    assert [d.code for d in compiled(wrong, USE, texts={"./house.mosaic": LIBRARY}).diagnostics] == ["M301"]
    missing = PLAN.replace(', "a cat"', "")
    assert [d.code for d in compiled(missing, USE, texts={"./house.mosaic": LIBRARY}).diagnostics] == ["M205"]


def test_an_expert_may_be_a_parameter(compiled: Compile) -> None:
    before = 'param style: lora = lora("t/neon")\n'
    body = (
        BY_HAND.replace('let neon = lora("t/neon")\n', "")
        .replace("neon * 1", "style")
        .replace("{neon}", "night")
    )
    (default,) = compiled(body, before).programs
    (other,) = compiled(body, before, parameters={"style": "t/wash"}).programs
    assert default.experts[1].id == "t/neon"
    assert other.experts[1].id == "t/wash"
    assert default.digest != other.digest


def test_a_name_shared_with_the_plan_is_no_mistake(compiled: Compile) -> None:
    assert not compiled(BY_HAND.replace("look", "p")).diagnostics
