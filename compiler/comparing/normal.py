"""One version of plans as text that is equal for equal meanings: what git compares (`textconv`), a fact a line.

Names of `let`s, order of statements and of symmetric operands, fragments, defaults and layout are gone. A model or
picture that is used again is told once and named after that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mosaic.compiler.budgeting import duration, memory
from mosaic.compiler.comparing.identity import View, digest
from mosaic.compiler.comparing.making import VERBS, numbers
from mosaic.compiler.comparing.meaning import Parameter, Version
from mosaic.compiler.comparing.spelled import number, operator, picture
from mosaic.compiler.notation import taking_part
from mosaic.compiler.program import Align, CombinePrompts, EncodeText, Fuse, LoadImage, LoadModel

_LIMITS = {"latency": duration, "cold_latency": duration, "memory": memory}


def normal(versions: Sequence[Version]) -> str:
    """All plans of a file, by name."""
    ordered = sorted(versions, key=lambda version: version.name)
    return "\n".join("\n".join(_Normal(version).lines()) + "\n" for version in ordered)


class _Normal:
    def __init__(self, version: Version) -> None:
        self._version = version
        self._view = View(version, [f"{expert.id} {digest(expert)}" for expert in version.meaning.experts])
        self._told: dict[str, str] = {}

    def lines(self) -> Iterator[str]:
        version = self._version
        yield f"plan {version.name}"
        for name, parameter in sorted(version.parameters.items()):
            yield f"  param {name}: {_parameter(parameter)}"
        for key, limit in sorted((version.budget or {}).items()):
            yield f"  budget {key}: {_LIMITS[key](limit) if key in _LIMITS else f'{limit:.0%}'}"
        for key, value in sorted((version.meaning.rights.policy or {}).items()):
            yield f"  policy {key}: {str(value).lower() if isinstance(value, bool) else value}"
        for expert in sorted(version.meaning.experts, key=lambda each: (each.kind, each.id)):
            yield f"  {expert.kind} {expert.id}: {digest(expert)}"
        for _, emit in self._view.emits():
            yield f"  emit {emit.type} {_quoted(emit.path)}"
            yield from self._value(emit.value, 2)

    def _value(self, value: int, depth: int) -> Iterator[str]:
        steps = self._view.steps(value)
        if not steps:
            yield from self._model(value, depth)
        for step in steps:
            yield from self._once(step, depth)

    def _once(self, step: int, depth: int) -> Iterator[str]:
        verb = VERBS[self._view.operation(step).op]
        known = self._known(step, verb)
        if known:
            yield f"{'  ' * depth}{known}, as above"
            return
        yield f"{'  ' * depth}{self._name(step, verb)}"
        yield from self._step(step, depth + 1)

    def _step(self, step: int, depth: int) -> Iterator[str]:
        operation = self._view.operation(step)
        indent = "  " * depth
        for aspect, value in numbers(operation):
            yield f"{indent}{aspect}: {number(aspect, value)}"
        given = dict(operation)
        for name, key in (("prompt", "positive"), ("negative", "negative")):
            if key in given:
                yield from self._prompt(name, given[key], depth)
        if isinstance(operation, LoadImage):
            yield f"{indent}{picture(self._view.program.images[operation.file])}"
            return
        if isinstance(operation, Align):
            way = operation.bridge
            name = "through a picture" if way is None else f"by {self._view.program.experts[way].id}"
            yield f"{indent}{name}"
        if operation.op != "decode":  # by the model that made the latent
            yield from self._model(given["model"], depth)

    def _prompt(self, name: str, conditioning: int, depth: int) -> Iterator[str]:
        operation = self._view.operation(conditioning)
        indent = "  " * depth
        if isinstance(operation, EncodeText):
            yield f"{indent}{name}: {_quoted(operation.text)}"
            return
        assert isinstance(operation, CombinePrompts), "what conditions a run is text"
        for part in operation.parts:
            encoded = self._view.operation(part.conditioning)
            assert isinstance(encoded, EncodeText), "prompts are not nested"
            told = _quoted(encoded.text)
            images = self._view.program.images
            yield f"{indent}{name}: {taking_part(told, part.weight, part.window, part.region, images)}"

    def _model(self, model: int, depth: int) -> Iterator[str]:
        indent = "  " * depth
        operation = self._view.operation(model)
        if isinstance(operation, LoadModel):
            yield f"{indent}model {self._view.program.experts[operation.expert].id}"
            return
        assert isinstance(operation, Fuse), "a model is loaded or fused"
        known = self._known(model, "model")
        if known:
            yield f"{indent}{known}, as above"
            return
        yield f"{indent}{self._name(model, 'model')}"
        yield f"{indent}  by {operator(operation)}"
        yield from self._model(operation.model, depth + 1)
        for each in self._view.order(operation):
            images = self._view.program.images
            told = taking_part(self._view.label(each), each.strength, each.window, each.region, images)
            yield f"{indent}  with {told}{', what fits of it' if each.partial else ''}"
            if each.model is not None:
                yield from self._model(each.model, depth + 2)
        for way in operation.bridges:
            bridge = self._view.program.experts[way.expert].id
            yield f"{indent}  from {way.source} to {way.target} by {bridge}"

    def _known(self, value: int, noun: str) -> str:
        return self._told.get(f"{noun} {self._view.key(value)}", "")

    def _name(self, value: int, noun: str) -> str:
        """The first of its kind has no number, so that a plan of one picture names nothing."""
        count = sum(key.startswith(f"{noun} ") for key in self._told)
        name = noun if not count else f"{noun} {count + 1}"
        self._told[f"{noun} {self._view.key(value)}"] = name
        return name


def _parameter(parameter: Parameter) -> str:
    value = parameter.value
    if isinstance(value, (tuple, list)):
        text = "x".join(map(str, value))
    else:
        text = _quoted(value) if isinstance(value, str) else str(value).lower()
    return f"{parameter.type} = {text}" if parameter.type else text


def _quoted(text: str) -> str:
    """A text on one line."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'
