"""From verbs to what an engine runs.

Every default is written out, prompts become encodings, latents learn whose VAE decodes them. Defaults come
from the checkpoint at the bottom of the model (its facts say how it likes to be sampled) and, failing that,
from the table below.
"""

from __future__ import annotations

from collections.abc import Callable

from mosaic.compiler.context import Context
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.ir.evaluate import INFIXES, constant, operand
from mosaic.compiler.ir.graph import Attribute, Graph, Node, map_graph, scalar
from mosaic.compiler.ir.ops import make, over, with_inputs
from mosaic.compiler.ir.origins import base_expert, conditionings, maker, prompts
from mosaic.compiler.types import Kind

STEPS, GUIDANCE, SCHEDULER, STRENGTH, SIZE = 20, 5.0, "ddim", 0.6, (512, 512)
"""For a model that says nothing about itself."""


def expand_verbs(graph: Graph, context: Context) -> Graph:
    """Graphs of core operations."""

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        expand = _EXPAND.get(node.op)
        return expand(node, inputs) if expand else with_inputs(node, inputs)

    return map_graph(graph, rewrite)


def _model(node: Node) -> Node:
    return make("load_model", (node,), origin=node.origin) if node.type.kind is Kind.CHECKPOINT else node


def _given(node: Node) -> bool:
    return node.op != "default"


def _or(node: Node, kind: Kind, value: Attribute) -> Node:
    return node if _given(node) else scalar(kind, value)


def _preferred(facts: ExpertFacts, name: str, fallback: Attribute) -> Attribute:
    value = facts.defaults.get(name, fallback)
    return value if isinstance(value, str | int | float | tuple) else fallback


def _steps(node: Node, facts: ExpertFacts) -> Node:
    return _or(node, Kind.INT, _preferred(facts, "steps", STEPS))


def _guidance(node: Node, facts: ExpertFacts) -> Node:
    return _or(node, Kind.NUMBER, _preferred(facts, "guidance", GUIDANCE))


def _scheduler(node: Node, facts: ExpertFacts) -> Node:
    return _or(node, Kind.TEXT, _preferred(facts, "scheduler", SCHEDULER))


def _encode(model: Node, text: Node) -> Node:
    return make("encode_text", (model, text), origin=text.origin)


def _prompt(model: Node, prompt: Node) -> Node:
    """A prompt as the model reads it: one text, or several with what each of them is told by its infixes."""
    if prompt.op != "prompts" and prompt.op not in INFIXES:
        return _encode(model, prompt)
    parts = tuple(over(part, _encode(model, operand(part))) for part in prompts(prompt))
    return make("combine_prompts", parts, origin=prompt.origin)


def _fuse(node: Node, inputs: tuple[Node, ...]) -> Node:
    return with_inputs(node, (_model(inputs[0]), *inputs[1:]))


def _sample(node: Node, inputs: tuple[Node, ...]) -> Node:
    surface, prompt, negative, steps, guidance, size, seed, scheduler, until = inputs
    model = _model(surface)
    facts = base_expert(model)
    core = (
        model,
        _prompt(model, prompt),
        _encode(model, _or(negative, Kind.TEXT, "")),
        _steps(steps, facts),
        _guidance(guidance, facts),
        _or(size, Kind.SIZE, facts.native_size or SIZE),
        _or(seed, Kind.INT, 0),
        _scheduler(scheduler, facts),
        _or(until, Kind.FRACTION, 1.0),
    )
    return make("denoise", core, origin=node.origin)


def _resume(node: Node, inputs: tuple[Node, ...]) -> Node:
    surface, latent, prompt, negative, guidance, steps, until = inputs
    model = _model(surface)
    before = conditionings(latent)
    assert before is not None, "the rules refuse to resume what was never sampled"
    core = (
        model,
        latent,
        _prompt(model, prompt if _given(prompt) else before.prompt),
        _encode(model, negative if _given(negative) else before.negative),
        guidance if _given(guidance) else before.guidance,
        steps,
        _or(until, Kind.FRACTION, 1.0),
    )
    return make("denoise_rest", core, origin=node.origin)


def _refine(node: Node, inputs: tuple[Node, ...]) -> Node:
    surface, source, strength, prompt, negative, steps, guidance, seed, scheduler = inputs
    model = _model(surface)
    facts = base_expert(model)
    before = conditionings(source)
    latent = source
    if source.type.kind is Kind.IMAGE:
        latent = make("encode_image", (source, model), origin=node.origin)
    empty = scalar(Kind.TEXT, "")
    core = (
        model,
        latent,
        _prompt(model, prompt if _given(prompt) else (before.prompt if before else empty)),
        _encode(model, negative if _given(negative) else (before.negative if before else empty)),
        _or(strength, Kind.FRACTION, STRENGTH),
        _steps(steps, facts),
        guidance if _given(guidance) else (before.guidance if before else _guidance(guidance, facts)),
        _or(seed, Kind.INT, 0),
        _scheduler(scheduler, facts),
    )
    return make("denoise_again", core, origin=node.origin)


def _align(node: Node, inputs: tuple[Node, ...]) -> Node:
    latent, model, bridge = inputs
    given, wanted = node.inputs[0].type.space, node.type.space
    if given is not None and given == wanted:
        return latent  # said by a rule: there is nothing to carry
    core = (latent, maker(latent), _model(model), bridge)
    return make("align_latent", core, origin=node.origin)


def _decode(node: Node, inputs: tuple[Node, ...]) -> Node:
    latent, tile = inputs
    return make("decode_latent", (latent, maker(latent), *_tiles(tile)), origin=node.origin)


def _encode_picture(node: Node, inputs: tuple[Node, ...]) -> Node:
    picture, model, tile = inputs
    return make("encode_image", (picture, _model(model), *_tiles(tile)), origin=node.origin)


def _tiles(given: Node) -> tuple[Node, ...]:
    return (given,) if _given(given) else ()


def _emit(node: Node, inputs: tuple[Node, ...]) -> Node:
    value, path = inputs
    if value.type.kind is Kind.LATENT and str(constant(path)).lower().endswith(".png"):
        value = make("decode_latent", (value, maker(value)), origin=node.origin)
    if value.type.kind is Kind.CHECKPOINT:
        value = _model(value)
    return make("write", (value, path), origin=node.origin)


_EXPAND: dict[str, Callable[[Node, tuple[Node, ...]], Node]] = {
    "fuse": _fuse,
    "sample": _sample,
    "resume": _resume,
    "refine": _refine,
    "align": _align,
    "decode": _decode,
    "encode": _encode_picture,
    "emit": _emit,
}
