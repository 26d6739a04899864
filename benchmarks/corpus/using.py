"""M404 to M432: experts that fit, used against what is known of them.

Each mistake is a function that writes one bad scene, and beside it one that writes a scene which looks alike and is
sound. Neither knows anything of the rules: only of the world and the language.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.corpus.among import among, clean, sound
from benchmarks.corpus.scene import MARK, Scene, Text, Use
from benchmarks.corpus.world import Expert, World

# M404, M405, M406, M413


def unknown_word(world: World) -> Text:
    name = world.random.choice(("sd1", "sd2", "sdxl"))
    base, hero, other = world.base(name), world.embedding(name), world.lora(name, trigger=None)
    return Text(_inserting(base, hero, other, fused="other", mark=MARK))


def known_word(world: World) -> Text:
    name = world.random.choice(("sd1", "sd2", "sdxl"))
    base, hero, other = world.base(name), world.embedding(name), world.lora(name, trigger=None)
    return Text(_inserting(base, hero, other, fused="hero, other", mark=""))


def _inserting(base: Expert, hero: Expert, other: Expert, fused: str, mark: str) -> str:
    return (
        f"mosaic 1\n\nplan inserted {{\n  let base = {base.call}\n  let hero = {hero.call}\n"
        f"  let other = {other.call}\n  let look = fuse(base, {fused})\n"
        f'  emit sample(\n    look,\n    prompt: {mark}"{{hero}} by the river",\n  ) as "a.png"\n}}\n'
    )


def word_unused(world: World) -> Scene:
    name = world.random.choice(("sd1", "sd2", "sdxl"))
    scene = among(world, name, Use(world.embedding(name), called=False))
    return replace(scene, mark="prompt")


def word_used(world: World) -> Scene:
    name = world.random.choice(("sd1", "sd2", "sdxl"))
    return sound(among(world, name, Use(world.embedding(name))))


def same_token(world: World) -> Scene:
    name = world.random.choice(("sd1", "sdxl"))
    token = f"<{world.word()}>"
    uses = [Use(world.embedding(name, trigger=token)), Use(world.embedding(name, trigger=token))]
    return Scene(world.base(name), uses, mark="use:1")


def other_token(world: World) -> Scene:
    name = world.random.choice(("sd1", "sdxl"))
    token = world.word()
    uses = [
        Use(world.embedding(name, trigger=f"<{token}>")),
        Use(world.embedding(name, trigger=f"<{token}x>")),
    ]
    return Scene(world.base(name), uses)


def known_token(world: World) -> Scene:
    """The tokenizer knows these words whole."""
    name = world.random.choice(("sd1", "sd2", "sdxl"))
    token = world.random.choice(("cat", "boat", "house", "red"))
    return among(world, name, Use(world.embedding(name, trigger=token)))


def new_token(world: World) -> Scene:
    name = world.random.choice(("sd1", "sd2", "sdxl"))
    token = world.random.choice(("cat-thing", "<boat>", "house1", "redd"))
    return sound(among(world, name, Use(world.embedding(name, trigger=token))))


# M407


def long_prompt(world: World) -> Scene:
    """One letter is one token; the encoder takes 75."""
    scene = Scene(world.base(world.random.choice(("sd1", "sd2", "sdxl"))), mark="prompt")
    return replace(
        scene, prompt=" ".join("abcdefghijk"[i % 11] for i in range(world.random.randint(76, 120)))
    )


def full_prompt(world: World) -> Scene:
    scene = Scene(world.base(world.random.choice(("sd1", "sd2", "sdxl"))))
    return replace(scene, prompt=" ".join("abcdefghijk"[i % 11] for i in range(world.random.randint(60, 75))))


# M408, M422


def twice(world: World) -> Scene:
    name = world.family()
    lora = world.lora(name, trigger=None)
    return Scene(world.base(name), [Use(lora, 0.3), Use(lora, 0.5)], mark="use:1", styles=_ONE_FUSION)


def once_each(world: World) -> Scene:
    name = world.family()
    return Scene(world.base(name), [Use(world.lora(name), 0.3), Use(world.lora(name), 0.5)])


_ONE_FUSION = ("lets", "lines", "inline", "fragment", "parameters")


def excluding(world: World) -> Scene:
    name = world.family()
    first = world.lora(name)
    second = world.lora(name, excludes=(first.id,))
    pair = [Use(first, 0.4), Use(second, 0.4)]
    return Scene(world.base(name), pair if world.random.random() < 0.5 else pair[::-1], mark="use:1")


def excluding_another(world: World) -> Scene:
    name = world.family()
    absent = world.lora(name)
    return Scene(world.base(name), [Use(world.lora(name)), Use(world.lora(name, excludes=(absent.id,)))])


# M414, M415


def uncalled(world: World) -> Scene:
    name = world.family()
    scene = among(world, name, Use(world.lora(name, trigger=f"{world.word()} style"), 0.7, called=False))
    return replace(scene, mark="prompt")


def called(world: World) -> Scene:
    name = world.family()
    trigger = f"{world.word()} style"
    if world.random.random() < 0.5:
        return Scene(world.base(name), [Use(world.lora(name, trigger=trigger), 0.7)])
    lora = world.lora(name, trigger=trigger)
    return Scene(world.base(name), [Use(lora, 0.7, called=False)], prompt=f"a cat, {trigger.upper()}")


def same_trigger(world: World) -> Scene:
    name = world.family()
    trigger = f"{world.word()} style"
    uses = [Use(world.lora(name, trigger=trigger), 0.4), Use(world.lora(name, trigger=trigger), 0.4)]
    return Scene(world.base(name), uses, mark="use:1")


def other_trigger(world: World) -> Scene:
    name = world.family()
    uses = [Use(world.lora(name, trigger=f"{world.word()} style"), 0.4) for _ in range(2)]
    return Scene(world.base(name), uses)


# M417, M420, M421, M423


def clip_skips_differ(world: World) -> Scene:
    name = world.random.choice(("sd1", "sdxl"))
    uses = [Use(world.lora(name, clip_skip=1), 0.4), Use(world.lora(name, clip_skip=2), 0.4)]
    return Scene(world.base(name), uses if world.random.random() < 0.5 else uses[::-1], mark="use:1")


def clip_skips_agree(world: World) -> Scene:
    name = world.random.choice(("sd1", "sdxl"))
    uses = [Use(world.lora(name, clip_skip=2), 0.4), Use(world.lora(name, clip_skip=2), 0.4)]
    return Scene(world.base(name), [*uses, Use(world.lora(name))])


def far_size(world: World) -> Scene:
    name, size = world.random.choice(
        (("sdxl", "256x256"), ("flux", "128x128"), ("sd1", "2048x2048"), ("sd2", "64x64"))
    )
    return Scene(world.base(name), clean(world, name), mark="size", settings={"size": size})


def near_size(world: World) -> Scene:
    sizes = (
        ("sdxl", "1216x832"),
        ("flux", "768x1344"),
        ("sd1", "768x512"),
        ("sd2", "512x768"),
        ("sd1", "1024x1024"),
    )
    name, size = world.random.choice(sizes)
    return Scene(world.base(name), clean(world, name), settings={"size": size})


def too_strong(world: World) -> Scene:
    name = world.family()
    low, high = world.random.choice(((0.0, 1.0), (0.4, 0.8), (0.6, 1.2)))
    strength = high + 0.7 if world.random.random() < 0.6 or not low else low / 2
    return among(world, name, Use(world.lora(name, strengths=(low, high)), strength), "strength")


def strong_enough(world: World) -> Scene:
    name = world.family()
    low, high = world.random.choice(((0.0, 1.0), (0.4, 0.8), (0.6, 1.2)))
    return sound(
        among(
            world, name, Use(world.lora(name, strengths=(low, high)), world.random.choice((low, high)) or 0.5)
        )
    )


def other_lineage(world: World) -> Scene:
    base, lora = world.random.sample(("pony", "illustrious", "noobai"), 2)
    scene = among(world, "sdxl", Use(world.lora("sdxl", lineage=lora), 0.6))
    return replace(scene, base=world.base("sdxl", lineage=base))


def same_lineage(world: World) -> Scene:
    lineage = world.random.choice(("pony", "illustrious"))
    scene = among(world, "sdxl", Use(world.lora("sdxl", lineage=lineage), 0.6))
    return sound(replace(scene, base=world.base("sdxl", lineage=lineage)))


# M424, M425


def unreadable_selector(world: World) -> Scene:
    name = world.family()
    text = world.random.choice(("", "attn2,,ff", "attn2.to k", "0.attn2", "attn2, !", "attn2.[kv]"))
    via = f'attention(layers: {MARK}"{text}")'
    return Scene(world.base(name), [Use(world.lora(name), 0.7)], via=via)


def selects_nothing(world: World) -> Scene:
    """Cross-attention where there is none, what was not trained, a stage that is not there, a slip of the pen."""
    name = world.family()
    unet = name not in ("sd3", "flux")
    layers = ("attn1", "conv", "down.9", "te", "to_kk") if unet else ("attn2", "attn2.*", "down", "te")
    lora = world.lora(name, recipe=world.recipe(name, scope="cross", text_encoder=False))
    via = f'attention(layers: "{world.random.choice(layers)}")'
    return Scene(world.base(name), [Use(lora, 0.7)], mark="use:0", via=via)


def selector(world: World) -> Scene:
    name = world.family()
    unet = name not in ("sd3", "flux")
    words = ("attn2", "attn2.*", "up.attn2", "unet", "conv, attn?") if unet else ("attn", "transformer", "*")
    via = f'attention(layers: "{world.random.choice(words)}")'
    return Scene(world.base(name), [*clean(world, name), Use(world.lora(name), 0.7)], via=via)


# M430, M431, M432


def _pair(world: World, **met: float) -> Scene:
    name = world.random.choice(("sd1", "sdxl"))
    first, second = world.lora(name), world.lora(name)
    usual = {"cosine": 0.02, "overlap": 0.2, "conflict": 0.45, "chance": 0.2}
    world.meets(first, second, {**usual, **met, "shared": 128, "layers": [["unet_mid_block", 0.3]]})
    return Scene(world.base(name), [Use(first, 0.9), Use(second, 0.9)], mark="use:1")


def crowded(world: World) -> Scene:
    return _pair(world, overlap=0.4, chance=0.2)


def alike(world: World) -> Scene:
    return _pair(world, cosine=0.8)


def against(world: World) -> Scene:
    return _pair(world, cosine=-0.6)


def unrelated(world: World) -> Scene:
    return sound(_pair(world))
