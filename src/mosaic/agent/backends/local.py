"""Plans by a language model in this process: any that transformers runs from a folder, held to the language by masks.

Nothing is fetched, no code of the folder is run, and weights are read from safetensors alone. A text ends whole before
its tokens run out (`masks`); where that cannot be, M864 says that it was cut off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mosaic.agent.backends.folders import check_folder, missing
from mosaic.agent.backends.replies import Unusable, json_in, writable
from mosaic.agent.backends.turns import Turn, prompt
from mosaic.agent.counting import most_tokens
from mosaic.agent.facets import read_facets
from mosaic.agent.prompting import (
    MOST_BRIEF,
    MOST_MENDING,
    answering,
    decomposing,
    digest,
    grammar,
    mending,
    render,
    writing,
)
from mosaic.agent.quoting import cleaned
from mosaic.agent.values import Brief, Decomposition, Draft, Estimate, Request, Round, Usage
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.models import AnswerUnusable

if TYPE_CHECKING:
    import torch

    from mosaic.agent.backends.masks import Vocabulary
    from mosaic.agent.spending import Spend

Reader = Callable[[Request], Decomposition]
"""Takes a request apart without a model."""

ROUNDS: Final = 3
"""Drafts of one composition, at most."""
LONGEST: Final = 1024
"""Tokens of an answer, unless told otherwise."""
FORM: Final = "structured_outputs"
"""How the prompt asks for a plan: alone, without words around it."""
_SHORTEST: Final = 64
"""Tokens that must be left to write in."""
_STRETCH: Final = 1024
"""Tokens of a prompt that are read in one go. Rounds begin alike: what was read of that in whole stretches is kept."""


class LocalBackend:
    """Implements `mosaic.agent.backend.Backend` by a causal language model in a folder: config.json, safetensors, and a
    fast tokenizer (tokenizer.json).

    At a `temperature` of zero the likeliest token is taken, else one is drawn, by `seed`: the same folder, device and
    settings give the same text. `most` bounds the tokens of an answer. With a `reader`, the model only writes plans.
    Raises MosaicError (M862) for a folder that is no model; what only shows when it is loaded is raised then.
    """

    name = "local"
    endpoint = ""

    def __init__(
        self,
        folder: Path | str,
        device: str = "auto",
        *,
        temperature: float = 0.0,
        seed: int = 0,
        most: int = LONGEST,
        reader: Reader | None = None,
        spend: Spend | None = None,
    ) -> None:
        self._folder = Path(folder)
        check_folder(self._folder)
        self.model = cleaned(self._folder.resolve().name, 80)
        self._device, self._temperature, self._seed, self._most = device, temperature, seed, most
        self._reader, self._spend = reader, spend

    def __repr__(self) -> str:
        return f"LocalBackend({self.model!r})"

    # The four of the protocol

    def estimate(self, request: Request) -> Estimate:
        """What one composition spends at most, before the model is loaded."""
        reading = 0 if self._reader is not None else 1
        system, asked = (most_tokens(text) for text in decomposing(request))
        prompt = most_tokens(render("write.j2", answer=answering(FORM, ""))) + MOST_BRIEF + asked
        sent = reading * (system + asked)
        sent += sum(prompt + before * (self._most + MOST_MENDING) for before in range(ROUNDS))
        calls = reading + ROUNDS
        return Estimate(calls=calls, input_tokens=sent, output_tokens=calls * self._most, rounds=ROUNDS)

    def decompose(self, request: Request) -> tuple[Decomposition, Usage]:
        """The parts of a request. Raises MosaicError: M864 where nothing is left to look for."""
        if self._reader is not None:
            return self._reader(request), Usage()
        from mosaic.agent.backends.masks import json_grammar
        from mosaic.agent.backends.reading import facets_schema

        system, user = decomposing(request)
        held = json_grammar(facets_schema(request.text))
        text, usage = self._ask([("system", system), ("user", user)], held)
        said = json_in(text)
        found = read_facets(said, request.text)
        if not found.facets:  # nobody asks for a picture of nothing: what is to be seen counts
            found = read_facets({**said, "avoided": []}, request.text)
        if not found.facets:
            raise self._unusable("no part of the request is left to look for", usage)
        return found, usage

    def draft(self, brief: Brief) -> Draft:
        """A first plan."""
        return self._write(brief, ())

    def repair(self, brief: Brief, rounds: Sequence[Round]) -> Draft:
        """Another plan, told what the compiler said of those before."""
        return self._write(brief, rounds)

    def _write(self, brief: Brief, rounds: Sequence[Round]) -> Draft:
        from mosaic.agent.backends.masks import plan_grammar

        told = writing(brief, answering(FORM, ""))
        turns: list[Turn] = [("system", told.system), ("user", told.user)]
        for each in rounds:
            turns += [("assistant", each.draft.plan), ("user", mending(each))]
        text, usage = self._ask(turns, plan_grammar(grammar(told.names)))
        sent = digest(*(said for _, said in turns))
        return Draft(plan=writable(text), usage=usage, prompt=sent, reply=digest(text))

    # Asking

    def _ask(self, turns: Sequence[Turn], held: str) -> tuple[str, Usage]:
        """A whole text that the grammar allows, and what it cost. Raises MosaicError (M862, M864, M865)."""
        if self._spend is not None:
            self._spend.allow()
        begun = time.monotonic()
        loaded = self._loaded
        sent = loaded.prompt(turns)
        most = min(self._most, loaded.context - len(sent))
        if most < min(_SHORTEST, self._most):
            raise missing(f"{self.model} reads {loaded.context:,} tokens, and the prompt has {len(sent):,}")
        try:
            text, written = loaded.write(sent, held, most, self._temperature, self._seed)
        except Unusable as error:
            usage = Usage(calls=1, input_tokens=len(sent), output_tokens=most)
            raise self._unusable(error.reason, usage, *error.advice) from None
        seconds = round(time.monotonic() - begun, 3)
        return text, Usage(calls=1, input_tokens=len(sent), output_tokens=written, seconds=seconds)

    @cached_property
    def _loaded(self) -> _Loaded:
        return _load(self._folder, self._device)

    def _unusable(self, reason: str, used: Usage, *advice: str) -> MosaicError:
        if self._spend is not None:
            self._spend.used(used)
        return MosaicError(AnswerUnusable(None, self.model, cleaned(reason, 200), advice))


class _Loaded:
    """A model and its tokenizer. Runs without gradients. What it writes does not depend on what it wrote before: kept
    are keys and values of whole stretches alone, which would be computed from the same in the same way."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._kept: tuple[Sequence[int], Any] = ((), None)  # tokens in whole stretches, their keys and values
        limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self.context: int = limit or 2**17
        # Scores of the last token alone, where the model can be told: those of a long prompt take gigabytes.
        is_told = "logits_to_keep" in signature(model.forward).parameters
        self._last = {"logits_to_keep": 1} if is_told else {}

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokens, as masks know them: as many as the model tells apart."""
        from llguidance.hf import from_tokenizer

        from mosaic.agent.backends.masks import Vocabulary

        size = max(self._model.config.get_text_config().vocab_size, len(self._tokenizer))
        return Vocabulary(from_tokenizer(self._tokenizer, n_vocab=size, eos_token=self._ends()))

    def _ends(self) -> list[int]:
        """The tokens that end an answer: the tokenizer's, and those that the model was made with."""
        said = self._model.generation_config.eos_token_id
        known = [self._tokenizer.eos_token_id, *(said if isinstance(said, list) else [said])]
        found = list(dict.fromkeys(id for id in known if id is not None))
        if not found:
            raise missing("its tokenizer has no token that ends a text")
        return found

    def prompt(self, turns: Sequence[Turn]) -> list[int]:
        """The tokens of what the model is told, ready for its answer."""
        return prompt(self._tokenizer, turns)

    def write(
        self, sent: Sequence[int], held: str, most: int, temperature: float, seed: int
    ) -> tuple[str, int]:
        """A text, and how many tokens it has. Raises Unusable."""
        import torch

        from mosaic.agent.backends.masks import Masked

        masked = Masked(self.vocabulary, held, most)
        chance = torch.Generator().manual_seed(seed)
        try:
            with torch.inference_mode():
                known, cache = self._known(sent)
                new: Sequence[int] = [*sent[known:], *masked.ids]
                while not masked.done:
                    scores, cache = self._read(new, cache)
                    new = masked.take(_drawn(scores, masked.allowed(), temperature, chance))
        except torch.OutOfMemoryError:
            raise Unusable("the device ran out of memory") from None
        if not masked.whole:
            raise Unusable(f"it was cut off after {most} tokens")
        return masked.text, len(masked.ids)

    def _known(self, sent: Sequence[int]) -> tuple[int, Any]:
        """How many tokens of a prompt are read, in whole stretches, and their keys and values to go on with."""
        whole = (len(sent) - 1) // _STRETCH * _STRETCH
        ids, cache = self._kept
        if len(ids) > whole or list(ids) != list(sent[: len(ids)]):
            ids, cache = (), None
        self._kept = ((), None)  # should reading fail, what is half read is not kept
        if len(ids) < whole:
            _, cache = self._read(sent[len(ids) : whole], cache)
        self._kept = (sent[:whole], cache)
        return whole, deepcopy(cache)

    def _read(self, new: Sequence[int], cache: Any) -> tuple[torch.Tensor, Any]:
        """Scores of the next token, (vocabulary,) in float32 on the processor, after some more were read."""
        import torch

        for start in range(0, len(new), _STRETCH):
            ids = torch.tensor([new[start : start + _STRETCH]], device=self._model.device)
            out = self._model(input_ids=ids, past_key_values=cache, use_cache=True, **self._last)
            cache = out.past_key_values
        return out.logits[0, -1].float().cpu(), cache


def _drawn(scores: torch.Tensor, allowed: Any, temperature: float, chance: torch.Generator) -> int:
    """The likeliest of the allowed tokens, or one drawn at a temperature."""
    import torch

    mask = torch.zeros(len(scores), dtype=torch.bool)
    size = min(len(scores), len(allowed))
    mask[:size] = torch.from_numpy(allowed[:size].copy())
    held = scores.nan_to_num(nan=-1e30, posinf=1e30, neginf=-1e30).masked_fill(~mask, -torch.inf)
    if temperature <= 0:
        return int(held.argmax())
    odds = torch.softmax(held.double() / temperature, dim=-1)
    return int(torch.multinomial(odds, 1, generator=chance))


# Loading


def _load(folder: Path, device: str) -> _Loaded:
    """A model from a folder, on a device. Raises MosaicError (M862)."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

    place = _place(device)
    dtype = "auto" if place.type == "cuda" else torch.float32
    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
            model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, dtype=dtype, **safe)
            model = model.to(place).eval()
    except (OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError, SafetensorError) as error:
        reason = cleaned(str(error) or type(error).__name__, 160)
        raise missing(f"{folder} cannot be loaded: {reason}") from None
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise missing(f"{folder} has no fast tokenizer")
    return _Loaded(model, tokenizer)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' bars on the terminal."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _place(device: str) -> torch.device:
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError):
        raise missing(f"there is no device `{cleaned(device, 40)}`") from None
