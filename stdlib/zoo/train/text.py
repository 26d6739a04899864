"""Tokenizer and text encoder: every word of the world is one token, any other text falls back to bytes.

The encoder is trained to say, from its last token, what the whole caption describes, and from each state
which token stands there. A diffusion loss alone learns this slowly; afterwards the encoder is frozen and
shared by both bases and all experts. It tells the experts' words (neon, hat, ...) apart, but knows no picture
that they belong to.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from mosaic.stdlib.zoo import world
from mosaic.stdlib.zoo.train.common import Job, Log, learning_rate

LENGTH = 32
"""Tokens of a prompt, with start and end; the longest composed caption of the world has 26."""
WIDTH = 64


def _merges(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Byte-pair merges learned until every word is one token; ties are broken alphabetically."""
    pieces = {word: (*word[:-1], word[-1] + "</w>") for word in words}
    merges: list[tuple[str, str]] = []
    while any(len(parts) > 1 for parts in pieces.values()):
        pairs = Counter(pair for parts in pieces.values() for pair in pairwise(parts))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for word, parts in pieces.items():
            joined: list[str] = []
            for part in parts:
                if joined and (joined[-1], part) == best:
                    joined[-1] += part
                else:
                    joined.append(part)
            pieces[word] = tuple(joined)
    return merges


def tokenizer() -> CLIPTokenizer:
    """The tokenizer of the family, built from the world's vocabulary alone."""
    merges = _merges(world.vocabulary())
    alphabet = list(bytes_to_unicode().values())
    entries = [*alphabet, *(a + "</w>" for a in alphabet), *(a + b for a, b in merges)]
    entries += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {entry: i for i, entry in enumerate(dict.fromkeys(entries))}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=LENGTH)


def build(tokens: CLIPTokenizer) -> CLIPTextModel:
    """An untrained text encoder for the tokenizer."""
    config = CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        bos_token_id=tokens.bos_token_id,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
    )
    return CLIPTextModel(config)


def tokenize(tokens: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    """Token ids (n, 32) int64, padded."""
    batch = tokens(captions, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt")
    ids: torch.Tensor = batch.input_ids
    return ids


def scene(rng: Random) -> world.Scene:
    """A scene with everything a caption can say, two styles now and then."""
    made = replace(world.any_scene(rng), styles=())
    count = rng.choice((0, 0, 1, 1, 2))
    return replace(made, styles=tuple(rng.sample(world.STYLES, count)))


def _targets(made: world.Scene, text: str) -> list[int]:
    """One class for each thing that the caption says or leaves out (the last class)."""
    said = text.replace(",", " ").split()

    def pick(values: tuple[str, ...]) -> int:
        return next((i for i, value in enumerate(values) if value in said), len(values))

    classes = [
        pick((*world.SUBJECTS, *world.CHARACTERS)),
        pick(tuple(world.COLOURS)),
        pick(world.BACKGROUNDS),
    ]
    classes += [pick(world.WORN), pick(world.CORNER), int(made.horned), int(made.sword)]
    return classes + [int(style in made.styles) for style in world.STYLES]


_SIZES = (
    len(world.SUBJECTS) + len(world.CHARACTERS) + 1,
    len(world.COLOURS) + 1,
    len(world.BACKGROUNDS) + 1,
    len(world.WORN) + 1,
    len(world.CORNER) + 1,
    *(2,) * (2 + len(world.STYLES)),
)


def run(job: Job) -> None:
    """Train the encoder and save tokenizer and encoder under `work/text`."""
    job.setup(21)
    tokens = tokenizer()
    model = build(tokens)
    heads = nn.ModuleList(nn.Linear(WIDTH, size) for size in _SIZES)
    own = nn.Linear(WIDTH, len(tokens))
    params = [*model.parameters(), *heads.parameters(), *own.parameters()]
    optimizer = torch.optim.AdamW(params, lr=2e-3, weight_decay=0.01)
    rng, total, log = Random(22), job.count(1200), Log("text", 200)
    for step in range(total):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, total, 2e-3)
        scenes = [scene(rng) for _ in range(64)]
        captions = [world.caption(made, rng) for made in scenes]
        ids = tokenize(tokens, captions)
        out = model(ids)
        targets = torch.tensor([_targets(made, text) for made, text in zip(scenes, captions, strict=True)])
        losses = [F.cross_entropy(head(out.pooler_output), targets[:, i]) for i, head in enumerate(heads)]
        used = (ids != tokens.pad_token_id).float()
        token_loss = F.cross_entropy(own(out.last_hidden_state).transpose(1, 2), ids, reduction="none")
        loss = torch.stack(losses).sum() + (token_loss * used).sum() / used.sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        log.step(step, loss, len(ids))
    tokens.save_pretrained(job.work / "text" / "tokenizer")
    model.save_pretrained(job.work / "text" / "text_encoder")


def load(path: Path) -> tuple[CLIPTokenizer, CLIPTextModel]:
    """The trained tokenizer and encoder, frozen, float32."""
    model = CLIPTextModel.from_pretrained(path / "text_encoder", dtype=torch.float32)
    return CLIPTokenizer.from_pretrained(path / "tokenizer"), model.eval().requires_grad_(False)


@torch.no_grad()
def states(tokens: CLIPTokenizer, model: CLIPTextModel, captions: list[str]) -> torch.Tensor:
    """The hidden states (n, 32, 64) float32 that condition the UNet."""
    hidden: torch.Tensor = model(tokenize(tokens, captions)).last_hidden_state
    return hidden
