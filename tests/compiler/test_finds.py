"""`find(kind, "words")` is the expert that naming it would have given, or says why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.compiler import Compiled
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.facts import AdapterFacts, Coverage, ExpertFacts
from mosaic.compiler.pins import Pins
from mosaic.compiler.source import SourceFile
from mosaic.compiler.types import Kind
from mosaic.project import Project

Compile = Callable[..., Compiled]
Make = Callable[..., ExpertFacts]
BASE = 'let base = checkpoint("t/base")\n'


def painted(found: str, words: str = "a cat, {look}") -> str:
    return BASE + f'let look = {found}\nemit sample(fuse(base, look), prompt: "{words}") as "p.png"'


def test_is_the_expert_that_it_finds(compiled: Compile) -> None:
    named = compiled(painted('lora("t/neon")')).programs[0]
    result = compiled(painted('find(lora, "neon")'))
    assert not result.diagnostics
    assert result.programs[0].digest == named.digest
    assert result.graphs[0].digest == compiled(painted('lora("t/neon")')).graphs[0].digest
    (find,) = result.finds["p"]
    assert (find.kind, find.words, find.chosen, find.refused) == ("lora", "neon", "t/neon", ())
    assert "answers to neon" in find.reason
    assert "nothing measured" in find.reason
    assert find.span is not None
    assert find.span.text == 'find(lora, "neon")'
    assert result.choices["p"][0].operands == ("t/neon",)


def test_what_the_rules_would_refuse_is_never_chosen(compiled: Compile, made: Make) -> None:
    more = [
        made("a/film", Kind.LORA, "sdxl", trigger="film grain"),
        replace(made("b/film", Kind.LORA, trigger="film grain"), adapter=AdapterFacts("ia3")),
        made("c/film", Kind.LORA, trigger="film grain"),
        replace(made("d/film", Kind.LORA, trigger="film grain"), excludes=("t/base",)),
        replace(made("e/film", Kind.LORA, trigger="film grain"), variant="inpaint"),
        made("f/film", Kind.LORA),
        made("g/film", Kind.LORA, trigger="film grain"),
    ]
    covered = {"c/film": Coverage(6, 8, ("x",))}
    result = compiled(painted('find(lora, "film")'), more=more, covered=covered)
    assert not result.diagnostics
    (find,) = result.finds["p"]
    assert find.chosen == "g/film"
    assert find.refused == (
        "`b/film`: no operator takes ia3",
        "`c/film`: 2 of 8 tensors have no place",
        "`d/film`: it does not go with the base",
        "`e/film`: it is made for inpaint models",
        "`f/film`: it has no trigger words to insert",
    )


def test_ties_are_settled_by_id(compiled: Compile, made: Make) -> None:
    more = [made(name, Kind.LORA, trigger="ink") for name in ("z/ink", "b/ink", "m/ink")]
    (find,) = compiled(painted('find(lora, "ink")'), more=more).finds["p"]
    assert (find.chosen, find.others) == ("b/ink", ("m/ink", "z/ink"))


def test_a_policy_narrows_the_choice(compiled: Compile, made: Make) -> None:
    more = [
        replace(made("a/ink", Kind.LORA, trigger="ink"), rating="explicit"),
        replace(made("b/ink", Kind.LORA, trigger="ink"), rating="general"),
    ]
    body = "policy { rating: general }\n" + painted('find(lora, "ink")')
    (find,) = compiled(body, more=more).finds["p"]
    assert find.chosen == "b/ink"
    assert find.refused == ("`a/ink`: rated explicit",)


def test_nothing_found(compiled: Compile) -> None:
    (found,) = compiled(painted('find(lora, "stained glass")')).diagnostics
    assert found.code == "M218"
    assert found.span is not None
    assert found.span.text == 'find(lora, "stained glass")'
    assert "`t/neon`" in found.help()[0]


def test_nothing_that_fits(compiled: Compile) -> None:
    (found,) = compiled(painted('find(lora, "film")')).diagnostics
    assert found.code == "M218"
    assert found.message() == "no lora that answers “film” can be used here"
    assert found.help() == ("not usable: `t/film`: made for sdxl",)


def test_the_rest_of_a_plan_is_judged(compiled: Compile) -> None:
    body = painted('find(lora, "film")') + '\nemit sample(base, prompt: "a", steps: 0) as "q.png"'
    assert [d.code for d in compiled(body).diagnostics] == ["M218", "M305"]


def test_one_find_for_two_families(compiled: Compile) -> None:
    body = (
        BASE + 'let large = checkpoint("t/large")\nlet look = find(lora, "neon")\n'
        'emit fuse(base, look) as "a.safetensors"\nemit fuse(large, look) as "b.safetensors"'
    )
    codes = [d.code for d in compiled(body).diagnostics]
    assert "M219" in codes
    assert "M401" not in codes


def test_two_finds_of_the_same_words(compiled: Compile, made: Make) -> None:
    more = [made("b/neon", Kind.LORA, "sdxl", trigger="neon")]
    body = (
        BASE
        + 'let large = checkpoint("t/large")\n'
        + "\n".join(
            f'emit fuse({base}, find(lora, "neon")) as "{base}.safetensors"' for base in ("base", "large")
        )
    )
    result = compiled(body, more=more)
    assert {d.code for d in result.diagnostics} <= {"M206"}, "an engine for sdxl is not there, all else is"


def test_a_base_that_is_found(compiled: Compile) -> None:
    body = (
        'let base = find(checkpoint, "base")\nlet look = fuse(base, find(lora, "neon"))\n'
        'emit sample(look, prompt: "neon style") as "p.png"'
    )
    result = compiled(body)
    assert not result.diagnostics
    assert [find.chosen for find in result.finds["p"]] == ["t/base", "t/neon"]
    assert (
        result.programs[0].digest
        == compiled(
            'emit sample(fuse(checkpoint("t/base"), lora("t/neon")), prompt: "neon style") as "p.png"'
        )
        .programs[0]
        .digest
    )


def test_as_a_parameter(compiled: Compile) -> None:
    before = 'param look: lora = find(lora, "neon")\n'
    body = BASE + 'emit sample(fuse(base, look), prompt: "{look}") as "p.png"'
    result = compiled(body, before)
    assert not result.diagnostics
    assert result.programs[0].source.parameters == {"look": "t/neon"}
    other = compiled(body.replace("{look}", "a cat"), before, parameters={"look": "t/wash"})
    assert other.programs[0].source.parameters == {"look": "t/wash"}
    assert not other.finds["p"]


def test_inside_a_fragment(compiled: Compile) -> None:
    before = (
        'define styled(base: checkpoint, look: lora = find(lora, "neon"), words: text = "neon") -> latent {\n'
        '  return sample(fuse(base, look, find(lora, "wash")), prompt: "{look}")\n}\n'
    )
    result = compiled(BASE + 'emit styled(base) as "p.png"', before)
    assert not result.diagnostics
    assert sorted(find.chosen for find in result.finds["p"]) == ["t/neon", "t/wash"]
    open_words = before.replace('find(lora, "wash")', "find(lora, words)")
    assert [d.code for d in compiled(BASE + 'emit styled(base) as "p.png"', open_words).diagnostics] == [
        "M306"
    ]


@pytest.mark.parametrize(
    ("call", "codes"),
    [
        ('find("lora", "neon")', ["M301"]),
        ('find(lorra, "neon")', ["M303"]),
        ('find(model, "neon")', ["M303"]),
        ('find(control, "neon")', ["M206"]),
        ("find(lora, 3)", ["M301"]),
        ("find(lora)", ["M205"]),
        ('find(lora, "neon", "more")', ["M307"]),
        ('find(lora, "neon", count: 2)', ["M204"]),
        ('find(lora, "{who}")', ["M201"]),
    ],
)
def test_calls_that_do_not_fit(compiled: Compile, call: str, codes: list[str]) -> None:
    assert [d.code for d in compiled(painted(call)).diagnostics] == codes


def test_words_may_be_a_parameter(compiled: Compile) -> None:
    result = compiled(painted('find(lora, "{style} style")'), 'param style: text = "neon"\n')
    assert [find.chosen for find in result.finds["p"]] == ["t/neon"]


def test_an_unused_find_is_an_unused_made(compiled: Compile, made: Make) -> None:
    body = BASE + 'let look = find(lora, "neon")\nemit sample(base, prompt: "a") as "p.png"'
    assert [d.code for d in compiled(body).diagnostics] == ["M207"]


def test_a_lock_holds_the_choice(compiled: Compile) -> None:
    pins = Pins(finds={("lora", "neon"): "t/wash"})
    result = compiled(painted('find(lora, "neon")', "a cat"), pins=pins)
    (find,) = result.finds["p"]
    assert (find.chosen, find.reason) == ("t/wash", "as locked")


def test_a_lock_that_holds_what_is_gone(compiled: Compile) -> None:
    pins = Pins(finds={("lora", "neon"): "t/gone"})
    (found,) = compiled(painted('find(lora, "neon")'), pins=pins).diagnostics
    assert found.code == "M218"
    assert "t/gone" in found.help()[0]


ZOO = """mosaic 1
plan p {{
  let base = checkpoint("zoo/base")
  let wash = {wash}
  emit sample(fuse(base, wash * 0.5), prompt: "a red cat, {{wash}}") as "a.png"
}}
"""


def test_over_the_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("MOSAIC_CATALOG", raising=False)
    found, named = (
        Project().compile(SourceFile("p.mosaic", ZOO.format(wash=wash)))
        for wash in ('find(lora, "watercolor style")', 'lora("zoo/watercolor")')
    )
    assert found.programs[0].digest == named.programs[0].digest
    (find,) = found.finds["p"]
    assert find.chosen == "zoo/watercolor"
    assert "style right in at least" in find.reason
    with pytest.raises(MosaicError, match="M218"):
        Project().compile(SourceFile("p.mosaic", ZOO.format(wash='find(lora, "qqqq")')))
