"""Fills the working folder from the package, so that an expert can be trained without the bases' hours."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

import mosaic.stdlib.zoo as zoo
from mosaic.stdlib.zoo.train import text
from mosaic.stdlib.zoo.train.common import Job

MARK: Final = "shipped"
"""An empty file beside the weights of a part that was not trained here; such a part is not shipped again."""
UNETS: Final = {"unet": "base", "unet-b": "base-b"}
VAES: Final = {"vae": "base", "vae-b": "base-b"}


def fill(job: Job) -> None:
    """Save the shipped text encoder, autoencoders and bases in float32 where their stages would have.

    Half precision widened to single is exact, so what is trained on them fits the shipped files to the bit.
    A part that is there already is left alone.
    """
    models = zoo.root() / "models"
    if not (job.work / "text").exists():
        tokens, encoder = text.load(models / "base")
        tokens.save_pretrained(job.work / "text" / "tokenizer")
        encoder.save_pretrained(job.work / "text" / "text_encoder")
        _mark(job.work / "text")
    for part, name in UNETS.items():
        if not (job.work / part).exists():
            model = UNet2DConditionModel.from_pretrained(models / name / "unet", torch_dtype=torch.float32)
            model.save_pretrained(job.work / part)
            _mark(job.work / part)
    for part, name in VAES.items():
        if not (job.work / part).exists():
            coder = AutoencoderKL.from_pretrained(models / name / "vae", torch_dtype=torch.float32)
            coder.save_pretrained(job.work / part)
            _mark(job.work / part)


def _mark(part: Path) -> None:
    (part / MARK).touch()
