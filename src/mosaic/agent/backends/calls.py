"""What a model behind an endpoint is asked, in the forms of OpenAI's protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from mosaic.agent.backends.retrying import PATIENT, Patience
from mosaic.agent.counting import most_tokens
from mosaic.agent.endpoints import DEFAULT, NO_KEY, Key

TOOL: Final = "mosaic_plan"


class Constraint(StrEnum):
    """How a model is held to the language."""

    GRAMMAR = "grammar"  # Responses, a tool that takes what a grammar in Lark's form allows
    STRUCTURED = "structured_outputs"  # Chat Completions of vLLM, with the same grammar
    JSON_SCHEMA = "json_schema"  # Responses, a plan's tree as JSON
    NONE = "none"  # Chat Completions, any text; the plan is taken out of it


@dataclass(frozen=True)
class Options:
    """What is asked, where and how. Times in seconds."""

    model: str
    base_url: str = DEFAULT
    key: Key = NO_KEY
    key_env: str = "OPENAI_API_KEY"
    constraint: Constraint = Constraint.GRAMMAR
    timeout: float = 120.0  # of one answer
    max_output_tokens: int = 4096  # of one answer
    requests_per_minute: float | None = None
    patience: Patience = PATIENT


@dataclass(frozen=True)
class Call:
    """What a model is told, and the form that its answer has to have. Turns are by "user", "plan" and "mending"."""

    system: str
    turns: tuple[tuple[str, str], ...]
    schema: Mapping[str, Any] | None = None
    name: str = ""
    grammar: str = ""

    @property
    def tokens(self) -> int:
        """At most about so many are sent."""
        form = self.grammar or (json.dumps(self.schema) if self.schema else "")
        return sum(most_tokens(text) for text in (self.system, form, *(text for _, text in self.turns)))


def responses_body(call: Call, options: Options) -> dict[str, Any]:
    """The body of `POST /responses`."""
    body: dict[str, Any] = {
        "model": options.model,
        "instructions": call.system,
        "input": _items(call),
        "max_output_tokens": options.max_output_tokens,
        "store": False,
    }
    if call.grammar:
        form: dict[str, Any] = {"type": "grammar", "syntax": "lark", "definition": call.grammar}
        body["tools"] = [{"type": "custom", "name": TOOL, "description": "Takes the plan.", "format": form}]
        body["tool_choice"] = {"type": "custom", "name": TOOL}
        body["parallel_tool_calls"] = False
    elif call.schema is not None:
        form = {"type": "json_schema", "name": call.name, "strict": True, "schema": call.schema}
        body["text"] = {"format": form}
    return body


def _items(call: Call) -> list[dict[str, Any]]:
    """The history as the model had it: a plan as what the tool was called with, what was said of it as its output."""
    items: list[dict[str, Any]] = []
    for number, (who, text) in enumerate(call.turns):
        if who == "user" or not call.grammar:
            items.append({"role": "user", "content": f"Your plan:\n\n{text}" if who == "plan" else text})
        elif who == "plan":
            items.append(
                {"type": "custom_tool_call", "call_id": f"call_{number}", "name": TOOL, "input": text}
            )
        else:
            items.append({"type": "custom_tool_call_output", "call_id": f"call_{number - 1}", "output": text})
    return items


def chat_body(call: Call, options: Options) -> dict[str, Any]:
    """The body of `POST /chat/completions`."""
    roles = {"user": "user", "plan": "assistant", "mending": "user"}
    body: dict[str, Any] = {
        "model": options.model,
        "messages": [
            {"role": "system", "content": call.system},
            *({"role": roles[who], "content": text} for who, text in call.turns),
        ],
        "max_completion_tokens": options.max_output_tokens,
    }
    if call.grammar:
        body["extra_body"] = {"structured_outputs": {"grammar": call.grammar}}
    elif call.schema is not None and options.constraint is not Constraint.NONE:
        form = {"name": call.name, "strict": True, "schema": call.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    return body
