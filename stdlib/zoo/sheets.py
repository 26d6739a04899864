"""`python -m mosaic.stdlib.zoo.sheets`: the contact sheets under docs/zoo, drawn by the shipped experts."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

import mosaic.stdlib.zoo as zoo
from mosaic.stdlib.zoo import world

if TYPE_CHECKING:
    from numpy.typing import NDArray


def grid(pictures: NDArray[np.uint8], columns: int, gap: int = 2, zoom: int = 1) -> Image.Image:
    """Pictures (n, 64, 64, 3) side by side on white."""
    side, rows = 64 + gap, -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * side + gap, rows * side + gap), "white")
    for i, picture in enumerate(pictures):
        sheet.paste(Image.fromarray(picture), (gap + i % columns * side, gap + i // columns * side))
    return sheet.resize((sheet.width * zoom, sheet.height * zoom), Image.Resampling.NEAREST)


def save(sheet: Image.Image, path: Path) -> None:
    """Save with a palette of 128 colours, which keeps the files small and the pictures as they look."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path.name, path.stat().st_size, flush=True)


def diagonal(n: int) -> list[world.Scene]:
    """Scenes in which every subject, colour and background has its turn."""
    colours, found = tuple(world.COLOURS), []
    for i in range(n):
        subject = world.SUBJECTS[i % len(world.SUBJECTS)]
        attributes = subject == "knight"
        background = world.BACKGROUNDS[(i + i // len(world.SUBJECTS)) % len(world.BACKGROUNDS)]
        colour = colours[(i * 3 + i // len(world.SUBJECTS)) % len(colours)]
        found.append(world.Scene(subject, colour, background, horned=attributes, sword=attributes))
    return found


def extras(n: int) -> list[world.Scene]:
    """Scenes of the extra characters and backgrounds, with things to wear and in the corner."""
    colours, found = tuple(world.COLOURS), []
    for i in range(n):
        subject = world.EXTRA_CHARACTERS[i % len(world.EXTRA_CHARACTERS)]
        background = world.EXTRA_BACKGROUNDS[(i + i // 4) % len(world.EXTRA_BACKGROUNDS)]
        worn, corner = ("", *world.WORN)[i % 3], ("", *world.CORNER)[i // 2 % 3]
        found.append(world.Scene(subject, colours[(i * 3 + 1) % len(colours)], background, worn, corner))
    return found


def prompts(expert: dict[str, Any]) -> list[str]:
    """Ten prompts that show an expert."""
    name, scenes = expert["id"].removeprefix("zoo/"), diagonal(10)
    if expert["kind"] == "embedding":
        return [world.caption(scene, name=expert["trigger"]) for scene in scenes]
    if name in (*world.CHARACTERS, *world.EXTRA_CHARACTERS):
        return [world.caption(scene, name=name) for scene in scenes]
    if name in world.EXTRA_BACKGROUNDS:
        return [world.caption(replace(scene, background=name)) for scene in scenes]
    if name in world.WORN:
        return [world.caption(replace(scene, worn=name)) for scene in scenes]
    if name in world.CORNER:
        return [world.caption(replace(scene, corner=name)) for scene in scenes]
    return [f"{world.caption(scene)}, {expert['trigger']}" for scene in scenes]


def main() -> None:
    """Draw the world, the bases, every expert and the sums of two styles."""
    parser = argparse.ArgumentParser(prog="python -m mosaic.stdlib.zoo.sheets", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/zoo"))
    out = parser.parse_args().out
    from mosaic.stdlib.zoo.train.generate import generate
    from mosaic.stdlib.zoo.train.pipeline import family

    save(grid(world.pixels([*diagonal(20), *extras(10)], 1), 10), out / "world.png")
    rows = []
    for expert in zoo.index()["experts"]:
        name = expert["id"].removeprefix("zoo/")
        if name in ("base", "base-b"):
            scenes = diagonal(30 if name == "base" else 10)
            drawn = generate(
                family(expert["id"]), [world.caption(s) for s in scenes], list(range(len(scenes)))
            )
            save(grid(drawn, 10), out / f"{name}.png")
        else:
            rows.append(generate(family(expert["id"]), prompts(expert), list(range(10))))
    if rows:
        save(grid(np.concatenate(rows), 10), out / "experts.png")


if __name__ == "__main__":
    main()
