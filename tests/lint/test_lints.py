"""What each lint says, and what it does not say."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from mosaic.catalog import locate
from mosaic.compiler import advise
from mosaic.compiler.context import Context
from mosaic.compiler.cost.fidelity import Fidelity
from mosaic.compiler.cost.profile import Profile, Rates
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.fixing import mend
from mosaic.compiler.lint import LINTS
from mosaic.compiler.lint.editions import editions
from mosaic.compiler.pins import Pins
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax.editions import Edition
from mosaic.compiler.types import Kind
from mosaic.lock.projects import LockedProject
from mosaic.project import Project, engine

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted([*(ROOT / "examples").rglob("*.mosaic"), *(ROOT / "stdlib" / "fragments").glob("*.mosaic")])
BEFORE = """mosaic 1

{items}plan p {{
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  let hat = lora("zoo/hat")
"""
AFTER = """
  emit sample(fuse(base, neon, hat), prompt: "a red cat {hat}, {neon}") as "p.png"
}
"""


def plan(body: str, items: str = "") -> str:
    """A plan that uses all that it binds, with more of it."""
    return BEFORE.format(items=f"{items}\n\n" if items else "") + body + AFTER


def context() -> Context:
    return Project().context(SourceFile("p.mosaic", ""))


def lints(text: str, given: Context | None = None) -> list[Diagnostic]:
    found = advise(SourceFile("p.mosaic", text), given or context())
    assert not [d for d in found if d.severity == "error"], [d.message() for d in found]
    return [d for d in found if d.code.startswith("M0")]


def told(text: str, given: Context | None = None) -> list[tuple[str, str]]:
    return [(d.code, d.span.text if d.span else "") for d in lints(text, given)]


def test_lints_are_in_the_order_of_their_codes() -> None:
    pages = [(lint.__module__, __import__(lint.__module__, fromlist=["x"]).__doc__ or "") for lint in LINTS]
    codes = [page.partition(":")[0] for _, page in pages]
    assert codes == [f"M{number:03}" for number in range(1, len(LINTS) + 1)]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_and_fragments_lint_clean(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    source = SourceFile(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    assert [d.message() for d in LockedProject().lint(source) if d.code.startswith("M0")] == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", []),
        ("let n = 3", [("M001", "n")]),
        ('let n = 3 emit sample(base, prompt: "{n} cats") as "n.png"', []),
        ('let n = 3 emit sample(base, prompt: "a cat", steps: n) as "n.png"', []),
        ('let n = 3..9 emit sample(base, prompt: "a cat", steps: n) as "n.png"', []),
        ('let n = 1 emit fuse(base, neon, via: ties(density: n)) as "n.safetensors"', []),
        ("let star = lora(\"zoo/star\")", []),  # an expert: check says so
        # An operator's name is no use of a name.
        ("let ties = 3 emit fuse(base, neon, hat, via: ties) as \"n.safetensors\"", [("M001", "ties")]),
    ],
)  # fmt: skip
def test_unused_lets(body: str, expected: list[tuple[str, str]]) -> None:
    assert told(plan(body)) == expected


@pytest.mark.parametrize(
    ("items", "body", "expected"),
    [
        ("param n: int = 3", "", [("M002", "n")]),
        ("param n: int = 3", 'emit sample(base, prompt: "a cat", seed: n) as "n.png"', []),
        ("param n: int = 3 param m: int = n", 'emit sample(base, prompt: "{m} cats") as "n.png"', []),
        ("param t: duration = 3s budget { latency: t }", "", []),
        ('param style: lora = lora("zoo/star")', "", [("M002", "style")]),
        ("param n: number = 0.5 define f(b: checkpoint) -> model { return fuse(b, lora(\"zoo/star\") * n) }",
         'emit f(base) as "n.safetensors"', []),
        ("define f(b: checkpoint, n: int) -> model { return fuse(b, lora(\"zoo/star\")) }",
         'emit f(base, 3) as "n.safetensors"', [("M002", "n")]),
        ("define f(b: checkpoint) -> model { let s = lora(\"zoo/star\") return fuse(b, lora(\"zoo/hat\")) }",
         'emit f(base) as "n.safetensors"', [("M001", "s")]),
        ("define f(b: checkpoint) -> model { return fuse(b, lora(\"zoo/hat\")) }", "", [("M004", "f")]),
        ("use std.looks", "", [("M003", "std.looks")]),
        ("use std.looks as l", 'emit l.styled(base, neon) as "n.safetensors"', []),
        ("use std.looks", 'emit looks.styled(base, neon) as "n.safetensors"', []),
    ],
)  # fmt: skip
def test_unused_items(items: str, body: str, expected: list[tuple[str, str]]) -> None:
    assert told(plan(body, items)) == expected


def test_a_file_without_plans_is_a_library() -> None:
    assert told('mosaic 1 define f(b: checkpoint) -> model { return fuse(b, lora("zoo/hat")) }') == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('let glow = lora("zoo/neon") emit fuse(base, glow) as "g.safetensors"', [("M005", "glow")]),
        ('let glow = lora("zoo/neon", partial: true) emit fuse(base, glow) as "g.safetensors"', []),
        ('let wash = find(lora, "neon") emit fuse(base, wash) as "g.safetensors"', [("M013", 'find(lora, "neon")')]),
    ],
)  # fmt: skip
def test_one_expert_under_two_names(body: str, expected: list[tuple[str, str]]) -> None:
    assert told(plan(body)) == expected


def test_a_parameter_may_be_another_expert_tomorrow() -> None:
    body = 'emit fuse(base, style * 0.5) as "g.safetensors"'
    assert told(plan(body, 'param style: lora = lora("zoo/neon")')) == []


SIX = "".join(f'let {name} = lora("zoo/{name}") ' for name in ("ghost", "snow", "star", "tiles"))


@pytest.mark.parametrize(
    ("operands", "expected"),
    [
        ("ghost, snow, star, neon, hat, via: sum", "5"),
        ("ghost, snow, star, neon, hat * 0.9, via: sum", None),
        ("ghost, snow, star, neon, hat * -1.5, via: sum", "5.5"),
        ("ghost, snow, star, tiles, neon, hat, via: balance", None),
        ("ghost, snow, star, tiles, neon, hat, via: attention", "6"),
        ("ghost during 0%..50%, snow, star, neon, hat during 50%..100%, via: sum", None),
        ("ghost during 0%..50%, snow, star, neon, hat during 40%..100%, via: sum", "5"),
    ],
)
def test_strengths_that_add_up(operands: str, expected: str | None) -> None:
    text = plan(SIX + f'emit sample(fuse(base, {operands}), prompt: "a cat") as "s.png"')
    found = [d for d in lints(text) if d.code == "M006"]
    assert [d.message().rpartition(" ")[2] for d in found] == ([expected] if expected else [])


def test_strengths_add_up_through_fusions_that_add_and_are_told_once() -> None:
    nested = (
        SIX
        + "let one = fuse(base, ghost, snow, star, via: sum) let two = fuse(one, tiles, neon, via: sum) "
        + 'let three = fuse(two, hat, via: sum) emit sample(three, prompt: "a cat") as "s.png"'
    )
    assert [d.span.text for d in lints(plan(nested)) if d.code == "M006" and d.span] == [
        "fuse(one, tiles, neon, via: sum)"
    ]
    apart = nested.replace("star, via: sum)", "star, via: ties)")
    assert [d.code for d in lints(plan(apart)) if d.code == "M006"] == []


@pytest.mark.parametrize(
    ("operand", "expected"),
    [
        ("neon * 1", ["* 1"]),
        ("neon * 100%", ["* 100%"]),
        ("neon * 1.0 during 0%..100%", ["* 1.0", "during 0%..100%"]),
        ("neon * 0.5 during 0%..50%", []),
        ("neon * w", []),  # a parameter
        ("neon * one", ["* one"]),
        ("neon in all, via: composite", ["in all"]),
        ("neon in rect(0%, 0%, 100%, 100%), via: composite", ["in rect(0%, 0%, 100%, 100%)"]),
        ("neon in rect(0%, 0%, 100%, 100%, feather: 5%), via: composite", []),
        ("neon in rect(0%, 0%, 100%, w), via: composite", []),
        ("neon in rect(x: 0%, y: 0%, width: 100%, height: 100%), via: composite",
         ["in rect(x: 0%, y: 0%, width: 100%, height: 100%)"]),
    ],
)  # fmt: skip
def test_infixes_that_say_nothing(operand: str, expected: list[str]) -> None:
    before = "let one = 1 let all = rect(0%, 0%, 100%, 100%) "
    use = 'emit sample(fuse(base, neon * one, hat in all, via: composite), prompt: "{one}") as "u.png" '
    text = plan(
        f'{before}{use}emit sample(fuse(base, {operand}), prompt: "a") as "i.png"', "param w: number = 1"
    )
    text = text.replace(
        "plan p {", 'plan q { emit sample(checkpoint("zoo/base"), prompt: "{w}") as "q.png" }\nplan p {'
    )
    found = [d.span.text for d in lints(text) if d.code == "M007" and d.span]
    assert found == ["* one", "in all", *expected]


@pytest.mark.parametrize(
    ("operands", "safe"),
    [
        ("neon, hat * 0, via: sum", True),
        ("neon, hat * 0.0 during 0%..50%, via: switch", True),
        ("neon, hat * 0", False),
        ("neon, hat * 0, via: [sum, balance]", False),
        ("neon, hat * w, via: sum", None),
    ],
)
def test_operands_at_zero(operands: str, safe: bool | None) -> None:
    text = plan(f'emit sample(fuse(base, {operands}), prompt: "a {{w}}") as "z.png"', "param w: number = 0")
    found = [d for d in lints(text) if d.code == "M008"]
    assert [fix.safe for d in found for fix in d.fixes()] == ([] if safe is None else [safe])


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("fuse(base, neon, hat, via: ties(density: 0.5))", ["density: 0.5"]),
        ("fuse(base, neon, hat, via: ties(density: 50%))", ["density: 50%"]),
        ("fuse(base, neon, hat, via: ties(density: 0.4))", []),
        ("fuse(base, neon, hat, via: dare(density: 0.4, seed: 0, elect: false))", ["seed: 0", "elect: false"]),
        ("fuse(base, neon, hat, via: [ties(rank: 0), sum])", ["rank: 0"]),
        ("fuse(base, neon, hat, via: auto)", ["via: auto"]),
        ('fuse(base, lora("zoo/star", partial: false))', ["partial: false"]),
        ('fuse(base, lora("zoo/star", partial: true))', []),
        ('sample(base, prompt: "a", negative: "")', ['negative: ""']),
        ('sample(base, prompt: "a", negative: "blur", until: 100%)', ["until: 100%"]),
        # What a base would have chosen, and what a latent brings with it, is worth saying.
        ('sample(base, prompt: "a", steps: 20, guidance: 3, size: 64x64, seed: 0, scheduler: "ddim")', []),
        ('resume(base, sample(base, prompt: "a", until: 50%), negative: "")', []),
    ],
)  # fmt: skip
def test_defaults_that_are_written(call: str, expected: list[str]) -> None:
    value = f'sample({call}, prompt: "a")' if call.startswith("fuse") else call
    found = lints(plan(f'emit {value} as "d.png"'))
    assert [d.span.text for d in found if d.code == "M010" and d.span] == expected


RATES = Rates(1e10, 1e10, 1e10, 1e9)
PROFILE = Profile(
    name="a test's device", device="cpu", dtype="float32", memory=2**33, rates=RATES, single=RATES,
    bandwidth=1e10, transfer=1e10, disk=1e9, launch=1e-5, step=1e-3, module=1e-5, touch=1e-5, save=1e-3, png=1e7,
    merge={"adds": 1e-9, "measures": 2e-8, "ranks": 1e-7, "draws": 1e-7, "sorts": 2e-7},
)  # fmt: skip


def pins_told(operands: str, budget: str = "", **changes: object) -> list[str]:
    text = plan(f'{budget} emit sample(fuse(base, {operands}), prompt: "a cat {{hat}}, {{neon}}") as "v.png"')
    given = replace(context(), profile=None, **changes)  # type: ignore[arg-type]
    return [d.span.text for d in lints(text, given) if d.code == "M011" and d.span]


def test_pins_are_needless_where_the_same_is_chosen() -> None:
    assert pins_told("neon, hat, via: balance") == ["via: balance"]
    assert pins_told("neon, hat, via: sum") == []
    assert pins_told("neon, hat, via: sum", fidelity=Fidelity()) == ["via: sum"]
    # Settings of one's own, and lists, are wishes.
    assert pins_told("neon, hat, via: balance(evenness: 0.5)") == []
    assert pins_told("neon, hat, via: [balance, sum]") == []


def test_under_a_budget_that_nobody_can_price_nothing_is_said_of_pins() -> None:
    assert pins_told("neon, hat, via: balance", "budget { latency: 100s }") == []


def test_under_a_budget_the_choice_is_the_one_that_keeps_it() -> None:
    def priced(operands: str, budget: str) -> list[str]:
        text = plan(
            f'{budget} emit sample(fuse(base, {operands}), prompt: "a cat {{hat}}, {{neon}}") as "v.png"'
        )
        given = replace(context(), profile=PROFILE)
        return [d.span.text for d in lints(text, given) if d.code == "M011" and d.span]

    assert priced("neon, hat, via: balance", "budget { latency: 1000s }") == ["via: balance"]
    assert priced("neon, hat, via: sum", "budget { latency: 1000s }") == []


def test_of_fragments_nobody_knows_what_they_are_called_with() -> None:
    items = "define f(b: checkpoint, s: lora) -> model { return fuse(b, s, via: sum) }"
    assert told(plan('emit f(base, neon) as "f.safetensors"', items)) == []


def test_a_vae_that_the_base_has_anyway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = SourceFile("p.mosaic", "mosaic 1\n")
    base = context().experts.resolve(Kind.CHECKPOINT, "zoo/base", source.span(0, 1))
    other = context().experts.resolve(Kind.CHECKPOINT, "zoo/base-b", source.span(0, 1))
    for facts, name in ((base, "own"), (other, "other")):
        assert not isinstance(facts, Diagnostic)
        (tmp_path / name).mkdir()
        for file in facts.files:
            if file.role == "vae" or file.name == "vae/config.json":
                shutil.copy(locate(file.location), tmp_path / name / Path(file.name).name)
    pinned = replace(context(), pins=Pins(place="mosaic.lock"))

    def own(operands: str) -> list[tuple[str, str]]:
        text = plan(f'emit sample(fuse(base, {operands}), prompt: "a cat, {{neon}}") as "v.png"')
        return told(text, pinned)

    assert own('vae("./own"), neon') == [("M009", 'vae("./own")')]
    assert own('vae("./other"), neon') == []
    # In a schedule the codec of another model may end the run.
    assert own('vae("./own"), neon, via: switch') == []
    text = plan('emit sample(fuse(base, vae("./own"), neon), prompt: "a cat, {neon}") as "v.png"')
    mended = mend(SourceFile("p.mosaic", text), lambda given: advise(given, pinned))
    assert 'fuse(base, neon), prompt: "a cat' in mended.source.text
    pytest.importorskip("torch")
    worker, pictures = engine(device="cpu"), []
    for number, each in enumerate((text, mended.source.text)):
        short = each.replace('{neon}")', '{neon}", steps: 2, size: 16x16)')
        (program,) = Project().compile(SourceFile("p.mosaic", short)).programs
        emitted = worker.run(program, tmp_path / str(number)).emitted
        with Image.open(next(file.path for file in emitted if file.name == "v.png")) as picture:
            pictures.append(picture.tobytes())
    assert pictures[0] == pictures[1]


def test_a_later_edition_deprecates_the_one_before() -> None:
    from mosaic.compiler.lint.subject import Subject
    from mosaic.compiler.syntax.parse import Sink, parse

    source = SourceFile("p.mosaic", "# A plan.\nmosaic 1  # the first\n")
    subject = Subject(parse(source, Sink()), (), (), context(), lambda text: None)
    assert list(editions(subject)) == []
    (found,) = editions(subject, {1: Edition(1, 2, "write `blend` for `fuse`")})
    assert (found.code, found.message()) == ("M012", "edition 1 is deprecated")
    assert found.help() == ("write `blend` for `fuse`",)
    assert [(edit.span.text, edit.replacement) for fix in found.fixes() for edit in fix.edits] == [("1", "2")]
    assert list(editions(subject, {1: Edition(1), 2: Edition(2)})) == []


def test_experts_are_pinned_by_a_lock() -> None:
    body = 'let wash = find(lora, "watercolor") emit sample(fuse(base, wash), prompt: "a, {wash}") as "w.png"'
    assert told(plan(body)) == [("M013", 'find(lora, "watercolor")')]
    assert told(plan(body), replace(context(), pins=Pins(place="mosaic.lock"))) == []


def test_what_does_not_compile_is_not_linted() -> None:
    found = advise(SourceFile("p.mosaic", plan("let n = 3 let m = unknown")), context())
    assert [d.code for d in found] == ["M201"]
