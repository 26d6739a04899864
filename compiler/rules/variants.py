"""M418, M419: models for inpainting or editing read more than their latents, and so do their experts."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.graph import Graph
from mosaic.compiler.ir.origins import SAMPLED, base_node
from mosaic.compiler.rules.fused import Fused, fused, suggest
from mosaic.compiler.rules.place import place
from mosaic.compiler.types import Kind


def variants(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """Experts of one variant go into bases of that variant; the engine samples plain models only."""
    for each in fused(graph, context):
        if differs(each):
            spot, expert, instead = each.spot, each.expert, suggest(context, each)
            yield errors.adapters.VariantMismatch(
                spot.span,
                expert.kind.value,
                expert.id,
                expert.variant or "plain",
                each.base.variant or "plain",
                each.base_span,
                spot.trail,
                instead.fitting,
                instead.reference,
            )
    told: dict[str, None] = {}
    for node in graph.nodes():
        if node.op not in SAMPLED:
            continue
        base = base_node(node.inputs[0])
        if base.expert.variant is None or base.digest in told:
            continue
        told[base.digest] = None
        spot = place(node, 0)
        yield errors.adapters.VariantBase(spot.span, base.name, base.expert.variant, node.op, spot.trail)


def differs(each: Fused) -> bool:
    """Whether an operand is of another variant than its base. A plain LoRA goes into any."""
    ours, theirs = each.expert.variant, each.base.variant
    if each.expert.kind is Kind.CHECKPOINT:
        return ours != theirs
    return each.expert.kind is Kind.LORA and ours is not None and ours != theirs
