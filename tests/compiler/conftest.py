"""Compile plans over a small made-up catalog of several families, and files held in memory.

The compiler knows the world only by protocol, so this is no stand-in for something real: it is one more
implementation, with experts that the zoo does not have (another family, an epsilon model, an incomplete LoRA).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from mosaic.compiler import Compiled, compile
from mosaic.compiler.context import Context
from mosaic.compiler.cost.architecture import Architecture
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.errors.names import UnknownName
from mosaic.compiler.facts import (
    BridgeFacts,
    Candidate,
    Coverage,
    ExpertFacts,
    FileFact,
    Interference,
    TokenCount,
)
from mosaic.compiler.near import nearest
from mosaic.compiler.operators import Acts, Law, Operator, operator
from mosaic.compiler.passes import OPTIMISE, Pass
from mosaic.compiler.pins import Pins
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.types import Kind


def expert(
    name: str,
    kind: Kind,
    family: str | None = "sd1",
    space: str | None = None,
    prediction: str | None = None,
    trigger: str | None = None,
) -> ExpertFacts:
    """An expert whose only file's bytes are its name."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    role = "unet" if kind is Kind.CHECKPOINT else "adapter"
    files = (FileFact(role, digest, len(name), f"{name}.safetensors", f"{name}.safetensors"),)
    size = (64, 64) if kind is Kind.CHECKPOINT else None
    return ExpertFacts(
        name, kind, family, space, prediction, files, trigger, native_size=size, defaults={"guidance": 3.0}
    )


EXPERTS = {
    facts.id: facts
    for facts in (
        expert("t/base", Kind.CHECKPOINT, "sd1", "space-a", "v"),
        replace(
            expert("t/space-a-to-space-c", Kind.BRIDGE, None, "space-c"),
            bridge=BridgeFacts("space-a", "space-c"),
        ),
        expert("t/third", Kind.CHECKPOINT, "sd1", "space-c", "v"),
        expert("t/robot", Kind.CHECKPOINT, "sd1", "space-a", "v"),
        expert("t/other", Kind.CHECKPOINT, "sd1", "space-b", "v"),
        expert("t/epsilon", Kind.CHECKPOINT, "sd1", "space-a", "epsilon"),
        expert("t/large", Kind.CHECKPOINT, "sdxl", "space-x", "epsilon"),
        expert("t/neon", Kind.LORA, trigger="neon style"),
        expert("t/wash", Kind.LORA),
        expert("t/plain", Kind.LORA),
        expert("t/film", Kind.LORA, "sdxl"),
        expert("t/partial", Kind.LORA, None),
        expert("t/hero", Kind.EMBEDDING, trigger="<hero>"),
        expert("t/twin", Kind.EMBEDDING, trigger="<hero>"),
        expert("t/vae", Kind.VAE, "sd1", "space-b"),
    )
}


@dataclass(frozen=True)
class SyntheticExperts:
    """`Experts` over the table above, or one more. A word is a token; seven fit.

    `covered` says how the tensors of some experts meet any base; of the others, all find their place.
    """

    known: Mapping[str, ExpertFacts] = field(default_factory=lambda: EXPERTS)
    covered: Mapping[str, Coverage] = field(default_factory=dict)
    touched: Mapping[str, Sequence[str]] = field(default_factory=dict)
    architectures: Mapping[str, Architecture] = field(default_factory=dict)

    def resolve(self, kind: Kind, reference: str, span: Span) -> ExpertFacts | Diagnostic:
        facts = self.known.get(reference)
        if facts is None or facts.kind is not kind:
            return UnknownName(span, reference, nearest(reference, self.names(kind)))
        return facts

    def names(self, kind: Kind) -> Sequence[str]:
        return [facts.id for facts in self.known.values() if facts.kind is kind]

    def coverage(self, base: ExpertFacts, expert: ExpertFacts) -> Coverage:
        if expert.id == "t/partial":
            return Coverage(6, 8, ("down.0.attn3.to_q",), ("down.0.attn1.to_k: 64 here, 768 there",))
        return self.covered.get(expert.id, Coverage(8, 8))

    def touches(self, base: ExpertFacts, expert: ExpertFacts) -> Sequence[str]:
        return self.touched.get(expert.id, ())

    def architecture(self, base: ExpertFacts) -> Architecture | None:
        return self.architectures.get(base.id)

    def find(
        self, kind: Kind, words: str, families: Sequence[str] = (), ratings: Sequence[str] = ()
    ) -> Sequence[Candidate]:
        wanted = words.casefold().split()
        found = []
        for facts in self.known.values():
            met = tuple(word for word in wanted if word in f"{facts.id} {facts.trigger}")
            if facts.kind is kind and met and (not families or facts.family in families):
                found.append(Candidate(facts, len(met) / len(wanted), len(met) / len(wanted), words=met))
        return sorted(found, key=lambda candidate: (-candidate.score, candidate.expert.id))

    def fitting(self, kind: Kind, base: ExpertFacts, like: ExpertFacts) -> Sequence[str]:
        return [f.id for f in self.known.values() if f.kind is kind and f.family == base.family][:3]

    def interference(self, first: ExpertFacts, second: ExpertFacts) -> Interference | None:
        return None

    def bridge(self, source: str, target: str) -> ExpertFacts | None:
        return self.known.get(f"t/{source}-to-{target}")

    def tokens(self, base: ExpertFacts, embeddings: Sequence[ExpertFacts], text: str) -> TokenCount | None:
        limit = 7
        words = text.split()
        kept = len(" ".join(words[:limit]))
        known = [embedding.trigger for embedding in embeddings]
        # A word in angle brackets falls to pieces where no embedding brings it along.
        used = sum(3 if word.startswith("<") and word.strip(",") not in known else 1 for word in words)
        return TokenCount(used, limit, kept)


@dataclass(frozen=True)
class MemoryFiles:
    """`Files` over texts by reference."""

    texts: Mapping[str, str] = field(default_factory=dict)

    def fragment(self, reference: str, span: Span) -> SourceFile | Diagnostic:
        if reference not in self.texts:
            return UnknownName(span, reference, nearest(reference, self.texts))
        return SourceFile(reference, self.texts[reference])

    def image(self, reference: str, span: Span) -> FileFact | Diagnostic:
        digest = hashlib.sha256(reference.encode()).hexdigest()
        return FileFact(
            "image", digest, 1, reference, reference, (63, 64) if "odd" in reference else (64, 64)
        )


@operator(
    acts=Acts.WEIGHTS,
    accepts=(Kind.LORA, Kind.CHECKPOINT, Kind.MODEL),
    laws=(Law.SYMMETRIC, Law.LINEAR, Law.IDENTITY_AT_ZERO),
)
def sum_(
    base: float,
    deltas: Sequence[float],
    strengths: Sequence[float],
    keys: Sequence[str],
    *,
    scale: float = 1.0,
) -> float:
    """A sum over numbers, with a setting: the compiler never calls it."""
    return base + scale * sum(d * s for d, s in zip(deltas, strengths, strict=True))


@operator(acts=Acts.WEIGHTS, accepts=(Kind.LORA,), evaluations="experts", honours=())
def dear(base: float, deltas: Sequence[float], strengths: Sequence[float], keys: Sequence[str]) -> float:
    """Takes LoRAs only, for the whole run, and costs more."""
    return base


@operator(
    acts=Acts.PREDICTIONS,
    accepts=(Kind.LORA, Kind.CHECKPOINT),
    laws=(Law.SYMMETRIC, Law.IDENTITY_AT_ZERO),
    evaluations="experts",
    honours=("region", "window"),
    shares_unconditional=True,
)
def beside(weights: float) -> float:
    """Experts of one base predict at their strengths."""
    return weights


@operator(
    acts=Acts.PREDICTIONS,
    accepts=(Kind.LORA, Kind.CHECKPOINT, Kind.MODEL),
    laws=(Law.SYMMETRIC, Law.IDENTITY_AT_ZERO),
    evaluations="models",
    honours=("region", "window"),
    scales=False,
)
def blend(weights: float) -> float:
    """Whole models predict, and their strengths are their shares."""
    return weights


@operator(acts=Acts.SCHEDULE, accepts=(Kind.LORA, Kind.CHECKPOINT, Kind.MODEL), laws=(Law.IDENTITY_AT_ZERO,))
def turns(total: int, windows: Sequence[tuple[int, int]], shares: Sequence[float]) -> Sequence[int]:
    """One model after the other: those with a window in it, the others in what is left."""
    own = [i for i, window in enumerate(windows) if window != (0, total)]
    owner = [next((i for i in own if windows[i][0] <= step < windows[i][1]), -1) for step in range(total)]
    left, free = [i for i in range(len(windows)) if i not in own], [s for s in range(total) if owner[s] < 0]
    for place, step in enumerate(free if left else ()):
        owner[step] = left[place * len(left) // len(free)]
    return owner


OPERATORS: Mapping[str, Operator] = {found.name: found for found in (sum_, dear, beside, blend, turns)}


@pytest.fixture
def made() -> Callable[..., ExpertFacts]:
    """Make an expert that the table does not have."""
    return expert


@pytest.fixture
def compiled() -> Callable[..., Compiled]:
    """Compile the body of a plan (or, with `whole`, a file)."""

    def run(
        body: str,
        before: str = "",
        *,
        texts: Mapping[str, str] | None = None,
        parameters: Mapping[str, object] | None = None,
        passes: tuple[Pass, ...] = OPTIMISE,
        whole: bool = False,
        more: Sequence[ExpertFacts] = (),
        covered: Mapping[str, Coverage] | None = None,
        pins: Pins | None = None,
        touched: Mapping[str, Sequence[str]] | None = None,
        operators: Mapping[str, Operator] = OPERATORS,
    ) -> Compiled:
        text = body if whole else f"mosaic 1\n{before}\nplan p {{\n{body}\n}}\n"
        known = {**EXPERTS, **{facts.id: facts for facts in more}}
        experts = SyntheticExperts(known, covered or {}, touched or {})
        context = Context(experts, MemoryFiles(texts or {}), operators, pins=Pins() if pins is None else pins)
        return compile(SourceFile("plan.mosaic", text), context, parameters=parameters, passes=passes)

    return run
