"""Checkpoints, embeddings, ControlNets and VAEs as files and folders: what the catalog says of each is true."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mosaic.catalog.headers import Headers
from mosaic.catalog.reading import Refusal, read_one
from mosaic.catalog.record import Record
from mosaic.catalog.spaces import vae_digest
from mosaic.compiler.types import Kind

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")
safetensors = pytest.importorskip("safetensors.torch")

Shapes = dict[str, tuple[int, ...]]
Write = Callable[..., Path]


def read(path: Path) -> Record:
    found = read_one(path)
    assert isinstance(found, Record), found
    return found


def said(record: Record, key: str) -> Any:
    return next((claim.value for claim in record.claims if claim.key == key), None)


def small(**config: Any) -> Any:
    """A UNet of true architecture with narrow blocks."""
    levels = {
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "attention_head_dim": 2,
    }
    blocks = {
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    }
    return diffusers.UNet2DConditionModel(**{"sample_size": 8, **levels, **blocks, **config})


XL = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 64,
}


def in_ldm(unet: Any) -> Shapes:
    """The UNet's tensors under the names of a single file."""
    from mosaic.compiler.weights import ldm

    names = {name: tuple(tensor.shape) for name, tensor in unet.state_dict().items()}
    layout = ldm.layout_of_diffusers(f"unet.{name}" for name in names)
    found = {}
    for name, shape in names.items():
        module, _, leaf = name.rpartition(".")
        original = ldm.to_ldm(f"unet.{module}", layout) or module
        found[f"{ldm.UNET}{original.removeprefix('unet.')}.{leaf}"] = shape
    return found


def encoder(width: int, projected: bool = False) -> Any:
    config = transformers.CLIPTextConfig(
        vocab_size=60,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=20,
        projection_dim=width,
    )
    return (transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel)(config)


class TestFolders:
    def test_a_whole_model(self, model_folder: Path) -> None:
        record = read(model_folder)
        facts = record.facts
        assert (facts.id, facts.kind, facts.family, facts.prediction) == (
            "local/tiny",
            "checkpoint",
            "sd1",
            "v",
        )
        assert (facts.native_size, facts.size_multiple, facts.lacks, facts.variant) == ((16, 16), 2, (), None)
        vae = next(file for file in record.files if file.fact.role == "vae")
        path = model_folder / vae.fact.name
        assert facts.space == f"vae-{vae_digest(path, Headers().read(path, 'vae'))[:8]}"
        weights = [file for file in record.files if file.fact.name.endswith(".safetensors")]
        assert [file.fact.role for file in weights] == ["text_encoder", "unet", "vae"]
        numbers = 0
        for file in weights:
            tensors = safetensors.load_file(model_folder / file.fact.name)
            numbers += sum(tensor.numel() for tensor in tensors.values())
            held = record.signatures[file.signature].tensors
            assert {name: shape for name, _, shape in held} == {n: tuple(t.shape) for n, t in tensors.items()}
        assert (facts.parameters, facts.dtype) == (numbers, "F32")
        texts = {f.fact.sha256: f.fact.name for f in record.files if not f.fact.name.endswith(".safetensors")}
        assert record.texts.keys() == texts.keys()
        assert said(record, "zero_snr") is False

    def test_xl_and_its_refiner(self, tmp_path: Path, model_folder: Path, vae: Any) -> None:
        base, refiner = tmp_path / "xl", tmp_path / "refiner"
        for folder, width in ((base, 2048), (refiner, 1280)):
            shutil.copytree(model_folder, folder)
            shutil.rmtree(folder / "unet")
            small(cross_attention_dim=width, **XL).save_pretrained(folder / "unet")
            encoder(16, projected=True).save_pretrained(folder / "text_encoder_2")
            shutil.copytree(folder / "tokenizer", folder / "tokenizer_2")
            diffusers.EulerDiscreteScheduler(rescale_betas_zero_snr=True).save_pretrained(
                folder / "scheduler"
            )
        # The refiner has the second encoder alone.
        shutil.rmtree(refiner / "text_encoder")
        shutil.rmtree(refiner / "tokenizer")
        found, second = read(base), read(refiner)
        assert (found.facts.family, found.facts.prediction, said(found, "zero_snr")) == (
            "sdxl",
            "epsilon",
            True,
        )
        assert {file.role for file in found.facts.files} >= {"text_encoder", "text_encoder_2", "unet"}
        assert (second.facts.family, second.facts.lacks) == ("sdxl-refiner", ())
        assert "text_encoder" not in {file.role for file in second.facts.files}

    @pytest.mark.parametrize(("channels", "variant"), [(9, "inpaint"), (8, "edit"), (5, "other")])
    def test_variants(self, channels: int, variant: str, tmp_path: Path, model_folder: Path) -> None:
        folder = shutil.copytree(model_folder, tmp_path / "variant")
        shutil.rmtree(folder / "unet")
        small(cross_attention_dim=768, in_channels=channels, out_channels=4).save_pretrained(folder / "unet")
        assert (read(folder).facts.family, read(folder).facts.variant) == ("sd1", variant)

    @pytest.mark.parametrize("family", ["flux", "sd3"])
    def test_transformers(self, family: str, tmp_path: Path) -> None:
        heads = {
            "num_layers": 1,
            "attention_head_dim": 8,
            "num_attention_heads": 2,
            "joint_attention_dim": 32,
        }
        if family == "flux":
            made = diffusers.FluxTransformer2DModel(
                **heads, num_single_layers=1, pooled_projection_dim=32, axes_dims_rope=(2, 2, 4)
            )
        else:
            made = diffusers.SD3Transformer2DModel(
                **heads, sample_size=8, caption_projection_dim=16, pooled_projection_dim=32
            )
        folder = tmp_path / "model"
        made.save_pretrained(folder / "transformer")
        alone = read(folder).facts
        assert (alone.family, alone.prediction, alone.space) == (family, "flow", None)
        assert alone.lacks == ("a text encoder", "a VAE", "a tokenizer")
        encoder(16).save_pretrained(folder / "text_encoder")
        diffusers.FlowMatchEulerDiscreteScheduler().save_pretrained(folder / "scheduler")
        whole = read(folder).facts
        assert (whole.family, whole.prediction, whole.lacks) == (family, "flow", ("a VAE", "a tokenizer"))

    def test_shards(self, tmp_path: Path, unet: Any) -> None:
        folder = tmp_path / "sharded"
        unet.save_pretrained(folder / "unet", max_shard_size="20KB")
        shutil.copytree(folder / "unet", tmp_path / "alone")
        record = read(tmp_path / "alone")
        shards = [file for file in record.files if file.signature]
        assert len(shards) > 1
        assert record.facts.parameters == sum(tensor.numel() for tensor in unet.parameters())
        shutil.copytree(tmp_path / "alone", tmp_path / "torn")
        (tmp_path / "torn" / shards[0].fact.name.rpartition("/")[2]).unlink()
        refused = read_one(tmp_path / "torn")
        assert isinstance(refused, Refusal)
        assert refused.diagnostics[0].code == "M805"


class TestSingleFiles:
    def test_stable_diffusion_1(self, ldm_file: Path) -> None:
        facts = read(ldm_file).facts
        assert (facts.kind, facts.family, facts.prediction) == (Kind.CHECKPOINT, "sd1", "epsilon")
        assert facts.lacks == ("a tokenizer",)

    def test_stable_diffusion_2_does_not_say_what_it_predicts(
        self, tmp_path: Path, write_tensors: Write
    ) -> None:
        names = in_ldm(small(cross_attention_dim=1024))
        assert read(write_tensors(tmp_path / "2.safetensors", names)).facts.prediction is None
        stated = {"modelspec.prediction_type": "v"}
        facts = read(write_tensors(tmp_path / "2v.safetensors", names, metadata=stated)).facts
        assert (facts.family, facts.prediction) == ("sd2", "v")

    @pytest.mark.parametrize(
        ("marker", "prediction", "zero_snr"),
        [
            ((), "epsilon", None),
            (("v_pred",), "v", None),
            (("v_pred", "ztsnr"), "v", True),
            (("edm_mean", "edm_std"), "edm", None),
            (("edm_vpred.sigma_max",), "edm", None),
        ],
    )
    def test_xl_with_markers(
        self,
        marker: tuple[str, ...],
        prediction: str,
        zero_snr: bool | None,
        tmp_path: Path,
        write_tensors: Write,
    ) -> None:
        names = in_ldm(small(cross_attention_dim=2048, **XL))
        names["conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight"] = (60, 16)
        names |= dict.fromkeys(marker, (0,))
        record = read(write_tensors(tmp_path / "xl.safetensors", names))
        assert (record.facts.family, record.facts.prediction) == ("sdxl", prediction)
        assert said(record, "zero_snr") is zero_snr
        assert record.facts.lacks == ("a VAE", "a tokenizer")
        assert record.facts.native_size == (1024, 1024)

    def test_kolors_is_no_xl(self, tmp_path: Path, write_tensors: Write) -> None:
        """Its UNet is XL's, but it reads the encoding of a language model."""
        names = {n: tuple(t.shape) for n, t in small(cross_attention_dim=2048, **XL).state_dict().items()}
        names |= {"encoder_hid_proj.weight": (2048, 4096), "encoder_hid_proj.bias": (2048,)}
        facts = read(write_tensors(tmp_path / "kolors.safetensors", names)).facts
        assert (facts.kind, facts.family) == (Kind.CHECKPOINT, None)

    @pytest.mark.parametrize(("reads", "variant"), [(64, None), (384, "inpaint"), (128, "edit")])
    @pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
    def test_flux(
        self, reads: int, variant: str | None, prefix: str, tmp_path: Path, write_tensors: Write
    ) -> None:
        names = {
            "img_in.weight": (32, reads),
            "txt_in.weight": (32, 16),
            "vector_in.in_layer.weight": (32, 8),
            "guidance_in.in_layer.weight": (32, 16),
            "double_blocks.0.img_attn.qkv.weight": (96, 32),
            "double_blocks.0.img_mod.lin.weight": (192, 32),
            "single_blocks.0.linear1.weight": (224, 32),
            "single_blocks.0.modulation.lin.weight": (96, 32),
            "final_layer.linear.weight": (64, 32),
        }
        full = {prefix + name: shape for name, shape in names.items()}
        facts = read(write_tensors(tmp_path / "flux.safetensors", full, "F8_E4M3")).facts
        assert (facts.kind, facts.family, facts.prediction) == (Kind.CHECKPOINT, "flux", "flow")
        assert (facts.variant, facts.dtype) == (variant, "F8_E4M3")
        assert facts.parameters == sum(math.prod(shape) for shape in names.values())

    def test_sd3(self, tmp_path: Path, write_tensors: Write) -> None:
        names = {
            "model.diffusion_model.x_embedder.proj.weight": (32, 16, 2, 2),
            "model.diffusion_model.joint_blocks.0.context_block.attn.qkv.weight": (96, 32),
            "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight": (96, 32),
            "model.diffusion_model.final_layer.linear.weight": (64, 32),
            "text_encoders.clip_l.transformer.text_model.embeddings.token_embedding.weight": (60, 16),
            "first_stage_model.decoder.conv_in.weight": (64, 16, 3, 3),
            "first_stage_model.decoder.conv_out.weight": (3, 16, 3, 3),
        }
        facts = read(write_tensors(tmp_path / "sd3.safetensors", names)).facts
        assert (facts.family, facts.prediction, facts.variant) == ("sd3", "flow", None)
        assert facts.lacks == ("a tokenizer",)


class TestEmbeddings:
    @pytest.mark.parametrize(
        ("shapes", "family", "vectors", "trigger"),
        [
            ({"emb_params": (1, 768)}, "sd1", 1, "My Hero"),
            ({"emb_params": (12, 768)}, "sd1", 12, "My Hero"),
            ({"<hero>": (768,)}, "sd1", 1, "<hero>"),
            ({"<hero>": (4, 1024)}, "sd2", 4, "<hero>"),
            ({"clip_l": (3, 768), "clip_g": (3, 1280)}, "sdxl", 3, "My Hero"),
            ({"emb_params": (2, 1280)}, None, 2, "My Hero"),
        ],
    )
    def test_words(
        self,
        shapes: Shapes,
        family: str | None,
        vectors: int,
        trigger: str,
        tmp_path: Path,
        write_tensors: Write,
    ) -> None:
        facts = read(write_tensors(tmp_path / "My Hero.safetensors", shapes, "F32")).facts
        assert (facts.kind, facts.family, facts.vectors) == (Kind.EMBEDDING, family, vectors)
        assert (facts.trigger, facts.triggers, facts.id) == (trigger, (trigger,), "local/my-hero")


class TestControls:
    @pytest.mark.parametrize(
        ("width", "more", "family"), [(768, {}, "sd1"), (1024, {}, "sd2"), (2048, XL, "sdxl")]
    )
    def test_controlnets(self, width: int, more: dict[str, Any], family: str, tmp_path: Path) -> None:
        made = diffusers.ControlNetModel.from_unet(
            small(cross_attention_dim=width, **more), conditioning_embedding_out_channels=(8, 16)
        )
        made.save_pretrained(tmp_path / "canny")
        in_folder = read(tmp_path / "canny").facts
        alone = read(tmp_path / "canny" / "diffusion_pytorch_model.safetensors").facts
        for facts in (in_folder, alone):
            assert (facts.kind, facts.family, facts.id) == (Kind.CONTROL, family, "local/canny")
            assert (facts.prediction, facts.variant) == (None, None)

    def test_the_original_names(self, tmp_path: Path, write_tensors: Write) -> None:
        names = {
            "control_model.input_hint_block.0.weight": (16, 3, 3, 3),
            "control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (32, 768),
        }
        facts = read(write_tensors(tmp_path / "control.safetensors", names)).facts
        assert (facts.kind, facts.family) == (Kind.CONTROL, "sd1")

    def test_a_control_lora(self, tmp_path: Path, write_tensors: Write) -> None:
        names = {
            "lora_controlnet": (0,),
            "input_hint_block.0.weight": (16, 3, 3, 3),
            "label_emb.0.0.up": (32, 8),
            "label_emb.0.0.down": (8, 64),
            "input_blocks.4.1.transformer_blocks.0.attn2.to_k.up": (32, 8),
            "input_blocks.4.1.transformer_blocks.0.attn2.to_k.down": (8, 2048),
        }
        facts = read(write_tensors(tmp_path / "control-lora.safetensors", names)).facts
        assert (facts.kind, facts.family, facts.adapter) == (Kind.CONTROL, "sdxl", None)

    def test_of_transformers(self, tmp_path: Path) -> None:
        heads = {
            "num_layers": 1,
            "attention_head_dim": 8,
            "num_attention_heads": 2,
            "joint_attention_dim": 32,
        }
        diffusers.SD3ControlNetModel(
            **heads, sample_size=8, caption_projection_dim=16, pooled_projection_dim=32
        ).save_pretrained(tmp_path / "sd3")
        diffusers.FluxControlNetModel(
            **heads, num_single_layers=1, pooled_projection_dim=32, axes_dims_rope=[2, 2, 4]
        ).save_pretrained(tmp_path / "flux")
        found = [read(tmp_path / name).facts for name in ("sd3", "flux")]
        # Flux's names are shared; its width (3072) tells it, and this one is narrow.
        assert [(facts.kind, facts.family) for facts in found] == [("control", "sd3"), ("control", None)]


class TestAutoencoders:
    @pytest.mark.parametrize(
        ("scaling", "latents", "space"),
        [
            (0.18215, 4, "sd1-vae"),
            (0.13025, 4, "sdxl-vae"),
            (1.5305, 16, "sd3-vae"),
            (0.3611, 16, "flux-vae"),
        ],
    )
    def test_the_published_ones(self, scaling: float, latents: int, space: str, tmp_path: Path) -> None:
        with torch.device("meta"):
            made = diffusers.AutoencoderKL(
                block_out_channels=(128, 256, 512, 512),
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                layers_per_block=1,
                latent_channels=latents,
                scaling_factor=scaling,
            )
        made.to_empty(device="cpu").half().save_pretrained(tmp_path / "vae")
        record = read(tmp_path / "vae")
        assert (record.facts.kind, record.facts.family, record.facts.space) == (Kind.VAE, None, space)
        assert (said(record, "latents"), record.facts.dtype) == (latents, "F16")
        # The file alone does not say how its latents are scaled: two published families share its shape.
        alone = read(tmp_path / "vae" / "diffusion_pytorch_model.safetensors")
        assert (alone.facts.kind, alone.facts.space, said(alone, "latents")) == (Kind.VAE, None, latents)


def test_what_is_no_expert(tmp_path: Path, write_tensors: Write) -> None:
    cases = {
        "M806": write_tensors(tmp_path / "language.safetensors", {"lm_head.weight": (8, 8)}),
        "M804": tmp_path / "broken.safetensors",
        "M803": tmp_path / "old.ckpt",
        "M801": tmp_path / "nowhere.safetensors",
        "M802": tmp_path / "readme.txt",
    }
    for name in ("broken.safetensors", "old.ckpt", "readme.txt"):
        (tmp_path / name).write_bytes(b"\0" * 100)
    for code, path in cases.items():
        found = read_one(path)
        assert isinstance(found, Refusal)
        assert (found.path, [diagnostic.code for diagnostic in found.diagnostics]) == (path, [code])
