"""What fused models draw: laws that hold between operators, windows, regions and prompts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.program import PromptPart, Rectangle
from mosaic.runtime.denoise import SCHEDULERS

BATCHED = {"rtol": 1e-4, "atol": 2e-4}
"""What another batch size and products beside the layers may change of a latent: rounding of float32."""
LEFT = Rectangle(x=0, y=0, width=0.5, height=1)
RIGHT = Rectangle(x=0.5, y=0, width=0.5, height=1)


@dataclass(frozen=True)
class Loras:
    """Three adapters of the tiny pipeline: two of the denoiser, one of the text encoder besides."""

    first: Any
    second: Any
    spoken: Any


@pytest.fixture(scope="session")
def loras(lora_factors: Any, make_expert: Any, tmp_path_factory: Any) -> Loras:
    folder = tmp_path_factory.mktemp("three")
    made = []
    for name, scale, is_spoken in (("first", 1.0, False), ("second", -0.8, False), ("spoken", 0.6, True)):
        generator = torch.Generator().manual_seed(len(name))
        tensors = {}
        for module, (down, up) in lora_factors.items():
            if module.startswith("text_encoder") and not is_spoken:
                continue
            tensors[f"{module}.lora_A.weight"] = down * scale + 0.05 * torch.randn(
                down.shape, generator=generator
            )
            tensors[f"{module}.lora_B.weight"] = up.contiguous()
        save_file(tensors, folder / f"{name}.safetensors")
        made.append(make_expert(folder / f"{name}.safetensors", "lora"))
    return Loras(*made)


class Drawn:
    """Draws one picture of the tiny base for each way of fusing, all in one program."""

    def __init__(self, bench: Any, build: Any, base: Any, **more: Any) -> None:
        self.bench, self.build, self.more = bench, build, more
        self.model = build.load(base)
        self.values: list[int] = []

    def by(self, operator: str, *operands: Any, model: int | None = None, **settings: Any) -> int:
        """A model fused by an operator, of operands as `(expert, strength, more…)`."""
        taken = [
            self.build.operand(given, strength, **rest) for given, strength, rest in map(_operand, operands)
        ]
        return int(self.build.fuse_by(operator, self.model if model is None else model, *taken, **settings))

    def add(self, model: int, **more: Any) -> None:
        """Sample from a model."""
        self.values.append(self.build.sample(model, **{**self.more, **more}))

    def latents(self) -> list[Any]:
        """What came out, in order."""
        return list(self.bench.latents(self.build, *self.values))


def _operand(given: Any) -> tuple[Any, float, dict[str, Any]]:
    expert, strength, *rest = given
    return expert, strength, rest[0] if rest else {}


@pytest.fixture
def drawn(bench: Any, build: Any, tiny: Any) -> Drawn:
    return Drawn(bench, build, tiny.expert)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_composite_of_one_expert_is_the_sum(name: str, drawn: Drawn, loras: Loras) -> None:
    for expert in (loras.first, loras.spoken):
        drawn.add(drawn.by("sum", (expert, 0.7)), scheduler=name)
        drawn.add(drawn.by("composite", (expert, 0.7)), scheduler=name)
    first, first_alone, spoken, spoken_alone = drawn.latents()
    torch.testing.assert_close(first_alone, first, **BATCHED)
    torch.testing.assert_close(spoken_alone, spoken, **BATCHED)
    assert not torch.allclose(first, spoken, **BATCHED)


def test_composite_of_equal_experts_is_one(drawn: Drawn, loras: Loras) -> None:
    drawn.add(drawn.by("sum", (loras.first, 0.7)))
    drawn.add(drawn.by("composite", (loras.first, 0.7), (loras.first, 0.7)))
    once, twice = drawn.latents()
    torch.testing.assert_close(twice, once, **BATCHED)


def test_composite_is_the_mean_of_predictions(drawn: Drawn, loras: Loras) -> None:
    """One step without guidance: the latent is linear in the prediction, so the mean shows in the latent."""
    settings = {"steps": 1, "guidance": 1.0}
    for expert in (loras.first, loras.spoken):
        drawn.add(drawn.by("sum", (expert, 0.5)), **settings)
    drawn.add(drawn.by("composite", (loras.first, 0.5), (loras.spoken, 0.5)), **settings)
    first, second, both = drawn.latents()
    torch.testing.assert_close(both, (first + second) / 2, **BATCHED)


def test_strengths_weigh_in_composite(drawn: Drawn, loras: Loras) -> None:
    settings = {"steps": 1, "guidance": 1.0}
    drawn.add(drawn.by("sum", (loras.first, 0.9)), **settings)
    drawn.add(drawn.by("sum", (loras.second, 0.3)), **settings)
    drawn.add(drawn.by("composite", (loras.first, 0.9), (loras.second, 0.3)), **settings)
    first, second, both = drawn.latents()
    torch.testing.assert_close(both, 0.75 * first + 0.25 * second, **BATCHED)


def test_the_shared_unconditional_row_is_near_the_mean_of_all(drawn: Drawn, loras: Loras) -> None:
    """With a small change the mean of the deltas predicts the mean of the predictions to first order: the error
    falls with the square of the strength."""
    settings = {"steps": 1, "guidance": 0.0}  # only the unconditional prediction counts
    errors = []
    for strength in (0.4, 0.2):
        drawn.values.clear()
        for expert in (loras.first, loras.second):
            drawn.add(drawn.by("sum", (expert, strength)), **settings)
        drawn.add(drawn.by("composite", (loras.first, strength), (loras.second, strength)), **settings)
        first, second, both = drawn.latents()
        errors.append(float((both - (first + second) / 2).norm()))
    assert errors[1] < errors[0] / 2.5


@pytest.mark.parametrize("operator", ["composite", "guidance", "switch", "chain", "sum"])
def test_zero_strength_is_absence_to_the_bit(operator: str, drawn: Drawn, loras: Loras) -> None:
    drawn.add(drawn.by(operator, (loras.first, 0.7)))
    drawn.add(drawn.by(operator, (loras.second, 0.0), (loras.first, 0.7)))
    drawn.add(drawn.by(operator, (loras.second, 0.0)))
    drawn.add(drawn.model)
    one, with_zero, only_zero, none = drawn.latents()
    assert torch.equal(one, with_zero)
    assert torch.equal(only_zero, none)
    assert not torch.equal(one, none)


@pytest.mark.parametrize("operator", ["composite", "guidance", "switch", "chain", "sum", "ties"])
def test_a_whole_window_is_none_to_the_bit(operator: str, drawn: Drawn, loras: Loras) -> None:
    operands = ((loras.first, 0.7), (loras.second, 0.5))
    drawn.add(drawn.by(operator, *operands))
    drawn.add(drawn.by(operator, *((e, s, {"window": (0.0, 1.0)}) for e, s in operands)))
    plain, windowed = drawn.latents()
    assert torch.equal(plain, windowed)


@pytest.mark.parametrize("operator", ["composite", "guidance", "switch", "sum"])
def test_a_window_that_no_step_falls_into_is_absence(operator: str, drawn: Drawn, loras: Loras) -> None:
    drawn.add(drawn.by(operator, (loras.first, 0.7)))
    drawn.add(drawn.by(operator, (loras.first, 0.7), (loras.second, 0.7, {"window": (0.5, 0.55)})))
    plain, windowed = drawn.latents()
    assert torch.equal(plain, windowed)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_window_is_a_run_that_is_handed_over(name: str, drawn: Drawn, loras: Loras, bench: Any) -> None:
    """`sum` with a window, `chain`, and a run cut and resumed with another model: the same steps, the same bytes."""
    build = drawn.build
    fused = drawn.by("sum", (loras.first, 0.7))
    half = build.sample(fused, scheduler=name, until=0.5)
    by_hand = build.resume(drawn.model, half, build.prompts(drawn.model))
    drawn.values.append(by_hand)
    drawn.add(drawn.by("sum", (loras.first, 0.7, {"window": (0.0, 0.5)})), scheduler=name)
    drawn.add(drawn.by("chain", (loras.first, 0.7, {"window": (0.0, 0.5)})), scheduler=name)
    drawn.add(drawn.by("switch", (loras.first, 0.7, {"window": (0.0, 0.5)})), scheduler=name)
    first, *others = drawn.latents()
    assert all(torch.equal(first, other) for other in others)


def test_a_chain_of_two_is_handed_over_in_the_middle(drawn: Drawn, loras: Loras) -> None:
    build = drawn.build
    early, late = drawn.by("sum", (loras.first, 0.7)), drawn.by("sum", (loras.spoken, 0.5))
    half = build.sample(early, until=0.5)
    drawn.values.append(build.resume(late, half, build.prompts(late)))
    drawn.add(drawn.by("chain", (loras.first, 0.7), (loras.spoken, 0.5)))
    by_hand, chained = drawn.latents()
    assert torch.equal(by_hand, chained)


def test_switch_takes_turns(drawn: Drawn, loras: Loras) -> None:
    build = drawn.build
    models = [drawn.by("sum", (loras.first, 0.7)), drawn.by("sum", (loras.second, 0.5))]
    latent = build.sample(models[0], until=0.25)
    for step in range(1, 4):
        latent = build.resume(models[step % 2], latent, build.prompts(models[step % 2]), steps=1)
    drawn.values.append(latent)
    drawn.add(drawn.by("switch", (loras.first, 0.7), (loras.second, 0.5), period=1))
    drawn.add(drawn.by("switch", (loras.first, 0.7), (loras.second, 0.5), period=2))
    by_hand, switched, slower = drawn.latents()
    assert torch.equal(by_hand, switched)
    assert not torch.equal(switched, slower)


@pytest.mark.parametrize("operator", ["composite", "guidance"])
def test_regions_that_tile_the_canvas_are_none(operator: str, drawn: Drawn, loras: Loras) -> None:
    strength = 0.7 if operator == "composite" else 1.0
    drawn.add(drawn.by(operator, (loras.first, strength)))
    drawn.add(
        drawn.by(
            operator, (loras.first, strength, {"region": LEFT}), (loras.first, strength, {"region": RIGHT})
        )
    )
    plain, tiled = drawn.latents()
    torch.testing.assert_close(tiled, plain, **BATCHED)


@pytest.mark.parametrize("operator", ["composite", "guidance"])
def test_a_region_keeps_to_its_place(operator: str, drawn: Drawn, loras: Loras) -> None:
    """One step: a latent changes only where the prediction does."""
    settings = {"steps": 1, "guidance": 1.0}
    drawn.add(drawn.model, **settings)
    drawn.add(drawn.by(operator, (loras.first, 1.0)), **settings)
    drawn.add(drawn.by(operator, (loras.first, 1.0, {"region": LEFT})), **settings)
    base, whole, left = drawn.latents()
    middle = base.shape[3] // 2
    torch.testing.assert_close(left[..., middle:], base[..., middle:], **BATCHED)
    torch.testing.assert_close(left[..., :middle], whole[..., :middle], **BATCHED)
    assert not torch.allclose(left[..., :middle], base[..., :middle], **BATCHED)


def test_a_region_from_a_picture(drawn: Drawn, loras: Loras, tmp_path: Path) -> None:
    from PIL import Image

    from mosaic.compiler.program import Mask

    picture = Image.new("L", (64, 64), 0)
    picture.paste(255, (0, 0, 32, 64))
    picture.save(tmp_path / "left.png")
    drawn.build.image(tmp_path / "left.png")
    drawn.add(drawn.by("composite", (loras.first, 1.0, {"region": LEFT})))
    drawn.add(drawn.by("composite", (loras.first, 1.0, {"region": Mask(file=0)})))
    by_rectangle, by_mask = drawn.latents()
    torch.testing.assert_close(by_mask, by_rectangle, rtol=1e-5, atol=1e-5)


def test_guidance_of_two_equal_models_is_one(drawn: Drawn, tiny: Any) -> None:
    drawn.add(drawn.model)
    other = drawn.build.load(tiny.expert)
    drawn.add(drawn.by("guidance", (other, 0.5)))
    drawn.add(drawn.by("guidance", (tiny.expert, 1.0)))
    one, half, all_of_it = drawn.latents()
    torch.testing.assert_close(half, one, **BATCHED)
    torch.testing.assert_close(all_of_it, one, **BATCHED)


def test_guidance_is_the_weighted_mean_of_predictions(drawn: Drawn, tuned: Any) -> None:
    settings = {"steps": 1, "guidance": 3.0}
    theirs = drawn.build.load(tuned.expert)
    drawn.add(drawn.model, **settings)
    drawn.add(theirs, **settings)
    drawn.add(drawn.by("guidance", (tuned.expert, 0.25)), **settings)
    drawn.add(drawn.by("guidance", (tuned.expert, -0.25)), **settings)
    ours, other, mixed, away = drawn.latents()
    torch.testing.assert_close(mixed, 0.75 * ours + 0.25 * other, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(away, 1.25 * ours - 0.25 * other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_predictions_of_other_kinds_are_converted(name: str, drawn: Drawn, velocity: Any, bench: Any) -> None:
    """One step of epsilon and v models: the mean of their clean latents, whatever each predicts."""
    build = drawn.build
    settings = {"steps": 1, "guidance": 1.0, "scheduler": name}
    theirs = build.load(velocity.expert)
    drawn.add(drawn.model, **settings)
    # The other model alone, asked by a run that the first one hosts.
    drawn.add(drawn.by("guidance", (velocity.expert, 1.0)), **settings)
    drawn.add(drawn.by("guidance", (velocity.expert, 0.5)), **settings)
    drawn.add(theirs, **settings)
    ours, other, mixed, alone = drawn.latents()
    torch.testing.assert_close(mixed, (ours + other) / 2, rtol=1e-3, atol=1e-3)
    # Hosted or not, a model's picture is its own: both kinds mean one clean latent.
    torch.testing.assert_close(other, alone, rtol=2e-2, atol=2e-2)


def test_a_whole_model_by_strength_is_a_part_of_the_way(drawn: Drawn, tuned: Any) -> None:
    drawn.add(drawn.by("sum", (tuned.expert, 0.4)))
    drawn.add(drawn.by("composite", (tuned.expert, 0.4)))
    drawn.add(drawn.by("chain", (tuned.expert, 0.4)))
    summed, composed, chained = drawn.latents()
    torch.testing.assert_close(composed, summed, **BATCHED)
    torch.testing.assert_close(chained, summed, **BATCHED)


def test_fusions_nest(drawn: Drawn, loras: Loras, tuned: Any) -> None:
    """Weights below predictions, predictions below weights, schedules below both: each is what it is alone."""
    summed = drawn.by("sum", (loras.first, 0.7))
    drawn.add(drawn.by("sum", (loras.second, 0.5), model=summed))
    drawn.add(drawn.by("composite", (loras.second, 0.5), model=summed))
    drawn.add(drawn.by("sum", (loras.second, 0.5), model=drawn.by("composite", (loras.first, 0.7))))
    drawn.add(drawn.by("sum", (loras.second, 0.5), model=drawn.by("switch", (loras.first, 0.7))))
    drawn.add(drawn.by("chain", (loras.second, 0.5), model=drawn.by("chain", (loras.first, 0.7))))
    first, *others = drawn.latents()
    for other in others:
        torch.testing.assert_close(other, first, **BATCHED)


def test_a_fused_model_is_an_operand(drawn: Drawn, loras: Loras, tuned: Any) -> None:
    look = drawn.by("sum", (loras.first, 0.7))
    drawn.add(look)
    drawn.add(drawn.by("guidance", (look, 1.0)))
    drawn.add(drawn.by("chain", (look, 1.0)))
    drawn.add(drawn.by("sum", (look, 1.0)))
    first, *others = drawn.latents()
    for other in others:
        torch.testing.assert_close(other, first, **BATCHED)


def test_several_models_have_no_weights_of_their_own(drawn: Drawn, loras: Loras) -> None:
    several = drawn.by("composite", (loras.first, 0.7))
    drawn.add(drawn.by("ties", (several, 1.0)))
    with pytest.raises(MosaicError, match="M469"):
        drawn.latents()


def test_rows_are_shared(bench: Any, build: Any, tiny: Any, loras: Loras) -> None:
    """n experts: one call of n + 1 rows a step. One expert in two regions: what it predicts is asked once."""
    base = build.load(tiny.expert)
    operands = [build.operand(e, 0.5) for e in (loras.first, loras.second, loras.spoken)]
    build.sample(build.fuse_by("composite", base, *operands))
    result = bench.run(build)
    # The third has a text encoder of its own, and still the same denoiser.
    assert (result.evaluations, result.rows) == (4, 16)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("operator", ["composite", "switch", "chain", "guidance", "sum"])
def test_a_cut_run_equals_the_uncut_one(operator: str, name: str, drawn: Drawn, loras: Loras) -> None:
    build = drawn.build
    model = drawn.by(
        operator, (loras.first, 0.7), (loras.second, 0.4, {"window": (0.25, 0.75)}), (loras.spoken, 0.3)
    )
    prompts = build.prompts(model)
    drawn.values.append(build.sample(model, prompts, scheduler=name, steps=5))
    for cut in (1, 3):
        half = build.sample(model, prompts, scheduler=name, steps=5, until=cut / 5)
        drawn.values.append(build.resume(model, half, prompts))
    whole, *resumed = drawn.latents()
    assert all(torch.equal(whole, other) for other in resumed)


def test_permuted_operands_of_a_symmetric_mix(drawn: Drawn, loras: Loras) -> None:
    operands = [(loras.first, 0.7), (loras.second, 0.4), (loras.spoken, 0.3)]
    for operator in ("composite", "guidance"):
        drawn.add(drawn.by(operator, *operands))
        drawn.add(drawn.by(operator, *reversed(operands)))
    composed, composed_back, guided, guided_back = drawn.latents()
    torch.testing.assert_close(composed_back, composed, **BATCHED)
    torch.testing.assert_close(guided_back, guided, **BATCHED)


# Prompts


def combined(build: Any, model: int, *parts: tuple[str, dict[str, Any]]) -> dict[str, int]:
    found = [PromptPart(conditioning=build.text(model, text), **more) for text, more in parts]
    return {"positive": build.combine(*found), "negative": build.text(model, "")}


def test_prompts_that_say_the_same_are_one(drawn: Drawn) -> None:
    build, model = drawn.build, drawn.model
    drawn.add(model)
    cat = "a red cat"
    for parts in (
        ((cat, {}),),
        ((cat, {"region": LEFT}), (cat, {"region": RIGHT})),
        ((cat, {"region": LEFT}), (cat, {})),
        ((cat, {"weight": 0.3}), (cat, {"weight": 2.0})),
        ((cat, {"window": (0.0, 0.5)}), (cat, {"window": (0.5, 1.0)})),
    ):
        drawn.values.append(build.sample(model, combined(build, model, *parts)))
    first, *others = drawn.latents()
    for other in others:
        torch.testing.assert_close(other, first, **BATCHED)


def test_a_prompt_keeps_to_its_region(drawn: Drawn) -> None:
    build, model = drawn.build, drawn.model
    settings = {"steps": 1}
    cat, dog = (
        build.sample(model, build.prompts(model, text), **settings) for text in ("a cat", "the blue dog")
    )
    both = combined(build, model, ("a cat", {"region": LEFT}), ("the blue dog", {"region": RIGHT}))
    rest = combined(build, model, ("a cat", {"region": LEFT}), ("the blue dog", {}))
    drawn.values += [cat, dog, build.sample(model, both, **settings), build.sample(model, rest, **settings)]
    cat_alone, dog_alone, placed, filled = drawn.latents()
    middle = cat_alone.shape[3] // 2
    for mixed in (placed, filled):
        torch.testing.assert_close(mixed[..., :middle], cat_alone[..., :middle], **BATCHED)
        torch.testing.assert_close(mixed[..., middle:], dog_alone[..., middle:], **BATCHED)


def test_a_prompt_keeps_to_its_window(drawn: Drawn) -> None:
    build, model = drawn.build, drawn.model
    half = build.sample(model, build.prompts(model, "a cat"), until=0.5)
    drawn.values.append(build.resume(model, half, build.prompts(model, "the dog")))
    parts = combined(build, model, ("a cat", {"window": (0.0, 0.5)}), ("the dog", {"window": (0.5, 1.0)}))
    drawn.values.append(build.sample(model, parts))
    by_hand, windowed = drawn.latents()
    assert torch.equal(by_hand, windowed)


def test_two_hundred_switches_leave_the_base_as_it_is(
    bench: Any, build: Any, tiny: Any, loras: Loras
) -> None:
    base = build.load(tiny.expert)
    operands = [build.operand(e, 0.7) for e in (loras.first, loras.second, loras.spoken)]
    model = build.fuse_by("switch", base, *operands)
    build.sample(model, steps=200)
    bench.run(build)
    engine = bench.engine
    loaded = engine.base(tiny.expert)
    for component in (loaded.unet, loaded.text_encoder):
        for name, inner in component.parameters.items():
            assert torch.equal(component.module.get_parameter(inner), loaded.stored[name].float())


def test_what_a_cut_to_a_rank_loses_is_told(bench: Any, build: Any, tiny: Any, loras: Loras) -> None:
    """Of two LoRAs of rank 3, rank 6 keeps all; a lower one loses, whether products are cut or dense changes."""
    base = build.load(tiny.expert)
    operands = [build.operand(e, 0.7) for e in (loras.first, loras.second)]
    models = [
        build.fuse_by(name, base, *operands, rank=rank)
        for name, rank in (("sum", 6), ("sum", 2), ("ties", 2))
    ]
    for model in models:
        build.sample(model)
    whole, cut, dense = bench.run(build).truncations
    assert (whole.operator, whole.rank, cut.operator, dense.operator) == ("sum", 6, "sum", "ties")
    assert whole.most < 1e-10
    assert 0.01 < cut.mean < cut.most < 1
    assert 0.01 < dense.mean < 1
    assert cut.tensors == whole.tensors > 10
    assert cut.worst.startswith("unet.")
