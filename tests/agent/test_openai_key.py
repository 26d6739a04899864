"""The key of an endpoint: where it goes, and that it shows nowhere."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from collections.abc import Callable

import pytest
from tests.agent.briefs import FORMS, KEY, PLAN, TEXT, backend, brief, refusal
from tests.agent.serving import (
    CutOff,
    Fails,
    Raw,
    Refuses,
    Script,
    Server,
    Slow,
)

from mosaic.agent.backends.calls import Constraint, Options
from mosaic.agent.endpoints import Key
from mosaic.agent.values import (
    Request,
)
from mosaic.compiler.diagnostic import MosaicError

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
