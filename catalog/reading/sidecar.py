"""What a person states of an expert in a file beside it: `NAME.expert.toml`, or `expert.toml` in a model's folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from mosaic.catalog.found import read_text
from mosaic.catalog.licence_text import licence
from mosaic.catalog.reading.given import Declared
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.facts import CATEGORIES, RATINGS
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.types import Family, Prediction

ENDING: Final = ".expert.toml"
FOLDER: Final = "expert.toml"

_LONGEST: Final = 2_000
_ID: Final = re.compile(r"[\w][\w.\-]*(?:/[\w][\w.\-]*)+")


def sidecar_of(path: Path) -> Path | None:
    """The sidecar of a file or model folder, if there is one."""
    if path.is_dir():
        names = [path / FOLDER]
    else:
        names = [path.with_name(path.stem + ENDING)]
        if path.name in _ALONE:
            names.append(path.with_name(FOLDER))
    return next((name for name in names if name.is_file()), None)


_ALONE: Final = (
    "adapter_model.safetensors",
    "pytorch_lora_weights.safetensors",
    "learned_embeds.safetensors",
)
"""Files that trainers give a folder of its own."""


def read_sidecar(path: Path, shown: str) -> Declared:
    """What a sidecar states. Raises MosaicError (M807, M810, M822, M823, M824), every mistake in it at once."""
    import tomllib  # few experts have one

    text = read_text(path, shown, None)
    source = SourceFile(shown, text)
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        reason = str(error) or "it is nested too deeply"
        found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", reason)
        span = _line(source, int(found[1] or len(source.line_starts))) if found else None
        said = reason[: found.start()] if found else reason
        raise MosaicError(errors.reading.BrokenSidecar(span, shown, said[:1].lower() + said[1:])) from None
    mistakes: list[Diagnostic] = []
    given: dict[str, Any] = {}
    for key, value in content.items():
        if key not in _KEYS:
            near = tuple(get_close_matches(key, _KEYS, n=2, cutoff=0.6))
            mistakes.append(errors.reading.UnknownStatement(_key(source, key), shown, key, near))
            continue
        wanted, take = _KEYS[key]
        taken = take(value)
        if taken is None:
            mistakes.append(errors.reading.WrongStatement(_key(source, key), shown, key, wanted))
        given[key] = taken
    if mistakes:
        raise MosaicError(*mistakes)
    return Declared(**given, source=path.name)


def check_declared(declared: Declared, shown: str) -> tuple[Diagnostic, ...]:
    """What is wrong with statements that came by options."""
    return tuple(
        errors.reading.WrongStatement(None, shown, key, wanted)
        for key, (wanted, take) in _KEYS.items()
        if (value := getattr(declared, key)) not in (None, ())
        and take(list(value) if isinstance(value, tuple) else value) is None
    )


def _line(source: SourceFile, number: int) -> Span:
    number = min(number, len(source.line_starts))
    start = source.line_starts[number - 1]
    return source.span(start, start + max(len(source.line(number)), 1) if start < len(source.text) else start)


def _key(source: SourceFile, key: str) -> Span | None:
    found = re.search(rf"(?m)^\s*\[?\s*[\"']?({re.escape(key)})\b", source.text)
    return source.span(found.start(1), found.end(1)) if found else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() and len(value) <= _LONGEST else None


def _licence(value: Any) -> str | None:
    text = _text(value)
    return licence(text) if text else None


def _texts(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not all(_text(item) for item in value):
        return None
    return tuple(value)


def _ids(value: Any) -> tuple[str, ...] | None:
    texts = _texts(value)
    return texts if texts is not None and all(_ID.fullmatch(text) for text in texts) else None


def _id(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= 200 and _ID.fullmatch(value) else None


def _strengths(value: Any) -> tuple[float, float] | None:
    if not isinstance(value, list) or len(value) != 2:
        return None
    if not all(type(item) in (int, float) and abs(item) <= 100 for item in value) or value[0] > value[1]:
        return None
    return float(value[0]), float(value[1])


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _one_of(words: tuple[str, ...]) -> Callable[[Any], str | None]:
    return lambda value: value if isinstance(value, str) and value in words else None


def _layer(value: Any) -> int | None:
    return value if type(value) is int and 1 <= value <= 24 else None


def _listed(words: tuple[str, ...]) -> str:
    return "one of " + ", ".join(f'"{word}"' for word in words)


_FAMILIES: Final = tuple(str(family) for family in Family)
_PREDICTIONS: Final = tuple(str(prediction) for prediction in Prediction)
_KEYS: Final[MappingProxyType[str, tuple[str, Callable[[Any], Any]]]] = MappingProxyType(
    {
        "id": ('an id such as "studio/neon"', _id),
        "title": ("a text", _text),
        "description": ("a text", _text),
        "author": ("a text", _text),
        "trigger": ("a text", _text),
        "license": ('the name of a licence, such as "Apache-2.0"', _licence),
        "rating": (_listed(RATINGS), _one_of(RATINGS)),
        "category": (_listed(CATEGORIES), _one_of(CATEGORIES)),
        "strengths": ("two numbers, the weakest and the strongest", _strengths),
        "excludes": ('a list of ids such as ["studio/neon"]', _ids),
        "last": ("true or false", _flag),
        "tags": ("a list of texts", _texts),
        "family": (_listed(_FAMILIES), _one_of(_FAMILIES)),
        "prediction": (_listed(_PREDICTIONS), _one_of(_PREDICTIONS)),
        "clip_skip": ("a whole number from 1 to 24", _layer),
    }
)
