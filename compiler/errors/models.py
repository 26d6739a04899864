"""M862-M865: what keeps a language model from writing a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic


@dataclass(frozen=True)
class ModelNotConfigured(Diagnostic):
    """A language model was to be asked, and something is missing or not allowed that asking it needs.

        mosaic compose "a red cat" --backend openai     # M862: no model is named

    A model is named by `--model`, by `MOSAIC_COMPOSE_MODEL` or in the project's settings:

        [compose]
        backend = "openai"
        model = "the-model"
        base_url = "http://127.0.0.1:8000/v1"

    The key comes from the environment alone (`OPENAI_API_KEY`, or the variable that `key_env` names), never from a
    file. It goes where you say: to `--base-url`, to `OPENAI_BASE_URL`, or to the service that the key belongs to. An
    address in a project's settings is another's word until you allow its host:
    `MOSAIC_COMPOSE_HOSTS=models.example.org`.

    `--backend offline` needs no model, no key and no network.
    """

    code: ClassVar[str] = "M862"
    title: ClassVar[str] = "no model can be asked: {reason}"

    reason: str
    advice: tuple[str, ...] = ()

    def help(self) -> tuple[str, ...]:
        """What to set, and how to do without."""
        return (*self.advice, "`--backend offline` needs no model")


@dataclass(frozen=True)
class EndpointFailed(Diagnostic):
    """The service that answers for a language model could not be reached, or did not do what it was asked.

    Example: `https://models.example.org answered 401 (wrong key)`.

    A service that is busy, limits its clients or fails for a moment (408, 409, 429, 5xx, a lost connection) was asked
    several times, later each time, as it wished itself (`Retry-After`). What is left is for you: the key (401, 403),
    the model's name or the address (404), a form of request that the service does not know (400, 422). Which form is
    asked for is the setting `constraint`: `grammar`, `structured_outputs`, `json_schema` or `none`.
    """

    code: ClassVar[str] = "M863"
    title: ClassVar[str] = "{endpoint} {reason}"

    endpoint: str
    reason: str
    status: int | None = None
    advice: tuple[str, ...] = ()

    def help(self) -> tuple[str, ...]:
        """What to change."""
        return (*self.advice, "`--backend offline` needs no model")


@dataclass(frozen=True)
class AnswerUnusable(Diagnostic):
    """A language model answered, and the answer is of no use: empty, cut off, refused, or not in the form asked for.

    Example: `the answer of tiny-writer is of no use: it was cut off after 4096 tokens`.

    An answer that was cut off needs a larger `max_output_tokens` in the table `[compose]`: models that think first
    spend of it for thinking. Where answers are in the wrong form, the service may ignore what it was asked for;
    another `constraint` may be one that it knows.
    """

    code: ClassVar[str] = "M864"
    title: ClassVar[str] = "the answer of {model} is of no use: {reason}"

    model: str
    reason: str
    advice: tuple[str, ...] = ()

    def help(self) -> tuple[str, ...]:
        """What to change."""
        return (*self.advice, "`--backend offline` needs no model")


@dataclass(frozen=True)
class SpendingLimit(Diagnostic):
    """Asking a language model may cost more than was allowed, or has done so.

        mosaic compose "a red cat" --backend openai     # M865: up to 52,000 tokens, and nobody said yes

    What composing spends at most is said before anything is asked: calls, tokens sent, tokens written. To go on, say
    `--yes`, or allow so many tokens once and for all: `limit_tokens` in the table `[compose]`. A limit is also held
    during the work: once it is used up, no further call is made.
    """

    code: ClassVar[str] = "M865"
    title: ClassVar[str] = "{reason}"

    reason: str
    calls: int
    input_tokens: int
    output_tokens: int
    limit: int | None = None

    def help(self) -> tuple[str, ...]:
        """The figures, and how to allow them."""
        figures = (
            f"{self.calls} {'call' if self.calls == 1 else 'calls'}, "
            f"{self.input_tokens:,} tokens sent, {self.output_tokens:,} written"
        )
        return (
            figures if self.limit is None else f"{figures}; the limit is {self.limit:,}",
            "allow it by `--yes`, or by `limit_tokens` in the table [compose] of mosaic.toml",
            "`--backend offline` costs nothing",
        )
