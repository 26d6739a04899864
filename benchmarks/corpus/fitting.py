"""M401 to M419: experts whose tensors do not fit.

Each mistake is a function that writes one bad scene, and beside it one that writes a scene which looks alike and is
sound. Neither knows anything of the rules: only of the world and the language.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.corpus.among import among, clean, sound
from benchmarks.corpus.scene import Scene, Use
from benchmarks.corpus.world import World

from mosaic.bench.synthetic.adapters import Recipe

# M401


def other_family(world: World) -> Scene:
    name = world.family()
    other = world.family(name)
    made = (world.lora, world.lora, world.base, world.embedding)[world.random.randrange(4)]
    if made == world.embedding and other == "flux":
        made = world.lora
    return among(world, name, Use(made(other), 0.7 if made != world.embedding else None))


def same_family(world: World) -> Scene:
    name = world.family()
    made = world.random.choice((world.lora, world.lora, world.base))
    return sound(among(world, name, Use(made(name), 0.7)))


# M402


def stray_tensors(world: World) -> Scene:
    name = world.family()
    strange = {"foreign": world.random.randint(1, 6)} if world.random.random() < 0.6 else {"widened": 2}
    recipe = world.recipe(name, spelling="peft", scope="linear", **strange)
    return among(world, name, Use(world.lora(name, recipe=recipe), 0.6))


def few_tensors(world: World) -> Scene:
    name = world.family()
    recipe = world.recipe(name, most=world.random.randint(1, 20), text_encoder=False)
    return sound(among(world, name, Use(world.lora(name, recipe=recipe), 0.6)))


# M403


def other_prediction(world: World) -> Scene:
    name = world.random.choice(("sd1", "sdxl", "sd2"))
    other = {"epsilon": "v", "v": "epsilon"}["v" if name == "sd2" else "epsilon"]
    scene = among(world, name, Use(world.base(name, prediction=other, native_size=None), 0.4))
    return replace(scene, via="sum")  # left to the compiler, predictions would be blended, which is sound


def same_prediction(world: World) -> Scene:
    base = world.base("sdxl", prediction="v")
    return Scene(base, [Use(world.base("sdxl", prediction="v"), 0.4), *clean(world, "sdxl")], via="sum")


# M409, M418, M419


def half_model(world: World) -> Scene:
    lacks = world.random.choice((("a VAE",), ("a text encoder", "a VAE", "a tokenizer"), ("a tokenizer",)))
    return Scene(world.base(world.family(), lacks=lacks), mark="model")


def whole_model(world: World) -> Scene:
    return Scene(world.base(world.family(), lacks=()), mark="")


def inpaint_operand(world: World) -> Scene:
    return among(world, "sd1", Use(world.base("sd1-inpaint"), 0.5))


def plain_operand(world: World) -> Scene:
    return sound(among(world, "sd1", Use(world.base("sd1"), 0.5)))


def inpaint_base(world: World) -> Scene:
    return Scene(world.base("sd1-inpaint"), mark="model")


def plain_base(world: World) -> Scene:
    return Scene(world.base("sd1"), clean(world, "sd1"))


# M410, M411, M412, M416


def other_algorithm(world: World) -> Scene:
    name = world.random.choice(("sd1", "sd2", "sdxl"))
    recipe = world.recipe(name, algorithm="oft", spelling="kohya")
    return among(world, name, Use(world.lora(name, recipe=recipe), 0.6))


def known_algorithm(world: World) -> Scene:
    name = world.random.choice(("sd1", "sd2", "sdxl"))
    algorithm = world.random.choice(("lora", "dora", "loha", "lokr"))
    recipe = world.recipe(name, algorithm=algorithm, spelling="kohya")
    return sound(among(world, name, Use(world.lora(name, recipe=recipe), 0.6)))


def huge_rank(world: World) -> Scene:
    name = world.random.choice(("sd1", "sdxl"))
    recipe = world.recipe(name, rank=world.random.choice((1024, 1536, 2048)), scope="attention")
    return among(world, name, Use(world.lora(name, recipe=recipe), 0.6))


def large_rank(world: World) -> Scene:
    """As large as the smallest matrix that is trained."""
    name, rank = world.random.choice((("sd1", 320), ("sdxl", 640), ("sd1", 256), ("sdxl", 512)))
    recipe = world.recipe(name, rank=rank, scope="attention", text_encoder=False)
    return sound(among(world, name, Use(world.lora(name, recipe=recipe), 0.6)))


def left_out(world: World) -> Scene:
    name = world.random.choice(("sd1", "sd2", "sdxl"))
    recipe = world.recipe(name, spelling="peft", scope="linear", foreign=world.random.randint(1, 6))
    lora = replace(world.lora(name, recipe=recipe), options=", partial: true")
    return among(world, name, Use(lora, 0.6))


def nothing_left_out(world: World) -> Scene:
    name = world.random.choice(("sd1", "sd2", "sdxl"))
    lora = replace(world.lora(name), options=", partial: true")
    return sound(among(world, name, Use(lora, 0.6)))


def encoder_lacking(world: World) -> Scene:
    """The refiner has the second of XL's encoders only."""
    recipe = Recipe("sdxl", "lora", "kohya", 8, "attention", text_encoder=True)
    lora = world.lora("sdxl-refiner", recipe=recipe)
    return Scene(world.base("sdxl-refiner"), [Use(lora, 0.5)], mark="use:0")


def encoder_there(world: World) -> Scene:
    recipe = Recipe("sdxl", "lora", "kohya", 8, "attention", text_encoder=True)
    return Scene(world.base("sdxl"), [Use(world.lora("sdxl", recipe=recipe), 0.5)])
