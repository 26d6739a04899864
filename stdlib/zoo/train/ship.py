"""Writes the shipped weights in half precision and diffusers' layout, and the index with digests.

What was not trained in the working folder stays as it was shipped before, and is left out if it never was; so the
stage may run early and often, and a new expert changes no byte of the others.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import mosaic.stdlib.zoo as zoo
from mosaic.stdlib.zoo.train import facts, shipped, text, unet
from mosaic.stdlib.zoo.train.common import Job

ROLES: Final = ("tokenizer", "text_encoder", "vae", "unet", "scheduler")
PARTS: Final = {
    "base": {"unet": "unet", "vae": "vae"},
    "base-b": {"unet": "unet-b", "vae": "vae-b"},
    "robot": {"unet": "robot"},
}
"""Which trained part of the working folder goes into which folder of the models."""
SHARED: Final[dict[str, dict[str, str]]] = {
    "base": {},
    "base-b": {"tokenizer": "base", "text_encoder": "base"},
    "robot": {"tokenizer": "base", "text_encoder": "base", "vae": "base", "scheduler": "base"},
}
"""Which roles of a checkpoint are files of another one, so that nothing is shipped twice."""


def _clean(config: Path) -> None:
    """Drop the path from which a part was loaded: it says nothing to anybody else."""
    values = json.loads(config.read_text())
    values.pop("_name_or_path", None)
    config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")


def _checkpoint(job: Job, expert: facts.Expert, target: Path) -> bool:
    """Write one checkpoint's own parts; False when they are not trained yet."""
    name, parts = expert.name, PARTS[expert.name]
    if not all(_trained(job.work / part) for part in parts.values()):
        return False
    folder = target / name
    shutil.rmtree(folder, ignore_errors=True)
    UNet2DConditionModel.from_pretrained(job.work / parts["unet"]).half().save_pretrained(folder / "unet")
    _clean(folder / "unet" / "config.json")
    if "vae" in parts:
        AutoencoderKL.from_pretrained(job.work / parts["vae"]).half().save_pretrained(folder / "vae")
        _clean(folder / "vae" / "config.json")
        unet.scheduler().save_pretrained(folder / "scheduler")
    if name == "base":
        tokens, encoder = text.load(job.work / "text")
        tokens.save_pretrained(folder / "tokenizer")
        encoder.half().save_pretrained(folder / "text_encoder")
        _clean(folder / "text_encoder" / "config.json")
        (folder / "model_index.json").write_text(json.dumps(_model_index(), indent=2) + "\n")
    return True


def _trained(part: Path) -> bool:
    return (part / "config.json").exists() and not (part / shipped.MARK).exists()


def _model_index() -> dict[str, Any]:
    return {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.35.0",
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def _header(expert: facts.Expert) -> dict[str, str]:
    """The metadata of an adapter or embedding, in the ModelSpec's words where it has them."""
    kind = "lora" if expert.kind == "lora" else "textual-inversion"
    header = {
        "format": "pt",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": f"stable-diffusion-v1/{kind}",
        "modelspec.implementation": "diffusers",
        "modelspec.title": expert.title,
        "modelspec.description": expert.description,
        "modelspec.license": facts.LICENSE,
        "modelspec.prediction_type": "v",
        "modelspec.resolution": "64x64",
        "mosaic.id": expert.id,
        "mosaic.base": "zoo/base",
    }
    return header | ({"modelspec.trigger_phrase": expert.trigger} if expert.trigger else {})


def _single(job: Job, expert: facts.Expert, target: Path) -> bool:
    """Write an adapter or embedding in half precision; False when it is not trained yet."""
    source = job.work / f"{expert.name}.safetensors"
    if not source.exists():
        return False
    tensors = {key: value.half().contiguous() for key, value in load_file(source).items()}
    path, header = target / f"{expert.name}.safetensors", _header(expert)
    # The order of a header's entries is not fixed: written again, the same content may be other bytes.
    if not path.exists() or not _same(path, tensors, header):
        save_file(tensors, path, metadata=header)
    return True


def _same(path: Path, tensors: dict[str, torch.Tensor], header: dict[str, str]) -> bool:
    with safe_open(path, "pt") as file:
        if file.metadata() != header or set(file.keys()) != set(tensors):
            return False
        return all(torch.equal(file.get_tensor(key), value) for key, value in tensors.items())


def _entry(root: Path, path: Path, role: str) -> dict[str, Any]:
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return {"role": role, "path": path.relative_to(root).as_posix(), "sha256": digest, "size": len(data)}


def _files(root: Path, models: Path, expert: facts.Expert) -> list[dict[str, Any]]:
    if expert.kind != "checkpoint":
        role = "adapter" if expert.kind == "lora" else "embedding"
        return [_entry(root, models / f"{expert.name}.safetensors", role)]
    shared = SHARED[expert.name]
    entries = []
    for role in ROLES:
        folder = models / shared.get(role, expert.name) / role
        entries += [_entry(root, path, role) for path in sorted(folder.iterdir())]
    return entries


def run(job: Job) -> None:
    """Write all that is trained into the package (or `job.target`) and describe it in `index.json`."""
    root = job.target or zoo.root()
    models = root / "models"
    models.mkdir(parents=True, exist_ok=True)
    before = json.loads((root / "index.json").read_text()) if (root / "index.json").exists() else {}
    listed = []
    scores_path = root / "scores.json"
    scores = json.loads(scores_path.read_text())["experts"] if scores_path.exists() else {}
    for expert in facts.EXPERTS:
        write = (
            _checkpoint(job, expert, models) if expert.kind == "checkpoint" else _single(job, expert, models)
        )
        if write or expert.id in [entry["id"] for entry in before.get("experts", [])]:
            listed.append(expert)
    if (job.work / "checker.safetensors").exists():
        shutil.copyfile(job.work / "checker.safetensors", models / "checker.safetensors")
    experts = [
        {
            "id": expert.id,
            "kind": expert.kind,
            "family": "sd1",
            "latent_space": expert.space,
            "prediction": "v_prediction",
            "license": facts.LICENSE,
            "rating": facts.RATING,
            "title": expert.title,
            "description": expert.description,
            "trigger": expert.trigger,
            "category": expert.category,
            "native_size": "64x64",
            "recommended": {
                "steps": 20,
                "guidance": facts.GUIDANCE,
                "scheduler": "ddim",
                "strength": list(expert.strength),
                **expert.recommended,
            },
            "files": _files(root, models, expert),
            "scores": scores.get(expert.id, {}),
        }
        for expert in listed
    ]
    for path in models.rglob("*.safetensors"):
        path.chmod(0o644)
    stages = job.work / "stages.json"
    training = before.get("training", {}) | (json.loads(stages.read_text()) if stages.exists() else {})
    index = {
        "version": 1,
        "experts": experts,
        "bridges": _bridges(job, root, models) or before.get("bridges", []),
        "edges": _edges(before, experts),
        "training": training,
    }
    (root / "index.json").write_text(json.dumps(index, indent=1) + "\n")
    size = sum(path.stat().st_size for path in models.rglob("*") if path.is_file())
    print(f"shipped {len(experts)} experts, {size / 1e6:.2f} MB", flush=True)


def _edges(before: dict[str, Any], experts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The edges of the index before, between experts whose files are the same still.

    They are computed by the catalog, which this room does not know: `python -m benchmarks.bench_interference --write`.
    """
    kept = {
        expert["id"]
        for expert in experts
        if any(expert["files"] == old["files"] for old in before.get("experts", []))
    }
    return [edge for edge in before.get("edges", []) if {edge["first"], edge["second"]} <= kept]


def _bridges(job: Job, root: Path, models: Path) -> list[dict[str, Any]]:
    if not (job.work / "bridges.json").exists():
        return []
    measured = json.loads((job.work / "bridges.json").read_text())
    (models / "bridges").mkdir(exist_ok=True)
    entries = []
    for name, source, target in facts.BRIDGES:
        path = models / "bridges" / f"{name}.safetensors"
        shutil.copyfile(job.work / path.name, path)
        entries.append(
            {
                "id": f"zoo/{name}",
                "source": source,
                "target": target,
                "kernel": 3,
                "license": facts.LICENSE,
                **measured[name],
                "files": [_entry(root, path, "bridge")],
            }
        )
    return entries
