"""One plan as data, and the many ways in which the same plan is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from benchmarks.corpus.world import Expert, World

MARK: Final = "¤"
"""Stands before the words that a message has to point at; taken out before the plan is read."""

STYLES: Final = ("lets", "lines", "inline", "fragment", "nested", "parameters")
_SUBJECTS: Final = (
    "a red cat",
    "two boats on a lake",
    "an old door",
    "a quiet street at noon",
    "a bowl of pears",
)


@dataclass(frozen=True)
class Use:
    """An operand of a fusion: the expert, how strongly, and whether the prompt inserts its words."""

    expert: Expert
    strength: float | None = None
    called: bool = True

    @property
    def inserted(self) -> bool:
        """Whether a name in the prompt stands for it."""
        return self.called and bool(self.expert.trigger)


@dataclass(frozen=True)
class Lock:
    """A lock that holds every expert of the world, but for some ids, and has another digest of some."""

    strict: bool
    without: tuple[str, ...] = ()
    other: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scene:
    """A base, what is fused into it, and what is made of it. `mark` names the place of the mistake, if there is one:
    "base", "load:N", "use:N", "strength:N", "prompt", "negative", "size", "model", "policy:KEY" or "emit".

    `styles` are the ways of writing that leave the mistake where it is.
    """

    base: Expert
    uses: Sequence[Use] = ()
    mark: str = ""
    prompt: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    policy: Mapping[str, str] = field(default_factory=dict)
    passes_on: bool = False  # emits the model, not a picture
    via: str = ""
    lock: Lock | None = None
    styles: tuple[str, ...] = STYLES


@dataclass(frozen=True)
class Text:
    """A plan file that is no scene; its mistake is marked in the text."""

    text: str


def written(scene: Scene | Text, world: World) -> str:
    """A plan file, with the mark in it."""
    if isinstance(scene, Text):
        return scene.text
    return _Writer(scene, world).file()


class _Writer:
    def __init__(self, scene: Scene, world: World) -> None:
        self.scene, self.world = scene, world
        self.random: Random = world.random
        self.style = self.random.choice(scene.styles)
        self.names = world.names(len(scene.uses))
        self.head: list[str] = []
        self.body: list[str] = []

    def file(self) -> str:
        scene = self.scene
        policy = self._policy()
        everywhere = policy and self.random.random() < 0.3
        self._loads()
        model = self._model()
        self._pictures(model)
        plan = ["plan composed {", *(["  " + policy] if policy and not everywhere else []), *self.body, "}"]
        lines = ["mosaic 1", ""]
        if everywhere:
            lines += [policy, ""]
        lines += self.head
        decoy = self._decoy() if self.random.random() < 0.3 and not scene.policy else []
        lines += [*plan, *decoy] if self.random.random() < 0.5 else [*decoy, *plan]
        if self.random.random() < 0.3:
            lines.insert(0, "# Written by hand, and kept.")
        return "\n".join(lines) + "\n"

    def _at(self, *marks: str) -> str:
        return MARK if self.scene.mark in marks else ""

    def _policy(self) -> str:
        if not self.scene.policy:
            return ""
        told = (f"{self._at(f'policy:{key}')}{key}: {value}" for key, value in self.scene.policy.items())
        return f"policy {{ {', '.join(told)} }}"

    def _loads(self) -> None:
        scene = self.scene
        self.body.append(f"  let base = {self._at('base')}{scene.base.call}")
        for number, (name, use) in enumerate(zip(self.names, scene.uses, strict=True)):
            if self._is_inline(use):
                continue
            load = f"{self._at(f'load:{number}')}{use.expert.call}"
            if self.style == "parameters" and not use.expert.words:
                self.head.append(f"param {name}: {use.expert.kind} = {load}")
            else:
                self.body.append(f"  let {name} = {load}")

    def _is_inline(self, use: Use) -> bool:
        return self.style == "inline" and not use.inserted

    def _operand(self, number: int) -> str:
        use = self.scene.uses[number]
        expert = self.names[number]
        if self._is_inline(use):
            expert = f"{self._at(f'load:{number}')}{use.expert.call}"
        if use.strength is not None:
            expert += f" * {self._at(f'strength:{number}')}{use.strength:g}"
        return f"{self._at(f'use:{number}')}{expert}"

    def _model(self) -> str:
        scene = self.scene
        if not scene.uses:
            return "base"
        via = f", via: {scene.via}" if scene.via else ""
        operands = [self._operand(number) for number in range(len(scene.uses))]
        if self.style == "fragment":
            return self._fragment(via)
        if self.style == "lines":
            inner = "".join(f"    {operand},\n" for operand in operands)
            via = f"    via: {scene.via},\n" if scene.via else ""
            self.body.append(f"  let look = fuse(\n    base,\n{inner}{via}  )")
        elif self.style == "nested" and len(operands) > 1:
            self.body.append(f"  let begun = fuse(base, {operands[0]}{via})")
            self.body.append(f"  let look = fuse(begun, {', '.join(operands[1:])}{via})")
        else:
            self.body.append(f"  let look = fuse(base, {', '.join(operands)}{via})")
        return "look"

    def _fragment(self, via: str) -> str:
        """The fusion in a fragment: what is wrong inside is told where it is called."""
        inside = [
            f"e{number}" + (f" * {use.strength:g}" if use.strength is not None else "")
            for number, use in enumerate(self.scene.uses)
        ]
        taken = "".join(f", e{number}: {use.expert.kind}" for number, use in enumerate(self.scene.uses))
        self.head += [
            f"define composed_look(under: checkpoint{taken}) -> model {{",
            f"  return fuse(under, {', '.join(inside)}{via})",
            "}",
            "",
        ]
        places = [f"{what}:{number}" for what in ("use", "strength") for number in range(len(inside))]
        self.body.append(f"  let look = {self._at(*places)}composed_look(base, {', '.join(self.names)})")
        return "look"

    def _pictures(self, model: str) -> None:
        scene = self.scene
        if scene.passes_on:
            self.body.append(f'  emit {self._at("emit")}{model} as "model.safetensors"')
            return
        words = [scene.prompt or self.random.choice(_SUBJECTS)]
        words += [f"{{{name}}}" for name, use in zip(self.names, scene.uses, strict=True) if use.inserted]
        if not scene.prompt and self.random.random() < 0.3:
            self.head.append('param where: text = "by the river"')
            words.append("{where}")
        given = [f"{self._at('model')}{model}", f'prompt: {self._at("prompt")}"{", ".join(words)}"']
        for key, value in scene.settings.items():
            given.append(f"{key}: {self._at(key)}{value}")
        if self.random.random() < 0.5:
            given.append(f"seed: {self.random.randrange(1000)}")
        if self.style == "lines":
            call = "sample(\n" + "".join(f"    {item},\n" for item in given) + "  )"
        else:
            call = f"sample({', '.join(given)})"
        self.body.append(f'  emit {call} as "picture.png"')

    def _decoy(self) -> list[str]:
        """Another plan of the same file, about which there is nothing to say."""
        name = self.world.family()
        base = self.world.base(name)
        return ["plan beside {", f'  emit sample({base.call}, prompt: "a green tree") as "tree.png"', "}"]
