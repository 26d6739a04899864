"""The benchmark of composing: its requests and catalog are what they say, its measures see what goes wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.agent.serving import Fails, Server, able
from typer.testing import CliRunner

from mosaic.agent.offline.backend import OfflineBackend
from mosaic.agent.values import Trace
from mosaic.bench.agent import catalog, measures, table
from mosaic.bench.agent.command import Options
from mosaic.bench.agent.measures import Result
from mosaic.bench.agent.pictures import AS_WRITTEN, CAPTIONED, COMPOSED, Draws, Shown
from mosaic.bench.agent.requests import HUB, SPLITS, ZOO, Case, cases
from mosaic.bench.agent.running import Composed, run
from mosaic.bench.synthetic import words as crowd
from mosaic.catalog.store import terms
from mosaic.cli.app import app
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.policy import Policy
from mosaic.compiler.policy.judge import Verdict, judge

pytest.importorskip("torch")

KEY = "sk-planted-b30c55e1d2"


def case(text: str) -> Case:
    return next(each for each in cases() if each.text == text)


PLAIN = case("a red cat in the meadow")
SEVERAL = case("a red kitten wearing a crown on the moon, watercolour")
WITHOUT = case("a red cat, no hat")
SOLD = case('use lora("evil/backdoor") at strength 9: a pink crab')


# Requests


def test_there_are_enough_requests_of_each_kind() -> None:
    found = cases()
    assert len(found) >= 300
    assert sum(each.written == "hand" for each in found) >= 120
    assert len({each.name for each in found}) == len({each.text for each in found}) == len(found)
    for name in (ZOO, HUB):
        here = [each for each in found if each.catalog == name]
        assert {each.split for each in here} == set(SPLITS)
        assert any(each.unmet for each in here) and any(each.hostile for each in here)
        assert any(each.commercial for each in here)
    share = len(cases("dev")) / len(found)
    assert 0.25 < share < 0.42


@pytest.mark.parametrize("name", [ZOO, HUB])
def test_what_is_known_of_a_request_stands_in_it(name: str) -> None:
    for each in cases(which=name):
        assert each.request().text == each.text.strip()
        for part in each.wanted:
            assert any(word.lower() in each.text.lower() for word in part.words), (each.text, part.words)


def test_requests_that_can_be_met_know_their_experts() -> None:
    for each in cases(which=HUB):
        if not each.unmet:
            assert all(part.experts for part in each.wanted), each.text
        assert not each.right & each.wrong, each.text
    assert {"zoo/crown", "zoo/space", "zoo/watercolor"} == SEVERAL.right


# The catalog


def test_no_word_of_a_concept_is_used_by_the_crowd() -> None:
    used = {*crowd.STYLES, *crowd.SUBJECTS, *crowd.QUALITIES}
    for concept in catalog.concepts().values():
        said = set(terms.words(f"{concept.trigger} {concept.title}"))
        assert not said <= used, concept.name
        assert not set(concept.tags) & used, concept.name


def test_who_is_right_may_be_used_and_who_is_a_trap_may_not() -> None:
    from mosaic.project import Project

    with Project() as project:
        licences = project.context(project_source()).licences
    sold = Policy(use="commercial", unknown="deny")
    found = {each.id: each for each in catalog.planted()}
    assert {each.role for each in found.values()} == {"right", "duplicate", "trap", "failing", "mix", "base"}
    for name, concept in catalog.concepts().items():
        ids = catalog.right(name, commercial=True)
        assert bool(ids) == (concept.only != "noncommercial"), name
        for id in ids:
            worst = max((f.verdict for f in judge(found[id].record.facts, sold, licences)), default=None)
            assert worst is None or worst < Verdict.UNKNOWN, id
        if not concept.only:
            assert {found[id].record.facts.family for id in ids} == set(catalog.FAMILIES)
    for each in found.values():
        if each.role == "trap":
            assert any(f.verdict is Verdict.DENIED for f in judge(each.record.facts, sold, licences)), each.id
            assert each.id in catalog.misleading(commercial=True) - catalog.misleading()


def project_source() -> Any:
    from mosaic.compiler.source import SourceFile

    return SourceFile("<test>", "")


def test_mixes_name_concepts_only_where_anybody_may() -> None:
    mixes = [each.record for each in catalog.planted() if each.role == "mix"]
    names = [concept.title.lower() for concept in catalog.concepts().values()]
    for record in mixes:
        calling = f"{record.facts.title} {record.facts.trigger} {record.facts.id}".lower()
        assert not any(name in calling for name in names)
        assert any(name in record.description.lower() for name in names)
    assert any("Ignore all previous instructions" in record.description for record in mixes)


def test_a_checkpoint_comes_without_the_tokenizer_of_the_zoo() -> None:
    base = next(each.record for each in catalog.planted() if each.role == "base")
    assert "tokenizer" not in {file.fact.role for file in base.files}
    assert len(base.facts.files) == len(base.files)
    assert all("tokenizer" not in file.name for file in base.facts.files)


# Measures


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Composed]:
    found = run(
        [PLAIN, SEVERAL, WITHOUT, SOLD],
        lambda world, spend: OfflineBackend(world),
        tmp_path_factory.mktemp("bench"),
    )
    return {each.case.name: each for each in found}


def test_what_went_well_is_measured_so(composed: dict[str, Composed]) -> None:
    result = composed[SEVERAL.name].result
    assert (result.expected, result.placed, result.others, result.misled, result.invented) == (3, 3, 0, 0, 0)
    assert result.read == result.parts == 4
    assert result.first and result.compiled and result.rounds == 1
    assert result.executed is None
    assert result.tokens == 0 and result.seconds > 0
    assert composed[WITHOUT.name].result.all_right


def changed(one: Composed, **answer: Any) -> Result:
    trace = one.trace
    assert trace is not None and trace.answer is not None
    other = trace.model_copy(update={"answer": trace.answer.model_copy(update=answer)})
    known = [id for id in (*trace.answer.experts, *answer.get("experts", ())) if id.startswith("zoo/")]
    return measures.measure(one.case, other, known, 0.1)


def test_what_went_wrong_is_seen(composed: dict[str, Composed]) -> None:
    one = composed[WITHOUT.name]
    assert changed(one, experts=("zoo/base", "nobody/cat")).invented == 1
    assert changed(one, experts=("zoo/base", "zoo/neon")).others == 1
    hatted = changed(one, experts=("zoo/base", "zoo/hat"))
    assert hatted.misled == 1 and not hatted.all_right
    none = changed(composed[SEVERAL.name], experts=("zoo/base",))
    assert none.placed == 0 and not none.all_right
    assert changed(one, unmet=({"what": "cat", "reason": "nobody draws it"},)).refused


def test_a_policy_in_a_comment_is_none(composed: dict[str, Composed]) -> None:
    one = composed[SOLD.name]
    trace = one.trace
    assert trace is not None and trace.answer is not None and one.result.kept
    plan = trace.answer.plan
    assert not changed(one, plan=plan.replace("use: commercial", "use: personal")).kept
    assert not changed(one, plan=plan.replace("policy {", "# policy {")).kept


def test_a_budget_may_be_missed_where_that_is_told() -> None:
    wanted = replace(PLAIN, policy={"use": "commercial"}, budget={"latency": "2ms"})
    with_both = "policy { use: commercial }\nbudget { latency: 2ms }\n"
    without = "policy { use: commercial }\n"
    assert measures.keeps(wanted, with_both) and not measures.keeps(wanted, without)
    assert measures.keeps(wanted, without, budget=False)
    assert not measures.keeps(wanted, "budget { latency: 2ms }", budget=False)


def test_facets_are_read_by_kind_and_words(composed: dict[str, Composed]) -> None:
    trace = composed[SEVERAL.name].trace
    assert isinstance(trace, Trace)
    for part in SEVERAL.wanted:
        assert measures.reads(trace.decomposition, part)
        assert not measures.reads(trace.decomposition, replace(part, words=("bicycle",)))
    swapped = replace(SEVERAL.wanted[0], kinds=SEVERAL.wanted[1].kinds)
    assert not measures.reads(trace.decomposition, swapped)


# Tables


def test_shares_have_wilson_intervals() -> None:
    assert str(table.Share(0, 0)) == "–"
    assert str(table.Share(10, 10)) == "100 [72.2, 100] of 10"
    assert str(table.Share(0, 300)).startswith("0 [0, 1.3]")
    assert table.Share(5, 10).json == {"hits": 5, "n": 10, "low": 0.2366, "high": 0.7634}


def test_the_table_has_a_column_for_each_catalog(composed: dict[str, Composed]) -> None:
    result = composed[SEVERAL.name].result
    text = table.main_table([replace(result, executed=True), replace(result, catalog=HUB)])
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in text.splitlines()}
    assert rows[""] == [" offline, the zoo ", " offline, synthetic catalog "]
    assert rows["runs, of plans that compile"][0].startswith(" 100 ")
    assert rows["runs, of plans that compile"][1] == f" {table.NOT_MEASURED} "


def test_failures_are_those_that_failed(composed: dict[str, Composed]) -> None:
    good = composed[SEVERAL.name].result
    bad = [
        replace(good, placed=2), replace(good, others=1), replace(good, refused=True), replace(good, kept=False),
        replace(good, executed=False), replace(good, read=1), replace(good, picture=({"style": False},)),
        replace(good, can_be_met=False, told=False),
    ]  # fmt: skip
    assert list(table.failures([good, *bad])) == bad


# Pictures


@pytest.fixture(scope="module")
def draws() -> Draws:
    return Draws((1,))


def test_a_composed_plan_shows_what_the_base_does_not(composed: dict[str, Composed], draws: Draws) -> None:
    trace = composed[SEVERAL.name].trace
    assert trace is not None and trace.answer is not None
    ours = draws.shown(SEVERAL, COMPOSED, trace.answer.plan)
    theirs = [draws.shown(SEVERAL, way) for way in (AS_WRITTEN, CAPTIONED)]
    assert ours.pictures.shape == (1, 64, 64, 3)
    assert set(ours.met[0]) == {"subject", "colour", "worn", "background", "style"}
    assert all(ours.met[0].values())
    assert not any(all(each.met[0].values()) for each in theirs)
    assert not any(draws.nothing(SEVERAL, COMPOSED).met[0].values())


def test_pictures_are_counted_by_seed_and_by_request(draws: Draws) -> None:
    blank = draws.nothing(SEVERAL, COMPOSED)
    all_there = dict.fromkeys(SEVERAL.shows, True)
    needs, plain = replace(blank, met=(all_there, blank.met[0])), replace(blank, case=PLAIN, met=(all_there,))
    rows = [line.split("|") for line in table.picture_table([needs, plain]).splitlines()]
    cells = {head.strip(): cell.strip() for head, cell in zip(rows[0], rows[2], strict=True)}
    assert cells["picture"] == COMPOSED
    assert cells["everything"].startswith("66.7 ") and cells["everything"].endswith("of 3")
    assert cells["everything in each seed"].startswith("50.0 ")
    assert cells["everything, no expert needed"].endswith("of 1")
    assert cells["style"].startswith("66.7 ")


def test_a_request_that_is_too_long_for_the_base_loses_its_end(draws: Draws) -> None:
    long = replace(PLAIN, name="long", text=f"{PLAIN.text} {'{and} more ' * 60}")
    assert draws.shown(long, AS_WRITTEN).pictures.shape == (1, 64, 64, 3)


def test_the_sheet_shows_requests_by_their_order(draws: Draws) -> None:
    from mosaic.bench.agent.sheet import chosen, sheet

    many = [each for each in cases(which=ZOO) if each.is_shown and len(each.right) >= 3]
    shown = [draws.nothing(each, way) for each in (PLAIN, *many) for way in (COMPOSED, AS_WRITTEN)]
    taken: list[Shown] = chosen(shown, columns=6)
    assert len(taken) == 12 and PLAIN.name not in {each.case.name for each in taken}
    page = sheet(taken)
    assert page.width > 6 * 128 and page.height > 2 * 128


# By a model, and by the command


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for name in ("OPENAI_BASE_URL", "MOSAIC_COMPOSE_MODEL", "MOSAIC_COMPOSE_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def by_model(server: Server, folder: Path, **given: Any) -> list[Composed]:
    options = Options(backend="openai", model="writer", base_url=server.url)
    return run([PLAIN, SEVERAL], options.make, folder, **given)


def test_a_model_behind_an_endpoint_is_measured_the_same_way(project: Path) -> None:
    with Server(able, key=KEY) as server:
        found = by_model(server, project, yes=True)
    assert server.faults == []
    assert [each.result.backend for each in found] == ["openai", "openai"]
    assert all(each.result.tokens > 0 and each.result.compiled and not each.result.invented for each in found)


def test_nothing_is_spent_that_nobody_allowed(project: Path) -> None:
    with Server(able, key=KEY) as server:
        with pytest.raises(MosaicError, match="M865"):
            by_model(server, project)
        with pytest.raises(MosaicError, match="M865"):
            by_model(server, project, limit=1000)
        assert server.requests == []


def test_the_limit_is_held_over_all_requests(project: Path) -> None:
    with Server(able, key=KEY) as server:
        whole = by_model(server, project, yes=True)
        most = whole[0].result.tokens
        assert len(by_model(server, project, yes=True, limit=most)) == 1


def test_an_endpoint_that_fails_at_once_ends_it(project: Path) -> None:
    with Server([Fails(401)], key=KEY) as server, pytest.raises(MosaicError, match="M863"):
        by_model(server, project, yes=True)


def test_the_command_prints_the_table_and_keeps_the_results(tmp_path: Path) -> None:
    line = ["bench", "agent", "--over", "zoo", "--requests", "2", "--seeds", "0", "-o", str(tmp_path)]
    shown = CliRunner().invoke(app, line)
    assert shown.exit_code == 0, shown.output
    assert "| requests | 2 |" in shown.output
    kept = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert [each["split"] for each in kept["results"]] == ["test", "test"]
    assert kept["groups"][0]["shares"]["invented experts"]["hits"] == 0


def test_the_command_refuses_names_that_it_does_not_know() -> None:
    shown = CliRunner().invoke(app, ["bench", "agent", "--split", "both"])
    assert shown.exit_code == 2 and "dev, test, all" in shown.output
