"""What follows for whoever uses the results: what they may be used for, what is owed, how they are rated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from mosaic.compiler.comparing.changes import Aspect, Change, Side, between
from mosaic.compiler.comparing.identity import pair_experts
from mosaic.compiler.comparing.meaning import Version
from mosaic.compiler.policy.permitted import Permitted
from mosaic.compiler.program import Program

USES: Final = {
    "commercial": "commercial use",
    "serve": "offering it as a service",
    "redistribute": "passing on what is emitted",
}
"""What may be asked of a licence, in words."""
_WORST: Final = ("", "allowed", "undeclared", "contested", "unknown", "denied")
_OWED: Final = (
    (Aspect.CREDIT, "credit"),
    (Aspect.NOTICE, "notices"),
    (Aspect.RESTRICTION, "restrictions"),
    (Aspect.SHARE_ALIKE, "share_alike"),
)


def rights(old: Version, new: Version) -> Iterator[Change]:
    """Between what two versions of a plan allow and owe."""
    before, after = old.meaning, new.meaning
    for i, j in pair_experts(before.experts, after.experts):
        one, other = before.experts[i], after.experts[j]
        if one.license != other.license:
            sides = (Side(each.license, each.license or "not known") for each in (one, other))
            yield between(Aspect.LICENCE, sides, of=other.id)
    if old.permitted is not None and new.permitted is not None:
        for was, now in zip(old.permitted, new.permitted, strict=True):
            if was != now:
                yield Change(Aspect.PERMITTED, _use(was), _use(now), of=USES[was.use])
    if _verdict(before) != _verdict(after):
        yield between(Aspect.VERDICT, (_side(_verdict(each)) for each in (before, after)))
    if before.rights.rating != after.rights.rating:
        ratings = (each.rights.rating for each in (before, after))
        yield between(Aspect.RATING, (Side(each, each or "not known") for each in ratings))
    for aspect, name in _OWED:
        yield from _lines(aspect, _owed(before, name), _owed(after, name))


def _use(permitted: Permitted) -> Side:
    who = dict.fromkeys(expert for expert, _ in permitted.because)
    why = dict.fromkeys(reason for _, reason in permitted.because)
    text = f"{permitted.standing} ({', '.join(who)})" if who else permitted.standing
    return Side(permitted.standing, text, "; ".join(why))


def _verdict(program: Program) -> str:
    """What the policy says of the worst of the experts; empty without a policy."""
    return max((duty.verdict for duty in program.rights.duties), key=_WORST.index, default="")


def _side(verdict: str) -> Side | None:
    return Side(verdict, verdict) if verdict else None


def _owed(program: Program, name: str) -> list[str]:
    """Every line that is owed by some expert, once, in order."""
    found: list[str] = []
    for duty in program.rights.duties:
        said = getattr(duty, name)
        found += [said] if isinstance(said, str) else said
    return [line for line in dict.fromkeys(found) if line]


def _lines(aspect: Aspect, old: Sequence[str], new: Sequence[str]) -> Iterator[Change]:
    yield from (Change(aspect, Side(line, line), None) for line in old if line not in new)
    yield from (Change(aspect, None, Side(line, line)) for line in new if line not in old)
