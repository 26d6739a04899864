"""What experts are, told from names and shapes: published architectures on the meta device, and made-up
cases.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.compiler.types import Family, Kind, Prediction
from mosaic.compiler.weights import adapter_keys, adapters, autoencoders, denoisers, embeddings, families, ldm
from mosaic.compiler.weights.autoencoders import VaeFacts, latent_space
from mosaic.compiler.weights.families import identify

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

Shapes = dict[str, tuple[int, ...]]


def unet(**config: object) -> Shapes:
    with torch.device("meta"):
        model = diffusers.UNet2DConditionModel(**config)
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


SDXL = {
    "block_out_channels": (32, 64, 64),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 64,
    "norm_num_groups": 8,
}
SMALL = {"block_out_channels": (32, 64, 64, 64), "norm_num_groups": 8}


@pytest.mark.parametrize(
    ("family", "config"),
    [
        (Family.SD1, {**SMALL, "cross_attention_dim": 768}),
        (Family.SD1, {**SMALL, "cross_attention_dim": 64}),
        (Family.SD2, {**SMALL, "cross_attention_dim": 1024, "use_linear_projection": True}),
        (Family.SDXL, {**SDXL, "cross_attention_dim": 2048}),
        (Family.SDXL_REFINER, {**SDXL, "cross_attention_dim": 1280}),
        (None, {**SDXL, "cross_attention_dim": 99}),
    ],
)
@pytest.mark.parametrize("prefix", ["", "unet."])
def test_unets(family: Family | None, config: dict[str, object], prefix: str) -> None:
    shapes = {prefix + name: shape for name, shape in unet(**config).items()}
    found = identify(shapes)
    layout = "prefixed" if prefix else "diffusers"
    assert (found.kind, found.family, found.layout) == (Kind.CHECKPOINT, family, layout)


TINY_FLUX = {
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 8,
    "num_attention_heads": 2,
    "joint_attention_dim": 32,
    "pooled_projection_dim": 32,
    "axes_dims_rope": (2, 2, 4),
}
TINY_SD3 = {
    "sample_size": 8,
    "num_layers": 1,
    "attention_head_dim": 8,
    "num_attention_heads": 2,
    "joint_attention_dim": 32,
    "caption_projection_dim": 16,
    "pooled_projection_dim": 32,
}


@pytest.mark.parametrize(
    ("family", "model", "config"),
    [
        (Family.FLUX, "FluxTransformer2DModel", TINY_FLUX),
        (Family.SD3, "SD3Transformer2DModel", TINY_SD3),
        (
            None,
            "ChromaTransformer2DModel",
            {**TINY_FLUX, "pooled_projection_dim": None, "approximator_num_channels": 8},
        ),
        (None, "AuraFlowTransformer2DModel", {"num_mmdit_layers": 1, "num_single_dit_layers": 1}),
    ],
)
def test_transformers(family: Family | None, model: str, config: dict[str, object]) -> None:
    with torch.device("meta"):
        made = getattr(diffusers, model)(**{k: v for k, v in config.items() if v is not None})
    found = identify({name: tuple(tensor.shape) for name, tensor in made.state_dict().items()})
    expected = Prediction.FLOW if family else None
    assert (found.kind, found.family, found.prediction) == (Kind.CHECKPOINT, family, expected)


CROSS = "down_blocks.1.attentions.0.transformer_blocks.0.attn2"


@pytest.mark.parametrize("width", [768, 1024, 2048, 1280, 64])
@pytest.mark.parametrize(
    "name",
    [
        f"unet.{CROSS}.to_k.lora_A.weight",
        f"base_model.model.{CROSS}.to_k.lora_A.default.weight",
        f"unet.{CROSS}.to_k.lora.down.weight",
        f"unet.{CROSS}.processor.to_k_lora.down.weight",
        f"lora_unet_{CROSS.replace('.', '_')}_to_k.lora_down.weight",
    ],
)
def test_loras_by_the_width_that_cross_attention_reads(name: str, width: int) -> None:
    expected = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl-refiner"}.get(width)
    found = identify({name: (4, width)})
    assert (found.kind, found.family, found.prediction) == (Kind.LORA, expected, None)


@pytest.mark.parametrize(
    ("family", "names"),
    [
        (None, ["lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight"]),
        (
            Family.SDXL,
            ["lora_unet_down_blocks_2_attentions_0_transformer_blocks_5_attn1_to_q.lora_down.weight"],
        ),
        # Stable Diffusion 3 has a second CLIP encoder too.
        (None, ["lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight"]),
        (
            Family.SDXL,
            [
                "lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight",
                "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.lora_down.weight",
            ],
        ),
        (None, ["lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight"]),
        (None, ["transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight"]),
        (Family.SD3, ["lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight"]),
        (None, ["transformer.transformer_blocks.0.attn.add_k_proj.lora_A.weight"]),
    ],
)
def test_loras_by_their_blocks_or_not_at_all(family: Family | None, names: list[str]) -> None:
    assert identify(dict.fromkeys(names, (4, 320))).family == family


@pytest.mark.parametrize(
    ("family", "width", "names"),
    [
        (Family.FLUX, 3072, ["lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight"]),
        (Family.FLUX, 3072, ["transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight"]),
        # Flux has 38 single and 19 double blocks; HunyuanVideo, of the same width, 40 and 20.
        (None, 3072, ["transformer.single_transformer_blocks.39.attn.to_q.lora_A.weight"]),
        (None, 3072, ["lora_unet_double_blocks_19_img_attn_qkv.lora_down.weight"]),
        # Qwen-Image has Flux's double blocks by name and width.
        (None, 3072, ["transformer.transformer_blocks.0.attn.add_k_proj.lora_A.weight"]),
        (
            None,
            3072,
            [f"transformer.transformer_blocks.0.{name}.lora_A.weight" for name in ("attn.to_q", "img_mod.1")],
        ),
        (Family.SD3, 1536, ["transformer.transformer_blocks.0.attn.add_k_proj.lora_A.weight"]),
        (Family.SD3, 2432, ["transformer.transformer_blocks.30.attn.to_q.lora_A.weight"]),
        (None, 2048, ["transformer.transformer_blocks.0.attn2.to_k.lora_A.weight"]),
    ],
)
def test_loras_of_transformers_by_width_and_depth(
    family: Family | None, width: int, names: list[str]
) -> None:
    assert identify(dict.fromkeys(names, (4, width))).family == family


@pytest.mark.parametrize(
    ("token", "family", "shapes"),
    [
        ("hero", Family.SD1, {"emb_params": (3, 768)}),
        ("<samurai>", Family.SD1, {"<samurai>": (768,)}),
        ("<samurai>", None, {"<samurai>": (1, 64)}),
        ("hero", Family.SD2, {"*": (1024,)}),
        ("hero", Family.SDXL, {"clip_l": (2, 768), "clip_g": (2, 1280)}),
    ],
)
def test_embeddings(token: str, family: Family | None, shapes: Shapes) -> None:
    found = identify(shapes)
    assert (found.kind, found.family) == (Kind.EMBEDDING, family)
    assert embeddings.embedding_token(shapes, "hero") == token


@pytest.mark.parametrize(
    "shapes",
    [
        {},
        {"lm_head.weight": (100, 64)},
        {"a": (3, 768), "b": (3, 768)},
        {"scalar": ()},
        {"volume": (2, 3, 4)},
        {"too_many": (5000, 768)},
        {"model.layers.0.mlp.weight": (8, 8), "model.norm.weight": (8,), "x": (1,)},
    ],
)
def test_what_is_no_expert(shapes: Shapes) -> None:
    assert identify(shapes).kind is None


def test_autoencoders_and_controlnets(vae: object, unet: object) -> None:
    state = {name: tuple(t.shape) for name, t in vae.state_dict().items()}  # type: ignore[attr-defined]
    assert identify(state).kind is Kind.VAE
    assert identify({f"first_stage_model.{name}": shape for name, shape in state.items()}).kind is Kind.VAE
    facts = autoencoders.vae_of_shapes(state)
    assert facts == VaeFacts(latents=4, widths=(8, 16))
    assert facts.multiple == 2
    control = diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 16))
    found = identify({name: tuple(t.shape) for name, t in control.state_dict().items()})
    assert (found.kind, found.family) == (Kind.CONTROL, Family.SD1)


@pytest.mark.parametrize(
    ("expected", "family", "scheduler", "shapes", "metadata"),
    [
        (Prediction.V, "sd1", {"prediction_type": "v_prediction"}, [], {}),
        (Prediction.EPSILON, "sd2", {"prediction_type": "epsilon"}, [], {}),
        (Prediction.EPSILON, "sd2", {"num_train_timesteps": 1000}, [], {}),
        (Prediction.FLOW, "sd3", {"_class_name": "FlowMatchEulerDiscreteScheduler"}, [], {}),
        (None, "sd1", {"prediction_type": "sample"}, [], {}),
        (Prediction.V, "sdxl", None, ["v_pred"], {}),
        (Prediction.V, "sd1", None, [], {"modelspec.prediction_type": "v"}),
        (None, "sd2", None, [], {}),
        (Prediction.EPSILON, "sdxl", None, [], {}),
        (None, None, None, [], {}),
    ],
)
def test_predictions(
    expected: Prediction | None,
    family: str | None,
    scheduler: dict[str, object] | None,
    shapes: list[str],
    metadata: dict[str, str],
) -> None:
    found = families.prediction(family, scheduler=scheduler, shapes=shapes, metadata=metadata)
    assert found == expected


STANDARD = (128, 256, 512, 512)


@pytest.mark.parametrize(
    ("space", "facts", "family"),
    [
        ("sd1-vae", VaeFacts(4, STANDARD, 0.18215), "sd1"),
        ("sd1-vae", VaeFacts(4, STANDARD), "sd2"),
        ("sdxl-vae", VaeFacts(4, STANDARD, 0.13025), None),
        ("sdxl-vae", VaeFacts(4, STANDARD), "sdxl"),
        ("sd3-vae", VaeFacts(16, STANDARD, 1.5305), None),
        ("flux-vae", VaeFacts(16, STANDARD), "flux"),
        (None, VaeFacts(4, STANDARD), None),
        ("vae-01234567", VaeFacts(4, STANDARD, 0.5), "sd1"),
        ("vae-01234567", VaeFacts(8, STANDARD), "sd1"),
        ("vae-01234567", VaeFacts(4, (16, 32, 64), 0.18215), "sd1"),
        ("vae-01234567", VaeFacts(4, (16, 32, 64)), None),
    ],
)
def test_latent_spaces(space: str | None, facts: VaeFacts, family: str | None) -> None:
    assert latent_space(facts, family, "sha256:0123456789abcdef") == space


def test_vae_configurations() -> None:
    standard = {"block_out_channels": [128, 256, 512, 512], "latent_channels": 4}
    assert autoencoders.vae_of_config(standard) == VaeFacts(4, STANDARD, 0.18215)
    for broken in (
        {},
        {"block_out_channels": []},
        {**standard, "latent_channels": "4"},
        {"block_out_channels": 3},
    ):
        assert autoencoders.vae_of_config(broken) is None


@pytest.mark.parametrize(
    ("size", "family", "predicts", "config"),
    [
        ((512, 512), "sd1", "epsilon", None),
        ((64, 64), "sd1", "v", {"sample_size": 8}),
        ((768, 768), "sd2", "v", None),
        (None, "sd2", None, None),
        ((1024, 1024), "sdxl", "epsilon", None),
        (None, None, None, None),
        ((512, 512), "sd1", "epsilon", {"sample_size": None}),
    ],
)
def test_native_sizes(
    size: tuple[int, int] | None, family: str | None, predicts: str | None, config: dict[str, object] | None
) -> None:
    assert families.native_size(family, predicts, config) == size


PIECES = st.sampled_from(
    [
        *(
            "unet.",
            "vae.",
            "model.diffusion_model.",
            "first_stage_model.",
            "lora_unet_",
            "text_encoder.",
            "base_model.model.",
        ),
        *(
            "down_blocks.0.",
            "down_blocks_0_",
            "input_blocks.",
            "output_blocks.",
            "middle_block.",
            "0.",
            "1.",
            "9999.",
        ),
        *(
            "attentions.0.",
            "transformer_blocks.0.",
            "attn2.",
            "attn2_",
            "to_k.",
            "to_k",
            "op.",
            "conv_in.",
            "decoder.",
        ),
        *(
            "encoder.down.0.block.0.conv2.",
            "time_embedding.",
            "proj_in.",
            "op.",
            ".",
            "",
            "resnets.0.",
            "text_model.",
        ),
        *(
            "lora_A.",
            "lora_B.",
            "lora.down.",
            "lora_down.",
            "lora_up.",
            "lora_mid.",
            "hada_w1_a",
            "lokr_w1",
            "diff",
            "diff_b",
            "dora_scale",
            "alpha",
            "weight",
            "emb_params",
        ),
    ]
)
NAMES = st.lists(PIECES, max_size=7).map("".join)
SHAPES = st.lists(st.sampled_from([0, 1, 2, 4, 768]), max_size=5).map(tuple)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, SHAPES, max_size=6), st.dictionaries(NAMES, SHAPES, max_size=6))
def test_strange_names_and_shapes_are_answered(names: Shapes, modules: Shapes) -> None:
    found = identify(names)
    assert found.kind is None or isinstance(found.kind, Kind)
    autoencoders.vae_of_shapes(names)
    denoisers.channels(names)
    adapters.adapter_facts(adapters.scan(names), None)
    ldm.components(names)
    met = adapter_keys.match(names, modules)
    placed = [name for change in met.changes for name in change.parts.values()]
    assert len(set(placed)) == len(placed)
    assert set(placed).isdisjoint(met.unmatched)
    # Nothing is dropped in silence: a name is matched, unmatched, or stands with one that is misshaped.
    assert len(placed) + len(met.unmatched) == len(names) or met.misshaped
