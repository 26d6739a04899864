"""The bytes that were meant: what was catalogued (M701-M703), what was locked (M704-M707)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from mosaic.compiler import check
from mosaic.compiler.context import Context, Experts
from mosaic.compiler.diagnostic import Diagnostic, Severity
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.pins import Pins
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.types import Kind
from mosaic.project import Project

TEXT = """\
mosaic 1

define styled(base: checkpoint) -> model {
  let ink = lora("zoo/sketch")
  return fuse(base, ink * 0.5)
}

plan p {
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  let look = fuse(base, neon * 0.5)
  emit sample(look, prompt: "a red cat, {neon}", steps: 2) as "one.png"
  emit sample(styled(base), prompt: "a red cat", steps: 2) as "two.png"
}
"""


@dataclass(frozen=True)
class Altered:
    """The zoo's experts with fields of some exchanged, as a catalog whose files changed would tell them."""

    inner: Experts
    fields: Mapping[str, Mapping[str, Any]]

    def resolve(self, kind: Kind, reference: str, span: Span) -> ExpertFacts | Diagnostic:
        found = self.inner.resolve(kind, reference, span)
        return replace(found, **self.fields.get(reference, {})) if isinstance(found, ExpertFacts) else found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def judge(pins: Pins | None = None, **fields: Mapping[str, Any]) -> list[Diagnostic]:
    """The M70x messages on the plan above."""
    source = SourceFile("plan.mosaic", TEXT)
    context = Project().context(source)
    experts = Altered(context.experts, {f"zoo/{name}": values for name, values in fields.items()})
    context = replace(context, experts=experts, pins=pins or Pins())
    return [found for found in check(source, context) if found.code.startswith("M70")]


def _digests() -> dict[str, str]:
    from mosaic.catalog.record import content_digest

    source = SourceFile("plan.mosaic", TEXT)
    context: Context = Project().context(source)
    kinds = {"zoo/base": Kind.CHECKPOINT, "zoo/neon": Kind.LORA, "zoo/sketch": Kind.LORA}
    found = {}
    for id, kind in kinds.items():
        facts = context.experts.resolve(kind, id, source.span(0, 0))
        assert isinstance(facts, ExpertFacts)
        found[id] = content_digest(facts)
    return found


def test_nothing_to_say() -> None:
    assert judge() == []
    assert judge(Pins(experts=_digests(), place="mosaic.lock", strict=True)) == []


@pytest.mark.parametrize(
    ("integrity", "code"), [("changed", "M701"), ("missing", "M702"), ("unhashed", "M703")]
)
def test_what_the_catalog_doubts(integrity: str, code: str) -> None:
    (found,) = judge(neon={"integrity": integrity})
    assert found.code == code and found.severity is Severity.ERROR
    assert "`zoo/neon`" in found.message() and found.help()
    assert found.span is not None and found.span.text == '"zoo/neon"'


def test_a_file_without_a_digest() -> None:
    context = Project().context(SourceFile("plan.mosaic", TEXT))
    neon = context.experts.resolve(Kind.LORA, "zoo/neon", SourceFile("plan.mosaic", TEXT).span(0, 0))
    assert isinstance(neon, ExpertFacts)
    files = tuple(replace(file, sha256="") for file in neon.files)
    (found,) = judge(neon={"files": files})
    assert found.code == "M703"


def test_inside_a_fragment_the_call_is_shown() -> None:
    (found,) = judge(sketch={"integrity": "changed"})
    assert found.span is not None and found.span.text == "styled(base)"
    assert [label.span.text for label in found.labels()] == ['"zoo/sketch"']


@pytest.mark.parametrize(("strict", "code"), [(False, "M704"), (True, "M705")])
def test_not_pinned(strict: bool, code: str) -> None:
    digests = {id: digest for id, digest in _digests().items() if id != "zoo/neon"}
    (found,) = judge(Pins(experts=digests, place="mosaic.lock", strict=strict))
    assert found.code == code
    assert found.severity is (Severity.ERROR if strict else Severity.WARNING)


@pytest.mark.parametrize(("strict", "code"), [(False, "M706"), (True, "M707")])
def test_other_than_pinned(strict: bool, code: str) -> None:
    (found,) = judge(Pins(experts={**_digests(), "zoo/neon": "0" * 64}, place="mosaic.lock", strict=strict))
    assert found.code == code and "locked is 000000000000…" in found.primary()
    assert found.severity is (Severity.ERROR if strict else Severity.WARNING)


def test_pinned_under_another_name() -> None:
    """A lock names no place outside its folder; an expert from there is known by its bytes."""
    digests = _digests()
    digests["sha256:elsewhere"] = digests.pop("zoo/neon")
    assert judge(Pins(experts=digests, place="mosaic.lock", strict=True)) == []


def test_doubt_is_told_once() -> None:
    """What changed on disk is not compared with the lock as well."""
    pins = Pins(experts={**_digests(), "zoo/neon": "0" * 64}, place="mosaic.lock", strict=True)
    assert [found.code for found in judge(pins, neon={"integrity": "changed"})] == ["M701"]


def test_plans_are_held_to_their_own_pins() -> None:
    pins = Pins(
        place="mosaic.lock", plans={"p": Pins(finds={("lora", "neon"): "zoo/neon"}, place="mosaic.lock")}
    )
    assert pins.of("p").finds == {("lora", "neon"): "zoo/neon"}
    assert pins.of("q").finds == {}
    assert not Pins()
