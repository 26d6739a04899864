"""LoHa, LoKr, DoRA and full differences: what they add, by formulas written a second time and by PEFT."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file

import mosaic
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.program import Fuse, Operand
from mosaic.compiler.weights.adapter_keys import match
from mosaic.runtime.adapters import delta, lora
from mosaic.runtime.devices import choose
from mosaic.runtime.families import families
from mosaic.runtime.files import Reader
from mosaic.runtime.fuse import Fusion
from mosaic.runtime.values import Model
from mosaic.stdlib import zoo

LINEAR = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
POINT = "unet.down_blocks.0.attentions.0.proj_in"
SQUARE = "unet.down_blocks.0.resnets.0.conv1"  # as many outputs as inputs
CONV = "unet.down_blocks.1.resnets.0.conv1"
TEXT = "text_encoder.encoder.layers.1.self_attn.q_proj"
NORM = "unet.down_blocks.0.resnets.0.norm1"
MODULES = (LINEAR, POINT, SQUARE, CONV, TEXT)
RANK = 3

Array = Any
Parts = dict[str, Any]


@pytest.fixture(scope="module")
def base(tiny: Any) -> Model:
    cache: dict[Any, Any] = {}
    return Model.of(families()["sd1"].load(tiny.expert, Reader(at_location), choose("cpu", "auto"), cache))


def at_location(file: Any) -> Path:
    return Path(file.location)


def unused(expert: Any) -> Any:
    raise AssertionError(f"{expert.id} was asked for")


@dataclass(frozen=True)
class Bench:
    """Fuses files of adapters into the tiny base."""

    model: Model
    operators: Any
    make_expert: Any
    folder: Path

    def file(self, name: str, tensors: Mapping[str, Any], config: Mapping[str, Any] | None = None) -> Any:
        """An adapter in a file of its own."""
        told = {"lora_adapter_metadata": json.dumps(config)} if config else None
        path = self.folder / f"{name}.safetensors"
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata=told)
        return self.make_expert(path, "lora")

    def fuse(
        self, *operands: tuple[Any, float], via: str = "sum", into: Model | None = None, **more: Any
    ) -> Model:
        """A model by an operator, its defaults where nothing else is said."""
        fusion = Fusion(tuple(e for e, _ in operands), self.operators, Reader(at_location), unused, unused)
        operator = self.operators[via]
        wanted = Fuse(
            model=0,
            operator=via,
            operator_version=operator.version,
            settings={setting.name: setting.default for setting in operator.settings} | more,
            operands=tuple(Operand(expert=n, strength=s) for n, (_, s) in enumerate(operands)),
        )
        made = fusion.apply(into or self.model, wanted, {})
        assert isinstance(made, Model)
        return made

    def delta(self, expert: Any, module: str) -> Array:
        """What an adapter adds to a module's weight at full strength, float64."""
        name = f"{module}.weight"
        return (self.fuse((expert, 1.0)).tensor(name).double() - self.model.tensor(name).double()).numpy()

    def weight(self, module: str) -> Array:
        return self.model.tensor(f"{module}.weight").double().numpy()


@pytest.fixture
def fusing(base: Model, operators: Any, make_expert: Any, tmp_path: Path) -> Bench:
    return Bench(base, operators, make_expert, tmp_path)


# The formulas once more, in float64 with numpy, from the papers


def normal(*shape: int, seed: int) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 0.2


def wide(tensor: Any) -> Array:
    return tensor.double().numpy()


def tucker(core: Any, a: Any, b: Any) -> Array:
    """core ×₁ aᵀ ×₂ bᵀ, as (out, in, kh, kw)."""
    right = np.tensordot(wide(core), wide(b), axes=(1, 0))  # rank, kh, kw, in
    return np.tensordot(wide(a), right, axes=(0, 0)).transpose(0, 3, 1, 2)


def kronecker(outer: Array, inner: Array) -> Array:
    """Blocks of the inner matrix (or kernel), one for each number of the outer."""
    rows = [np.concatenate([number * inner for number in row], axis=1) for row in outer]
    return np.concatenate(rows, axis=0)


def loha(shape: tuple[int, ...], core: bool) -> tuple[Parts, Array]:
    out, into, kernel = shape[0], shape[1], shape[2:]
    if core:
        first, second = (
            (
                normal(RANK, out, seed=n),
                normal(RANK, into, seed=n + 1),
                normal(RANK, RANK, *kernel, seed=n + 2),
            )
            for n in (1, 4)
        )
        added = tucker(first[2], first[0], first[1]) * tucker(second[2], second[0], second[1])
    else:
        first, second = (
            (normal(out, RANK, seed=n), normal(RANK, into * int(np.prod(kernel)), seed=n + 1), None)
            for n in (1, 4)
        )
        added = (wide(first[0]) @ wide(first[1])) * (wide(second[0]) @ wide(second[1]))
    parts = {"hada_w1_a": first[0], "hada_w1_b": first[1], "hada_w2_a": second[0], "hada_w2_b": second[1]}
    if core:
        parts |= {"hada_t1": first[2], "hada_t2": second[2]}
    return parts, added.reshape(shape)


def lokr(shape: tuple[int, ...], outer_whole: bool, inner: str) -> tuple[Parts, Array]:
    out, into, kernel = shape[0] // 4, shape[1] // 8, shape[2:]
    parts: Parts = {}
    if outer_whole:
        parts["lokr_w1"] = normal(4, 8, seed=1)
        first = wide(parts["lokr_w1"])
    else:
        parts |= {"lokr_w1_a": normal(4, RANK, seed=1), "lokr_w1_b": normal(RANK, 8, seed=2)}
        first = wide(parts["lokr_w1_a"]) @ wide(parts["lokr_w1_b"])
    if inner == "whole":
        parts["lokr_w2"] = normal(out, into, *kernel, seed=3)
        second = wide(parts["lokr_w2"])
    elif inner == "core":
        parts |= {"lokr_t2": normal(RANK, RANK, *kernel, seed=3)}
        parts |= {"lokr_w2_a": normal(RANK, out, seed=4), "lokr_w2_b": normal(RANK, into, seed=5)}
        second = tucker(parts["lokr_t2"], parts["lokr_w2_a"], parts["lokr_w2_b"])
    else:
        columns = into * int(np.prod(kernel))
        parts |= {"lokr_w2_a": normal(out, RANK, seed=4), "lokr_w2_b": normal(RANK, columns, seed=5)}
        second = (wide(parts["lokr_w2_a"]) @ wide(parts["lokr_w2_b"])).reshape(out, into, *kernel)
    return parts, kronecker(first, second)


def plain(shape: tuple[int, ...]) -> tuple[Parts, Array]:
    down, up = normal(RANK, *shape[1:], seed=1), normal(shape[0], RANK, *(1 for _ in shape[2:]), seed=2)
    added = wide(up).reshape(shape[0], RANK) @ wide(down).reshape(RANK, -1)
    return {"lora_down.weight": down, "lora_up.weight": up}, added.reshape(shape)


def decomposed(weight: Array, delta: Array, magnitude: Array, axis: int) -> Array:
    """`m · (W + Δ) / ‖W + Δ‖ − W`, one output (axis 0) or input (axis 1) at a time."""
    moved = np.moveaxis(weight + delta, axis, 0).copy()
    for number, length in enumerate(magnitude.reshape(-1)):
        moved[number] *= length / np.sqrt((moved[number] ** 2).sum())
    return np.moveaxis(moved, 0, axis) - weight


FACTORED: dict[str, Callable[[tuple[int, ...]], tuple[Parts, Array]]] = {
    "loha": lambda shape: loha(shape, core=False),
    "loha core": lambda shape: loha(shape, core=True),
    "lokr": lambda shape: lokr(shape, outer_whole=True, inner="factors"),
    "lokr both": lambda shape: lokr(shape, outer_whole=False, inner="factors"),
    "lokr outer": lambda shape: lokr(shape, outer_whole=False, inner="whole"),
    "lokr core": lambda shape: lokr(shape, outer_whole=True, inner="core"),
}


def kohya(module: str) -> str:
    part, _, inner = module.partition(".")
    return {"unet": "lora_unet_", "text_encoder": "lora_te_text_model_"}[part] + inner.replace(".", "_")


def spelt(module: str, parts: Parts, spelling: str, alpha: float | None = None) -> Parts:
    """The tensors of a module in kohya's or PEFT's names; PEFT's leave alpha to the configuration."""
    stem = kohya(module) if spelling == "kohya" else f"base_model.model.{module}"
    tensors = {f"{stem}.{part}": tensor for part, tensor in parts.items()}
    return tensors | ({f"{stem}.alpha": torch.tensor(alpha)} if alpha is not None else {})


def cases() -> Iterator[tuple[str, str]]:
    for name in FACTORED:
        for module in MODULES:
            if "core" not in name or module in (SQUARE, CONV):
                yield name, module


@pytest.mark.parametrize(("name", "module"), list(cases()))
@pytest.mark.parametrize("spelling", ["kohya", "peft"])
def test_factors_add_what_their_formula_says(name: str, module: str, spelling: str, fusing: Bench) -> None:
    before = fusing.weight(module)
    parts, added = FACTORED[name](before.shape)
    if spelling == "kohya":
        made = fusing.file("it", spelt(module, parts, spelling, alpha=1.5))
    else:
        made = fusing.file("it", spelt(module, parts, spelling), {"r": RANK, "alpha": 1.5})
    for strength in (1.0, -0.7):
        look = fusing.fuse((made, strength))
        assert set(look.overlay) == {f"{module}.weight"}
        wanted = before + strength * added * (1.5 / RANK)
        np.testing.assert_allclose(look.overlay[f"{module}.weight"].numpy(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("module", [LINEAR, SQUARE, TEXT])
def test_a_lokr_that_is_whole_has_the_scale_one(module: str, fusing: Bench) -> None:
    """LyCORIS writes an alpha there, and does not divide by it; PEFT divides by the rank of its configuration."""
    parts, added = lokr(fusing.weight(module).shape, outer_whole=True, inner="whole")
    written = fusing.file("lycoris", spelt(module, parts, "kohya", alpha=16.0))
    np.testing.assert_allclose(fusing.delta(written, module), added, rtol=1e-4, atol=1e-6)
    stated = fusing.file("peft", spelt(module, parts, "peft"), {"r": 8, "alpha": 4})
    np.testing.assert_allclose(fusing.delta(stated, module), added / 2, rtol=1e-4, atol=1e-6)


def test_no_alpha_is_the_scale_one(fusing: Bench) -> None:
    parts, added = loha(fusing.weight(LINEAR).shape, core=False)
    made = fusing.file("bare", spelt(LINEAR, parts, "kohya"))
    np.testing.assert_allclose(fusing.delta(made, LINEAR), added, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("of", ["outputs", "inputs", "peft"])
@pytest.mark.parametrize("inner", ["lora", "loha", "lokr"])
def test_a_magnitude_sets_the_length_of_each_output_or_input(
    module: str, of: str, inner: str, fusing: Bench
) -> None:
    before = fusing.weight(module)
    out, into, ones = before.shape[0], before.shape[1], (1,) * (before.ndim - 2)
    parts, added = {**FACTORED, "lora": plain}[inner](before.shape)
    count, axis = (into, 1) if of == "inputs" else (out, 0)
    length = normal(count, seed=9).abs() + 0.5
    if of == "peft":
        # One number for each output, in a convolution behind an axis of one: where there are as many inputs, only the
        # name tells it from LyCORIS' numbers of the inputs.
        parts["lora_magnitude_vector"] = length.reshape(1, out, *ones) if ones else length
    else:
        parts["dora_scale"] = length.reshape((1, into, *ones) if of == "inputs" else (out, 1, *ones))
    made = fusing.file("it", spelt(module, parts, "kohya", alpha=1.5))
    wanted = decomposed(before, added * (1.5 / RANK), wide(length), axis)
    np.testing.assert_allclose(fusing.delta(made, module), wanted, rtol=1e-4, atol=1e-5)
    half = fusing.fuse((made, 0.5)).tensor(f"{module}.weight").double().numpy()
    np.testing.assert_allclose(half, before + 0.5 * wanted, rtol=1e-4, atol=1e-5)


def test_a_dora_is_taken_from_the_checkpoint_whatever_is_fused_before(fusing: Bench) -> None:
    shape = fusing.weight(LINEAR).shape
    parts, _ = plain(shape)
    length = normal(shape[0], 1, seed=9).abs() + 0.5
    dora = fusing.file("dora", spelt(LINEAR, {**parts, "dora_scale": length}, "kohya"))
    other = fusing.file("other", spelt(LINEAR, loha(shape, core=False)[0], "kohya"))
    name = f"{LINEAR}.weight"
    both = fusing.fuse((dora, 0.8), (other, 0.6)).tensor(name)
    for first, second in (((dora, 0.8), (other, 0.6)), ((other, 0.6), (dora, 0.8))):
        after = fusing.fuse(second, into=fusing.fuse(first)).tensor(name)
        torch.testing.assert_close(after, both, rtol=1e-6, atol=1e-6)


def test_a_row_without_a_direction_stays_finite(fusing: Bench) -> None:
    before = fusing.model.tensor(f"{LINEAR}.weight").clone()
    parts = {"diff": -before}
    gone = fusing.file("gone", spelt(LINEAR, parts, "kohya"))
    assert not fusing.fuse((gone, 1.0)).tensor(f"{LINEAR}.weight").any()
    down, up = torch.eye(64), -before
    lengths = torch.ones(before.shape[0], 1)
    tensors = {"lora_down.weight": down, "lora_up.weight": up, "dora_scale": lengths}
    empty = fusing.file("empty", spelt(LINEAR, tensors, "kohya"))
    assert not fusing.fuse((empty, 1.0)).tensor(f"{LINEAR}.weight").any()


def test_full_differences_of_weights_and_biases(fusing: Bench) -> None:
    given: Parts = {}
    wanted = {}
    for number, (module, parts) in enumerate({CONV: ("diff", "diff_b"), NORM: ("w_norm", "b_norm")}.items()):
        for part, end in zip(parts, ("weight", "bias"), strict=True):
            name = f"{module}.{end}"
            given[f"{kohya(module)}.{part}"] = normal(*fusing.model.tensor(name).shape, seed=number)
            wanted[name] = fusing.model.tensor(name) + 0.4 * given[f"{kohya(module)}.{part}"]
    given[f"{kohya(POINT)}.diff"] = normal(*fusing.weight(POINT).shape[:2], seed=5)
    wanted[f"{POINT}.weight"] = (
        fusing.model.tensor(f"{POINT}.weight") + 0.4 * given[f"{kohya(POINT)}.diff"][:, :, None, None]
    )
    look = fusing.fuse((fusing.file("full", given), 0.4))
    assert set(look.overlay) == set(wanted)
    for name, tensor in wanted.items():
        torch.testing.assert_close(look.overlay[name], tensor, rtol=1e-6, atol=1e-7)


def mixed(fusing: Bench) -> Any:
    """A file in which every module is of another kind."""
    given: Parts = {}
    for module, make in ((LINEAR, FACTORED["loha"]), (CONV, FACTORED["lokr"]), (TEXT, plain)):
        given |= spelt(module, make(fusing.weight(module).shape)[0], "kohya", alpha=2.0)
    given[f"{kohya(TEXT)}.diff_b"] = normal(*fusing.model.tensor(f"{TEXT}.bias").shape, seed=8)
    return fusing.file("mixed", given)


def as_difference(fusing: Bench, expert: Any, name: str) -> Any:
    """The same change as a file of full differences."""
    reader = Reader(at_location)
    shapes = {key: tuple(tensor.shape) for key, tensor in fusing.model.base.stored.items()}
    deltas, _ = lora(expert, 1.0, shapes, reader, fusing.model.base.stored)
    given = {}
    for key, compute in deltas.compute.items():
        module, _, end = key.rpartition(".")
        given[f"{kohya(module)}.{'diff' if end == 'weight' else 'diff_b'}"] = compute(torch.device("cpu"))
    return fusing.file(name, given)


@pytest.mark.parametrize("via", ["sum", "ties", "magnitude", "slerp", "attention"])
def test_operators_take_them_beside_plain_loras(via: str, fusing: Bench, peft_lora: Path) -> None:
    own = mixed(fusing)
    beside = fusing.make_expert(peft_lora, "lora")
    one = fusing.fuse((own, 0.8), (beside, 0.6), via=via)
    other = fusing.fuse((as_difference(fusing, own, "same"), 0.8), (beside, 0.6), via=via)
    assert one.overlay.keys() == other.overlay.keys()
    assert f"{LINEAR}.weight" in one.overlay
    for name in one.overlay:
        torch.testing.assert_close(one.overlay[name], other.overlay[name], rtol=1e-5, atol=1e-6)
    alone = fusing.fuse((beside, 0.6), via=via).overlay
    assert not torch.equal(one.tensor(f"{LINEAR}.weight"), fusing.model.tensor(f"{LINEAR}.weight"))
    assert set(alone) < set(one.overlay) or via == "attention"


@pytest.mark.parametrize("via", ["dare", "della"])
def test_operators_that_draw_take_them_too(via: str, fusing: Bench) -> None:
    """Which numbers are dropped hangs on the file's bytes; that the rest is left is checked by its size."""
    look = fusing.fuse((mixed(fusing), 0.8), via=via)
    assert all(tensor.isfinite().all() for tensor in look.overlay.values())
    assert not torch.equal(look.tensor(f"{LINEAR}.weight"), fusing.model.tensor(f"{LINEAR}.weight"))


@pytest.mark.parametrize("via", ["sum", "ties"])
def test_zero_strength_is_absence_to_the_bit(via: str, fusing: Bench, peft_lora: Path) -> None:
    beside = fusing.make_expert(peft_lora, "lora")
    alone = fusing.fuse((beside, 0.6), via=via).overlay
    with_zero = fusing.fuse((mixed(fusing), 0.0), (beside, 0.6), via=via).overlay
    assert alone.keys() == with_zero.keys()
    assert all(torch.equal(alone[name], with_zero[name]) for name in alone)
    assert fusing.fuse((mixed(fusing), 0.0), via=via).overlay == {}


def test_a_rank_cuts_what_is_no_product(fusing: Bench, peft_lora: Path) -> None:
    """By a dense decomposition, beside a plain LoRA as well."""
    own, beside = mixed(fusing), fusing.make_expert(peft_lora, "lora")
    name = f"{LINEAR}.weight"
    for operands in (((own, 0.8),), ((own, 0.8), (beside, 0.6))):
        whole = (fusing.fuse(*operands).tensor(name) - fusing.model.tensor(name)).double().numpy()
        left, values, right = np.linalg.svd(whole, full_matrices=False)
        wanted = fusing.weight(LINEAR) + (left[:, :2] * values[:2]) @ right[:2]
        cut = fusing.fuse(*operands, rank=2).tensor(name)
        np.testing.assert_allclose(cut.numpy(), wanted, rtol=1e-5, atol=1e-6)


TARGETS = ("to_k", "proj_in", "conv1", "ff.net.2")


@pytest.mark.parametrize(
    "config",
    [
        peft.LoHaConfig(r=4, alpha=2, target_modules=TARGETS, init_weights=False),
        peft.LoHaConfig(r=4, alpha=3, target_modules=TARGETS, init_weights=False, use_effective_conv2d=True),
        peft.LoKrConfig(r=2, alpha=3, target_modules=TARGETS, init_weights=False),
        peft.LoKrConfig(r=64, alpha=16, target_modules=TARGETS, init_weights=False),
        peft.LoKrConfig(r=2, alpha=2, target_modules=TARGETS, init_weights=False, decompose_both=True,
                        use_effective_conv2d=True),
        peft.LoKrConfig(r=2, alpha=2, target_modules=TARGETS, init_weights=False, decompose_factor=4,
                        rank_pattern={"to_k": 3}, alpha_pattern={"conv1": 5}),
        peft.LoraConfig(r=4, lora_alpha=6, target_modules=TARGETS, init_lora_weights=False, use_dora=True),
        peft.LoraConfig(r=4, lora_alpha=6, target_modules=TARGETS, init_lora_weights=False, use_dora=True,
                        use_rslora=True),
    ],
    ids=["loha", "loha-core", "lokr", "lokr-whole", "lokr-both", "lokr-patterns", "dora", "dora-rslora"],
)  # fmt: skip
def test_fusing_equals_peft(config: Any, tiny: Any, fusing: Bench) -> None:
    torch.manual_seed(3)
    network = peft.get_peft_model(copy.deepcopy(tiny.unet), config)
    for name, tensor in network.named_parameters():
        if "lora_magnitude_vector" in name:
            tensor.data *= torch.rand_like(tensor) + 0.5
    state = peft.get_peft_model_state_dict(network)
    stated = {key: value for key, value in config.to_dict().items() if _is_plain(value)}
    made = fusing.file("peft", {key: tensor.clone() for key, tensor in state.items()}, stated)
    look = fusing.fuse((made, 1.0))
    merged = network.merge_and_unload().state_dict()
    changed = [
        name for name, tensor in merged.items() if not torch.equal(tensor, tiny.unet.state_dict()[name])
    ]
    assert set(look.overlay) == {f"unet.{name}" for name in changed}
    assert len(changed) > 10
    for name in changed:
        torch.testing.assert_close(look.overlay[f"unet.{name}"], merged[name], rtol=1e-5, atol=2e-6)


def _is_plain(value: object) -> bool:
    return isinstance(value, bool | int | float | str) or (
        isinstance(value, dict) and all(isinstance(inner, int | float) for inner in value.values())
    )


@pytest.mark.parametrize("operator", ["composite", "guidance", "switch", "chain"])
def test_predictions_and_schedules_take_them(
    operator: str, fusing: Bench, bench: Any, build: Any, tiny: Any, peft_lora: Path
) -> None:
    """Beside a plain LoRA, whose products run beside the layers, a dense change is a model of its own."""
    own, beside = mixed(fusing), fusing.make_expert(peft_lora, "lora")
    same = as_difference(fusing, own, "same")
    model = build.load(tiny.expert)
    drawn = []
    for expert in (own, same):
        operands = (build.operand(expert, 0.8), build.operand(beside, 0.6))
        drawn.append(build.sample(build.fuse_by(operator, model, *operands)))
    drawn.append(build.sample(build.fuse_by(operator, model, build.operand(beside, 0.6))))
    one, other, without = bench.latents(build, *drawn)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-4)
    assert (one - without).abs().max() > 1e-2


def test_composite_of_one_dense_change_is_its_sum(fusing: Bench, bench: Any, build: Any, tiny: Any) -> None:
    own, model = mixed(fusing), build.load(tiny.expert)
    drawn = [build.sample(build.fuse_by(via, model, build.operand(own, 0.8))) for via in ("composite", "sum")]
    one, other = bench.latents(build, *drawn)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-4)


BROKEN: dict[str, tuple[Parts, str]] = {
    "one product of two": ({"hada_w1_a": (32, 3), "hada_w1_b": (3, 64)}, "M451"),
    "another width": ({"hada_w1_a": (32, 3), "hada_w1_b": (3, 64), "hada_w2_a": (32, 3), "hada_w2_b": (3, 48)}, "M453"),
    "one core of two": (
        {"hada_w1_a": (32, 3), "hada_w1_b": (3, 64), "hada_w2_a": (32, 3), "hada_w2_b": (3, 64), "hada_t2": (3, 3)},
        "M453",
    ),
    "no divisor": ({"lokr_w1": (5, 8), "lokr_w2": (6, 8)}, "M453"),
    "a core beside a whole factor": ({"lokr_w1": (4, 8), "lokr_w2": (8, 8), "lokr_t2": (3, 3)}, "M453"),
    "both whole and factored": ({"lokr_w1": (4, 8), "lokr_w2": (8, 8), "lokr_w2_a": (8, 2)}, "M451"),
    "a difference of another shape": ({"diff": (64, 32)}, "M453"),
    "a bias that is not there": ({"diff_b": (32,)}, "M451"),
    "magnitudes of neither side": (
        {"lora_down.weight": (3, 64), "lora_up.weight": (32, 3), "dora_scale": (1, 32)}, "M453",
    ),
    "magnitudes alone": ({"dora_scale": (32, 1)}, "M451"),
    "two deltas of one weight": (
        {"lora_down.weight": (3, 64), "lora_up.weight": (32, 3), "diff": (32, 64)}, "M451",
    ),
    "several alphas": ({"lora_down.weight": (3, 64), "lora_up.weight": (32, 3), "alpha": (2,)}, "M453"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_makes_no_delta_is_refused(name: str, fusing: Bench) -> None:
    parts, code = BROKEN[name]
    tensors = {f"{kohya(LINEAR)}.{part}": torch.ones(shape) for part, shape in parts.items()}
    with pytest.raises(MosaicError) as caught:
        fusing.fuse((fusing.file("broken", tensors), 1.0))
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_a_dora_without_its_magnitudes_is_refused(fusing: Bench) -> None:
    parts, _ = plain(fusing.weight(LINEAR).shape)
    given = spelt(LINEAR, parts, "kohya")
    with pytest.raises(MosaicError, match="M453"):
        fusing.fuse((fusing.file("lost", given, {"r": RANK, "lora_alpha": RANK, "use_dora": True}), 1.0))


PARTS = (
    *("lora_down.weight", "lora_up.weight", "lora_mid.weight", "alpha", "dora_scale", "diff", "diff_b"),
    *("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"),
    *("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"),
)
SIDES = st.lists(st.sampled_from([0, 1, 2, 2, 4, 4]), max_size=4).map(tuple)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(PARTS), SIDES, max_size=8),
    st.sampled_from([(4, 4), (4, 2, 2, 2), (2, 4, 1, 1), (4,)]),
)
def test_what_is_found_to_fit_can_be_computed(parts: Mapping[str, Any], shape: tuple[int, ...]) -> None:
    names = {f"lora_unet_x.{part}": given for part, given in parts.items()}
    found = match(names, {"unet.x.weight": shape, "unet.x.bias": shape[:1]})
    stored = {"unet.x.weight": torch.ones(shape), "unet.x.bias": torch.ones(shape[:1])}
    tensors = {name: torch.ones(given) for name, given in names.items()}
    for change in found.changes:
        target = stored[change.module]
        made = delta(change, tensors, tuple(target.shape), stored, torch.device("cpu"))
        assert made.shape == target.shape


PLAN = """mosaic 1
plan p {{
  let look = fuse(checkpoint("zoo/base"), lora("./{name}.safetensors") * 0.7, lora("zoo/neon") * 0.5)
  emit sample(look, prompt: "a red cat", steps: 4, seed: 3) as "{name}.png"
}}
"""


def test_a_picture_of_the_zoo_by_either_encoding(tmp_path: Path) -> None:
    """A plan that names a LoHa by its path draws what the same change as a full difference draws."""
    unet = load_file(zoo.root() / "models/base/unet/diffusion_pytorch_model.safetensors")
    factored: Parts = {}
    full: Parts = {}
    for name, weight in unet.items():
        if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight", "conv1.weight")):
            module = f"unet.{name.removesuffix('.weight')}"
            parts, added = loha(tuple(weight.shape), core=weight.ndim == 4)
            factored |= spelt(module, parts, "kohya", alpha=4.0 * RANK)
            full[f"{kohya(module)}.diff"] = torch.from_numpy(4 * added).float()
    pictures = {}
    for name, tensors in (("loha", factored), ("full", full), ("none", {k: 0 * t for k, t in full.items()})):
        save_file(
            {key: tensor.contiguous() for key, tensor in tensors.items()}, tmp_path / f"{name}.safetensors"
        )
        plan = tmp_path / f"{name}.mosaic"
        plan.write_text(PLAN.format(name=name))
        mosaic.run(plan, output=tmp_path, device="cpu")
        pictures[name] = np.asarray(Image.open(tmp_path / f"{name}.png"), dtype=int)
    assert np.abs(pictures["loha"] - pictures["full"]).max() <= 1
    assert np.abs(pictures["loha"] - pictures["none"]).mean() > 1
