"""Pictures of composed plans beside what the zoo's base draws when it is asked directly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from mosaic.bench.agent.requests import Case
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.compatibility import PromptTooLong
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax.literals import escape
from mosaic.stdlib.zoo import world
from mosaic.stdlib.zoo.checker import Checker, Reading

if TYPE_CHECKING:
    import numpy.typing as npt

    from mosaic.compiler.program import Program
    from mosaic.project import Project
    from mosaic.runtime.engine import Engine

COMPOSED: Final = "composed"
AS_WRITTEN: Final = "base, as written"
CAPTIONED: Final = "base, its own caption"
WAYS: Final = (COMPOSED, AS_WRITTEN, CAPTIONED)
"""The plan that was composed; `zoo/base` with the request's text as its prompt; `zoo/base` with the caption that its
own world has for what is wanted, so that nobody has to say that it was only asked wrongly."""
_PLAN: Final = """mosaic 1

plan picture {{
  let base = checkpoint("zoo/base")
  emit sample(base, prompt: "{prompt}") as "picture.png"
}}
"""
_TOO_LONG: Final = PromptTooLong.code


@dataclass(frozen=True)
class Shown:
    """One request drawn in one way: pictures (n, 64, 64, 3), one a seed, and which wanted attributes each shows."""

    case: Case
    way: str
    pictures: npt.NDArray[np.uint8]
    met: tuple[Mapping[str, bool], ...]


class Draws:
    """Draws plans over the zoo from the same seeds, and reads what they show."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds = tuple(seeds)
        self._drawn: dict[tuple[str, str, str], Shown] = {}

    def read(self, case: Case, plan: str) -> list[Mapping[str, bool]]:
        """Run a plan, and tell which of the wanted attributes each picture shows; nothing of a request whose picture
        cannot be judged. Raises MosaicError as compiling and running do."""
        shown = self.shown(case, COMPOSED, plan)
        return list(shown.met) if case.is_shown else []

    def shown(self, case: Case, way: str, plan: str = "") -> Shown:
        """A request drawn in one of the `WAYS`; `plan` is the composed one. Drawn once. Raises MosaicError."""
        key = (case.name, way, plan)
        if key not in self._drawn:
            self._drawn[key] = self._draw(case, way, plan)
        return self._drawn[key]

    def nothing(self, case: Case, way: str) -> Shown:
        """In the place of pictures of a request that came to none: they show nothing."""
        blank = np.zeros((len(self.seeds), 64, 64, 3), np.uint8)
        return Shown(case, way, blank, (dict.fromkeys(case.shows, False),) * len(self.seeds))

    def _draw(self, case: Case, way: str, plan: str) -> Shown:
        program = self._program(plan) if way == COMPOSED else self._plainly(_prompt(case, way))
        drawn = self._engine.draw(program, self.seeds).pictures
        return Shown(case, way, drawn, tuple(met(case, each) for each in self._checker.read(drawn)))

    def _plainly(self, prompt: str) -> Program:
        """The base's own program. A prompt that is too long loses its end, as in other programs."""
        words = prompt.split()
        for count in range(len(words), 0, -1):
            plan = _PLAN.format(prompt=escape(" ".join(words[:count])))
            try:
                return self._program(plan)
            except MosaicError as error:
                if all(each.code != _TOO_LONG for each in error.diagnostics):
                    raise
        raise ValueError(f"no word of {prompt!r} fits")

    def _program(self, plan: str) -> Program:
        return self._project.compile(SourceFile("<picture>", plan)).programs[0]

    @cached_property
    def _project(self) -> Project:
        from mosaic.project import Project

        return Project()

    @cached_property
    def _engine(self) -> Engine:
        from mosaic.project import engine

        return engine(device="cpu")

    @cached_property
    def _checker(self) -> Checker:
        return Checker()


def _prompt(case: Case, way: str) -> str:
    return case.text if way == AS_WRITTEN else world.caption(case.scene)


def met(case: Case, reading: Reading) -> dict[str, bool]:
    """Which of the attributes that a request asks for were read from a picture. What it leaves open is not judged."""
    return {name: _has(reading, name, value) for name, value in case.shows.items()}


def _has(reading: Reading, name: str, value: str) -> bool:
    if name == "style":
        return value in reading.styles
    if (name, value) == ("subject", "samurai"):
        return reading.concept
    return bool(getattr(reading, name) == value)
