"""Each mistake gives its code, once, at its words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mosaic.compiler import Compiled

Compile = Callable[..., Compiled]

BASE = 'let base = checkpoint("t/base")\n'
NEON = 'let neon = lora("t/plain")\n'
LOOK = BASE + NEON + "let look = fuse(base, neon)\n"
EMIT = 'emit image as "p.png"'
DONE = 'let image = sample(look, prompt: "a cat")\n' + EMIT

MISTAKES = [
    ("M201", LOOK + 'let image = sample(lok, prompt: "a")\n' + EMIT, "lok"),
    ("M201", LOOK + 'let image = sample(look, prompt: "a {whom}")\n' + EMIT, "whom"),
    ("M202", LOOK + "let look = fuse(base, neon)\n" + DONE, "look"),
    ("M203", LOOK + 'let image = smaple(look, prompt: "a")\n' + EMIT, "smaple"),
    ("M204", LOOK + 'let image = sample(look, prompt: "a", step: 4)\n' + EMIT, "step"),
    ("M204", BASE + NEON + "let look = fuse(base, neon, via: sum(scall: 2))\n" + DONE, "scall: 2"),
    ("M205", LOOK + "let image = sample(look)\n" + EMIT, "sample"),
    ("M205", LOOK + 'let image = refine(look, load_image("a.png"))\n' + EMIT, 'refine(look, load_image("a.png"))'),
    ("M206", BASE + 'let edges = control("./canny.safetensors")\nlet look = fuse(base, edges)\n' + DONE, "control"),
    ("M206", LOOK + 'let image = sample(look, prompt: "a", guidance: 2..5)\n' + EMIT, "2..5"),
    ("M207", LOOK + 'let wash = lora("t/wash")\n' + DONE, "wash"),
    ("M221", BASE + NEON + "let look = fuse(base, neon, via: summ)\n" + DONE, "summ"),
    ("M301", LOOK + 'let image = sample(look, prompt: "a", size: 64)\n' + EMIT, "64"),
    ("M301", LOOK + 'let image = sample(neon, prompt: "a")\n' + EMIT, "neon"),
    ("M301", LOOK + 'let image = sample(look, prompt: "a", steps: 2.5)\n' + EMIT, "2.5"),
    ("M301", LOOK + 'emit neon as "p.safetensors"', "neon"),
    ("M301", "budget { latency: 2 }\n" + LOOK + DONE, "2"),
    ("M302", LOOK + 'let other = checkpoint("t/other")\nlet a = sample(look, prompt: "a", until: 50%)\n'
     "let image = resume(other, a)\n" + EMIT, "a"),
    ("M302", BASE + 'let look = fuse(base, checkpoint("t/other"), via: sum)\n' + DONE, 'checkpoint("t/other")'),
    ("M302", BASE + 'let look = fuse(base, checkpoint("t/other"), via: blend)\n' + DONE, 'checkpoint("t/other")'),
    ("M304", "budget { time: 2s }\n" + LOOK + DONE, "time"),
    ("M304", "policy { use: comercial }\n" + LOOK + DONE, "comercial"),
    ("M305", LOOK + 'let image = sample(look, prompt: "a", steps: 0)\n' + EMIT, "0"),
    ("M305", LOOK + 'let image = sample(look, prompt: "a", size: 65x64)\n' + EMIT, "65x64"),
    ("M305", LOOK + 'let image = sample(look, prompt: "a", scheduler: "eular")\n' + EMIT, '"eular"'),
    ("M305", LOOK + 'let image = sample(look, prompt: "a", until: 0%)\n' + EMIT, "0%"),
    ("M305", BASE + NEON + "let look = fuse(base, neon * 1000)\n" + DONE, "1000"),
    ("M305", BASE + NEON + "let look = fuse(base, neon in rect(60%, 0%, 50%, 100%))\n" + DONE, "50%"),
    ("M305", BASE + NEON + "let look = fuse(base, neon in rect(0%, 0%, 0%, 100%))\n" + DONE, "0%"),
    ("M305", BASE + NEON + "let look = fuse(base, neon in rect(0%, 0%, 50%, 100%, feather: 60%))\n" + DONE, "60%"),
    ("M305", BASE + NEON + 'let look = fuse(base, neon in mask("m.png", feather: 60%))\n' + DONE, "60%"),
    ("M305", BASE + NEON + "let look = fuse(base, neon during 0%..40% during 50%..100%)\n" + DONE, "50%"),
    ("M306", LOOK + 'let hero = embedding("t/hero")\nlet more = fuse(look, hero * 0.5)\n'
     'let image = sample(more, prompt: "{hero}")\n' + EMIT, "hero * 0.5"),
    ("M306", LOOK + 'let more = fuse(base, look, via: dear)\nlet image = sample(more, prompt: "a")\n' + EMIT, "look"),
    ("M306", BASE + 'let hero = embedding("t/hero")\nlet more = fuse(base, hero during 0%..50%)\n'
     'let image = sample(more, prompt: "{hero}")\n' + EMIT, "hero during 0%..50%"),
    ("M306", BASE + NEON + "let left = rect(0%, 0%, 50%, 100%)\nlet look = fuse(base, neon in left in left)\n" + DONE,
     "left"),
    ("M306", LOOK + 'let image = sample(look, prompt: "a", negative: "b" * 0.5)\n' + EMIT, '"b" * 0.5'),
    ("M306", LOOK + 'let half = "b" * 0.5\nlet image = sample(look, prompt: "a {half}")\n' + EMIT, "{half}"),
    ("M306", LOOK + 'let image = sample(look, prompt: "a", seed: 7 during 0%..50%)\n' + EMIT, "7"),
    ("M306", BASE + NEON + "let look = fuse(base * 0.5, neon)\n" + DONE, "base * 0.5"),
    ("M306", BASE + 'emit base * 0.5 as "p.safetensors"', "base * 0.5"),
    ("M306", BASE + 'let half = base * 0.5\nlet image = sample(half, prompt: "a")\n' + EMIT, "half"),
    ("M206", 'let base = checkpoint("t/large")\nlet image = sample(base, prompt: "a", size: 64x64)\n' + EMIT,
     '"t/large"'),
    ("M305", LOOK + 'let image = refine(look, load_image("odd.png"), prompt: "a")\n' + EMIT, 'load_image("odd.png")'),
    ("M307", LOOK + 'let image = sample(look, "a cat")\n' + EMIT, '"a cat"'),
    ("M308", LOOK + 'let image = sample(look, prompt: "a", prompt: "b")\n' + EMIT, "prompt"),
    ("M309", LOOK + 'let image = sample(look, prompt: "a {base}")\n' + EMIT, "{base}"),
    ("M310", LOOK + DONE + "\nreturn look", "return look"),
    ("M311", LOOK, "p"),
    ("M312", LOOK + 'let a = sample(look, prompt: "a")\nlet image = resume(look, a)\n' + EMIT, "a"),
    ("M312", LOOK + 'let a = encode(load_image("a.png"), with: base)\nlet image = resume(look, a)\n' + EMIT, "a"),
    ("M312", LOOK + 'let a = sample(look, prompt: "a", until: 50%)\nlet image = refine(look, a)\n' + EMIT, "a"),
    ("M312", LOOK + 'let a = sample(look, prompt: "a", until: 50%)\n'
     "let image = resume(look, a, until: 40%)\n" + EMIT, "40%"),
    ("M313", BASE + NEON + "let look = fuse(base, neon in rect(0%, 0%, 50%, 100%), via: sum)\n" + DONE,
     "rect(0%, 0%, 50%, 100%)"),
    ("M313", BASE + NEON + "let look = fuse(base, neon in rect(0%, 0%, 50%, 100%), via: turns)\n" + DONE,
     "rect(0%, 0%, 50%, 100%)"),
    ("M313", BASE + NEON + "let look = fuse(base, neon during 0%..50%, via: dear)\n" + DONE, "0%"),
    ("M314", LOOK + 'let image = sample(look, prompt: "a")\nemit image as "../p.png"', '"../p.png"'),
    ("M314", LOOK + 'emit look as "look.png"', '"look.png"'),
    ("M314", LOOK + DONE + '\nemit look as "look.safetensors"\nemit base as "look.safetensors"', '"look.safetensors"'),
    ("M315", LOOK + 'let image = sample(look, prompt: ["a" in rect(0%, 0%, 50%, 100%)])\n' + EMIT,
     '["a" in rect(0%, 0%, 50%, 100%)]'),
    ("M315", LOOK + 'let image = sample(look, prompt: "a" during 0%..50%)\n' + EMIT, '"a" during 0%..50%'),
    ("M316", BASE + NEON + "let look = fuse(base, neon in rect(0%, 0%, 50%, 100%))\n" + DONE
     + '\nemit look as "look.safetensors"', "look"),
    ("M316", BASE + NEON + "let look = fuse(base, neon during 0%..50%)\n" + DONE + '\nemit look as "look.safetensors"',
     "look"),
    ("M316", BASE + NEON + "let half = fuse(base, neon in rect(0%, 0%, 50%, 100%))\n"
     "let look = fuse(base, half * 0.5, via: sum)\n" + DONE, "half * 0.5"),
    ("M317", BASE + 'let look = fuse(base, checkpoint("t/third"), via: turns)\n'
     'let image = refine(look, load_image("a.png"), prompt: "a")\n' + EMIT, "look"),
    ("M322", BASE + 'let look = fuse(base, checkpoint("t/other") during 50%..100%, via: turns)\n' + DONE,
     'checkpoint("t/other") during 50%..100%'),
    ("M401", BASE + 'let film = lora("t/film")\nlet look = fuse(base, film)\n' + DONE, "film"),
    ("M402", BASE + 'let part = lora("t/partial")\nlet look = fuse(base, part)\n' + DONE, "part"),
    ("M403", BASE + 'let look = fuse(base, checkpoint("t/epsilon") * 0.5, via: sum)\n' + DONE,
     'checkpoint("t/epsilon") * 0.5'),
    ("M403", BASE + 'let look = fuse(base, checkpoint("t/epsilon") * 0.5, via: turns)\n' + DONE,
     'checkpoint("t/epsilon") * 0.5'),
    ("M403", BASE + NEON + 'let more = fuse(checkpoint("t/epsilon"), neon)\n'
     "let look = fuse(base, more * 0.5, via: sum)\n" + DONE, "more * 0.5"),
    ("M404", LOOK + 'let hero = embedding("t/hero")\nlet image = sample(look, prompt: "{hero}")\n' + EMIT, "{hero}"),
    ("M405", BASE + 'let hero = embedding("t/hero")\nlet look = fuse(base, hero)\n' + DONE, '"a cat"'),
    ("M406", BASE + 'let look = fuse(base, embedding("t/hero"), embedding("t/twin"))\n'
     'let image = sample(look, prompt: "<hero>")\n' + EMIT, 'embedding("t/twin")'),
    ("M407", LOOK + 'let image = sample(look, prompt: "one two three four five six seven eight")\n' + EMIT,
     '"one two three four five six seven eight"'),
    ("M408", BASE + NEON + "let look = fuse(base, neon * 0.5, neon * 0.2)\n" + DONE, "neon * 0.2"),
    ("M601", "budget { latency: 2s, memory: 2GiB }\n" + LOOK + DONE, "2s"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "body", "words"), MISTAKES, ids=[f"{m[0]}-{i}" for i, m in enumerate(MISTAKES)]
)
def test_mistake(compiled: Compile, code: str, body: str, words: str) -> None:
    found = compiled(body).diagnostics
    assert [d.code for d in found] == [code]
    span = found[0].span
    assert span is not None
    assert span.text == words
    assert found[0].message()


def test_all_mistakes_in_one_run(compiled: Compile) -> None:
    body = BASE + (
        "let look = fuse(base, nen)\n"
        'let a = sample(base, prompt: "a", stps: 4)\n'
        'let b = sample(base, prompt: "a", steps: 0)\n'
        'let c = sample(base, prompt: "a", size: 10)\n'
        'emit b as "/b.png"'
    )
    codes = [d.code for d in compiled(body).diagnostics]
    assert codes == ["M201", "M204", "M301"], "a plan with wrong names is not judged by the rules yet"
    rules = BASE + 'let b = sample(base, prompt: "a", steps: 0, guidance: -1, size: 9x8)\nemit b as "/b.png"'
    assert [d.code for d in compiled(rules).diagnostics] == ["M305", "M305", "M305", "M314"]


def test_one_mistake_one_message(compiled: Compile) -> None:
    body = (
        BASE
        + 'let look = fuse(base, nothere)\nlet a = sample(look, prompt: "a")\nlet b = decode(a)\nemit b as "b.png"'
    )
    assert [d.code for d in compiled(body).diagnostics] == ["M201"]


def test_fixes_are_edits_of_the_text(compiled: Compile) -> None:
    (found,) = compiled(LOOK + 'let image = sample(look, prompt: "a", step: 4)\n' + EMIT).diagnostics
    (fix,) = found.fixes()
    (edit,) = fix.edits
    text = edit.span.source.text
    fixed = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    assert not compiled(fixed, whole=True).diagnostics


def test_parameters_from_outside(compiled: Compile) -> None:
    body = LOOK + 'let image = sample(look, prompt: "a {who}", seed: seed)\n' + EMIT
    before = 'param who: text = "cat"\nparam seed: int = 7\n'
    assert [d.code for d in compiled(body, before, parameters={"sed": "1"}).diagnostics] == ["M209"]
    assert [d.code for d in compiled(body, before, parameters={"seed": "one"}).diagnostics] == ["M209"]
    (program,) = compiled(body, before, parameters={"seed": "9", "who": "dog"}).programs
    texts = [i.operation.text for i in program.instructions if i.operation.op == "encode_text"]
    assert texts == ["a dog", ""]
    assert program.source.parameters == {"who": "dog", "seed": 9}


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "x", ""])
def test_no_strength_that_is_not_finite(compiled: Compile, value: str) -> None:
    body = BASE + NEON + "let look = fuse(base, neon * w)\n" + DONE
    assert [
        d.code for d in compiled(body, "param w: number = 0.5\n", parameters={"w": value}).diagnostics
    ] == ["M209"]
