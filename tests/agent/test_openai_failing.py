"""Endpoints that fail: what is asked again, what is told, and how long anything may take."""

from __future__ import annotations

import json
import signal
import threading
import time
from dataclasses import replace

import pytest
from tests.agent.briefs import FORMS, PLAN, QUICK, backend, brief, refusal
from tests.agent.serving import (
    Answer,
    Asked,
    Drips,
    Fails,
    Raw,
    Server,
    Slow,
    able,
)

from mosaic.agent.backends.calls import Constraint, Options
from mosaic.agent.backends.openai import OpenAIBackend
from mosaic.agent.backends.retrying import Failed, Pace, patiently, seconds_to_wait

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


def test_an_account_without_money_is_not_asked_again() -> None:
    with Server([Fails(429, "no credit", code="insufficient_quota"), PLAN]) as server:
        found = refusal(lambda: backend(server).draft(brief()))
    assert (found.status, len(server.requests)) == (429, 1)


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
    caught = threading.Event()

    def interrupt() -> None:
        # Again and again: one that falls into a destructor is lost.
        while not caught.wait(0.3):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def script(asked: Asked) -> Answer:
        threading.Thread(target=interrupt, daemon=True).start()
        return Slow()

    with Server(script) as server:
        try:
            with pytest.raises(KeyboardInterrupt):
                backend(server).draft(brief())
        finally:
            caught.set()
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
