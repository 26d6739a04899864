"""What an endpoint answers, read with care: any part may be missing, of another type, or lie.

The shapes are those of OpenAI's Responses and Chat Completions, which vLLM and many others speak too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MOST_PLAN: Final = 64 * 1024
"""Code points of a plan; the language is read up to a limit of its own."""

_FENCED: Final = re.compile(
    r"^[ \t]*(```+|~~~+)[ \t]*(\w*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
_THOUGHT: Final = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL)
_HEADER: Final = re.compile(r"^mosaic[ \t]+\d", re.MULTILINE)


class Unusable(ValueError):
    """An answer that is of no use; the text says why, `advice` what may help."""

    def __init__(self, reason: str, *advice: str) -> None:
        super().__init__(reason)
        self.reason, self.advice = reason, advice


@dataclass(frozen=True)
class Reply:
    """An answer: its text, or why there is none, and the tokens that it says were used."""

    text: str
    fault: Unusable | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    again: bool = False  # the endpoint failed for the moment
    failed: str = ""  # the endpoint says that it failed, and why


def read_response(document: Any, tool: str = "") -> Reply:
    """An answer of `POST /responses`. With a tool, the text is what the tool was called with; a model that wrote a
    message instead is taken at its word."""
    if not isinstance(document, Mapping) or not isinstance(document.get("output"), list | None):
        return Reply("", Unusable("it is no response in the shape of the Responses API"))
    used = _used(document.get("usage"), "input_tokens", "output_tokens")
    status = document.get("status")
    if status in ("failed", "cancelled"):
        error = _map(document.get("error"))
        again = error.get("code") in ("server_error", "rate_limit_exceeded")
        return Reply("", None, *used, again=again, failed=_word(error.get("message")) or str(status))
    if status == "incomplete":
        reason = _word(_map(document.get("incomplete_details")).get("reason"))
        return Reply("", _stopped(reason == "content_filter", used[1]), *used)
    items = [item for item in document.get("output") or () if isinstance(item, Mapping)]
    inputs = [_word(item.get("input")) for item in items if item.get("type") == "custom_tool_call"]
    called = [text for text in inputs if text.strip()]
    parts = [
        part
        for item in items
        if item.get("type") == "message" and isinstance(item.get("content"), list)
        for part in item["content"]
        if isinstance(part, Mapping)
    ]
    if tool and called:
        return Reply(called[0], None, *used)
    text = "".join(_word(part.get("text")) for part in parts if part.get("type") == "output_text")
    refusal = "".join(_word(part.get("refusal")) for part in parts if part.get("type") == "refusal")
    return _reply(plan_in(text) if tool else text, refusal, used)


def read_chat(document: Any) -> Reply:
    """An answer of `POST /chat/completions`."""
    choices = document.get("choices") if isinstance(document, Mapping) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        return Reply("", Unusable("it is no answer in the shape of Chat Completions"))
    used = _used(document.get("usage"), "prompt_tokens", "completion_tokens")
    finish, message = choices[0].get("finish_reason"), _map(choices[0].get("message"))
    if finish in ("length", "content_filter"):
        return Reply("", _stopped(finish == "content_filter", used[1]), *used)
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(_word(_map(part).get("text")) for part in content)
    return _reply(_THOUGHT.sub("", _word(content)), _word(message.get("refusal")), used)


def plan_in(text: str) -> str:
    """The plan in an answer that may say more: in a block of code, or from its header on; the whole text otherwise."""
    fenced = [found[3] for found in _FENCED.finditer(text)]
    headed = [block for block in fenced if _HEADER.search(block)]
    if headed or fenced:
        return (headed or fenced)[-1]
    header = _HEADER.search(text)
    return text[header.start() :] if header else text


def json_in(text: str) -> Any:
    """The JSON of an answer, which may stand in a block of code. Raises Unusable."""
    fenced = _FENCED.search(text)
    try:
        return json.loads(fenced[3] if fenced else text)
    except RecursionError:
        raise Unusable("its JSON lies too deep in itself") from None
    except ValueError as error:
        raise Unusable(f"it is no JSON ({str(error)[:80]})") from None


def writable(text: str) -> str:
    """A plan's text as it can be written into a file and shown: UTF-8, line ends of one kind, no other controls."""
    if len(text) > MOST_PLAN:
        raise Unusable(f"it has more than {MOST_PLAN:,} characters")
    plain = text.replace("\r\n", "\n").encode("utf-8", "replace").decode()
    return "".join(char for char in plain if char == "\n" or (char >= " " and not "\x7f" <= char <= "\x9f"))


def _reply(text: str, refusal: str, used: tuple[int | None, int | None]) -> Reply:
    if not text.strip():
        fault = Unusable("the model refused") if refusal else Unusable("it is empty")
        return Reply("", fault, *used)
    return Reply(text, None, *used)


def _stopped(filtered: bool, written: int | None) -> Unusable:
    if filtered:
        return Unusable("the service's filter stopped it")
    after = f" after {written} tokens" if written else ""
    return Unusable(f"it was cut off{after}", "raise `max_output_tokens` in the table [compose]")


def _used(usage: Any, sent: str, written: str) -> tuple[int | None, int | None]:
    found = _map(usage)
    return _count(found.get(sent)), _count(found.get(written))


def _count(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40
    return value if is_count else None


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""
