"""How well interference foretells what two adapters lose in a plain sum, over the zoo, and how long it takes.

`--score FILE` draws pictures with every pair of the zoo's LoRAs (or of those named by `--of`) at strength one and
keeps in FILE the share that shows what both stand for (minutes); two that want the same place in the picture make no
pair. `--table FILE` prints those figures beside the measures; `--sum` does the same
for one sum of any strengths; `--write` puts the measures of all pairs into the zoo's index. Without any of them it
prints how long measuring takes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mosaic.catalog.edges import RELATION, to_json
from mosaic.catalog.interference import interference
from mosaic.stdlib import zoo
from mosaic.stdlib.zoo import sets, world
from mosaic.stdlib.zoo.score import TESTS, Test, Trial, every, held_out, run_trial, styled

PROMPTS = 70


def adapters() -> dict[str, Path]:
    """The zoo's LoRAs by id."""
    return {
        expert["id"]: zoo.root() / expert["files"][0]["path"]
        for expert in zoo.index()["experts"]
        if expert["kind"] == "lora"
    }


PLACES = {"character": "subject", "clothes": "worn", "background": "background", "object": "corner"}
"""The attribute of a scene that an adapter of a category sets; styles have none, since a picture may have several."""


def place(name: str) -> str | None:
    """The attribute of a scene that is the adapter's own."""
    return next((PLACES.get(category) for category, names in sets.CATEGORIES.items() if name in names), None)


def shown(name: str) -> Test:
    """Whether a picture shows what one adapter stands for."""
    attribute = place(name)
    return styled(name) if attribute is None else lambda scene, seen: getattr(seen, attribute) == name


def scene_with(scene: world.Scene, names: tuple[str, ...]) -> world.Scene:
    """The scene as its caption has to describe it."""
    change: dict[str, Any] = {attribute: name for name in names if (attribute := place(name))}
    return replace(scene, **change, **({"horned": False, "sword": False} if "subject" in change else {}))


def pairs(ids: Sequence[str]) -> list[tuple[str, ...]]:
    """Every two adapters that one picture can show."""
    places = {id: place(id.removeprefix("zoo/")) for id in ids}
    return [(a, b) for a, b in itertools.combinations(ids, 2) if places[a] is None or places[a] != places[b]]


def score(out: Path, prompts: int, ids: Sequence[str]) -> None:
    """Score every pair and every single adapter on the same scenes; FILE is written after each."""
    rows: list[dict[str, Any]] = json.loads(out.read_text()) if out.exists() else []
    done = [row["ids"] for row in rows]
    for chosen in (*pairs(ids), *((id,) for id in ids)):
        if list(chosen) not in done:
            rows.append({"ids": list(chosen), "scores": summed(dict.fromkeys(chosen, 1.0), prompts)})
            out.write_text(json.dumps(rows, indent=1) + "\n")


def summed(strengths: Mapping[str, float], prompts: int) -> dict[str, Any]:
    """Draw with a sum of adapters (ids to strengths), and give the shares that show each, all, and the rest right."""
    import torch

    from mosaic.stdlib.zoo.checker import Checker
    from mosaic.stdlib.zoo.train.pipeline import family

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    names = tuple(id.removeprefix("zoo/") for id in strengths)
    scenes = [scene_with(scene, names) for scene in held_out(prompts, 2026)]
    styles = "".join(f", {name} style" for name in names if name in world.STYLES)
    captions = [world.caption(scene) + styles for scene in scenes]
    tests = {**{name: shown(name) for name in names}, "all": every(*map(shown, names))}
    trial = Trial(scenes, captions, {**tests, "right": TESTS["subject and colour"]})
    scores = run_trial(family("zoo/base", dict(strengths)), trial, Checker(), seeds=1)
    shares = ", ".join(f"{test} {scores[test]['share']:.2f}" for test in (*tests, "right"))
    print(
        " + ".join(f"{id} * {strength:g}" for id, strength in strengths.items()) + f": {shares}", flush=True
    )
    return scores


def table(scored: Path) -> None:
    """Print measures beside what pictures showed, as Markdown. `alone` is the product of both single shares."""
    rows = {tuple(row["ids"]): row["scores"] for row in json.loads(scored.read_text())}
    print("| pair | cosine | overlap | by chance | conflict | each alone | both in the sum |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    paths = adapters()
    for pair in sorted((ids for ids in rows if len(ids) == 2), key=lambda pair: rows[pair]["all"]["share"]):
        found = interference(*(paths[id] for id in pair))
        assert found is not None
        names = " + ".join(id.removeprefix("zoo/") for id in pair)
        alone = " / ".join(f"{rows[(id,)]['all']['share']:.2f}" for id in pair)
        both = rows[pair]["all"]
        print(
            f"| {names} | {found.cosine:+.3f} | {found.overlap:.3f} | {found.overlap / found.chance:.2f} × "
            f"| {found.conflict:.2f} | {alone} | {both['share']:.2f} [{both['low']:.2f}, {both['high']:.2f}] |"
        )


def write() -> None:
    """Put the measures of every pair into the zoo's index."""
    path = zoo.root() / "index.json"
    index = json.loads(path.read_text())
    found = {pair: interference(*pair) for pair in itertools.combinations(adapters().values(), 2)}
    ids = {path: id for id, path in adapters().items()}
    edges = [
        {"relation": RELATION, "first": ids[first], "second": ids[second], "value": to_json(value)}
        for (first, second), value in found.items()
        if value is not None
    ]
    training = index.pop("training")  # stays the last
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({**index, "edges": edges, "training": training}, indent=1) + "\n")
    temporary.replace(path)


def times() -> None:
    """Print how long a pair takes: the zoo's, and two of an SDXL adapter's size at rank 32."""
    paths = list(adapters().values())
    print(f"{'zoo, rank 8, 72 modules, 2 × 0.5 MB':<44}{_taken(paths[0], paths[1]):>8.1f} ms")
    with tempfile.TemporaryDirectory() as folder:
        made = [_large(Path(folder) / f"{seed}.safetensors", seed) for seed in (1, 2)]
        size = made[0].stat().st_size / 1e6
        print(f"{f'SDXL-like, rank 32, 722 modules, 2 × {size:.0f} MB':<44}{_taken(*made):>8.1f} ms")


def _taken(first: Path, second: Path) -> float:
    interference(first, second)
    started = time.perf_counter()
    interference(first, second)
    return 1000 * (time.perf_counter() - started)


def _large(path: Path, seed: int) -> Path:
    import numpy as np
    from safetensors.numpy import save_file

    random = np.random.default_rng(seed)
    tensors = {}
    for number in range(722):
        wide, out = ((640, 640), (1280, 1280), (2048, 1280), (1280, 5120))[number % 4]
        name = f"unet.blocks.{number}.to_q.lora"
        tensors[f"{name}.down.weight"] = random.normal(size=(32, wide)).astype(np.float16)
        tensors[f"{name}.up.weight"] = random.normal(size=(out, 32)).astype(np.float16)
    save_file(tensors, path)
    return path


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_interference", description=__doc__)
    parser.add_argument("--score", type=Path, help="draw pictures and write what was read from them")
    parser.add_argument("--of", metavar="ID,…", help="the adapters to pair (default: all)")
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    parser.add_argument("--table", type=Path, help="print what was scored beside the measures")
    parser.add_argument("--write", action="store_true", help="put the measures into the zoo's index")
    parser.add_argument("--sum", metavar="ID=STRENGTH,…", help="draw with one sum, and print what was read")
    chosen = parser.parse_args()
    if chosen.score:
        score(chosen.score, chosen.prompts, chosen.of.split(",") if chosen.of else list(adapters()))
    if chosen.table:
        table(chosen.table)
    if chosen.write:
        write()
    if chosen.sum:
        terms = [term.partition("=") for term in chosen.sum.split(",")]
        summed({id: float(strength or 1) for id, _, strength in terms}, chosen.prompts)
    if not (chosen.score or chosen.table or chosen.write or chosen.sum):
        times()


if __name__ == "__main__":
    main()
