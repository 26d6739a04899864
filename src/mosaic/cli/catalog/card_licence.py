"""What an expert's licence is, who says so, and what it allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mosaic.cli.catalog.texts import plain

if TYPE_CHECKING:
    from mosaic.catalog.record import Record
    from mosaic.compiler.facts import Permissions
    from mosaic.compiler.policy.terms import Terms

_EVIDENCE = {
    "shipped": "as it is shipped",
    "declared": "as a person declares",
    "card": "as its card says",
    "metadata": "as its metadata says; nobody confirmed it",
    "header": "as its header says",
}
_RIGHTS = (
    ("outputs", "selling pictures"),
    ("commercial", "using the model for money"),
    ("serve", "offering it as a service"),
    ("redistribute", "passing it on"),
    ("derivatives", "passing on merges"),
)


def lines(record: Record) -> Iterator[str]:
    """The licence's name, its evidence, its terms as far as a table knows them."""
    from mosaic.catalog.licences import LicenceTable
    from mosaic.cli.catalog.card import labelled

    facts = record.facts
    if not facts.license:
        yield from labelled("name", "unknown: nobody states one, so only the law's own exceptions are sure")
    else:
        evidence = _EVIDENCE.get(facts.license_evidence, "")
        yield from labelled("name", f"{plain(facts.license, 120)}{f', {evidence}' if evidence else ''}")
        choices = LicenceTable().terms(facts.license)
        if not choices:
            yield from labelled("allows", "not known here; its text decides")
        for number, choice in enumerate(choices or ()):
            if len(choices or ()) > 1:
                yield from labelled(
                    "choice" if number == 0 else "or", " and ".join(term.label for term in choice)
                )
            yield from _terms(choice)
    yield from _permissions(facts.permissions)


def _terms(choice: Sequence[Terms]) -> Iterator[str]:
    from mosaic.cli.catalog.card import labelled

    for answer, label in (("yes", "allows"), ("contested", "contested"), ("no", "forbids")):
        yield from labelled(
            label, ", ".join(what for right, what in _RIGHTS if _worst(choice, right) == answer)
        )
    owed = {"copies": "with copies of the model", "use": "with every use"}
    yield from labelled("credit", next((owed[t.credit] for t in choice if t.credit in owed), ""))
    for terms in choice:
        if terms.restrictions:
            yield from labelled("restricts", plain(terms.restrictions, 300))
        if terms.revenue is not None:
            yield from labelled("revenue", f"up to {terms.revenue:,} US dollars a year")
        if terms.territories:
            yield from labelled("not in", ", ".join(terms.territories))
        if terms.lock:
            yield from labelled("merges", f"stay under {terms.lock}")
        for clause in terms.clauses:
            yield from labelled("to judge", plain(clause, 300))


def _worst(choice: Sequence[Terms], right: str) -> str:
    answers = [str(terms.answer(right)) for terms in choice]
    return next(answer for answer in ("no", "contested", "yes") if answer in answers)


def _permissions(given: Permissions | None) -> Iterator[str]:
    """What the creator ticked on a hub, which holds beside the licence."""
    from mosaic.cli.catalog.card import labelled

    if given is None:
        return
    said = []
    if given.commercial is not None:
        names = {
            "image": "pictures",
            "rentcivit": "generation at the hub",
            "rent": "generation",
            "sell": "the model",
        }
        sold = ", ".join(names.get(name, plain(name, 20)) for name in given.commercial)
        said.append(f"may be sold: {sold}" if sold else "nothing may be sold")
    for value, yes, no in (
        (given.derivatives, "merges allowed", "no merges"),
        (given.no_credit, "no credit needed", "credit needed"),
        (given.different_license, "merges under another licence", "merges keep the licence"),
    ):
        if value is not None:
            said.append(yes if value else no)
    yield from labelled("creator", "; ".join(said))
