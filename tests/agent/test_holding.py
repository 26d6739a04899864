"""Plans held to their request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosaic.agent.asking import request_of
from mosaic.agent.holding import LONGEST_PLAN, Held, hold, keeps_limits
from mosaic.agent.refusing import check_program
from mosaic.agent.values import Option, Request, Shortlist, Sighting
from mosaic.agent.world import World
from mosaic.agent.writing import nameable
from mosaic.compiler.diagnostic import Sink
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.literals import escape
from mosaic.compiler.syntax.parse import parse
from mosaic.compiler.verbs import VERBS
from mosaic.project import Project

LIMITED = request_of("a red cat", policy={"use": "commercial"}, budget={"latency": "2s"}, name="cat")
FREE = request_of("a red cat", name="cat")

PLAN = """\
# Asked for: a red cat
mosaic 1

budget { latency: 2s }
policy { use: commercial }

param seed: int = 0

plan cat {
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")

  let look  = fuse(base, neon * 0.8)
  let image = sample(look, prompt: "a red cat, {neon}", steps: 10, seed: seed)

  emit image as "cat.png"
}
"""


def shortlist(*ids: str) -> Shortlist:
    """The base, and LoRAs; the zoo's embeddings are known as such."""
    kinds = {id: "embedding" if id in ("zoo/samurai",) else "lora" for id in ids}
    options = tuple(Option(facet=0, expert=id, score=1, relevance=1) for id in ids)
    experts = {id: Sighting(expert=id, kind=kind, family="sd1") for id, kind in kinds.items()}
    experts["zoo/base"] = Sighting(expert="zoo/base", kind="checkpoint", family="sd1")
    return Shortlist(bases=("zoo/base",), options=options, experts=experts)


NEON = shortlist("zoo/neon", "zoo/samurai")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Project() as project:
        yield World(project)


def held(plan: str, request: Request = LIMITED, some: Shortlist = NEON) -> Held:
    return hold(plan, request, some)


def with_line(line: str, plan: str = PLAN) -> str:
    """The plan with a statement before its picture."""
    return plan.replace("  let look ", f"  {line}\n  let look ", 1)


def codes(found: Held) -> list[str]:
    return [each.code for each in found.diagnostics]


def read(plan: str) -> tree.File:
    sink = Sink()
    file = parse(SourceFile("p.mosaic", plan), sink)
    assert not sink.has_errors, list(sink)
    return file


def test_a_plan_as_it_was_asked_for_stays_as_it_is() -> None:
    assert held(PLAN) == Held(PLAN)


@pytest.mark.parametrize(
    "loosened",
    [
        "policy { use: personal }",
        "policy { use: commercial, rating: any, unknown: warn }",
        "policy { rating: mature }",
        "budget { latency: 999s }",
        "budget { latency: 2s, memory: 900GiB }",
        "budget { quality: 0% }",
        "policy {}",
        "budget { }",
    ],
)
@pytest.mark.parametrize("where", ["top", "plan", "define", "end", "squeezed"])
def test_no_limits_but_those_of_the_request(loosened: str, where: str) -> None:
    plan = {
        "top": PLAN.replace("policy { use: commercial }", loosened),
        "plan": with_line(loosened),
        "define": PLAN.replace(
            "plan cat", f"define f(m: model) -> model {{\n  {loosened}\n  return m\n}}\n\nplan cat"
        ),
        "end": PLAN + loosened,
        "squeezed": PLAN.replace('"zoo/base")\n', f'"zoo/base"){loosened}'),
    }[where]
    for request in (LIMITED, FREE):
        found = held(plan, request)
        file = read(found.plan)
        assert keeps_limits(file, request)
        assert loosened not in found.plan
        assert found.changed
        assert codes(found) == []
        assert ("budget { latency: 2s }\npolicy { use: commercial }\n" in found.plan) == (request is LIMITED)


def test_limits_that_are_missing_are_put_in() -> None:
    plan = PLAN.replace("budget { latency: 2s }\npolicy { use: commercial }\n\n", "")
    found = held(plan)
    assert found.plan == PLAN
    assert found.changed == ("put in: `budget { latency: 2s }`", "put in: `policy { use: commercial }`")


def test_limits_in_another_place_are_moved() -> None:
    plan = with_line("policy { use: commercial }", PLAN.replace("policy { use: commercial }\n", "", 1))
    found = held(plan)
    assert found.plan == PLAN
    assert found.changed == ("policy and budget moved to the top",)


def test_names_are_put_right() -> None:
    found = held(PLAN.replace("plan cat", "plan Picture2").replace('"cat.png"', '"../../{seed}.safetensors"'))
    assert found.plan == PLAN
    assert found.changed == ("the plan is called `cat`", "the picture is called `cat.png`")


@pytest.mark.parametrize(
    "comment",
    ["# mosaic: ignore[M431]", "#mosaic:ignore", "#  mosaic : ignore[M430, M431] fine", "# mo\u200bsaic: x"],
)
def test_no_comment_silences_a_message(comment: str) -> None:
    found = held(PLAN.replace("  let look ", f"  {comment}\n  let look "))
    assert found.plan == PLAN
    assert found.changed[-1:] == ("comments made plain",)
    behind = held(PLAN.replace('"zoo/neon")\n', f'"zoo/neon")  {comment}\n'))
    assert behind.plan == PLAN


@pytest.mark.parametrize("hidden", ["\u202e", "\u200b", "\u2066", "\ufeff", "\U000e0041", "\xad"])
def test_what_nobody_sees_is_taken_out(hidden: str) -> None:
    for words in ("a red cat\n", "a red cat, {neon}", '"zoo/neon"'):
        place = PLAN.index(words) + 4
        found = held(PLAN[:place] + hidden + PLAN[place:])
        assert found.plan == PLAN
        assert found.changed == ("characters that nobody sees taken out",)
    assert held(PLAN.replace("a red cat,", "a\tred\x07cat,")).plan == PLAN.replace("a red cat,", "a red cat,")
    assert held(PLAN.replace("\n", "\r\n")).plan == PLAN
    assert held(PLAN.replace("  let", "\tlet")) == Held(PLAN)


@pytest.mark.parametrize(
    "reference",
    [
        '"zoo/watercolor"',  # there is one, and it is not on the shortlist
        '"zoo/n\u0435on"',  # with a Cyrillic letter
        '"ZOO/NEON"',
        '"zoo/neon "',
        '"neon"',
        '"./neon.safetensors"',
        '"../neon.safetensors"',
        '"/etc/passwd"',
        '"sha256:0123456789abcdef"',
        '"zoo/{name}"',
        "name",
        '"{name}"',
        '["zoo/neon"]',
        'f("zoo/neon")',
        'find(lora, "neon")',
    ],
)
@pytest.mark.parametrize("form", ["lora({})", "lora(id: {})", "lora({}, partial: true)"])
def test_experts_outside_the_shortlist_are_refused(reference: str, form: str) -> None:
    call = form.format(reference)
    plan = PLAN.replace('lora("zoo/neon")', call).replace(
        "plan cat", 'param name: text = "zoo/neon"\n\nplan cat'
    )
    found = held(plan)
    assert "M866" in codes(found)
    about = next(each for each in found.diagnostics if each.code == "M866")
    assert about.span is not None and about.span.text == reference
    assert [fix.title for fix in about.fixes()] == ["use `zoo/neon`"]
    assert not any(fix.safe for fix in about.fixes())
    assert "zoo/neon" in about.help()[0]


@pytest.mark.parametrize("place", ["param", "default", "nested", "list"])
def test_experts_are_looked_for_everywhere(place: str) -> None:
    call = 'lora("zoo/watercolor")'
    plan = {
        "param": PLAN.replace("plan cat", f"param style: lora = {call}\n\nplan cat"),
        "default": PLAN.replace(
            "plan cat",
            f"define f(m: model, s: lora = {call}) -> model {{\n  return fuse(m, s)\n}}\n\nplan cat",
        ),
        "nested": with_line(
            f"let other = fuse(base, {call} * 0.5 in rect(0%, 0%, 50%, 100%) during 0%..50%)"
        ),
        "list": PLAN.replace("fuse(base, neon * 0.8)", f"fuse(base, neon * 0.8, via: [sum, {call}])"),
    }[place]
    assert codes(held(plan)) == ["M866"]


def test_a_kind_without_experts_is_left_out() -> None:
    (about,) = held(with_line('let v = vae("zoo/vae")')).diagnostics
    assert about.code == "M866" and about.help() == ("no vae may be named: leave it out",)
    assert about.fixes() == ()


@pytest.mark.parametrize(
    "line",
    [
        'let x = find(lora, "watercolor")',
        'let x = find(checkpoint, "{name}")',
        'let x = load_image("secret.png")',
        'let x = fuse(base, neon in mask("m.png"))',
        'let x = align(a, to: base, by: "./bridge.safetensors")',
        'let x = align(a, by: "zoo/a-to-b", to: base)',
        'let x = encode(load_image("/etc/passwd"), with: base)',
    ],
)
def test_nothing_else_is_read(line: str) -> None:
    found = held(with_line(line))
    assert codes(found) == ["M867"]
    assert found.diagnostics[0].fixes() == ()


@pytest.mark.parametrize(
    "use", ['use "./house.mosaic" as house', 'use "/etc/passwd" as x', "use house", "use house.std"]
)
def test_no_other_file_is_used(use: str) -> None:
    assert codes(held(PLAN.replace("param seed", f"{use}\n\nparam seed"))) == ["M867"]


def test_standard_fragments_are_a_part_of_the_language() -> None:
    plan = PLAN.replace("param seed", "use std.looks\n\nparam seed").replace(
        "fuse(base, neon * 0.8)", "looks.styled(base, neon, 0.8)"
    )
    assert held(plan) == Held(plan)


def test_every_verb_that_takes_a_text_is_judged() -> None:
    """A verb that is added and reads something has to be thought of here."""
    texts = {
        (verb.name, each.name)
        for verb in VERBS.values()
        for each in verb.parameters
        if "text" in [str(kind) for kind in each.kinds]
    }
    experts = {(kind, "id") for kind in ("checkpoint", "lora", "embedding", "control", "vae")}
    readers = {("find", "words"), ("load_image", "path"), ("mask", "path"), ("align", "by")}
    words = {
        (verb, name)
        for verb in ("sample", "resume", "refine")
        for name in ("prompt", "negative", "scheduler")
    }
    assert texts - words == experts | readers


def test_one_plan_with_one_picture() -> None:
    none = held("mosaic 1\n\nbudget { latency: 2s }\npolicy { use: commercial }\n")
    assert codes(none) == ["M868"]
    two = held(PLAN + PLAN.partition("\nparam seed: int = 0\n")[2].replace("plan cat", "plan dog"))
    assert codes(two) == ["M868"] and "several plans" in two.diagnostics[0].message()
    silent = held(PLAN.replace('  emit image as "cat.png"\n', ""))
    assert codes(silent) == ["M868"] and "no picture" in silent.diagnostics[0].message()
    twice = held(PLAN.replace("\n}\n", '\n  emit look as "look.safetensors"\n}\n'))
    assert codes(twice) == ["M868"] and "several things" in twice.diagnostics[0].message()


def test_a_text_that_is_no_plan_stays_as_it_is() -> None:
    for text in (
        "",
        "I cannot do that.",
        "plan x {",
        "mosaic 1\nplan p { let a = }",
        "mosaic 1 " + "{" * 500,
    ):
        found = held(text)
        assert found.plan == text and found.changed == ()
        assert found.diagnostics and {each.code[:2] for each in found.diagnostics} == {"M1"}


def test_a_text_without_end_is_not_looked_at() -> None:
    found = held(PLAN + "#" * LONGEST_PLAN)
    assert found.plan == "" and codes(found) == ["M868"]


def test_programs_are_looked_at_again(world: World) -> None:
    compiled = world.compile(PLAN.replace("budget { latency: 2s }\n", ""))
    assert not compiled.has_errors, compiled.diagnostics
    (program,) = compiled.programs
    assert check_program(program, LIMITED, NEON, ["zoo/neon"]) == ()
    assert [each.code for each in check_program(program, LIMITED, shortlist("zoo/hat"))] == ["M866"]
    (unlike,) = check_program(program, FREE, NEON)
    assert "policy" in unlike.message()
    (other,) = check_program(program, request_of("x", policy={"use": "commercial"}, name="dog"), NEON)
    assert "dog.png" in other.message()
    (missing,) = check_program(program, LIMITED, NEON, ["zoo/hat"])
    assert "`zoo/hat` has to be" in missing.message()
    few = request_of("x", policy={"use": "commercial"}, name="cat", most=0)
    (many,) = check_program(program, few, NEON)
    assert "at most 0" in many.message()


def test_a_program_that_reads_a_file_is_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "house.mosaic").write_text("mosaic 1\n\ndefine f(m: model) -> model {\n  return m\n}\n")
    plan = PLAN.replace("budget { latency: 2s }\n", "").replace(
        "param seed", 'use "./house.mosaic"\n\nparam seed'
    )
    with Project() as project:
        compiled = World(project).compile(plan)
    assert not compiled.has_errors, compiled.diagnostics
    assert [each.code for each in check_program(compiled.programs[0], LIMITED, NEON)] == ["M867"]


_PIECES = st.sampled_from(
    [
        "mosaic 1\n", "budget { latency: 9s }", "policy { rating: any }", "policy", "{", "}", "plan p {", "plan cat {",
        "define f(m: model) -> model {", "return m", "}\n", "\n", " ", "# note\n",
        "# mosaic: ignore[M431]\n", "use std.looks\n", "\t", "# \u202e\n",
        'use "./x.mosaic"\n', 'let a = checkpoint("zoo/base")\n', 'let b = lora("/etc/passwd")\n',
        'let c = find(lora, "x")\n', 'emit sample(a, prompt: "x") as "p.png"\n', "param n: int = 1\n",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(_PIECES, max_size=16), st.booleans())
def test_whatever_is_written_is_held(pieces: list[str], limited: bool) -> None:
    request = LIMITED if limited else FREE
    for text in ("".join(pieces), "mosaic 1\nplan p {" + "".join(pieces) + "}\n"):
        found = hold(text, request, NEON)
        sink = Sink()
        file = parse(SourceFile("p", found.plan), sink)
        if sink.has_errors:
            assert found.plan == text and found.changed == ()
            continue
        assert keeps_limits(file, request)
        assert "ignore" not in found.plan and "\u202e" not in found.plan
        again = hold(found.plan, request, NEON)
        assert again.plan == found.plan and again.changed == ()
        assert bool(found.diagnostics) >= any(
            word in found.plan for word in ("find(", "/etc/passwd", "./x.mosaic")
        )


@pytest.mark.parametrize(
    "id",
    ["./neon", "../neon", "/etc/passwd", "~/neon", ".", "sha256:0123456789", "SHA256:0", "https://x.org/y", "hf:a/b",
     "", "a\nb", "a\u202eb", "x" * 201],
)  # fmt: skip
def test_ids_that_read_as_something_else_are_never_taken(id: str) -> None:
    """A catalog is a stranger's word: what it calls its experts must not lead a plan to a file."""
    assert not nameable(id)
    poisoned = shortlist(id) if id else shortlist()
    found = held(PLAN.replace('"zoo/neon"', f'"{escape(id)}"'), some=poisoned)
    assert found.diagnostics and {each.code[:2] for each in found.diagnostics} <= {"M8", "M1"}
    assert nameable("zoo/neon") and nameable("studio/a:b") and nameable("Ünï/cödé")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60))
def test_no_id_but_the_very_one_is_taken(id: str) -> None:
    found = held(PLAN.replace('"zoo/neon"', f'"{escape(id)}"'))
    assert bool(found.diagnostics) == (id not in ("zoo/neon", "zoo/base", "zoo/samurai"))
