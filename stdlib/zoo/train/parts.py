"""Scores of the parts that are no experts: the autoencoders' reconstructions and the checker itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

import mosaic.stdlib.zoo as zoo
from mosaic.stdlib.zoo import checker, sets, world
from mosaic.stdlib.zoo.train import check, pipeline, vae
from mosaic.stdlib.zoo.train.common import draw_all, to_pictures, to_tensor


def agreement(scenes: list[world.Scene], seen: list[checker.Reading]) -> dict[str, float]:
    """The share of right readings of each kind."""
    kinds = ("subject", "colour", "background", "worn", "corner", "horned", "sword")
    pairs = list(zip(scenes, seen, strict=True))
    scores = {k: sum(getattr(s, k) == getattr(r, k) for s, r in pairs) / len(pairs) for k in kinds}
    for style in world.STYLES:
        scores[style] = sum((style in s.styles) == (style in r.styles) for s, r in pairs) / len(pairs)
    return {kind: round(value, 4) for kind, value in scores.items()}


def confusion(scenes: list[world.Scene], seen: list[checker.Reading]) -> list[str]:
    """The most frequent wrong readings, like "subject: dog read as cat (3)"."""
    wrong: Counter[str] = Counter()
    for scene, reading in zip(scenes, seen, strict=True):
        for kind in ("subject", "colour", "background", "worn", "corner"):
            told, found = getattr(scene, kind), getattr(reading, kind)
            if told != found:
                wrong[f"{kind}: {told or 'nothing'} read as {found or 'nothing'}"] += 1
    return [f"{what} ({count})" for what, count in wrong.most_common(10)]


def score_checker(reader: checker.Checker, n: int = 1000) -> dict[str, Any]:
    """The checker on pictures of everything and on those of the benchmark's sets, drawn and reconstructed."""
    images, scenes = check.held_out(n, world.wide_scene)
    asked = [made.scene for made in sets.composition_sets() for _ in range(2)]
    model = vae.load(pipeline.folder("zoo/base", "vae"))
    result: dict[str, Any] = {}
    for name, held, told in (
        ("", images, scenes),
        ("sets ", to_tensor(draw_all(asked, 991_000_000)), asked),
    ):
        again = vae.decode(model, vae.encode(model, held))
        for kind, pictures in (("drawn", held), ("reconstructed", again)):
            seen = reader.read(to_pictures(pictures))
            result[name + kind] = agreement(told, seen)
            result[f"{name}{kind} confusion"] = confusion(told, seen)
    return result


def score_parts(reader: checker.Checker, n: int = 1000) -> dict[str, Any]:
    """PSNR of both autoencoders, plain, by style and over what they have not seen; the checker's own scores."""
    images, scenes = check.held_out(n)
    result: dict[str, Any] = {"pictures": n, "checker": score_checker(reader, n)}
    wide, wider = check.held_out(n, world.wide_scene)
    new = [i for i, s in enumerate(wider) if not s.styles and _unseen(s)]
    for name in ("zoo/base", "zoo/base-b"):
        if not any(expert["id"] == name for expert in zoo.index()["experts"]):
            continue
        model = vae.load(pipeline.folder(name, "vae"))
        values = vae.psnr_each(model, images)
        groups = {"all": list(range(n)), "plain": [i for i, s in enumerate(scenes) if not s.styles]}
        groups |= {style: [i for i, s in enumerate(scenes) if s.styles == (style,)] for style in world.STYLES}
        psnr = {key: round(float(values[rows].mean()), 2) for key, rows in groups.items()}
        result[f"psnr {name}"] = psnr | {
            "plain extras": round(float(vae.psnr_each(model, wide[new]).mean()), 2)
        }
    return result


def _unseen(scene: world.Scene) -> bool:
    return scene.subject in world.EXTRA_CHARACTERS or scene.background in world.EXTRA_BACKGROUNDS
