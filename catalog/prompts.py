"""The length of prompts for a base, from its tokenizer's files and the header of its text encoder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from mosaic.catalog.coverage import Shapes, part_of
from mosaic.catalog.tokenizer import Tokenizer, count
from mosaic.compiler import errors
from mosaic.compiler.context import ExpertFacts, FileFact, TokenCount
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.weights import families
from mosaic.compiler.weights.header import Header

_POSITIONS: Final = "text_encoder.embeddings.position_embedding.weight"
_MARKS: Final = 2
"""The begin and end marks take two of the positions."""
_UNSTATED: Final = 1_000_000
"""A tokenizer that states no maximum says 10^30."""


class Prompts:
    """Counts tokens; a base's tokenizer is read once."""

    def __init__(
        self,
        open_: Callable[[FileFact], Header],
        read: Callable[[FileFact], str],
        tensors: Callable[[ExpertFacts], Shapes],
    ) -> None:
        self._open, self._read, self._tensors = open_, read, tensors
        self._known: dict[tuple[str, ...], tuple[Tokenizer, int] | None] = {}

    def count(self, base: ExpertFacts, embeddings: Sequence[ExpertFacts], text: str) -> TokenCount | None:
        """The length of a prompt, or None where the base has no tokenizer. Raises MosaicError."""
        files = [file for file in base.files if part_of(file) == "tokenizer"]
        key = tuple(file.location for file in files)
        if key not in self._known:
            self._known[key] = self._load(base, {file.name.rpartition("/")[2]: file for file in files})
        known = self._known[key]
        if known is None:
            return None
        tokenizer, limit = known
        used, kept = count(tokenizer, text, limit, self._words(embeddings))
        return TokenCount(used, limit, kept)

    def _words(self, embeddings: Sequence[ExpertFacts]) -> Mapping[str, int]:
        words: dict[str, int] = {}
        for embedding in embeddings:
            vectors = [
                shape[0]
                for file in embedding.files
                if file.name.endswith(".safetensors")
                for shape in families.vectors(self._open(file).shapes).values()
            ]
            if embedding.trigger and vectors:
                words[embedding.trigger] = max(vectors)
        return words

    def _load(self, base: ExpertFacts, files: Mapping[str, FileFact]) -> tuple[Tokenizer, int] | None:
        positions = self._tensors(base).get(_POSITIONS)
        if not positions:
            return None
        if source := files.get("tokenizer.json"):
            build = Tokenizer.from_json
        elif source := files.get("merges.txt"):
            build = Tokenizer.from_merges
        else:
            return None
        try:
            tokenizer = build(self._read(source))
        except (ValueError, RecursionError) as error:
            raise MosaicError(
                errors.inputs.BrokenConfig(None, source.name, str(error).splitlines()[0])
            ) from None
        return tokenizer, min(positions[0], self._stated(files)) - _MARKS

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
