"""What a model is written as, so that other tools read it and mosaic reads it back.

Layout. One file in the original layout of Stable Diffusion 1, which every tool that loads single files knows:
`model.diffusion_model.…` (UNet), `cond_stage_model.transformer.text_model.…` (text encoder), `first_stage_model.…`
(VAE). UNet and text encoder are in the precision that they ran in. The VAE, which always runs in float32, is in float16
where that holds every one of its numbers exactly, as it does where it was stored so. Layers that the original networks
do not have keep diffusers' names (`unet.…`).

Metadata. ModelSpec 1.0.1 (https://github.com/Stability-AI/ModelSpec) where it has words: title, architecture, what the
model was merged from, licence, prediction, resolution. There is no date and no author, because equal runs give equal
bytes and mosaic does not know who runs it; no hash either, which would have to be known before the first tensor is
computed. `mosaic.recipe` tells how the model was fused. `mosaic.config.unet`, … are the configurations of diffusers'
classes and `mosaic.tokenizer` is the tokenizer with the words that embeddings added, so that the file is a checkpoint
that a plan can name by its path.

Added words. The embedding matrix has the rows that textual inversions added, after the tokenizer's own. mosaic reads
them back. A reader that builds the text encoder from a configuration of its own finds a matrix of another size than it
expects and refuses the file, unless its `vocab_size` is that of `mosaic.config.text_encoder`; then it reads the file,
and reaches the added rows by their numbers only. Emit the model without the embedding, and hand over the embedding's
own file, where other tools are to load both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, cast

import torch

from mosaic.compiler.program import Emit, Expert, Fuse, LoadModel, Operand, Program
from mosaic.compiler.weights import ldm
from mosaic.runtime.streaming import Entry
from mosaic.runtime.tokens import preserved
from mosaic.runtime.values import EMBEDDINGS, Model

_PREDICTIONS: Mapping[str, str] = MappingProxyType({"v_prediction": "v"})
"""ModelSpec's words for what diffusers' schedulers call otherwise."""


def entries(model: Model) -> dict[str, Entry]:
    """The tensors of a model's unet, text encoder and VAE by their names in the file. Nothing is computed yet."""
    stored = model.base.stored
    networks = {
        name: Entry(model.base.device.dtype, _shape(model, name), partial(model.tensor, name))
        for name in stored
    }
    decoder = {f"vae.{name}": tensor for name, tensor in model.vae.module.state_dict().items()}
    precision = torch.float16 if all(map(_is_half, decoder.values())) else torch.float32
    networks |= {name: _original(name, precision, tensor) for name, tensor in decoder.items()}
    return {original: networks[name] for name, original in ldm.from_diffusers(networks).items()}


def _shape(model: Model, name: str) -> tuple[int, ...]:
    # Embeddings add rows; nothing else changes a shape.
    return tuple((model.tensor(name) if name == EMBEDDINGS else model.base.stored[name]).shape)


def _original(name: str, precision: torch.dtype, tensor: torch.Tensor) -> Entry:
    shaped = tensor[:, :, None, None] if ldm.is_projection(name) else tensor
    return Entry(precision, tuple(shaped.shape), lambda: shaped)


def _is_half(tensor: torch.Tensor) -> bool:
    return torch.equal(tensor, tensor.half().to(tensor.dtype))


def identity(model: Model) -> dict[str, str]:
    """The metadata that a model itself gives: its configurations, tokenizer, prediction and size."""
    base = model.base
    words = _shape(model, EMBEDDINGS)[0]
    # The text encoder may have more words than its base, the VAE may be another one.
    configs: dict[str, Mapping[str, Any]] = {
        **base.configs,
        "text_encoder": {**base.configs["text_encoder"], "vocab_size": words},
        "vae": dict(cast(Any, model.vae.module).config),
        "scheduler": base.scheduler,
    }
    told = {
        f"mosaic.config.{part}": json.dumps(dict(config), sort_keys=True, default=str)
        for part, config in configs.items()
    }
    told["mosaic.tokenizer"] = _compact(preserved(model.tokens))
    stated = str(base.scheduler.get("prediction_type", "epsilon"))
    told["modelspec.prediction_type"] = _PREDICTIONS.get(stated, stated)
    side = base.configs["unet"].get("sample_size")
    if type(side) is int and side > 0:
        told["modelspec.resolution"] = f"{side * model.vae.factor}x{side * model.vae.factor}"
    return told


def provenance(program: Program, emit: Emit) -> dict[str, str]:
    """The metadata that tells a stranger what an emitted model is and how it was made."""
    made = _made(program, emit.value)
    used = [program.experts[index] for index in _used(program, emit.value)]
    told = {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": "stable-diffusion-v1",
        "modelspec.implementation": "https://github.com/CompVis/stable-diffusion",
        "modelspec.title": emit.path.rpartition("/")[2].removesuffix(".safetensors"),
        "modelspec.description": f"Fused by mosaic: {_sentence(made)}",
        "mosaic.recipe": _compact(made),
    }
    if len(used) > 1:
        told["modelspec.merged_from"] = ", ".join(expert.title or expert.id for expert in used)
    licence = _licence(used)
    if licence:
        told["modelspec.license"] = licence
    hints = [expert.trigger for expert in used if expert.kind == "lora" and expert.trigger]
    if hints:
        told["modelspec.usage_hint"] = f"Trigger words: {', '.join(hints)}"
    return told


def _made(program: Program, value: int) -> dict[str, Any]:
    """A model as a tree: a checkpoint, or a base with an operator and its operands, each an expert or such a tree."""
    operation = _operation(program, value)
    if isinstance(operation, LoadModel):
        return {"expert": program.experts[operation.expert].id}
    return {
        "base": _made(program, operation.model),
        "operator": operation.operator,
        "version": operation.operator_version,
        "settings": operation.settings,
        "operands": [_operand(program, operand) for operand in operation.operands],
    }


def _operand(program: Program, operand: Operand) -> dict[str, Any]:
    rest = operand.model_dump(mode="json", exclude={"expert", "model"}, exclude_defaults=True)
    if operand.expert is not None:
        return {"expert": program.experts[operand.expert].id, **rest}
    assert operand.model is not None
    return {**_made(program, operand.model), **rest}


def _used(program: Program, value: int) -> list[int]:
    """The experts in a model, as indices, in the order in which they went in, each once."""
    operation = _operation(program, value)
    if isinstance(operation, LoadModel):
        return [operation.expert]
    found = _used(program, operation.model)
    for operand in operation.operands:
        if operand.expert is not None:
            found.append(operand.expert)
        elif operand.model is not None:
            found += _used(program, operand.model)
    return list(dict.fromkeys(found))


def _operation(program: Program, value: int) -> LoadModel | Fuse:
    found = next(step.operation for step in program.instructions if step.result == value)
    assert isinstance(found, LoadModel | Fuse)  # `verify` has proven the types of all values
    return found


def _sentence(made: Mapping[str, Any]) -> str:
    """A tree of `_made` as a plan would write it, without settings."""
    if "operator" not in made:
        return str(made["expert"])
    parts = [_sentence(made["base"])]
    for operand in made["operands"]:
        window = operand.get("window")
        strength = "" if operand["strength"] == 1 else f" * {operand['strength']:g}"
        during = f" during {window[0]:.0%}..{window[1]:.0%}" if window else ""
        parts.append(f"{_sentence(operand)}{strength}{during}")
    return f"{made['operator']}({', '.join(parts)})"


def _licence(experts: list[Expert]) -> str | None:
    """The SPDX expression of everything that a model is made of: all licences hold together. None where one is not
    known, for then nothing can be said of the whole."""
    known = list(dict.fromkeys(expert.license for expert in experts if expert.license))
    if not known or not all(expert.license for expert in experts):
        return None
    return " AND ".join(f"({each})" if " OR " in each and len(known) > 1 else each for each in known)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
