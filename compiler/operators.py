"""What a fusion operator declares, and the decorator that turns one typed function into an operator.

An operator is one function in one file. Its signature is its schema (every keyword-only parameter is a setting
that a plan may give: `via: ties(density: 0.5)`), its docstring is its manual, its laws are the rewrites that
passes may apply. Passes ask laws; no pass knows an operator by name.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from mosaic.compiler.types import Kind
from mosaic.compiler.weights.changes import APPLIED


class Acts(StrEnum):
    """What an operator works on, and so what its kernel is handed: see `Operator`."""

    WEIGHTS = "weights"  # once per tensor, before denoising
    PREDICTIONS = "predictions"  # at every step
    SCHEDULE = "schedule"  # decides who is active at which step


class Law(StrEnum):
    """Facts in exact arithmetic that license a rewrite."""

    SYMMETRIC = "symmetric"  # the order of operands does not matter
    LINEAR = "linear"  # the result is base + Σ strength · delta: linear in strengths and in deltas
    IDENTITY_AT_ZERO = "identity-at-zero"  # an operand of strength zero may be dropped


class Effort(StrEnum):
    """What a kernel on weights does with each number that it is handed, the dearest of it: what its cost goes by.

    How long each takes for a number of an operand is measured on the device (`mosaic calibrate`).
    """

    ADDS = "adds"  # adds and multiplies
    MEASURES = "measures"  # norms and inner products besides
    RANKS = "ranks"  # finds which numbers are the largest
    DRAWS = "draws"  # draws a number at random
    SORTS = "sorts"  # puts rows in order, and draws


@dataclass(frozen=True)
class Bounds:
    """Between which numbers a setting lies, both included unless `low_open`; None where there is no end.

    Stands in a signature as `density: Annotated[float, Bounds(0, 1, low_open=True)]`.
    """

    low: float | None = None
    high: float | None = None
    low_open: bool = False

    def broken(self, value: float) -> Breach | None:
        """What a number breaks, or None.

        >>> Bounds(0, 1, low_open=True).broken(1.5)
        Breach(rule='is at most 1', nearest='1')
        >>> Bounds(0, 1, low_open=True).broken(0.5) is None
        True
        """
        if not math.isfinite(value):
            return Breach("is a finite number")
        if self.low is not None and (value < self.low or (self.low_open and value == self.low)):
            if self.low_open:
                return Breach(f"is more than {self.low:.17g}")
            return Breach(f"is at least {self.low:.17g}", f"{self.low:.17g}")
        if self.high is not None and value > self.high:
            return Breach(f"is at most {self.high:.17g}", f"{self.high:.17g}")
        return None


@dataclass(frozen=True)
class Breach:
    """A rule that a number breaks, and the nearest number that keeps it, as a plan writes it, where there is one."""

    rule: str
    nearest: str | None = None


@dataclass(frozen=True)
class Setting:
    """A named setting of an operator, read from its signature."""

    name: str
    kind: Kind
    default: Any
    bounds: Bounds = Bounds()


@dataclass(frozen=True)
class Operator:
    """An operator as the compiler sees it. `kernel` is called by the runtime.

    What a kernel is handed depends on what the operator acts on; `settings` are the values of a plan, by name.

    *weights*: `kernel(base, deltas, strengths, keys, **settings) -> Tensor`, once per tensor that any operand touches.
    `base` is the float32 base tensor, `deltas` the dense float32 deltas of the operands that touch it (same shape),
    `strengths` one float each, `keys` one text each that names tensor and operand by content: whatever is drawn at
    random is drawn from the key, so that it depends neither on the order of operands nor on that of tensors. It returns
    the new float32 tensor and must not write to its arguments.

    *predictions*: `kernel(weights, **settings) -> Tensor`, once a step. `weights` (n, h, w) float32 are the strengths
    of the operands times their regions (zero outside their windows); the result (n + 1, h, w) are shares that add up to
    one at every place, the base's first: the prediction is the sum of all predictions by their shares, and what has no
    share anywhere is not evaluated.

    *schedule*: `kernel(total, windows, shares, **settings) -> Sequence[int]`, once a run. `windows` are the steps
    (first, last exclusive) in which each operand may act, of `total` steps; `shares` how much of the run each should
    have (all equal unless the operator weighs them, see `weighs`). The result names for each step the operand that
    denoises, or -1 for the base alone. It imports nothing heavy: where models work in several latent spaces, the
    compiler calls it too, to know in which of them a run ends.
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
    # Encodings of the adapters that it can take, as `AdapterFacts.algorithm` names them.
    algorithms: tuple[str, ...] = APPLIED
    # Which of "region" and "window" an operand may have.
    honours: frozenset[str] = frozenset({"window"})
    # Predictions only: a strength scales an expert's delta besides weighing its prediction.
    scales: bool = True
    # Predictions only: one unconditional row for all operands, by the mean of their deltas.
    shares_unconditional: bool = False
    # The setting (a text) that holds a layer selector: only the tensors that it selects are changed.
    selector: str = ""
    # Weights only: what the kernel does with each number.
    effort: Effort = Effort.ADDS
    # The setting (a flag) that asks for `shares` by what each expert's trigger changes of the encoded prompt.
    weighs: str = ""


_KINDS = {int: Kind.INT, float: Kind.NUMBER, bool: Kind.FLAG, str: Kind.TEXT}


RANK = Setting("rank", Kind.INT, 0, Bounds(0))
"""Every operator on weights has it: cut each changed matrix to this rank; 0 keeps the change whole."""


def operator(
    *,
    acts: Acts,
    accepts: Iterable[Kind],
    laws: Iterable[Law] = (),
    evaluations: str = "1",
    version: int = 1,
    algorithms: Iterable[str] = APPLIED,
    honours: Iterable[str] = ("window",),
    scales: bool = True,
    shares_unconditional: bool = False,
    selector: str = "",
    weighs: str = "",
    effort: Effort | None = None,
) -> Callable[[Callable[..., Any]], Operator]:
    """Declare a function to be a fusion operator.

    `evaluations` says how many denoiser calls a step costs (`1`, `experts`, `models`). `version` must be raised
    whenever the result of the kernel changes: it is part of every program's digest. `algorithms` are the encodings of
    adapters that it takes: all whose deltas are known unless told, as kernels are handed dense deltas or none. Without
    an `effort` what is linear is taken to add, anything else to sort. The rest is described at `Operator`.

    Raises TypeError where a setting's annotation is none of int, float, bool, str, alone or with `Bounds`.
    """

    laws = frozenset(laws)

    def declare(kernel: Callable[..., Any]) -> Operator:
        # A trailing underscore lets an operator be named like a Python builtin (`sum_` -> `sum`).
        name = kernel.__name__.rstrip("_")
        return Operator(
            name=name,
            acts=acts,
            accepts=frozenset(accepts),
            laws=laws,
            evaluations=evaluations,
            version=version,
            # The runtime cuts to a rank itself, from the factors where it has them: no kernel is handed it.
            settings=(*_settings(kernel), *((RANK,) if acts is Acts.WEIGHTS else ())),
            doc=inspect.getdoc(kernel) or "",
            owner=kernel.__module__,
            kernel=kernel,
            algorithms=tuple(algorithms),
            honours=frozenset(honours),
            scales=scales,
            shares_unconditional=shares_unconditional,
            selector=selector,
            weighs=weighs,
            effort=effort or (Effort.ADDS if Law.LINEAR in laws else Effort.SORTS),
        )

    return declare


def _settings(kernel: Callable[..., Any]) -> tuple[Setting, ...]:
    keywords = [p for p in inspect.signature(kernel).parameters.values() if p.kind is p.KEYWORD_ONLY]
    return tuple(_setting(kernel, keyword) for keyword in keywords)


def _setting(kernel: Callable[..., Any], parameter: inspect.Parameter) -> Setting:
    # Kernels annotate tensors under TYPE_CHECKING; only the settings' own annotations are evaluated.
    probe = type("probe", (), {"__annotations__": {parameter.name: parameter.annotation}})
    found = get_type_hints(probe, vars(inspect.getmodule(kernel)), include_extras=True)[parameter.name]
    kind, bounds = found, Bounds()
    if get_origin(found) is Annotated:
        kind, *notes = get_args(found)
        bounds = next((note for note in notes if isinstance(note, Bounds)), bounds)
    if kind not in _KINDS:
        raise TypeError(
            f"setting `{parameter.name}` of operator `{kernel.__name__}` must be int, float, bool or str"
        )
    return Setting(parameter.name, _KINDS[kind], parameter.default, bounds)
