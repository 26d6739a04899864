"""Which steps each denoising of a core graph takes."""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.compiler.ir.evaluate import constant, number
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.steps import steps_taken, steps_until


@dataclass(frozen=True)
class Steps:
    """Steps `first` to `end` (exclusive, from 0) of a run of `total` steps; never none."""

    first: int
    end: int
    total: int

    @property
    def until(self) -> float:
        """The end as a fraction of the run: the one way to write it."""
        return self.end / self.total


def runs(graph: Graph) -> dict[int, Steps]:
    """What `denoise`, `denoise_rest` and `denoise_again` nodes take, by the node's identity.

    A node is left out where that cannot be told: what it continues is not known, or its numbers are out of range.
    """
    found: dict[int, Steps] = {}
    for node in graph.nodes():
        steps = _steps(node, found)
        if steps is not None and 0 <= steps.first < steps.end <= steps.total:
            found[id(node)] = steps
    return found


def _steps(node: Node, found: dict[int, Steps]) -> Steps | None:
    match node.op:
        case "denoise":
            total = _count(node.inputs[3])
            return Steps(0, steps_until(_fraction(node.inputs[8]), total), total)
        case "denoise_rest":
            return _rest(node, found)
        case "denoise_again":
            total = _count(node.inputs[5])
            return Steps(total - steps_taken(_fraction(node.inputs[4]), total), total, total)
        case _:
            return None


def _rest(node: Node, found: dict[int, Steps]) -> Steps | None:
    latent = node.inputs[1]
    while latent.op == "align_latent":
        latent = latent.inputs[0]
    before = found.get(id(latent))
    if before is None:
        return None
    end = steps_until(_fraction(node.inputs[6]), before.total)
    if node.inputs[5].op != "default":
        end = min(end, before.end + _count(node.inputs[5]))
    return Steps(before.end, end, before.total)


def _count(node: Node) -> int:
    value = constant(node)
    return value if isinstance(value, int) else 0


def _fraction(node: Node) -> float:
    value = number(node)
    return value if value is not None and 0 < value <= 1 else 0.0
