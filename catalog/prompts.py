"""The length of prompts for a base, from its tokenizer's files and the header of its text encoder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mosaic.catalog.coverage import part_of
from mosaic.catalog.tokenizer import Tokenizer, count
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.facts import ExpertFacts, FileFact, TokenCount
from mosaic.compiler.weights.adapter_keys import canonical
from mosaic.compiler.weights.embeddings import vectors
from mosaic.compiler.weights.header import Header
from mosaic.compiler.weights.names import Shape, Shapes

_POSITIONS: Final = "text_encoder.embeddings.position_embedding.weight"
_MARKS: Final = 2
"""The begin and end marks take two of the positions."""
_UNSTATED: Final = 1_000_000
"""A tokenizer that states no maximum says 10^30."""


@dataclass(frozen=True)
class _Words:
    """A base's tokenizer, how many tokens its encoder takes, and the vectors of words that it already has."""

    tokenizer: Tokenizer
    limit: int
    added: Mapping[str, int]


class Prompts:
    """Counts tokens; a base's tokenizer is read once."""

    def __init__(
        self,
        open_: Callable[[FileFact], Header],
        read: Callable[[FileFact], str],
        tensors: Callable[[ExpertFacts], Shapes],
    ) -> None:
        self._open, self._read, self._tensors = open_, read, tensors
        self._known: dict[tuple[str, ...], _Words | None] = {}

    def count(self, base: ExpertFacts, embeddings: Sequence[ExpertFacts], text: str) -> TokenCount | None:
        """The length of a prompt, or None where the base has no tokenizer. Raises MosaicError."""
        key = tuple(file.sha256 for file in base.files)
        if key not in self._known:
            self._known[key] = self._load(base)
        words = self._known[key]
        if words is None:
            return None
        used, kept = count(words.tokenizer, text, words.limit, {**words.added, **self._vectors(embeddings)})
        return TokenCount(used, words.limit, kept, len(words.tokenizer.ranks))

    def _vectors(self, embeddings: Sequence[ExpertFacts]) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for embedding in embeddings:
            counts = [
                shape[0]
                for file in embedding.files
                if file.name.endswith(".safetensors")
                for shape in vectors(self._open(file).shapes).values()
            ]
            if embedding.trigger and counts:
                found[embedding.trigger] = max(counts)
        return found

    def _load(self, base: ExpertFacts) -> _Words | None:
        held = {part_of(file): file for file in base.files if file.name.endswith(".safetensors")}
        files = {f.name.rpartition("/")[2]: f for f in base.files if part_of(f) == "tokenizer"}
        source = files.get("tokenizer.json") or files.get("merges.txt") or held.get("checkpoint")
        positions = self._positions(base, held)
        if source is None or not positions:
            return None
        try:
            if source.name.endswith(".safetensors"):
                return _emitted(self._open(source).metadata, positions[0])
            build = Tokenizer.from_json if source.name.endswith(".json") else Tokenizer.from_merges
            limit = min(positions[0], self._stated(files)) - _MARKS
            return _Words(build(self._read(source)), limit, {})
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise MosaicError(errors.inputs.BrokenConfig(None, source.name, reason)) from None

    def _positions(self, base: ExpertFacts, held: Mapping[str, FileFact]) -> Shape | None:
        # A whole model has thousands of tensors; most often the encoder's own file is enough.
        part = "text_encoder."
        named = self._open(held["text_encoder"]).shapes if "text_encoder" in held else {}
        for name, shape in named.items():
            if canonical(part + name.removeprefix(part)) == _POSITIONS:
                return shape
        return self._tensors(base).get(_POSITIONS)

    def _stated(self, files: Mapping[str, FileFact]) -> int:
        if "tokenizer_config.json" not in files:
            return _UNSTATED
        try:
            config = json.loads(self._read(files["tokenizer_config.json"]))
        except (ValueError, RecursionError):
            return _UNSTATED
        stated = config.get("model_max_length") if isinstance(config, dict) else None
        if isinstance(stated, bool) or not isinstance(stated, int | float) or not _MARKS < stated < _UNSTATED:
            return _UNSTATED
        return int(stated)


def _emitted(metadata: Mapping[str, str], positions: int) -> _Words | None:
    """What a model that a plan emitted says of its words."""
    if "mosaic.tokenizer" not in metadata:
        return None
    told = json.loads(metadata["mosaic.tokenizer"])
    added = {str(word): len(ids) for word, ids in told["added"]}
    limit = min(positions, int(told["limit"])) - _MARKS
    return _Words(Tokenizer.from_json(json.dumps(told["tokenizer"])), limit, added)
