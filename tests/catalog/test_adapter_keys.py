"""Adapter names, in every spelling that is met, find the module they change."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from mosaic.compiler.weights import adapter_keys, ldm
from mosaic.compiler.weights.adapter_keys import algorithm, match

Shapes = dict[str, tuple[int, ...]]
RANK = 2

UNET_LINEAR = "unet.down_blocks.0.attentions.1.transformer_blocks.0.attn2.to_k"
UNET_OUT = "unet.down_blocks.0.attentions.1.transformer_blocks.0.attn2.to_out.0"
UNET_FEED = "unet.mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj"
UNET_CONV = "unet.up_blocks.1.resnets.2.conv1"
UNET_ONE = "unet.up_blocks.1.attentions.0.proj_in"
TEXT = "text_encoder.text_model.encoder.layers.1.self_attn.q_proj"
EVERYTHING = (UNET_LINEAR, UNET_OUT, UNET_FEED, UNET_CONV, UNET_ONE, TEXT)


def target(base: Mapping[str, tuple[int, ...]], module: str) -> str:
    """The base's own name of a module: it may or may not say `text_model.`."""
    return next(n for n in base if adapter_keys.canonical(n) == adapter_keys.canonical(module) + ".weight")


def factors(base: Mapping[str, tuple[int, ...]], module: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    shape = base[target(base, module)]
    return (RANK, *shape[1:]), (shape[0], RANK, *(1 for _ in shape[2:]))


def kohya(module: str) -> str:
    component, _, rest = module.partition(".")
    return {"unet": "lora_unet_", "text_encoder": "lora_te_"}[component] + rest.replace(".", "_")


def kohya_ldm(module: str) -> str:
    if not module.startswith("unet."):
        return kohya(module)
    original = ldm.to_ldm(module, ldm.Layout(layers=2, attentive=(1,)))
    assert original is not None
    return kohya(original)


def old_processor(module: str) -> str:
    head, _, last = module.removesuffix(".0").rpartition(".")
    return f"{head}.processor.{last}"


SPELLINGS: dict[str, Callable[[str], tuple[str, str]]] = {
    "diffusers": lambda m: (f"{m}.lora.down.weight", f"{m}.lora.up.weight"),
    "diffusers text": lambda m: (f"{m}.lora_linear_layer.down.weight", f"{m}.lora_linear_layer.up.weight"),
    "diffusers peft": lambda m: (f"{m}.lora_A.weight", f"{m}.lora_B.weight"),
    "peft": lambda m: (f"base_model.model.{m}.lora_A.weight", f"base_model.model.{m}.lora_B.weight"),
    "peft bare": lambda m: tuple(  # type: ignore[return-value]
        f"base_model.model.{m.removeprefix('unet.').removeprefix('text_encoder.')}.lora_{f}.weight"
        for f in "AB"
    ),
    "peft named": lambda m: (f"{m}.lora_A.default.weight", f"{m}.lora_B.default.weight"),
    "kohya": lambda m: (f"{kohya(m)}.lora_down.weight", f"{kohya(m)}.lora_up.weight"),
    "kohya ldm": lambda m: (f"{kohya_ldm(m)}.lora_down.weight", f"{kohya_ldm(m)}.lora_up.weight"),
}


@pytest.mark.parametrize("module", EVERYTHING)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_spelling_finds_each_kind_of_module(base: Shapes, spelling: str, module: str) -> None:
    down, up = SPELLINGS[spelling](module)
    down_shape, up_shape = factors(base, module)
    found = match({down: down_shape, up: up_shape}, base)
    assert (found.unmatched, found.misshaped) == ((), ())
    (change,) = found.changes
    assert (change.module, change.rank) == (target(base, module), RANK)
    assert dict(change.parts) == {"down": down, "up": up}
    assert change.component == module.partition(".")[0]


def test_old_attention_processors(base: Shapes) -> None:
    names: Shapes = {}
    for module in (UNET_LINEAR, UNET_OUT):
        down, up = factors(base, module)
        names |= {
            f"{old_processor(module)}_lora.down.weight": down,
            f"{old_processor(module)}_lora.up.weight": up,
        }
    found = match(names, base)
    assert [p.module for p in found.changes] == [f"{UNET_LINEAR}.weight", f"{UNET_OUT}.weight"]
    assert not found.unmatched


def test_old_text_encoder_projections(base: Shapes) -> None:
    down, up = factors(base, TEXT)
    head = TEXT.removesuffix(".q_proj")
    names = {f"{head}.to_q_lora.down.weight": down, f"{head}.to_q_lora.up.weight": up}
    assert [p.module for p in match(names, base).changes] == [target(base, TEXT)]


def test_alpha_and_tucker_core(base: Shapes) -> None:
    module = kohya(UNET_CONV)
    shape = base[f"{UNET_CONV}.weight"]
    names: Shapes = {
        f"{module}.alpha": (),
        f"{module}.lora_down.weight": (RANK, shape[1], 1, 1),
        f"{module}.lora_mid.weight": (RANK, RANK, 3, 3),
        f"{module}.lora_up.weight": (shape[0], RANK, 1, 1),
    }
    (change,) = match(names, base).changes
    assert (change.parts["alpha"], change.parts["mid"]) == (f"{module}.alpha", f"{module}.lora_mid.weight")


def test_a_linear_adapter_of_a_pointwise_convolution(base: Shapes) -> None:
    shape = base[f"{UNET_ONE}.weight"]
    names = {f"{UNET_ONE}.lora_A.weight": (RANK, shape[1]), f"{UNET_ONE}.lora_B.weight": (shape[0], RANK)}
    assert len(match(names, base).changes) == 1


def test_what_finds_no_place_is_named(base: Shapes) -> None:
    down, _ = factors(base, UNET_LINEAR)
    names: Shapes = {
        f"{UNET_LINEAR}.lora.down.weight": down,  # no up
        "lora_unet_double_blocks_0_img_attn_proj.lora_down.weight": (2, 8),
        "lora_unet_double_blocks_0_img_attn_proj.lora_up.weight": (8, 2),
        "lora_unet_double_blocks_0_img_attn_proj.alpha": (),
        "something.else": (3,),
    }
    found = match(names, base)
    assert found.changes == ()
    assert set(found.unmatched) == set(names)


def test_two_spellings_of_one_factor_do_not_hide_each_other(base: Shapes) -> None:
    down, up = factors(base, UNET_LINEAR)
    names = {
        f"{UNET_LINEAR}.lora.down.weight": down,
        f"{UNET_LINEAR}.lora.up.weight": up,
        f"{kohya(UNET_LINEAR)}.lora_up.weight": up,
    }
    found = match(names, base)
    assert len(found.changes) + len(found.unmatched) == 2


def test_wrong_width_says_both_widths(base: Shapes) -> None:
    _, up = factors(base, UNET_LINEAR)
    names = {f"{UNET_LINEAR}.lora.down.weight": (RANK, 768), f"{UNET_LINEAR}.lora.up.weight": up}
    found = match(names, base)
    assert found.misshaped == (f"{UNET_LINEAR}.lora.down.weight: 768 here, 12 there",)


@pytest.mark.parametrize(
    ("down", "up"),
    [((), ()), ((2,), (8,)), ((2, 12), (8, 3)), ((2, 12), (9, 2)), ((2, 12, 3, 3), (8, 2, 1, 1))],
)
def test_shapes_that_cannot_be_factors(base: Shapes, down: tuple[int, ...], up: tuple[int, ...]) -> None:
    found = match({f"{UNET_LINEAR}.lora_A.weight": down, f"{UNET_LINEAR}.lora_B.weight": up}, base)
    assert not found.changes
    assert len(found.misshaped) == 1


def test_a_real_peft_adapter_is_matched_whole(unet: object, base: Shapes) -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(
        r=RANK, target_modules=["to_q", "to_k", "to_out.0", "conv1", "proj_in", "ff.net.0.proj"]
    )
    import copy

    state = peft.get_peft_model_state_dict(peft.get_peft_model(copy.deepcopy(unet), config))
    found = match({name: tuple(tensor.shape) for name, tensor in state.items()}, base)
    assert not found.unmatched
    assert not found.misshaped
    assert 2 * len(found.changes) == len(state)


def test_stated_alpha_comes_from_pefts_metadata(base: Shapes) -> None:
    down, up = factors(base, UNET_LINEAR)
    names = {f"{UNET_LINEAR}.lora_A.weight": down, f"{UNET_LINEAR}.lora_B.weight": up}

    def stated(**config: object) -> float | None:
        text = json.dumps({f"unet.{key}": value for key, value in config.items()})
        return match(names, base, {"lora_adapter_metadata": text}).changes[0].stated_alpha

    assert stated(lora_alpha=4) == 4.0
    assert stated(lora_alpha=4, use_rslora=True) == pytest.approx(4 * RANK**0.5)
    assert stated(lora_alpha=4, alpha_pattern={"attn2.to_k": 16}) == 16.0
    assert stated(lora_alpha="many") is None
    assert match(names, base, {"lora_adapter_metadata": "{"}).changes[0].stated_alpha is None
    assert match(names, base).changes[0].stated_alpha is None


@pytest.mark.parametrize(
    ("expected", "names"),
    [
        ("lora", ["lora_unet_x.lora_down.weight", "lora_unet_x.lora_up.weight", "lora_unet_x.alpha"]),
        ("lora", ["unet.x.to_q.lora.down.weight"]),
        ("lora", ["unet.x.processor.to_q_lora.up.weight"]),
        ("lora", ["base_model.model.x.lora_A.default.weight"]),
        ("lora", ["text_encoder.x.lora_linear_layer.up.weight"]),
        ("dora", ["lora_unet_x.lora_down.weight", "lora_unet_x.dora_scale"]),
        ("dora", ["x.lora_A.weight", "x.lora_magnitude_vector"]),
        ("dora", ["x.lora_A.weight", "x.lora_magnitude_vector.default.weight"]),
        ("loha", ["lora_unet_x.hada_w1_a", "lora_unet_x.alpha"]),
        ("lokr", ["lora_unet_x.lokr_w1", "lora_unet_x.lokr_w2_a"]),
        ("oft", ["x.oft_blocks"]),
        ("oft", ["x.oft_R.default.weight"]),
        ("ia3", ["x.on_input"]),
        ("ia3", ["x.ia3_l.default"]),
        ("full", ["lora_unet_x.diff", "lora_unet_x.diff_b"]),
        ("unknown", ["conv_in.weight"]),
        ("unknown", []),
    ],
)
def test_algorithm(expected: str, names: list[str]) -> None:
    assert algorithm(names) == expected
