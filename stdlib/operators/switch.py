"""The operator `switch`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from mosaic.compiler.operators import Acts, Bounds, Law, operator
from mosaic.compiler.types import Kind


@operator(
    acts=Acts.SCHEDULE,
    accepts=(Kind.LORA, Kind.CHECKPOINT, Kind.MODEL),
    laws=(Law.IDENTITY_AT_ZERO,),
    weighs="aware",
)
def switch(
    total: int,
    windows: Sequence[tuple[int, int]],
    shares: Sequence[float],
    *,
    period: Annotated[int, Bounds(1)] = 1,
    aware: bool = False,
    last: Annotated[int, Bounds(0)] = 0,
) -> Sequence[int]:
    """Experts take turns in the order in which they are written: each denoises `period` steps, alone, at its strength.

    LoRA Switch (Zhong et al. 2024, arXiv:2402.16843, section 3.1). At step `k` it is the turn of number `⌊k / period⌋
    mod n` of the `n` experts whose window is open at `k`; where none is, the base denoises. One evaluation a step,
    whatever the number of experts.

    `aware: true` gives each expert steps by how much its trigger words mean in the prompt: one minus the cosine
    between the mean encodings of the prompt with and without them, as W-Switch does (Tsoumplekas et al. 2026,
    arXiv:2606.03792). There turns are longer for some (`max(1, round(w_i / max w · period))` steps). Here turns keep
    their length and come more often: the next one goes to the expert that is furthest behind its share, so that
    shares are kept to within a turn at every moment.

    `last` steps at the end go to the expert that is written first (W-Switch: the last five to the character).

    `windows` are (first, end) steps, `shares` add up to one; the result names for each of `total` steps the expert, or
    -1 for the base.
    """
    taken = [0] * len(windows)
    turns: list[int] = []
    on_turn, left = -1, 0
    for step in range(total):
        present = [i for i, (first, end) in enumerate(windows) if first <= step < end]
        if not present:
            turns.append(-1)
            left = 0
            continue
        if 0 in present and step >= total - last:
            turns.append(0)
            continue
        if not aware:
            turns.append(present[step // period % len(present)])
            continue
        if left == 0 or on_turn not in present:
            whole = sum(shares[i] for i in present)
            due = sum(taken[i] for i in present) + period
            behind = [shares[i] / whole * due - taken[i] for i in present]
            # Of equals, the one that is written first.
            on_turn, left = present[behind.index(max(behind))], period
        turns.append(on_turn)
        taken[on_turn] += 1
        left -= 1
    return turns
