"""Which code is expected of which mistake. A new rule adds a row here, or says below why it cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.corpus import fitting, naming, rights, trust, using
from benchmarks.corpus.scene import Scene, Text
from benchmarks.corpus.world import World

Make = Callable[[World], Scene | Text]


@dataclass(frozen=True)
class Row:
    """A mistake, what is expected to be said of it, and what looks alike and is none."""

    code: str
    bad: Make
    good: Make


ROWS: Final = (
    Row("M210", naming.misspelt, naming.spelt),
    Row("M215", naming.wrong_kind, naming.spelt),
    Row("M218", naming.nothing_found, naming.something_found),
    Row("M302", naming.other_space, naming.same_space),
    Row("M401", fitting.other_family, fitting.same_family),
    Row("M402", fitting.stray_tensors, fitting.few_tensors),
    Row("M403", fitting.other_prediction, fitting.same_prediction),
    Row("M404", using.unknown_word, using.known_word),
    Row("M405", using.word_unused, using.word_used),
    Row("M406", using.same_token, using.other_token),
    Row("M407", using.long_prompt, using.full_prompt),
    Row("M408", using.twice, using.once_each),
    Row("M409", fitting.half_model, fitting.whole_model),
    Row("M410", fitting.other_algorithm, fitting.known_algorithm),
    Row("M411", fitting.huge_rank, fitting.large_rank),
    Row("M412", fitting.left_out, fitting.nothing_left_out),
    Row("M413", using.known_token, using.new_token),
    Row("M414", using.uncalled, using.called),
    Row("M415", using.same_trigger, using.other_trigger),
    Row("M416", fitting.encoder_lacking, fitting.encoder_there),
    Row("M417", using.clip_skips_differ, using.clip_skips_agree),
    Row("M418", fitting.inpaint_operand, fitting.plain_operand),
    Row("M419", fitting.inpaint_base, fitting.plain_base),
    Row("M420", using.far_size, using.near_size),
    Row("M421", using.too_strong, using.strong_enough),
    Row("M422", using.excluding, using.excluding_another),
    Row("M423", using.other_lineage, using.same_lineage),
    Row("M424", using.unreadable_selector, using.selector),
    Row("M425", using.selects_nothing, using.selector),
    Row("M430", using.crowded, using.unrelated),
    Row("M431", using.alike, using.unrelated),
    Row("M432", using.against, using.unrelated),
    Row("M501", rights.not_for_money, rights.for_money),
    Row("M502", rights.not_to_serve, rights.to_serve),
    Row("M503", rights.creator_forbids, rights.creator_allows),
    Row("M503", rights.creator_forbids_merges, rights.creator_allows_merges),
    Row("M504", rights.no_merges, rights.stacked),
    Row("M505", rights.locks_differ, rights.locks_agree),
    Row("M506", rights.much_revenue, rights.little_revenue),
    Row("M507", rights.contested, rights.personal),
    Row("M508", rights.outside, rights.inside),
    Row("M509", rights.revenue_unsaid, rights.little_revenue),
    Row("M510", rights.laundered, rights.for_money),
    Row("M511", rights.licence_unknown, rights.licence_unasked),
    Row("M512", rights.licence_needed, rights.licence_unasked),
    Row("M513", rights.credit_owed, rights.credit_given),
    Row("M515", rights.not_to_pass_on, rights.locks_agree),
    Row("M516", rights.no_country, rights.country),
    Row("M517", rights.negative_revenue, rights.no_revenue),
    Row("M520", rights.rated_above, rights.rated_within),
    Row("M521", rights.words_above, rights.words_within),
    Row("M522", rights.unrated, rights.any_rating),
    Row("M523", rights.not_last, rights.last),
    Row("M701", trust.changed, trust.unchanged),
    Row("M702", trust.missing, trust.unchanged),
    Row("M703", trust.unhashed, trust.hashed),
    Row("M704", trust.unpinned(strict=False), trust.pinned),
    Row("M705", trust.unpinned(strict=True), trust.pinned),
    Row("M706", trust.exchanged(strict=False), trust.pinned),
    Row("M707", trust.exchanged(strict=True), trust.pinned),
)

_OF_A_RUN = "raised while a program runs, when files or tensors are not what the compiler was told"
_OF_A_LOCK = "said of the lock's file or of a command about it, not of a plan (tests/cli, tests/cases/errors)"
WITHOUT: Final = {
    **{f"M{number}": _OF_A_RUN for number in (*range(451, 468), 469, 751, 752)},
    **{f"M{number}": _OF_A_LOCK for number in range(708, 730)},
    "M514": "a note that lists clauses; nothing is wrong, and nothing is a false alarm",
    "M524": "said of a file of words, not of a plan",
}
"""Codes of M4xx, M5xx and M7xx without a row, and why."""
