"""How a plan spells what a program holds: strengths, regions, windows, sizes."""

from __future__ import annotations

from collections.abc import Sequence

from mosaic.compiler.program import File, Mask, Rectangle


def taking_part(
    name: str,
    strength: float,
    window: tuple[float, float] | None,
    region: Rectangle | Mask | None,
    images: Sequence[File],
    *,
    always: bool = False,
) -> str:
    """What takes part, how strongly, where and when: `zoo/neon * 0.5 in rect(0%, 0%, 50%, 100%) during 0%..50%`.
    Without `always` a strength of 1 is left out.
    """
    much = f" * {strength:g}" if always or strength != 1 else ""
    where = f" in {spelled_region(region, images)}" if region is not None else ""
    when = f" during {spelled_window(window)}" if window is not None else ""
    return f"{name}{much}{where}{when}"


def spelled_region(region: Rectangle | Mask, images: Sequence[File]) -> str:
    """`rect(0%, 0%, 50%, 100%, feather: 5%)` or `mask("m.png")`."""
    soft = f", feather: {percent(region.feather)}" if region.feather else ""
    match region:
        case Rectangle():
            edges = (region.x, region.y, region.width, region.height)
            return f"rect({', '.join(map(percent, edges))}{soft})"
        case Mask():
            return f'mask("{images[region.file].name}"{soft})'


def spelled_window(window: tuple[float, float]) -> str:
    """`0%..50%`."""
    return f"{percent(window[0])}..{percent(window[1])}"


def percent(fraction: float) -> str:
    """
    >>> percent(0.125)
    '12.5%'
    """
    return f"{100 * fraction:.6g}%"
