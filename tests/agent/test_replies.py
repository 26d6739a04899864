"""What endpoints answer, whatever it is, is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.briefs import PLAN

from mosaic.agent.backends.replies import Unusable, json_in, plan_in, read_chat, read_response, writable
from mosaic.agent.tree_json import to_json

NAMES = [
    "output", "status", "type", "content", "text", "input", "usage", "error", "choices", "message", "finish_reason",
    "code", "output_tokens", "incomplete_details", "reason",
]  # fmt: skip
junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just("completed"), st.just("message")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    ),
    max_leaves=12,
)  # fmt: skip


@given(junk)
def test_whatever_an_endpoint_answers_is_read(document: Any) -> None:
    for reply in (read_response(document), read_response(document, "mosaic_plan"), read_chat(document)):
        assert reply.text.strip() or reply.fault or reply.failed
        assert reply.input_tokens is None or reply.input_tokens >= 0


@pytest.mark.parametrize(
    ("answer", "plan"),
    [
        (PLAN, PLAN),
        (f"Here:\n```mosaic\n{PLAN}```\nDone.", PLAN),
        (f"```\n{PLAN}\n```", f"{PLAN}\n"),
        (f"```json\n{{}}\n```\nthen\n~~~\n{PLAN}~~~", PLAN),
        (f"Sure! {PLAN}", f"Sure! {PLAN}"),
        (f"Sure!\n{PLAN}", PLAN),
        (f"```mosaic\n{PLAN}", PLAN),
        ("nothing", "nothing"),
    ],
)
def test_a_plan_is_taken_out_of_an_answer(answer: str, plan: str) -> None:
    assert plan_in(answer) == plan


def test_thoughts_are_no_plan() -> None:
    answer = {
        "choices": [{"message": {"content": f"<think>mosaic 1 or so</think>{PLAN}"}, "finish_reason": "stop"}]
    }
    assert read_chat(answer).text == PLAN


@given(st.text())
def test_plans_can_be_written_into_files(text: str) -> None:
    found = writable(text)
    found.encode()
    assert all(char == "\n" or char >= " " for char in found)


def test_json_is_read_with_care() -> None:
    assert json_in("```json\n[1]\n```") == [1]
    for text in ("", "[" * 100_000, "nan nan"):
        with pytest.raises(Unusable):
            json_in(text)


def test_the_tree_in_the_prompt_is_the_example() -> None:
    from mosaic.agent.prompting import answering
    from mosaic.compiler.diagnostic import Sink
    from mosaic.compiler.source import SourceFile
    from mosaic.compiler.syntax.parse import parse

    path = Path(__file__).parents[2] / "src" / "mosaic" / "agent" / "prompts" / "one.mosaic"
    file = parse(SourceFile("one.mosaic", path.read_text()), Sink())
    assert file is not None
    assert json.dumps(to_json(file)) in answering("json_schema", "")
