"""The operations of the graph: what each takes, and the type it gives.

Two dialects share one graph. *Surface* operations mirror the verbs of the language, one node a call; *core*
operations are what a program runs. `expand_verbs` goes from the first to the second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mosaic.compiler.diagnostic import InternalError
from mosaic.compiler.ir.evaluate import INFIXES
from mosaic.compiler.ir.graph import Attribute, Node, Origin
from mosaic.compiler.types import EXPERTS, SCALARS, Kind, Type, accepts

Infer = Callable[[tuple[Type, ...], Mapping[str, Attribute]], Type]
ANY_MODEL = (Kind.MODEL,)
OPTIONAL = (Kind.NOTHING,)


@dataclass(frozen=True)
class Op:
    """An operation's schema. `variadic` gives the kinds of any further inputs."""

    name: str
    inputs: tuple[tuple[str, tuple[Kind, ...]], ...]
    result: Infer
    attributes: tuple[str, ...] = ()
    variadic: tuple[Kind, ...] | None = None
    core: bool = False

    def problem(self, inputs: tuple[Node, ...], attributes: Mapping[str, Attribute]) -> str | None:
        """Why such a node would be malformed, or None."""
        if tuple(sorted(attributes)) != tuple(sorted(self.attributes)):
            return f"attributes {sorted(attributes)}, wants {sorted(self.attributes)}"
        if len(inputs) < len(self.inputs) or (self.variadic is None and len(inputs) > len(self.inputs)):
            return f"{len(inputs)} inputs, wants {len(self.inputs)}"
        for node, (name, kinds) in zip(inputs, self.inputs, strict=False):
            if not any(accepts(kind, node.type.kind) for kind in kinds):
                return f"input `{name}` is {node.type}"
        for node in inputs[len(self.inputs) :]:
            if not any(accepts(kind, node.type.kind) for kind in self.variadic or ()):
                return f"further input is {node.type}"
        return None


def make(
    op: str,
    inputs: tuple[Node, ...] = (),
    attributes: Mapping[str, Attribute] | None = None,
    *,
    origin: Origin | None = None,
    like: Node | None = None,
) -> Node:
    """A node of a known operation, with its type inferred. `like` gives name, origin and facts.

    Raises InternalError where inputs or attributes do not fit the operation's schema.
    """
    schema = OPS[op]
    given = dict(attributes or {})
    problem = schema.problem(inputs, given)
    if problem:
        raise InternalError(f"malformed `{op}`: {problem}")
    return Node(
        op,
        inputs,
        tuple(sorted(given.items())),
        schema.result(tuple(node.type for node in inputs), given),
        name=like.name if like else "",
        origin=origin or (like.origin if like else None),
        facts=like.facts if like else None,
        found=like.found if like else None,
    )


def with_inputs(node: Node, inputs: tuple[Node, ...]) -> Node:
    """The same operation on other inputs, with its type inferred anew. Unchanged inputs give the same object."""
    if all(a is b for a, b in zip(node.inputs, inputs, strict=True)):
        return node
    return make(node.op, inputs, dict(node.attributes), like=node)


def over(given: Node, below: Node) -> Node:
    """Another node under the strengths, regions and windows of an operand or prompt."""
    around: list[Node] = []
    while given.op in INFIXES:
        around.append(given)
        given = given.inputs[0]
    for node in reversed(around):
        below = with_inputs(node, (below, *node.inputs[1:]))
    return below


def _fixed(kind: Kind) -> Infer:
    return lambda inputs, attributes: Type(kind)


def _first(inputs: tuple[Type, ...], attributes: Mapping[str, Attribute]) -> Type:
    return inputs[0]


def _latent_of(position: int) -> Infer:
    return lambda inputs, attributes: Type(Kind.LATENT, space=inputs[position].space)


def _fused(inputs: tuple[Type, ...], attributes: Mapping[str, Attribute]) -> Type:
    base = inputs[0]
    spaces = [given.space for given in inputs if given.kind is Kind.VAE]
    if attributes["ends_in"]:
        spaces.append(str(attributes["ends_in"]))
    return Type(Kind.MODEL, base.family, spaces[-1] if spaces else base.space, base.prediction)


def _typed(inputs: tuple[Type, ...], attributes: Mapping[str, Attribute]) -> Type:
    return Type(
        Kind(str(attributes["kind"])),
        *(str(value) if value else None for value in map(attributes.get, ("family", "space", "prediction"))),
    )


_INDEXED = ("kind", "family", "space", "prediction")
_TEXT = (Kind.TEXT,)
_MAYBE_TEXT = (Kind.TEXT, Kind.NOTHING)
_MAYBE_NUMBER = (Kind.NUMBER, Kind.NOTHING)
_MAYBE_INT = (Kind.INT, Kind.NOTHING)
_MAYBE_FRACTION = (Kind.FRACTION, Kind.NOTHING)
_MAYBE_SIZE = (Kind.SIZE, Kind.NOTHING)
_CONDITIONING = (Kind.CONDITIONING,)
_PROMPT = (Kind.TEXT, Kind.PROMPTS)
_MAYBE_PROMPT = (*_PROMPT, Kind.NOTHING)
_TAKING_PART = (*EXPERTS, Kind.MODEL, Kind.TEXT, Kind.CONDITIONING)

_TABLE = (
    # Values
    Op("const", (), lambda inputs, attributes: Type(Kind(str(attributes["kind"]))), ("kind", "value")),
    Op("default", (), _fixed(Kind.NOTHING)),
    # `taken` is the number that was chosen, once it is.
    Op("range", (("low", (Kind.INT,)), ("high", (Kind.INT,))), _fixed(Kind.INT), ("taken",)),
    Op("argument", (), _typed, ("index", *_INDEXED)),
    Op("call", (), _typed, ("fragment", *_INDEXED), variadic=tuple(Kind)),
    Op("format", (), _fixed(Kind.TEXT), variadic=SCALARS),
    Op("trigger", (("expert", EXPERTS),), _fixed(Kind.TEXT)),
    Op("expert", (), _typed, ("content", *_INDEXED)),
    Op("find", (), _typed, ("words", *_INDEXED)),
    Op("load_image", (), _fixed(Kind.IMAGE), ("content",)),
    Op(
        "rect",
        (*((n, (Kind.FRACTION,)) for n in ("x", "y", "width", "height")), ("feather", _MAYBE_FRACTION)),
        _fixed(Kind.MASK),
    ),
    Op("mask", (("feather", _MAYBE_FRACTION),), _fixed(Kind.MASK), ("content",)),
    # Operands of a fusion, and prompts beside each other
    Op("strength", (("operand", _TAKING_PART), ("strength", (Kind.NUMBER,))), _first),
    Op("region", (("operand", _TAKING_PART), ("region", (Kind.MASK,))), _first),
    Op(
        "window",
        (("operand", _TAKING_PART), ("start", (Kind.FRACTION,)), ("end", (Kind.FRACTION,))),
        _first,
    ),
    Op("partial", (("expert", (Kind.LORA,)),), _first),
    # `ends_in` is the latent space that a run ends in, where a schedule goes through several; empty where there is but
    # one, and before the operator is chosen.
    Op(
        "fuse",
        (("base", ANY_MODEL),),
        _fused,
        ("operator", "settings", "ends_in"),
        variadic=(*EXPERTS, Kind.MODEL),
    ),
    # Several prompts for one picture. Its inputs are texts under strengths, regions and windows.
    Op("prompts", (), _fixed(Kind.PROMPTS), variadic=_TEXT),
    # Verbs
    Op(
        "sample",
        (
            ("model", ANY_MODEL),
            ("prompt", _PROMPT),
            ("negative", _MAYBE_TEXT),
            ("steps", _MAYBE_INT),
            ("guidance", _MAYBE_NUMBER),
            ("size", _MAYBE_SIZE),
            ("seed", _MAYBE_INT),
            ("scheduler", _MAYBE_TEXT),
            ("until", _MAYBE_FRACTION),
        ),
        _latent_of(0),
    ),
    Op(
        "resume",
        (
            ("model", ANY_MODEL),
            ("latent", (Kind.LATENT,)),
            ("prompt", _MAYBE_PROMPT),
            ("negative", _MAYBE_TEXT),
            ("guidance", _MAYBE_NUMBER),
            ("steps", _MAYBE_INT),
            ("until", _MAYBE_FRACTION),
        ),
        _latent_of(0),
    ),
    Op(
        "refine",
        (
            ("model", ANY_MODEL),
            ("source", (Kind.IMAGE, Kind.LATENT)),
            ("strength", _MAYBE_FRACTION),
            ("prompt", _MAYBE_PROMPT),
            ("negative", _MAYBE_TEXT),
            ("steps", _MAYBE_INT),
            ("guidance", _MAYBE_NUMBER),
            ("seed", _MAYBE_INT),
            ("scheduler", _MAYBE_TEXT),
        ),
        _latent_of(0),
    ),
    # `by` is a bridge, once it is known: the one that the plan names, or the one that is registered.
    Op(
        "align",
        (("latent", (Kind.LATENT,)), ("to", ANY_MODEL), ("by", (Kind.BRIDGE, Kind.NOTHING))),
        _latent_of(1),
    ),
    Op("decode", (("latent", (Kind.LATENT,)), ("tile", _MAYBE_SIZE)), _fixed(Kind.IMAGE)),
    Op("encode", (("image", (Kind.IMAGE,)), ("model", ANY_MODEL), ("tile", _MAYBE_SIZE)), _latent_of(1)),
    Op("emit", (("value", (Kind.IMAGE, Kind.LATENT, Kind.MODEL)), ("path", _TEXT)), _fixed(Kind.NOTHING)),
    # Core
    Op(
        "load_model",
        (("expert", (Kind.CHECKPOINT,)),),
        lambda i, a: Type(Kind.MODEL, i[0].family, i[0].space, i[0].prediction),
        core=True,
    ),
    Op("encode_text", (("model", ANY_MODEL), ("text", _TEXT)), _fixed(Kind.CONDITIONING), core=True),
    Op("combine_prompts", (), _fixed(Kind.CONDITIONING), variadic=_CONDITIONING, core=True),
    Op(
        "denoise",
        (
            ("model", ANY_MODEL),
            ("positive", _CONDITIONING),
            ("negative", _CONDITIONING),
            ("steps", (Kind.INT,)),
            ("guidance", (Kind.NUMBER,)),
            ("size", (Kind.SIZE,)),
            ("seed", (Kind.INT,)),
            ("scheduler", _TEXT),
            ("until", (Kind.FRACTION,)),
        ),
        _latent_of(0),
        core=True,
    ),
    Op(
        "denoise_rest",
        (
            ("model", ANY_MODEL),
            ("latent", (Kind.LATENT,)),
            ("positive", _CONDITIONING),
            ("negative", _CONDITIONING),
            ("guidance", (Kind.NUMBER,)),
            ("steps", _MAYBE_INT),
            ("until", (Kind.FRACTION,)),
        ),
        _latent_of(0),
        core=True,
    ),
    Op(
        "denoise_again",
        (
            ("model", ANY_MODEL),
            ("latent", (Kind.LATENT,)),
            ("positive", _CONDITIONING),
            ("negative", _CONDITIONING),
            ("strength", (Kind.FRACTION,)),
            ("steps", (Kind.INT,)),
            ("guidance", (Kind.NUMBER,)),
            ("seed", (Kind.INT,)),
            ("scheduler", _TEXT),
        ),
        _latent_of(0),
        core=True,
    ),
    # Without a bridge the way goes through the picture: decoded by the source's VAE, encoded by the model's.
    Op(
        "align_latent",
        (
            ("latent", (Kind.LATENT,)),
            ("source", ANY_MODEL),
            ("model", ANY_MODEL),
            ("bridge", (Kind.BRIDGE, Kind.NOTHING)),
        ),
        _latent_of(2),
        core=True,
    ),
    # A further input is the size of tiles, where there are any.
    Op(
        "decode_latent",
        (("latent", (Kind.LATENT,)), ("model", ANY_MODEL)),
        _fixed(Kind.IMAGE),
        variadic=(Kind.SIZE,),
        core=True,
    ),
    Op(
        "encode_image",
        (("image", (Kind.IMAGE,)), ("model", ANY_MODEL)),
        _latent_of(1),
        variadic=(Kind.SIZE,),
        core=True,
    ),
    Op(
        "write",
        (("value", (Kind.IMAGE, Kind.LATENT, Kind.MODEL)), ("path", _TEXT)),
        _fixed(Kind.NOTHING),
        core=True,
    ),
)

OPS: Mapping[str, Op] = {op.name: op for op in _TABLE}
EFFECTS = ("emit", "write")
"""Operations that reach the world: never shared, never dropped."""
