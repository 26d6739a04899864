"""From outcomes to shares with intervals, and to the tables that people and the compiler read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from mosaic.bench.composition import Outcome
from mosaic.bench.costs import Cost
from mosaic.bench.schemes import SCHEMES, STEPS, Scheme, find

RESAMPLED: Final = 1000
ATTRIBUTES: Final = ("subject", "colour", "background", "worn", "corner", "style")


@dataclass(frozen=True)
class Rate:
    """A share of pictures with its 95 % interval, of so many pictures of so many sets."""

    share: float
    low: float
    high: float
    pictures: int
    sets: int

    def __str__(self) -> str:
        return f"{_short(self.share)} [{_short(self.low)}, {_short(self.high)}]"


def rate(outcomes: Iterable[Outcome], holds: Callable[[Outcome], bool] = lambda each: each.is_right) -> Rate:
    """How often something holds. The seeds of a set are no independent trials, so whole sets are resampled (percentile
    bootstrap over sets, 1000 times, from a fixed seed). Raises ValueError without outcomes.
    """
    means = list(_means(outcomes, holds).values())
    if not means:
        raise ValueError("there are no outcomes to take a share of")
    rng, pictures = Random(0), sum(weight for _, weight in means)
    shares = sorted(_share(rng.choices(means, k=len(means))) for _ in range(RESAMPLED))
    low, high = shares[round(0.025 * RESAMPLED)], shares[round(0.975 * RESAMPLED) - 1]
    return Rate(_share(means), low, high, pictures, len(means))


def difference(first: Iterable[Outcome], second: Iterable[Outcome]) -> tuple[float, float, float]:
    """By how much more often the first scheme is right than the second, over the sets that both drew, with the 95 %
    interval of the difference (paired by sets, bootstrap as in `rate`)."""
    ours, theirs = (_means(given, lambda each: each.is_right) for given in (first, second))
    pairs = [(ours[key], theirs[key]) for key in ours if key in theirs]
    rng = Random(0)

    def mean(sample: Sequence[tuple[tuple[float, int], tuple[float, int]]]) -> float:
        return _share([one for one, _ in sample]) - _share([other for _, other in sample])

    found = sorted(mean(rng.choices(pairs, k=len(pairs))) for _ in range(RESAMPLED))
    return mean(pairs), found[round(0.025 * RESAMPLED)], found[round(0.975 * RESAMPLED) - 1]


def _means(
    outcomes: Iterable[Outcome], holds: Callable[[Outcome], bool]
) -> dict[tuple[str, ...], tuple[float, int]]:
    """Hits and pictures of each set."""
    found: dict[tuple[str, ...], tuple[float, int]] = {}
    for each in outcomes:
        hits, count = found.get(each.experts, (0.0, 0))
        found[each.experts] = (hits + holds(each), count + 1)
    return found


def _share(means: Sequence[tuple[float, int]]) -> float:
    return sum(hits for hits, _ in means) / sum(count for _, count in means)


def by_scheme(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes of each scheme, in the order of the table of schemes, those at other strengths last."""
    found: dict[str, list[Outcome]] = {name: [] for name in SCHEMES}
    for each in outcomes:
        found.setdefault(each.scheme, []).append(each)
    return {name: given for name, given in found.items() if given}


def evaluations(outcomes: Sequence[Outcome]) -> float:
    """Rows of the denoiser for a picture and a step: 2 for one guided evaluation of one model."""
    return sum(each.rows for each in outcomes) / len(outcomes) / STEPS


def main_table(outcomes: Iterable[Outcome], costs: Mapping[str, Cost] | None = None) -> str:
    """All wanted attributes right, by number of experts, and what a picture costs."""
    costs = costs or {}
    rows = []
    for name, given in by_scheme(outcomes).items():
        sizes = _by_size(given)
        cells = [str(rate(sizes[n])) if n in sizes else "–" for n in (2, 3, 4, 5)]
        cost = costs.get(name)
        priced = (
            [f"{cost.seconds:.2f}", f"{cost.ratio:.2f}", f"{cost.peak / 2**20:.0f}"] if cost else ["–"] * 3
        )
        rows.append(
            [
                _named(find(name)),
                *cells,
                str(rate(given)),
                f"{evaluations(given):.2f}",
                *(priced if costs else []),
            ]
        )
    head = ["scheme", "N = 2", "N = 3", "N = 4", "N = 5", "all", "rows a step"]
    return markdown(head + (["seconds", "times merge", "peak MiB"] if costs else []), rows)


def attribute_table(outcomes: Iterable[Outcome]) -> str:
    """How often each attribute is right where it is wanted."""
    rows = []
    for name, given in by_scheme(outcomes).items():
        cells = []
        for attribute in ATTRIBUTES:
            asked = [each for each in given if attribute in each.met]
            cells.append(_short(sum(each.met[attribute] for each in asked) / len(asked)) if asked else "–")
        rows.append([_named(find(name)), *cells])
    return markdown(["scheme", *ATTRIBUTES], rows)


def best_table(outcomes: Iterable[Outcome]) -> str:
    """At every N, the best of ours against the best published scheme that takes at least as many evaluations."""
    schemes, rows = by_scheme(outcomes), []
    for size in (2, 3, 4, 5):
        sized = {name: _by_size(given).get(size, []) for name, given in schemes.items()}
        sized = {name: given for name, given in sized.items() if given}
        theirs = {name: given for name, given in sized.items() if not find(name).is_ours}
        if not theirs:
            continue
        peer = max(theirs, key=lambda name: rate(theirs[name]).share)
        limit = evaluations(theirs[peer]) + 1e-9
        ours = {n: g for n, g in sized.items() if find(n).is_ours and evaluations(g) <= limit}
        if not ours:
            continue
        best = max(ours, key=lambda name: rate(ours[name]).share)
        more, low, high = difference(ours[best], theirs[peer])
        rows.append(
            [
                str(size),
                f"{peer}: {rate(theirs[peer])}, {evaluations(theirs[peer]):.2f} rows",
                f"{best}: {rate(ours[best])}, {evaluations(ours[best]):.2f} rows",
                f"{more:+.3f} [{low:+.3f}, {high:+.3f}]",
            ]
        )
    return markdown(["N", "best published", "best of ours at no more evaluations", "difference"], rows)


def fidelity(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """What the compiler reads (`compiler.cost.fidelity`): for each operator at its defaults, and each number and kind
    of experts, how often all is right."""
    found, sets, seeds = [], set[tuple[str, ...]](), set[int]()
    for name, given in by_scheme(outcomes).items():
        scheme = SCHEMES.get(name)
        if scheme is None or not scheme.is_ours or "(" in scheme.via:
            continue
        kinds: dict[tuple[str, ...], list[Outcome]] = {}
        for each in given:
            kinds.setdefault(tuple(sorted(each.categories)), []).append(each)
            sets.add(each.experts)
            seeds.add(each.seed)
        ordered = sorted(kinds.items(), key=lambda item: (len(item[0]), item[0]))
        found += [_fidelity_row(scheme, categories, held) for categories, held in ordered]
    source = f"mosaic bench composition, {len(sets)} sets, up to {len(seeds)} seeds"
    return {"source": source, "rows": found}


def _fidelity_row(scheme: Scheme, categories: tuple[str, ...], held: Sequence[Outcome]) -> dict[str, Any]:
    measured = rate(held)
    return {
        "operator": scheme.via,
        "categories": list(categories),
        "share": round(measured.share, 4),
        "low": round(measured.low, 4),
        "high": round(measured.high, 4),
        "pictures": measured.pictures,
    }


def _by_size(outcomes: Iterable[Outcome]) -> Mapping[int, list[Outcome]]:
    found: dict[int, list[Outcome]] = {}
    for each in outcomes:
        found.setdefault(len(each.experts), []).append(each)
    return found


def _named(scheme: Scheme) -> str:
    return f"**{scheme.name}**" if scheme.is_ours else scheme.name


def _short(share: float) -> str:
    return f"{share:.3f}".removeprefix("0") if share < 1 else "1.00"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
