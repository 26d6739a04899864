"""What differs in how strongly, where and when an expert or a prompt takes part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mosaic.compiler.comparing.changes import Aspect, Change, Place, Side, Value
from mosaic.compiler.comparing.identity import View
from mosaic.compiler.notation import percent, spelled_region, spelled_window
from mosaic.compiler.program import Mask, Rectangle

Window = tuple[float, float] | None
Region = Rectangle | Mask | None


@dataclass(frozen=True)
class Part:
    """What is said of one that takes part, and where it is written."""

    strength: float = 1.0
    region: Region = None
    window: Window = None
    partial: bool = False
    place: Place | None = None


def infixes(
    views: tuple[View, View], old: Part, new: Part, of: str, at: str = "", strength: Aspect = Aspect.STRENGTH
) -> Iterator[Change]:
    """Between two parts. `strength` is what the number behind `*` is called."""
    for aspect, was, now in (
        (strength, _number(old.strength), _number(new.strength)),
        (Aspect.REGION, _region(views[0], old.region), _region(views[1], new.region)),
        (Aspect.WINDOW, _window(old.window), _window(new.window)),
        (Aspect.PARTIAL, _flag(old.partial), _flag(new.partial)),
    ):
        if was.value != now.value:
            one = Side(was.value, was.text, place=old.place)
            yield Change(aspect, one, Side(now.value, now.text, place=new.place), of, at)


@dataclass(frozen=True)
class _Told:
    value: Value
    text: str


def _number(value: float) -> _Told:
    return _Told(value, f"{value:.12g}")


def _window(window: Window) -> _Told:
    return _Told(window, spelled_window(window) if window else "the whole run")


def _region(view: View, region: Region) -> _Told:
    if region is None:
        return _Told(None, "the whole canvas")
    text = spelled_region(region, view.program.images)
    if isinstance(region, Mask):  # a name says nothing of bytes
        return _Told(f"{view.program.images[region.file].sha256} {percent(region.feather)}", text)
    return _Told(text, text)


def _flag(value: bool) -> _Told:
    return _Told(value, str(value).lower())
