"""Experts that are shipped with the package, from their index. Nothing is hashed or opened to know them.

The index is a table whose `experts` is a list of entries such as

    {"id": "zoo/neon", "kind": "lora", "family": "sd1", "latent_space": "zoo-a", "prediction": "v_prediction",
     "title": "Neon", "trigger": "neon style", "license": "Apache-2.0", "native_size": "64x64",
     "recommended": {"steps": 20, "guidance": 3.0, "scheduler": "ddim"},
     "files": [{"role": "adapter", "path": "models/neon.safetensors", "sha256": "…", "size": 123456}]}

A file's `role` is the component that it belongs to (`unet`, `text_encoder`, `tokenizer`, `vae`,
`scheduler`) or what it is (`adapter`, `embedding`); `path` is relative to the index's root. Other keys are
left alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from mosaic.compiler.diagnostic import InternalError
from mosaic.compiler.facts import RATINGS, BridgeFacts, ExpertFacts, FileFact
from mosaic.compiler.types import Kind, Prediction

PACKAGE: Final = "package:"


def read_index(index: Mapping[str, Any], root: Path) -> dict[str, ExpertFacts]:
    """The facts of every expert by id, in the index's order. Raises InternalError for a malformed index."""
    try:
        facts = [_facts(entry, root) for entry in index["experts"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InternalError(f"the index of shipped experts is malformed: {error!r}") from error
    return {fact.id: fact for fact in facts}


def read_bridges(index: Mapping[str, Any], root: Path) -> dict[tuple[str, str], ExpertFacts]:
    """The bridges between latent spaces, by the space that they lead out of and the one they lead into. Of several
    between the same spaces, the one that explains most. Raises InternalError for a malformed index.
    """
    try:
        found = [_bridge(entry, root) for entry in index.get("bridges", ())]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InternalError(f"the index of shipped experts is malformed: {error!r}") from error
    best: dict[tuple[str, str], ExpertFacts] = {}
    for facts in found:
        if facts.bridge is not None:
            ends = facts.bridge.source, facts.bridge.target
            best[ends] = better_bridge(best.get(ends), facts) or facts
    return best


def better_bridge(first: ExpertFacts | None, second: ExpertFacts | None) -> ExpertFacts | None:
    """Of two bridges between the same spaces the one of the higher R²; of equal ones the first."""
    if first is None or second is None:
        return first or second
    return second if _r2(second) > _r2(first) else first


def _r2(facts: ExpertFacts) -> float:
    measured = facts.bridge.r2 if facts.bridge is not None else None
    return measured if measured is not None else -math.inf


def _bridge(entry: Mapping[str, Any], root: Path) -> ExpertFacts:
    return ExpertFacts(
        id=entry["id"],
        kind=Kind.BRIDGE,
        family=None,
        space=entry["target"],
        prediction=None,
        files=tuple(_file(file, root) for file in entry["files"]),
        title=entry.get("title") or f"{entry['source']} to {entry['target']}",
        license=entry.get("license"),
        license_evidence="shipped" if entry.get("license") else "",
        rating=SHOWS_NOTHING,
        bridge=BridgeFacts(
            entry["source"],
            entry["target"],
            entry.get("form", "linear"),
            entry.get("r2"),
            entry.get("round_trip_r2"),
            entry.get("psnr"),
        ),
    )


SHOWS_NOTHING: Final = RATINGS[0]
"""How a bridge is rated: it maps latents, and brings nothing into a picture that was not in it."""


def locate(location: str) -> Path:
    """Where a file lies: inside the package, or at a path as the operating system takes it."""
    if location.startswith(PACKAGE):
        return _package() / location.removeprefix(PACKAGE)
    return Path(location)


def _package() -> Path:
    return Path(str(files("mosaic")))


def _facts(entry: Mapping[str, Any], root: Path) -> ExpertFacts:
    kind = Kind(entry["kind"])
    # Space and prediction are properties of what denoises and decodes; the index tells what adapters were
    # made on.
    whole, coded = kind is Kind.CHECKPOINT, kind in (Kind.CHECKPOINT, Kind.VAE)
    size = entry.get("native_size")
    return ExpertFacts(
        id=entry["id"],
        kind=kind,
        family=entry.get("family"),
        space=entry.get("latent_space") if coded else None,
        prediction=_PREDICTIONS.get(entry.get("prediction", "")) if whole else None,
        files=tuple(_file(file, root) for file in entry["files"]),
        trigger=entry.get("trigger"),
        title=entry.get("title") or "",
        license=entry.get("license"),
        license_evidence="shipped" if entry.get("license") else "",
        rating=entry.get("rating"),
        category=entry.get("category") or "",
        strengths=_range((entry.get("recommended") or {}).get("strength")),
        native_size=_pair(size) if size and whole else None,
        size_multiple=entry.get("size_multiple", 8),
        defaults=dict(entry.get("recommended") or {}) if whole else {},
    )


_PREDICTIONS: Final[Mapping[str, str]] = {
    "epsilon": Prediction.EPSILON,
    "v_prediction": Prediction.V,
    "flow_prediction": Prediction.FLOW,
}
_COMPONENTS: Final = ("unet", "text_encoder", "tokenizer", "vae", "scheduler")


def _pair(size: str) -> tuple[int, int]:
    width, _, height = size.partition("x")
    return int(width), int(height)


def _range(bounds: Sequence[float] | None) -> tuple[float, float] | None:
    return (float(bounds[0]), float(bounds[1])) if bounds else None


def _file(entry: Mapping[str, Any], root: Path) -> FileFact:
    role, path = entry["role"], entry["path"]
    leaf = path.rpartition("/")[2]
    return FileFact(
        role=role,
        sha256=entry["sha256"].removeprefix("sha256:"),
        size=entry["size"],
        location=_location(root / path),
        # Parts that experts share lie in another expert's folder; inside the expert they have their usual
        # place.
        name=f"{role}/{leaf}" if role in _COMPONENTS else leaf,
    )


def _location(path: Path) -> str:
    package = _package()
    if path.is_relative_to(package):
        return PACKAGE + path.relative_to(package).as_posix()
    return str(path)
