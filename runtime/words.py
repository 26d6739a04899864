"""Textual inversions: new words for a model's tokenizer, new rows for its matrix of word embeddings."""

from __future__ import annotations

from dataclasses import replace

import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import TensorsDoNotFit, TokenTaken
from mosaic.compiler.program import Expert
from mosaic.runtime.adapters import content_key
from mosaic.runtime.files import Reader
from mosaic.runtime.values import EMBEDDINGS, Model
from mosaic.runtime.weights import Overlay


def embed(model: Model, expert: Expert, reader: Reader) -> Model:
    """Textual inversion (Gal et al. 2022, arXiv:2208.01618): new rows of the embedding matrix, new words.

    An embedding of n vectors adds one word of n tokens; the rows are also reachable one by one as
    `word_1`…

    Raises MosaicError: M453 where the vectors are not as wide as the model's, M454 for a word that it knows already.
    """
    files = [file for file in expert.files if not file.name.endswith((".json", ".txt", ".md"))]
    found = [pair for file in files for pair in reader.tensors(file).items()]
    matrix = model.tensor(EMBEDDINGS)
    if len(found) != 1 or found[0][1].ndim not in (1, 2) or found[0][1].shape[-1] != matrix.shape[1]:
        shown = tuple(f"{name}: {tuple(tensor.shape)}" for name, tensor in found) or ("no tensor",)
        what = f"text encoder, whose words are {matrix.shape[1]} wide"
        raise MosaicError(TensorsDoNotFit(span=None, expert=expert.id, what=what, names=shown))
    name, vectors = found[0]
    word = expert.trigger or name
    rows = vectors.reshape(-1, matrix.shape[1]).float()
    first = matrix.shape[0]
    ids = range(first, first + len(rows))
    words = [(word, tuple(ids)), *((f"{word}_{n}", (first + n,)) for n in range(1, len(rows)))]
    tokens = model.tokens
    for new, numbers in words:
        if tokens.knows(new):
            raise MosaicError(TokenTaken(span=None, expert=expert.id, token=new))
        tokens = tokens.adding(new, numbers)
    device = model.base.device
    extended = torch.cat([matrix.float().cpu(), rows]).to(device=device.torch, dtype=device.dtype)
    return replace(
        model,
        tokens=tokens,
        overlay=Overlay({EMBEDDINGS: lambda: extended}, model.overlay).settle(),
        voice=object(),
        text_content=f"{model.text_content} + {word} {content_key(expert)}" if model.text_content else "",
        words=(*model.words, expert),
    )
