"""What the generators share: a mistake among operands that are none."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.corpus.scene import Scene, Use
from benchmarks.corpus.world import World


def clean(world: World, name: str, most: int = 2) -> list[Use]:
    """Up to some LoRAs that fit a base of an architecture."""
    count = world.random.randint(0, most)
    return [Use(world.lora(name), world.random.choice((None, 0.5, 0.8))) for _ in range(count)]


def among(world: World, name: str, use: Use, what: str = "use") -> Scene:
    """A scene where one operand among others is the mistake."""
    others = clean(world, name)
    place = world.random.randint(0, len(others))
    return Scene(world.base(name), [*others[:place], use, *others[place:]], mark=f"{what}:{place}")


def sound(scene: Scene) -> Scene:
    """The same without a mistake to point at."""
    return replace(scene, mark="")
