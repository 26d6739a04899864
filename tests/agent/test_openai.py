"""Plans by a model behind an endpoint: what it is sent, what becomes of what it answers, and where its key goes."""

from __future__ import annotations

import json
import logging
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.serving import (
    Answer,
    Asked,
    CutOff,
    Drips,
    Fails,
    Raw,
    Refuses,
    Says,
    Script,
    Server,
    Slow,
    able,
)

from mosaic.agent.backends.calls import Constraint, Options
from mosaic.agent.backends.openai import OpenAIBackend
from mosaic.agent.backends.replies import Unusable, json_in, plan_in, read_chat, read_response, writable
from mosaic.agent.backends.retrying import Failed, Pace, Patience, patiently, seconds_to_wait
from mosaic.agent.endpoints import Key, allows, endpoint_of, is_address
from mosaic.agent.facets import read_facets
from mosaic.agent.settings import backend_of
from mosaic.agent.spending import Spend
from mosaic.agent.tree_json import to_json
from mosaic.agent.values import (
    Brief,
    Combination,
    Decomposition,
    Draft,
    FacetKind,
    Option,
    Pick,
    Ranking,
    Request,
    Round,
    Shortlist,
    Sighting,
    Usage,
)
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.explain import explain_code
from mosaic.compose_settings import Compose
from mosaic.settings import Settings

KEY = "sk-planted-4f9c1d77aa"
TEXT = "a red cat, neon, no hat"
PLAN = (
    'mosaic 1\n\nparam seed: int = 0\n\nplan picture {\n  let base = checkpoint("zoo/base")\n'
    '  let image = sample(base, prompt: "a red cat", seed: seed)\n  emit image as "picture.png"\n}\n'
)
FACETS = json.dumps(
    {
        "facets": [
            {"kind": "subject", "text": "Red Cat", "importance": 1, "sought": "cat", "of": None},
            {"kind": "style", "text": "neon", "importance": 0.7, "sought": "neon", "of": 0},
        ],
        "avoided": ["hat"],
    }
)
QUICK = Patience(attempts=3, total=5.0, first=0.01, longest=0.02)
FORMS = list(Constraint)


def backend(server: Server, constraint: Constraint = Constraint.GRAMMAR, **more: Any) -> OpenAIBackend:
    spend = more.pop("spend", None)
    options = Options("writer", server.url, constraint=constraint, patience=QUICK, timeout=5.0)
    return OpenAIBackend(replace(options, **more), spend=spend)


def brief() -> Brief:
    experts = {
        "zoo/base": Sighting(expert="zoo/base", kind="checkpoint", family="zoo"),
        "zoo/neon": Sighting(expert="zoo/neon", kind="lora", family="zoo", trigger="neon style"),
    }
    best = Combination(
        base="zoo/base", picks=(Pick(expert="zoo/neon", facets=(1,), strength=0.8),), prompt="a red cat, {neon}",
        served=(1,), spoken=(0,), unserved=(), score=0.8, plan="",
    )  # fmt: skip
    return Brief(
        request=Request(text=TEXT),
        decomposition=read_facets(json.loads(FACETS), TEXT),
        shortlist=Shortlist(
            bases=("zoo/base",),
            options=(Option(facet=1, expert="zoo/neon", score=0.9, relevance=1),),
            experts=experts,
        ),
        ranking=Ranking(combinations=(best,)),
    )


def refusal(call: Callable[[], Any]) -> Any:
    with pytest.raises(MosaicError) as raised:
        call()
    (found,) = raised.value.diagnostics
    return found


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


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
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
    ],
)  # fmt: skip
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


# An endpoint that fails


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_what_fails_for_the_moment_is_asked_again(status: int) -> None:
    with Server([Fails(status), Fails(status), PLAN]) as server:
        assert backend(server).draft(brief()).plan == PLAN
    assert len(server.requests) == 3
    with Server([Fails(status)] * 9) as server:
        found = refusal(lambda: backend(server).draft(brief()))
    assert (found.code, found.status, len(server.requests)) == ("M863", status, 3)
    assert found.message() == f"{server.origin} answered {status}: the server had an error"


@pytest.mark.parametrize(
    ("status", "advice"),
    [(400, "constraint = grammar"), (401, "OPENAI_API_KEY"), (403, "OPENAI_API_KEY"), (404, "`writer`"),
     (422, "constraint")],
)  # fmt: skip
def test_what_will_not_go_well_later_is_asked_once(status: int, advice: str) -> None:
    with Server([Fails(status), PLAN]) as server:
        found = refusal(lambda: backend(server).draft(brief()))
    assert (found.code, found.status, len(server.requests)) == ("M863", status, 1)
    assert advice in found.help()[0]


def test_the_time_that_an_endpoint_asks_for_is_waited() -> None:
    waits: list[float] = []
    with Server([Fails(429, headers={"Retry-After": "3"}), Fails(503), PLAN]) as server:
        options = Options("writer", server.url, patience=replace(QUICK, total=60.0))
        assert OpenAIBackend(options, sleep=waits.append).draft(brief()).plan == PLAN
    assert 3 <= waits[0] < 3.1 and waits[1] < 0.1


def test_it_is_not_waited_for_ever() -> None:
    with Server([Fails(429, headers={"Retry-After": "9999"}), PLAN]) as server:
        begun = time.monotonic()
        found = refusal(lambda: backend(server).draft(brief()))
    assert (found.status, len(server.requests)) == (429, 1)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("answer", [Slow(), Drips()])
def test_an_answer_that_takes_too_long(answer: Answer) -> None:
    with Server([answer, answer, answer]) as server:
        found = refusal(lambda: backend(server, timeout=0.15).draft(brief()))
    assert found.code == "M863"
    assert "did not answer within 0.15 seconds" in found.message()
    assert len(server.requests) == 3


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_that_breaks_off_is_asked_for_again(form: Constraint) -> None:
    torn = Raw(b'{"id": "resp_1", "output": [{"type": "mess', 5000)
    with Server(lambda asked: torn if len(server.requests) < 3 else able(asked)) as server:
        assert backend(server, form).draft(brief()).plan
    assert len(server.requests) == 3
    with Server([torn] * 3) as server:
        found = refusal(lambda: backend(server, form).draft(brief()))
    assert "cannot be reached" in found.message()


def test_nobody_at_the_address() -> None:
    with Server([]) as server:
        url = server.url
    found = refusal(lambda: OpenAIBackend(Options("writer", url, patience=QUICK)).draft(brief()))
    assert found.code == "M863"
    assert found.message().startswith(f"{url.removesuffix('/v1')} cannot be reached: ")
    assert "refused" in found.message()


def test_an_answer_that_is_too_large() -> None:
    with Server([Raw(b'"' + b"x" * 5 * 2**20 + b'"')]) as server:
        assert refusal(lambda: backend(server).draft(brief())).code == "M864"


def test_an_endpoint_that_says_that_it_failed() -> None:
    failed = Raw(
        json.dumps(
            {"status": "failed", "error": {"code": "server_error", "message": "oh"}, "output": []}
        ).encode()
    )
    with Server([failed, PLAN]) as server:
        assert backend(server).draft(brief()).plan == PLAN
    final = Raw(
        json.dumps(
            {"status": "failed", "error": {"code": "invalid_prompt", "message": "oh"}, "output": []}
        ).encode()
    )
    with Server([final, PLAN]) as server:
        assert refusal(lambda: backend(server).draft(brief())).message() == f"{server.origin} failed: oh"


def test_an_interrupt_ends_it_at_once() -> None:
    def script(asked: Asked) -> Answer:
        threading.Timer(0.1, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT]).start()
        return Slow()

    with Server(script) as server, pytest.raises(KeyboardInterrupt):
        backend(server).draft(brief())
    assert len(server.requests) == 1


def test_an_interrupt_while_waiting_ends_it_too() -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with Server([Fails(500), PLAN]) as server, pytest.raises(KeyboardInterrupt):
        OpenAIBackend(Options("writer", server.url), sleep=interrupt).draft(brief())
    assert len(server.requests) == 1


def test_calls_are_held_to_so_many_a_minute() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(30, sleep, lambda: now[0])
    for _ in range(3):
        pace.wait()
    now[0] += 5
    pace.wait()
    assert slept == [2.0, 2.0]
    with Server([PLAN, PLAN]) as server:
        writer = OpenAIBackend(Options("writer", server.url, requests_per_minute=60), sleep=slept.append)
        writer.draft(brief())
        writer.draft(brief())
    assert 0.5 < slept[2] <= 1.0


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7.0), ("1.5", 1.5), ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0), ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0),
     ("", None), ("soon", None), ("-3", None), ("٣", None), ("9" * 200, None), ("Thu, 99 Foo", None)],
)  # fmt: skip
def test_what_retry_after_says(said: str, seconds: float | None) -> None:
    assert seconds_to_wait({"retry-after": said}, lambda: 60.0) == seconds


def test_other_mistakes_are_not_tried_again() -> None:
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        raise Failed("no")

    with pytest.raises(Failed):
        patiently(call, QUICK)
    assert calls == [1]


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


# The key


TROUBLE: dict[str, Callable[[], Script]] = {
    "echoed 401": lambda: [Fails(401, echo=True)],
    "echoed 500": lambda: [Fails(500, echo=True)] * 9,
    "echoed redirect": lambda: [
        Fails(307, echo=True, headers={"Location": f"http://me:{KEY}@127.0.0.1:9/{KEY}"})
    ],
    "redirect to a key": lambda: [Fails(302, headers={"Location": f"https://{KEY}.example.org/"})],
    "in the reason": lambda: [Fails(400, f"bad key {KEY}")],
    "failed": lambda: [
        Raw(json.dumps({"status": "failed", "error": {"message": KEY}, "output": []}).encode())
    ],
    "cut off": lambda: [CutOff(KEY)],
    "refused": lambda: [Refuses(KEY)],
    "no JSON": lambda: [Raw(KEY.encode())],
    "torn": lambda: [Raw(KEY.encode(), 500)] * 9,
    "slow": lambda: [Slow(then=KEY)] * 9,
    "no tree": lambda: [json.dumps({KEY: KEY, "plan": f"{KEY} x"})],
    "no facets": lambda: [KEY, json.dumps({"facets": KEY})],
    "ended": lambda: [],
}


@pytest.mark.parametrize(
    ("trouble", "form"),
    [(name, FORMS[(place + more) % len(FORMS)]) for place, name in enumerate(TROUBLE) for more in (0, 1)],
)
def test_the_key_shows_nowhere(
    trouble: str, form: Constraint, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    with Server(TROUBLE[trouble](), key=KEY) as server:
        writer = backend(server, form, key=Key(KEY), timeout=0.2)
        call = (
            (lambda: writer.decompose(Request(text=TEXT)))
            if trouble == "no facets"
            else (lambda: writer.draft(brief()))
        )
        try:
            said.append(
                call().model_dump_json()
            )  # what a model says with the key in it goes into no trace either
        except MosaicError as error:
            said += ["".join(traceback.format_exception(error)), *chain(error), repr(error.diagnostics)]
            said += [text for d in error.diagnostics for text in (d.message(), *d.help())]
        said += [repr(writer), str(vars(writer)), repr(writer._options)]
    assert server.faults == []
    assert server.requests
    assert all(asked.headers["authorization"] == f"Bearer {KEY}" for asked in server.requests)
    out, err = capfd.readouterr()
    for text in (*said, out, err, caplog.text):
        assert KEY not in text


def chain(error: BaseException | None) -> list[str]:
    """Everything that an exception and those behind it hold, as far as texts go."""
    said: list[str] = []
    while error is not None:
        said += [str(error), repr(error), repr(error.args), str(vars(error))]
        assert error.__cause__ is None and error.__context__ is None, "an exception of the library is kept"
        error = error.__cause__ or error.__context__
    return said


@pytest.mark.parametrize("form", [Constraint.GRAMMAR, Constraint.NONE])
def test_a_model_that_says_the_key_does_not_bring_it_into_a_plan(form: Constraint) -> None:
    with Server([PLAN.replace("a red cat", f"a {KEY} cat")], key=KEY) as server:
        found = backend(server, form, key=Key(KEY)).draft(brief())
    assert "a … cat" in found.plan
    assert KEY not in found.model_dump_json()


def test_a_key_is_shown_and_copied_nowhere() -> None:
    key = Key(KEY)
    assert KEY not in f"{key} {key!r} {Options('m', key=key)}"
    with pytest.raises(TypeError):
        pickle.dumps(key)
    assert key.scrubbed(f"x {KEY} {KEY}") == "x … …"
    assert Key('a"b/c d-long').scrubbed(json.dumps({"k": 'a"b/c d-long'})) == json.dumps(
        {"k": "…"}, ensure_ascii=False
    )
    assert Key("").scrubbed("text") == "text"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with (
        Server([PLAN]) as other,
        Server([Fails(status, headers={"Location": f"{other.url}/responses"})], key=KEY) as server,
    ):
        found = refusal(lambda: backend(server, key=Key(KEY)).draft(brief()))
    assert (found.code, found.status) == ("M863", status)
    assert found.message() == f"{server.origin} answered {status}: it sends on to {other.origin}"
    assert other.requests == []


def test_nothing_of_the_environment_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "planted-in-the-environment")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: planted-in-the-environment\nX-More: planted")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with Server([PLAN]) as server:
        backend(server).draft(brief())
    assert server.faults == []
    (asked,) = server.requests
    assert "planted" not in str(asked.headers)
    assert [name for name in asked.headers if name.startswith("x-")] == ["x-stainless-raw-response"]


# Who is asked


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MOSAIC_COMPOSE_MODEL", "MOSAIC_COMPOSE_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def of(**compose: Any) -> Settings:
    return Settings("mosaic.toml", compose=Compose(backend="openai", **compose))


def asks(settings: Settings, **more: Any) -> OpenAIBackend:
    found = backend_of(settings, **more)
    assert isinstance(found, OpenAIBackend)
    return found


def test_the_command_line_counts_before_the_environment_before_a_file(bare: pytest.MonkeyPatch) -> None:
    file = of(model="theirs", base_url="http://127.0.0.1:1/v1")
    assert (asks(file).model, asks(file).endpoint) == ("theirs", "http://127.0.0.1:1")
    bare.setenv("MOSAIC_COMPOSE_MODEL", "mine")
    bare.setenv("OPENAI_BASE_URL", "http://127.0.0.1:2/v1")
    assert (asks(file).model, asks(file).endpoint) == ("mine", "http://127.0.0.1:2")
    given = asks(file, model="now", base_url="http://127.0.0.1:3/v1")
    assert (given.model, given.endpoint) == ("now", "http://127.0.0.1:3")


def test_what_a_file_says_of_calls_is_kept(bare: pytest.MonkeyPatch) -> None:
    options = asks(
        of(
            model="m",
            base_url="http://127.0.0.1:1",
            constraint="none",
            timeout=3,
            max_output_tokens=99,
            requests_per_minute=2,
        )
    )._options
    assert (options.constraint, options.timeout, options.max_output_tokens) == (Constraint.NONE, 3, 99)
    assert options.requests_per_minute == 2


@pytest.mark.parametrize(
    ("settings", "more", "reason"),
    [
        (of(), {}, "no model is named"),
        (of(model="m"), {}, "there is no key"),
        (of(model="m"), {"backend": "oracle"}, "there is no backend `oracle`"),
        (of(), {"backend": "local"}, "no folder of a model is named"),
        (of(model="m"), {"base_url": "ftp://x"}, "`base_url` is not given as an address"),
        (
            of(model="m"),
            {"base_url": f"https://me:{KEY}@example.org/v1?x={KEY}"},
            "`https://example.org` is not",
        ),
    ],
)
def test_what_is_missing_is_told(
    bare: pytest.MonkeyPatch, settings: Settings, more: dict[str, str], reason: str
) -> None:
    found = refusal(lambda: backend_of(settings, **more))
    assert found.code == "M862"
    assert reason in found.message()
    assert KEY not in found.message() + "".join(found.help())


@pytest.mark.parametrize("package", ["openai", "tenacity", "jinja2"])
def test_a_package_that_is_missing_is_told(bare: pytest.MonkeyPatch, package: str) -> None:
    bare.setitem(__import__("sys").modules, package, None)
    found = refusal(lambda: backend_of(of(model="m", base_url="http://127.0.0.1:1")))
    assert found.message() == f"no model can be asked: the package `{package}` is not installed"
    assert 'pip install "mosaic-plan[llm]"' in found.help()[0]


def test_a_key_that_cannot_be_one_is_told_without_it(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("OPENAI_API_KEY", f"{KEY}\nX-Evil: 1")
    found = refusal(lambda: backend_of(of(model="m")))
    assert found.code == "M862" and KEY not in found.message() + "".join(found.help())


@pytest.mark.parametrize(
    ("url", "environment", "allowed"),
    [
        ("https://api.openai.com/v1", {}, True),
        ("http://api.openai.com/v1", {}, False),
        ("https://api.openai.com:444/v1", {}, False),
        ("https://evil.example.org/v1", {}, False),
        ("https://api.openai.com.evil.example.org/v1", {}, False),
        ("http://127.0.0.1:8000/v1", {}, False),
        (
            "https://models.example.org/v1",
            {"MOSAIC_COMPOSE_HOSTS": "a.example.org, models.example.org"},
            True,
        ),
        ("https://x.models.example.org/v1", {"MOSAIC_COMPOSE_HOSTS": "models.example.org"}, False),
        ("http://models.example.org/v1", {"MOSAIC_COMPOSE_HOSTS": "models.example.org"}, False),
        ("http://models.example.org/v1", {"MOSAIC_COMPOSE_HOSTS": "http://models.example.org"}, True),
        ("https://models.example.org:8443/v1", {"MOSAIC_COMPOSE_HOSTS": "models.example.org"}, False),
        ("https://models.example.org:8443/v1", {"MOSAIC_COMPOSE_HOSTS": "models.example.org:8443"}, True),
        ("http://127.0.0.1:8000/v1", {"MOSAIC_COMPOSE_HOSTS": "127.0.0.1"}, True),
        ("https://models.example.org/v1", {"MOSAIC_COMPOSE_HOSTS": ""}, False),
    ],
)
def test_an_address_in_a_file_gets_no_key_unless_allowed(
    bare: pytest.MonkeyPatch, url: str, environment: dict[str, str], allowed: bool
) -> None:
    asks(
        of(model="m", base_url=url)
    ) if "openai.com/" not in url else None  # without a key nothing is at stake
    bare.setenv("OPENAI_API_KEY", KEY)
    for name, value in environment.items():
        bare.setenv(name, value)
    if allowed:
        assert asks(of(model="m", base_url=url))._options.key.reveal() == KEY
        return
    found = refusal(lambda: backend_of(of(model="m", base_url=url)))
    assert found.code == "M862" and "MOSAIC_COMPOSE_HOSTS=" in found.help()[0]
    # What the message says allows it.
    bare.setenv("MOSAIC_COMPOSE_HOSTS", found.help()[0].partition("MOSAIC_COMPOSE_HOSTS=")[2])
    assert asks(of(model="m", base_url=url)).endpoint == endpoint_of(url)


def test_the_user_says_where_a_key_goes(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("OPENAI_API_KEY", KEY)
    assert asks(of(model="m"), base_url="https://mine.example.org/v1")._options.key
    bare.setenv("OPENAI_BASE_URL", "https://mine.example.org/v1")
    assert asks(of(model="m", base_url="https://evil.example.org/v1")).endpoint == "https://mine.example.org"


def test_a_file_cannot_send_one_services_key_to_another(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("OTHER_API_KEY", KEY)
    assert (
        "https://api.openai.com"
        in refusal(lambda: backend_of(of(model="m", key_env="OTHER_API_KEY"))).message()
    )
    bare.setenv("OPENAI_BASE_URL", "https://other.example.org/v1")
    assert asks(of(model="m", key_env="OTHER_API_KEY"))._options.key


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@models.example.org/v1?key=secret#x", "https://models.example.org"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000"),
        ("https://[::1]:8443/v1", "https://[::1]:8443"),
        ("http://x:80/", "http://x"),
        ("file:///etc/passwd", ""),
        ("https://x:99999/", ""),
        ("nonsense", ""),
    ],
)
def test_endpoints_are_scheme_host_and_port(url: str, shown: str) -> None:
    assert endpoint_of(url) == shown


@pytest.mark.parametrize(
    "url",
    ["https://a@b.example.org/", "https://b.example.org\\@c/", "https://b.example.org/?q", "https://b.example.org/#f",
     "https://b example.org/", "https://b.example.org:99999/", "//b.example.org", "https:///x", "https://b\u0430.org/"],
)  # fmt: skip
def test_addresses_that_can_be_read_in_two_ways_are_none(url: str) -> None:
    assert not is_address(url)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_text_is_trusted_by_accident(trusted: str, host: str) -> None:
    url = f"https://{host}/v1"
    if allows([trusted], url):
        assert endpoint_of(url).partition("://")[2].partition(":")[0].lower() in trusted.lower()


# Facets and replies, whatever they hold


def test_facets_are_found_where_no_other_has_the_words() -> None:
    said = {
        "facets": [
            {"kind": "style", "text": "cat", "importance": 0.1, "sought": "x", "of": 1},
            {"kind": "subject", "text": "cat in a cat", "importance": 1, "sought": "", "of": 0},
            {"kind": "object", "text": "CATALOG", "importance": 7, "sought": " a  book ", "of": 9},
            {"kind": "object", "text": "dog", "importance": 1, "sought": "dog", "of": None},
        ]
    }
    found = read_facets(said, "a catalog, a cat in a cat suit")
    assert [(f.text, f.importance, f.sought, f.of) for f in found.facets] == [
        ("catalog", 1.0, "a book", None),
        ("cat in a cat", 1.0, "cat in a cat", None),
    ]
    assert found.rest == ("suit",)


def test_what_is_avoided_is_where_it_is_denied() -> None:
    said = {
        "facets": [{"kind": "object", "text": "hat", "importance": 1, "sought": "hat", "of": None}],
        "avoided": ["hat", "dog"],
    }
    found = read_facets(said, "a cat with a hat box, no hat")
    assert found.avoided == ("hat",)
    assert [(f.start, f.end) for f in found.facets] == [(13, 16)]


facet = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([*FacetKind, "other", 3]),
        "text": st.one_of(
            st.sampled_from(["red", "cat", "red cat", "NEON", "neon lit", "a", "", "dog"]), st.integers()
        ),
        "importance": st.one_of(st.floats(), st.booleans(), st.none()),
        "sought": st.one_of(st.text(max_size=10), st.none()),
        "of": st.one_of(st.none(), st.integers(-3, 8), st.booleans()),
    }
)


@given(
    st.one_of(st.none(), st.lists(facet, max_size=8)),
    st.one_of(st.none(), st.lists(st.sampled_from(["cat", "hat", "x", 1]))),
)
def test_whatever_facets_are_said_those_kept_stand_in_the_request(said: Any, avoided: Any) -> None:
    text = "A red cat and a red CAT, neon lit; no hat"
    found = read_facets({"facets": said, "avoided": avoided}, text)
    end = 0
    for place, each in enumerate(found.facets):
        assert each.start >= end and text[each.start : each.end] == each.text and each.text and each.sought
        end = each.end
        seen, at = set(), place
        while at is not None:
            assert at not in seen
            seen.add(at)
            at = found.facets[at].of  # type: ignore[assignment]
    assert all(word in text for word in (*found.rest, *found.avoided))


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
