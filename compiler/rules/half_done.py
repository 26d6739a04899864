"""M312, M457: latents are finished where they must be, unfinished where they should be, and every run takes a step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import constant
from mosaic.compiler.ir.graph import Attribute, Graph, Node
from mosaic.compiler.ir.origins import base_expert
from mosaic.compiler.passes.expand_verbs import STEPS, STRENGTH
from mosaic.compiler.rules.place import place
from mosaic.compiler.steps import steps_taken, steps_until
from mosaic.compiler.types import Kind


@dataclass(frozen=True)
class _Run:
    """Where a latent stands: after so many of so many steps."""

    position: int
    total: int

    @property
    def done(self) -> bool:
        return self.position >= self.total

    @property
    def spelled(self) -> str:
        return f"the latent stands at step {self.position} of {self.total}"


_Runs = Mapping[int, _Run | None]
_UNTIL = {"sample": 8, "resume": 6}


def half_done(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Follow how far each latent has come, step by step."""
    runs: dict[int, _Run | None] = {}
    for node in graph.nodes():
        match node.op:
            case "sample":
                runs[id(node)] = _sampled(node)
                yield from _no_step(node, _UNTIL["sample"], _sampled(node))
            case "resume":
                yield from _resume(node, runs)
                runs[id(node)] = _resumed(node, runs)
            case "refine":
                yield from _refine(node, runs)
            case "align":
                runs[id(node)] = runs.get(id(node.inputs[0]))


def _resume(node: Node, runs: _Runs) -> Iterator[Diagnostic]:
    latent = _made(node.inputs[1])
    spot = place(node, 1)
    if latent.op == "encode":
        reason, advice = "there is no denoising run to resume", "use `refine` for a picture"
        yield errors.types.NothingToResume(spot.span, reason, "encoded from a picture", advice, spot.trail)
        return
    run = runs.get(id(latent))
    if latent.op == "refine" or (run is not None and run.done):
        reason, advice = "this latent is finished: nothing is left to resume", "cut it: `until: 50%`"
        if run is not None and _cut(latent):
            advice = f"with {run.total} steps it is at its end; give it more `steps`, or cut it earlier"
        yield errors.types.NothingToResume(spot.span, reason, "denoised to the end", advice, spot.trail)
        return
    after = _resumed(node, runs)
    if run is not None and after is not None and after.position <= run.position:
        spot = place(node, _UNTIL["resume"])
        state = "nothing to do until here"
        yield errors.types.NothingToResume(spot.span, run.spelled, state, "", spot.trail)


def _made(latent: Node) -> Node:
    """How a latent came to be, wherever it was carried to since."""
    while latent.op == "align":
        latent = latent.inputs[0]
    return latent


def _refine(node: Node, runs: _Runs) -> Iterator[Diagnostic]:
    run = runs.get(id(node.inputs[1])) if node.inputs[1].type.kind is Kind.LATENT else None
    if run is not None and not run.done:
        spot = place(node, 1)
        yield errors.types.NothingToResume(
            spot.span,
            "`refine` starts from a finished latent",
            f"this one stands part-way, at step {run.position} of {run.total}",
            "finish it with `resume` first",
            spot.trail,
        )
    strength, steps = _fraction(node.inputs[2], STRENGTH), _steps(node.inputs[5], node)
    if strength is not None and steps is not None and not steps_taken(strength, steps):
        position = 2 if node.inputs[2].op != "default" else 5
        yield _nothing(node, position, f"{strength:g} of {steps} steps")


def _no_step(node: Node, position: int, run: _Run | None) -> Iterator[Diagnostic]:
    if run is not None and not run.position:
        yield _nothing(node, position, f"{_fraction(node.inputs[position], 1.0):g} of {run.total} steps")


def _nothing(node: Node, position: int, reason: str) -> Diagnostic:
    spot = place(node, position)
    return errors.runtime.NothingToDenoise(spot.span, node.op, reason, spot.trail)


def _sampled(node: Node) -> _Run | None:
    steps, until = _steps(node.inputs[3], node), _fraction(node.inputs[8], 1.0)
    return None if steps is None or until is None else _Run(steps_until(until, steps), steps)


def _resumed(node: Node, runs: _Runs) -> _Run | None:
    run, until = runs.get(id(node.inputs[1])), _fraction(node.inputs[6], 1.0)
    if run is None or until is None:
        return None
    end, steps = steps_until(until, run.total), node.inputs[5]
    if steps.op != "default":
        most = _count(constant(steps))
        if most is None:
            return None
        end = min(end, run.position + most)
    return _Run(end, run.total)


def _cut(latent: Node) -> bool:
    """Whether an `until` below its end was asked for, which rounding then moved there."""
    until = _fraction(latent.inputs[_UNTIL[latent.op]], 1.0)
    return until is not None and until < 1


def _steps(given: Node, sampled: Node) -> int | None:
    if given.op != "default":
        return _count(constant(given))
    return _count(base_expert(sampled.inputs[0]).defaults.get("steps", STEPS))


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _fraction(given: Node, default: float) -> float | None:
    """A fraction that means something; `ranges` speaks of the others."""
    value: Attribute = default if given.op == "default" else constant(given)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        return None
    return float(value)
