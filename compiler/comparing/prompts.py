"""What differs between two prompts: the texts, and where, when and how much each of them counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from mosaic.compiler.comparing.changes import Aspect, Change, Place, Side, between
from mosaic.compiler.comparing.identity import View
from mosaic.compiler.comparing.infixes import Part, infixes
from mosaic.compiler.comparing.meaning import Written
from mosaic.compiler.comparing.pairing import by_likeness
from mosaic.compiler.program import CombinePrompts, EncodeText


@dataclass(frozen=True)
class Prompt:
    """One text of a prompt, and what is said of it."""

    text: str
    part: Part


def parts(view: View, conditioning: int, place: Place | None) -> tuple[Prompt, ...]:
    """The texts of a prompt, in order."""
    operation = view.operation(conditioning)
    if isinstance(operation, EncodeText):
        own = view.version.at(conditioning).whole
        return (Prompt(operation.text, Part(place=own or place)),)
    assert isinstance(operation, CombinePrompts), "what conditions a run is text"
    inputs = view.version.at(conditioning).inputs
    found = []
    for at, each in enumerate(operation.parts):
        encoded = view.operation(each.conditioning)
        assert isinstance(encoded, EncodeText), "prompts are not nested"
        own = inputs[at] if at < len(inputs) else None
        part = Part(each.weight, each.region, each.window, place=own or place)
        found.append(Prompt(encoded.text, part))
    return tuple(found)


def prompts(
    aspect: Aspect,
    label: str,
    views: tuple[View, View],
    pair: tuple[int, int],
    written: tuple[Written, Written],
    at: int,
) -> Iterator[Change]:
    """Between two prompts (or negative prompts) of one step; `at` is the prompt's place among the step's inputs."""
    before, after = (
        parts(view, number, _default(here, at))
        for view, number, here in zip(views, pair, written, strict=True)
    )
    several = len(before) > 1 or len(after) > 1
    pairs = by_likeness(before, after, _likeness)
    for i, j in pairs:
        one, other = (before[i] if i is not None else None), (after[j] if j is not None else None)
        if one is None or other is None:
            yield Change(aspect, _told(one), _told(other), at=label)
            continue
        if one.text != other.text:
            yield Change(aspect, _told(one), _told(other), at=label)
        of = f"“{other.text}”" if several else str(aspect)
        yield from infixes(views, one.part, other.part, of, label, Aspect.WEIGHT)
    kept = [(i, j) for i, j in pairs if i is not None and j is not None]
    ordered = sorted(kept, key=lambda pair: pair[1])
    if sorted(kept) != ordered:
        was = tuple(before[i].text for i, _ in sorted(kept))
        now = tuple(after[j].text for _, j in ordered)
        sides = (
            Side(texts, ", ".join(f"“{text}”" for text in texts), place=given[0].part.place)
            for texts, given in ((was, before), (now, after))
        )
        yield between(Aspect.ORDER, sides, of=str(aspect), at=label)


def _told(prompt: Prompt | None) -> Side | None:
    return None if prompt is None else Side(prompt.text, prompt.text, place=prompt.part.place)


def _likeness(one: Prompt, other: Prompt) -> float:
    alike = SequenceMatcher(None, one.text.split(), other.text.split(), autojunk=False).ratio()
    return 0.01 + alike + (_where(one) == _where(other)) / 8


def _default(written: Written, at: int) -> Place | None:
    return written.inputs[at] if at < len(written.inputs) else written.whole


def _where(prompt: Prompt) -> tuple[object, object]:
    return prompt.part.region, prompt.part.window
