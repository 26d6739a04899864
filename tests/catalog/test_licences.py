"""The table of licences, and licences as people write them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from license_expression import get_license_index

from mosaic.catalog.licences import LicenceTable, normal
from mosaic.catalog.licences.table import _places, entries, entry, key_of
from mosaic.compiler.policy.terms import RIGHTS, Answer
from mosaic.compiler.policy.territories import COUNTRIES, EU, excluded, read

TABLE = LicenceTable()


def test_every_id_is_spelt_as_the_index_spells_it_or_is_our_own() -> None:
    spdx = {entry.get("spdx_license_key") for entry in get_license_index()}
    strange = [key for key in entries() if key not in spdx and not key.startswith("LicenseRef-mosaic-")]
    assert strange == []
    assert not [key for key in entries() if key.startswith("LicenseRef-mosaic-") and key in spdx]


def test_a_licence_read_alone_is_the_same_as_in_the_whole_table() -> None:
    assert list(_places()) == list(entries())
    assert [entry(key) for key in _places()] == list(entries().values())
    assert [dict(entry(key).why) for key in _places()] == [dict(terms.why) for terms in entries().values()]


def test_whatever_is_refused_or_owed_has_its_reason() -> None:
    for terms in entries().values():
        due = [right for right in RIGHTS if terms.answer(right) is not Answer.YES]
        due += ["credit"] if terms.credit else []
        due += ["lock"] if terms.lock else []
        due += ["revenue"] if terms.revenue is not None else []
        due += ["territory"] if terms.territories else []
        missing = [about for about in due if not terms.why.get(about)]
        assert missing == [], terms.key


def test_the_words_of_the_table_are_those_that_the_compiler_knows() -> None:
    for terms in entries().values():
        assert terms.credit in ("", "copies", "use"), terms.key
        assert {when for when, _ in terms.notices} <= {"copies", "serve", "use"}, terms.key
        assert set(terms.territories) <= {*COUNTRIES, "EU"}, terms.key
        assert set(terms.why) <= {*RIGHTS, "credit", "lock", "revenue", "territory", "restrictions"}, (
            terms.key
        )


def test_no_two_licences_share_a_name() -> None:
    for terms in entries().values():
        assert key_of(terms.key) == terms.key
        assert key_of(terms.label) == terms.key, terms.label


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Apache-2.0", "Apache-2.0"),
        ("apache 2.0", "Apache-2.0"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("mit", "MIT"),
        ("The MIT License", "MIT"),
        ("creativeml-openrail-m", "LicenseRef-scancode-stable-diffusion-2022-08-22"),
        ("CreativeML Open RAIL-M", "LicenseRef-scancode-stable-diffusion-2022-08-22"),
        ("openrail++", "LicenseRef-mosaic-openrail-pp-m"),
        ("CreativeML Open RAIL++-M License", "LicenseRef-mosaic-openrail-pp-m"),
        ("bigscience-openrail-m", "LicenseRef-scancode-bigscience-open-rail-m"),
        ("flux-1-dev-non-commercial-license", "LicenseRef-scancode-flux-1-nc"),
        ("stabilityai-ai-community", "LicenseRef-scancode-stability-ai-community-2024"),
        ("sai-nc-community", "LicenseRef-scancode-stability-ai-nc-2023-12-06"),
        ("fair-ai-public-license-1.0-sd", "LicenseRef-scancode-fair-ai-public-1.0-sd"),
        ("faipl-1.0-sd", "LicenseRef-scancode-fair-ai-public-1.0-sd"),
        ("playground-v2-community", "LicenseRef-scancode-playground-v2-community"),
        ("cc-by-nc-4.0", "CC-BY-NC-4.0"),
        ("CC BY-NC-SA 3.0", "CC-BY-NC-SA-3.0"),
        ("https://creativecommons.org/licenses/by-nc-nd/4.0/", "CC-BY-NC-ND-4.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("agpl-3.0", "AGPL-3.0-only"),
        ("wtfpl", "WTFPL"),  # known to the index, not to the table
        ("mit OR apache-2.0", "MIT OR Apache-2.0"),
        ("(MIT and CC-BY-4.0) or openrail++", "(MIT AND CC-BY-4.0) OR LicenseRef-mosaic-openrail-pp-m"),
        ("apache-2.0 with llvm-exception", "Apache-2.0 WITH LLVM-exception"),
        ("other", None),
        ("unknown", None),
        ("Other (see the card)", None),
        ("n/a", None),
        ("proprietary", None),
        ("", None),
        ("free for personal use and research", None),
        ("MIT OR", None),
        ("sdxl-turbo", None),  # two versions that differ: nobody guesses
    ],
)
def test_names_become_ids(text: str, expected: str | None) -> None:
    assert normal(text) == expected
    if expected is not None:
        assert normal(expected) == expected


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    found = normal(text)
    assert found is None or normal(found) == found
    TABLE.terms(text)


@settings(deadline=None)  # the first one builds the index
@given(st.lists(st.sampled_from(["MIT", "CC-BY-4.0", "AND", "OR", "WITH", "(", ")", "x"]), max_size=7))
def test_any_expression_is_read(words: list[str]) -> None:
    text = " ".join(words)
    found = normal(text)
    assert found is None or normal(found) == found
    TABLE.terms(text)


def test_expressions_are_choices_of_what_holds_together() -> None:
    def keys(expression: str) -> list[list[str]] | None:
        found = TABLE.terms(expression)
        return None if found is None else [[terms.key for terms in choice] for choice in found]

    assert keys("MIT") == [["MIT"]]
    assert keys("openrail++") == [["LicenseRef-mosaic-openrail-pp-m"]]
    assert keys("MIT AND CC-BY-4.0") == [["MIT", "CC-BY-4.0"]]
    assert keys("MIT OR CC-BY-4.0") == [["MIT"], ["CC-BY-4.0"]]
    assert keys("MIT AND (CC-BY-4.0 OR CC0-1.0)") == [["MIT", "CC-BY-4.0"], ["MIT", "CC0-1.0"]]
    assert keys("Apache-2.0 WITH LLVM-exception") == [["Apache-2.0"]]
    assert keys("WTFPL") is None
    assert keys("WTFPL OR MIT") == [["MIT"]]  # of what is not known nothing is taken
    assert keys("WTFPL AND MIT") is None


def test_an_expression_that_leaves_too_many_choices_is_no_licence() -> None:
    assert TABLE.terms(" AND ".join(["(MIT OR ISC)"] * 6)) is not None
    assert TABLE.terms(" AND ".join(["(MIT OR ISC)"] * 20)) is None
    assert TABLE.terms(" AND ".join(["MIT"] * 5000)) is None
    assert TABLE.terms("(" * 400 + "MIT OR ISC" + ")" * 400) is None
    assert normal("(" * 140 + "MIT OR ISC" + ")" * 140) is None


def test_two_versions_are_two_licences() -> None:
    ((old,),) = TABLE.terms("LicenseRef-mosaic-sdxl-turbo-2023") or ()
    ((new,),) = TABLE.terms("LicenseRef-mosaic-sdxl-turbo-2024") or ()
    assert (old.outputs, new.outputs) == (Answer.NO, Answer.YES)
    assert TABLE.terms("LicenseRef-mosaic-ltx-2-2026-01") != TABLE.terms("LicenseRef-mosaic-ltx-2-2026-08")


def test_a_single_id_needs_no_parser_of_expressions() -> None:
    script = (
        "import json, sys\n"
        "from mosaic.catalog.licences import LicenceTable\n"
        "assert LicenceTable().terms('CC-BY-NC-4.0') and LicenceTable().terms('no such licence') is None\n"
        "print(json.dumps('license_expression' in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) is False


def test_territories() -> None:
    assert len(EU) == 27
    assert read("de, FR") == ("DE", "FR")
    assert excluded(("EU", "GB"), ("DE", "US")) == ("DE",)
    assert excluded(("FR",), ("EU",)) == ("EU",)
    assert excluded(("KR",), ("WORLD",)) == ("WORLD",)
    assert excluded(("KR",), ("US", "CH")) == ()
    with pytest.raises(ValueError, match="UK"):
        read("DE UK")
