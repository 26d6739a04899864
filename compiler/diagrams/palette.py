"""Colours of boxes by light and by dark ground.

Costs go through one hue (blue, from pale to deep on white, from deep to pale on black), so that they can be told apart
by lightness alone. Sources are blue, orange and no hue at all, which people with any colour blindness keep apart; the
box says the word too. Text has a contrast of at least 4.5 to 1 on each (WCAG 2.1, 1.4.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Paint:
    """Fill, line and text of a box, as #rrggbb."""

    fill: str
    line: str
    text: str


LIGHT: Final = {
    "cost0": Paint("#f2f7fd", "#9fb3c8", "#14202b"),
    "cost1": Paint("#d3e4f5", "#86a5c4", "#14202b"),
    "cost2": Paint("#a3c8e8", "#5f8db5", "#14202b"),
    "cost3": Paint("#2f76b8", "#1d5589", "#ffffff"),
    "cost4": Paint("#0b3c70", "#062548", "#ffffff"),
    "unknown": Paint("#ececec", "#a0a0a0", "#222222"),
    "computed": Paint("#ffffff", "#7b8794", "#14202b"),
    "shared": Paint("#ffdca3", "#c07f10", "#14202b"),
    "cached": Paint("#a9d3f5", "#3c7fb5", "#14202b"),
    "unused": Paint("#e4e4e4", "#a0a0a0", "#454545"),
    "expert": Paint("#f7f5ee", "#b3ab90", "#3a3526"),
}
DARK: Final = {
    "cost0": Paint("#16212d", "#3d5268", "#dbe5ee"),
    "cost1": Paint("#17334f", "#3f6388", "#dbe5ee"),
    "cost2": Paint("#1d5080", "#4d84b8", "#ffffff"),
    "cost3": Paint("#6fb1e8", "#a8d2f5", "#08121c"),
    "cost4": Paint("#d6eafb", "#ffffff", "#08121c"),
    "unknown": Paint("#333333", "#707070", "#dddddd"),
    "computed": Paint("#1b232b", "#7b8794", "#e6edf3"),
    "shared": Paint("#6e4500", "#dd9a2b", "#ffffff"),
    "cached": Paint("#154a75", "#5aa3dd", "#ffffff"),
    "unused": Paint("#2b2b2b", "#606060", "#b5b5b5"),
    "expert": Paint("#2a271d", "#6d6650", "#e2dcc8"),
}
