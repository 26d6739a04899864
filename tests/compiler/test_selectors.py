"""Selectors of layers: what they select, what is wrong with them, and what they leave out (M424, M425)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic import stdlib
from mosaic.compiler import Compiled
from mosaic.compiler.facts import AdapterFacts, ExpertFacts
from mosaic.compiler.types import Kind
from mosaic.compiler.weights.layers import Malformed, Selector, parse, short_words

UP = "unet.up_blocks.1.attentions.0.transformer_blocks.0"
NAMES = {
    "to_k": f"{UP}.attn2.to_k.weight",
    "to_out": f"{UP}.attn2.to_out.0.weight",
    "self": "unet.down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q.weight",
    "feed": "unet.mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj.weight",
    "resnet": "unet.down_blocks.1.resnets.0.conv1.weight",
    "bias": "unet.down_blocks.1.resnets.0.conv1.bias",
    "norm": "unet.conv_norm_out.weight",
    "time": "unet.down_blocks.1.resnets.0.time_emb_proj.weight",
    "in": "unet.down_blocks.0.attentions.1.proj_in.weight",
    "text": "text_encoder.encoder.layers.0.self_attn.k_proj.weight",
    "text2": "text_encoder_2.encoder.layers.10.mlp.fc1.weight",
    "joint": "transformer.transformer_blocks.3.attn.to_k.weight",
    "dual": "transformer.transformer_blocks.3.attn2.to_k.weight",
    "context": "transformer.transformer_blocks.3.ff_context.net.2.weight",
}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("attn2", "to_k to_out"),
        ("attn2.*", "to_k to_out"),
        ("attn1", "self"),
        ("attn?", "to_k to_out self dual"),
        ("attn2.to_k", "to_k"),
        ("attn2.to_k, attn1.to_q", "to_k self"),
        ("to_out.0", "to_out"),
        ("up.attn2", "to_k to_out"),
        ("up.1.attn2.to_k", "to_k"),
        ("up.0", ""),
        ("attn2.up", ""),
        ("down", "self resnet bias time in"),
        ("down.0", "self in"),
        ("down.1", "resnet bias time"),
        ("down.resnets.0", "resnet bias time"),
        ("down.*.conv", "resnet bias"),
        ("mid", "feed"),
        ("ff", "feed context"),
        ("conv", "resnet bias"),
        ("conv.weight", "resnet"),
        ("conv*", "resnet bias norm"),
        ("time", "time"),
        ("proj_*", "in"),
        ("proj", "feed"),
        ("ff.net.0.proj", "feed"),
        ("te", "text text2"),
        ("text_encoder", "text"),
        ("te.layers.0", "text"),
        ("te.layers.1", ""),
        ("te, !te.mlp", "text"),
        ("!te, !unet", "joint dual context"),
        ("transformer.attn", "joint"),
        ("transformer.attn*", "joint dual"),
        ("layers.1*", "text2"),
        ("layers.1?", "text2"),
        ("unet , ! down", "to_k to_out feed norm"),
        ("*", " ".join(NAMES)),
        ("to_?.weight", "to_k self joint dual"),
        ("transformer_blocks.0.attn2.to_k.weight", "to_k"),
        ("blocks", ""),
        ("*_blocks.1", "to_k to_out resnet bias time"),
    ],
)
def test_what_is_selected(text: str, selected: str) -> None:
    selector = parse(text)
    assert isinstance(selector, Selector)
    assert [key for key, name in NAMES.items() if selector.selects(name)] == [
        key for key in NAMES if key in selected.split()
    ]
    assert selector.selects_any(NAMES.values()) == bool(selected)


@pytest.mark.parametrize(
    ("text", "offset", "length", "reason"),
    [
        ("", 0, 1, "a word is missing"),
        ("attn2,", 6, 1, "a word is missing"),
        ("attn2, ,ff", 7, 1, "a word is missing"),
        ("attn2..to_k", 6, 1, "a word is missing"),
        ("!", 1, 1, "a word is missing"),
        ("attn2 to_k", 5, 1, "a word is made of"),
        ("ff, [ab]", 4, 1, "a word is made of"),
        ("ff, 12.to_k", 4, 2, "a number belongs"),
        ("!! te", 1, 1, "a word is made of"),
    ],
)
def test_what_is_wrong(text: str, offset: int, length: int, reason: str) -> None:
    found = parse(text)
    assert isinstance(found, Malformed)
    assert (found.offset, found.length) == (offset, length)
    assert found.reason.startswith(reason)


@given(st.text())
def test_any_text_is_a_selector_or_says_where_it_is_none(text: str) -> None:
    found = parse(text)
    if isinstance(found, Malformed):
        assert 0 <= found.offset <= len(text)
    else:
        assert found.selects_any(NAMES.values()) in (True, False)


@given(st.sampled_from(sorted(NAMES.values())), st.data())
def test_some_parts_of_a_name_in_their_order_select_it(name: str, data: st.DataObject) -> None:
    parts = name.split(".")
    words = [part for part in parts if not part.isdigit() and part != "attn2"]
    kept = data.draw(
        st.lists(st.sampled_from(words), min_size=1, unique=True).map(lambda w: sorted(w, key=parts.index))
    )
    found = parse(".".join(kept))
    assert isinstance(found, Selector)
    assert found.selects(name)
    if len(kept) > 1:
        turned = parse(".".join(reversed(kept)))
        assert isinstance(turned, Selector)
        assert not turned.selects(name)


def test_words_for_what_is_there() -> None:
    assert short_words([NAMES["to_k"], NAMES["text2"]]) == ("up", "attn2", "te")
    assert short_words([NAMES["joint"]]) == ("attn",)
    assert short_words([]) == ()


CROSS = AdapterFacts(parts=("unet",), blocks=("down", "up"), attention=("cross",), modules=32)


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("attn2", True),
        ("attn1", False),
        ("mid", False),
        ("down.9", True),
        ("te", False),
        ("ff", True),
        ("up.attn1", False),
        ("te, attn2", True),
        ("!attn2", True),
        ("transformer.attn", False),
    ],
)
def test_what_notes_on_an_adapter_rule_out(text: str, may: bool) -> None:
    selector = parse(text)
    assert isinstance(selector, Selector)
    assert selector.may_select(CROSS) == may
    assert selector.may_select(replace(CROSS, modules=0))


Compile = Callable[..., Compiled]
Make = Callable[..., ExpertFacts]


def codes(
    compiled: Compile,
    made: Make,
    layers: str,
    *,
    family: str = "sd1",
    touched: Sequence[str] = (),
    adapter: AdapterFacts | None = None,
    expert: str = 'lora("x/style")',
) -> Mapping[str, Sequence[str]]:
    style = replace(made("x/style", Kind.LORA, family), adapter=adapter)
    base = replace(made("x/base", Kind.CHECKPOINT, family, "space-a", "v"))
    body = f'let base = checkpoint("x/base")\nlet look = fuse(base, {expert}, via: attention(layers: "{layers}"))\n'
    names = {name: touched for name in ("x/style", "x/base", "t/robot")}
    found = compiled(
        f'{body}emit look as "look.safetensors"',
        more=[style, base],
        touched=names,
        operators=stdlib.find_operators(),
    ).diagnostics
    return {each.code: each.help() for each in found if each.code in ("M424", "M425")}


def test_what_selects_nothing_of_an_expert_is_refused(compiled: Compile, made: Make) -> None:
    assert codes(compiled, made, "attn2", touched=[NAMES["to_k"]]) == {}
    found = codes(compiled, made, "attn1", touched=[NAMES["to_k"]])
    assert found == {"M425": ("it changes `up`, `attn2`",)}
    found = codes(compiled, made, "conv", touched=[NAMES["to_k"]], expert='checkpoint("t/robot") * 0.5')
    assert list(found) == ["M425"]


def test_what_selects_nothing_of_a_fused_model_is_refused(compiled: Compile, made: Make) -> None:
    touched = [NAMES["to_k"]]
    own = 'fuse(base, lora("x/style"), via: sum)'
    assert codes(compiled, made, "attn2", touched=touched, expert=own) == {}
    found = codes(compiled, made, "conv", touched=touched, expert=f"{own} * 0.5")
    assert found == {"M425": ("it changes `up`, `attn2`",)}
    # What an inner fusion leaves out is no change of the model.
    part = 'fuse(base, lora("x/style"), via: attention(layers: "attn2"))'
    assert codes(compiled, made, "up", touched=touched, expert=part) == {}
    both = [NAMES["to_k"], NAMES["self"]]
    assert codes(compiled, made, "attn1", touched=both, expert=own) == {}
    assert list(codes(compiled, made, "attn1", touched=both, expert=part)) == ["M425"]
    assert list(codes(compiled, made, "attn1", touched=both, expert=f"fuse({part}, base, via: sum)")) == [
        "M425"
    ]
    # Over another base it differs in that, too.
    robot = 'fuse(checkpoint("t/robot"), lora("x/style") * 0.5, via: attention)'
    assert codes(compiled, made, "attn1", touched=both, expert=robot) == {}
    # Without the headers what was noted down decides.
    assert codes(compiled, made, "attn2", adapter=CROSS, expert=own) == {}
    assert list(codes(compiled, made, "attn1", adapter=CROSS, expert=own)) == ["M425"]
    assert codes(compiled, made, "attn1", expert=own) == {}


def test_the_base_itself_changes_nothing(compiled: Compile, made: Make) -> None:
    assert list(codes(compiled, made, "attn2", touched=[NAMES["to_k"]], expert="base")) == ["M425"]


def test_what_is_no_one_model_is_said_once(compiled: Compile, made: Make) -> None:
    """M316 refuses it; which layers it changes is another question."""
    parted = 'fuse(base, lora("x/style"), via: composite)'
    assert codes(compiled, made, "conv", touched=[NAMES["to_k"]], expert=parted) == {}


def test_transformers_have_no_cross_attention(compiled: Compile, made: Make) -> None:
    for family in ("sd3", "flux"):
        found = codes(compiled, made, "attn2", family=family, touched=[NAMES["joint"], NAMES["dual"]])
        assert found["M425"][-1].startswith("a transformer has no cross-attention")
        assert codes(compiled, made, "attn", family=family, touched=[NAMES["joint"]]) == {}


def test_without_headers_what_was_noted_down_decides(compiled: Compile, made: Make) -> None:
    assert codes(compiled, made, "attn2", adapter=CROSS) == {}
    assert list(codes(compiled, made, "attn1", adapter=CROSS)) == ["M425"]
    assert codes(compiled, made, "attn1") == {}


def test_a_malformed_selector_is_said_once(compiled: Compile, made: Make) -> None:
    assert list(codes(compiled, made, "attn2,,", touched=[NAMES["to_k"]])) == ["M424"]


def test_a_selection_is_never_the_compilers_choice(compiled: Compile) -> None:
    """An operator that leaves layers out is used where a plan asks for it."""
    body = 'let base = checkpoint("t/base")\nemit fuse(base, lora("t/wash")) as "look.safetensors"'
    result = compiled(body, operators=stdlib.find_operators())
    (choices,) = result.choices.values()
    assert [choice.operator for choice in choices] == ["sum"]
