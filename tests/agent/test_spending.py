"""What may be spent is allowed before anything is asked, and held while it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.agent.spending import Spend, Verdict, said
from mosaic.agent.values import Estimate, Usage
from mosaic.compiler.diagnostic import MosaicError

ESTIMATE = Estimate(calls=5, input_tokens=40_000, output_tokens=20_480, rounds=3)


@pytest.mark.parametrize(
    ("spend", "verdict"),
    [
        (Spend(), Verdict.REFUSE),
        (Spend(yes=True), Verdict.GO),
        (Spend(60_480), Verdict.GO),
        (Spend(60_479), Verdict.REFUSE),
        (Spend(60_479, ask=lambda text: True), Verdict.ASK),
        (Spend(60_480, ask=lambda text: False), Verdict.GO),
        (Spend(1, yes=True), Verdict.GO),
    ],
)
def test_who_allows_what(spend: Spend, verdict: Verdict) -> None:
    assert spend.verdict(ESTIMATE) is verdict
    assert spend.verdict(Estimate()) is Verdict.GO


def test_a_refusal_tells_the_figures() -> None:
    with pytest.raises(MosaicError) as raised:
        Spend(1000).before(ESTIMATE)
    (found,) = raised.value.diagnostics
    assert found.code == "M865"
    assert found.message() == "composing may spend up to 60,480 tokens, and that is above the limit"
    assert found.help()[0] == "5 calls, 40,000 tokens sent, 20,480 written; the limit is 1,000"


def test_a_person_is_asked_and_may_decline() -> None:
    heard: list[str] = []

    def ask(text: str) -> bool:
        heard.append(text)
        return len(heard) == 1

    spend = Spend(ask=ask)
    spend.before(ESTIMATE)
    with pytest.raises(MosaicError, match="it was declined"):
        spend.before(ESTIMATE)
    assert heard == [said(ESTIMATE)] * 2
    assert "60,480 tokens in 5 calls: 40,000 sent, 20,480 written, 3 rounds" in heard[0]


@given(st.integers(1, 5000), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 2000)), max_size=8))
def test_no_call_is_made_once_the_limit_is_used_up(limit: int, calls: list[tuple[int, int]]) -> None:
    spend = Spend(limit, yes=True)
    spend.before(ESTIMATE)
    before = 0
    for sent, written in calls:
        if before >= limit:
            with pytest.raises(MosaicError, match="M865"):
                spend.allow()
            return
        spend.allow()
        spend.used(Usage(calls=1, input_tokens=sent, output_tokens=written))
        before += sent + written
    assert spend.spent.input_tokens + spend.spent.output_tokens == before


def test_each_composition_has_the_whole_limit() -> None:
    spend = Spend(100, yes=True)
    spend.before(ESTIMATE)
    spend.used(Usage(calls=1, input_tokens=100))
    with pytest.raises(MosaicError, match="all that was allowed"):
        spend.allow()
    spend.before(ESTIMATE)
    spend.allow()


def test_what_is_allowed_without_a_question_is_told_first() -> None:
    told: list[str] = []
    estimate = Estimate(calls=2, input_tokens=900, output_tokens=100, rounds=3)
    Spend(2000, say=told.append).before(estimate)
    Spend(yes=True, say=told.append).before(estimate)
    assert told == [said(estimate)] * 2 and "1,000 tokens" in told[0]
    Spend(yes=True, say=told.append).before(Estimate())
    assert len(told) == 2
