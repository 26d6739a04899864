"""What keys depend on, and what they do not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mosaic import stdlib
from mosaic.compiler.program import Decode, Expert, File, Instruction, Mask, Program, PromptPart, Rectangle
from mosaic.runtime.devices import choose
from mosaic.runtime.keys import keys, narrowed, text_key
from mosaic.runtime.numerics import numerics

FACTS = {"torch": "2", "device": "cpu"}


def expert(kind: str, digest: str, *, name: str = "one.safetensors", **more: Any) -> Expert:
    """An expert of which only the description exists."""
    file = File(role="weights", name=name, sha256=digest, size=1, location=f"/somewhere/{name}")
    settings = {
        "id": name,
        "family": "sd1",
        "latent_space": "s",
        "prediction": "epsilon",
        "trigger": None,
        "license": None,
        "title": name,
        **more,
    }
    return Expert(kind=kind, files=(file,), **settings)


BASE = expert("checkpoint", "b")
LORA = expert("lora", "l")
OTHER = expert("lora", "o")
WORDS = expert("embedding", "e", trigger="<hero>")


def picture_of(build: Any, **settings: Any) -> Program:
    """A look, sampled, decoded, refined and written."""
    model = build.load(settings.pop("base", BASE))
    look = build.fuse(model, (settings.pop("lora", LORA), settings.pop("weight", 0.5)))
    prompts = build.prompts(look, settings.pop("text", "a red cat"))
    strength = settings.pop("strength", 0.5)
    latent = build.sample(look, prompts, **settings)
    latent = build.refine(look, latent, prompts, strength=strength)
    build.emit(build.decode(latent, look), "a.png", "image")
    made: Program = build.program()
    return made


def keyed(program: Program, facts: dict[str, str] = FACTS) -> tuple[str, ...]:
    return keys(program, narrowed(program), facts)


@pytest.fixture
def fresh(build: Any) -> Callable[[], Any]:
    return lambda: type(build)()


def test_names_places_and_plans_do_not_count(fresh: Any) -> None:
    known = keyed(picture_of(fresh()))
    renamed = keyed(
        picture_of(
            fresh(),
            base=expert("checkpoint", "b", name="other.safetensors", license="MIT"),
            lora=expert("lora", "l", name="moved/here.safetensors", trigger="neon"),
        )
    )
    assert renamed == known
    program = picture_of(fresh())
    source = program.source.model_copy(update={"name": "other.mosaic", "plan": "q", "text": ""})
    assert keyed(program.model_copy(update={"source": source})) == known


def test_numbers_and_order_of_values_do_not_count(fresh: Any) -> None:
    program = picture_of(fresh())
    known = keyed(program)
    shifted = program.model_dump(mode="json")
    for instruction in shifted["instructions"]:
        instruction["result"] += 100
        operation = instruction["operation"]
        for name in ("model", "latent", "positive", "negative", "value"):
            if name in operation:
                operation[name] += 100
    assert keyed(Program.model_validate(shifted)) == known
    # Another look, made first, shifts everything and changes nothing.
    build = fresh()
    build.sample(build.fuse(build.load(OTHER.model_copy(update={"kind": "checkpoint"})), (OTHER, 1.0)))
    before = len(build.instructions)
    model = build.load(BASE)
    assert keyed(build.program())[model] == known[0]
    assert before > 0


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({"weight": 0.6}, 1),
        ({"lora": OTHER}, 1),
        ({"text": "a dog"}, 2),
        ({"seed": 8}, 4),
        ({"scheduler": "euler"}, 4),
        ({"strength": 0.75}, 5),
        ({"base": expert("checkpoint", "c")}, 0),
        ({"base": expert("checkpoint", "b", prediction="v")}, 0),
        ({"base": expert("checkpoint", "b", latent_space="t")}, 0),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_change_counts_from_where_it_is_on(change: dict[str, Any], first: int, fresh: Any) -> None:
    known, changed = keyed(picture_of(fresh())), keyed(picture_of(fresh(), **change))
    differing = [number for number, pair in enumerate(zip(known, changed, strict=True)) if len({*pair}) == 2]
    assert differing[0] == first
    assert differing[-1] == len(known) - 1, "what follows differs too"


def test_what_decides_numbers_counts(fresh: Any) -> None:
    program = picture_of(fresh())
    assert not {*keyed(program)} & {*keyed(program, {**FACTS, "torch": "3"})}
    operation = program.instructions[1].operation.model_copy(update={"operator_version": 2})
    newer = (program.instructions[0], Instruction(result=1, operation=operation), *program.instructions[2:])
    changed = keyed(program.model_copy(update={"instructions": newer}))
    assert (changed[0] == keyed(program)[0], changed[1] == keyed(program)[1]) == (True, False)


def test_masks_count_by_their_pixels(fresh: Any) -> None:
    def program(digest: str, name: str, region: Any) -> Program:
        build = fresh()
        model = build.load(BASE)
        build.images.append(File(role="image", name=name, sha256=digest, size=1, location=name))
        build.fuse_by("composite", model, build.operand(LORA, 1.0, region=region))
        build.combine(PromptPart(conditioning=build.text(model, "a"), region=region))
        made: Program = build.program()
        return made

    known = keyed(program("a", "left.png", Mask(file=0)))
    assert keyed(program("a", "other.png", Mask(file=0))) == known
    for other in (
        program("b", "left.png", Mask(file=0)),
        program("a", "left.png", Mask(file=0, feather=0.1)),
        program("a", "left.png", Rectangle(x=0, y=0, width=0.5, height=1)),
    ):
        assert [a == b for a, b in zip(keyed(other), known, strict=True)] == [True, False, True, False]


def test_the_word_of_an_embedding_counts(fresh: Any) -> None:
    def program(words: Expert) -> Program:
        build = fresh()
        build.fuse(build.load(BASE), (words, 1.0))
        made: Program = build.program()
        return made

    assert keyed(program(WORDS)) != keyed(program(WORDS.model_copy(update={"trigger": "<villain>"})))


def test_codecs_are_asked_below_loras(fresh: Any) -> None:
    program = picture_of(fresh())
    operations = narrowed(program)
    decode = next(each for each in operations if isinstance(each, Decode))
    assert decode.model == 0
    # One latent decoded by two looks is one picture.
    build = fresh()
    model = build.load(BASE)
    latent = build.sample(model)
    first, second = (build.decode(latent, build.fuse(model, (each, 1.0))) for each in (LORA, OTHER))
    found = keyed(build.program())
    assert found[first] == found[second]
    # A VAE, or a checkpoint that a schedule may end with, is not passed over.
    for above in (expert("vae", "v"), expert("checkpoint", "x")):
        build = fresh()
        model = build.load(BASE)
        look = build.fuse(model, (above, 1.0))
        build.decode(build.sample(look), look)
        assert narrowed(build.program())[-1] == Decode(latent=len(build.instructions) - 2, model=look)


def test_texts_by_what_reads_them() -> None:
    known = text_key("sd1", "encoder", "a cat", FACTS)
    assert known == text_key("sd1", "encoder", "a cat", dict(reversed(FACTS.items())))
    others = [
        text_key("sd1", "encoder + hero", "a cat", FACTS),
        text_key("sd1", "encoder", "a dog", FACTS),
        text_key("sd1", "encoder", "a cat", {**FACTS, "device": "cuda"}),
    ]
    assert len({known, *others}) == 4


def test_numerics_tell_threads_and_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device, operators = choose("cpu", "float32"), dict(stdlib.find_operators())
    known = numerics(device, operators)
    assert known == numerics(device, operators)
    assert known != numerics(choose("cpu", "bfloat16"), operators)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        assert numerics(device, operators)["threads"] != known["threads"]
    finally:
        torch.set_num_threads(threads)
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    assert numerics(device, operators) != known
    monkeypatch.delenv("MKL_CBWR")
    # An operator whose code changed gives other numbers, whatever its version says.
    (tmp_path / "pack" / "mine").mkdir(parents=True)
    source = tmp_path / "pack" / "mine" / "other_operator.py"
    source.write_text("def kernel(base, deltas, strengths, keys):\n    return base\n")
    monkeypatch.syspath_prepend(str(source.parent))
    import importlib
    from dataclasses import replace

    module = importlib.import_module("other_operator")
    operators["sum"] = replace(operators["sum"], kernel=module.kernel)
    first = numerics(device, operators)["operators"]
    source.write_text("def kernel(base, deltas, strengths, keys):\n    return base + 1\n")
    assert first != known["operators"]
    assert numerics(device, operators)["operators"] != first
    sys.modules.pop("other_operator")
