"""Adapters of every encoding and spelling, as files: what the catalog says of each is true."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mosaic.catalog.reading import Refusal, read_one
from mosaic.catalog.record import Record
from mosaic.compiler.facts import AdapterFacts
from mosaic.compiler.types import Kind

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
peft = pytest.importorskip("peft")
safetensors = pytest.importorskip("safetensors.torch")

Shapes = dict[str, tuple[int, ...]]
Write = Callable[..., Path]


def read(path: Path) -> Record:
    found = read_one(path)
    assert isinstance(found, Record), found
    return found


def facts_of(record: Record) -> AdapterFacts:
    assert record.facts.kind is Kind.LORA
    assert record.facts.adapter is not None
    return record.facts.adapter


def lora(module: str, inputs: int, outputs: int, rank: int) -> Shapes:
    return {f"{module}.lora_down.weight": (rank, inputs), f"{module}.lora_up.weight": (outputs, rank)}


DOWN = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0"
TE = "text_model_encoder_layers_0_self_attn_q_proj"


class TestKohya:
    def test_stable_diffusion_1(self, tmp_path: Path, write_tensors: Write) -> None:
        names = {
            **lora(f"{DOWN}_attn2_to_k", 768, 640, 8),
            **lora("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q", 1280, 1280, 8),
            **lora(f"lora_te_{TE}", 768, 768, 4),
        }
        modules = dict.fromkeys(name.partition(".")[0] for name in names)
        alphas = {f"{module}.alpha": 4.0 for module in modules}
        path = write_tensors(tmp_path / "Neon Style v1.2.safetensors", names, scalars=alphas)
        record = read(path)
        assert (record.facts.id, record.facts.title) == ("local/neon-style-v1.2", "Neon Style v1.2")
        assert (record.facts.family, record.facts.prediction, record.facts.space) == ("sd1", None, None)
        assert facts_of(record) == AdapterFacts(
            algorithm="lora",
            ranks=(4, 8),
            scales=(0.5, 1.0),
            parts=("unet", "text_encoder"),
            blocks=("down", "mid"),
            attention=("self", "cross"),
            modules=3,
        )
        numbers = sum(math.prod(shape) for shape in names.values())
        assert (record.facts.parameters, record.facts.dtype) == (numbers + 3, "F16")
        assert record.warnings == ()

    def test_xl_with_both_encoders_in_ldm_names(self, tmp_path: Path, write_tensors: Write) -> None:
        names = {
            **lora("lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_v", 2048, 640, 16),
            **lora("lora_unet_output_blocks_0_1_transformer_blocks_0_attn2_to_k", 2048, 1280, 16),
            **lora(f"lora_te1_{TE}", 768, 768, 16),
            **lora(f"lora_te2_{TE}", 1280, 1280, 16),
        }
        record = read(write_tensors(tmp_path / "xl.safetensors", names, "BF16"))
        assert (record.facts.family, record.facts.dtype) == ("sdxl", "BF16")
        found = facts_of(record)
        assert found.parts == ("unet", "text_encoder", "text_encoder_2")
        assert (found.blocks, found.attention, found.scales) == (("down", "up"), ("cross",), (1.0, 1.0))
        assert found.text_encoder

    def test_flux(self, tmp_path: Path, write_tensors: Write) -> None:
        names = {
            **lora("lora_unet_double_blocks_0_img_attn_qkv", 3072, 9216, 4),
            **lora("lora_unet_single_blocks_37_linear1", 3072, 21504, 4),
            **lora("lora_te1_text_model_encoder_layers_0_mlp_fc1", 768, 3072, 4),
            **lora("lora_te3_encoder_block_0_layer_0_SelfAttention_q", 4096, 4096, 4),
        }
        record = read(write_tensors(tmp_path / "flux.safetensors", names))
        found = facts_of(record)
        assert record.facts.family == "flux"
        assert found.parts == ("transformer", "text_encoder", "text_encoder_2")  # its T5 is the second
        assert (found.blocks, found.attention) == (("double", "single"), ())

    def test_sd3(self, tmp_path: Path, write_tensors: Write) -> None:
        names = {
            **lora("lora_unet_joint_blocks_0_x_block_attn_qkv", 1536, 4608, 4),
            **lora("lora_te3_encoder_block_0_layer_0_SelfAttention_q", 4096, 4096, 4),
        }
        record = read(write_tensors(tmp_path / "sd3.safetensors", names))
        found = facts_of(record)
        assert record.facts.family == "sd3"
        assert (found.parts, found.blocks) == (("transformer", "text_encoder_3"), ("joint",))

    def test_a_slider_of_self_attention_alone_is_of_no_family(
        self, tmp_path: Path, write_tensors: Write
    ) -> None:
        """It fits Stable Diffusion 1, 2 and the shallow stage of XL."""
        record = read(write_tensors(tmp_path / "slider.safetensors", lora(f"{DOWN}_attn1_to_q", 640, 640, 4)))
        assert record.facts.family is None
        (warning,) = record.warnings
        assert warning.code == "M825"

    def test_a_text_encoder_alone(self, tmp_path: Path, write_tensors: Write) -> None:
        first = read(write_tensors(tmp_path / "a.safetensors", lora(f"lora_te_{TE}", 768, 768, 4)))
        second = read(write_tensors(tmp_path / "b.safetensors", lora(f"lora_te_{TE}", 1024, 1024, 4)))
        either = read(write_tensors(tmp_path / "c.safetensors", lora(f"lora_te1_{TE}", 768, 768, 4)))
        assert [r.facts.family for r in (first, second, either)] == ["sd1", "sd2", None]
        assert facts_of(first).parts == ("text_encoder",)


class TestLycoris:
    """Names as LyCORIS writes them, for a projection that reads 768 and gives 320."""

    MODULE = f"{DOWN}_attn2_to_k"

    def read(self, tmp_path: Path, write: Write, names: Shapes, **more: Any) -> Record:
        full = {f"{self.MODULE}.{name}": shape for name, shape in names.items()}
        return read(write(tmp_path / "x.safetensors", full, **more))

    def test_loha(self, tmp_path: Path, write_tensors: Write) -> None:
        names = {"hada_w1_a": (320, 6), "hada_w1_b": (6, 768), "hada_w2_a": (320, 6), "hada_w2_b": (6, 768)}
        record = self.read(tmp_path, write_tensors, names, scalars={f"{self.MODULE}.alpha": 3.0})
        found = facts_of(record)
        assert (found.algorithm, found.ranks, found.scales) == ("loha", (6, 6), (0.5, 0.5))
        assert (record.facts.family, found.modules, found.attention) == ("sd1", 1, ("cross",))

    def test_loha_of_a_convolution_with_tucker_cores(self, tmp_path: Path, write_tensors: Write) -> None:
        names = {
            "hada_t1": (6, 6, 3, 3),
            "hada_w1_a": (6, 320),
            "hada_w1_b": (6, 640),
            "hada_t2": (6, 6, 3, 3),
            "hada_w2_a": (6, 320),
            "hada_w2_b": (6, 640),
        }
        conv = "lora_unet_down_blocks_1_resnets_0_conv1"
        path = write_tensors(tmp_path / "t.safetensors", {f"{conv}.{n}": s for n, s in names.items()})
        found = facts_of(read(path))
        assert (found.algorithm, found.ranks, found.blocks, found.attention) == (
            "loha",
            (6, 6),
            ("down",),
            (),
        )

    def test_lokr(self, tmp_path: Path, write_tensors: Write) -> None:
        names = {"lokr_w1": (8, 16), "lokr_w2_a": (40, 4), "lokr_w2_b": (4, 48)}
        record = self.read(tmp_path, write_tensors, names, scalars={f"{self.MODULE}.alpha": 1.0})
        found = facts_of(record)
        assert (found.algorithm, found.ranks, found.scales) == ("lokr", (4, 4), (0.25, 0.25))
        assert record.facts.family == "sd1"  # 16 × 48 features are read

    def test_lokr_kept_in_full_has_no_rank(self, tmp_path: Path, write_tensors: Write) -> None:
        found = facts_of(self.read(tmp_path, write_tensors, {"lokr_w1": (8, 16), "lokr_w2": (40, 128)}))
        assert (found.algorithm, found.ranks, found.scales) == ("lokr", None, None)

    def test_dora(self, tmp_path: Path, write_tensors: Write) -> None:
        names = {"lora_down.weight": (4, 768), "lora_up.weight": (320, 4), "dora_scale": (1, 768)}
        found = facts_of(self.read(tmp_path, write_tensors, names, scalars={f"{self.MODULE}.alpha": 2.0}))
        assert (found.algorithm, found.ranks, found.scales, found.modules) == ("dora", (4, 4), (0.5, 0.5), 1)

    def test_oft(self, tmp_path: Path, write_tensors: Write) -> None:
        found = facts_of(self.read(tmp_path, write_tensors, {"oft_blocks": (4, 80, 80)}))
        assert (found.algorithm, found.ranks, found.scales, found.modules) == ("oft", None, None, 1)

    def test_ia3(self, tmp_path: Path, write_tensors: Write) -> None:
        names = {"weight": (320, 1), "on_input": ()}
        found = facts_of(self.read(tmp_path, write_tensors, names))
        assert (found.algorithm, found.ranks, found.modules) == ("ia3", None, 1)

    def test_full_differences(self, tmp_path: Path, write_tensors: Write) -> None:
        record = self.read(tmp_path, write_tensors, {"diff": (320, 768), "diff_b": (320,)})
        found = facts_of(record)
        assert (found.algorithm, found.ranks, found.modules) == ("full", None, 1)
        assert record.facts.family == "sd1"

    def test_glora(self, tmp_path: Path, write_tensors: Write) -> None:
        names = {"a1.weight": (4, 768), "a2.weight": (768, 4), "b1.weight": (4, 768), "b2.weight": (320, 4)}
        found = facts_of(self.read(tmp_path, write_tensors, names))
        assert (found.algorithm, found.ranks, found.modules) == ("glora", (4, 4), 1)

    def test_locon_with_a_tucker_core(self, tmp_path: Path, write_tensors: Write) -> None:
        names = {
            "lora_down.weight": (4, 640, 1, 1),
            "lora_up.weight": (320, 4, 1, 1),
            "lora_mid.weight": (4, 4, 3, 3),
        }
        conv = "lora_unet_up_blocks_1_resnets_0_conv1"
        found = facts_of(
            read(write_tensors(tmp_path / "c.safetensors", {f"{conv}.{n}": s for n, s in names.items()}))
        )
        assert (found.algorithm, found.ranks, found.blocks, found.modules) == ("lora", (4, 4), ("up",), 1)


@pytest.fixture
def sd1_unet() -> Any:
    """A UNet with the cross-attention of Stable Diffusion 1."""
    return diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=768,
        attention_head_dim=2,
        norm_num_groups=4,
    )


TARGETS = ["to_q", "to_k"]
CONFIGS: Mapping[str, tuple[Any, dict[str, Any]]] = {
    "lora": (
        peft.LoraConfig(r=4, lora_alpha=2, target_modules=TARGETS),
        {"ranks": (4, 4), "scales": (0.5, 0.5)},
    ),
    "rslora": (
        peft.LoraConfig(r=4, lora_alpha=2, use_rslora=True, target_modules=TARGETS),
        {"ranks": (4, 4), "scales": (1.0, 1.0)},
    ),
    "patterns": (
        peft.LoraConfig(
            r=4, lora_alpha=2, target_modules=TARGETS, rank_pattern={"to_k": 2}, alpha_pattern={"to_k": 6}
        ),
        {"ranks": (2, 4), "scales": (0.5, 3.0)},
    ),
    "dora": (
        peft.LoraConfig(r=4, lora_alpha=4, use_dora=True, target_modules=TARGETS),
        {"algorithm": "dora", "ranks": (4, 4), "scales": (1.0, 1.0)},
    ),
    "loha": (
        peft.LoHaConfig(r=4, alpha=2, target_modules=TARGETS),
        {"algorithm": "loha", "ranks": (4, 4), "scales": (0.5, 0.5)},
    ),
    "lokr": (
        peft.LoKrConfig(r=2, alpha=2, target_modules=TARGETS, decompose_both=False),
        {"algorithm": "lokr"},
    ),
    "oft": (
        peft.OFTConfig(oft_block_size=8, r=0, target_modules=["to_q"]),
        {"algorithm": "oft", "family": None},
    ),
    "ia3": (
        peft.IA3Config(target_modules=["to_k"], feedforward_modules=[]),
        {"algorithm": "ia3", "family": None, "attention": ("self", "cross")},
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_what_peft_saves(name: str, tmp_path: Path, sd1_unet: Any) -> None:
    config, expected = CONFIGS[name]
    folder = tmp_path / "my-adapter"
    peft.get_peft_model(sd1_unet, config).save_pretrained(folder)
    record = read(folder)
    found = facts_of(record)
    assert record.facts.id == "local/my-adapter"
    assert record.facts.family == expected.get("family", "sd1")
    assert found.algorithm == expected.get("algorithm", "lora")
    assert (found.parts, found.blocks) == (("unet",), ("down", "mid", "up"))
    assert found.attention == ("self", "cross")
    for key in ("ranks", "scales"):
        if key in expected:
            assert getattr(found, key) == pytest.approx(expected[key])
    modules = [name for name, part in sd1_unet.named_modules() if hasattr(part, "base_layer")]
    assert found.modules == len(modules)
    # The file's own name says nothing, so one that is named directly is called after its folder too.
    assert read(folder / "adapter_model.safetensors").facts == record.facts


def test_what_diffusers_saves(tmp_path: Path, sd1_unet: Any) -> None:
    sd1_unet.add_adapter(peft.LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS))
    layers = peft.get_peft_model_state_dict(sd1_unet)
    diffusers.StableDiffusionPipeline.save_lora_weights(
        tmp_path / "look", layers, unet_lora_adapter_metadata={"lora_alpha": 8, "r": 4}
    )
    record = read(tmp_path / "look")
    found = facts_of(record)
    assert (record.facts.id, record.facts.family) == ("local/look", "sd1")
    assert (found.ranks, found.scales, found.parts) == ((4, 4), (2.0, 2.0), ("unet",))


def test_the_oldest_attention_processors(tmp_path: Path, write_tensors: Write) -> None:
    module = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora"
    names = {f"{module}.down.weight": (4, 768), f"{module}.up.weight": (320, 4)}
    record = read(write_tensors(tmp_path / "pytorch_lora_weights.safetensors", names))
    found = facts_of(record)
    assert (record.facts.family, found.ranks, found.parts, found.blocks) == (
        "sd1",
        (4, 4),
        ("unet",),
        ("down",),
    )


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64", "int32"])
def test_alphas_are_read_by_their_place(dtype: str, tmp_path: Path) -> None:
    tensors = {
        f"{DOWN}_attn2_to_k.lora_down.weight": torch.zeros(8, 768),
        f"{DOWN}_attn2_to_k.lora_up.weight": torch.zeros(320, 8),
        f"{DOWN}_attn2_to_k.alpha": torch.tensor(6).to(getattr(torch, dtype)),
    }
    safetensors.save_file(tensors, tmp_path / "a.safetensors")
    assert facts_of(read(tmp_path / "a.safetensors")).scales == (0.75, 0.75)


def test_eight_bit_scalars_are_decoded_as_torch_does() -> None:
    from mosaic.catalog.reading.scalars import decode
    from mosaic.compiler.weights.header import TensorInfo

    for dtype, kind in (("F8_E4M3", torch.float8_e4m3fn), ("F8_E5M2", torch.float8_e5m2)):
        for byte in range(256):
            expected = torch.tensor([byte], dtype=torch.uint8).view(kind).to(torch.float64).item()
            found = decode(TensorInfo(dtype, (), 0, 1), bytes([byte]))
            assert found == expected if math.isfinite(expected) else found is None


def test_an_alpha_that_is_no_number_scales_nothing(tmp_path: Path, write_tensors: Write) -> None:
    names = lora(f"{DOWN}_attn2_to_k", 768, 640, 8)
    for value in (math.nan, math.inf):
        scalars = {f"{DOWN}_attn2_to_k.alpha": value}
        path = write_tensors(tmp_path / "nan.safetensors", names, scalars=scalars)
        record = read(path)
        assert facts_of(record).scales is not None
        json.dumps([claim.value for claim in record.claims], allow_nan=False)


def test_an_adapter_of_a_language_model_has_no_family(tmp_path: Path, write_tensors: Write) -> None:
    names = {
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": (8, 2048),
        "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight": (2048, 8),
    }
    found = read_one(write_tensors(tmp_path / "llm.safetensors", names))
    assert not isinstance(found, Refusal)
    assert (found.facts.family, facts_of(found).parts, facts_of(found).modules) == (None, (), 1)


@pytest.mark.parametrize(("reads", "variant"), [(64, None), (128, "edit"), (384, "inpaint")])
def test_a_control_lora_of_flux_makes_a_variant(
    reads: int, variant: str | None, tmp_path: Path, write_tensors: Write
) -> None:
    names = {
        "img_in.lora_A.weight": (128, reads),
        "img_in.lora_B.weight": (3072, 128),
        "single_blocks.0.linear1.lora_A.weight": (128, 3072),
        "single_blocks.0.linear1.lora_B.weight": (21504, 128),
    }
    record = read(write_tensors(tmp_path / "depth.safetensors", names))
    found = facts_of(record)
    assert (record.facts.family, record.facts.variant) == ("flux", variant)
    assert (found.parts, found.ranks) == (("transformer",), (128, 128))
