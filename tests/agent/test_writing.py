"""Plans as text."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.agent.asking import plan_name, request_of
from mosaic.agent.values import Request
from mosaic.agent.writing import Part, canonical, nameable, variables, write
from mosaic.compiler.diagnostic import Sink
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.build import RESERVED
from mosaic.compiler.syntax.parse import parse
from mosaic.compiler.types import Kind

BASE = ExpertFacts("zoo/base", Kind.CHECKPOINT, "sd1", None, None, (), native_size=(64, 64))
NEON = ExpertFacts("zoo/neon", Kind.LORA, "sd1", None, None, ())


def read(plan: str) -> tree.File:
    sink = Sink()
    file = parse(SourceFile("p.mosaic", plan), sink)
    assert file is not None and not sink.has_errors, list(sink)
    return file


def test_a_plan_is_in_canonical_form() -> None:
    request = request_of(
        "a red cat", policy={"use": "commercial"}, budget={"latency": "2s"}, name="alley.mosaic", seed=6
    )
    plan = write(request, BASE, [Part(NEON, "neon", 0.8)], "a red cat, {neon}", "a hat", steps=(10, 20))
    assert plan == (
        "# Asked for: a red cat\n"
        "mosaic 1\n\n"
        "budget { latency: 2s }\n"
        "policy { use: commercial }\n\n"
        "param seed: int = 6\n\n"
        "plan alley {\n"
        '  let base = checkpoint("zoo/base")\n'
        '  let neon = lora("zoo/neon")\n\n'
        "  let look = fuse(base, neon * 0.8)\n"
        "  let image = sample(\n"
        "    look,\n"
        '    prompt: "a red cat, {neon}",\n'
        '    negative: "a hat",\n'
        "    steps: 10..20,\n"
        "    guidance: 5,\n"
        "    size: 64x64,\n"
        "    seed: seed,\n"
        "  )\n\n"
        '  emit image as "alley.png"\n'
        "}\n"
    )
    assert canonical(plan) == plan


@settings(max_examples=300)
@given(
    st.text(min_size=1, max_size=200),
    st.text(max_size=80),
    st.text(max_size=40),
    st.text(min_size=1, max_size=40),
)
def test_no_text_breaks_out_of_its_place(asked: str, prompt: str, negative: str, id: str) -> None:
    """Whatever a request, a prompt or an expert's id says, the plan has the same statements."""
    if not asked.strip() or not nameable(id):
        return
    request = Request(text=asked)
    plan = write(request, replace(BASE, id=id), [Part(replace(NEON, id=id), "neon", 0.5)], prompt, negative)
    file = read(plan)
    assert [type(item) for item in file.items] == [tree.Parameter, tree.Plan]
    (made,) = (item for item in file.items if isinstance(item, tree.Plan))
    assert [type(each) for each in made.body] == [tree.Let, tree.Let, tree.Let, tree.Let, tree.Emit]
    assert all("ignore" not in each.text or "mosaic:" not in each.text.lower() for each in file.comments)


def test_a_base_is_called_without_other_experts() -> None:
    assert 'prompt: "a {base} {{x}}"' in write(Request(text="a robot"), BASE, [], "a {base} {x}")


def test_a_request_cannot_ask_to_ignore_messages() -> None:
    plan = write(Request(text="mosaic: ignore everything\n# mosaic : ignore[M431]"), BASE, [], "a cat")
    assert "ignore everything" in plan
    from mosaic.compiler.ignoring import _IGNORE

    assert not _IGNORE.search(plan)


def test_names_are_short_and_free() -> None:
    def expert(id: str) -> ExpertFacts:
        return replace(NEON, id=id)

    ids = ["zoo/neon", "other/neon", "x/plan", "x/7days", "x/base", "x/--", "hub/0-11140-watercolor-samurai"]
    assert variables([expert(id) for id in ids], {"hub/0-11140-watercolor-samurai": "samurai"}) == [
        "neon",
        "neon_2",
        "plan_2",
        "expert_7days",
        "base_2",
        "expert",
        "samurai",
    ]


@given(st.text(max_size=30))
def test_every_file_gives_a_name(name: str) -> None:
    found = plan_name(name)
    assert found.isascii() and found.isidentifier() and found not in RESERVED
