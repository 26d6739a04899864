"""One step of denoising: from a tree of models and prompts to one prediction.

A step walks the tree down to the leaves that take part, each with its share of the prediction at every place. Each
leaf is asked once for every prompt that counts and once without (classifier-free guidance, Ho & Salimans 2022,
arXiv:2207.12598); what is asked of the same weights goes through the denoiser in one batch, the unconditional rows
first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from mosaic.compiler.program import Region
from mosaic.compiler.steps import steps_until
from mosaic.runtime import regions
from mosaic.runtime.beside import Beside
from mosaic.runtime.evaluate import Evaluator
from mosaic.runtime.predictions import Level
from mosaic.runtime.regions import LoadMask
from mosaic.runtime.values import Conditioning, Mix, Model, Tree, Turn, Window, first_leaf
from mosaic.runtime.weights import Overlay

Share = float | torch.Tensor
"""How much of a prediction is a leaf's: everywhere the same, or (h, w)."""


@dataclass(frozen=True)
class Term:
    """A leaf that takes part in a step, its share, and the leaf that predicts without a prompt for it."""

    leaf: Model
    share: Share
    without: Model


@dataclass
class Predictor:
    """Predicts for latents of one size, (n, channels, h, w), in one denoising run of `total` steps."""

    tree: Tree
    positive: Conditioning
    negative: Conditioning
    guidance: float
    total: int
    height: int
    width: int
    load: LoadMask
    evaluator: Evaluator
    _tables: dict[int, Sequence[int]] = field(default_factory=dict)
    _masks: dict[Region, torch.Tensor] = field(default_factory=dict)
    _means: dict[tuple[object, ...], Model] = field(default_factory=dict)

    def terms(self, step: int) -> list[Term]:
        """The leaves that take part in a step (from 0), each once."""
        found: dict[tuple[int, int], Term] = {}
        for term in self._walk(self.tree, step, 1.0):
            key = (id(term.leaf), id(term.without))
            known = found.get(key)
            found[key] = term if known is None else replace(term, share=known.share + term.share)
        return list(found.values())

    def predict(
        self, terms: Sequence[Term], step: int, sample: torch.Tensor, timestep: torch.Tensor, level: Level
    ) -> torch.Tensor:
        """The guided prediction for a step, (n, channels, h, w) float32, of the run's kind.

        `sample` is the noisy latent as the scheduler hands it to a denoiser (variance preserving), `level` its noise
        level.
        """
        prompts = self._prompts(step)
        wanted: dict[tuple[int, int], tuple[Model, torch.Tensor]] = {}
        for term in terms:
            if self.guidance != 1:
                without = self.negative.prompts[0].hidden(term.without)
                wanted.setdefault((id(term.without), id(without)), (term.without, without))
        for term in terms:
            for prompt, _ in prompts:
                hidden = prompt.hidden(term.leaf)
                wanted.setdefault((id(term.leaf), id(hidden)), (term.leaf, hidden))
        predicted = self.evaluator.predictions(list(wanted.values()), sample, timestep, level)
        rows = dict(zip(wanted, predicted, strict=True))
        total: torch.Tensor | None = None
        for term in terms:
            guided: torch.Tensor | None = None
            for prompt, share in prompts:
                part = rows[id(term.leaf), id(prompt.hidden(term.leaf))]
                guided = _added(guided, _shared(part, share))
            assert guided is not None
            if self.guidance != 1:
                empty = rows[id(term.without), id(self.negative.prompts[0].hidden(term.without))]
                guided = empty + self.guidance * (guided - empty)
            total = _added(total, _shared(guided, term.share))
        assert total is not None
        return total

    def _walk(self, tree: Tree, step: int, share: Share) -> list[Term]:
        match tree:
            case Model():
                return [Term(tree, share, tree)]
            case Turn():
                on_turn = self._table(tree)[step]
                return self._walk(tree.rest if on_turn < 0 else tree.children[on_turn], step, share)
            case Mix():
                return self._mixed(tree, step, share)

    def _mixed(self, mix: Mix, step: int, share: Share) -> list[Term]:
        present = [i for i, window in enumerate(mix.windows) if self._is_open(window, step)]
        weights = [mix.strengths[i] * self._mask(mix.regions[i]) for i in present]
        stacked = torch.stack(weights) if weights else torch.zeros(0, self.height, self.width)
        shares = mix.shares(stacked)
        nodes = [mix.rest, *(mix.children[i] for i in present)]
        parts = [
            (node, self._walk(node, step, _simple(part) * share), float(part.mean()))
            for node, part in zip(nodes, shares, strict=True)
            if bool(part.any())
        ]
        terms = [term for _, found, _ in parts for term in found]
        if not mix.shares_unconditional or any(len(found) != 1 for _, found, _ in parts) or len(terms) == 1:
            return terms
        rest = self._walk(mix.rest, step, 1.0)
        if len(rest) != 1:
            return terms
        mean = self._mean(rest[0].leaf, [(found[0].leaf, part) for _, found, part in parts])
        return [replace(term, without=mean) for term in terms]

    def _mean(self, rest: Model, parts: Sequence[tuple[Model, float]]) -> Model:
        """A leaf whose changes of `rest` are the mean of the parts', by their shares."""
        key = (id(rest), *((id(leaf), part) for leaf, part in parts))
        if key not in self._means:
            self._means[key] = mean_leaf(rest, parts)
        return self._means[key]

    def _table(self, turn: Turn) -> Sequence[int]:
        if id(turn) not in self._tables:
            shares = [1.0] * len(turn.children)
            if turn.words:
                shares = influence(first_leaf(turn), self.positive.text, turn.words)
            self._tables[id(turn)] = turn.table(self.total, shares)
        return self._tables[id(turn)]

    def _prompts(self, step: int) -> list[tuple[Any, Share]]:
        """The prompts that count at a step. What has no region takes what the others leave."""
        prompts = [p for p in self.positive.prompts if p.weight and self._is_open(p.window, step)]
        if not prompts:
            return [(self.negative.prompts[0], 1.0)]
        placed = [p for p in prompts if p.region is not None]
        weights = {id(p): p.weight * self._mask(p.region) for p in prompts}
        taken = torch.stack([weights[id(p)] for p in placed]).sum(0) if placed else torch.zeros(())
        left = (1 - taken).clamp(min=0)
        free = sum(p.weight for p in prompts if p.region is None)
        shares: list[tuple[Any, Share]] = []
        for prompt in prompts:
            if prompt.region is None:
                share = left * (prompt.weight / free)
            else:
                # Without a prompt for everywhere, what is not covered goes by the nearest shares that there are.
                share = weights[id(prompt)] / (taken.clamp(min=1) if free else taken.clamp(min=1e-6))
            if bool(share.any()):
                shares.append((prompt, _simple(share)))
        return shares

    def _is_open(self, window: Window | None, step: int) -> bool:
        return window is None or (
            steps_until(window[0], self.total) <= step < steps_until(window[1], self.total)
        )

    def _mask(self, region: Region | None) -> torch.Tensor:
        if region is None:
            return torch.ones(self.height, self.width)
        if region not in self._masks:
            self._masks[region] = regions.weights(region, self.height, self.width, self.load)
        return self._masks[region]


def mean_leaf(rest: Model, parts: Sequence[tuple[Model, float]]) -> Model:
    """A leaf whose changes of `rest` are the mean of those of other leaves by their shares.

    To first order in the changes it predicts the mean of their predictions.
    """
    changed = [(leaf, part) for leaf, part in parts if leaf is not rest]
    strengths: dict[Any, float] = {}
    for leaf, part in changed:
        for each in leaf.beside[len(rest.beside) :]:
            strengths[each.adapter] = strengths.get(each.adapter, 0.0) + part * each.strength
    added = tuple(Beside(adapter, strength) for adapter, strength in strengths.items())
    dense = [(leaf, part) for leaf, part in changed if leaf.overlay is not rest.overlay]
    if not dense:
        return replace(rest, beside=(*rest.beside, *added))
    names = sorted({name for leaf, _ in dense for name in leaf.overlay})
    overlay = Overlay({name: partial(_mean_tensor, rest, dense, name) for name in names}, rest.overlay)
    same_voice = all(leaf.voice is rest.voice for leaf, _ in dense)
    return replace(
        rest,
        beside=(*rest.beside, *added),
        overlay=overlay.settle(),
        voice=rest.voice if same_voice else object(),
        text_content=rest.text_content if same_voice else "",
        hand=object() if any(leaf.hand is not rest.hand for leaf, _ in dense) else rest.hand,
    )


def _mean_tensor(rest: Model, parts: Sequence[tuple[Model, float]], name: str) -> torch.Tensor:
    own = rest.tensor(name)
    device = rest.base.device
    total = own.to(device=device.torch, dtype=torch.float32)
    for leaf, part in parts:
        if name in leaf.overlay:
            changed = leaf.overlay[name].to(device.torch).float()
            total = total + part * (changed - own.to(device.torch).float())
    return total.to(device.dtype).to(device.home)


FAINTEST = 0.05
"""The least influence that words have, so that no expert is forgotten."""


def influence(model: Model, text: str, words: Sequence[str]) -> list[float]:
    """How much the words of each expert change of a prompt's encoding, as shares that add up to one.

    One minus the cosine of the mean encoding (over all tokens) with and without the words, at least 0.05 (W-Switch,
    Tsoumplekas et al. 2026, arXiv:2606.03792).
    """
    encode = model.base.family.encode_text
    whole = encode(model, text).mean(dim=1)
    found = []
    for each in words:
        without = " ".join(text.replace(each, " ").split()) if each else text
        change = 1 - torch.cosine_similarity(whole, encode(model, without).mean(dim=1)).item()
        found.append(max(change, FAINTEST))
    return [value / sum(found) for value in found]


def _simple(share: torch.Tensor) -> Share:
    """A share that is the same everywhere as a number, so that it costs nothing and rounds nothing."""
    low, high = share.min().item(), share.max().item()
    return low if low == high else share


def _shared(part: torch.Tensor, share: Share) -> torch.Tensor:
    if isinstance(share, torch.Tensor):
        return part * share.to(part.device)
    return part if share == 1 else part * share


def _added(total: torch.Tensor | None, part: torch.Tensor) -> torch.Tensor:
    return part if total is None else total + part
