"""From an optimised graph to a program: numbered values, in order, with their last uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any, Literal, cast

from mosaic.compiler import program as p
from mosaic.compiler.check.world import expert_node
from mosaic.compiler.context import Context
from mosaic.compiler.facts import ExpertFacts, FileFact
from mosaic.compiler.ir.evaluate import constant, feather, is_partial, operand, region, strength, window
from mosaic.compiler.ir.graph import Graph, Node, walk
from mosaic.compiler.ir.stretches import spaces
from mosaic.compiler.passes.choose_bridges import registered
from mosaic.compiler.policy.owed import owed, plan_rating


def lower(graph: Graph, context: Context, source: p.Source) -> p.Program:
    """The program of a core graph. Instructions stand in the order of their first need."""
    lowering = _Lowering(context)
    for node in instructions(graph):
        lowering.add(node)
    return p.Program(
        experts=tuple(lowering.experts.values()),
        images=tuple(lowering.images.values()),
        instructions=_with_frees(lowering.operations),
        source=source,
        rights=_rights(graph, context, lowering.places),
    )


def instructions(graph: Graph) -> tuple[Node, ...]:
    """The nodes of a core graph that become instructions, in order: number n makes value n. The others (scalars,
    experts, infixes) are part of those that use them."""
    return tuple(node for node in walk(graph.roots) if node.op in _BUILD)


def _rights(graph: Graph, context: Context, places: Mapping[str, int]) -> p.Rights:
    """What the plan owes, by the digests of its experts."""
    duties = tuple(
        p.Duty(
            expert=places[digest],
            licences=due.licences,
            evidence=due.facts.license_evidence,
            verdict=due.verdict,
            reasons=due.reasons,
            credit=due.credit,
            notices=due.notices,
            restrictions=due.restrictions,
            share_alike=due.share_alike,
            clauses=due.clauses,
        )
        for digest, due in owed(graph, context)
        if digest in places
    )
    policy = graph.policy.stated if graph.policy is not None else None
    return p.Rights(policy=policy, rating=plan_rating(graph, context), duties=duties)


@dataclass
class _Lowering:
    context: Context
    operations: list[p.Operation] = field(default_factory=list)
    experts: dict[str, p.Expert] = field(default_factory=dict)
    images: dict[str, p.File] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)
    places: dict[str, int] = field(
        default_factory=dict
    )  # of experts and pictures in their tables, by their keys

    def add(self, node: Node) -> None:
        operation = _BUILD[node.op](self, node)
        self.numbers[id(node)] = len(self.operations)
        self.operations.append(operation)

    def value(self, node: Node) -> int:
        return self.numbers[id(node)]

    def expert(self, node: Node) -> int:
        return self.known(node.expert, node.digest)

    def known(self, facts: ExpertFacts, key: str = "") -> int:
        """An expert; without a `key` one that the plan does not name: a bridge."""
        key = key or expert_node(facts, None).digest
        if key not in self.experts:
            self.places[key] = len(self.experts)
            self.experts[key] = _expert(facts)
        return self.places[key]

    def image(self, node: Node) -> int:
        facts = node.facts
        assert isinstance(facts, FileFact)
        if facts.sha256 not in self.images:
            self.places[facts.sha256] = len(self.images)
            self.images[facts.sha256] = _file(facts)
        return self.places[facts.sha256]


def _load_model(to: _Lowering, node: Node) -> p.Operation:
    return p.LoadModel(expert=to.expert(node.inputs[0]))


def _fuse(to: _Lowering, node: Node) -> p.Operation:
    operator = to.context.operators[str(node.attribute("operator"))]
    settings = json.loads(str(node.attribute("settings")))
    weighed = bool(operator.weighs) and bool(settings.get(operator.weighs))
    return p.Fuse(
        model=to.value(node.inputs[0]),
        operator=operator.name,
        operator_version=operator.version,
        settings=settings,
        operands=tuple(_operand(to, given, weighed) for given in node.inputs[1:]),
        bridges=_bridges(to, node),
    )


def _operand(to: _Lowering, given: Node, weighed: bool) -> p.Operand:
    below = operand(given)
    is_expert = below.op == "expert"
    return p.Operand(
        expert=to.expert(below) if is_expert else None,
        model=None if is_expert else to.value(below),
        strength=_strength(given),
        partial=is_partial(given),
        window=window(given),
        region=_region(to, given),
        words=(below.expert.trigger or "") if weighed and is_expert else "",
    )


def _bridges(to: _Lowering, node: Node) -> tuple[p.BridgeUse, ...]:
    """The bridges between the latent spaces of a schedule, where there are several."""
    if not node.attribute("ends_in"):
        return ()
    found = ((s, t, registered(s, t, to.context)) for s, t in permutations(spaces(node.inputs), 2))
    return tuple(
        p.BridgeUse(source=source, target=target, expert=to.known(facts))
        for source, target, facts in found
        if facts is not None
    )


def _strength(given: Node) -> float:
    known = strength(given)
    assert known is not None, "the rules know every strength"
    return known


def _region(to: _Lowering, given: Node) -> p.Rectangle | p.Mask | None:
    found = region(given)
    if found is None:
        return None
    if found.op == "mask":
        return p.Mask(file=to.image(found), feather=feather(found))
    x, y, width, height = map(_float, found.inputs[:4])
    return p.Rectangle(x=x, y=y, width=width, height=height, feather=feather(found))


def _combine_prompts(to: _Lowering, node: Node) -> p.Operation:
    return p.CombinePrompts(
        parts=tuple(
            p.PromptPart(
                conditioning=to.value(operand(given)),
                weight=_strength(given),
                window=window(given),
                region=_region(to, given),
            )
            for given in node.inputs
        )
    )


def _align(to: _Lowering, node: Node) -> p.Operation:
    latent, source, model, bridge = node.inputs
    return p.Align(
        latent=to.value(latent),
        source=to.value(source),
        model=to.value(model),
        bridge=to.expert(bridge) if bridge.op == "expert" else None,
    )


def _encode_text(to: _Lowering, node: Node) -> p.Operation:
    return p.EncodeText(model=to.value(node.inputs[0]), text=str(constant(node.inputs[1])))


def _denoise(to: _Lowering, node: Node) -> p.Operation:
    model, positive, negative, steps, guidance, size, seed, scheduler, until = node.inputs
    width, height = cast(tuple[int, int], constant(size))
    return p.Denoise(
        model=to.value(model),
        positive=to.value(positive),
        negative=to.value(negative),
        steps=_int(steps),
        guidance=_float(guidance),
        width=width,
        height=height,
        seed=_int(seed),
        scheduler=str(constant(scheduler)),
        until=_float(until),
    )


def _denoise_rest(to: _Lowering, node: Node) -> p.Operation:
    model, latent, positive, negative, guidance, steps, until = node.inputs
    return p.Resume(
        model=to.value(model),
        latent=to.value(latent),
        positive=to.value(positive),
        negative=to.value(negative),
        guidance=_float(guidance),
        steps=None if steps.op == "default" else _int(steps),
        until=_float(until),
    )


def _denoise_again(to: _Lowering, node: Node) -> p.Operation:
    model, latent, positive, negative, strength, steps, guidance, seed, scheduler = node.inputs
    return p.Refine(
        model=to.value(model),
        latent=to.value(latent),
        positive=to.value(positive),
        negative=to.value(negative),
        strength=_float(strength),
        steps=_int(steps),
        guidance=_float(guidance),
        seed=_int(seed),
        scheduler=str(constant(scheduler)),
    )


def _decode(to: _Lowering, node: Node) -> p.Operation:
    return p.Decode(latent=to.value(node.inputs[0]), model=to.value(node.inputs[1]), tile=_tile(node))


def _encode_image(to: _Lowering, node: Node) -> p.Operation:
    return p.EncodeImage(image=to.value(node.inputs[0]), model=to.value(node.inputs[1]), tile=_tile(node))


def _load_image(to: _Lowering, node: Node) -> p.Operation:
    return p.LoadImage(file=to.image(node))


def _write(to: _Lowering, node: Node) -> p.Operation:
    kind = cast(Literal["image", "latent", "model"], node.inputs[0].type.kind.value)
    return p.Emit(value=to.value(node.inputs[0]), path=str(constant(node.inputs[1])), type=kind)


_BUILD = {
    "load_model": _load_model,
    "fuse": _fuse,
    "encode_text": _encode_text,
    "combine_prompts": _combine_prompts,
    "align_latent": _align,
    "denoise": _denoise,
    "denoise_rest": _denoise_rest,
    "denoise_again": _denoise_again,
    "decode_latent": _decode,
    "encode_image": _encode_image,
    "load_image": _load_image,
    "write": _write,
}
VALUES = ("model", "latent", "source", "positive", "negative", "image", "value")
"""The fields of an operation that number other values."""


def _with_frees(operations: list[p.Operation]) -> tuple[p.Instruction, ...]:
    """Each value is freed after the last instruction that uses it; one that nothing uses, at once."""
    last = list(range(len(operations)))
    for index, operation in enumerate(operations):
        for value in used(operation):
            last[value] = index
    frees: Mapping[int, list[int]] = {index: [] for index in range(len(operations))}
    for value, index in enumerate(last):
        if not isinstance(operations[value], p.Emit):  # an emit leaves nothing behind
            frees[index].append(value)
    return tuple(
        p.Instruction(result=index, operation=operation, frees=tuple(frees[index]))
        for index, operation in enumerate(operations)
    )


def used(operation: p.Operation) -> tuple[int, ...]:
    """The values that an operation reads."""
    given: dict[str, Any] = dict(operation)
    found = [given[name] for name in VALUES if name in given]
    found += [each.model for each in given.get("operands", ()) if each.model is not None]
    found += [part.conditioning for part in given.get("parts", ())]
    return tuple(found)


def _expert(facts: ExpertFacts) -> p.Expert:
    return p.Expert(
        id=facts.id,
        kind=cast(Any, facts.kind.value),
        family=facts.family,
        latent_space=facts.space,
        prediction=facts.prediction,
        trigger=facts.trigger,
        license=facts.license,
        title=facts.title,
        files=tuple(_file(file) for file in facts.files),
    )


def _file(facts: FileFact) -> p.File:
    return p.File(
        role=facts.role, name=facts.name, sha256=facts.sha256, size=facts.size, location=facts.location
    )


def _tile(node: Node) -> tuple[int, int] | None:
    return cast(tuple[int, int], constant(node.inputs[2])) if len(node.inputs) > 2 else None


def _int(node: Node) -> int:
    return int(cast(int, constant(node)))


def _float(node: Node) -> float:
    return float(cast(float, constant(node)))
