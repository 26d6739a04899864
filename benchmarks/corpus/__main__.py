"""`python -m benchmarks.corpus`: write the plans, check them, report recall and false alarms."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.corpus.judging import Verdict, judge, line_of, write_cases
from benchmarks.corpus.table import ROWS
from benchmarks.corpus.world import World

from mosaic.compiler.explain import diagnostics
from mosaic.compiler.reporting.text import render_text

RECALL: Final = 0.99
FALSE_ALARMS: Final = 0.01


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where the goals are met, 1 where not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="which plans to write (default 1)")
    parser.add_argument("--each", type=int, default=4, help="plans of each kind for a code (default 4)")
    parser.add_argument("--only", nargs="*", metavar="CODE", help="some codes alone")
    parser.add_argument("--show", action="store_true", help="print every plan with what is said of it")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    given = parser.parse_args(arguments)
    rows = [row for row in ROWS if not given.only or row.code in given.only]
    with tempfile.TemporaryDirectory() as folder:
        world = World.crowded(given.seed, Path(folder))
        cases = write_cases(world, given.each, rows)
        verdicts = judge(world, cases)
    report = summary(verdicts, given.seed, len(world.records))
    if given.json:
        print(json.dumps(report, indent=2))
    else:
        print_report(report, verdicts, show=given.show)
    return 0 if report["met"] else 1


def summary(verdicts: Sequence[Verdict], seed: int, experts: int) -> dict[str, object]:
    """The figures, over all and code by code."""
    bad = [verdict for verdict in verdicts if verdict.case.bad]
    good = [verdict for verdict in verdicts if not verdict.case.bad]
    recall = sum(verdict.right for verdict in bad) / max(len(bad), 1)
    alarms = sum(not verdict.right for verdict in good) / max(len(good), 1)
    codes = []
    for code in dict.fromkeys(verdict.case.code for verdict in verdicts):
        ours = [verdict for verdict in verdicts if verdict.case.code == code]
        codes.append(
            {
                "code": code,
                "bad": sum(v.case.bad for v in ours),
                "found": sum(v.case.bad and v.right for v in ours),
                "good": sum(not v.case.bad for v in ours),
                "alarms": sum(not v.case.bad and not v.right for v in ours),
                "beside": sorted({said.code for v in ours for said in v.beside}),
            }
        )
    return {
        "seed": seed,
        "experts": experts,
        "bad": len(bad),
        "good": len(good),
        "recall": recall,
        "false_alarms": alarms,
        "met": recall >= RECALL and alarms <= FALSE_ALARMS,
        "codes": codes,
        "misses": [_miss(verdict) for verdict in verdicts if not verdict.right],
    }


def _miss(verdict: Verdict) -> dict[str, object]:
    case = verdict.case
    said = [{"code": each.code, "line": line_of(each), "message": each.message()} for each in verdict.said]
    expected = {"code": case.code, "line": case.line} if case.bad else None
    return {"case": case.name, "expected": expected, "said": said, "plan": case.text}


def print_report(report: dict[str, object], verdicts: Sequence[Verdict], *, show: bool) -> None:
    """A row a code, then every plan about which something else was said than expected."""
    titles = {kind.code: kind.__name__ for kind in diagnostics()}
    print(f"{'code':<6}{'':<26}{'found':>9}{'of':>5}{'alarms':>9}{'of':>5}  said beside it")
    codes = report["codes"]
    assert isinstance(codes, list)
    for row in codes:
        beside = " ".join(row["beside"])
        figures = f"{row['found']:>9}{row['bad']:>5}{row['alarms']:>9}{row['good']:>5}"
        print(f"{row['code']:<6}{titles.get(row['code'], ''):<26}{figures}  {beside}".rstrip())
    for verdict in verdicts:
        if show or not verdict.right:
            print(f"\n{'─' * 100}\n{verdict.case.name}: {_wanted(verdict)}\n\n{verdict.case.text}")
            print(render_text(verdict.said) if verdict.said else "nothing was said")
    print(
        f"\n{report['bad']} bad plans, {report['good']} good ones over {report['experts']} experts, "
        f"seed {report['seed']}: "
        f"recall {report['recall']:.1%} (goal: at least {RECALL:.0%}), "
        f"false alarms {report['false_alarms']:.1%} (goal: at most {FALSE_ALARMS:.0%})"
    )


def _wanted(verdict: Verdict) -> str:
    case = verdict.case
    return f"{case.code} expected at line {case.line}" if case.bad else "nothing expected"


if __name__ == "__main__":
    sys.exit(main())
