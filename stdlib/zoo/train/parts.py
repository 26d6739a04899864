"""Scores of the parts that are no experts: the autoencoders' reconstructions and the checker itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

import mosaic.stdlib.zoo as zoo
from mosaic.stdlib.zoo import checker, world
from mosaic.stdlib.zoo.train import check, pipeline, vae
from mosaic.stdlib.zoo.train.common import to_pictures


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


def score_parts(reader: checker.Checker, n: int = 1000) -> dict[str, Any]:
    """PSNR of both autoencoders, plain and by style, and the checker on drawn and reconstructed pictures."""
    images, scenes = check.held_out(n)
    result: dict[str, Any] = {"pictures": n}
    drawn = reader.read(to_pictures(images))
    result["checker"] = {"drawn": agreement(scenes, drawn), "drawn confusion": confusion(scenes, drawn)}
    for name in ("zoo/base", "zoo/base-b"):
        if not any(expert["id"] == name for expert in zoo.index()["experts"]):
            continue
        model = vae.load(pipeline.folder(name, "vae"))
        values = vae.psnr_each(model, images)
        groups = {"all": list(range(n)), "plain": [i for i, s in enumerate(scenes) if not s.styles]}
        groups |= {style: [i for i, s in enumerate(scenes) if s.styles == (style,)] for style in world.STYLES}
        result[f"psnr {name}"] = {key: round(float(values[rows].mean()), 2) for key, rows in groups.items()}
        if name == "zoo/base":
            again = reader.read(to_pictures(vae.decode(model, vae.encode(model, images))))
            result["checker"]["reconstructed"] = agreement(scenes, again)
            result["checker"]["reconstructed confusion"] = confusion(scenes, again)
    return result
