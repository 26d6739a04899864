"""GitHub annotations, GitLab's code quality report, JUnit."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml
from tests.reporting.made_up import BASKET, FULL, NOTE, NOWHERE, RIPE, WrongFruit, at

from mosaic.compiler.diagnostic import Diagnostic, Severity
from mosaic.compiler.reporting import Format, render
from mosaic.compiler.source import SourceFile

COMMAND = re.compile(r"::(error|warning|notice) ((?:[^:,=]+=[^:,]*,?)+)::(.*)")
ODD = st.text(st.characters(), max_size=30)


def said(format: Format, *found: Diagnostic, strict: bool = False) -> str:
    return render(format, found, (BASKET.name, "clean.fruit"), exit_code=1, strict=strict)


def unescaped(text: str) -> str:
    for sign, spelling in ((":", "%3A"), (",", "%2C"), ("\n", "%0A"), ("\r", "%0D"), ("%", "%25")):
        text = text.replace(spelling, sign)
    return text


def test_github() -> None:
    assert said(Format.GITHUB, FULL, RIPE, NOTE, NOWHERE).splitlines() == [
        "::error file=market/basket.fruit,line=1,col=7,endLine=1,endColumn=13,title=M142"
        "::apples too many: grown elsewhere%0Ahelp: eat some%0Ahelp: or bake%0Aa cake",
        "::warning file=market/basket.fruit,line=2,col=7,endLine=2,endColumn=13,title=M143"
        "::plums too many: grown elsewhere",
        "::notice file=market/basket.fruit,line=1,col=15,endLine=1,endColumn=16,title=M144"
        "::pears too many: grown elsewhere",
        "::error title=M142::plums too many: grown elsewhere",
    ]


def test_github_takes_no_columns_of_several_lines() -> None:
    assert "col" not in said(Format.GITHUB, WrongFruit(BASKET.span(2, 30), "x")).lower()


def test_github_of_nothing() -> None:
    assert said(Format.GITHUB) == ""


@given(ODD, ODD, ODD)
def test_github_is_one_command_whatever_the_words(name: str, fruit: str, advice: str) -> None:
    source = SourceFile(name, "pear")
    text = said(Format.GITHUB, WrongFruit(source.span(0, 4), fruit, advice=(advice,)))
    (line,) = text.splitlines()
    command = COMMAND.fullmatch(line)
    assert command is not None
    properties = dict(pair.split("=", 1) for pair in command[2].split(","))
    assert list(properties) == ["file", "line", "col", "endLine", "endColumn", "title"]
    plain = "".join(char for char in name if char.isascii() and char.isprintable())
    shown = unescaped(properties["file"])
    assert "".join(char for char in shown if char.isascii()) == plain


def test_gitlab() -> None:
    entries = json.loads(said(Format.GITLAB, FULL, RIPE, NOTE, NOWHERE, FULL))
    assert [entry["severity"] for entry in entries] == ["major", "minor", "info", "major", "major"]
    assert entries[0]["check_name"] == "M142"
    assert entries[1]["location"] == {"path": "market/basket.fruit", "lines": {"begin": 2, "end": 2}}
    assert len({entry["fingerprint"] for entry in entries}) == len(entries)


def test_gitlab_of_all_cases(everything: tuple[Diagnostic, ...]) -> None:
    entries = json.loads(said(Format.GITLAB, *everything))
    assert len({entry["fingerprint"] for entry in entries}) == len(entries) == len(everything)
    for entry in entries:
        assert set(entry) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert entry["description"]
        assert not PurePosixPath(entry["location"]["path"]).is_absolute()
        assert not entry["location"]["path"].startswith("./")
        assert entry["location"]["lines"]["begin"] >= 1


def test_junit() -> None:
    report = JUnitXml.fromstring(said(Format.JUNIT, FULL, RIPE, NOWHERE).encode())
    suites = {suite.name: suite for suite in report}
    assert list(suites) == ["market/basket.fruit", "clean.fruit", "mosaic"]
    assert (report.tests, report.failures, report.errors) == (4, 1, 1)
    wrong, ripe = suites["market/basket.fruit"]
    assert (wrong.name, wrong.classname) == ("M142 at 1:7", "market/basket.fruit")
    (failure,) = wrong.result
    assert (failure.type, failure.message) == ("M142", "apples too many")
    assert "put 3 apples" in failure.text
    assert ripe.is_passed
    assert "plums too many" in ripe.system_out
    (clean,) = suites["clean.fruit"]
    assert clean.is_passed


def test_junit_fails_by_warnings_where_they_do() -> None:
    report = JUnitXml.fromstring(said(Format.JUNIT, RIPE, NOTE, strict=True).encode())
    assert (report.tests, report.failures, report.errors) == (3, 1, 0)


@given(ODD, ODD, ODD)
def test_junit_is_well_formed_whatever_the_words(name: str, fruit: str, line: str) -> None:
    source = SourceFile(name, f"{line}pear")
    found = WrongFruit(source.span(len(line), len(line) + 4), fruit, advice=(fruit,))
    text = render(Format.JUNIT, [found, WrongFruit(None, fruit)], (name,))
    assert ElementTree.fromstring(text.encode("utf-8")).tag == "testsuites"


def test_junit_of_all_cases(everything: tuple[Diagnostic, ...]) -> None:
    root = ElementTree.fromstring(said(Format.JUNIT, *everything).encode())
    failing = sum(diagnostic.severity is Severity.ERROR for diagnostic in everything)
    assert len(root.findall("*/*/failure")) + len(root.findall("*/*/error")) == failing
    assert root.get("tests") == str(len(root.findall("*/testcase")))


def test_text_and_json_are_what_they_were() -> None:
    from mosaic.compiler.reporting.document import json_report
    from mosaic.compiler.reporting.text import render_text

    assert said(Format.TEXT, FULL) == render_text([FULL])
    assert json.loads(said(Format.JSON, FULL)) == json_report([FULL], files=2)


@given(ODD, ODD)
def test_no_form_of_json_steers_a_terminal(name: str, fruit: str) -> None:
    found = WrongFruit(at("pears", SourceFile(name, BASKET.text)), fruit)
    for format in (Format.JSON, Format.SARIF, Format.GITLAB):
        text = render(format, [found], (name,))
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800-\udfff]", text)
        text.encode("utf-8")
