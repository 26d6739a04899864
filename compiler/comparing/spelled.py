"""What is compared, as a plan spells it."""

from __future__ import annotations

from mosaic.compiler.comparing.changes import Aspect, Value
from mosaic.compiler.comparing.identity import View
from mosaic.compiler.notation import percent, taking_part
from mosaic.compiler.program import File, Fuse, LoadModel, Operand

_DIGITS = 12


def number(aspect: Aspect, value: Value) -> str:
    """A number of a step by what it means: `50%`, `64x64`, `20`."""
    if value is None:
        return "all that are left" if aspect is Aspect.STEPS else "none"
    if aspect in (Aspect.UNTIL, Aspect.AMOUNT) and isinstance(value, (int, float)):
        return percent(value)
    if isinstance(value, tuple):
        return size(value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def size(value: tuple[object, ...]) -> str:
    """`64x64`."""
    return "x".join(map(str, value))


def setting(value: object) -> str:
    """The value of an operator's setting."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def operator(fusion: Fuse, whole: bool = True) -> str:
    """`ties(density: 0.5)`; not `whole`: the name alone."""
    told = ", ".join(f"{name}: {setting(value)}" for name, value in sorted(fusion.settings.items()))
    return f"{fusion.operator}({told})" if told and whole else fusion.operator


def operand(view: View, given: Operand) -> str:
    """`zoo/neon * 0.8 during 0%..50%`."""
    images = view.program.images
    return taking_part(view.label(given), given.strength, given.window, given.region, images)


def model(view: View, number: int) -> str:
    """`zoo/base with zoo/neon * 0.8, zoo/watercolor * 0.4 by sum`."""
    base, fusions = view.layers(number)
    loaded = view.operation(base)
    assert isinstance(loaded, LoadModel), "a model begins with a checkpoint"
    name = view.program.experts[loaded.expert].id
    for at in fusions:
        fusion = view.operation(at)
        assert isinstance(fusion, Fuse)
        name += f" with {operands(view, fusion)} by {operator(fusion, whole=False)}"
    return name


def operands(view: View, fusion: Fuse) -> str:
    """All of a fusion."""
    return ", ".join(operand(view, each) for each in view.order(fusion)) or "nothing"


def picture(file: File) -> str:
    """A picture's name with the beginning of its digest: names say nothing of bytes."""
    return f"{file.name} ({short(file.sha256)})"


def short(digest: str) -> str:
    """The beginning of a digest."""
    return f"{digest[:_DIGITS]}…"
