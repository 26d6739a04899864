"""Attention that remembers texts: the same numbers, and keys and values worked out once a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel

from mosaic.compiler.source import SourceFile
from mosaic.project import Project, engine
from mosaic.runtime.attention import Texts, attend, remembering

LAYOUTS: dict[str, dict[str, Any]] = {
    "sd1": {"cross_attention_dim": 24},
    "linear": {"cross_attention_dim": 24, "use_linear_projection": True, "attention_head_dim": (2, 4)},
    "only_cross": {"cross_attention_dim": 24, "only_cross_attention": True},
}


def network(**settings: Any) -> UNet2DConditionModel:
    torch.manual_seed(0)
    return (
        UNet2DConditionModel(
            **{
                "sample_size": 8,
                "block_out_channels": (16, 32),
                "layers_per_block": 1,
                "norm_num_groups": 4,
                "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
                "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
                **settings,
            }
        )
        .eval()
        .requires_grad_(False)
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_computes_what_diffusers_does(layout: str) -> None:
    """To the bit, with and without remembering; the second pass reads no text."""
    ours, theirs = network(**LAYOUTS[layout]), network(**LAYOUTS[layout])
    attend(ours)
    texts: Texts = {}
    sample, hidden = torch.randn(3, 4, 8, 8), torch.randn(3, 7, 24)
    for step in (900, 500, 1):
        wanted = theirs(sample, step, encoder_hidden_states=hidden).sample
        assert torch.equal(ours(sample, step, encoder_hidden_states=hidden).sample, wanted)
        with remembering(ours, texts):
            assert torch.equal(ours(sample, step, encoder_hidden_states=hidden).sample, wanted)
        sample = sample + 0.1 * wanted
    assert texts


def test_a_state_dict_stays_as_it_was() -> None:
    ours, theirs = network(cross_attention_dim=24), network(cross_attention_dim=24)
    attend(ours)
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_a_mask_is_heeded() -> None:
    ours, theirs = network(cross_attention_dim=24), network(cross_attention_dim=24)
    attend(ours)
    sample, hidden = torch.randn(2, 4, 8, 8), torch.randn(2, 7, 24)
    mask = torch.tensor([[1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1]])
    given = {"encoder_hidden_states": hidden, "encoder_attention_mask": mask}
    assert torch.equal(ours(sample, 3, **given).sample, theirs(sample, 3, **given).sample)


MODELS = {
    "sum": "fuse(base, neon, wash * 0.5 during 0%..50%, via: sum)",
    "composite": "fuse(base, neon, wash * 0.5 during 0%..50%, via: composite)",
    "switch": "fuse(base, neon, wash, via: switch)",
    "guidance": 'fuse(base, checkpoint("zoo/robot") * 0.5, fuse(base, wash), via: guidance)',
}


@pytest.mark.parametrize("model", MODELS)
def test_a_run_reads_each_text_once(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes equal those of a run that forgets after every step; texts are read once for all steps by one model."""
    plan = f"""mosaic 1
plan p {{
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  let wash = lora("zoo/watercolor")
  emit sample({MODELS[model]}, prompt: ["a cat, neon style, {{wash}}" during 0%..50%, "a dog"], steps: 6, size: 32x32)
    as "p.safetensors"
}}
"""
    compiled = Project().compile(SourceFile("<test>", plan))
    assert compiled.programs, [each.message() for each in compiled.diagnostics]
    remembered = _run(compiled.programs[0], tmp_path)
    monkeypatch.setattr("mosaic.runtime.evaluate._READINGS", 0)
    assert _run(compiled.programs[0], tmp_path) == remembered


def _run(program: Any, folder: Path) -> bytes:
    (made,) = engine(device="cpu").run(program, folder).emitted
    return made.path.read_bytes()
