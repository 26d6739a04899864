"""The catalog that the corpus' plans are written over: a crowd at random, and the experts that plans ask for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from mosaic.bench.synthetic.adapters import Recipe
from mosaic.bench.synthetic.architectures import ARCHITECTURES
from mosaic.bench.synthetic.experts import at, expert, experts
from mosaic.bench.synthetic.words import STYLES, SUBJECTS
from mosaic.catalog.record import Edge, Record, StoredFile
from mosaic.compiler.types import Kind

CROWD = 300
"""Experts that no plan names; suggestions and searches have to find their way among them."""

PLAIN = ("sd1", "sd2", "sdxl", "sd3", "flux")
"""Architectures that a picture is begun with; the refiner finishes one, inpainting models need a mask."""


@dataclass(frozen=True)
class Expert:
    """An expert as a plan writes it: `lora("house/7-ink-fox", partial: true)`, or `find(lora, "words")`."""

    kind: str
    id: str
    trigger: str = ""
    options: str = ""
    words: str = ""

    @property
    def call(self) -> str:
        """The expression that loads it."""
        return (
            f'find({self.kind}, "{self.words}")' if self.words else f'{self.kind}("{self.id}"{self.options})'
        )


@dataclass
class World:
    """Collects records. `random` decides everything; `folder` is where files that have to exist are written."""

    random: Random
    folder: Path
    records: list[Record] = field(default_factory=list)

    @classmethod
    def crowded(cls, seed: int, folder: Path, crowd: int = CROWD) -> World:
        """A world with its crowd."""
        return cls(Random(f"corpus {seed}"), folder, list(experts(crowd, seed, "crowd")))

    def family(self, *but: str) -> str:
        """An architecture that makes pictures, other than some."""
        return self.random.choice([name for name in PLAIN if name not in but])

    def word(self) -> str:
        """A word that no other expert has: searches are decided by it."""
        return f"{self.random.choice(STYLES)}{self.random.choice(SUBJECTS)}{len(self.records)}"

    def base(self, name: str, **facts: Any) -> Expert:
        """A whole model, with nothing about it that would need a word."""
        return self.add(Kind.CHECKPOINT, name, None, {"lineage": "", **facts})

    def lora(self, name: str, *, recipe: Recipe | None = None, **facts: Any) -> Expert:
        """A LoRA that fits its family, in any spelling and of any usual rank."""
        recipe = recipe or self.recipe(name)
        trigger = self.random.choice((None, f"{self.word()} style"))  # two that share one would be a mistake
        return self.add(
            Kind.LORA, name, recipe, {"lineage": "", "strengths": None, "trigger": trigger, **facts}
        )

    def recipe(self, name: str, **given: Any) -> Recipe:
        """How a LoRA of a family is usually trained."""
        transformer = ARCHITECTURES[name].denoiser == "transformer"
        drawn = {
            "spelling": self.random.choice(("peft",) if transformer else ("kohya", "peft", "diffusers")),
            "rank": self.random.choice((4, 8, 16, 32, 64, 128)),
            "scope": self.random.choice(("attention", "linear")),
            "text_encoder": not transformer and self.random.random() < 0.5,
        }
        return Recipe(name, **{**drawn, **given})

    def embedding(self, name: str, **facts: Any) -> Expert:
        """A textual inversion with a word of its own."""
        token = facts.pop("trigger", f"<{self.word()}>")
        return self.add(Kind.EMBEDDING, name, None, {"trigger": token, "triggers": (token,), **facts})

    def vae(self, name: str, **facts: Any) -> Expert:
        """A VAE of an architecture."""
        return self.add(Kind.VAE, name, None, facts)

    def add(self, kind: Kind, name: str, recipe: Recipe | None, facts: dict[str, Any]) -> Expert:
        """An expert over an architecture, with what is stated about it."""
        if "trigger" in facts and "triggers" not in facts:
            facts["triggers"] = (facts["trigger"],) if facts["trigger"] else ()
        given = expert(self.random, f"house/{len(self.records)}", kind, name, recipe, **facts)
        self.records.append(given)
        return Expert(kind.value, given.facts.id, given.facts.trigger or "")

    def record(self, given: Expert) -> Record:
        """The record of an expert that was added."""
        return next(record for record in reversed(self.records) if record.facts.id == given.id)

    def change(self, given: Expert, record: Record) -> None:
        """Put another record in place of an expert's."""
        place = next(i for i, known in enumerate(self.records) if known.facts.id == given.id)
        self.records[place] = record

    def on_disk(self, given: Expert) -> Path:
        """Let an expert's file lie somewhere; its bytes are not what is asked for, only how it looks from outside."""
        path = self.folder / f"{hashlib.sha256(given.id.encode()).hexdigest()[:16]}.safetensors"
        path.write_bytes(given.id.encode())
        self.change(given, at(self.record(given), path))
        return path

    def unhashed(self, given: Expert) -> None:
        """Forget an expert's digests, as a catalog that was filled by hand may lack them."""
        record = self.record(given)
        blank = [
            replace(file.fact, sha256="", tensors_sha256="", autov3="", blake3="") for file in record.files
        ]
        files = tuple(
            StoredFile(fact, file.signature) for fact, file in zip(blank, record.files, strict=True)
        )
        self.change(given, replace(record, files=files, facts=replace(record.facts, files=tuple(blank))))

    def meets(self, first: Expert, second: Expert, value: dict[str, Any]) -> None:
        """State how two adapters' deltas meet."""
        record = self.record(first)
        edge = Edge("interferes", record.digest, self.record(second).digest, value)
        self.change(first, replace(record, edges=(*record.edges, edge)))

    def names(self, count: int) -> Sequence[str]:
        """Words to bind experts to."""
        return [f"{style}_{number}" for number, style in enumerate(self.random.sample(STYLES, count))]
