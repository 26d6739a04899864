"""A server on this machine that speaks Responses and Chat Completions, and answers from a script.

    with Server([FACETS, PLAN]) as server:
        backend = OpenAIBackend(Options("writer", server.url))

A script is a sequence of answers, or a function of what was asked (`able` is one that composes). An answer is a text,
as a model would write it, or one of the classes below for everything that goes wrong. What is sent is checked against
the protocol (`server.faults`), and what is answered against the types of the library, so that both stay in the shape in
which they were recorded.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from llguidance import LLMatcher
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from mosaic.agent.counting import most_tokens


@dataclass(frozen=True)
class Says:
    """What a model writes. `tokens` are those that the answer says were used; None says nothing of them."""

    text: str
    tokens: tuple[int, int] | None = (-1, -1)  # -1: counted


@dataclass(frozen=True)
class CutOff:
    """The answer ends where the tokens do."""

    text: str = "mosaic 1\n\nplan p {\n  let ba"
    reason: str = "max_output_tokens"  # or content_filter


@dataclass(frozen=True)
class Refuses:
    """The model will not."""

    text: str = "I cannot help with that."


@dataclass(frozen=True)
class Fails:
    """A status instead of an answer. `echo` puts the request's headers into the answer's body and headers."""

    status: int = 500
    message: str = "the server had an error"
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    echo: bool = False


@dataclass(frozen=True)
class Raw:
    """Bytes as they are, with a status of 200. `length` is what is promised of them."""

    body: bytes
    length: int | None = None


@dataclass(frozen=True)
class Slow:
    """Nothing for some seconds, or until the server is closed."""

    seconds: float = 60.0
    then: str = "{}"


@dataclass(frozen=True)
class Drips:
    """One byte after the other, for ever."""

    pause: float = 0.05


Answer = str | Says | CutOff | Refuses | Fails | Raw | Slow | Drips


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]  # names in lower case
    body: Mapping[str, Any]

    @property
    def chats(self) -> bool:
        """Whether Chat Completions was asked."""
        return self.path.endswith("/chat/completions")

    @property
    def system(self) -> str:
        """What the system text says."""
        return str(self.body["messages"][0]["content"] if self.chats else self.body["instructions"])

    @property
    def turns(self) -> list[str]:
        """The texts behind the system text, whoever said them."""
        items = self.body["messages"][1:] if self.chats else self.body["input"]
        return [str(each.get("content") or each.get("input") or each.get("output")) for each in items]

    @property
    def reads(self) -> bool:
        """Whether a request is to be taken apart; a plan is to be written otherwise."""
        return "take a request" in self.system

    @property
    def mends(self) -> bool:
        """Whether a plan is to be mended."""
        return len(self.turns) > 1

    @property
    def grammar(self) -> str:
        """The grammar that the answer is held to; "" where there is none."""
        if self.chats:
            return str(self.body.get("structured_outputs", {}).get("grammar", ""))
        tools = self.body.get("tools") or [{}]
        return str(tools[0].get("format", {}).get("definition", ""))

    @property
    def schema(self) -> dict[str, Any] | None:
        """The JSON schema that the answer is held to."""
        form = self.body.get("response_format", {}).get("json_schema") or self.body.get("text", {}).get(
            "format", {}
        )
        found: dict[str, Any] | None = form.get("schema")
        return found

    def data(self, name: str) -> list[Any]:
        """A block of data, line by line, of the last turn that has it."""
        for turn in reversed(self.turns):
            found = re.search(rf'<data name="{name}">\n(.*?)</data>', turn, re.DOTALL)
            if found:
                return [json.loads(line) for line in found[1].splitlines() if line]
        return []


Script = Sequence[Answer] | Callable[[Asked], Answer]


class Server:
    """Serves while its `with` lasts. `requests` are what came so far, in order."""

    def __init__(self, script: Script, *, key: str | None = None) -> None:
        self.requests: list[Asked] = []
        self.faults: list[str] = []
        self._key, self._lock, self._closed = key, threading.Lock(), threading.Event()
        self._next = iter(script) if isinstance(script, Sequence) else None
        self._script = script
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    def answer(self, asked: Asked) -> Answer:
        """What the script says to a request; what is wrong with the request, first."""
        with self._lock:
            self.requests.append(asked)
            found = list(faults(asked, self._key))
            self.faults += found
            if found:
                return Fails(400, "; ".join(found))
            if self._next is None:
                assert callable(self._script)
                return self._script(asked)
            return next(self._next, Fails(418, "the script has ended"))

    def wait(self, seconds: float) -> bool:
        """Wait, no longer than the server is open; whether it still is."""
        return not self._closed.wait(seconds)


def faults(asked: Asked, key: str | None = None) -> Iterator[str]:
    """What is wrong with a request."""
    if asked.path not in ("/v1/responses", "/v1/chat/completions"):
        yield f"no such path: {asked.path}"
        return
    given = asked.headers.get("authorization")
    if key is not None and given != f"Bearer {key}":
        yield "no key, or another"
    if key is None and given is not None:
        yield "a key where none is asked for"
    if not isinstance(asked.body.get("model"), str):
        yield "no model"
    limit = asked.body.get("max_completion_tokens" if asked.chats else "max_output_tokens")
    if not isinstance(limit, int):
        yield "no limit on the tokens of the answer"
    if not asked.chats:
        yield from _response_faults(asked.body)
    if asked.grammar and (
        why := LLMatcher.validate_grammar(LLMatcher.grammar_from_lark(asked.grammar), None)
    ):
        yield f"the grammar is refused: {why}"
    if asked.schema is not None:
        yield from _schema_faults(asked.schema, "schema")


def _response_faults(body: Mapping[str, Any]) -> Iterator[str]:
    if body.get("store") is not False or "previous_response_id" in body:
        yield "something is to be kept"
    if "tools" in body:
        (tool,) = body["tools"]
        if (
            tool["type"] != "custom"
            or tool["format"]["type"] != "grammar"
            or tool["format"]["syntax"] != "lark"
        ):
            yield "the tool takes no grammar"
        if body.get("tool_choice") != {"type": "custom", "name": tool["name"]}:
            yield "the tool need not be called"
        if body.get("parallel_tool_calls") is not False:
            yield "several calls may come"
    calls = [item["call_id"] for item in body["input"] if item.get("type") == "custom_tool_call"]
    outputs = [item["call_id"] for item in body["input"] if item.get("type") == "custom_tool_call_output"]
    if calls != outputs:
        yield "a call without its output, or the other way round"
    form = body.get("text", {}).get("format")
    if form is not None and not (form["type"] == "json_schema" and form["strict"] is True and form["name"]):
        yield "the schema is not strict"


def _schema_faults(schema: Any, at: str) -> Iterator[str]:
    """What OpenAI's strict structured outputs refuse: optional properties, properties that nothing names."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            if schema.get("additionalProperties") is not False:
                yield f"{at}: properties can be added"
            if sorted(schema.get("required", ())) != sorted(schema.get("properties", ())):
                yield f"{at}: not every property is required"
        for key, value in schema.items():
            yield from _schema_faults(value, f"{at}.{key}")
    elif isinstance(schema, list):
        for place, value in enumerate(schema):
            yield from _schema_faults(value, f"{at}[{place}]")


# Answers in the shape of the protocol


def response(asked: Asked, said: Says | CutOff | Refuses) -> dict[str, Any]:
    """An answer of Responses."""
    cut, refused = isinstance(said, CutOff), isinstance(said, Refuses)
    status = "incomplete" if cut else "completed"
    tools = asked.body.get("tools", [])
    if tools and not refused:
        item: dict[str, Any] = {
            "type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": tools[0]["name"],
            "input": said.text,
        }  # fmt: skip
    else:
        part: dict[str, Any] = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
        if refused:
            part = {"type": "refusal", "refusal": said.text}
        item = {"type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": [part]}
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": []}
    used = _used(asked, said)
    document = {
        "id": "resp_1", "object": "response", "created_at": 1795900000, "status": status, "model": asked.body["model"],
        "error": None, "incomplete_details": {"reason": said.reason} if isinstance(said, CutOff) else None,
        "instructions": None, "metadata": {}, "output": [reasoning, item], "parallel_tool_calls": False,
        "temperature": 1.0, "top_p": 1.0, "tool_choice": asked.body.get("tool_choice", "auto"), "tools": tools,
        "usage": None if used is None else {
            "input_tokens": used[0], "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": used[1], "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": sum(used),
        },
    }  # fmt: skip
    Response.model_validate(document)
    return document


def chat(asked: Asked, said: Says | CutOff | Refuses) -> dict[str, Any]:
    """An answer of Chat Completions."""
    refused = isinstance(said, Refuses)
    finish = "stop"
    if isinstance(said, CutOff):
        finish = "content_filter" if said.reason == "content_filter" else "length"
    message = {
        "role": "assistant",
        "content": None if refused else said.text,
        "refusal": said.text if refused else None,
    }
    used = _used(asked, said)
    document = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1795900000, "model": asked.body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": None if used is None else {
            "prompt_tokens": used[0], "completion_tokens": used[1], "total_tokens": sum(used),
        },
    }  # fmt: skip
    ChatCompletion.model_validate(document)
    return document


def _used(asked: Asked, said: Says | CutOff | Refuses) -> tuple[int, int] | None:
    tokens = said.tokens if isinstance(said, Says) else (-1, -1)
    if tokens is None:
        return None
    sent, written = tokens
    form = asked.grammar or json.dumps(asked.schema or "")
    counted = sum(most_tokens(text) for text in (asked.system, *asked.turns, form))
    return counted if sent < 0 else sent, most_tokens(said.text) if written < 0 else written


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
            asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            try:
                self._give(asked, server.answer(asked))
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = do_POST

        def _give(self, asked: Asked, answer: Answer) -> None:
            match answer:
                case Fails():
                    self._fail(asked, answer)
                case Raw(body, length):
                    self._send(200, body, {}, length)
                case Slow(seconds, then):
                    if server.wait(seconds):
                        self._send(200, then.encode(), {})
                    self.close_connection = True
                case Drips(pause):
                    self._send(200, b" ", {}, 10**9)
                    while server.wait(pause):
                        self.wfile.write(b" ")
                        self.wfile.flush()
                    self.close_connection = True
                case _:
                    said = Says(answer) if isinstance(answer, str) else answer
                    document = chat(asked, said) if asked.chats else response(asked, said)
                    self._send(200, json.dumps(document).encode(), {})

        def _fail(self, asked: Asked, answer: Fails) -> None:
            echo = dict(asked.headers) if answer.echo else {}
            message = answer.message + (f" {json.dumps(echo)}" if echo else "")
            error = {
                "message": message,
                "type": "error",
                "param": None,
                "code": answer.code,
                **({"echo": echo} if echo else {}),
            }
            headers = {**answer.headers, **{f"X-Echo-{name}": value for name, value in echo.items()}}
            self._send(answer.status, json.dumps({"error": error}).encode(), headers)

        def _send(
            self, status: int, body: bytes, headers: Mapping[str, str], length: int | None = None
        ) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
            if length is not None and length > len(body):
                self.close_connection = True

    return Handler


# A model that is able, by script


def able(asked: Asked) -> Answer:
    """A model that does what it is asked: takes requests apart at commas, and writes the best combination down."""
    if asked.reads:
        return json.dumps(facets(str(asked.data("request")[0])))
    plan = plan_of(asked)
    if asked.schema is not None:
        from mosaic.agent.tree_json import to_json
        from mosaic.compiler.diagnostic import Sink
        from mosaic.compiler.source import SourceFile
        from mosaic.compiler.syntax.parse import parse

        file = parse(SourceFile("<plan>", plan), Sink())
        assert file is not None
        return json.dumps(to_json(file))
    return plan if asked.grammar else f"Here it is:\n\n```mosaic\n{plan}```\nEnjoy."


def facets(request: str) -> dict[str, Any]:
    """The facets of a request: its parts between commas, the first as its subject."""
    parts = [part.strip() for part in re.split(r",| in | with ", request) if part.strip()]
    denied = [part for part in parts if part.startswith("no ")]
    found = [
        {
            "kind": "subject" if place == 0 else "style",
            "text": part,
            "importance": 1 if place == 0 else 0.7,
            "sought": re.sub(r"^(a|an|the) ", "", part),
            "of": None,
        }
        for place, part in enumerate(part for part in parts if part not in denied)
    ]
    return {"facets": found, "avoided": [part.removeprefix("no ") for part in denied]}


def plan_of(asked: Asked) -> str:
    """A plan of the first combination that the model was told of, or of the first base alone."""
    told = asked.turns[0]
    name = re.search(r"Call the plan `(\w+)`", told)
    seed = re.search(r"param seed: int = (\d+)", told)
    assert name is not None and seed is not None
    kinds = {each["id"]: each["kind"] for each in asked.data("experts")}
    best = (
        asked.data("combinations") or [{"base": next(iter(kinds)), "experts": [], "prompt": "a picture"}]
    )[0]
    # The names of variables are those that the combination's prompt inserts, in order.
    names = _variables(best)
    lets = [f'  let base = checkpoint("{best["base"]}")']
    fused = ["base"]
    for expert in best["experts"]:
        variable = names[expert["id"]]
        lets.append(f'  let {variable} = {kinds[expert["id"]]}("{expert["id"]}")')
        strength = expert.get("strength")
        fused.append(variable + (f" * {strength:g}" if strength not in (None, 1) else ""))
    model = "base"
    if len(fused) > 1:
        lets.append(f"  let look = fuse({', '.join(fused)})")
        model = "look"
    limits = re.search(r"Copy at the top:\n((?:(?:budget|policy) .*\n)+)", told)
    top = "\n\n".join((limits[1] if limits else "").strip().splitlines())
    settings = "".join(
        f", {found[1]}" for found in re.finditer(r"^Sample with `(.*)`\.$", told, re.MULTILINE)
    )
    lets.append(f'  let image = sample({model}, prompt: "{best["prompt"]}"{settings}, seed: seed)')
    head = f"mosaic 1\n\n{top}\n\n" if top else "mosaic 1\n\n"
    return (
        f"{head}param seed: int = {seed[1]}\n\nplan {name[1]} {{\n"
        + "\n".join(lets)
        + f'\n  emit image as "{name[1]}.png"\n}}\n'
    )


def _variables(combination: Mapping[str, Any]) -> dict[str, str]:
    """A name for each expert: after its id, as composed plans have them."""
    return {
        each["id"]: re.sub(r"\W+", "_", each["id"].rpartition("/")[2].lower(), flags=re.ASCII).strip("_")
        for each in combination["experts"]
    }
