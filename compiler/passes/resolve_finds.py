"""Replace each `find` by the expert that answers it best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mosaic.compiler.check.world import expert_node
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.facts import Candidate, ExpertFacts
from mosaic.compiler.ir.evaluate import INFIXES, is_partial, operand
from mosaic.compiler.ir.finds import Find
from mosaic.compiler.ir.graph import Graph, Node, Origin, map_graph
from mosaic.compiler.ir.ops import with_inputs
from mosaic.compiler.passes.fitness import Use, refused
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind

_BEHIND = 5
"""How many of the candidates behind the chosen one are told."""


def resolve_finds(graph: Graph, context: Context) -> Graph:
    """Graphs in which a `find` is the `expert` node that naming the chosen expert would have made.

    A base decides what fits it, so checkpoints are looked for first. Where nothing may be used, the node stays, with
    what was tried (`Node.found`), for the rule `finds` to report.
    """
    for checkpoints in (True, False):
        wanted = [
            n for n in graph.nodes() if n.op == "find" and (n.type.kind is Kind.CHECKPOINT) is checkpoints
        ]
        if wanted:
            graph = _resolve(graph, wanted, context)
    return graph


def _resolve(graph: Graph, wanted: Sequence[Node], context: Context) -> Graph:
    uses = _uses(graph)
    answers = {id(node): _answer(node, uses.get(id(node), Use()), graph, context) for node in wanted}

    def rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
        return answers.get(id(node)) or with_inputs(node, inputs)

    return map_graph(graph, rewrite)


def _uses(graph: Graph) -> dict[int, Use]:
    """What becomes of each `find`, by the node's identity: two calls of the same words may mean two experts."""
    uses: dict[int, Use] = {}

    def use(node: Node) -> Use:
        return uses.setdefault(id(node), Use())

    for node in graph.nodes():
        for position, given in enumerate(node.inputs):
            below = operand(given)
            if below.op != "find" or node.op in INFIXES:
                continue
            if node.op == "trigger":
                use(below).inserted = True
            elif node.op == "fuse" and position > 0:
                use(below).fusions.append(node)
                use(below).partial = use(below).partial or is_partial(given)
            else:
                use(below).whole = True
    return uses


def _answer(node: Node, use: Use, graph: Graph, context: Context) -> Node:
    """The expert's node, or the same node with the reason why there is none."""
    search = _Search(node, use, graph, context)
    families = use.families(context)
    if len(families) > 1 and use.fusions:
        return replace(node, found=search.told(reason="", families=families))
    pinned = context.pins.finds.get((search.kind.value, search.words))
    if pinned is not None:
        facts = context.experts.resolve(search.kind, pinned, search.span)
        if isinstance(facts, Diagnostic):
            return replace(
                node, found=search.told(refused=(f"`{pinned}`, which is locked: {facts.message()}",))
            )
        return search.node_of(facts, search.told(facts.id, "as locked"))
    return search.best(families)


@dataclass
class _Search:
    node: Node
    use: Use
    graph: Graph
    context: Context
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        return self.node.type.kind

    @property
    def words(self) -> str:
        return str(self.node.attribute("words"))

    @property
    def span(self) -> Span:
        assert self.node.origin is not None, "a `find` is always written somewhere"
        return self.node.origin.span

    def best(self, families: Sequence[str]) -> Node:
        """The best candidate that may be used; a wider search only gives the reasons why there is none."""
        ratings = self.use.ratings(self.graph)
        for narrowed in dict.fromkeys(((tuple(families), ()), (tuple(families), ratings), ((), ()))):
            found = self._first(self._candidates(*narrowed))
            if found is not None:
                return found
        return replace(self.node, found=self.told(refused=self._reasons()))

    def _candidates(self, families: Sequence[str], ratings: Sequence[str]) -> list[Candidate]:
        found = self.context.experts.find(self.kind, self.words, families, ratings)
        return sorted(found, key=lambda candidate: (-candidate.score, candidate.expert.id))

    def _first(self, candidates: Sequence[Candidate]) -> Node | None:
        for place, candidate in enumerate(candidates):
            name = candidate.expert.id
            if name in self.refused:
                continue
            reason = refused(candidate.expert, self.use, self.graph, self.context)
            facts = candidate.expert if reason else self.context.experts.resolve(self.kind, name, self.span)
            if isinstance(facts, Diagnostic):
                reason = facts.message()
            if reason or isinstance(facts, Diagnostic):
                self.refused[name] = reason
                continue
            behind = tuple(other.expert.id for other in candidates[place + 1 :][:_BEHIND])
            return self.node_of(facts, self.told(name, _why(candidate), behind, self._reasons()))
        return None

    def _reasons(self) -> tuple[str, ...]:
        return tuple(f"`{name}`: {reason}" for name, reason in self.refused.items())

    def told(
        self,
        chosen: str = "",
        reason: str = "",
        others: tuple[str, ...] = (),
        refused: tuple[str, ...] = (),
        families: tuple[str, ...] = (),
    ) -> Find:
        return Find(self.words, self.kind.value, chosen, reason, others, self.span, refused, families)

    def node_of(self, facts: ExpertFacts, found: Find) -> Node:
        origin = self.node.origin
        assert origin is not None
        return replace(expert_node(facts, Origin(origin.span, (), origin.calls)), found=found)


def _why(candidate: Candidate) -> str:
    met = ", ".join(candidate.words)
    words = f"answers to {met}" if met else "nearest in words"
    if candidate.measured is None:
        return f"{words}; nothing measured; score {candidate.score:.2f}"
    measure = f"{candidate.measure} " if candidate.measure else ""
    return f"{words}; {measure}right in at least {candidate.measured:.1%} of pictures; score {candidate.score:.2f}"


def finds(graph: Graph) -> tuple[Find, ...]:
    """How each `find` of a resolved graph was answered, once each, in the order of the plan."""
    told = dict.fromkeys(node.found for node in graph.nodes() if node.found is not None)
    return tuple(sorted(told, key=_order))


def _order(find: Find) -> tuple[str, int, int]:
    return find.span.key if find.span else ("", 0, 0)
