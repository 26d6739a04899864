"""How experts meet a base, by headers alone, and how long prompts are: over real files of a tiny model."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mosaic.catalog import LocalExperts
from mosaic.catalog.digests import Digests
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.facts import Coverage, ExpertFacts
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
safe = pytest.importorskip("safetensors.torch")

KEY = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
TEXT = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"


@pytest.fixture
def experts(tmp_path: Path) -> LocalExperts:
    return LocalExperts({"experts": []}, tmp_path, tmp_path, Digests(tmp_path / "cache" / "digests.json"))


@pytest.fixture
def find(experts: LocalExperts, plan: Callable[..., Span]) -> Callable[..., ExpertFacts]:
    def resolve(kind: str, reference: str) -> ExpertFacts:
        facts = experts.resolve(Kind(kind), reference, plan(reference, kind))
        assert isinstance(facts, ExpertFacts), facts
        return facts

    return resolve


@pytest.fixture(params=["folder", "single file"])
def base(request: pytest.FixtureRequest, find: Any, model_folder: Path, ldm_file: Path) -> ExpertFacts:
    """The same base in both layouts: everything below holds for either."""
    facts: ExpertFacts = find("checkpoint", str(model_folder if request.param == "folder" else ldm_file))
    return facts


def adapter(path: Path, **metadata: str) -> None:
    tensors = {
        f"{KEY}.lora_A.weight": torch.ones(2, 12),
        f"{KEY}.lora_B.weight": torch.ones(8, 2),
        f"{TEXT}.lora_down.weight": torch.ones(2, 12),
        f"{TEXT}.lora_up.weight": torch.ones(12, 2),
        f"{TEXT}.alpha": torch.tensor(2.0),
    }
    safe.save_file(tensors, path, metadata=metadata or None)


def test_an_adapter_that_fits(experts: LocalExperts, base: ExpertFacts, find: Any, tmp_path: Path) -> None:
    adapter(tmp_path / "a.safetensors")
    assert experts.coverage(base, find("lora", "./a.safetensors")) == Coverage(5, 5)


def test_an_adapter_that_fits_in_part(
    experts: LocalExperts, base: ExpertFacts, find: Any, tmp_path: Path
) -> None:
    adapter(tmp_path / "a.safetensors")
    tensors = safe.load_file(tmp_path / "a.safetensors")
    tensors["unet.nowhere.lora_A.weight"] = torch.ones(2, 12)
    tensors[f"{TEXT}.lora_up.weight"] = torch.ones(13, 2)
    safe.save_file(tensors, tmp_path / "a.safetensors")
    found = experts.coverage(base, find("lora", "./a.safetensors"))
    assert (found.matched, found.total, found.complete) == (2, 6, False)
    assert found.unmatched == ("unet.nowhere.lora_A.weight",)
    assert found.misshaped == (f"{TEXT}.lora_up.weight: 13 here, 12 there",)


def test_a_rank_that_no_matrix_has(
    experts: LocalExperts, base: ExpertFacts, find: Any, tmp_path: Path
) -> None:
    """8 rows, 12 columns: at most rank 8. The first convolution has few channels by nature, and is left alone."""
    tensors = {}
    for key, up, down in ((KEY, (8,), (12,)), ("unet.conv_in", (8,), (4, 3, 3))):
        tensors[f"{key}.lora_A.weight"] = torch.ones(9, *down)
        tensors[f"{key}.lora_B.weight"] = torch.ones(*up, 9, *(1 for _ in down[1:]))
    safe.save_file(tensors, tmp_path / "a.safetensors")
    found = experts.coverage(base, find("lora", "./a.safetensors"))
    assert found.complete, found
    assert found.excessive == (f"{KEY}: rank 9, the matrix has at most 8",)


def test_an_adapter_of_another_family(
    experts: LocalExperts, base: ExpertFacts, find: Any, tmp_path: Path
) -> None:
    name = "lora_unet_double_blocks_0_img_attn_qkv"
    tensors = {f"{name}.lora_down.weight": torch.ones(2, 9), f"{name}.lora_up.weight": torch.ones(9, 2)}
    safe.save_file(tensors, tmp_path / "a.safetensors")
    assert experts.coverage(base, find("lora", "./a.safetensors")).matched == 0


@pytest.mark.parametrize(("width", "complete"), [(12, True), (768, False)])
def test_embeddings(
    experts: LocalExperts, base: ExpertFacts, find: Any, tmp_path: Path, width: int, complete: bool
) -> None:
    safe.save_file({"<hero>": torch.ones(2, width)}, tmp_path / "e.safetensors")
    found = experts.coverage(base, find("embedding", "./e.safetensors"))
    assert (found.total, found.complete) == (1, complete)
    assert complete or found.misshaped == ("<hero>: 768 here, 12 there",)


def test_a_checkpoint_of_the_same_shape(
    experts: LocalExperts, base: ExpertFacts, find: Any, model_folder: Path, ldm_file: Path
) -> None:
    for reference in (model_folder, ldm_file, model_folder / "unet"):
        found = experts.coverage(base, find("checkpoint", str(reference)))
        assert found.complete
        assert found.total > 100


def test_a_checkpoint_of_another_shape(
    experts: LocalExperts, base: ExpertFacts, find: Any, tmp_path: Path, unet: Any
) -> None:
    wider = diffusers.UNet2DConditionModel.from_config({**unet.config, "cross_attention_dim": 16})
    wider.save_pretrained(tmp_path / "wider")
    found = experts.coverage(base, find("checkpoint", "./wider"))
    assert not found.complete
    assert any("16 here" in shown and "12 there" in shown for shown in found.misshaped)


def test_a_checkpoint_that_lacks_tensors_of_the_base(
    experts: LocalExperts, base: ExpertFacts, find: Any, tmp_path: Path, model_folder: Path
) -> None:
    tensors = safe.load_file(model_folder / "unet" / "diffusion_pytorch_model.safetensors")
    tensors.pop("conv_out.bias")
    safe.save_file(tensors, tmp_path / "fewer.safetensors")
    found = experts.coverage(base, find("checkpoint", "./fewer.safetensors"))
    assert not found.complete
    assert found.misshaped == ("unet.conv_out.bias: not here, 4 there",)


def autoencoder(**changes: object) -> Any:
    config = {
        "block_out_channels": (8, 16),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "norm_num_groups": 4,
    }
    return diffusers.AutoencoderKL(**config | changes)


def test_autoencoders(
    experts: LocalExperts, base: ExpertFacts, find: Any, tmp_path: Path, vae: Any, model_folder: Path
) -> None:
    assert experts.coverage(base, find("vae", str(model_folder / "vae"))).complete
    # Under the names of early diffusers, as a file without a configuration.
    old = {
        name.replace("to_q", "query")
        .replace("to_k", "key")
        .replace("to_v", "value")
        .replace("to_out.0", "proj_attn"): t
        for name, t in vae.state_dict().items()
    }
    safe.save_file(old, tmp_path / "old.safetensors")
    assert experts.coverage(base, find("vae", "./old.safetensors")).complete
    autoencoder(latent_channels=8).save_pretrained(tmp_path / "eight")
    found = experts.coverage(base, find("vae", "./eight"))
    assert found.misshaped == ("decoder.conv_in.weight: 8 latent channels here, 4 there",)
    autoencoder(block_out_channels=(16, 16)).save_pretrained(tmp_path / "other")
    assert experts.coverage(base, find("vae", "./other")).complete, (
        "a VAE with its own configuration may differ"
    )
    assert not experts.coverage(base, find("vae", "./other/diffusion_pytorch_model.safetensors")).complete


def test_a_real_peft_adapter(
    experts: LocalExperts, base: ExpertFacts, find: Any, tmp_path: Path, unet: Any
) -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=2, target_modules=["to_q", "to_v", "conv1"])
    peft.get_peft_model(copy.deepcopy(unet), config).save_pretrained(tmp_path / "saved")
    found = experts.coverage(base, find("lora", "./saved"))
    assert found.complete
    assert found.total > 50


def test_a_file_that_has_gone_since(
    experts: LocalExperts, base: ExpertFacts, find: Any, tmp_path: Path
) -> None:
    adapter(tmp_path / "a.safetensors")
    facts = find("lora", "./a.safetensors")
    (tmp_path / "a.safetensors").unlink()
    with pytest.raises(MosaicError):
        experts.coverage(base, facts)


def test_prompt_lengths(experts: LocalExperts, find: Any, model_folder: Path, tmp_path: Path) -> None:
    base = find("checkpoint", str(model_folder))
    safe.save_file({"<hero>": torch.ones(3, 12)}, tmp_path / "e.safetensors")
    hero = find("embedding", "./e.safetensors")
    # The vocabulary has letters only. The tokenizer states 18 where the encoder has 20 places.
    counted = experts.tokens(base, [], "a red cat")
    assert counted is not None
    assert (counted.used, counted.limit, counted.kept) == (7, 16, 9)
    assert experts.tokens(base, [hero], "a <hero> cat").used == 7  # type: ignore[union-attr]
    assert experts.tokens(base, [], "a <hero> cat").used == 10  # type: ignore[union-attr]
    text = "red cat by the river at night"
    counted = experts.tokens(base, [], text)
    assert counted is not None
    assert (counted.used, text[: counted.kept]) == (23, "red cat by the river")


def test_no_tokenizer_no_length(experts: LocalExperts, find: Any, ldm_file: Path) -> None:
    assert experts.tokens(find("checkpoint", str(ldm_file)), [], "a cat") is None


@pytest.mark.parametrize(
    "text", ["{", '{"model": {}}', json.dumps({"model": {"end_of_word_suffix": "</w>"}})]
)
def test_a_broken_tokenizer(
    experts: LocalExperts, find: Any, model_folder: Path, tmp_path: Path, text: str
) -> None:
    shutil.copytree(model_folder, tmp_path / "tiny")
    (tmp_path / "tiny/tokenizer/tokenizer.json").write_text(text)
    with pytest.raises(MosaicError) as raised:
        experts.tokens(find("checkpoint", "./tiny"), [], "a cat")
    assert raised.value.diagnostics[0].code == "M812"
