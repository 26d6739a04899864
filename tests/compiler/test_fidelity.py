"""Choosing by what was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic import stdlib
from mosaic.compiler import compile
from mosaic.compiler.cost.fidelity import Fidelity, Measured
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.source import SourceFile
from mosaic.project import Project

TWO, THREE = ("character", "style"), ("character", "clothes", "style")
TABLE = Fidelity(
    (
        Measured("sum", TWO, 0.9, 0.8, 1, 30),
        Measured("ties", TWO, 0.5, 0.4, 0.6, 30),
        Measured("ties", ("background", "character"), 0.7, 0.6, 0.8, 90),
        Measured("sum", THREE, 0.2, 0.1, 0.3, 30),
        Measured("ties", THREE, 0.4, 0.3, 0.5, 30),
        Measured("guidance", THREE, 0.3, 0.2, 0.4, 30),
    ),
    "a test",
)


def chosen(fused: str, fidelity: Fidelity = TABLE) -> tuple[str, str]:
    names = ("ghost", "neon", "hat", "snow", "heart", "sketch", "crown")
    lets = "\n".join(f'let {name} = lora("zoo/{name}")' for name in names)
    text = f"""mosaic 1
    plan p {{
      let base = checkpoint("zoo/base")
      {lets}
      emit sample(fuse(base, {fused}), prompt: "a red ghost", size: 64x64) as "p.png"
    }}"""
    source = SourceFile("<test>", text)
    context = replace(Project().context(source), fidelity=fidelity)
    compiled = compile(source, context)
    assert not compiled.has_errors, [d.title for d in compiled.diagnostics]
    (choice,) = compiled.choices["p"]
    return choice.operator, choice.reason


def test_the_best_measured_of_these_kinds_is_taken() -> None:
    assert chosen("ghost, neon") == (
        "sum",
        "the best measured, 90% of 30 pictures of such experts were right; one model evaluation a step",
    )
    assert chosen("neon, ghost, hat")[0] == "ties"


def test_kinds_that_were_not_measured_go_by_their_number() -> None:
    expected = TABLE.of("ties", ("style", "object"))
    assert expected is not None
    assert (round(expected.share, 3), expected.basis, expected.pictures) == (0.65, "so many", 120)
    assert chosen("neon, heart") == (
        "sum",
        "the best measured, 90% of 30 pictures of as many experts were right; one model evaluation a step",
    )
    assert "of 3 experts" in chosen("ghost, neon, hat, snow")[1]


def test_regions_were_not_measured_and_go_by_preference() -> None:
    operator, reason = chosen("ghost, neon in rect(0%, 0%, 50%, 100%), hat")
    assert (operator, "measured" in reason) == ("composite", False)


def test_what_does_not_fit_is_not_taken_however_good_it_is() -> None:
    better = Fidelity((*TABLE.rows, Measured("composite", THREE, 1, 1, 1, 30)), "a test")
    assert chosen("ghost, neon, hat", better)[0] == "composite"
    assert chosen("ghost, neon, hat, via: [ties, sum]", better)[0] == "ties", "of those that are allowed"


def test_what_the_plan_pins_holds() -> None:
    assert chosen("ghost, neon, hat, via: sum") == ("sum", "pinned by the plan")


def test_without_measurements_the_order_of_preference_holds() -> None:
    assert chosen("ghost, neon, hat", Fidelity())[0] == "sum"
    assert chosen("ghost")[0] == "sum", "one expert needs no composing"


def test_a_table_of_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"operator": "ties", "categories": list(TWO), "share": 0.5, "low": 0.4, "high": 0.6, "pictures": 9}
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"source": "mine", "rows": [row]}))
    monkeypatch.setenv("MOSAIC_FIDELITY", str(path))
    assert Project().context(SourceFile("<test>", "")).fidelity.source == "mine"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file"),
        ("[]", "list"),
        ("{", "Expecting"),
        ('{"source": ""}', "it has no `rows`"),
        ('{"source": "", "rows": [{"operator": "sum"}]}', "it has no `categories`"),
        ('{"source": "", "rows": [3]}', "int"),
        (
            '{"source": "", "rows": [{"operator": "a", "categories": [], "share": 2, "low": 0, "high": 1}]}',
            "between 0 and 1",
        ),
    ],
)
def test_a_broken_table_is_told(tmp_path: Path, text: str | None, reason: str) -> None:
    path = tmp_path / "mine.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(MosaicError) as caught:
        stdlib.fidelity(path)
    (found,) = caught.value.diagnostics
    assert found.code == "M887"
    assert reason in found.reason  # type: ignore[attr-defined]
