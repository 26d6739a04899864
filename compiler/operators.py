"""What a fusion operator declares, and the decorator that turns one typed function into an operator.

An operator is one function in one file. Its signature is its schema (every keyword-only parameter is a setting
that a plan may give: `via: ties(density: 0.5)`), its docstring is its manual, its laws are the rewrites that
passes may apply. Passes ask laws; no pass knows an operator by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, get_type_hints

from mosaic.compiler.types import Kind


class Acts(StrEnum):
    """What an operator works on."""

    WEIGHTS = "weights"  # once per tensor, before denoising
    PREDICTIONS = "predictions"  # at every step
    SCHEDULE = "schedule"  # decides who is active at which step


class Law(StrEnum):
    """Facts in exact arithmetic that license a rewrite."""

    SYMMETRIC = "symmetric"  # the order of operands does not matter
    LINEAR = "linear"  # the result is linear in each strength
    IDENTITY_AT_ZERO = "identity-at-zero"  # an operand of strength zero may be dropped


@dataclass(frozen=True)
class Setting:
    """A named setting of an operator, read from its signature."""

    name: str
    kind: Kind
    default: Any


@dataclass(frozen=True)
class Operator:
    """An operator as the compiler sees it. `kernel` is only ever called by the runtime.

    A kernel that acts on weights has the signature

        kernel(base, deltas, strengths, **settings) -> Tensor

    and is called once per tensor that any operand touches: `base` is the float32 base tensor, `deltas` the dense
    float32 deltas of the operands that touch it (same shape), `strengths` one float each. It returns the new
    float32 tensor and must not write to its arguments.
    """

    name: str
    acts: Acts
    accepts: frozenset[Kind]
    laws: frozenset[Law]
    evaluations: str
    version: int
    settings: tuple[Setting, ...]
    doc: str
    owner: str
    kernel: Callable[..., Any] = field(compare=False, repr=False)
    algorithms: tuple[str, ...] = (
        "lora",
    )  # of the adapters that it can take, as `AdapterFacts.algorithm` names them


_KINDS = {int: Kind.INT, float: Kind.NUMBER, bool: Kind.FLAG, str: Kind.TEXT}


def operator(
    *,
    acts: Acts,
    accepts: Iterable[Kind],
    laws: Iterable[Law] = (),
    evaluations: str = "1",
    version: int = 1,
    algorithms: Iterable[str] = ("lora",),
) -> Callable[[Callable[..., Any]], Operator]:
    """Declare a function to be a fusion operator.

    `evaluations` says how many denoiser calls a step costs (`1`, `experts`, `models`). `version` must be raised
    whenever the result of the kernel changes: it is part of every program's digest. `algorithms` are the encodings of
    adapters (`lora`, `dora`, `loha`, `lokr`…) whose deltas the runtime can hand to the kernel.

    Raises TypeError where a setting's annotation is none of int, float, bool, str.
    """

    def declare(kernel: Callable[..., Any]) -> Operator:
        # A trailing underscore lets an operator be named like a Python builtin (`sum_` -> `sum`).
        name = kernel.__name__.rstrip("_")
        return Operator(
            name=name,
            acts=acts,
            accepts=frozenset(accepts),
            laws=frozenset(laws),
            evaluations=evaluations,
            version=version,
            settings=_settings(kernel),
            doc=inspect.getdoc(kernel) or "",
            owner=kernel.__module__,
            kernel=kernel,
            algorithms=tuple(algorithms),
        )

    return declare


def _settings(kernel: Callable[..., Any]) -> tuple[Setting, ...]:
    keywords = [p for p in inspect.signature(kernel).parameters.values() if p.kind is p.KEYWORD_ONLY]
    if not keywords:
        return ()
    # Kernels annotate tensors under TYPE_CHECKING; only the settings' own annotations are evaluated.
    hints = {p.name: _annotation(kernel, p) for p in keywords}
    return tuple(Setting(p.name, _KINDS[hints[p.name]], p.default) for p in keywords)


def _annotation(kernel: Callable[..., Any], parameter: inspect.Parameter) -> type:
    probe = type("probe", (), {"__annotations__": {parameter.name: parameter.annotation}})
    found = get_type_hints(probe, vars(inspect.getmodule(kernel)))[parameter.name]
    if found not in _KINDS:
        raise TypeError(
            f"setting `{parameter.name}` of operator `{kernel.__name__}` must be int, float, bool or str"
        )
    return found  # type: ignore[no-any-return]
