"""What a model in this process is told, as the tokens that its tokenizer's chat template makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mosaic.agent.backends.folders import missing

Turn = tuple[str, str]
"""Who says something ("system", "user", "assistant"), and what."""


def prompt(tokenizer: Any, turns: Sequence[Turn]) -> list[int]:
    """The tokens of some turns, a system text first, ready for an answer. Raises MosaicError (M862)."""
    marks = _marks(tokenizer)
    said = [{"role": role, "content": _plain(text, marks)} for role, text in turns]
    if not tokenizer.chat_template:
        text = "\n\n".join(each["content"] for each in said) + "\n\n"
        return list(tokenizer(text)["input_ids"])
    return _templated(tokenizer, said)


def _templated(tokenizer: Any, said: list[dict[str, str]]) -> list[int]:
    from jinja2 import TemplateError

    # A chat template is a program from the folder. transformers runs it in jinja2's ImmutableSandboxedEnvironment: it
    # reaches no attribute of Python and changes nothing. It is not held to end; who names a folder trusts it so far.
    # Some templates know no system: the same text then begins the first turn.
    merged = [{"role": "user", "content": f"{said[0]['content']}\n\n{said[1]['content']}"}, *said[2:]]
    for turns in (said, merged):
        try:
            text = tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
        except TemplateError:
            continue
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    raise missing("its chat template takes neither a system text nor several turns")


def _marks(tokenizer: Any) -> list[str]:
    """How the tokens are spelled by which turns are told apart."""
    added = tokenizer.added_tokens_decoder.values()
    return sorted({str(token) for token in added if token.special and len(str(token)) > 1})


def _plain(text: str, marks: Sequence[str]) -> str:
    """A text without some tokens: a description could end its turn by them."""
    for mark in marks:
        while mark in text:
            text = text.replace(mark, "")
    return text
