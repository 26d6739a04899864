"""Device profiles: those that come with the package, the one that `mosaic calibrate` wrote, what runs have taught.

A profile is a JSON file. The user's own lies beside the user's catalog; what executed runs say of it lies in a file
beside it, and is forgotten when the profile changes.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mosaic.catalogs import user_catalog
from mosaic.compiler import errors
from mosaic.compiler.cost.profile import BYTES, Profile, Rates
from mosaic.compiler.cost.refine import KEPT, refined
from mosaic.compiler.diagnostic import MosaicError
from mosaic.stdlib import find_profiles

if TYPE_CHECKING:
    from mosaic.runtime.devices import Device

VARIABLE: Final = "MOSAIC_PROFILE"
_VERSION: Final = 1
_DEVICES: Final = ("cpu", "cuda", "mps")


def user_profile() -> Path:
    """Where the user's own profile lies, whether there is one or not."""
    return user_catalog().with_name("profile.json")


def find_profile(given: str | None = None) -> Path | None:
    """The profile to use: a file or the name of one that comes with the package, else `MOSAIC_PROFILE`, else the
    user's own."""
    named = given or os.environ.get(VARIABLE)
    if named:
        return find_profiles().get(named) or Path(named).expanduser()
    own = user_profile()
    return own if own.exists() else None


def load_profile(path: Path) -> Profile:
    """A profile with what runs have taught. Raises MosaicError (M801, M807, M891)."""
    from mosaic.project import read_bytes

    data = read_bytes(path)
    profile = _profile(path, data)
    learned = _learned(path, data)
    return refined(profile, learned) if learned else profile


_LIKE: Final = {"cuda": "rtx-4090"}
"""Which shipped profile stands for a device that nobody measured; `cpu-8` for others."""


def room_of(device: Device, known: Profile | None) -> Profile:
    """The device that plans are going to run on, with the memory that it has. What else is told of it is what is
    `known` where that was measured on such a device in this precision, and an estimate where not.
    """
    from mosaic.runtime import devices

    if known is None or (known.device, known.dtype) != (device.name, device.dtype_name):
        estimate = load_profile(find_profiles()[_LIKE.get(device.name, "cpu-8")])
        name = "this machine" if device.name == "cpu" else f"this machine's {device.name} device"
        known = replace(estimate, name=name, device=device.name, dtype=device.dtype_name)
    return replace(known, memory=devices.memory(device))


def save_profile(path: Path, profile: Profile) -> None:
    """Write a profile, whole or not at all. Raises MosaicError (M855)."""
    from mosaic.runtime.writing import write

    content = {"version": _VERSION, **asdict(replace(profile, refined={}))}
    del content["refined"]
    write(path, json.dumps(content, indent=1).encode() + b"\n")


def learn(path: Path, observed: Mapping[str, Sequence[float]]) -> None:
    """Note by how much operations took longer than was computed, as ratios in the order of the runs.

    Raises MosaicError (M801, M807, M855).
    """
    from mosaic.project import read_bytes
    from mosaic.runtime.writing import write

    data = read_bytes(path)
    known = _learned(path, data)
    merged = {op: [*known.get(op, ()), *observed.get(op, ())][-KEPT:] for op in sorted({*known, *observed})}
    content = {"version": _VERSION, "profile": hashlib.sha256(data).hexdigest(), "ratios": merged}
    write(_beside(path), json.dumps(content).encode() + b"\n")


def _beside(path: Path) -> Path:
    return path.with_suffix(".runs.json")


def _learned(path: Path, data: bytes) -> dict[str, list[float]]:
    """What runs have said of a profile; nothing where the file beside it is of another one, or damaged."""
    try:
        content = json.loads(_beside(path).read_bytes())
        if content["version"] != _VERSION or content["profile"] != hashlib.sha256(data).hexdigest():
            return {}
        found = {str(op): [float(ratio) for ratio in ratios] for op, ratios in content["ratios"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {op: [r for r in ratios if math.isfinite(r) and r > 0] for op, ratios in found.items()}


def _profile(path: Path, data: bytes) -> Profile:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise MosaicError(errors.profiles.NotAProfile(None, str(path), "it is no JSON")) from None
    wrong = _wrong(content)
    if wrong:
        raise MosaicError(errors.profiles.NotAProfile(None, str(path), wrong))
    del content["version"]
    merge = {str(key): float(value) for key, value in content.pop("merge").items()}
    rates, single = (Rates(**content.pop(name)) for name in ("rates", "single"))
    return Profile(**content, rates=rates, single=single, merge=merge)


_TEXTS: Final = ("name", "device", "dtype")
_RATES: Final = ("rates", "single")


def _wrong(content: Any) -> str:
    """Why some JSON is no profile; empty where it is one."""
    if not isinstance(content, dict):
        return "it is no table"
    if content.get("version") != _VERSION:
        return f"its version is {content.get('version')!r}, and this one reads {_VERSION}"
    wanted = {"version", *(field.name for field in fields(Profile))} - {"refined"}
    odd = sorted(wanted ^ content.keys())
    if odd:
        return f"`{odd[0]}` is {'missing' if odd[0] in wanted else 'not known'}"
    if (
        content["device"] not in _DEVICES
        or content["dtype"] not in tuple(BYTES)
        or type(content["name"]) is not str
    ):
        return f"no device is {content['device']!r} and computes in {content['dtype']!r}"
    if type(content["is_estimate"]) is not bool:
        return "`is_estimate` is neither true nor false"
    tables = {name: content[name] for name in (*_RATES, "merge")}
    for name, table in tables.items():
        if not isinstance(table, dict):
            return f"`{name}` is no table"
        if name in _RATES and table.keys() != {field.name for field in fields(Rates)}:
            return f"`{name}` has not {', '.join(field.name for field in fields(Rates))}"
    numbers = {
        name: value for name, value in content.items() if name not in (*_TEXTS, *tables, "is_estimate")
    }
    numbers |= {f"{name}.{key}": value for name, table in tables.items() for key, value in table.items()}
    for name, value in numbers.items():
        if type(value) not in (int, float) or not math.isfinite(value) or value <= 0:
            return f"`{name}` is not a number above zero"
    return ""
