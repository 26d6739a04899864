"""`mosaic catalog relate`: measure how the deltas of LoRAs meet, and keep it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mosaic.cli.catalog.options import CATALOG, JSON
from mosaic.cli.console import guarded

if TYPE_CHECKING:
    from mosaic.catalog.store import Store
    from mosaic.compiler.facts import ExpertFacts, Interference


@guarded
def relate(
    ids: Annotated[list[str], typer.Argument(metavar="ID ID...", help="Two or more LoRAs of the catalog.")],
    catalog: Annotated[Path | None, CATALOG] = None,
    json_output: Annotated[bool, JSON] = False,
) -> None:
    """Measure how much the changes of LoRAs overlap, pair by pair, from their factors; checks then need no weights."""
    from mosaic.catalog.edges import measured, to_json
    from mosaic.cli import console
    from mosaic.cli.catalog.opened import writing

    if len(dict.fromkeys(ids)) < 2:
        raise typer.BadParameter("name two LoRAs or more")
    with writing(catalog) as store:
        experts = _loras(store, tuple(dict.fromkeys(ids)))
        rows = []
        for first, second in itertools.combinations(experts, 2):
            met = measured(first, second)
            if met is not None:
                store.put_interference(first, second, met)
            rows.append((first.id, second.id, met))
        place = store.place
    if json_output:
        pairs = [{"first": a, "second": b, "value": to_json(met) if met else None} for a, b, met in rows]
        console.print_json({"version": console.JSON_VERSION, "catalog": place, "pairs": pairs})
        return
    typer.echo("\n".join(_line(*row) for row in rows))


def _loras(store: Store, ids: tuple[str, ...]) -> list[ExpertFacts]:
    from mosaic.api.catalog.named import record_of
    from mosaic.compiler.diagnostic import MosaicError
    from mosaic.compiler.errors.inputs import WrongExpertKind
    from mosaic.compiler.types import Kind

    experts = [record_of(store, id).facts for id in ids]
    wrong = [facts for facts in experts if facts.kind is not Kind.LORA]
    if wrong:
        raise MosaicError(*(WrongExpertKind(None, facts.id, "lora", str(facts.kind)) for facts in wrong))
    return experts


def _line(first: str, second: str, met: Interference | None) -> str:
    from mosaic.cli.catalog.texts import counted, plain

    pair = f"{plain(first)} + {plain(second)}"
    if met is None:
        return f"{pair}: not measured (a file is not at hand, or no plain LoRA of the same architecture)"
    if not met.shared:
        return f"{pair}: no module that both change"
    by_chance = f", {met.overlap / met.chance:.2f} times what chance gives" if met.chance else ""
    return (
        f"{pair}: overlap {met.overlap:.1%}{by_chance}; cosine {met.cosine:+.3f}; "
        f"against each other in {met.conflict:.0%}; {counted(met.shared, 'module')}"
    )
