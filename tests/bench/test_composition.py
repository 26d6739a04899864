"""The benchmark of composition: every scheme is a plan that compiles, shares are right, runs go on, peers agree."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mosaic.bench import costs, table
from mosaic.bench.composition import Outcome, draw, read, run
from mosaic.bench.schemes import SCHEMES, find
from mosaic.compiler.cost.fidelity import Fidelity
from mosaic.compiler.source import SourceFile
from mosaic.project import Project
from mosaic.stdlib.zoo.sets import TUNING, composition_sets, tuning_sets

pytest.importorskip("torch")

SETS = composition_sets(480)


def outcome(scheme: str, number: int, seed: int, is_right: bool, size: int = 2, rows: float = 40) -> Outcome:
    experts = tuple(f"zoo/{number}-{i}" for i in range(size))
    kinds = ("character", "style", "object", "clothes", "background")[:size]
    return Outcome(scheme, number, experts, kinds, seed, {"subject": True, "style": is_right}, rows, 20, 0.1)


@pytest.mark.parametrize("name", [name for name, scheme in SCHEMES.items() if scheme.is_ours])
def test_every_scheme_of_ours_is_a_plan(name: str) -> None:
    project = Project()
    for wanted in (SETS[0], SETS[-1]):
        source = SourceFile("<test>", SCHEMES[name].plan(wanted))
        compiled = project.compile(source)
        assert len(compiled.programs) == 1
        assert wanted.caption in source.text


def test_every_operator_has_a_row() -> None:
    from mosaic import stdlib

    used = {scheme.via.partition("(")[0] for scheme in SCHEMES.values() if scheme.is_ours}
    assert used == set(stdlib.find_operators())


def test_a_share_is_over_pictures_and_its_interval_over_sets() -> None:
    right = [outcome("sum", n, seed, n % 4 != 0) for n in range(40) for seed in (1, 2, 3)]
    found = table.rate(right)
    assert (found.share, found.pictures, found.sets) == (0.75, 120, 40)
    assert 0.55 < found.low < 0.75 < found.high < 0.95
    # Three equal seeds say no more than one.
    alone = table.rate([each for each in right if each.seed == 1])
    assert (alone.low, alone.high) == (found.low, found.high)
    with pytest.raises(ValueError, match="no outcomes"):
        table.rate([])


def test_a_difference_is_paired_by_sets() -> None:
    ours = [outcome("sum", n, 1, n % 2 == 0) for n in range(40)]
    theirs = [outcome("merge", n, 1, n % 4 == 0) for n in range(40)]
    more, low, high = table.difference(ours, theirs)
    assert more == 0.25
    assert 0 < low < more < high
    assert table.difference(ours, ours) == (0.0, 0.0, 0.0)


def test_the_tables_name_what_was_drawn() -> None:
    made = [
        outcome(s, n, 1, True, 3, rows) for s, rows in (("merge", 40), ("composite", 80)) for n in range(5)
    ]
    made += [outcome("sum", n, 1, n > 1, 3) for n in range(5)]
    shown = table.main_table(made)
    assert "| **sum** | – | .600 [" in shown
    assert "| **composite** | – | 1.00 [1.00, 1.00] |" in shown
    # The composite is right more often, and takes twice the evaluations of the peer.
    assert "| 3 | merge: 1.00" in table.best_table(made)
    assert "sum: .600" in table.best_table(made)
    read_back = Fidelity.read(json.loads(json.dumps(table.fidelity(made))))
    assert [(row.operator, row.categories, row.share, row.pictures) for row in read_back.rows] == [
        ("sum", ("character", "object", "style"), 0.6, 5),
        ("composite", ("character", "object", "style"), 1.0, 5),
    ]
    assert "5 sets, up to 1 seeds" in read_back.source


def test_a_run_goes_on_where_it_stood(tmp_path: Path) -> None:
    first = run(tmp_path, ["sum"], count=3, seeds=(1,))
    lines = (tmp_path / "outcomes.jsonl").read_text().splitlines()
    # As if the run had been killed in the middle of a line.
    (tmp_path / "outcomes.jsonl").write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:20] + "\n")
    again = run(tmp_path, ["sum"], count=3, seeds=(1,))
    key = lambda each: (each.experts, each.met)  # noqa: E731
    assert sorted(map(repr, map(key, first))) == sorted(map(repr, map(key, again)))
    assert len(list(read(tmp_path))) == 3


def test_the_published_merge_is_the_sum() -> None:
    """Two engines that share no code draw the same picture: diffusers with exchanged weights, and mosaic."""
    wanted = next(each for each in SETS if len(each.experts) == 3)
    theirs, _, their_rows = draw(SCHEMES["merge"], wanted, [1, 2])
    ours, _, our_rows = draw(SCHEMES["sum"], wanted, [1, 2])
    assert their_rows == our_rows == 2 * 2 * 20
    assert np.abs(theirs.astype(int) - ours.astype(int)).mean() < 0.5


def test_the_published_switch_is_the_switch() -> None:
    wanted = next(each for each in SETS if len(each.experts) == 2)
    theirs, _, _ = draw(SCHEMES["switch (published)"], wanted, [1])
    ours, _, _ = draw(SCHEMES["switch"], wanted, [1])
    names = [*wanted.categories]
    assert names == sorted(names, key=SCHEMES["switch"].order.index), "the order of turns is the same"
    assert np.abs(theirs.astype(int) - ours.astype(int)).mean() < 0.5


def test_strengths_are_told_by_a_name_and_read_back() -> None:
    tuned = find("sum (clothes 1.4, object 1.4)")
    assert (tuned.operand("object").strength, tuned.operand("style").strength) == (1.4, 1)
    assert find(SCHEMES["merge"].at({"all": 0.8, "style": 1}).name).operand("object").strength == 0.8
    assert tuned.plan(SETS[-1]).count("* 1.4") == sum(
        category in ("clothes", "object") for category in SETS[-1].categories
    )
    with pytest.raises(KeyError):
        find("sum (clothes)")


def test_sets_for_tuning_are_not_those_of_the_benchmark() -> None:
    chosen = tuning_sets()
    assert len({each.experts for each in chosen}) == TUNING == len(chosen)
    assert not {each.experts for each in chosen} & {each.experts for each in SETS}
    assert [len(each.experts) for each in chosen[:6]] == [3, 4, 5, 3, 4, 5]


@pytest.mark.slow
def test_costs_are_measured_side_by_side(tmp_path: Path) -> None:
    found = costs.measure(["merge", "composite (published)"], rounds=1)
    assert found["merge"].ratio == 1
    assert found["composite (published)"].ratio > 1.5
    assert all(cost.peak > 2**20 for cost in found.values())
    costs.write(tmp_path / "costs.json", found)
    assert costs.read(tmp_path / "costs.json") == found
    assert costs.read(tmp_path / "none.json") == {}
