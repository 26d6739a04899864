"""Bridges between latent spaces: told by a file's metadata, held against its tensors.

The format. A safetensors file of float32 tensors: `weight` (out, in, k, k) and `bias` (out), a convolution that keeps
height and width (k is odd). `mosaic.bridge.kind` is `linear` where that is all. Where it is `conv`, a small residual
network is added to it: `net.enter.weight` (width, in, 3, 3), `net.N.first.weight` and `net.N.second.weight`
(width, width, 3, 3) for its blocks from 0, `net.leave.weight` (out, width, 3, 3), and a bias (`….bias`) with each.
`mosaic.bridge.source` and `.target` name latent spaces; `.r2`, `.round_trip_r2` and `.psnr` say how well it was found
to map; the other keys say how it was fitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from mosaic.compiler.facts import BridgeFacts
from mosaic.compiler.weights.names import Shapes

PREFIX: Final = "mosaic.bridge."
FORMS: Final = ("linear", "conv")
_LONGEST: Final = 200


def is_bridge(metadata: Mapping[str, str]) -> bool:
    """Whether a file says that it is a bridge."""
    return f"{PREFIX}kind" in metadata


def bridge_facts(metadata: Mapping[str, str]) -> BridgeFacts | str:
    """What the metadata of a bridge says, or the reason why it says too little."""
    form, source, target = (
        metadata.get(f"{PREFIX}{key}", "").strip() for key in ("kind", "source", "target")
    )
    if form not in FORMS:
        return f"its kind is none of {', '.join(FORMS)}"
    if not source or not target or max(len(source), len(target)) > _LONGEST:
        return "it does not say from which latent space it leads into which"
    if source == target:
        return f"it leads from {source} to itself"
    told = [_number(metadata.get(f"{PREFIX}{key}", "")) for key in ("r2", "round_trip_r2", "psnr")]
    return BridgeFacts(source, target, form, *told)


def fault(shapes: Shapes, form: str) -> str:
    """Why tensors are not those of a bridge of a form; empty where they are."""
    weight, bias = shapes.get("weight", ()), shapes.get("bias", ())
    if len(weight) != 4 or len(bias) != 1:
        return "it lacks `weight` (out, in, k, k) and `bias` (out)"
    outs, ins, height, width = weight
    if height != width or height % 2 == 0:
        return f"its kernel is {height}x{width}, and has to be square with an odd side"
    if bias != (outs,):
        return "`weight` and `bias` are of different sizes"
    wanted = {"weight": weight, "bias": bias}
    if form == "conv":
        wanted |= _network(shapes, ins, outs)
    wrong = [name for name in sorted({*wanted, *shapes}) if wanted.get(name) != shapes.get(name)]
    return f"`{wrong[0]}` is missing, unknown or of another shape" if wrong else ""


def _network(shapes: Shapes, ins: int, outs: int) -> dict[str, tuple[int, ...]]:
    width = (shapes.get("net.enter.weight") or (0,))[0]
    wanted: dict[str, tuple[int, ...]] = {
        "net.enter.weight": (width, ins, 3, 3),
        "net.enter.bias": (width,),
        "net.leave.weight": (outs, width, 3, 3),
        "net.leave.bias": (outs,),
    }
    for block in range(sum(name.endswith(".first.weight") for name in shapes)):
        for layer in ("first", "second"):
            wanted[f"net.{block}.{layer}.weight"] = (width, width, 3, 3)
            wanted[f"net.{block}.{layer}.bias"] = (width,)
    return wanted


def _number(text: str) -> float | None:
    try:
        value = float(text[:40])
    except ValueError:
        return None
    return value if math.isfinite(value) else None
