"""An expert in a folder: a diffusers model, one component of it, or an adapter as its trainer saved it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from mosaic.catalog.found import Found, Part, read_config
from mosaic.catalog.headers import PICKLES, Headers
from mosaic.catalog.single import PICTURES_NEED, TOKENIZER_FILES, with_channels
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind
from mosaic.compiler.weights import autoencoders, families

Space = Callable[[autoencoders.VaeFacts, str | None, Path], str | None]

ADAPTERS: Final = (
    "adapter_model.safetensors",
    "pytorch_lora_weights.safetensors",
    "learned_embeds.safetensors",
)
"""Names under which trainers save an adapter in a folder of its own."""

_WEIGHTS: Final = ("diffusion_pytorch_model", "model")
_SHARD: Final = r"-(\d{5})-of-(\d{5})(?:\.fp16)?\.safetensors$"


class Folder:
    """A model's folder. Messages call it `shown`."""

    def __init__(self, path: Path, shown: str, span: Span | None, headers: Headers) -> None:
        self._path, self._shown, self._span, self._headers = path, shown.rstrip("/"), span, headers

    def adapter(self) -> Path | None:
        """The one adapter that the folder holds, if it is an adapter's folder."""
        return next((self._path / name for name in ADAPTERS if (self._path / name).is_file()), None)

    def read(self, space: Space) -> Found:
        """What the folder holds. `space` names the latent space of a VAE, given a family and the VAE's file.

        Raises MosaicError: M802 for no model, M803 where there are only pickles, M805 for a missing part.
        """
        if (self._path / "unet").is_dir():
            return self._diffusers(space)
        if (self._path / "transformer").is_dir():
            return self._transformer(space)
        if (self._path / "model_index.json").is_file():
            raise MosaicError(
                errors.inputs.IncompleteModel(self._span, self._shown, "its denoiser (the folder `unet/`)")
            )
        if (self._path / "config.json").is_file():
            return self._component(space)
        raise MosaicError(errors.inputs.NotAModel(self._span, self._shown, self._why_not()))

    def _why_not(self) -> str:
        names = sorted(entry.name for entry in self._path.iterdir())
        models = [name for name in names if name.endswith(".safetensors")]
        if models:
            return f"it is a folder with {len(models)} files; the plan has to name one, such as `{models[0]}`"
        return (
            "the folder is empty" if not names else "the folder holds neither `model_index.json` nor `unet/`"
        )

    def _diffusers(self, space: Space) -> Found:
        config = self._config("unet/config.json")
        scheduler = self._config("scheduler/scheduler_config.json", required=False)
        denoiser = self._weights("unet", "unet")
        # XL's refiner has the second encoder alone.
        second = (self._path / "text_encoder_2").is_dir()
        first = (self._path / "text_encoder").is_dir() or not second
        encoders = (
            *(self._weights("text_encoder", "text_encoder") if first else ()),
            *(self._weights("text_encoder_2", "text_encoder_2") if second else ()),
            *(self._tokenizer("tokenizer") if first else ()),
            *(self._tokenizer("tokenizer_2") if second else ()),
        )
        autoencoder = self._weights("vae", "vae")
        shapes = self._shapes(denoiser)
        facts = autoencoders.vae_of_config(self._config("vae/config.json"))
        found = families.identify(shapes)
        predicts = families.prediction(found.family, scheduler=scheduler or None, shapes=shapes)
        multiple = facts.multiple if facts else 8
        whole = Found(
            kind=Kind.CHECKPOINT,
            parts=(
                *self._optional("config", "model_index.json"),
                *self._optional("scheduler", "scheduler/scheduler_config.json"),
                *encoders,
                *denoiser,
                *autoencoder,
            ),
            family=found.family,
            prediction=predicts,
            space=space(facts, found.family, autoencoder[-1].path) if facts else None,
            native_size=families.native_size(found.family, predicts, config, multiple),
            size_multiple=multiple,
            zero_snr=families.zero_snr(scheduler=scheduler, shapes=shapes),
        )
        return with_channels(whole, shapes, facts)

    def _transformer(self, space: Space) -> Found:
        denoiser = self._weights("transformer", "transformer")
        family = families.identify(self._shapes(denoiser)).family
        encoders = tuple(
            part
            for folder in ("text_encoder", "text_encoder_2", "text_encoder_3")
            if (self._path / folder).is_dir()
            for part in self._weights(folder, folder)
        )
        words = tuple(
            part
            for folder in ("tokenizer", "tokenizer_2", "tokenizer_3")
            for name in TOKENIZER_FILES
            for part in self._optional("tokenizer", f"{folder}/{name}")
        )
        autoencoder = self._weights("vae", "vae") if (self._path / "vae").is_dir() else ()
        facts = autoencoders.vae_of_config(self._config("vae/config.json")) if autoencoder else None
        held = zip(PICTURES_NEED, (encoders, autoencoder, words), strict=True)
        whole = Found(
            kind=Kind.CHECKPOINT,
            parts=(
                *self._optional("config", "model_index.json"),
                *self._optional("scheduler", "scheduler/scheduler_config.json"),
                *encoders,
                *words,
                *denoiser,
                *autoencoder,
            ),
            family=family,
            prediction=families.prediction(family),
            space=space(facts, family, autoencoder[-1].path) if facts else None,
            native_size=families.native_size(family, None),
            lacks=tuple(name for name, there in held if not there),
        )
        return with_channels(whole, self._shapes(denoiser), None)

    def _component(self, space: Space) -> Found:
        """A folder that is one component by itself."""
        config = self._config("config.json")
        parts = self._weights(".", "")
        shapes, metadata = self._shapes(parts), self._metadata(parts)
        identity = families.identify(shapes, metadata)
        if identity.kind is Kind.VAE:
            facts = autoencoders.vae_of_config(config) or autoencoders.vae_of_shapes(shapes)
            named = space(facts, None, parts[-1].path) if facts else None
            return Found(Kind.VAE, _as("vae", parts), space=named, latents=facts.latents if facts else None)
        if identity.kind is Kind.CHECKPOINT:
            role = "unet" if identity.layout else "transformer"
            whole = Found(
                Kind.CHECKPOINT, _as(role, parts), identity.family, identity.prediction, lacks=PICTURES_NEED
            )
            return with_channels(whole, shapes, None)
        if identity.kind is Kind.CONTROL:
            return Found(Kind.CONTROL, _as("control", parts), identity.family)
        reason = f"its weights are of no known kind ({config.get('_class_name', 'no class')})"
        raise MosaicError(errors.inputs.NotAModel(self._span, self._shown, reason))

    def _config(self, name: str, *, required: bool = True) -> dict[str, Any]:
        path = self._path / name
        if not path.is_file():
            if required:
                raise MosaicError(errors.inputs.IncompleteModel(self._span, self._shown, f"`{name}`"))
            return {}
        return read_config(path, f"{self._shown}/{name}", self._span)

    def _shapes(self, parts: tuple[Part, ...]) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for part in parts:
            if part.name.endswith(".safetensors"):
                shapes |= self._headers.read(part.path, f"{self._shown}/{part.name}", self._span).shapes
        return shapes

    def _metadata(self, parts: tuple[Part, ...]) -> dict[str, str]:
        path, name = parts[-1].path, parts[-1].name
        return self._headers.read(path, f"{self._shown}/{name}", self._span).metadata

    def _weights(self, folder: str, role: str) -> tuple[Part, ...]:
        """A component's configuration and weights, the weights last."""
        inner = self._path / folder
        names = sorted(entry.name for entry in inner.iterdir()) if inner.is_dir() else []
        chosen = _choose([name for name in names if name.endswith(".safetensors")])
        prefix = "" if folder == "." else f"{folder}/"
        if not chosen:
            pickles = [name for name in names if name.lower().endswith(PICKLES)]
            if pickles:
                raise MosaicError(
                    errors.inputs.PickleRefused(self._span, f"{self._shown}/{prefix}{pickles[0]}")
                )
            raise MosaicError(
                errors.inputs.IncompleteModel(self._span, self._shown, f"weights in `{folder}/`")
            )
        missing = _missing_shard(chosen)
        if missing:
            raise MosaicError(errors.inputs.IncompleteModel(self._span, self._shown, f"`{prefix}{missing}`"))
        config = self._optional("config", f"{prefix}config.json")
        return (*config, *(Part(role, f"{prefix}{name}", inner / name) for name in chosen))

    def _tokenizer(self, folder: str) -> tuple[Part, ...]:
        parts = [part for name in TOKENIZER_FILES for part in self._optional("tokenizer", f"{folder}/{name}")]
        held = {part.name.rpartition("/")[2] for part in parts}
        if "tokenizer.json" not in held and not {"vocab.json", "merges.txt"} <= held:
            raise MosaicError(
                errors.inputs.IncompleteModel(self._span, self._shown, f"`{folder}/tokenizer.json`")
            )
        return tuple(parts)

    def _optional(self, role: str, name: str) -> tuple[Part, ...]:
        path = self._path / name
        return (Part(role, name, path),) if path.is_file() else ()


def is_component(path: Path) -> bool:
    """Whether a folder is one component of a model, with its configuration. Raises OSError."""
    if not (path / "config.json").is_file():
        return False
    names = (entry.name for entry in path.iterdir())
    return any(name.startswith(_WEIGHTS) and name.endswith((".safetensors", *PICKLES)) for name in names)


def _choose(names: list[str]) -> list[str]:
    """The weights to load among a component's files: full precision before fp16, one file before shards."""
    for stem in _WEIGHTS:
        for variant in ("", ".fp16"):
            if f"{stem}{variant}.safetensors" in names:
                return [f"{stem}{variant}.safetensors"]
        shards = [name for name in names if name.startswith(f"{stem}-") and re.search(_SHARD, name)]
        full = [name for name in shards if ".fp16." not in name]
        if shards:
            return full or shards
    return names if len(names) == 1 else []


def _missing_shard(names: list[str]) -> str:
    found = re.search(_SHARD, names[0])
    if found is None:
        return ""
    count, head, tail = int(found[2]), names[0][: found.start()], names[0][found.end(2) :]
    wanted = [f"{head}-{number:05d}-of-{count:05d}{tail}" for number in range(1, min(count, 1000) + 1)]
    return next((name for name in wanted if name not in names), "")


def _as(role: str, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """A component's own files, named as inside a whole model."""
    return tuple(
        Part(role if part.name.endswith(".safetensors") else "config", f"{role}/{part.name}", part.path)
        for part in parts
    )
