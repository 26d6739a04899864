"""`python -m mosaic.stdlib.zoo.score`: draws held-out prompts with every expert and scores them."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import mosaic.stdlib.zoo as zoo
from mosaic.stdlib.zoo import world
from mosaic.stdlib.zoo.checker import Checker, Reading

if TYPE_CHECKING:
    from mosaic.stdlib.zoo.train.generate import Family

GUIDANCE: Final = 3.0
SEEDS: Final = 3
Test = Callable[[world.Scene, Reading], bool]


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    share, square = hits / n, z * z
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = z / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def share(hits: list[bool]) -> dict[str, Any]:
    """The share of hits with its interval and number, rounded for the table."""
    low, high = wilson(sum(hits), len(hits))
    return {
        "share": round(sum(hits) / len(hits), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "n": len(hits),
    }


def styled(*styles: str) -> Test:
    """All the styles are there."""
    return lambda scene, seen: all(style in seen.styles for style in styles)


def every(*tests: Test) -> Test:
    """All the tests hold."""
    return lambda scene, seen: all(test(scene, seen) for test in tests)


TESTS: Final[dict[str, Test]] = {
    "subject": lambda scene, seen: seen.subject == scene.subject,
    "colour": lambda scene, seen: seen.colour == scene.colour,
    "subject and colour": lambda scene, seen: (seen.subject, seen.colour) == (scene.subject, scene.colour),
    "background": lambda scene, seen: seen.background == scene.background,
}
ATTRIBUTES: Final[Test] = lambda scene, seen: (seen.horned, seen.sword) == (scene.horned, scene.sword)  # noqa: E731


@dataclass(frozen=True, slots=True)
class Trial:
    """Prompts for one expert: the scenes that they describe and what is asked of the pictures."""

    scenes: list[world.Scene]
    captions: list[str]
    tests: dict[str, Test]


def held_out(n: int, seed: int) -> list[world.Scene]:
    """`n` random plain scenes, knights as often as the others."""
    rng = Random(seed)
    made: list[world.Scene] = []
    while len(made) < n:
        scene = world.base_scene(rng)
        if scene.subject != "knight" or rng.random() < 1 / 3:
            made.append(scene)
    return made


def trials(n_base: int, n_expert: int) -> dict[str, Trial]:
    """The prompts of every expert, all of the full form, drawn from seeds that no training uses."""
    base, plain = held_out(n_base, 2024), held_out(n_expert, 2025)
    captions = [world.caption(scene) for scene in base]
    few, few_captions = base[:n_expert], captions[:n_expert]
    found = {"zoo/base": Trial(base, captions, TESTS), "zoo/base-b": Trial(few, few_captions, TESTS)}
    for style in world.STYLES:
        words = [f"{world.caption(scene)}, {style} style" for scene in plain]
        found[f"zoo/{style}"] = Trial(plain, words, {"style": styled(style), **TESTS})
    worn: Test = lambda scene, seen: seen.worn == scene.worn  # noqa: E731
    corner: Test = lambda scene, seen: seen.corner == scene.corner  # noqa: E731

    def add(name: str, skill: str, test: Test, **change: object) -> None:
        scenes = [replace(scene, **change) for scene in plain]  # type: ignore[arg-type]
        words = [world.caption(scene) for scene in scenes]
        found[f"zoo/{name}"] = Trial(scenes, words, {skill: test, **TESTS})

    for name in world.WORN:
        add(name, name, worn, worn=name)
    for name in world.CORNER:
        add(name, name, corner, corner=name)
    for name in (*world.CHARACTERS, *world.EXTRA_CHARACTERS):
        add(name, "character", TESTS["subject"], subject=name, horned=False, sword=False)
    for name in world.EXTRA_BACKGROUNDS:
        add(name, "place", TESTS["background"], background=name)
    figures = [replace(scene, subject="knight", horned=True, sword=True) for scene in plain]
    concept: dict[str, Test] = {"concept": lambda scene, seen: seen.concept}
    token = [world.caption(s, name=world.CONCEPT_TOKEN) for s in figures]
    found["zoo/samurai"] = Trial(figures, token, {**concept, **TESTS})
    return found


SUMS: Final = (
    ("neon", "watercolor", ((1.0, 1.0), (0.7, 0.7), (1.0, 0.5), (0.5, 1.0))),
    ("tiles", "sketch", ((1.0, 1.0), (0.7, 0.7))),
    ("neon", "tiles", ((1.0, 1.0), (0.7, 0.7))),
    ("watercolor", "sketch", ((1.0, 1.0), (0.7, 0.7))),
)
"""Pairs of styles with the strengths at which their plain sum is scored."""


def run_trial(
    family: Family, trial: Trial, checker: Checker, seeds: int = SEEDS, guidance: float = GUIDANCE
) -> dict[str, Any]:
    """Draw every prompt with every seed and score the pictures."""
    from mosaic.stdlib.zoo.train.generate import generate

    captions, scenes = trial.captions * seeds, trial.scenes * seeds
    numbers = [
        10_000 * (1 + i // len(trial.captions)) + i % len(trial.captions) for i in range(len(captions))
    ]
    seen = checker.read(generate(family, captions, numbers, guidance))
    pairs = list(zip(scenes, seen, strict=True))
    scores = {
        name: share([test(scene, reading) for scene, reading in pairs]) for name, test in trial.tests.items()
    }
    knights = [ATTRIBUTES(scene, reading) for scene, reading in pairs if scene.subject == "knight"]
    return scores | ({"knight's attributes": share(knights)} if knights else {})


def score_experts(
    checker: Checker, ids: list[str], n_base: int, n_expert: int, seeds: int = SEEDS
) -> dict[str, Any]:
    """Scores of the named experts."""
    from mosaic.stdlib.zoo.train.pipeline import family

    scores = {}
    for name, trial in trials(n_base, n_expert).items():
        if name in ids:
            scores[name] = run_trial(family(name), trial, checker, seeds)
            print(name, {test: value["share"] for test, value in scores[name].items()}, flush=True)
    return scores


def score_sums(checker: Checker, n: int) -> list[dict[str, Any]]:
    """The plain sum of two adapters at several strengths: the baseline that an operator has to beat."""
    from mosaic.stdlib.zoo.train.pipeline import family

    rows = []
    plain = held_out(n, 2026)
    for one, two, strengths in SUMS:
        tests = {one: styled(one), two: styled(two), "both": styled(one, two), **TESTS}
        tests["all right"] = every(styled(one, two), TESTS["subject and colour"])
        trial = Trial(plain, [f"{world.caption(s)}, {one} style, {two} style" for s in plain], tests)
        for a, b in strengths:
            summed = family("zoo/base", {f"zoo/{one}": a, f"zoo/{two}": b})
            scores = run_trial(summed, trial, checker, seeds=1)
            rows.append({"pair": [one, two], "strengths": [a, b], "scores": scores})
            print(one, two, a, b, {test: value["share"] for test, value in scores.items()}, flush=True)
    return rows


def main() -> None:
    """Score what the index lists and write `scores.json`; `--only` keeps the other entries as they are."""
    parser = argparse.ArgumentParser(prog="python -m mosaic.stdlib.zoo.score", description=__doc__)
    parser.add_argument("--only", nargs="+", help="ids of experts, or `sums`, or `parts`")
    parser.add_argument("--prompts", type=int, default=200, help="prompts for the base")
    parser.add_argument("--expert-prompts", type=int, default=200, help="prompts for each expert")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="pictures for each of these prompts")
    parser.add_argument(
        "--sum-prompts", type=int, default=70, help="prompts for each pair of styles (one seed)"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=zoo.root() / "scores.json")
    chosen = parser.parse_args()
    import torch

    from mosaic.stdlib.zoo.train.parts import score_parts

    torch.set_num_threads(chosen.threads)
    torch.set_flush_denormal(True)
    result: dict[str, Any] = {"version": 1, "guidance": GUIDANCE, "steps": 20, "experts": {}}
    if chosen.out.exists():
        result = json.loads(chosen.out.read_text())
    checker = Checker()
    ids = [expert["id"] for expert in zoo.index()["experts"]]
    wanted = chosen.only or [*ids, "sums", "parts"]
    if "parts" in wanted:
        result["parts"] = score_parts(checker)
    ids = [name for name in ids if name in wanted]
    result["experts"] |= score_experts(checker, ids, chosen.prompts, chosen.expert_prompts, chosen.seeds)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    if "sums" in wanted:
        result["sums"] = score_sums(checker, chosen.sum_prompts)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
