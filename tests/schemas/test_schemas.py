"""The published schemas: sound, standing alone, described, and one for all that is printed for programs."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from tests.schemas import deriving
from typer.testing import CliRunner

from mosaic import schemas
from mosaic.cli.app import app
from mosaic.compiler.comparing.changes import Aspect
from mosaic.compiler.cost.profile import Profile, Rates
from mosaic.compiler.facts import AdapterFacts, BridgeFacts, ExpertFacts, FileFact, Interference, Permissions
from mosaic.lock.verifying import State, Verdict
from mosaic.runtime.origin import Origin

ALL = (*schemas.names(), schemas.COMMON)
PAGE = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ALL)
def test_each_is_sound(name: str) -> None:
    schema = schemas.read(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:mosaic:schema:{name}:{schemas.VERSION}"
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    text = (Path(schemas.__file__).parent / f"{name}.json").read_text(encoding="utf-8")
    assert text == deriving.written(schema), "formatted otherwise"


@pytest.mark.parametrize("name", ALL)
def test_every_reference_leads_somewhere(name: str) -> None:
    registry: Registry[Any] = Registry().with_resources(
        (schemas.read(each)["$id"], Resource.from_contents(schemas.read(each))) for each in ALL
    )
    resolver = registry.resolver(schemas.read(name)["$id"])
    for part in _parts(schemas.read(name)):
        if "$ref" in part:
            assert resolver.lookup(part["$ref"]).contents


@pytest.mark.parametrize("name", schemas.names())
def test_each_stands_alone(name: str) -> None:
    whole = schemas.standalone(name)
    Draft202012Validator.check_schema(whole)
    for part in _parts(whole):
        if "$ref" in part:
            assert part["$ref"].removeprefix("#/$defs/") in whole["$defs"]
    assert {f"#/$defs/{key}" for key in whole.get("$defs", ())} <= {
        part["$ref"] for part in _parts(whole) if "$ref" in part
    }


@pytest.mark.parametrize("name", ALL)
def test_every_property_is_described(name: str) -> None:
    for part in _parts(schemas.read(name)):
        for key, value in part.get("properties", {}).items():
            referred = value.get("$ref", "").startswith(("urn:", "#"))
            assert value.get("description") or referred, key
            assert value.get("description", "A.").endswith((".", ":")), value["description"]


@pytest.mark.parametrize("name", ALL)
def test_what_is_always_there_is_required(name: str) -> None:
    for part in _parts(schemas.read(name)):
        if part.get("properties") and part.get("type"):
            assert set(part.get("required", ())) <= part["properties"].keys()
    if "properties" in (whole := schemas.read(name)):
        assert whole["required"]


@pytest.mark.parametrize("name", deriving.DERIVED)
def test_models_and_files_agree(name: str) -> None:
    """`python tests/schemas/deriving.py` writes them anew."""
    assert deriving.written(deriving.DERIVED[name]()) == deriving.written(schemas.read(name))


def test_nothing_is_described_that_no_model_has() -> None:
    said = {(model, key) for model, keys in deriving.described().items() for key in keys}
    derived = [derive() for derive in deriving.DERIVED.values()]
    texts = {part.get("description") for schema in derived for part in _parts(schema)}
    assert [(model, key) for model, key in said if deriving.described()[model][key] not in texts] == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("facts", ExpertFacts),
        ("file", FileFact),
        ("adapter", AdapterFacts),
        ("bridge", BridgeFacts),
        ("permissions", Permissions),
        ("interference", Interference),
    ],
)
def test_what_is_known_of_experts_is_all_there(name: str, kind: type) -> None:
    shown = schemas.read(schemas.COMMON)["$defs"][name]["properties"]
    assert sorted(shown) == sorted(field.name for field in dataclasses.fields(kind))


def test_a_profile_is_all_there() -> None:
    shown = schemas.read("profile")["properties"]
    assert shown.keys() - {"version"} == {field.name for field in dataclasses.fields(Profile)} - {"refined"}
    assert shown["rates"]["properties"].keys() == {field.name for field in dataclasses.fields(Rates)}


def test_words_are_those_of_the_code() -> None:
    change = schemas.read("diff")["$defs"]["change"]["properties"]
    assert change["aspect"]["examples"] == [aspect.value for aspect in Aspect]
    verify = schemas.read("verify")["properties"]
    assert set(verify["verdict"]["enum"]) == {verdict.value for verdict in Verdict}
    assert set(verify["findings"]["items"]["properties"]["state"]["enum"]) == {each.value for each in State}
    run = schemas.read("run")["properties"]
    assert list(run["sources"]["properties"]) == [origin.value for origin in Origin]


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object inside a schema; names of properties look like keywords, and are none."""
    if isinstance(schema, list):
        for each in schema:
            yield from _parts(each)
    if isinstance(schema, dict):
        yield schema
        for key, value in schema.items():
            if key in ("properties", "$defs"):
                for each in value.values():
                    yield from _parts(each)
            else:
                yield from _parts(value)


def _commands(of: typer.Typer, path: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    for command in of.registered_commands:
        assert command.callback is not None
        yield f"{path} {command.name}".strip(), command.callback
    for group in of.registered_groups:
        assert group.typer_instance is not None
        name = group.name if isinstance(group.name, str) else group.typer_instance.info.name
        yield from _commands(group.typer_instance, f"{path} {name}".strip())


def _prints_json(command: Callable[..., Any]) -> bool:
    """Whether it has an option `--json`, or a `--format` that may be `json`."""
    for hint in get_type_hints(command, include_extras=True).values():
        if get_origin(hint) is not Annotated:
            continue
        kind, *more = get_args(hint)
        # In an annotation the first name stands where a default would.
        flags = {
            flag for each in more for flag in (getattr(each, "default", None), *(each.param_decls or ()))
        }
        kinds = get_args(kind) or (kind,)
        values = {
            each.value for one in kinds if isinstance(one, type) and issubclass(one, Enum) for each in one
        }
        if "--json" in flags or ("--format" in flags and "json" in values):
            return True
    return False


def test_every_command_that_prints_json_has_a_schema() -> None:
    found = {path for path, command in _commands(app) if _prints_json(command)}
    assert len(found) > 20
    assert found == schemas.OF_COMMANDS.keys()
    assert set(schemas.OF_COMMANDS.values()) <= set(schemas.names())


def test_one_without_a_schema_would_be_found() -> None:
    other, inner = typer.Typer(), typer.Typer()
    kinds = Enum("kinds", {"TEXT": "text", "JSON": "json"}, type=str)

    def one(**given: Any) -> None: ...

    def two(**given: Any) -> None: ...

    def three(**given: Any) -> None: ...

    one.__annotations__ = {"as_json": Annotated[bool, typer.Option("--json")]}
    two.__annotations__ = {"as_text": Annotated[bool, typer.Option("--text")]}
    three.__annotations__ = {"form": Annotated[kinds | None, typer.Option("--format")]}
    other.command("one")(one)
    other.command("two")(two)
    inner.command("three")(three)
    other.add_typer(inner, name="more")
    assert [path for path, command in _commands(other) if _prints_json(command)] == ["one", "more three"]


def test_the_command_lists_them() -> None:
    done = CliRunner().invoke(app, ["schema"])
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(schemas.names())


@pytest.mark.parametrize("name", schemas.names())
def test_the_command_prints_one(name: str) -> None:
    done = CliRunner().invoke(app, ["schema", name])
    assert json.loads(done.stdout) == schemas.standalone(name)
    strict = CliRunner().invoke(app, ["schema", name, "--strict"])
    assert json.loads(strict.stdout) == schemas.closed(schemas.standalone(name))


def test_the_command_knows_no_others() -> None:
    done = CliRunner().invoke(app, ["schema", "plam"])
    assert done.exit_code == 2
    assert "perhaps plan" in done.output
    assert CliRunner().invoke(app, ["schema", "common"]).exit_code == 2


@given(st.sampled_from(schemas.names()), st.dictionaries(st.text(min_size=1), st.integers(), max_size=3))
def test_what_the_strict_form_takes_the_open_one_takes(name: str, document: dict[str, int]) -> None:
    whole = schemas.standalone(name)
    if Draft202012Validator(schemas.closed(whole)).is_valid(document):
        assert Draft202012Validator(whole).is_valid(document)


_SECTIONS = re.findall(
    r"^## .*`mosaic ([a-z ]+?)(?: …)?(?: --[a-z]+(?: json)?)`.*\n((?:.|\n)*?)(?=^## |\Z)", PAGE, re.M
)


def _examples() -> list[tuple[str, Any]]:
    return [
        (schemas.OF_COMMANDS[command], json.loads(_whole(text)))
        for command, section in _SECTIONS
        for text in re.findall(r"```json\n(.*?)```", section, re.S)
        if command in schemas.OF_COMMANDS
    ]


def _whole(text: str) -> str:
    """With digests where the page cuts them short."""
    text = text.replace('"sha256:…"', f'"sha256:{"a" * 64}"')
    return re.sub(r'("(?:sha256|digest|[^"]*\.json)": )"…"', rf'\1"{"a" * 64}"', text)


def test_the_page_has_examples() -> None:
    assert {name for name, _ in _examples()} >= {
        "compose",
        "diagnostics",
        "diff",
        "lock",
        "plan",
        "recover",
        "run",
        "verify",
    }


@pytest.mark.parametrize(("name", "document"), _examples())
def test_examples_of_the_page_have_their_shape(name: str, document: Any) -> None:
    strict = Draft202012Validator(schemas.closed(schemas.standalone(name)))
    wrong = [f"{error.json_path}: {error.message}" for error in strict.iter_errors(document)]
    assert wrong == []


def test_the_page_names_every_schema() -> None:
    assert [name for name in schemas.names() if f"`{name}`" not in PAGE] == []
