"""What a file's embedded metadata says of it: kohya's `ss_*`, ModelSpec's `modelspec.*`, and the loose keys of others.

Everything here is a claim by whoever wrote the file, and nothing of it is trusted where tensors show otherwise. Texts
are bounded; JSON inside them is bounded too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mosaic.catalog.licence_text import licence
from mosaic.catalog.record import Claim, Evidence
from mosaic.compiler.types import Family, Kind
from mosaic.compiler.weights.families import stated_prediction

_LONGEST: Final = 2_000
_LONGEST_TRIGGER: Final = 200
_LONGEST_JSON: Final = 4_000_000
_MOST_TAGS: Final = 8
_MOST_WORDS: Final = 32
_HEX: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{8,64})")


def claims(told: Mapping[str, str], kind: Kind) -> list[Claim]:
    """Every claim that the metadata of an expert of a kind makes, the more specific source of a key first."""
    if not told:
        return []
    found = [*_texts(told), *_triggers(told), *_family(told), *_numbers(told), *_training(told)]
    if kind is Kind.LORA:
        found += _network(told)
    return found


def _said(key: str, value: Any, source: str) -> Claim:
    return Claim(key, value, Evidence.METADATA, source)


def _text(told: Mapping[str, str], name: str, longest: int = _LONGEST) -> str:
    """A value without the white space around it, shortened. A zero-width space is part of a trigger, and stays."""
    value = told.get(name, "")
    return value[: longest * 2].strip()[:longest] if value not in ("None", "null") else ""


_TEXTS: Final = (
    ("title", "modelspec.title"),
    ("title", "ss_output_name"),
    ("author", "modelspec.author"),
    ("description", "modelspec.description"),
    ("description", "ss_training_comment"),
    ("usage_hint", "modelspec.usage_hint"),
    ("date", "modelspec.date"),
    ("merged_from", "modelspec.merged_from"),
    ("timestep_range", "modelspec.timestep_range"),
    ("encoder_layer", "modelspec.encoder_layer"),
    ("preprocessor", "modelspec.preprocessor"),
    ("is_negative_embedding", "modelspec.is_negative_embedding"),
)


def _texts(told: Mapping[str, str]) -> Iterator[Claim]:
    for key, name in _TEXTS:
        if text := _text(told, name):
            yield _said(key, text, name)
    for name in ("modelspec.license", "license"):
        if text := _text(told, name):
            yield _said("license", licence(text), name)
    if tags := _words(told, "modelspec.tags"):
        yield _said("tags", tags, "modelspec.tags")


def _words(told: Mapping[str, str], name: str) -> list[str]:
    """A list that is written as JSON or with commas."""
    text = _text(told, name)
    listed = _json(text) if text.startswith("[") else None
    words = (
        [word for word in listed if isinstance(word, str)] if isinstance(listed, list) else text.split(",")
    )
    # str.strip would leave U+200B alone: it is no white space to Unicode.
    kept = [word.strip()[:_LONGEST_TRIGGER] for word in words]
    return list(dict.fromkeys(word for word in kept if word))[:_MOST_WORDS]


def _triggers(told: Mapping[str, str]) -> Iterator[Claim]:
    for name in ("modelspec.trigger_phrase", "trigger_phrase", "activation_text"):
        if (text := _text(told, name, _LONGEST_TRIGGER + 1)) and len(text) <= _LONGEST_TRIGGER:
            yield _said("trigger", text, name)
    if words := _words(told, "trigger_words"):
        yield _said("trigger", words[0], "trigger_words")
        yield _said("triggers", words, "trigger_words")
    if tags := frequent_tags(told.get("ss_tag_frequency", "")):
        yield _said("triggers", tags, "ss_tag_frequency")


def frequent_tags(text: str) -> list[str]:
    """The tags that stand most often in the captions that an adapter was trained on, the most frequent first.

    `text` is JSON: folder to tag to count. Empty for anything else.
    """
    folders = _json(text)
    counts: dict[str, int] = {}
    for tags in folders.values() if isinstance(folders, dict) else ():
        for tag, count in tags.items() if isinstance(tags, dict) else ():
            word = tag.strip(" \t\r\n")
            if word and len(word) <= _LONGEST_TRIGGER and type(count) is int and count > 0:
                counts[word] = counts.get(word, 0) + count
    best = sorted(counts, key=lambda word: (-counts[word], word))
    return best[:_MOST_TAGS]


def _json(text: str) -> Any:
    if not text or len(text) > _LONGEST_JSON:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_ARCHITECTURES: Final = (
    (r"^stable-diffusion-v1(?:[/-].*)?$", Family.SD1),
    (r"^stable-diffusion-v2(?:[/-].*)?$", Family.SD2),
    (r"^stable-diffusion-xl-v1-refiner(?:[/-].*)?$", Family.SDXL_REFINER),
    (r"^stable-diffusion-xl-v1(?:[/-].*)?$", Family.SDXL),
    (r"^stable-diffusion-(?:v?3|3\.5)(?:[./-].*)?$", Family.SD3),
    (r"^flux-1(?:[/-].*)?$", Family.FLUX),
)
_BASES: Final = (
    (r"^(?:sdxl_base|sdxl|xl)(?:[_ .-].*)?$", Family.SDXL),
    (r"^(?:sd_?v?1|sd ?1|stable[ -]diffusion[ -]v?1|runwayml/stable-diffusion-v1)(?:[_ .-].*)?$", Family.SD1),
    (
        r"^(?:sd_?v?2|sd ?2|stable[ -]diffusion[ -]v?2|stabilityai/stable-diffusion-2)(?:[_ .-].*)?$",
        Family.SD2,
    ),
    (r"^(?:sd_?v?3|sd ?3|stable[ -]diffusion[ -]3|stabilityai/stable-diffusion-3)(?:[_ .-].*)?$", Family.SD3),
    (r"^stabilityai/stable-diffusion-xl-base(?:[_ .-].*)?$", Family.SDXL),
    (r"^stabilityai/stable-diffusion-xl-refiner(?:[_ .-].*)?$", Family.SDXL_REFINER),
    (r"^(?:flux1|flux\.1|black-forest-labs/flux\.1)(?:[_ .-].*)?$", Family.FLUX),
    (r"^(?:pony(?! ?v7)|illustrious|noobai|noob)(?:[_ .-].*)?$", Family.SDXL),
)
_ARCHITECTURE: Final = tuple((re.compile(pattern), family) for pattern, family in _ARCHITECTURES)
_BASE: Final = tuple((re.compile(pattern), family) for pattern, family in _BASES)
_LINEAGE: Final = re.compile(r"(?:^|[^a-z])(pony|illustrious|noobai|animagine|kohaku)")


def family_of_text(text: str) -> str | None:
    """The family that an architecture's id or a base's name means, or None where it is not known."""
    name = text.strip().lower()[:200]
    for pattern, family in (*_ARCHITECTURE, *_BASE):
        if pattern.match(name):
            return None if "refiner" in name and family is Family.SDXL else family
    return None


def _family(told: Mapping[str, str]) -> Iterator[Claim]:
    for name in ("ss_base_model_version", "modelspec.architecture", "base_model", "baseModel", "family"):
        if (text := _text(told, name, 200)) and (family := family_of_text(text)):
            yield _said("family", str(family), name)
    for name in ("ss_sd_model_name", "base_model", "baseModel"):
        if text := _text(told, name, 200):
            yield _said("base", text, name)
            if found := _LINEAGE.search(text.lower()):
                yield _said("lineage", found[1], name)


def _numbers(told: Mapping[str, str]) -> Iterator[Claim]:
    for name in ("modelspec.resolution", "ss_resolution"):
        if size := resolution(_text(told, name, 40)):
            yield _said("native_size", list(size), name)
    skip = _integer(told, "ss_clip_skip")
    if skip is not None and 1 <= skip <= 24:
        yield _said("clip_skip", skip, "ss_clip_skip")
    if stated := stated_prediction(_text(told, "modelspec.prediction_type", 40)):
        yield _said("prediction", str(stated), "modelspec.prediction_type")
    if _text(told, "ss_zero_terminal_snr", 10) in ("True", "true"):
        yield _said("zero_snr", True, "ss_zero_terminal_snr")


def resolution(text: str) -> tuple[int, int] | None:
    """Width and height of "1024x768", "(1024, 768)" or "1024"; None for anything else."""
    found = re.fullmatch(r"\(?\s*(\d{2,5})(?:\s*[x,]\s*(\d{2,5}))?\s*,?\s*\)?", text)
    if found is None:
        return None
    width = int(found[1])
    return width, int(found[2] or width)


def _integer(told: Mapping[str, str], name: str) -> int | None:
    value = number(told.get(name, ""))
    return int(value) if value is not None and value == int(value) else None


def number(text: str) -> float | None:
    """A short decimal number, or None."""
    return float(text) if re.fullmatch(r"\s*\d{1,9}(?:\.\d{1,12})?(?:e-?\d{1,2})?\s*", text[:40]) else None


def _training(told: Mapping[str, str]) -> Iterator[Claim]:
    found = _HEX.fullmatch(_text(told, "ss_new_sd_model_hash", 70))
    if found is not None:
        yield _said("trained_on", found[1].lower(), "ss_new_sd_model_hash")
    found = _HEX.fullmatch(_text(told, "modelspec.hash_sha256", 70))
    if found is not None:
        yield _said("hash_sha256", found[1].lower(), "modelspec.hash_sha256")


def _network(told: Mapping[str, str]) -> Iterator[Claim]:
    if (rank := _integer(told, "ss_network_dim")) is not None:
        yield _said("rank", rank, "ss_network_dim")
    if (alpha := number(told.get("ss_network_alpha", ""))) is not None:
        yield _said("alpha", alpha, "ss_network_alpha")
    if module := _text(told, "ss_network_module", 100):
        yield _said("network_module", module, "ss_network_module")
    arguments = _json(told.get("ss_network_args", "")[:_LONGEST])
    named = arguments.get("algo") if isinstance(arguments, dict) else None
    if isinstance(named, str) and named:
        yield _said("algorithm", named[:40].lower(), "ss_network_args")
