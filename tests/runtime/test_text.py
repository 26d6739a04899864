"""Prompts and embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mosaic.compiler.diagnostic import MosaicError
from mosaic.runtime import tokens

PROMPTS = ("", "a red cat", "The  RED\tcat, by the river!", "dog's 42nd <x> night", "über-katze 猫")


@pytest.fixture(scope="module")
def plain(tiny: Any) -> tokens.Tokens:
    text = (tiny.folder / "tokenizer" / "tokenizer.json").read_text()
    return tokens.from_json(text, {"model_max_length": 20}, 77)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_ids_equal_the_library_s(prompt: str, plain: tokens.Tokens, tiny: Any) -> None:
    theirs = tiny.tokenizer(prompt, padding="max_length", max_length=20, truncation=True).input_ids
    try:
        assert plain.encode(prompt) == theirs
    except MosaicError as error:
        assert error.diagnostics[0].code == "M455"
        assert len(tiny.tokenizer(prompt).input_ids) > 20


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_older_files_give_the_same_ids(prompt: str, plain: tokens.Tokens, tiny: Any) -> None:
    import json

    model = json.loads((tiny.folder / "tokenizer" / "tokenizer.json").read_text())["model"]
    merges = "#version: 0.2\n" + "\n".join(" ".join(pair) for pair in model["merges"])
    older = tokens.from_vocabulary(model["vocab"], merges, {"model_max_length": 40}, 40)
    wider = tokens.Tokens(plain.tokenizer, plain.begin, plain.end, plain.pad, 40)
    assert older.encode(prompt) == wider.encode(prompt)


def test_a_long_prompt_says_what_would_be_lost(tiny: Any, bench: Any, build: Any) -> None:
    model = build.load(tiny.expert)
    build.text(model, "a red cat a red cat a red cat a red cat a red cat a red cat and the end")
    with pytest.raises(MosaicError) as caught:
        bench.run(build)
    (found,) = caught.value.diagnostics
    assert found.code == "M455"
    assert "18" in found.message()
    assert found.help() == ("this part would be lost: `and the end`",)


@pytest.fixture
def hero(tmp_path: Path, make_expert: Any) -> Any:
    """An embedding of three vectors."""
    torch.manual_seed(3)
    save_file({"<hero>": torch.randn(3, 64)}, tmp_path / "hero.safetensors")
    return make_expert(tmp_path / "hero.safetensors", "embedding", trigger="<hero>")


def test_an_embedding_equals_diffusers(hero: Any, tiny: Any, bench: Any, build: Any) -> None:
    model = build.load(tiny.expert)
    look = build.fuse(model, (hero, 1.0))
    prompt = "a <hero> by the river, <HERO>"
    ours = build.sample(look, {"positive": build.text(look, prompt), "negative": build.text(look, "")})
    plain = build.sample(model, build.prompts(model, "a red cat by the river"))
    ours, plain = bench.latents(build, ours, plain)
    oracle = tiny.pipeline(use="words")
    oracle.load_textual_inversion(hero.files[0].location, token="<hero>")
    theirs = oracle(
        prompt.replace("<HERO>", "<hero>"),
        negative_prompt="",
        num_inference_steps=4,
        guidance_scale=3.0,
        width=16,
        height=16,
        generator=torch.Generator("cpu").manual_seed(7),
        output_type="latent",
    ).images
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ours, plain)


def test_single_vectors_are_words_too(hero: Any, plain: tokens.Tokens) -> None:
    three = plain.adding("<hero>", (100, 101, 102)).adding("<hero>_1", (101,))
    assert three.encode("<hero> <hero>_1")[1:5] == [100, 101, 102, 101]


def test_an_embedding_leaves_the_base_as_it_was(hero: Any, tiny: Any, bench: Any, build: Any) -> None:
    model = build.load(tiny.expert)
    before = build.sample(model)
    build.fuse(model, (hero, 1.0))
    after = build.sample(model)
    before, after = bench.latents(build, before, after)
    assert torch.equal(before, after)


@pytest.mark.parametrize("word", ["cat", "CAT", "<|endoftext|>", "b"])
def test_a_taken_token_is_refused(word: str, tiny: Any, bench: Any, build: Any, make_expert: Any) -> None:
    path = bench.folder / "w.safetensors"
    save_file({"emb_params": torch.zeros(1, 64)}, path)
    build.fuse(build.load(tiny.expert), (make_expert(path, "embedding", trigger=word), 1.0))
    with pytest.raises(MosaicError) as caught:
        bench.run(build)
    assert caught.value.diagnostics[0].code == "M454"


def test_the_same_embedding_twice_is_refused(hero: Any, tiny: Any, bench: Any, build: Any) -> None:
    once = build.fuse(build.load(tiny.expert), (hero, 1.0))
    build.fuse(once, (hero, 1.0))
    with pytest.raises(MosaicError) as caught:
        bench.run(build)
    assert caught.value.diagnostics[0].code == "M454"


def test_an_embedding_of_another_width_is_refused(
    tiny: Any, bench: Any, build: Any, make_expert: Any
) -> None:
    path = bench.folder / "w.safetensors"
    save_file({"<w>": torch.zeros(1, 768)}, path)
    build.fuse(build.load(tiny.expert), (make_expert(path, "embedding", trigger="<w>"), 1.0))
    with pytest.raises(MosaicError) as caught:
        bench.run(build)
    assert caught.value.diagnostics[0].code == "M453"
    assert "64 wide" in caught.value.diagnostics[0].message()


def test_embeddings_go_with_other_experts(
    hero: Any, tiny: Any, tuned: Any, kohya_lora: Path, bench: Any, build: Any, make_expert: Any
) -> None:
    lora = make_expert(kohya_lora, "lora")
    model = build.load(tiny.expert)
    one = build.fuse(model, (tuned.expert, 0.5), (hero, 1.0), (lora, 0.3))
    two = build.fuse(model, (hero, 1.0), (lora, 0.3), (tuned.expert, 0.5))
    looks = [build.sample(look, build.prompts(look, "a <hero>")) for look in (one, two)]
    first, second = bench.latents(build, *looks)
    torch.testing.assert_close(first, second)
