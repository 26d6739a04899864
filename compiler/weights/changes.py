"""What the parts of an adapter's module change, in which encoding, and whether they fit.

| encoding | what it adds to a weight | parts |
|---|---|---|
| `lora` | `scale · up · down` | `down`, `up`, with a Tucker core `mid` |
| `loha` | `scale · (w1_a · w1_b) ∘ (w2_a · w2_b)` | `hada_w1_a` …, with Tucker cores `hada_t1`, `hada_t2` |
| `lokr` | `scale · w1 ⊗ w2`, each whole or a product | `lokr_w1`, or `lokr_w1_a`, `_b`; `w2` alike; a core `lokr_t2` |
| `full` | the difference itself | `diff` or `w_norm`; of a bias `diff_b` or `b_norm` |

A magnitude (`dora_scale`) beside one of the first three makes it a DoRA. The scale is alpha over rank. Sources: Hu et
al. 2021 (arXiv:2106.09685), Hyeon-Woo et al. 2022 (arXiv:2108.06098), Yeh et al. 2024 (arXiv:2309.14859), Liu et al.
2024 (arXiv:2402.09353).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Final

from mosaic.compiler.weights.names import Shape

Parts = Mapping[str, Shape]
Names = Mapping[str, str]
"""The tensors of one module by their part."""

APPLIED: Final = ("lora", "dora", "loha", "lokr", "full")
"""The algorithms of adapters whose deltas are known; the others (OFT, IA3, GLoRA) are refused."""

_NEEDED: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = MappingProxyType(
    {
        "lora": (("down", "up"),),
        "loha": (("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"),),
        "lokr": tuple(
            (*first, *second)
            for first in (("lokr_w1",), ("lokr_w1_a", "lokr_w1_b"))
            for second in (("lokr_w2",), ("lokr_w2_a", "lokr_w2_b"))
        ),
        "full": (("diff",), ("w_norm",)),
    }
)
"""What a weight's delta is made of: of each encoding one of these."""
_CORES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"lora": ("mid",), "loha": ("hada_t1", "hada_t2"), "lokr": ("lokr_t2",)}
)
_OF_BIAS: Final = ("diff_b", "b_norm")


@dataclass(frozen=True)
class Change:
    """How an adapter changes one tensor of a base.

    `module` is the tensor's key as it stands among the base's (with `.weight` or `.bias`), `parts` the names of the
    adapter's tensors by part, alpha and magnitude among them. `rank` is None where nothing is factored. Alpha is the
    tensor `alpha` if there is one, else `stated_alpha` (from PEFT's metadata, rank stabilisation multiplied in);
    `stated_rank` is the rank that PEFT divides by where no factor shows it. `magnitude` is the shape in which a DoRA's
    magnitude stands beside the weight: (out, 1, …) or (1, in, …); empty without one.
    """

    module: str
    component: str
    encoding: str
    parts: Names
    rank: int | None = None
    stated_alpha: float | None = None
    stated_rank: int | None = None
    magnitude: Shape = ()

    def scale(self, stored_alpha: float | None) -> float:
        """What the product of the parts is multiplied by. `stored_alpha` is the value of the tensor `alpha`.

        Alpha over rank; one where no alpha is known. A LoKr without any factor has the rank that PEFT's metadata state,
        and else the scale one, whatever its alpha is (LyCORIS writes one there, too).
        """
        if self.encoding == "full":
            return 1.0
        if stored_alpha is not None:
            return stored_alpha / self.rank if self.rank else 1.0
        rank = self.rank or self.stated_rank
        return 1.0 if self.stated_alpha is None or not rank else self.stated_alpha / rank


def split(names: Names) -> tuple[tuple[str, Names] | None, tuple[str, Names] | None, tuple[str, ...]]:
    """The tensors of a module as the change of its weight and that of its bias, each the encoding and its parts, and
    the names that are part of neither."""
    weight = _of_weight(names)
    bias = next((("full", {part: names[part]}) for part in _OF_BIAS if part in names), None)
    used = {name for change in (weight, bias) if change is not None for name in change[1].values()}
    return weight, bias, tuple(name for name in names.values() if name not in used)


def _of_weight(names: Names) -> tuple[str, Names] | None:
    for encoding, choices in _NEEDED.items():
        needed = next((each for each in choices if all(part in names for part in each)), None)
        if needed is not None:
            more = (*_CORES[encoding], "alpha", "dora_scale") if encoding in _CORES else ()
            return encoding, {part: names[part] for part in (*needed, *more) if part in names}
    return None


def rank_of(parts: Parts) -> int | None:
    """The rank of a module's delta, or None where its encoding has none."""
    if (down := parts.get("down")) is not None:
        return down[0] if down else None
    # LoHa: (rank, in), with or without a Tucker core.
    if (shape := parts.get("hada_w1_b")) is not None:
        return shape[0] if shape else None
    factors = [shape[0] for name in ("lokr_w1_b", "lokr_w2_b") if (shape := parts.get(name))]
    if factors:
        return max(factors)
    if (shape := parts.get("a1")) is not None:
        return min(shape) if shape else None
    return None


def magnitude_shape(name: str, shape: Shape, target: Shape) -> Shape | None:
    """The shape in which a DoRA's magnitude stands beside the weight, (out, 1, …) or (1, in, …); None where it fits
    neither.

    PEFT has one number for each output, (out,) of a linear layer and (1, out, 1, 1) of a convolution. LyCORIS and kohya
    say by the shape which it is: (out, 1, …) for each output, (1, in, …) for each input.
    """
    ones = (1,) * (len(target) - 1)
    is_peft = "lora_magnitude_vector" in name
    if prod(shape) == target[0] and (is_peft or shape[:1] == target[:1]):
        return (target[0], *ones)
    if not is_peft and shape[:2] == (1, target[1]) and prod(shape) == target[1]:
        return (1, target[1], *ones[1:])
    return None


def misfit(encoding: str, names: Names, shapes: Mapping[str, Shape], target: Shape) -> str:
    """Why the parts make no delta of the target's shape, as "name: 64 here, 768 there"; empty where they do."""
    parts = {part: shapes[name] for part, name in names.items()}
    told = _CHECKS[encoding](parts, target)
    if not told and prod(parts.get("alpha", ())) != 1:
        told = "alpha", parts["alpha"], "one number"
    if not told and "dora_scale" in parts:
        name = names["dora_scale"]
        if magnitude_shape(name, parts["dora_scale"], target) is None:
            told = "dora_scale", parts["dora_scale"], f"{target[0]} or 1×{target[1]}"
    if not told:
        return ""
    part, here, there = told
    return f"{names[part]}: {here if isinstance(here, int) else _shown(here)} here, {there} there"


_Misfit = tuple[str, Shape | int, str] | None
"""The part, what it has, and what it should have."""


def _lora(parts: Parts, target: Shape) -> _Misfit:
    down, up, mid = parts["down"], parts["up"], parts.get("mid")
    if not down or not up or len(target) < 2:
        return "down", down, _shown(target)
    if len(up) < 2 or up[1] != down[0] or prod(up[2:]) != 1:
        return "up", up, f"{up[0]}×{down[0]}"
    if up[0] != target[0]:
        return "up", up[0], f"{target[0]}"
    if mid is not None:
        if mid[:2] != (down[0], down[0]) or mid[2:] != target[2:]:
            return "mid", mid, _shown((down[0], down[0], *target[2:]))
        target = target[:2]
    if down[1:2] != target[1:2]:
        return "down", down[1:2], f"{target[1]}"
    if prod(down[1:]) != prod(target[1:]):
        return "down", down[1:], _shown(target[1:])
    return None


def _loha(parts: Parts, target: Shape) -> _Misfit:
    if len(target) < 2:
        return "hada_w1_a", parts["hada_w1_a"], _shown(target)
    for which in "12":
        found = _product(parts, f"hada_w{which}", f"hada_t{which}", target)
        if found:
            return found
    if ("hada_t1" in parts) != ("hada_t2" in parts):
        core = "hada_t1" if "hada_t1" in parts else "hada_t2"
        return core, parts[core], "a core for both products, or none"
    return None


def _lokr(parts: Parts, target: Shape) -> _Misfit:
    first = "lokr_w1" if "lokr_w1" in parts else "lokr_w1_a"
    second = "lokr_w2" if "lokr_w2" in parts else "lokr_w2_a"
    outer = parts[first] if first == "lokr_w1" else (parts[first][:1] + parts["lokr_w1_b"][1:2])
    if len(target) < 2 or len(outer) != 2 or not all(outer):
        return first, parts[first], _shown(target)
    if target[0] % outer[0] or target[1] % outer[1]:
        return first, outer, f"divisors of {_shown(target[:2])}"
    inner = (target[0] // outer[0], target[1] // outer[1], *target[2:])
    if first != "lokr_w1":
        found = _product(parts, "lokr_w1", "", outer)
        if found:
            return found
    if second == "lokr_w2_a":
        return _product(parts, "lokr_w2", "lokr_t2", inner)
    if "lokr_t2" in parts:
        return "lokr_t2", parts["lokr_t2"], "no core beside a whole factor"
    return None if _is_same(parts[second], inner) else (second, parts[second], _shown(inner))


def _full(parts: Parts, target: Shape) -> _Misfit:
    ((part, shape),) = parts.items()
    return None if _is_same(shape, target) else (part, shape, _shown(target))


_CHECKS: Final = MappingProxyType({"lora": _lora, "loha": _loha, "lokr": _lokr, "full": _full})


def _product(parts: Parts, stem: str, core: str, target: Shape) -> _Misfit:
    """What is wrong with `a · b`, (out, rank) and (rank, in · kernel), or with a Tucker core between (rank, out) and
    (rank, in)."""
    first, second = parts[f"{stem}_a"], parts[f"{stem}_b"]
    rank = second[0] if second else 0
    wanted = (target[0], rank), (rank, prod(target[1:]))
    if core in parts:
        wanted = (rank, target[0]), (rank, target[1])
        if parts[core] != (rank, rank, *target[2:]):
            return core, parts[core], _shown((rank, rank, *target[2:]))
    for end, here, there in (("a", first, wanted[0]), ("b", second, wanted[1])):
        if here != there:
            return f"{stem}_{end}", here, _shown(there)
    return None


def _is_same(shape: Shape, target: Shape) -> bool:
    """Whether a tensor has as many numbers in the same order: a kernel of one pixel may be left out, and a kernel may
    lie in the columns."""
    fits = shape[:1] == target[:1] and prod(shape) == prod(target)
    return fits and (len(shape) <= 2 or shape == target)


def _shown(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "a scalar"
