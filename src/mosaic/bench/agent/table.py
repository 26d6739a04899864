"""From results to the table that people read: shares with 95 % intervals (Wilson), a column a backend and catalog."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeVar

from mosaic.bench.agent.measures import Result
from mosaic.bench.agent.pictures import Shown
from mosaic.stdlib.zoo.score import wilson

Item = TypeVar("Item")

NOT_MEASURED: Final = "not measured"
_CATALOGS: Final = {"zoo": "the zoo", "hub": "synthetic catalog"}


@dataclass(frozen=True)
class Share:
    """So many of so many, with the 95 % interval of the share."""

    hits: int
    n: int

    def __str__(self) -> str:
        if not self.n:
            return "–"
        low, high = wilson(self.hits, self.n)
        return f"{_percent(self.hits / self.n)} [{_percent(low)}, {_percent(high)}] of {self.n:,}"

    @property
    def json(self) -> dict[str, Any]:
        """As plain JSON."""
        low, high = wilson(self.hits, self.n) if self.n else (0.0, 1.0)
        return {"hits": self.hits, "n": self.n, "low": round(low, 4), "high": round(high, 4)}


def shares(results: Sequence[Result]) -> dict[str, Share | str]:
    """Every share of the table by its name. What cannot be run is said not to be measured."""
    met = [each for each in results if each.can_be_met]
    drafted = [each for each in met if each.drafted]
    run = [each for each in results if each.executed is not None]
    experts = sum(each.experts for each in results)
    return {
        "facets read": Share(sum(each.read for each in results), sum(each.parts for each in results)),
        "right expert, of parts that have one": Share(
            sum(each.placed for each in met), sum(each.expected for each in met)
        ),
        "all experts of a request right": _of(met, lambda each: each.all_right),
        "experts that nobody asked for": Share(sum(each.others for each in results), experts),
        "experts that mislead or are forbidden": Share(sum(each.misled for each in results), experts),
        "invented experts": Share(sum(each.invented for each in results), experts),
        "compiles at first try": _of(drafted, lambda each: each.first),
        "compiles after repair": _of(drafted, lambda each: each.compiled),
        "runs, of plans that compile": _of(run, lambda each: bool(each.executed)) if run else NOT_MEASURED,
        "keeps policy and budget": _of(results, lambda each: each.kept),
        "says what cannot be met": _of(
            [each for each in results if not each.can_be_met], lambda each: each.told
        ),
        "refuses what can be met": _of([each for each in met if not each.hostile], lambda each: each.refused),
    }


def figures(results: Sequence[Result]) -> dict[str, str]:
    """What is no share: rounds, tokens, seconds."""
    drafted = [each.rounds for each in results if each.drafted]
    seconds = sorted(each.seconds for each in results)
    return {
        "rounds, mean": f"{statistics.mean(drafted):.2f}" if drafted else "–",
        "tokens a request, mean": f"{statistics.mean(each.tokens for each in results):,.0f}",
        "seconds a request, median (worst)": f"{statistics.median(seconds):.2f} ({seconds[-1]:.2f})",
        "ended in a message": str(sum(bool(each.failed) for each in results)),
    }


def main_table(results: Sequence[Result]) -> str:
    """All measures, Markdown: a column for each backend over each catalog."""
    groups = _groups(results)
    columns = [
        {"requests": f"{len(found):,}"}
        | {name: str(share) for name, share in shares(found).items()}
        | figures(found)
        for found in groups.values()
    ]
    heads = [f"{backend}, {_CATALOGS.get(catalog, catalog)}" for backend, catalog in groups]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    return _markdown(["", *heads], rows)


def _groups(results: Sequence[Result]) -> dict[tuple[str, str], list[Result]]:
    found: dict[tuple[str, str], list[Result]] = {}
    for each in results:
        found.setdefault((each.backend, each.catalog), []).append(each)
    return found


def picture_table(shown: Sequence[Shown]) -> str:
    """How often a picture shows all that was asked for, and each attribute, by the way that it was made. The seeds of a
    request are no independent trials; "in each seed" counts requests, which are."""
    attributes = list(dict.fromkeys(name for each in shown for one in each.met for name in one))
    rows = []
    for way in dict.fromkeys(each.way for each in shown):
        mine = [each for each in shown if each.way == way]
        rows.append(
            [
                way,
                _everything(mine),
                _of(mine, lambda each: all(all(one.values()) for one in each.met)),
                _everything([each for each in mine if not each.case.right]),
                *(_attribute(mine, name) for name in attributes),
            ]
        )
    heads = ["picture", "everything", "everything in each seed", "everything, no expert needed", *attributes]
    return _markdown(heads, [[str(cell) for cell in row] for row in rows])


def _everything(shown: Sequence[Shown]) -> Share:
    return _of([one for each in shown for one in each.met], lambda one: all(one.values()))


def _attribute(shown: Sequence[Shown], name: str) -> Share:
    return _of([one for each in shown for one in each.met if name in one], lambda one: one[name])


def document(results: Sequence[Result], shown: Sequence[Shown] = ()) -> str:
    """Everything as JSON: the shares, and every result."""
    groups = [
        {
            "backend": backend,
            "catalog": catalog,
            "requests": len(found),
            "shares": {n: s.json if isinstance(s, Share) else None for n, s in shares(found).items()},
            "figures": figures(found),
        }
        for (backend, catalog), found in _groups(results).items()
    ]
    pictures = {
        way: _everything([each for each in shown if each.way == way]).json
        for way in dict.fromkeys(each.way for each in shown)
    }
    content = {
        "version": 1,
        "groups": groups,
        "pictures": pictures,
        "results": [asdict(each) for each in results],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def failures(results: Sequence[Result]) -> Iterator[Result]:
    """Those that did not come out as they should."""
    for each in results:
        good = each.all_right and not each.refused and not each.others if each.can_be_met else each.told
        if (
            not good
            or each.read < each.parts
            or each.executed is False
            or not each.kept
            or not _all_met(each)
        ):
            yield each


def _all_met(result: Result) -> bool:
    return all(all(one.values()) for one in result.picture)


def _of(found: Sequence[Item], holds: Callable[[Item], bool]) -> Share:
    return Share(sum(map(holds, found)), len(found))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}" if 0 < share < 1 else f"{100 * share:.0f}"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
