"""M312: latents are finished where they must be, and unfinished where they should be."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import constant
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.rules.place import place
from mosaic.compiler.types import Kind

_UNTIL = {"sample": 8, "resume": 6}
_STEPS = 5  # the place of `steps` in `resume`


def half_done(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Follow how far each latent has come."""
    for node in graph.nodes():
        if node.op == "resume":
            yield from _resume(node)
        elif (
            node.op == "refine" and node.inputs[1].type.kind is Kind.LATENT and _done(node.inputs[1]) is False
        ):
            spot = place(node, 1)
            yield errors.types.NothingToResume(
                spot.span,
                "`refine` starts from a finished latent",
                "this one stands part-way",
                "finish it with `resume` first",
                spot.trail,
            )


def _resume(node: Node) -> Iterator[Diagnostic]:
    latent = node.inputs[1]
    spot = place(node, 1)
    if latent.op == "encode":
        reason, advice = "there is no denoising run to resume", "use `refine` for a picture"
        yield errors.types.NothingToResume(spot.span, reason, "encoded from a picture", advice, spot.trail)
        return
    if _done(latent):
        reason, advice = "this latent is finished: nothing is left to resume", "cut it: `until: 50%`"
        yield errors.types.NothingToResume(spot.span, reason, "denoised to the end", advice, spot.trail)
        return
    here, there = _until(node), _until(latent)
    if here is not None and there is not None and here <= there and node.inputs[6].op != "default":
        spot = place(node, 6)
        reason = f"the latent already stands at {there:.0%}"
        yield errors.types.NothingToResume(spot.span, reason, "nothing to do until here", "", spot.trail)


def _until(latent: Node) -> float | None:
    """How far a latent has come, as far as can be told (a `resume` cut by steps cannot)."""
    place_of = _UNTIL.get(latent.op)
    if place_of is None or (latent.op == "resume" and latent.inputs[_STEPS].op != "default"):
        return None
    given = latent.inputs[place_of]
    value = 1.0 if given.op == "default" else constant(given)
    return float(value) if isinstance(value, int | float) else None


def _done(latent: Node) -> bool | None:
    if latent.op in ("refine", "encode"):
        return True
    until = _until(latent)
    return None if until is None else until >= 1.0
