"""M2xx to M4xx: experts that are not there, that do not fit, or that are used against what is known of them.

Each mistake is a function that writes one bad scene, and beside it one that writes a scene which looks alike and is
sound. Neither knows anything of the rules: only of the world and the language.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.corpus.scene import MARK, Scene, Text, Use
from benchmarks.corpus.world import Expert, World
from benchmarks.synthetic.adapters import Recipe


def _clean(world: World, name: str, most: int = 2) -> list[Use]:
    """Up to some LoRAs that fit a base of an architecture."""
    count = world.random.randint(0, most)
    return [Use(world.lora(name), world.random.choice((None, 0.5, 0.8))) for _ in range(count)]


def _with(world: World, name: str, use: Use, what: str = "use") -> Scene:
    """A scene where one operand among others is the mistake."""
    others = _clean(world, name)
    place = world.random.randint(0, len(others))
    return Scene(world.base(name), [*others[:place], use, *others[place:]], mark=f"{what}:{place}")


def sound(scene: Scene) -> Scene:
    """The same without a mistake to point at."""
    return replace(scene, mark="")


# M401


def other_family(world: World) -> Scene:
    name = world.family()
    other = world.family(name)
    made = (world.lora, world.lora, world.base, world.embedding)[world.random.randrange(4)]
    if made == world.embedding and other == "flux":
        made = world.lora
    return _with(world, name, Use(made(other), 0.7 if made != world.embedding else None))


def same_family(world: World) -> Scene:
    name = world.family()
    made = world.random.choice((world.lora, world.lora, world.base))
    return sound(_with(world, name, Use(made(name), 0.7)))


# M402


def stray_tensors(world: World) -> Scene:
    name = world.family()
    strange = {"foreign": world.random.randint(1, 6)} if world.random.random() < 0.6 else {"widened": 2}
    recipe = world.recipe(name, spelling="peft", scope="linear", **strange)
    return _with(world, name, Use(world.lora(name, recipe=recipe), 0.6))


def few_tensors(world: World) -> Scene:
    name = world.family()
    recipe = world.recipe(name, most=world.random.randint(1, 20), text_encoder=False)
    return sound(_with(world, name, Use(world.lora(name, recipe=recipe), 0.6)))


# M403


def other_prediction(world: World) -> Scene:
    name = world.random.choice(("sd1", "sdxl", "sd2"))
    other = {"epsilon": "v", "v": "epsilon"}["v" if name == "sd2" else "epsilon"]
    return _with(world, name, Use(world.base(name, prediction=other, native_size=None), 0.4))


def same_prediction(world: World) -> Scene:
    base = world.base("sdxl", prediction="v")
    return Scene(base, [Use(world.base("sdxl", prediction="v"), 0.4), *_clean(world, "sdxl")])


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
    scene = _with(world, name, Use(world.embedding(name), called=False))
    return replace(scene, mark="prompt")


def word_used(world: World) -> Scene:
    name = world.random.choice(("sd1", "sd2", "sdxl"))
    return sound(_with(world, name, Use(world.embedding(name))))


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
    return _with(world, name, Use(world.embedding(name, trigger=token)))


def new_token(world: World) -> Scene:
    name = world.random.choice(("sd1", "sd2", "sdxl"))
    token = world.random.choice(("cat-thing", "<boat>", "house1", "redd"))
    return sound(_with(world, name, Use(world.embedding(name, trigger=token))))


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


# M409, M418, M419


def half_model(world: World) -> Scene:
    lacks = world.random.choice((("a VAE",), ("a text encoder", "a VAE", "a tokenizer"), ("a tokenizer",)))
    return Scene(world.base(world.family(), lacks=lacks), mark="model")


def whole_model(world: World) -> Scene:
    return Scene(world.base(world.family(), lacks=()), mark="")


def inpaint_operand(world: World) -> Scene:
    return _with(world, "sd1", Use(world.base("sd1-inpaint"), 0.5))


def plain_operand(world: World) -> Scene:
    return sound(_with(world, "sd1", Use(world.base("sd1"), 0.5)))


def inpaint_base(world: World) -> Scene:
    return Scene(world.base("sd1-inpaint"), mark="model")


def plain_base(world: World) -> Scene:
    return Scene(world.base("sd1"), _clean(world, "sd1"))


# M410, M411, M412, M416


def other_algorithm(world: World) -> Scene:
    name = world.random.choice(("sd1", "sd2", "sdxl"))
    algorithm = world.random.choice(("dora", "loha", "lokr"))
    recipe = world.recipe(name, algorithm=algorithm, spelling="kohya")
    return _with(world, name, Use(world.lora(name, recipe=recipe), 0.6))


def plain_algorithm(world: World) -> Scene:
    name = world.random.choice(("sd1", "sd2", "sdxl"))
    recipe = world.recipe(name, algorithm="lora", spelling="kohya")
    return sound(_with(world, name, Use(world.lora(name, recipe=recipe), 0.6)))


def huge_rank(world: World) -> Scene:
    name = world.random.choice(("sd1", "sdxl"))
    recipe = world.recipe(name, rank=world.random.choice((1024, 1536, 2048)), scope="attention")
    return _with(world, name, Use(world.lora(name, recipe=recipe), 0.6))


def large_rank(world: World) -> Scene:
    """As large as the smallest matrix that is trained."""
    name, rank = world.random.choice((("sd1", 320), ("sdxl", 640), ("sd1", 256), ("sdxl", 512)))
    recipe = world.recipe(name, rank=rank, scope="attention", text_encoder=False)
    return sound(_with(world, name, Use(world.lora(name, recipe=recipe), 0.6)))


def left_out(world: World) -> Scene:
    name = world.random.choice(("sd1", "sd2", "sdxl"))
    recipe = world.recipe(name, spelling="peft", scope="linear", foreign=world.random.randint(1, 6))
    lora = replace(world.lora(name, recipe=recipe), options=", partial: true")
    return _with(world, name, Use(lora, 0.6))


def nothing_left_out(world: World) -> Scene:
    name = world.random.choice(("sd1", "sd2", "sdxl"))
    lora = replace(world.lora(name), options=", partial: true")
    return sound(_with(world, name, Use(lora, 0.6)))


def encoder_lacking(world: World) -> Scene:
    """The refiner has the second of XL's encoders only."""
    recipe = Recipe("sdxl", "lora", "kohya", 8, "attention", text_encoder=True)
    lora = world.lora("sdxl-refiner", recipe=recipe)
    return Scene(world.base("sdxl-refiner"), [Use(lora, 0.5)], mark="use:0")


def encoder_there(world: World) -> Scene:
    recipe = Recipe("sdxl", "lora", "kohya", 8, "attention", text_encoder=True)
    return Scene(world.base("sdxl"), [Use(world.lora("sdxl", recipe=recipe), 0.5)])


# M414, M415


def uncalled(world: World) -> Scene:
    name = world.family()
    scene = _with(world, name, Use(world.lora(name, trigger=f"{world.word()} style"), 0.7, called=False))
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
    return Scene(world.base(name), _clean(world, name), mark="size", settings={"size": size})


def near_size(world: World) -> Scene:
    sizes = (
        ("sdxl", "1216x832"),
        ("flux", "768x1344"),
        ("sd1", "768x512"),
        ("sd2", "512x768"),
        ("sd1", "1024x1024"),
    )
    name, size = world.random.choice(sizes)
    return Scene(world.base(name), _clean(world, name), settings={"size": size})


def too_strong(world: World) -> Scene:
    name = world.family()
    low, high = world.random.choice(((0.0, 1.0), (0.4, 0.8), (0.6, 1.2)))
    strength = high + 0.7 if world.random.random() < 0.6 or not low else low / 2
    return _with(world, name, Use(world.lora(name, strengths=(low, high)), strength), "strength")


def strong_enough(world: World) -> Scene:
    name = world.family()
    low, high = world.random.choice(((0.0, 1.0), (0.4, 0.8), (0.6, 1.2)))
    return sound(
        _with(
            world, name, Use(world.lora(name, strengths=(low, high)), world.random.choice((low, high)) or 0.5)
        )
    )


def other_lineage(world: World) -> Scene:
    base, lora = world.random.sample(("pony", "illustrious", "noobai"), 2)
    scene = _with(world, "sdxl", Use(world.lora("sdxl", lineage=lora), 0.6))
    return replace(scene, base=world.base("sdxl", lineage=base))


def same_lineage(world: World) -> Scene:
    lineage = world.random.choice(("pony", "illustrious"))
    scene = _with(world, "sdxl", Use(world.lora("sdxl", lineage=lineage), 0.6))
    return sound(replace(scene, base=world.base("sdxl", lineage=lineage)))


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


# M210, M211, M218, M219, M302


def misspelt(world: World) -> Scene:
    name = world.family()
    lora = world.lora(name, trigger=None)
    return _with(world, name, Use(replace(lora, id=lora.id[:-1] + "zz"), 0.5), "load")


def spelt(world: World) -> Scene:
    name = world.family()
    return sound(_with(world, name, Use(world.lora(name, trigger=None), 0.5)))


def wrong_kind(world: World) -> Scene:
    name = world.random.choice(("sd1", "sdxl"))
    embedding = world.embedding(name)
    return _with(world, name, Use(replace(embedding, kind="lora", trigger=""), 0.5), "load")


def nothing_found(world: World) -> Scene:
    """What is looked for is there, for another family only."""
    name = world.family()
    word = world.word()
    world.lora(world.family(name), title=word, trigger=None)
    return _with(world, name, Use(Expert("lora", "", words=word), 0.5), "load")


def something_found(world: World) -> Scene:
    name = world.family()
    word = world.word()
    world.lora(name, title=word, trigger=None)
    return sound(_with(world, name, Use(Expert("lora", "", words=word), 0.5)))


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
