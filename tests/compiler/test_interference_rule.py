"""M430, M431, M432: pairs of LoRAs are judged by how their deltas meet, at the strengths of the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mosaic.compiler import compile
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.facts import ExpertFacts, FileFact, Interference
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.types import Kind
from mosaic.project import Project
from mosaic.stdlib import find_operators

LAYERS = (("unet_mid_block_attentions_0_proj_in", 0.61), ("unet_conv_in", -0.2))
UNRELATED = Interference(0.01, 0.061, 0.4, 72, LAYERS, 0.06)
CROWDED = Interference(0.01, 0.084, 0.4, 72, LAYERS, 0.06)
ALIKE = Interference(0.8, 0.9, 0.0, 72, LAYERS, 0.06)
AGAINST = Interference(-0.6, 0.9, 1.0, 72, LAYERS, 0.06)
APART = Interference(0.0, 0.0, 0.0, 0)


def _expert(name: str, family: str = "sd1") -> ExpertFacts:
    kind = Kind.CHECKPOINT if name in ("base", "robot") else Kind.LORA
    file = FileFact("adapter", f"{name:0<64}", 1, name, f"{name}.safetensors")
    whole = kind is Kind.CHECKPOINT
    space, prediction = ("a", "v") if whole else (None, None)
    return ExpertFacts(
        name, kind, family, space, prediction, (file,), native_size=(64, 64) if whole else None
    )


@dataclass
class Pairs:
    """Experts of any name, and what is known of one pair; questions are noted down."""

    known: Interference | None
    families: Mapping[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def resolve(self, kind: Kind, reference: str, span: Span) -> ExpertFacts | Diagnostic:
        return _expert(reference, self.families.get(reference, "sd1"))

    def interference(self, first: ExpertFacts, second: ExpertFacts) -> Interference | None:
        self.asked.append((first.id, second.id))
        return self.known if {first.id, second.id} == {"neon", "wash"} else None

    def __getattr__(self, name: str) -> object:
        from mosaic.compiler.facts import Coverage

        answers = {
            "coverage": Coverage(1, 1),
            "tokens": None,
            "names": (),
            "find": (),
            "fitting": (),
            "touches": (),
        }
        return lambda *given: answers[name]


def judged(model: str, pairs: Pairs, before: str = "") -> Sequence[Diagnostic]:
    text = f"""mosaic 1
{before}
plan p {{
  let base = checkpoint("base")
  let robot = checkpoint("robot")
  let neon = lora("neon")
  let wash = lora("wash")
  let hat = lora("hat")
  emit sample({model}, prompt: "a cat", steps: 1) as "a.png"
}}
"""
    context = Context(pairs, Project().context(SourceFile("p.mosaic", text)).files, find_operators())  # type: ignore[arg-type]
    found = compile(SourceFile("p.mosaic", text), context).diagnostics
    return [each for each in found if each.code.startswith("M43")]


@pytest.mark.parametrize(
    ("model", "known", "code"),
    [
        ("fuse(base, neon, wash)", None, ""),
        ("fuse(base, neon, wash)", APART, ""),
        ("fuse(base, neon, wash)", UNRELATED, ""),
        ("fuse(base, neon, wash)", CROWDED, "M430"),
        ("fuse(base, neon * 0.8, wash * 0.7)", CROWDED, "M430"),
        ("fuse(base, neon * 0.3, wash * 0.3)", CROWDED, "M430"),
        ("fuse(base, neon * 0.8, wash * -0.7)", CROWDED, "M430"),
        ("fuse(base, neon, wash * 0.1)", CROWDED, ""),  # hardly there
        ("fuse(base, neon, wash * 0)", CROWDED, ""),
        ("fuse(base, neon, hat)", CROWDED, ""),  # another pair, of which nothing is known
        ("fuse(base, neon, robot)", CROWDED, ""),
        ("fuse(fuse(base, neon), wash)", CROWDED, "M430"),
        ("fuse(fuse(base, neon, wash), hat)", CROWDED, "M430"),
        ("fuse(base, neon, wash)", ALIKE, "M431"),
        ("fuse(base, neon * -1, wash * -1)", ALIKE, "M431"),
        ("fuse(base, neon, wash * -1)", ALIKE, "M432"),
        ("fuse(base, neon, wash)", AGAINST, "M432"),
        ("fuse(base, neon, wash * -1)", AGAINST, "M431"),
        ("fuse(base, neon, wash * 0.3)", AGAINST, "M432"),
        ("fuse(base, neon, wash * 0.1)", AGAINST, ""),  # too weak to cancel anything
        ("fuse(base, neon * 100, wash * -100)", ALIKE, "M432"),
    ],
)
def test_a_pair(model: str, known: Interference | None, code: str) -> None:
    found = judged(model, Pairs(known))
    assert [each.code for each in found] == ([code] if code else [])
    assert all(str(each.severity) == "warning" for each in found)


def test_what_is_said() -> None:
    (found,) = judged("fuse(base, neon * 0.8, wash)", Pairs(ALIKE))
    assert found.message() == "`neon` and `wash` do nearly the same (cosine 0.80)"
    assert found.span is not None
    assert found.span.text == "wash"
    assert (found.primary(), found.labels()[0].text) == ("at a strength of 1.0", "at a strength of 0.8")
    assert found.help() == (
        "together they act like one of them at a strength of about 1.6; use one, or lower both",
        "most of all in unet_mid_block_attentions_0_proj_in (+0.61), unet_conv_in (-0.20)",
    )
    (found,) = judged("fuse(base, neon, wash * -1)", Pairs(ALIKE))
    assert found.message() == "`neon` and `wash` work against each other (cosine -0.80)"
    (found,) = judged("fuse(base, neon, wash)", Pairs(CROWDED))
    assert found.message() == (
        "`neon` and `wash` interfere: their changes overlap 1.4 times as much as by chance"
    )


def test_strengths_come_through_fragments_and_parameters() -> None:
    before = """param w: number = 0.9
define both(base: checkpoint, one: lora, two: lora, s: number) -> model {
  return fuse(base, one * w, two * s)
}"""
    (found,) = judged("both(base, neon, wash, 0.8)", Pairs(CROWDED), before)
    assert found.span is not None
    assert found.span.text.startswith("both(")
    assert found.primary() == "at a strength of 0.8"


def test_each_pair_is_asked_for_once() -> None:
    pairs = Pairs(UNRELATED)
    judged("fuse(fuse(base, neon, wash), hat, neon * 0.5)", pairs)
    assert sorted(pairs.asked) == [
        ("hat", "neon"),
        ("neon", "hat"),
        ("neon", "wash"),
        ("wash", "hat"),
        ("wash", "neon"),
    ]


def test_families_that_differ_are_another_rule() -> None:
    pairs = Pairs(ALIKE, {"wash": "sdxl"})
    assert not judged("fuse(base, neon, wash)", pairs)
    assert not pairs.asked


ZOO = """mosaic 1
plan p {{
  emit sample(fuse(checkpoint("zoo/base"), lora("{first}"), lora("{second}") * {strength}), prompt: "a cat, neon style")
    as "a.png"
}}
"""


def test_files_that_nobody_catalogued_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second version of a LoRA, made by adding a little of another one to its factors."""
    safetensors = pytest.importorskip("safetensors.numpy")
    from mosaic.stdlib import zoo

    monkeypatch.setenv("MOSAIC_CACHE", str(tmp_path / "cache"))
    neon, tiles = (
        safetensors.load_file(zoo.root() / "models" / f"{name}.safetensors") for name in ("neon", "tiles")
    )
    safetensors.save_file(
        {name: neon[name] + 0.3 * tiles[name] for name in neon}, tmp_path / "second.safetensors"
    )
    for strength, code in (("1", "M431"), ("-1", "M432"), ("0.01", "")):
        text = ZOO.format(first="zoo/neon", second="./second.safetensors", strength=strength)
        (tmp_path / "p.mosaic").write_text(text)
        found = Project().check(SourceFile(str(tmp_path / "p.mosaic"), text))
        assert [each.code for each in found] == ([code] if code else []), found
    assert (tmp_path / "cache" / "interference.json").exists()
