"""M410-M423: each conflict of experts gives its code, once, at its words, with the way out; sound plans give none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mosaic.compiler import Compiled
from mosaic.compiler.diagnostic import Diagnostic, Fix
from mosaic.compiler.facts import AdapterFacts, Coverage, ExpertFacts
from mosaic.compiler.types import Kind

Compile = Callable[..., Compiled]
Make = Callable[..., ExpertFacts]


def fused(*experts: str, words: str = "a cat", base: str = "t/base", more: str = "") -> str:
    operands = "".join(f", {expert}" for expert in experts)
    return f'let base = checkpoint("{base}")\n{more}emit sample(fuse(base{operands}), prompt: "{words}") as "p.png"'


def applied(found: Diagnostic, which: int = 0) -> str:
    fix: Fix = found.fixes()[which]
    (edit,) = fix.edits
    text = edit.span.source.text
    return text[: edit.span.start] + edit.replacement + text[edit.span.end :]


def text_of(found: Diagnostic) -> str:
    assert found.span is not None
    return found.span.text


LORA = 'lora("x/style")'


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"adapter": AdapterFacts("oft")}, "M410"),
        ({"adapter": AdapterFacts("glora", ranks=(4, 4))}, "M410"),
        ({"adapter": AdapterFacts("loha", ranks=(4, 4))}, None),
        ({"adapter": AdapterFacts("lokr")}, None),
        ({"adapter": AdapterFacts("dora", ranks=(4, 4))}, None),
        ({"adapter": AdapterFacts("full")}, None),
        ({"adapter": AdapterFacts("lora", ranks=(4, 1281))}, "M411"),
        ({"adapter": AdapterFacts("lora", ranks=(4, 1280))}, None),
        ({"adapter": AdapterFacts(parts=("unet", "text_encoder_2"))}, "M416"),
        ({"adapter": AdapterFacts(parts=("unet", "text_encoder"))}, None),
        ({"variant": "inpaint"}, "M418"),
        ({"strengths": (0.0, 0.8)}, "M421"),
        ({"strengths": (0.0, 1.0)}, None),
        ({"strengths": (1.2, 2.0)}, "M421"),
        ({"excludes": ("t/base",)}, "M422"),
        ({"excludes": ("t/other",)}, None),
        ({"trigger": "ink style"}, "M414"),
        ({"triggers": ("brush", "A  Cat")}, None),
        ({"trained_on": "ab" * 32}, None),
        ({"clip_skip": 2}, None),
        ({"lineage": "pony"}, None),
    ],
)
def test_one_lora(compiled: Compile, made: Make, facts: dict[str, Any], code: str | None) -> None:
    style = replace(made("x/style", Kind.LORA), **facts)
    found = compiled(fused(LORA), more=[style]).diagnostics
    assert [d.code for d in found] == ([code] if code else [])
    for each in found:
        assert text_of(each) == (LORA if code != "M414" else '"a cat"')
        assert each.help()
        assert each.message()


def test_what_another_rule_says_is_not_said_by_coverage(compiled: Compile, made: Make) -> None:
    covered = {"x/style": Coverage(0, 8, ("a", "b"))}
    for facts in ({"adapter": AdapterFacts("oft")}, {"variant": "edit"}, {"family": "sdxl"}):
        style = replace(made("x/style", Kind.LORA), **facts)  # type: ignore[arg-type]
        assert len(compiled(fused(LORA), more=[style], covered=covered).diagnostics) == 1


def test_one_module_of_too_large_a_rank(compiled: Compile, made: Make) -> None:
    covered = {"x/style": Coverage(8, 8, excessive=("unet.mid.to_q: rank 128, the matrix has at most 64",))}
    (found,) = compiled(fused(LORA), more=[made("x/style", Kind.LORA)], covered=covered).diagnostics
    assert found.code == "M411"
    assert "rank 128" in found.help()[0]


def test_suggestions_replace_the_name(compiled: Compile) -> None:
    for expert, code in (("t/film", "M401"), ("t/partial", "M402")):
        (found,) = compiled(fused(f'lora("{expert}")')).diagnostics
        assert found.code == code
        assert "`t/neon`" in found.help()[-1]
        assert not found.fixes()[0].safe
        assert {d.code for d in compiled(applied(found), whole=True).diagnostics} == {"M414"}
    (found,) = compiled(fused('checkpoint("t/epsilon") * 0.5, via: sum')).diagnostics
    assert found.code == "M403"
    assert not compiled(applied(found), whole=True).diagnostics


def test_a_name_from_outside_is_not_replaced(compiled: Compile) -> None:
    before = 'param film: lora = lora("t/neon")\n'
    (found,) = compiled(fused("film"), before, parameters={"film": "t/film"}).diagnostics
    assert (found.code, found.fixes()) == ("M401", ())


def test_partly_loaded_where_the_plan_says_so(compiled: Compile, made: Make) -> None:
    result = compiled(fused('lora("t/partial", partial: true) * 0.5'))
    (found,) = result.diagnostics
    assert (found.code, str(found.severity)) == ("M412", "warning")
    assert found.message() == "2 of 8 tensors of lora `t/partial` are left out, as allowed"
    fusions = [i.operation for i in result.programs[0].instructions if i.operation.op == "fuse"]
    assert [(o.partial, o.strength) for o in fusions[0].operands] == [(True, 0.5)]
    assert '"partial":true' in result.programs[0].to_json().decode()
    assert [d.code for d in compiled(fused('lora("t/partial", partial: false)')).diagnostics] == ["M402"]
    nothing = {"x/style": Coverage(0, 8, ("a",))}
    body = fused('lora("x/style", partial: true)')
    assert [
        d.code for d in compiled(body, more=[made("x/style", Kind.LORA)], covered=nothing).diagnostics
    ] == ["M402"]


def test_partial_changes_nothing_of_what_fits(compiled: Compile) -> None:
    plain, partial = (compiled(fused(lora)) for lora in ('lora("t/wash")', 'lora("t/wash", partial: true)'))
    assert not partial.diagnostics
    assert "partial" not in plain.programs[0].to_json().decode().replace(plain.programs[0].source.text, "")
    assert [d.code for d in compiled(fused('embedding("t/hero", partial: true)')).diagnostics] == ["M204"]
    assert [d.code for d in compiled(fused('lora("t/wash", partial: 1)')).diagnostics] == ["M301"]


def test_partly_loaded_text_encoders(compiled: Compile, made: Make) -> None:
    style = replace(made("x/style", Kind.LORA), adapter=AdapterFacts(parts=("unet", "text_encoder_2")))
    covered = {"x/style": Coverage(6, 8, ("te2",))}
    body = fused('lora("x/style", partial: true)')
    assert [d.code for d in compiled(body, more=[style], covered=covered).diagnostics] == ["M412"]


def test_a_token_that_is_a_word(compiled: Compile, made: Make) -> None:
    cat = made("x/cat", Kind.EMBEDDING, trigger="cat")
    (found,) = compiled(fused('embedding("x/cat")'), more=[cat]).diagnostics
    assert found.code == "M413"
    assert text_of(found) == 'embedding("x/cat")'


INK = 'let ink = lora("x/ink")\n'


@pytest.mark.parametrize(
    ("words", "fixed"),
    [("a cat", '"a cat, {ink}"'), ("", '"{ink}"')],
)
def test_the_trigger_is_added(compiled: Compile, made: Make, words: str, fixed: str) -> None:
    ink = made("x/ink", Kind.LORA, trigger="ink style")
    (found,) = compiled(fused("ink", words=words, more=INK), more=[ink]).diagnostics
    assert found.code == "M414"
    text = applied(found)
    assert fixed in text
    assert not compiled(text, whole=True, more=[ink]).diagnostics


def test_the_words_are_added_where_there_is_no_name(compiled: Compile, made: Make) -> None:
    ink = made("x/ink", Kind.LORA, trigger='an "ink" {style}')
    (found,) = compiled(fused('lora("x/ink")'), more=[ink]).diagnostics
    text = applied(found)
    assert 'prompt: "a cat, an \\"ink\\" {{style}}"' in text
    assert not compiled(text, whole=True, more=[ink]).diagnostics


@pytest.mark.parametrize(
    "body",
    [
        # any prompt that a model with it reads, a negative one, in any case, or weakened
        fused("ink", words="a cat in INK_style", more=INK),
        fused("ink * 0", more=INK),
        fused("ink * -0.5", more=INK),
        'let base = checkpoint("t/base")\nlet look = fuse(base, lora("x/ink"))\n'
        'let a = sample(look, prompt: "ink style", until: 50%)\nemit resume(look, a, prompt: "a cat") as "p.png"',
        'let base = checkpoint("t/base")\nlet look = fuse(base, lora("x/ink"))\n'
        'let a = sample(base, prompt: "a cat, ink style", until: 50%)\nemit resume(look, a) as "p.png"',
        'let base = checkpoint("t/base")\n'
        'emit sample(fuse(base, lora("x/ink")), prompt: "a cat", negative: "ink style") as "p.png"',
        'let base = checkpoint("t/base")\nemit fuse(base, lora("x/ink")) as "p.safetensors"',
    ],
)
def test_a_trigger_that_is_there(compiled: Compile, made: Make, body: str) -> None:
    ink = made("x/ink", Kind.LORA, trigger="ink style")
    assert not compiled(body, more=[ink]).diagnostics


def test_a_prompt_from_elsewhere_has_no_fix(compiled: Compile, made: Make) -> None:
    ink = made("x/ink", Kind.LORA, trigger="ink style")
    body = fused("ink", more=INK).replace('"a cat"', "what")
    (found,) = compiled(body, 'param what: text = "a cat"\n', more=[ink]).diagnostics
    assert (found.code, found.fixes()) == ("M414", ())


PAIR = ('lora("x/one")', 'lora("x/two")')


@pytest.mark.parametrize(
    ("one", "two", "code"),
    [
        ({"trigger": "A cat"}, {"trigger": "a Cat"}, "M415"),
        ({"trigger": "a cat"}, {"triggers": ("cat",)}, None),
        ({"clip_skip": 1}, {"clip_skip": 2}, "M417"),
        ({"clip_skip": 2}, {"clip_skip": 2}, None),
        ({"excludes": ("x/two",)}, {}, "M422"),
        ({}, {"excludes": ("x/one",)}, "M422"),
        ({"lineage": "pony"}, {"lineage": "illustrious"}, None),
    ],
)
def test_two_loras(
    compiled: Compile, made: Make, one: dict[str, Any], two: dict[str, Any], code: str | None
) -> None:
    more = [replace(made("x/one", Kind.LORA), **one), replace(made("x/two", Kind.LORA), **two)]
    together = fused(*PAIR)
    nested = together.replace(", ".join(PAIR), PAIR[1]).replace("fuse(base", f"fuse(fuse(base, {PAIR[0]})")
    for body in (together, nested):
        found = compiled(body, more=more).diagnostics
        assert [d.code for d in found] == ([code] if code else [])
        assert all(text_of(each) == PAIR[1] for each in found)


@pytest.mark.parametrize(
    ("base", "expert", "code"),
    [
        ({"variant": "inpaint"}, {"variant": "inpaint"}, None),
        ({"variant": "inpaint"}, {}, None),
        ({"lineage": "Pony"}, {"lineage": "pony"}, None),
        ({"lineage": "illustrious"}, {"lineage": "pony"}, "M423"),
        ({"clip_skip": 1}, {"clip_skip": 2}, "M417"),
        ({"excludes": ("x/style",)}, {}, "M422"),
        ({"lacks": ("a text encoder",)}, {"adapter": AdapterFacts(parts=("text_encoder",))}, "M416"),
    ],
)
def test_base_and_lora(
    compiled: Compile, made: Make, base: dict[str, Any], expert: dict[str, Any], code: str | None
) -> None:
    whole = replace(made("x/base", Kind.CHECKPOINT, "sd1", "space-a", "v"), **base)
    more = [whole, replace(made("x/style", Kind.LORA), **expert)]
    body = 'let base = checkpoint("x/base")\nemit fuse(base, lora("x/style")) as "m.safetensors"'
    codes = [d.code for d in compiled(body, more=more).diagnostics if d.code not in ("M409", "M206")]
    assert codes == ([code] if code else [])


def test_a_checkpoint_of_another_variant(compiled: Compile, made: Make) -> None:
    paint = replace(made("x/paint", Kind.CHECKPOINT, "sd1", "space-a", "v"), variant="inpaint")
    (found,) = compiled(fused('checkpoint("x/paint") * 0.5'), more=[paint]).diagnostics
    assert found.code == "M418"
    reverse = fused('checkpoint("t/base") * 0.5', base="x/paint")
    assert [d.code for d in compiled(reverse, more=[paint]).diagnostics] == ["M419", "M418"]


def test_a_variant_that_cannot_run(compiled: Compile, made: Make) -> None:
    edit = replace(made("x/edit", Kind.CHECKPOINT, "sd1", "space-a", "v"), variant="edit")
    body = 'let base = checkpoint("x/edit")\nemit sample(base, prompt: "a") as "a.png"\n'
    (found,) = compiled(body + 'emit sample(base, prompt: "b") as "b.png"', more=[edit]).diagnostics
    assert found.code == "M419"
    assert found.message() == "`x/edit` is a model for editing, which this version cannot run"


@pytest.mark.parametrize(
    ("size", "code"),
    [
        ("64x64", None),
        ("128x128", None),
        ("136x128", "M420"),
        ("32x32", None),
        ("32x24", "M420"),
        ("8x2048", None),
    ],
)
def test_native_sizes(compiled: Compile, size: str, code: str | None) -> None:
    body = f'let base = checkpoint("t/base")\nemit sample(base, prompt: "a", size: {size}) as "a.png"'
    found = compiled(body).diagnostics
    assert [d.code for d in found] == ([code] if code else [])
    for each in found:
        assert text_of(each) == size
        assert not compiled(applied(each), whole=True).diagnostics


@pytest.mark.parametrize(
    ("written", "fixed"),
    [
        ('lora("x/style") * 2', 'lora("x/style") * 1.2'),
        ('lora("x/style") * -1', 'lora("x/style") * 0.25'),
        ('lora("x/style") * 0.1', 'lora("x/style") * 0.25'),
    ],
)
def test_strengths_are_brought_into_range(compiled: Compile, made: Make, written: str, fixed: str) -> None:
    style = replace(made("x/style", Kind.LORA), strengths=(0.25, 1.2))
    (found,) = compiled(fused(written), more=[style]).diagnostics
    assert found.code == "M421"
    assert fixed in applied(found)
    assert not compiled(applied(found), whole=True, more=[style]).diagnostics


def test_a_strength_that_is_not_written(compiled: Compile, made: Make) -> None:
    style = replace(made("x/style", Kind.LORA), strengths=(0.0, 0.5))
    (found,) = compiled(fused(LORA), more=[style]).diagnostics
    assert f"{LORA} * 0.5)" in applied(found)
    named = fused(f"{LORA} * w")
    (found,) = compiled(named, "param w: number = 0.9\n", more=[style]).diagnostics
    assert (found.code, text_of(found), found.fixes()) == ("M421", "w", ())
    assert not compiled(named, "param w: number = 0.9\n", more=[style], parameters={"w": "0.5"}).diagnostics
