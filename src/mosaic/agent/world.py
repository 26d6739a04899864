"""What the steps of composing ask of the outside: the catalog's words and experts, and the compiler."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from mosaic.compiler.source import SourceFile

if TYPE_CHECKING:
    from mosaic.catalog.library import Library
    from mosaic.catalog.store.search import Answer
    from mosaic.catalog.store.sights import Sight
    from mosaic.catalog.store.vocabulary import Near, Use
    from mosaic.compiler import Compiled
    from mosaic.compiler.context import Context
    from mosaic.project import Project


class World:
    """A project, asked for composing. Plans are compiled as if they lay in a file `name` in the current folder."""

    def __init__(self, project: Project, name: str = "<composed>") -> None:
        self._project, self._name = project, name

    @property
    def library(self) -> Library:
        """The catalog that words are looked up in."""
        return self._project.library

    @property
    def context(self) -> Context:
        """What the compiler asks of the world."""
        return self._project.context(SourceFile(self._name, ""))

    def source(self, plan: str) -> SourceFile:
        """A plan's text under the name that messages use."""
        return SourceFile(self._name, plan)

    def compile(self, plan: str) -> Compiled:
        """Compile a plan; what is wrong with it is in `diagnostics`, and nothing is raised."""
        from mosaic.compiler import compile

        return compile(self.source(plan), self.context)

    def seconds(self, plan: str, name: str) -> float | None:
        """What running a plan is predicted to take with its files read, the median; None where the device was not
        measured, or not all of the plan can be priced."""
        from mosaic.compiler import compile

        if self.context.profile is None:
            return None
        decision = compile(self.source(plan), self.context, plan=name, alternatives=1).decisions.get(name)
        chosen = decision.chosen if decision is not None else None
        return None if chosen is None or chosen.prediction.unknown else round(chosen.prediction.warm, 3)

    def uses(self, words: Sequence[str]) -> Mapping[str, Use]:
        """How the catalog uses words, by the word as given; words that it does not know are left out."""
        return self.library.uses(words)

    def pairs(self, asked: Sequence[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        """Those of some pairs of words, in normal form, that name one expert together."""
        return self.library.pairs(asked) if asked else frozenset()

    def related(self, words: Sequence[str]) -> Mapping[str, Sequence[Near]]:
        """For each word the names that stand nearest to it in the catalog."""
        return self.library.related(words)

    def answers(
        self,
        texts: Sequence[str],
        families: Sequence[str] = (),
        most: int = 16,
        loose: Collection[str] | None = None,
    ) -> Sequence[Sequence[Answer]]:
        """For each of some texts the experts of any kind that answer it, the best first. Only words (in normal form)
        that are `loose` stand for longer and misspelt ones; all do where nothing is said."""
        return self.library.answers(texts, families, most, loose)

    def named(self, words: Sequence[str]) -> frozenset[str]:
        """Those of some words, in normal form, that any expert is called by."""
        return self.library.named(words)

    def sights(self, ids: Sequence[str]) -> Sequence[Sight]:
        """What is known and told of experts, in the order of their ids as given; unknown ones are left out."""
        return self.library.sights(ids)
