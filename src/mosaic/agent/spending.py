"""What asking a model may cost: said and allowed before it is asked, and held while it is."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from mosaic.agent.values import Estimate, Usage
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.models import SpendingLimit

Ask = Callable[[str], bool]
"""Shows a sentence to a person, and asks whether to go on."""


Say = Callable[[str], None]
"""Shows a sentence to a person."""


class Verdict(StrEnum):
    """What is done about an estimate."""

    GO = "go"
    ASK = "ask"
    REFUSE = "refuse"


class Spend:
    """The tokens of one composition: what may be spent, and what was.

    `limit` allows so many tokens, sent and written together, without a question. `yes` allows whatever was estimated.
    Without either, `ask` asks a person; where nobody can be asked, nothing is spent. What is allowed without a question
    is told by `say`, before it is spent. A limit is held in any case: once it is used up, `allow` lets no further call
    be made.
    """

    def __init__(
        self, limit: int | None = None, *, yes: bool = False, ask: Ask | None = None, say: Say | None = None
    ) -> None:
        self.limit, self.yes, self.ask, self.say = limit, yes, ask, say
        self.spent = Usage()

    def verdict(self, estimate: Estimate) -> Verdict:
        """Whether to go on, to ask, or to refuse, by what may be spent at most."""
        if estimate.calls == 0 or self.yes:
            return Verdict.GO
        if self.limit is not None and _tokens(estimate) <= self.limit:
            return Verdict.GO
        return Verdict.ASK if self.ask is not None else Verdict.REFUSE

    def before(self, estimate: Estimate) -> None:
        """Go on, or ask whether to. Raises MosaicError (M865) where nobody allows it."""
        self.spent = Usage()
        verdict = self.verdict(estimate)
        if verdict is Verdict.GO and estimate.calls and self.say is not None:
            self.say(said(estimate))
        if verdict is Verdict.GO or (
            verdict is Verdict.ASK and self.ask is not None and self.ask(said(estimate))
        ):
            return
        why = (
            "it was declined"
            if verdict is Verdict.ASK
            else "nobody allowed it"
            if self.limit is None
            else "that is above the limit"
        )
        raise self._over(f"composing may spend up to {_tokens(estimate):,} tokens, and {why}", estimate)

    def used(self, usage: Usage) -> None:
        """Count what a call spent."""
        self.spent += usage

    def allow(self, more: Usage | None = None) -> None:
        """Let another call be made; `more` was used and is not counted yet. Raises MosaicError (M865) once the limit is
        used up."""
        spent = self.spent + (more or Usage())
        if self.limit is None or _tokens(spent) < self.limit:
            return
        raise self._over(f"composing has spent {_tokens(spent):,} tokens, all that was allowed", spent)

    def _over(self, reason: str, figures: Estimate | Usage) -> MosaicError:
        return MosaicError(
            SpendingLimit(
                None, reason, figures.calls, figures.input_tokens, figures.output_tokens, self.limit
            )
        )


def said(estimate: Estimate) -> str:
    """What may be spent at most, in a sentence."""
    calls = f"{estimate.calls} {'call' if estimate.calls == 1 else 'calls'}"
    return (
        f"At most {_tokens(estimate):,} tokens in {calls}: {estimate.input_tokens:,} sent, "
        f"{estimate.output_tokens:,} written, {estimate.rounds} rounds."
    )


def _tokens(figures: Estimate | Usage) -> int:
    return figures.input_tokens + figures.output_tokens
