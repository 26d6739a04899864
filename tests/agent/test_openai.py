"""Plans by a model behind an endpoint: what it is sent, and what becomes of what it answers."""

from __future__ import annotations

import json

import pytest
from tests.agent.briefs import FACETS, FORMS, PLAN, TEXT, backend, brief, refusal
from tests.agent.serving import (
    Answer,
    Asked,
    CutOff,
    Fails,
    Raw,
    Refuses,
    Says,
    Server,
    able,
)

from mosaic.agent.backends.calls import Constraint, Options
from mosaic.agent.backends.openai import OpenAIBackend
from mosaic.agent.spending import Spend
from mosaic.agent.values import (
    Decomposition,
    Draft,
    FacetKind,
    Option,
    Request,
    Round,
    Shortlist,
    Sighting,
    Usage,
)
from mosaic.compiler.explain import explain_code


@pytest.mark.parametrize("code", ["M862", "M863", "M864", "M865"])
def test_what_keeps_a_model_from_writing_is_explained(code: str) -> None:
    assert explain_code(code)


# Reading and writing


@pytest.mark.parametrize("form", FORMS)
def test_a_request_is_taken_apart(form: Constraint) -> None:
    with Server([FACETS]) as server:
        found, used = backend(server, form).decompose(Request(text=TEXT))
    assert server.faults == []
    assert [(f.kind, f.text, f.start, f.end, f.sought, f.of) for f in found.facets] == [
        (FacetKind.SUBJECT, "red cat", 2, 9, "cat", None),
        (FacetKind.STYLE, "neon", 11, 15, "neon", 0),
    ]
    assert found.avoided == ("hat",)
    assert used.calls == 1 and used.input_tokens > 500 and used.output_tokens > 20
    (asked,) = server.requests
    assert asked.chats is (form in (Constraint.STRUCTURED, Constraint.NONE))
    assert (asked.schema is None) is (form is Constraint.NONE)
    assert asked.data("request") == [TEXT]


@pytest.mark.parametrize("form", FORMS)
def test_a_plan_is_written(form: Constraint) -> None:
    with Server(able) as server:
        found = backend(server, form).draft(brief())
    assert server.faults == []
    assert 'lora("zoo/neon")' in found.plan and "neon * 0.8" in found.plan
    assert found.plan.startswith("mosaic 1\n") and found.plan.endswith("}\n")
    assert found.usage.calls == 1 and len(found.prompt) == len(found.reply) == 64
    (asked,) = server.requests
    assert bool(asked.grammar) is (form in (Constraint.GRAMMAR, Constraint.STRUCTURED))
    assert (asked.schema is not None) is (form is Constraint.JSON_SCHEMA)
    if asked.grammar:
        assert '"\\"zoo/neon\\""' in asked.grammar
        assert '"vae("' not in asked.grammar


@pytest.mark.parametrize("form", FORMS)
def test_a_plan_is_mended_with_the_whole_history(form: Constraint) -> None:
    diagnostic = {
        "code": "M210",
        "severity": "error",
        "message": "no expert `zoo/bas`",
        "line": 3,
        "column": 1,
    }
    rounds = [
        Round(number=number, draft=Draft(plan=f"mosaic 1\n\n# draft {number}\n"), diagnostics=(diagnostic,))
        for number in (1, 2)
    ]
    with Server(able) as server:
        writer = backend(server, form)
        first = writer.draft(brief())
        found = writer.repair(brief(), rounds)
    assert server.faults == []
    assert found.plan == first.plan
    assert found.prompt != first.prompt
    asked = server.requests[1]
    assert asked.mends and len(asked.turns) == 5
    assert "draft 1" in asked.turns[1] and "draft 2" in asked.turns[3]
    assert asked.data("compiler")[0]["source"] == "# draft 2"
    assert "previous_response_id" not in asked.body


def test_json_schemas_are_sent_the_older_way_where_there_is_no_other() -> None:
    def script(asked: Asked) -> Answer:
        return able(asked) if asked.chats else Fails(404, "no such path")

    with Server(script) as server:
        writer = backend(server, Constraint.JSON_SCHEMA)
        assert writer.draft(brief()).plan == writer.draft(brief()).plan
    assert [asked.chats for asked in server.requests] == [False, True, True]
    assert server.requests[1].schema is not None


def test_without_a_model_for_reading_it_only_writes() -> None:
    parts = Decomposition(facets=())
    with Server([]) as server:
        reader = OpenAIBackend(Options("writer", server.url), reader=lambda request: parts)
        assert reader.decompose(Request(text=TEXT)) == (parts, Usage())
        assert reader.estimate(Request(text=TEXT)).calls == 3
    assert server.requests == []


def test_usage_is_counted_where_an_endpoint_does_not_say_it() -> None:
    with Server([Says(PLAN, None), Says(PLAN, (123, 45))]) as server:
        writer = backend(server)
        assert writer.draft(brief()).usage.input_tokens > 1000
        assert writer.draft(brief()).usage.input_tokens == 123


# Answers that are of no use


USELESS: list[tuple[Answer, str]] = [
        (CutOff(), "it was cut off"),
        (CutOff(reason="content_filter"), "the service's filter stopped it"),
        (Refuses(), "the model refused"),
        (Says("  \n"), "it is empty"),
        (Raw(b""), "it is no"),
        (Raw(b"<html>no</html>"), "it is no"),
        (Raw(b'{"output": 7, "choices": {}}'), "it is no"),
        (Raw(b'{"output": [7], "choices": [7]}'), "it is"),
        (Raw(b"[" * 100_000), "it is no"),
        (Raw(b'{"status": "completed", "output": [{"type": "message", "content": [{"type": "output_text"}]}], '
             b'"choices": [{"message": {"content": 7}}]}'), "it is empty"),
        (Says("mosaic 1\n" * 50_000), ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "answer", "reason"),
    [(FORMS[(place + more) % 4], *each) for place, each in enumerate(USELESS) for more in (0, 1)],
)
def test_an_answer_of_no_use(form: Constraint, answer: Answer, reason: str) -> None:
    with Server([answer]) as server:
        found = refusal(lambda: backend(server, form).draft(brief()))
    assert found.code == "M864"
    assert reason in found.message()
    assert found.message().startswith("the answer of writer is of no use: ")
    assert len(server.requests) == 1


@pytest.mark.parametrize("text", ["[]", "{}", '{"plan": 7}', "no JSON", '```json\n{"plan": "x"}\n```'])
def test_a_tree_of_another_shape(text: str) -> None:
    with Server([text]) as server:
        assert refusal(lambda: backend(server, Constraint.JSON_SCHEMA).draft(brief())).code == "M864"


@pytest.mark.parametrize(
    "useless",
    ["{}", "no JSON", '{"facets": 7}', '{"facets": [7, {"kind": "subject"}]}', CutOff(), Refuses(),
     FACETS.replace("Red Cat", "blue dog").replace('"neon"', '"oil"')],
)  # fmt: skip
def test_reading_is_asked_once_more(useless: Answer) -> None:
    with Server([useless, FACETS]) as server:
        found, used = backend(server).decompose(Request(text=TEXT))
    assert len(found.facets) == 2 and used.calls == 2
    with Server([useless, useless]) as server:
        assert refusal(lambda: backend(server).decompose(Request(text=TEXT))).code == "M864"
    assert len(server.requests) == 2


def test_hostile_plans_come_back_as_they_are_for_whoever_checks_them() -> None:
    hostile = PLAN.replace("zoo/base", "evil/x").replace("\n\nparam", "\x1b[2J\x00\ud800\n\nparam")
    with Server([hostile]) as server:
        found = backend(server).draft(brief())
    assert "evil/x" in found.plan
    assert "\x1b" not in found.plan and "\x00" not in found.plan
    found.plan.encode()


# Cost


@pytest.mark.parametrize("form", FORMS)
def test_an_estimate_is_never_below_what_is_spent(form: Constraint) -> None:
    """All that can be asked for one request, with experts and answers as long as they can be."""
    many = {
        f"zoo/x{n}": Sighting(
            expert=f"zoo/x{n}", kind="lora", family="zoo", description="neon 日本 " * 60, title="t" * 90
        )
        for n in range(60)
    }
    full = brief().model_copy(
        update={
            "shortlist": Shortlist(
                bases=("zoo/base",),
                options=tuple(Option(facet=0, expert=id, score=0.5, relevance=1) for id in many),
                experts={**brief().shortlist.experts, **many},
            )
        }
    )
    diagnostic = {
        "code": "M100",
        "severity": "error",
        "message": "wrong " * 200,
        "line": 1,
        "help": ["do " * 200] * 3,
    }
    round_ = Round(number=1, draft=Draft(plan=PLAN), plan=PLAN, diagnostics=(diagnostic,) * 12)
    with Server(
        lambda asked: FACETS.replace("subject", "x").replace("style", "x") if asked.reads else able(asked)
    ) as server:
        writer = backend(server, form, max_output_tokens=500)
        estimate = writer.estimate(full.request)
        refusal(lambda: writer.decompose(full.request))
        used = writer.draft(full).usage
        used += writer.repair(full, [round_]).usage
        used += writer.repair(full, [round_, round_]).usage
    sent = sum(_tokens(asked) for asked in server.requests)
    assert estimate.calls == len(server.requests) == 5
    assert estimate.rounds == 3
    assert sent <= estimate.input_tokens < 4 * sent
    assert used.input_tokens < estimate.input_tokens and used.output_tokens < estimate.output_tokens == 2500


def _tokens(asked: Asked) -> int:
    from mosaic.agent.counting import most_tokens

    form = asked.grammar or (json.dumps(asked.schema) if asked.schema else "")
    return sum(most_tokens(text) for text in (asked.system, *asked.turns, form))


def test_no_call_is_made_once_the_limit_is_used_up() -> None:
    spend = Spend(1000, yes=True)
    with Server([Says("{}", (900, 101)), FACETS]) as server:
        found = refusal(lambda: backend(server, spend=spend).decompose(Request(text=TEXT)))
    assert found.code == "M865"
    assert "has spent 1,001 tokens" in found.message()
    assert len(server.requests) == 1
    spend.used(Usage(calls=1, input_tokens=1000))
    with Server([PLAN]) as server:
        assert refusal(lambda: backend(server, spend=spend).draft(brief())).code == "M865"
    assert server.requests == []


def test_what_fails_is_counted() -> None:
    spend = Spend(100_000, yes=True)
    with Server([CutOff(), Fails(401)]) as server:
        refusal(lambda: backend(server, spend=spend).draft(brief()))
        spent = spend.spent
        assert spent.calls == 1 and spent.input_tokens > 1000
        refusal(lambda: backend(server, spend=spend).draft(brief()))
    assert spend.spent == spent
