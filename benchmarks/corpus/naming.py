"""M2xx and M302: experts that are not there, and latents handed to the wrong model.

Each mistake is a function that writes one bad scene, and beside it one that writes a scene which looks alike and is
sound. Neither knows anything of the rules: only of the world and the language.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.corpus.among import among, sound
from benchmarks.corpus.scene import MARK, Scene, Text, Use
from benchmarks.corpus.world import Expert, World

# M210, M211, M218, M219, M302


def misspelt(world: World) -> Scene:
    name = world.family()
    lora = world.lora(name, trigger=None)
    return among(world, name, Use(replace(lora, id=lora.id[:-1] + "zz"), 0.5), "load")


def spelt(world: World) -> Scene:
    name = world.family()
    return sound(among(world, name, Use(world.lora(name, trigger=None), 0.5)))


def wrong_kind(world: World) -> Scene:
    name = world.random.choice(("sd1", "sdxl"))
    embedding = world.embedding(name)
    return among(world, name, Use(replace(embedding, kind="lora", trigger=""), 0.5), "load")


def nothing_found(world: World) -> Scene:
    """What is looked for is there, for another family only."""
    name = world.family()
    word = world.word()
    world.lora(world.family(name), title=word, trigger=None)
    return among(world, name, Use(Expert("lora", "", words=word), 0.5), "load")


def something_found(world: World) -> Scene:
    name = world.family()
    word = world.word()
    world.lora(name, title=word, trigger=None)
    return sound(among(world, name, Use(Expert("lora", "", words=word), 0.5)))


def _handed_over(world: World, first: str, second: str, mark: str) -> Text:
    a, b = world.base(first), world.base(second)
    return Text(
        f"mosaic 1\n\nplan handed_over {{\n  let a = {a.call}\n  let b = {b.call}\n"
        '  let begun = sample(a, prompt: "a cat", until: 50%, seed: 3)\n'
        f'  let done = resume(b, {mark}begun, prompt: "a cat at night")\n  emit done as "a.png"\n}}\n'
    )


def other_space(world: World) -> Text:
    first, second = world.random.choice((("sd1", "sdxl"), ("sdxl", "sd1"), ("sd3", "flux"), ("flux", "sd3")))
    return _handed_over(world, first, second, MARK)


def same_space(world: World) -> Text:
    first, second = world.random.choice((("sdxl", "sdxl-refiner"), ("sd1", "sd1"), ("flux", "flux")))
    return _handed_over(world, first, second, "")
