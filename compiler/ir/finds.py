"""What became of a `find`: the expert that was chosen, and why; or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.compiler.source import Span


@dataclass(frozen=True)
class Find:
    """A `find` of a plan. `chosen` is an expert's id, empty where nothing fits.

    `others` are the ids of the candidates behind the chosen one, `refused` those before it that may not be used,
    each with its reason ("zoo/film: made for sdxl"). `families` are those of the bases that it is fused into.
    """

    words: str
    kind: str
    chosen: str
    reason: str
    others: tuple[str, ...] = ()
    span: Span | None = None
    refused: tuple[str, ...] = ()
    families: tuple[str, ...] = ()


def spelling(kind: str, words: str) -> str:
    """A `find` as a plan writes it; stands for a parameter's value until the expert is known."""
    return f'find({kind}, "{words}")'
