"""The corpus of bad and good plans, and the synthetic catalog that it is written over."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

pytest.importorskip("diffusers")
sys.path.append(str(Path(__file__).parents[2]))

from benchmarks.corpus.__main__ import FALSE_ALARMS, RECALL, main
from benchmarks.corpus.judging import Case, Verdict, judge, line_of, write_cases
from benchmarks.corpus.table import ROWS, WITHOUT
from benchmarks.corpus.world import World

from mosaic.bench.synthetic.adapters import ALGORITHMS, SCOPES, SPELLINGS, Recipe, adapter
from mosaic.bench.synthetic.architectures import ARCHITECTURES, tensors
from mosaic.bench.synthetic.experts import experts
from mosaic.bench.synthetic.files import write_files
from mosaic.catalog.reading import Refusal, read_path
from mosaic.compiler.explain import diagnostics
from mosaic.compiler.types import Kind
from mosaic.compiler.weights import denoisers
from mosaic.compiler.weights.adapters import adapter_facts, scan
from mosaic.compiler.weights.embeddings import embedding_family
from mosaic.compiler.weights.families import identify

QUICK = ("M218", "M302", "M401", "M402", "M414", "M501", "M520", "M701", "M705")
"""Rows of the fast test: a code of each kind."""
REPLACED = ("M401", "M402", "M410", "M411", "M416", "M418", "M501", "M520")
"""Mistakes that another expert of the catalog mends."""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> list[Verdict]:
    """One bad and one good plan of some rows, judged."""
    world = World.crowded(7, tmp_path_factory.mktemp("corpus"), crowd=30)
    return judge(world, write_cases(world, 1, [row for row in ROWS if row.code in {*QUICK, *REPLACED}]))


def test_each_mistake_is_found_at_its_line_and_nothing_else_is_said(verdicts: list[Verdict]) -> None:
    wrong = [
        (v.case.name, [(d.code, line_of(d)) for d in v.said], v.case.text) for v in verdicts if not v.right
    ]
    assert wrong == []
    assert len(verdicts) >= 2 * len(QUICK)


def test_each_mistake_comes_with_a_way_out(verdicts: list[Verdict]) -> None:
    for verdict in verdicts:
        for said in verdict.said if verdict.case.bad else ():
            assert said.help() or said.fixes(), (verdict.case.name, said.message())
            if said.code in REPLACED:
                assert any(fix.title.startswith("use `") for fix in said.fixes()), verdict.case.text


def test_a_miss_is_seen_as_one(verdicts: list[Verdict]) -> None:
    bad = next(verdict for verdict in verdicts if verdict.case.bad)
    good = next(verdict for verdict in verdicts if not verdict.case.bad)
    elsewhere = replace(bad.case, line=bad.case.line + 1)
    assert not replace(bad, said=()).right
    assert not Verdict(elsewhere, bad.said).right
    assert not Verdict(good.case, bad.said).right
    assert not Verdict(replace(bad.case, code="M999"), bad.said).right


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_recall_and_false_alarms(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--seed", str(seed), "--each", "4"])
    printed = capsys.readouterr().out
    assert status == 0, printed
    assert f"goal: at least {RECALL:.0%}" in printed and f"goal: at most {FALSE_ALARMS:.0%}" in printed


def test_every_code_of_a_plans_fit_rights_and_trust_has_a_row_or_a_reason() -> None:
    codes = {kind.code for kind in diagnostics() if kind.code[1] in "457"}
    rows = {row.code for row in ROWS}
    assert sorted(codes - rows - WITHOUT.keys()) == []
    assert sorted(rows & WITHOUT.keys()) == []
    assert sorted(rows - {kind.code for kind in diagnostics()}) == []


def test_the_corpus_is_large_enough_and_the_same_each_time(tmp_path: Path) -> None:
    assert 8 * len(ROWS) >= 200

    def written() -> list[Case]:
        world = World.crowded(3, tmp_path, crowd=10)
        return write_cases(world, 1, ROWS[:6])

    first = written()
    assert first == written()
    assert len({case.text for case in first}) == len(first)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_synthetic_bases_are_of_their_family(name: str) -> None:
    architecture = ARCHITECTURES[name]
    shapes = tensors(name, architecture.denoiser)
    unet = architecture.denoiser == "unet"
    family = denoisers.unet_family(shapes) if unet else denoisers.transformer_family(shapes)
    assert family == architecture.family
    reads, gives = denoisers.channels(shapes)
    assert reads is not None and gives == architecture.latents
    assert denoisers.variant(reads, gives) == architecture.variant


# As the published models' files have them: (tensors, numbers).
PUBLISHED = {
    ("sd1", "unet"): (686, 859_520_964),
    ("sd2", "unet"): (686, 865_910_724),
    ("sdxl", "unet"): (1680, 2_567_463_684),
    ("sd1", "text_encoder"): (196, 123_060_480),
    ("sd1", "vae"): (248, 83_653_863),
    ("flux", "transformer"): (1160, 11_901_408_320),
}


@pytest.mark.parametrize(("name", "part"), PUBLISHED)
def test_synthetic_bases_have_as_many_numbers_as_the_published_ones(name: str, part: str) -> None:
    shapes = tensors(name, part)
    numbers = 0
    for shape in shapes.values():
        count = 1
        for side in shape:
            count *= side
        numbers += count
    assert (len(shapes), numbers) == PUBLISHED[name, part]


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl", "sdxl-refiner", "sd3", "flux"])
def test_synthetic_adapters_are_what_they_are_said_to_be(name: str) -> None:
    family = ARCHITECTURES[name].family
    for algorithm, spelling, scope, text in product(ALGORITHMS, SPELLINGS, SCOPES, (False, True)):
        if (algorithm in ("loha", "lokr") and spelling != "kohya") or (name == "flux" and scope == "cross"):
            continue  # the context's projections alone could be Qwen-Image's
        made = adapter(Recipe(name, algorithm, spelling, 8, scope, text))
        shapes = {tensor: shape for tensor, _, shape in made.signature.tensors}
        assert identify(shapes).family == family, (algorithm, spelling, scope, text)
        told = adapter_facts(scan(shapes), None, dict(made.signature.metadata))
        assert replace(told, scales=None) == replace(made.facts, scales=None), (
            algorithm,
            spelling,
            scope,
            text,
        )


def test_synthetic_experts_are_the_same_each_time_and_differ() -> None:
    first, second = list(experts(200, seed=5)), list(experts(200, seed=5))
    assert [one.facts for one in first] == [other.facts for other in second]
    assert len({record.digest for record in first}) == len({record.facts.id for record in first}) == 200
    assert {record.facts.kind for record in first} == {Kind.LORA, Kind.CHECKPOINT, Kind.EMBEDDING, Kind.VAE}
    assert [record.facts for record in experts(200, seed=6)] != [record.facts for record in first]
    for record in first:
        if record.facts.kind is Kind.EMBEDDING:
            (signature,) = record.signatures.values()
            assert embedding_family({n: shape for n, _, shape in signature.tensors}) == record.facts.family


def test_synthetic_files_are_read_as_what_they_are(tmp_path: Path) -> None:
    write_files(tmp_path, 12, seed=4)
    records = [found for found in read_path(tmp_path) if not isinstance(found, Refusal)]
    assert len(records) == 12
    assert {record.facts.kind for record in records} == {Kind.LORA}
    assert {record.facts.family for record in records} <= {"sd1", "sd2", "sdxl"}


def test_files_without_a_digest_do_not_lend_each_other_their_tensors(tmp_path: Path) -> None:
    world = World.crowded(1, tmp_path, crowd=0)
    base, recipe = world.base("sd1"), Recipe("sd1", "lora", "kohya", 4, "attention")
    other, first, second = (
        world.base("sd1"),
        *(world.lora("sd1", recipe=recipe, trigger=None) for _ in range(2)),
    )
    world.unhashed(other)
    world.unhashed(first)
    plan = (
        f"mosaic 1\n\nplan p {{\n  let look = fuse({base.call}, {second.call})\n"
        '  emit sample(look, prompt: "a cat") as "a.png"\n}\n'
    )
    (verdict,) = judge(world, [Case("p", "", plan, 0)])
    assert verdict.said == ()
