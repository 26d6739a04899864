"""Fusing: exact sums, by reference, in every spelling of the keys."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model, set_peft_model_state_dict
from safetensors.torch import load_file, save_file

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.program import Fuse, Operand
from mosaic.runtime.devices import choose
from mosaic.runtime.families import families
from mosaic.runtime.files import Reader
from mosaic.runtime.fuse import Fusion
from mosaic.runtime.values import Model


def fused(model: Model, operators: Any, *operands: tuple[Any, float]) -> Model:
    fusion = Fusion(
        tuple(expert for expert, _ in operands), operators, Reader(at_location), no_base, no_bridge
    )
    wanted = tuple(Operand(expert=n, strength=strength) for n, (_, strength) in enumerate(operands))
    fuse = Fuse(model=0, operator="sum", operator_version=1, settings={}, operands=wanted)
    made = fusion.apply(model, fuse, {})
    assert isinstance(made, Model)
    return made


def no_base(expert: Any) -> Any:
    raise AssertionError(f"operators on weights load no networks, and {expert.id} was asked for")


def no_bridge(expert: Any) -> Any:
    raise AssertionError(f"one latent space needs no bridge, and {expert.id} was asked for")


def at_location(file: Any) -> Path:
    return Path(file.location)


@pytest.fixture(scope="module")
def base(tiny: Any) -> Model:
    cache: dict[Any, Any] = {}
    return Model.of(families()["sd1"].load(tiny.expert, Reader(at_location), choose("cpu", "auto"), cache))


@pytest.fixture(params=["peft", "kohya", "diffusers"])
def lora(request: Any, make_expert: Any) -> Any:
    return make_expert(request.getfixturevalue(f"{request.param}_lora"), "lora")


def refuses(code: str, base: Model, operators: Any, *operands: tuple[Any, float]) -> Any:
    with pytest.raises(MosaicError) as caught:
        fused(base, operators, *operands)
    assert [d.code for d in caught.value.diagnostics] == [code]
    return caught.value.diagnostics[0]


def test_every_spelling_gives_the_same_weights(
    lora: Any, base: Model, operators: Any, lora_factors: Any, alphas: float
) -> None:
    look = fused(base, operators, (lora, 0.7))
    assert set(look.overlay) == {f"{module}.weight" for module in lora_factors}
    for module, (down, up) in lora_factors.items():
        before = base.base.stored[f"{module}.weight"].double()
        delta = up.double().flatten(1) @ down.double().flatten(1) * (alphas / 3)
        after = before + 0.7 * delta.reshape(before.shape)
        torch.testing.assert_close(look.overlay[f"{module}.weight"].double(), after, rtol=0, atol=1e-6)


def test_fusing_equals_peft(
    peft_lora: Path, alphas: float, tiny: Any, base: Model, operators: Any, make_expert: Any
) -> None:
    look = fused(base, operators, (make_expert(peft_lora, "lora"), 1.0))
    tensors = load_file(peft_lora)
    targets = sorted({n.split(".lora_")[0].removeprefix("unet.") for n in tensors if n.startswith("unet.")})
    unet = copy.deepcopy(tiny.unet)
    inject_adapter_in_model(LoraConfig(r=3, lora_alpha=alphas, target_modules=targets), unet)
    state = {n.removeprefix("unet."): t for n, t in tensors.items() if n.startswith("unet.")}
    assert set(get_peft_model_state_dict(unet)) == set(state)
    set_peft_model_state_dict(unet, state)
    layers = {name: layer for name, layer in unet.named_modules() if hasattr(layer, "get_delta_weight")}
    assert set(layers) == set(targets)
    for name, layer in layers.items():
        layer.merge()
        ours = look.overlay[f"unet.{name}.weight"]
        torch.testing.assert_close(ours, layer.base_layer.weight, rtol=1e-5, atol=1e-6)


def test_many_looks_leave_the_base_as_it_was(
    peft_lora: Path, tuned: Any, base: Model, operators: Any, make_expert: Any
) -> None:
    lora = make_expert(peft_lora, "lora")
    looks = [
        fused(base, operators, (lora, 0.3)),
        fused(base, operators, (lora, -2.0), (tuned.expert, 0.5)),
        fused(base, operators, (tuned.expert, 1.0)),
    ]
    modules = (base.base.unet.module, base.base.text_encoder.module)
    before = [{n: t.clone() for n, t in module.state_dict().items()} for module in modules]
    places = [[t.data_ptr() for t in module.state_dict().values()] for module in modules]
    family = base.base.family
    first = family.encode_text(base, "a red cat")
    for number in range(200):
        look = looks[number % 3]
        assert not torch.equal(family.encode_text(look, "a red cat"), first)
    assert torch.equal(family.encode_text(base, "a red cat"), first)
    for module, tensors, place in zip(modules, before, places, strict=True):
        assert all(torch.equal(tensors[name], now) for name, now in module.state_dict().items())
        assert [t.data_ptr() for t in module.state_dict().values()] == place


def test_the_base_returns_after_a_fault(
    peft_lora: Path, base: Model, operators: Any, make_expert: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = fused(base, operators, (make_expert(peft_lora, "lora"), 1.0))
    before = base.base.family.encode_text(base, "a cat")
    encoder = base.base.text_encoder.module

    def fail(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(encoder, "forward", fail)
        with pytest.raises(KeyboardInterrupt):
            base.base.family.encode_text(look, "a cat")
    assert torch.equal(base.base.family.encode_text(base, "a cat"), before)


def test_a_whole_task_vector_is_the_other_checkpoint(tuned: Any, base: Model, operators: Any) -> None:
    look = fused(base, operators, (tuned.expert, 1.0))
    for name, tensor in tuned.unet.state_dict().items():
        torch.testing.assert_close(look.tensor(f"unet.{name}"), tensor, rtol=0, atol=1e-6)
    half = fused(base, operators, (tuned.expert, 0.5))
    name = "unet.conv_in.weight"
    middle = (base.tensor(name) + look.tensor(name)) / 2
    torch.testing.assert_close(half.tensor(name), middle, rtol=0, atol=1e-6)


def test_a_task_vector_of_a_denoiser_alone(tuned: Any, base: Model, operators: Any) -> None:
    files = tuple(file for file in tuned.expert.files if file.name.startswith("unet/"))
    alone = fused(base, operators, (tuned.expert.model_copy(update={"files": files}), 1.0))
    whole = fused(base, operators, (tuned.expert, 1.0))
    assert alone.overlay.keys() == {name for name in whole.overlay if name.startswith("unet.")}
    assert all(torch.equal(tensor, whole.overlay[name]) for name, tensor in alone.overlay.items())


def test_equal_tensors_are_not_touched(tiny: Any, base: Model, operators: Any) -> None:
    assert fused(base, operators, (tiny.expert, 0.5)).overlay == {}


def test_half_precision_is_cast_once(tiny: Any, peft_lora: Path, operators: Any, make_expert: Any) -> None:
    device = choose("cpu", "bfloat16")
    model = Model.of(families()["sd1"].load(tiny.expert, Reader(at_location), device, {}))
    lora = make_expert(peft_lora, "lora")
    exact = Model.of(families()["sd1"].load(tiny.expert, Reader(at_location), choose("cpu", "auto"), {}))
    for name, tensor in fused(model, operators, (lora, 0.7)).overlay.items():
        assert tensor.dtype == torch.bfloat16
        assert torch.equal(tensor, fused(exact, operators, (lora, 0.7)).overlay[name].bfloat16())
        break


def test_a_tucker_core(tiny: Any, base: Model, operators: Any, make_expert: Any, tmp_path: Path) -> None:
    module = "down_blocks.0.resnets.0.conv1"
    out, inside = tiny.unet.get_submodule(module).weight.shape[:2]
    down, mid, up = torch.randn(2, inside, 1, 1), torch.randn(2, 2, 3, 3), torch.randn(out, 2, 1, 1)
    key = f"lora_unet_{module.replace('.', '_')}"
    tensors = {f"{key}.lora_down.weight": down, f"{key}.lora_mid.weight": mid, f"{key}.lora_up.weight": up}
    save_file(tensors, tmp_path / "tucker.safetensors")
    look = fused(base, operators, (make_expert(tmp_path / "tucker.safetensors", "lora"), 1.0))
    layers = [torch.nn.functional.conv2d(torch.eye(inside)[:, :, None, None], down)]
    layers.append(torch.nn.functional.conv2d(layers[-1], mid, padding=2))
    layers.append(torch.nn.functional.conv2d(layers[-1], up))
    # The response to a single pixel is the kernel, mirrored.
    kernel = layers[-1].flip(2, 3).permute(1, 0, 2, 3)
    delta = look.overlay[f"unet.{module}.weight"] - base.tensor(f"unet.{module}.weight")
    torch.testing.assert_close(delta, kernel, rtol=1e-4, atol=1e-5)


def test_unmatched_tensors_are_refused(
    peft_lora: Path, base: Model, operators: Any, make_expert: Any, tmp_path: Path
) -> None:
    tensors = load_file(peft_lora)
    tensors["unet.nowhere.to_q.lora_A.weight"] = torch.zeros(3, 8)
    tensors["unet.nowhere.to_q.lora_B.weight"] = torch.zeros(8, 3)
    save_file(tensors, tmp_path / "odd.safetensors")
    found = refuses("M451", base, operators, (make_expert(tmp_path / "odd.safetensors", "lora"), 1.0))
    assert found.message().startswith("2 of ")
    assert "unet.nowhere.to_q.lora_A.weight" in found.help()[0]


@pytest.mark.parametrize(
    ("suffix", "algorithm"), [("oft_blocks", "oft"), ("on_input", "ia3"), ("a1.weight", "glora")]
)
def test_other_algorithms_are_refused(
    suffix: str, algorithm: str, base: Model, operators: Any, make_expert: Any, tmp_path: Path
) -> None:
    save_file({f"lora_unet_conv_in.{suffix}": torch.zeros(3, 8)}, tmp_path / "other.safetensors")
    found = refuses("M452", base, operators, (make_expert(tmp_path / "other.safetensors", "lora"), 1.0))
    assert algorithm in found.message()


def test_other_shapes_are_refused(
    peft_lora: Path, base: Model, operators: Any, make_expert: Any, tmp_path: Path
) -> None:
    tensors = load_file(peft_lora)
    name = next(name for name in tensors if name.endswith("lora_B.weight"))
    tensors[name] = torch.zeros(tensors[name].shape[0] + 1, *tensors[name].shape[1:])
    save_file(tensors, tmp_path / "odd.safetensors")
    found = refuses("M453", base, operators, (make_expert(tmp_path / "odd.safetensors", "lora"), 1.0))
    assert name in found.help()[0]


def test_what_does_not_fit_is_left_out_where_the_plan_allows_it(
    peft_lora: Path, base: Model, operators: Any, make_expert: Any, tmp_path: Path
) -> None:
    """One module is misshaped, one has no place: the others give exactly what they give alone."""
    tensors = load_file(peft_lora)
    bad = sorted(name for name in tensors if name.endswith("lora_B.weight"))[0]
    module = bad.removesuffix(".lora_B.weight")
    rest = {name: tensor for name, tensor in tensors.items() if not name.startswith(f"{module}.")}
    save_file(rest, tmp_path / "rest.safetensors")
    odd = torch.zeros(tensors[bad].shape[0] + 1, *tensors[bad].shape[1:])
    save_file(
        {**tensors, bad: odd, "unet.nowhere.lora_A.weight": torch.ones(2, 2)}, tmp_path / "odd.safetensors"
    )
    fusion = Fusion(
        (make_expert(tmp_path / "odd.safetensors", "lora"),),
        operators,
        Reader(at_location),
        no_base,
        no_bridge,
    )
    operands = (Operand(expert=0, strength=0.7, partial=True),)
    wanted = Fuse(model=0, operator="sum", operator_version=1, settings={}, operands=operands)
    partly = fusion.apply(base, wanted, {}).overlay
    alone = fused(base, operators, (make_expert(tmp_path / "rest.safetensors", "lora"), 0.7)).overlay
    assert partly.keys() == alone.keys()
    assert all(torch.equal(partly[name], alone[name]) for name in alone)
    assert [(count.matched, count.total) for count in fusion.keys] == [(len(rest), len(tensors) + 1)]


def test_nothing_that_fits_is_refused_all_the_same(
    base: Model, operators: Any, make_expert: Any, tmp_path: Path
) -> None:
    names = ("unet.nowhere.lora_A.weight", "unet.nowhere.lora_B.weight")
    save_file(
        dict.fromkeys(names, torch.ones(2, 2)) | {names[1]: torch.zeros(2, 2)}, tmp_path / "no.safetensors"
    )
    fusion = Fusion(
        (make_expert(tmp_path / "no.safetensors", "lora"),),
        operators,
        Reader(at_location),
        no_base,
        no_bridge,
    )
    operands = (Operand(expert=0, strength=0.7, partial=True),)
    wanted = Fuse(model=0, operator="sum", operator_version=1, settings={}, operands=operands)
    with pytest.raises(MosaicError, match="M451"):
        fusion.apply(base, wanted, {})


def test_an_operator_of_another_version_is_refused(tuned: Any, base: Model) -> None:
    found = refuses("M461", base, {}, (tuned.expert, 1.0))
    assert "`sum` version 1" in found.message()


def test_strengths_of_parts_must_be_one(
    base: Model, operators: Any, make_expert: Any, tmp_path: Path
) -> None:
    save_file({"<x>": torch.zeros(64)}, tmp_path / "x.safetensors")
    refuses("M463", base, operators, (make_expert(tmp_path / "x.safetensors", "embedding"), 0.5))
