"""What differs in the experts themselves: their bytes under one name, their name over the same bytes."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler.comparing.changes import Aspect, Change, Side, between
from mosaic.compiler.comparing.files import changed_files
from mosaic.compiler.comparing.identity import content, digest, pair_experts
from mosaic.compiler.comparing.meaning import Version
from mosaic.compiler.comparing.spelled import short
from mosaic.compiler.program import Expert


def experts(old: Version, new: Version) -> Iterator[Change]:
    """Of experts that both sides use. One that only one side uses is told where it is used."""
    before, after = old.meaning.experts, new.meaning.experts
    for i, j in pair_experts(before, after):
        one, other = before[i], after[j]
        if one.id != other.id:
            yield Change(Aspect.EXPERT_NAME, Side(one.id, one.id), Side(other.id, other.id), of=other.id)
        if content(one) != content(other):
            said = ", ".join(changed_files(one.files, other.files, (old.tensors, new.tensors)))
            yield Change(Aspect.EXPERT_BYTES, _side(one), _side(other, said), of=other.id)
        if one.trigger != other.trigger:
            sides = (
                Side(each.trigger, f"“{each.trigger}”" if each.trigger else "none") for each in (one, other)
            )
            yield between(Aspect.TRIGGER, sides, of=other.id)


def _side(expert: Expert, reason: str = "") -> Side:
    of = digest(expert)
    return Side(of, short(of), reason)
