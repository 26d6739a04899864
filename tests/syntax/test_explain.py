"""The manual pages of diagnostics."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from mosaic.compiler.diagnostic import Diagnostic, Severity
from mosaic.compiler.explain import diagnostics, explain_code, page

KINDS = diagnostics()


def test_no_two_kinds_share_a_code() -> None:
    assert {code: n for code, n in Counter(kind.code for kind in KINDS).items() if n > 1} == {}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_has_a_page_with_an_example(kind: type[Diagnostic]) -> None:
    assert re.fullmatch(r"M\d\d\d", kind.code)
    assert kind.severity in Severity
    assert kind.title
    assert len(page(kind).splitlines()) >= 3
    assert re.search(r"^    \S|`[^`]+`", page(kind), re.MULTILINE), "no example"


def test_a_page_is_found_by_its_code_in_any_case() -> None:
    found = explain_code(" m101 ")
    assert found is not None
    assert found.startswith("M101 (error): the header `mosaic 1` is missing\n\n")
    assert "\n\n    plan alley { ... }        # M101" in found


def test_fields_of_a_title_are_left_open() -> None:
    found = explain_code("M119")
    assert found is not None
    assert found.startswith("M119 (error): unknown unit `…`\n")


@pytest.mark.parametrize("code", ["M999", "", "fuse", "M1"])
def test_unknown_codes_have_no_page(code: str) -> None:
    assert explain_code(code) is None
