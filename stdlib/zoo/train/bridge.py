"""The bridge between the two latent spaces: a 3x3 convolution each way, fitted by least squares."""

from __future__ import annotations

import json
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from mosaic.stdlib.zoo import world
from mosaic.stdlib.zoo.train import vae
from mosaic.stdlib.zoo.train.common import Job, draw_all, scenes_of, to_tensor

SEED, PICTURES, HELD_OUT = 81, 1200, 300


def _columns(latents: torch.Tensor, kernel: int) -> torch.Tensor:
    """Every neighbourhood as a row, with a one for the bias: (n * 256, 4 * kernel**2 + 1) float64."""
    rows = F.unfold(latents, kernel, padding=kernel // 2).transpose(1, 2).flatten(0, 1).double()
    return torch.cat([rows, torch.ones(len(rows), 1, dtype=torch.float64)], dim=1)


def fit(source: torch.Tensor, target: torch.Tensor, kernel: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight (4, 4, kernel, kernel) and bias (4,), float32, of the least-squares map."""
    rows, wanted = _columns(source, kernel), target.permute(0, 2, 3, 1).reshape(-1, 4).double()
    gram = rows.T @ rows
    gram += 1e-4 * len(rows) * torch.eye(len(gram), dtype=torch.float64)
    solution = torch.linalg.solve(gram, rows.T @ wanted).float()
    return solution[:-1].T.reshape(4, 4, kernel, kernel).contiguous(), solution[-1].contiguous()


def carry(latents: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Latents (n, 4, h, w) in the other space."""
    return F.conv2d(latents, weight, bias, padding=weight.shape[-1] // 2)


def _r2(found: torch.Tensor, wanted: torch.Tensor) -> float:
    rest = (found - wanted).pow(2).sum()
    return float(1 - rest / (wanted - wanted.mean(dim=(0, 2, 3), keepdim=True)).pow(2).sum())


def run(job: Job) -> None:
    """Fit on drawn pictures, measure on held-out ones, save both maps and the facts."""
    job.setup(SEED)
    n, held = job.count(PICTURES, 24), job.count(HELD_OUT, 8)
    images = to_tensor(draw_all(scenes_of(world.any_scene, n + held, SEED), SEED * 1_000_000))
    spaces = {
        "a": vae.encode(vae.load(job.work / "vae"), images),
        "b": vae.encode(vae.load(job.work / "vae-b"), images),
    }
    facts: dict[str, dict[str, Any]] = {}
    maps: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    for source, target in (("a", "b"), ("b", "a")):
        name = f"{source}-to-{target}"
        maps[name] = fit(spaces[source][:n], spaces[target][:n], 3)
        small = fit(spaces[source][:n], spaces[target][:n], 1)
        facts[name] = {
            "r2": round(_r2(carry(spaces[source][n:], *maps[name]), spaces[target][n:]), 4),
            "r2_1x1": round(_r2(carry(spaces[source][n:], *small), spaces[target][n:]), 4),
        }
    for name, back in (("a-to-b", "b-to-a"), ("b-to-a", "a-to-b")):
        start = spaces[name[0]][n:]
        there_and_back = carry(carry(start, *maps[name]), *maps[back])
        facts[name]["round_trip_r2"] = round(_r2(there_and_back, start), 4)
        weight, bias = maps[name]
        header = {"format": "pt", **{key: str(value) for key, value in facts[name].items()}}
        save_file({"weight": weight, "bias": bias}, job.work / f"{name}.safetensors", metadata=header)
    (job.work / "bridges.json").write_text(json.dumps(facts, indent=1))
