"""Plans as JSON: the schema is strict, and what it holds of a plan survives the way there and back."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.agent.tree_json import NotATree, schema, to_json, to_text
from mosaic.compiler.diagnostic import Sink
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.format import format_file
from mosaic.compiler.syntax.parse import parse
from mosaic.compiler.verbs import VERBS

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.mosaic"))
NAMES = {
    "checkpoint": ["zoo/base"],
    "lora": ["zoo/neon", 'odd "id"'],
    "embedding": [],
    "control": [],
    "vae": [],
}
PLAN = 'mosaic 1\n\nplan p {\n  let base = checkpoint("zoo/base")\n  emit sample(base, prompt: "a cat") as "p.png"\n}\n'


def read(text: str) -> tree.File:
    sink = Sink()
    file = parse(SourceFile("<plan>", text), sink)
    assert file is not None and not list(sink), [d.message() for d in sink]
    return file


def held(text: str) -> str:
    """A plan without what the schema leaves out, in canonical form."""
    file = read(text)
    dropped = [item.span for item in file.items if isinstance(item, tree.Use | tree.Define)]
    spans = sorted([*dropped, *(comment.span for comment in file.comments)], key=lambda span: -span.start)
    for span in spans:
        text = text[: span.start] + text[span.end :]
    found = format_file(read(text))
    found = re.sub(r"\n{2,}(?= )", "\n", found)  # empty lines within a block
    moved = re.findall(r"^  ((?:budget|policy) \{.*\})\n", found, re.MULTILINE)
    found = re.sub(r"^  (?:budget|policy) \{.*\}\n", "", found, flags=re.MULTILINE)
    return format_file(read(found.replace("mosaic 1\n", "mosaic 1\n\n" + "\n\n".join(moved) + "\n", 1)))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_survive_the_way_there_and_back(path: Path) -> None:
    expected = held(path.read_text(encoding="utf-8"))
    document = to_json(read(expected))
    assert to_text(document) == expected
    ids: dict[str, list[str]] = {kind: [] for kind in NAMES}
    for expert in experts(document):
        ids[expert["kind"]].append(expert["id"])
    called = [name for name in (*VERBS, "ties", "house.night_wash", "house.portrait", "looks.styled")]
    jsonschema.validate(document, schema(ids, called))


def experts(document: Any) -> Iterator[dict[str, str]]:
    if isinstance(document, dict):
        if document.get("is") == "expert":
            yield document
        document = list(document.values())
    if isinstance(document, list):
        for each in document:
            yield from experts(each)


def objects(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, dict):
        if document.get("type") == "object":
            yield document
        for each in document.values():
            yield from objects(each)
    elif isinstance(document, list):
        for each in document:
            yield from objects(each)


def test_the_schema_is_strict() -> None:
    found = schema(NAMES)
    jsonschema.Draft202012Validator.check_schema(found)
    assert len(list(objects(found))) > 10
    for each in objects(found):
        assert each["additionalProperties"] is False
        assert each["required"] == list(each["properties"])


def test_no_other_expert_can_be_named() -> None:
    document = to_json(read(PLAN))
    jsonschema.validate(document, schema(NAMES))
    for kind, id in (
        ("checkpoint", "zoo/other"),
        ("lora", "zoo/base"),
        ("embedding", "zoo/neon"),
        ("vae", ""),
    ):
        other = copy.deepcopy(document)
        other["statements"][0]["value"] |= {"kind": kind, "id": id}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(other, schema(NAMES))


@pytest.mark.parametrize("verb", ["lora", "checkpoint", "find", "load_image", "mask", "control"])
def test_what_names_experts_by_other_ways_cannot_be_called(verb: str) -> None:
    document = to_json(read(PLAN))
    document["statements"][0]["value"] = {"is": "call", "function": verb, "arguments": []}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema(NAMES))


@given(text=st.text(max_size=30), strength=st.decimals(0, 2, places=2))
def test_any_words_stand_in_a_prompt(text: str, strength: Any) -> None:
    document = to_json(read(PLAN))
    prompt = document["statements"][1]["value"]["arguments"][1]
    prompt["value"]["text"] = text.replace("{", "{{").replace("}", "}}")
    document["statements"][0]["value"] = {
        "is": "strength", "expert": {"is": "name", "name": "x"}, "by": {"is": "number", "number": str(strength)}
    }  # fmt: skip
    found = to_json(read(to_text(document)))
    said = found["statements"][1]["value"]["arguments"][1]["value"]["text"]
    shown = "".join(char if char.isprintable() or char == "\n" else " " for char in prompt["value"]["text"])
    assert said == shown


def expressions() -> st.SearchStrategy[Any]:
    names = st.sampled_from(["base", "look", "house.glow"]).map(lambda name: {"is": "name", "name": name})
    numbers = st.sampled_from(["20", "0.8", "30%", "64x64", "2s"]).map(
        lambda n: {"is": "number", "number": n}
    )
    ids = st.sampled_from(NAMES["lora"]).map(lambda id: {"is": "expert", "kind": "lora", "id": id})
    flags = st.booleans().map(lambda flag: {"is": "flag", "flag": flag})
    texts = st.sampled_from(["a cat", "{hero}, night", 'a "quoted" \\ cat', ""]).map(
        lambda t: {"is": "text", "text": t}
    )
    leaves = st.one_of(names, numbers, ids, flags, texts)

    def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        argument = st.fixed_dictionaries({"key": st.sampled_from([None, "prompt", "seed"]), "value": inner})
        functions = st.sampled_from(["fuse", "sample"])
        return st.one_of(
            st.fixed_dictionaries({"is": st.just("list"), "items": st.lists(inner, max_size=3)}),
            st.fixed_dictionaries(
                {"is": st.just("call"), "function": functions, "arguments": st.lists(argument, max_size=3)}
            ),
            st.fixed_dictionaries({"is": st.just("strength"), "expert": names, "by": numbers}),
            st.fixed_dictionaries({"is": st.just("region"), "expert": ids, "within": names}),
            st.fixed_dictionaries({"is": st.just("window"), "expert": names, "start": numbers, "end": numbers}),
            st.fixed_dictionaries({"is": st.just("range"), "low": numbers, "high": numbers}),
        )  # fmt: skip

    return st.recursive(leaves, grown, max_leaves=6)


@given(st.lists(expressions(), min_size=1, max_size=3))
def test_whatever_the_schema_allows_is_read_back(values: list[Any]) -> None:
    statements = [{"is": "let", "name": f"x{place}", "value": value} for place, value in enumerate(values)]
    document = {"budget": [], "policy": [], "params": [], "plan": "p", "statements": statements}
    jsonschema.validate(document, schema(NAMES))
    assert to_json(read(to_text(document))) == document


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("plan"),
        lambda d: d.update(statements={}),
        lambda d: d.update(plan=7),
        lambda d: d["statements"].append("let x = 1"),
        lambda d: d["statements"][0].update({"is": "delete"}),
        lambda d: d["statements"][0].update(name='x = lora("zoo/other")\n  let y'),
        lambda d: d["statements"][0].update(value={"is": "number", "number": "1 # 2"}),
        lambda d: d["statements"][0].update(value={"is": "name", "name": 'lora("zoo/other")'}),
        lambda d: d["statements"][0].update(value=None),
    ],
)
def test_other_shapes_are_refused(change: Any) -> None:
    document = to_json(read(PLAN))
    change(document)
    with pytest.raises(NotATree):
        to_text(document)


def test_depth_is_bounded() -> None:
    value: dict[str, Any] = {"is": "number", "number": "1"}
    for _ in range(10_000):
        value = {"is": "list", "items": [value]}
    document = to_json(read(PLAN))
    document["statements"][0]["value"] = value
    with pytest.raises(NotATree, match="too deep"):
        to_text(document)


def test_mistakes_of_the_language_are_left_to_the_compiler() -> None:
    document = to_json(read(PLAN))
    document["statements"][0]["value"] = {"is": "number", "number": "2sec"}
    assert "let base = 2sec" in to_text(document)


@pytest.mark.parametrize(
    "text", ["mosaic 1\n\nuse std.looks\n\nplan p {}\n", "mosaic 1\n", "mosaic 1\n\nplan a {}\n\nplan b {}\n"]
)
def test_what_json_does_not_hold(text: str) -> None:
    with pytest.raises(NotATree):
        to_json(read(text))
