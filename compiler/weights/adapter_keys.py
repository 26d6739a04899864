"""Where the tensors of an adapter belong: names and shapes to modules of a base.

LoRA (Hu et al. 2021, arXiv:2106.09685) adds `alpha / rank * up @ down` to a weight. Its files are written
in at least five spellings: diffusers (`unet.….to_q.lora.down.weight`, older
`….processor.to_q_lora.down.weight`), PEFT (`base_model.model.….to_q.lora_A.weight`), kohya
(`lora_unet_down_blocks_0_….lora_down.weight`, `lora_te_…`, with diffusers' or the original ldm module
names). Every spelling is brought to one key per module, so that matching is a dictionary look-up and a name
that finds no place is reported, never dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod, sqrt
from types import MappingProxyType
from typing import Final

from mosaic.compiler.weights import ldm, transformers
from mosaic.compiler.weights.adapter_names import PRECEDENCE, role
from mosaic.compiler.weights.names import Shape

COMPONENTS: Final = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3")
"""The parts of a base that an adapter may change; the first word of every target name."""

_NO_METADATA: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class Pair:
    """The two factors of one module's delta: `delta = (alpha / rank) * up @ down`, reshaped to the target.

    `module` is the target's key as it stands in `modules` (with `.weight`); `down`, `up`, `mid` and `alpha`
    are names in the adapter. Shapes: down (rank, in) or (rank, in, kh, kw), up (out, rank) or (out, rank,
    1, 1); with a Tucker core (`mid`, (rank, rank, kh, kw)) down is (rank, in, 1, 1). The effective alpha is
    the tensor `alpha` if it is named, else `stated_alpha` (from PEFT's metadata, rank stabilisation already
    multiplied in) if it is not None, else the rank (a scale of one).
    """

    module: str
    component: str
    down: str
    up: str
    alpha: str | None
    mid: str | None
    rank: int
    stated_alpha: float | None = None


@dataclass(frozen=True)
class AdapterMatch:
    """How an adapter meets a base. `unmatched` names have no counterpart; `misshaped` are "name: 64 here,
    768 there".
    """

    pairs: tuple[Pair, ...]
    unmatched: tuple[str, ...]
    misshaped: tuple[str, ...]


def algorithm(names: Mapping[str, Shape] | tuple[str, ...] | list[str]) -> str:
    """How an adapter encodes its deltas, told by the suffixes of its tensor names.

    One of `lora`, `dora`, `loha`, `lokr`, `oft`, `ia3`, `glora`, `full`, or `unknown`. A file that mixes
    LoRA with another encoding is named after the other one, because treating it as plain LoRA would give a
    wrong picture.
    """
    found = {told.algorithm for told in map(role, names) if told is not None}
    return next((name for name in PRECEDENCE if name in found), "unknown")


_FACTORS: Final[Mapping[str, str]] = MappingProxyType(
    {"lora_down": "down", "lora_up": "up", "lora_mid": "mid", "lora_A": "down", "lora_B": "up"}
)
_DIFFUSERS: Final = (".lora_linear_layer", ".lora", "_lora")


def _parsed(name: str) -> tuple[str, str] | None:
    """A tensor's module as it is spelt, and its role: down, up, mid or alpha. None for any other name."""
    stem, _, leaf = name.rpartition(".")
    if leaf == "alpha":
        return stem.removesuffix(".lora").removesuffix("_lora"), "alpha"
    module, _, factor = stem.rpartition(".")
    if leaf != "weight" or not module:
        return None
    if factor in _FACTORS:
        return module, _FACTORS[factor]
    if factor in ("down", "up", "mid"):
        ending = next((ending for ending in _DIFFUSERS if module.endswith(ending)), None)
        return (module.removesuffix(ending), factor) if ending else None
    # PEFT puts the adapter's own name between: `lora_A.default.weight`.
    module, _, factor = module.rpartition(".")
    return (module, _FACTORS[factor]) if module and factor in ("lora_A", "lora_B") else None


# Attention processors of early diffusers and of its text encoder named projections differently from their
# modules.
_OLD_PROJECTION: Final = r"\.processor\.(to_q|to_k|to_v|to_out)$"
_TEXT_PROJECTION: Final = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}
_KOHYA_COMPONENT: Final = (
    ("lora_unet_", "unet"),
    ("lora_transformer_", "transformer"),
    ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"),
    ("lora_te3_", "text_encoder_3"),
    ("lora_te_", "text_encoder"),
)


def match(
    names: Mapping[str, Shape], modules: Mapping[str, Shape], metadata: Mapping[str, str] = _NO_METADATA
) -> AdapterMatch:
    """Find the module of `modules` that each tensor of an adapter changes.

    `names` maps the adapter's tensor names to shapes; `modules` maps the base's weight names, in diffusers'
    spelling and prefixed by component ("unet.….to_q.weight", "text_encoder.….q_proj.weight"), to shapes;
    `metadata` is the adapter's safetensors metadata. Results follow the order of the names, sorted.
    """
    groups, unmatched = grouped(names)
    if transformers.is_transformer(modules):
        # Trainers call the denoiser `unet` whatever it is.
        modules = {f"{name}.weight": shape for name, shape in transformers.targets(modules).items()}
        groups = {re.sub("^unet_", "transformer_", key): parts for key, parts in groups.items()}
        if not any(name.startswith("text_encoder_3.") for name in modules):
            # The T5 of Flux is its second encoder, and the third of those that trainers number.
            groups = {re.sub("^text_encoder_3_", "text_encoder_2_", key): v for key, v in groups.items()}
    targets = _targets(modules)
    stated = Stated.read(metadata)
    pairs: list[Pair] = []
    misshaped: list[str] = []
    if any(key not in targets for key in groups):
        targets = {**_original_targets(modules), **targets}
    for key, parts in groups.items():
        target = targets.get(key)
        if target is None or "down" not in parts or "up" not in parts:
            unmatched.extend(parts.values())
            continue
        problem = _shape_problem(parts, names, modules[target])
        if problem:
            misshaped.append(problem)
            continue
        rank = names[parts["down"]][0]
        pairs.append(
            Pair(
                module=target,
                component=target.partition(".")[0],
                down=parts["down"],
                up=parts["up"],
                alpha=parts.get("alpha"),
                mid=parts.get("mid"),
                rank=rank,
                stated_alpha=stated.alpha(target, rank),
            )
        )
    return AdapterMatch(tuple(pairs), tuple(sorted(unmatched)), tuple(misshaped))


def grouped(names: Iterable[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The factors of each module by role (down, up, mid, alpha), and the names that are none.

    Modules have one key in every spelling, dots written as underscores ("unet_mid_block_attentions_0_proj_in"), so
    that two adapters can be compared without their base. Only modules in the original layout keep its names.
    """
    groups: dict[str, dict[str, str]] = {}
    unmatched: list[str] = []
    for name in sorted(names):
        found = _parsed(name)
        if found is None:
            unmatched.append(name)
            continue
        module, role = found
        parts = groups.setdefault(_module_key(module), {})
        if parts.setdefault(role, name) != name:
            unmatched.append(name)  # two spellings of the same factor: the second has no place
    return groups, unmatched


def stated_alpha(metadata: Mapping[str, str], name: str, rank: int) -> float | None:
    """The alpha that an adapter's metadata states for the module of a factor, rank stabilisation multiplied in.

    `name` is the factor's name as it stands in the file.
    """
    found = _parsed(name)
    module = (found[0] if found else name).removeprefix("base_model.model.")
    if module.partition(".")[0] not in COMPONENTS:
        module = f"{'text_encoder' if _is_text(module) else 'unet'}.{module}"
    return Stated.read(metadata).alpha(module, rank)


def canonical(name: str) -> str:
    """A weight or module name without what varies between library versions.

    transformers 5 dropped `text_model.` from the names of CLIP text encoders; files of both ages are met.
    """
    component, dot, rest = name.partition(".")
    if component.startswith("text_encoder") and rest.startswith("text_model."):
        rest = rest.removeprefix("text_model.")
    return component + dot + rest


def _targets(modules: Mapping[str, Shape]) -> dict[str, str]:
    """Every target's module, flattened, to the target's key."""
    return {
        _flat(canonical(name).removesuffix(".weight")): name for name in modules if name.endswith(".weight")
    }


def _original_targets(modules: Mapping[str, Shape]) -> dict[str, str]:
    """The same for the names that modules have in the original layout; few adapters use them."""
    layout = ldm.layout_of_diffusers(modules)
    named = ((ldm.to_ldm(name.removesuffix(".weight"), layout), name) for name in modules)
    return {_flat(original): name for original, name in named if original and name.endswith(".weight")}


def _flat(module: str) -> str:
    # kohya writes dots as underscores, which cannot be undone; so everything is compared in that form.
    return module.replace(".", "_")


def _module_key(spelt: str) -> str:
    """The flattened canonical module that a prefix of an adapter's tensor name means."""
    for prefix, component in _KOHYA_COMPONENT:
        if spelt.startswith(prefix):
            rest = spelt.removeprefix(prefix)
            if component.startswith("text_encoder"):
                rest = rest.removeprefix("text_model_")
            return f"{component}_{rest}"
    name = spelt.removeprefix("base_model.model.")
    for prefix in ("model.diffusion_model.", "diffusion_model."):
        if name.startswith(prefix):
            name = f"unet.{name.removeprefix(prefix)}"
    component, _, rest = name.partition(".")
    if component not in COMPONENTS:
        component, rest = ("text_encoder", name) if _is_text(name) else ("unet", name)
    name = canonical(f"{component}.{rest}")
    if component in ("unet", "transformer"):
        return _flat(_unet_projection(name))
    return _flat(_text_projection(name))


def _is_text(name: str) -> bool:
    return name.startswith(("text_model.", "encoder.layers."))


def _unet_projection(name: str) -> str:
    name = re.sub(_OLD_PROJECTION, lambda found: f".{found[1]}", name)
    # `to_out` of the oldest files is the projection itself, now the first of a list with a dropout.
    return f"{name}.0" if name.endswith(".to_out") else name


def _text_projection(name: str) -> str:
    head, _, last = name.rpartition(".")
    return f"{head}.{_TEXT_PROJECTION[last]}" if last in _TEXT_PROJECTION else name


def _shape_problem(parts: Mapping[str, str], names: Mapping[str, Shape], target: Shape) -> str:
    down, up = names[parts["down"]], names[parts["up"]]
    if not down or not up or len(target) < 2:
        return f"{parts['down']}: {_shown(down)} here, {_shown(target)} there"
    if len(up) < 2 or up[1] != down[0] or prod(up[2:]) != 1:
        return f"{parts['up']}: {_shown(up)} here, {up[0]}×{down[0]} there"
    if up[0] != target[0]:
        return f"{parts['up']}: {up[0]} here, {target[0]} there"
    mid = names[parts["mid"]] if "mid" in parts else None
    if mid is not None:
        if mid[:2] != (down[0], down[0]) or mid[2:] != target[2:]:
            return f"{parts['mid']}: {_shown(mid)} here, {_shown((down[0], down[0], *target[2:]))} there"
        target = target[:2]
    if down[1:2] != target[1:2]:
        return f"{parts['down']}: {_shown(down[1:2])} here, {target[1]} there"
    if prod(down[1:]) != prod(target[1:]):
        return f"{parts['down']}: {_shown(down[1:])} here, {_shown(target[1:])} there"
    return ""


def _shown(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "a scalar"


@dataclass(frozen=True)
class Stated:
    """What `lora_adapter_metadata` (diffusers' copy of PEFT's configuration) says of alpha."""

    config: Mapping[str, object]

    @classmethod
    def read(cls, metadata: Mapping[str, str]) -> Stated:
        text = metadata.get("lora_adapter_metadata")
        if text is None:
            return cls({})
        try:
            config = json.loads(text)
        except (ValueError, RecursionError):
            return cls({})
        return cls(config if isinstance(config, dict) else {})

    def alpha(self, target: str, rank: int) -> float | None:
        component, _, module = target.removesuffix(".weight").partition(".")
        value = self._of(component, "lora_alpha")
        if value is None:
            value = self._of(component, "alpha")  # PEFT's LoHa and LoKr
        pattern = self._of(component, "alpha_pattern")
        if isinstance(pattern, dict):
            # PEFT matches the end of the module's name.
            hits = [key for key in pattern if module == key or module.endswith(f".{key}")]
            value = pattern[max(hits, key=len)] if hits else value
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        # Rank-stabilised LoRA (Kalajdzievski 2023, arXiv:2312.03732) scales by alpha / sqrt(rank).
        return float(value) * (sqrt(rank) if self._of(component, "use_rslora") is True else 1.0)

    def _of(self, component: str, key: str) -> object:
        return self.config.get(f"{component}.{key}", self.config.get(key))
