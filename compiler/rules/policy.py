"""M501-M515: what every part of a plan may be used for, by licences, creators' wishes and the plan's policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.policy.judge import WANTED, Finding, Verdict, chosen, judge, wanted
from mosaic.compiler.policy.parts import Part, models, parts
from mosaic.compiler.policy.policy import Policy
from mosaic.compiler.policy.terms import Answer, Terms
from mosaic.compiler.rules.allowed import allowed
from mosaic.compiler.rules.place import place
from mosaic.compiler.types import Kind

if TYPE_CHECKING:
    from mosaic.compiler.errors import policy as messages

_FLAG_OF = {"outputs": "image", "serve": "rent", "commercial": "sell"}


def policy(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Rights are those that every part gives. Without a policy nothing is judged."""
    rule = graph.policy
    if rule is None or not (rule.concerns_rights or rule.credit is False):
        return
    concerned = parts(graph, context)
    for part in concerned:
        for finding in judge(part.facts, rule, context.licences, copied=part.copied, merged=part.merged):
            yield _message(finding, part, rule, context)
        yield from _laundered(part, rule, context)
    if rule.redistributes:
        for experts in models(graph, context):
            yield from _locks(experts, rule, context)
    if rule.concerns_rights:
        yield from _clauses(graph.name, concerned, rule, context)


def _message(finding: Finding, part: Part, rule: Policy, context: Context) -> Diagnostic:
    messages, facts, spot = errors.policy, part.facts, place(part.node)
    asked = rule.at(finding.key, "action", "use")
    denied = finding.verdict is Verdict.DENIED
    instead = allowed(part, rule, context) if denied else ()
    known = (
        spot.span,
        facts.kind.value,
        facts.id,
        finding.licence,
        finding.reason,
        asked,
        spot.trail,
        instead,
    )
    if finding.verdict is Verdict.CONTESTED:
        return messages.Contested(*known, what=WANTED[finding.rule][1])
    match finding.rule, denied:
        case "revenue", True:
            return messages.RevenueTooHigh(*known, ceiling=finding.detail[0])
        case "territory", True:
            return messages.OutsideTerritory(*known, where=_list(finding.detail))
        case "revenue", False:
            return messages.NotDeclared(*known, key="revenue", limit=f"up to {finding.detail[0]} a year")
        case "territory", False:
            return messages.NotDeclared(*known, key="territory", limit=f"not in {_list(finding.detail)}")
        case "unknown", _:
            return (messages.LicenceNeeded if denied else messages.LicenceUnknown)(*known)
    return _denial(finding.rule)(*known)


def _denial(rule: str) -> type[messages.Judged]:
    messages = errors.policy
    return {
        "outputs": messages.NotForMoney,
        "commercial": messages.NotForMoney,
        "serve": messages.NotToServe,
        "redistribute": messages.NotToPassOn,
        "derivatives": messages.NoMerges,
        "creator": messages.CreatorForbids,
        "credit": messages.CreditOwed,
    }[rule]


def _laundered(part: Part, rule: Policy, context: Context) -> Iterator[Diagnostic]:
    """An expert that claims a right which what it rests on does not give."""
    rights = wanted(rule, part.copied, part.merged)
    if not rights or (part.base is None and not part.facts.trained_on):
        return
    own = chosen(part.facts, rule, context.licences, copied=part.copied, merged=part.merged)
    for source in _sources(part, context):
        below = chosen(source, rule, context.licences, copied=part.copied, merged=part.merged) or ()
        for right in rights:
            stricter = next((terms for terms in below if terms.answer(right) is not Answer.YES), None)
            if stricter is None or not _claims(part.facts, own, right):
                continue
            spot = place(part.node)
            label = " and ".join(terms.label for terms in own) if own else "its creator allows it"
            yield errors.policy.Laundered(
                spot.span,
                part.facts.kind.value,
                part.facts.id,
                label,
                stricter.reason(right),
                rule.at(WANTED[right][0], "action", "use"),
                spot.trail,
                source=source.id,
                source_licence=stricter.label,
            )
            break


def _claims(facts: ExpertFacts, own: tuple[Terms, ...] | None, right: str) -> bool:
    licensed = own is not None and all(terms.answer(right) is Answer.YES for terms in own)
    flag, said = _FLAG_OF.get(right), facts.permissions
    by_flag = (
        flag is not None and said is not None and said.commercial is not None and flag in said.commercial
    )
    return licensed or by_flag


def _sources(part: Part, context: Context) -> Iterator[ExpertFacts]:
    """What an expert rests on: the base it is fused into, and the one that its metadata says it was trained on."""
    if part.base is not None:
        yield part.base.expert
    span = place(part.node).span
    digest = part.facts.trained_on
    if not digest or span is None:
        return
    if part.base is not None and any(file.sha256 == digest for file in part.base.expert.files):
        return
    try:
        found = context.experts.resolve(Kind.CHECKPOINT, f"sha256:{digest}", span)
    except MosaicError:
        return
    if isinstance(found, ExpertFacts):
        yield found


def _locks(experts: tuple[Node, ...], rule: Policy, context: Context) -> Iterator[Diagnostic]:
    first: tuple[Node, str, str] | None = None
    for node in experts:
        for lock, label in _locks_of(node.expert, rule, context):
            if first is None:
                first = (node, lock, label)
            elif lock != first[1]:
                spot, other = place(node), place(first[0])
                asked = rule.at("action")
                yield errors.policy.LocksDiffer(
                    spot.span, first[0].name, node.name, label, first[2], other.span, asked, spot.trail
                )
                return


def _locks_of(facts: ExpertFacts, rule: Policy, context: Context) -> Iterator[tuple[str, str]]:
    own = chosen(facts, rule, context.licences, copied=True, merged=True) or ()
    for terms in own:
        if terms.lock:
            yield terms.lock, terms.label
    if facts.permissions is not None and facts.permissions.different_license is False and len(own) == 1:
        yield own[0].lock or own[0].key, own[0].label


def _clauses(plan: str, concerned: tuple[Part, ...], rule: Policy, context: Context) -> Iterator[Diagnostic]:
    lines: dict[str, None] = {}
    for part in concerned:
        own = chosen(part.facts, rule, context.licences, copied=part.copied, merged=part.merged)
        for terms in own or ():
            lines.update(dict.fromkeys(f"{terms.label}: {clause}" for clause in terms.clauses))
    if lines:
        yield errors.policy.ForAPerson(rule.span, plan, tuple(lines))


def _list(codes: tuple[str, ...]) -> str:
    *first, last = codes
    return f"{', '.join(first)} and {last}" if first else last
