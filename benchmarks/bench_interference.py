"""How well interference foretells what two adapters lose in a plain sum, over the zoo, and how long it takes.

`--score FILE` draws pictures with every pair of the zoo's LoRAs at strength one and keeps in FILE the share that
shows what both stand for (minutes); `--table FILE` prints those figures beside the measures. Without either it
prints the time that measuring takes.
"""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from mosaic.stdlib import zoo
from mosaic.stdlib.zoo import world
from mosaic.stdlib.zoo.score import TESTS, Test, Trial, every, held_out, run_trial, styled

PROMPTS = 70


def adapters() -> dict[str, Path]:
    """The zoo's LoRAs by id."""
    return {
        expert["id"]: zoo.root() / expert["files"][0]["path"]
        for expert in zoo.index()["experts"]
        if expert["kind"] == "lora"
    }


def shown(name: str) -> Test:
    """Whether a picture shows what one adapter stands for."""
    if name == "hat":
        return lambda scene, seen: seen.worn == "hat"
    if name == "star":
        return lambda scene, seen: seen.corner == "star"
    return styled(name)


def scene_with(scene: world.Scene, names: tuple[str, ...]) -> world.Scene:
    """The scene as its caption has to describe it."""
    scene = replace(scene, worn="hat") if "hat" in names else scene
    return replace(scene, corner="star") if "star" in names else scene


def score(out: Path, prompts: int) -> None:
    """Score every pair and every single adapter on the same scenes; FILE is written after each."""
    import torch

    from mosaic.stdlib.zoo.checker import Checker
    from mosaic.stdlib.zoo.train.pipeline import family

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    checker = Checker()
    rows: list[dict[str, Any]] = json.loads(out.read_text()) if out.exists() else []
    done = [row["ids"] for row in rows]
    plain = held_out(prompts, 2026)
    ids = list(adapters())
    for chosen in (*itertools.combinations(ids, 2), *((id,) for id in ids)):
        if list(chosen) in done:
            continue
        names = tuple(id.removeprefix("zoo/") for id in chosen)
        scenes = [scene_with(scene, names) for scene in plain]
        styles = "".join(f", {name} style" for name in names if name in world.STYLES)
        captions = [world.caption(scene) + styles for scene in scenes]
        tests = {**{name: shown(name) for name in names}, "all": every(*map(shown, names))}
        trial = Trial(scenes, captions, {**tests, "right": TESTS["subject and colour"]})
        scores = run_trial(family("zoo/base", dict.fromkeys(chosen, 1.0)), trial, checker, seeds=1)
        rows.append({"ids": list(chosen), "scores": scores})
        out.write_text(json.dumps(rows, indent=1) + "\n")
        print(*names, {test: value["share"] for test, value in scores.items()}, flush=True)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_interference", description=__doc__)
    parser.add_argument("--score", type=Path, help="draw pictures and write what was read from them")
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    chosen = parser.parse_args()
    if chosen.score:
        score(chosen.score, chosen.prompts)


if __name__ == "__main__":
    main()
