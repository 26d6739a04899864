"""What a policy and the terms of one expert say of each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.policy.policy import Policy
from mosaic.compiler.policy.terms import Answer, Licences, Terms
from mosaic.compiler.policy.territories import excluded


class Verdict(IntEnum):
    """How much a finding weighs, the mildest first."""

    UNDECLARED = 1  # the policy does not say what the licence asks
    CONTESTED = 2
    UNKNOWN = 3
    DENIED = 4


@dataclass(frozen=True)
class Finding:
    """One thing that is not plainly allowed.

    `rule` is what was judged (one of terms.RIGHTS, or creator, revenue, territory, unknown, credit), `key` the key of
    the policy that asks for it, `reason` what the licence says, `short` the same in a few words.
    """

    verdict: Verdict
    rule: str
    key: str
    reason: str
    short: str
    licence: str = ""
    detail: tuple[str, ...] = ()


WANTED = {
    "outputs": ("use", "selling its pictures", "no commercial use"),
    "commercial": ("use", "commercial use of the model", "no commercial use"),
    "serve": ("action", "offering it as a service", "may not be served"),
    "redistribute": ("action", "passing it on", "may not be passed on"),
    "derivatives": ("action", "passing on what is merged of it", "merges may not be passed on"),
}
"""By right: the key that asks for it, what it is in words, and its lack in a few."""

_FLAGS = {
    "image": ("use", "selling pictures", "creator forbids selling pictures"),
    "rent": ("action", "generation as a service", "creator forbids serving"),
    "sell": ("use", "selling the model or a merge", "creator forbids selling merges"),
}


def judge(
    facts: ExpertFacts, policy: Policy, licences: Licences, *, copied: bool = False, merged: bool = False
) -> tuple[Finding, ...]:
    """What of an expert a policy does not plainly allow, the worst first.

    `copied`: its weights are in a model that is emitted; `merged`: together with others.
    """
    choice = chosen(facts, policy, licences, copied=copied, merged=merged)
    found = list(_flags(facts, policy, copied, merged))
    if policy.concerns_rights and choice is None:
        found.append(_unknown(facts, policy))
    for terms in choice or ():
        found += _terms(terms, policy, copied, merged)
    if policy.credit is False:
        found += _credit(facts, policy, choice or (), copied)
    return tuple(sorted(found, key=lambda finding: -finding.verdict))


def chosen(
    facts: ExpertFacts,
    policy: Policy | None,
    licences: Licences,
    *,
    copied: bool = False,
    merged: bool = False,
) -> tuple[Terms, ...] | None:
    """The licences that an expert is used under: of several choices the one that suits the policy best.

    None where its licence is not stated or not known.
    """
    choices = licences.terms(facts.license) if facts.license else None
    if not choices:
        return None
    if policy is None or len(choices) == 1:
        return choices[0]

    def weight(choice: tuple[Terms, ...]) -> tuple[int, int]:
        found = [f for terms in choice for f in _terms(terms, policy, copied, merged)]
        found += _credit(facts, policy, choice, copied) if policy.credit is False else ()
        return max((int(f.verdict) for f in found), default=0), len(found)

    return min(choices, key=weight)


def wanted(policy: Policy, copied: bool, merged: bool) -> tuple[str, ...]:
    """The rights that a policy needs of one expert."""
    passed_on = policy.redistributes and copied
    asked = {
        "outputs": policy.commercial and not passed_on,
        "commercial": policy.commercial and passed_on,
        "serve": policy.serves,
        "redistribute": passed_on,
        "derivatives": passed_on and merged,
    }
    return tuple(right for right, needed in asked.items() if needed)


def _terms(terms: Terms, policy: Policy, copied: bool, merged: bool) -> Iterator[Finding]:
    if not policy.concerns_rights:
        return
    for right in wanted(policy, copied, merged):
        if right == "derivatives" and terms.redistribute is Answer.NO:
            continue  # said already
        key, _, short = WANTED[right]
        match terms.answer(right):
            case Answer.NO:
                yield Finding(Verdict.DENIED, right, key, terms.reason(right), short, terms.label)
            case Answer.CONTESTED:
                short = f"{short.removeprefix('no ')}: contested"
                yield Finding(Verdict.CONTESTED, right, key, terms.reason(right), short, terms.label)
    if terms.revenue is not None and policy.use != "personal":
        yield from _revenue(terms, terms.revenue, policy)
    if terms.territories:
        yield from _territory(terms, policy)


def _revenue(terms: Terms, ceiling: int, policy: Policy) -> Iterator[Finding]:
    reason, most = terms.reason("revenue"), f"USD {ceiling:,}"
    if policy.revenue is not None and policy.revenue > ceiling:
        short = f"only up to {most} a year"
        yield Finding(Verdict.DENIED, "revenue", "revenue", reason, short, terms.label, (most,))
    elif policy.revenue is None and policy.asks_much:
        short = "revenue not declared"
        yield Finding(Verdict.UNDECLARED, "revenue", "use", reason, short, terms.label, (most,))


def _territory(terms: Terms, policy: Policy) -> Iterator[Finding]:
    reason = terms.reason("territory")
    out = excluded(terms.territories, policy.territory)
    if out:
        short = f"not in {', '.join(out)}"
        yield Finding(Verdict.DENIED, "territory", "territory", reason, short, terms.label, out)
    elif not policy.territory:
        short = "territory not declared"
        yield Finding(
            Verdict.UNDECLARED, "territory", "use", reason, short, terms.label, tuple(terms.territories)
        )


def _flags(facts: ExpertFacts, policy: Policy, copied: bool, merged: bool) -> Iterator[Finding]:
    said = facts.permissions
    if said is None or not policy.concerns_rights:
        return
    passed_on = policy.redistributes and copied
    asked = {
        "image": policy.commercial and not passed_on,
        "rent": policy.serves,
        "sell": policy.commercial and passed_on,
    }
    for flag, needed in asked.items():
        if needed and said.commercial is not None and flag not in said.commercial:
            key, what, short = _FLAGS[flag]
            allowed = ", ".join(said.commercial) or "nothing"
            yield Finding(
                Verdict.DENIED,
                "creator",
                key,
                f"of commercial uses the creator allows: {allowed}",
                short,
                what,
            )
    if passed_on and merged and said.derivatives is False:
        what, short = "passing on a merge", "creator forbids merges"
        yield Finding(Verdict.DENIED, "creator", "action", "the creator allows no merges", short, what)


def _unknown(facts: ExpertFacts, policy: Policy) -> Finding:
    known_flags = facts.permissions is not None and facts.permissions.commercial is not None
    # What the creator allows by flags is a licence of a kind; the warning stays.
    denied = policy.unknown == "deny" or (policy.denies_unknown and not known_flags)
    verdict = Verdict.DENIED if denied else Verdict.UNKNOWN
    stated = f"`{facts.license}` is no known licence" if facts.license else "no licence is stated"
    return Finding(verdict, "unknown", "unknown", stated, "licence unknown")


def _credit(facts: ExpertFacts, policy: Policy, choice: tuple[Terms, ...], copied: bool) -> Iterator[Finding]:
    passed_on = policy.redistributes and copied
    for terms in choice:
        if terms.credit == "use" or (terms.credit == "copies" and passed_on):
            yield Finding(
                Verdict.DENIED, "credit", "credit", terms.reason("credit"), "asks for credit", terms.label
            )
    if facts.permissions is not None and facts.permissions.no_credit is False:
        reason = "the creator asks for credit"
        yield Finding(Verdict.DENIED, "credit", "credit", reason, "asks for credit", "its creator")
