"""Where the tensors of an adapter belong: names and shapes to modules of a base.

What an adapter adds to a weight stands in `changes.py`. Its files are written
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
from math import sqrt
from types import MappingProxyType
from typing import Final

from mosaic.compiler.weights import ldm, transformers
from mosaic.compiler.weights.adapter_names import PRECEDENCE, role
from mosaic.compiler.weights.changes import Change, magnitude_shape, misfit, rank_of, split
from mosaic.compiler.weights.names import Shape

COMPONENTS: Final = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3")
"""The parts of a base that an adapter may change; the first word of every target name."""

_NO_METADATA: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class AdapterMatch:
    """How an adapter meets a base. `unmatched` names have no counterpart; `misshaped` are "name: 64 here,
    768 there".
    """

    changes: tuple[Change, ...]
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


_UNKNOWN: Final = ("bias", "scalar")
"""Parts of which nothing says what they change."""


def _parsed(name: str) -> tuple[str, str] | None:
    """A tensor's module as it is spelt, and its part there. None for a name that no delta is made of."""
    found = role(name)
    if found is None or found.part in _UNKNOWN or ".lora_embedding_" in name:
        return None
    return found.module, found.part


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
    ("lycoris_", "unet"),
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
        modules = _both_layouts(modules)
        groups = {re.sub("^unet_", "transformer_", key): parts for key, parts in groups.items()}
        if not any(name.startswith("text_encoder_3.") for name in modules):
            # The T5 of Flux is its second encoder, and the third of those that trainers number.
            groups = {re.sub("^text_encoder_3_", "text_encoder_2_", key): v for key, v in groups.items()}
    targets = _targets(modules)
    stated = Stated.read(metadata)
    changes: list[Change] = []
    misshaped: list[str] = []
    if any(key not in targets for key in groups):
        targets = {**_original_targets(modules), **targets}
    for key, parts in groups.items():
        weight, bias, rest = split(parts)
        unmatched.extend(rest)
        for given, end in ((weight, ".weight"), (bias, ".bias")):
            if given is None:
                continue
            target = f"{targets.get(key, '').removesuffix('.weight')}{end}"
            if target not in modules:
                unmatched.extend(given[1].values())
                continue
            problem = misfit(*given, names, modules[target]) or _lacking(*given, target, stated)
            if problem:
                misshaped.append(problem)
            else:
                changes.append(_change(target, *given, names, modules[target], stated))
    return AdapterMatch(tuple(changes), tuple(sorted(unmatched)), tuple(misshaped))


def _change(
    target: str,
    encoding: str,
    parts: Mapping[str, str],
    names: Mapping[str, Shape],
    shape: Shape,
    stated: Stated,
) -> Change:
    rank = rank_of({part: names[name] for part, name in parts.items()})
    of_config = stated.rank(target)
    magnitude = parts.get("dora_scale")
    return Change(
        module=target,
        component=target.partition(".")[0],
        encoding=encoding,
        parts=parts,
        rank=rank,
        stated_alpha=stated.alpha(target, rank or of_config or 1),
        stated_rank=of_config,
        magnitude=(magnitude_shape(magnitude, names[magnitude], shape) or ()) if magnitude else (),
    )


def _lacking(encoding: str, parts: Mapping[str, str], target: str, stated: Stated) -> str:
    if encoding != "lora" or "dora_scale" in parts or not stated.says_dora(target):
        return ""
    return f"{parts['down']}: no magnitude here, one in the configuration (DoRA)"


def _both_layouts(modules: Mapping[str, Shape]) -> dict[str, Shape]:
    """The weights and biases of a transformer base, under the names of both layouts."""
    found: dict[str, Shape] = {}
    for end in (".weight", ".bias"):
        held = {
            f"{name.removesuffix(end)}.weight": shape for name, shape in modules.items() if name.endswith(end)
        }
        found |= {f"{name}{end}": shape for name, shape in transformers.targets(held).items()}
    return found


def grouped(names: Iterable[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The tensors of each module by their part (down, up, alpha, hada_w1_a…), and the names that are none.

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
        module, part = found
        parts = groups.setdefault(_module_key(module), {})
        if parts.setdefault(part, name) != name:
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


@dataclass(frozen=True)
class Stated:
    """What `lora_adapter_metadata` (diffusers' copy of PEFT's configuration) says of alpha and rank."""

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
        component, module = _halves(target)
        value = self._of(component, "lora_alpha")
        if value is None:
            value = self._of(component, "alpha")  # PEFT's LoHa and LoKr
        value = self._patterned(component, module, "alpha_pattern", value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        # Rank-stabilised LoRA (Kalajdzievski 2023, arXiv:2312.03732) scales by alpha / sqrt(rank).
        return float(value) * (sqrt(rank) if self._of(component, "use_rslora") is True else 1.0)

    def rank(self, target: str) -> int | None:
        component, module = _halves(target)
        value = self._patterned(component, module, "rank_pattern", self._of(component, "r"))
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None

    def says_dora(self, target: str) -> bool:
        """Whether the target has a magnitude beside its factors."""
        return self._of(_halves(target)[0], "use_dora") is True

    def _patterned(self, component: str, module: str, pattern: str, value: object) -> object:
        given = self._of(component, pattern)
        if not isinstance(given, dict):
            return value
        # PEFT matches the end of the module's name.
        hits = [key for key in given if module == key or module.endswith(f".{key}")]
        return given[max(hits, key=len)] if hits else value

    def _of(self, component: str, key: str) -> object:
        return self.config.get(f"{component}.{key}", self.config.get(key))


def _halves(target: str) -> tuple[str, str]:
    component, _, module = target.removesuffix(".weight").partition(".")
    return component, module
