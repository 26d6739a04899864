"""Where a file's embedded metadata disagrees with its tensors. The tensors win; a warning says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from mosaic.catalog.reading.shown import AdapterShown
from mosaic.catalog.record import Claim, Evidence
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.types import Kind

_EMBEDDED: Final = ("ss_", "modelspec.", "base_model", "baseModel", "family")
_ALGORITHMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "lora": "lora", "locon": "lora", "loha": "loha", "lokr": "lokr", "ia3": "ia3", "full": "full",
        "diag-oft": "oft", "oft": "oft", "boft": "oft", "glora": "glora",
    }
)  # fmt: skip


def disagreements(
    shown: str, facts: ExpertFacts, claims: Sequence[Claim], adapter: AdapterShown | None
) -> tuple[Diagnostic, ...]:
    """The warnings about a file that messages call `shown`, at most one of a kind."""
    return tuple(
        warning
        for warning in (
            _family(shown, claims),
            _prediction(shown, claims),
            *(_adapter(shown, claims, adapter) if adapter is not None else ()),
            _hash(shown, facts, claims),
            _unknown(shown, facts),
        )
        if warning is not None
    )


def _proven(claims: Sequence[Claim], key: str) -> str | None:
    return next((str(c.value) for c in claims if c.key == key and c.evidence is Evidence.HEADER), None)


def _told(claims: Sequence[Claim], key: str) -> Iterator[Claim]:
    """What a person states, then what metadata says."""
    yield from (claim for claim in claims if claim.key == key and claim.evidence is Evidence.DECLARED)
    yield from _said(claims, key)


def _said(claims: Sequence[Claim], key: str) -> Iterator[Claim]:
    embedded = (claim for claim in claims if claim.key == key and claim.evidence is Evidence.METADATA)
    return (claim for claim in embedded if claim.source.startswith(_EMBEDDED))


def _family(shown: str, claims: Sequence[Claim]) -> Diagnostic | None:
    family = _proven(claims, "family")
    wrong = next((claim for claim in _told(claims, "family") if family and claim.value != family), None)
    return _disagrees(shown, wrong, family) if family is not None and wrong is not None else None


def _prediction(shown: str, claims: Sequence[Claim]) -> Diagnostic | None:
    proven = _proven(claims, "prediction")
    wrong = next((claim for claim in _told(claims, "prediction") if proven and claim.value != proven), None)
    return _disagrees(shown, wrong, proven) if proven is not None and wrong is not None else None


def _disagrees(shown: str, wrong: Claim, proven: str) -> Diagnostic:
    stated = wrong.evidence is Evidence.DECLARED
    return errors.reading.MetadataDisagrees(
        None, shown, wrong.key, str(wrong.value), proven, wrong.source, stated
    )


def _adapter(shown: str, claims: Sequence[Claim], adapter: AdapterShown) -> Iterator[Diagnostic]:
    facts = adapter.facts
    disagrees = errors.reading.MetadataDisagrees
    for claim in _said(claims, "algorithm"):
        said = _ALGORITHMS.get(str(claim.value))
        # DoRA is an option of the others, not an algorithm of its own to trainers.
        if said is not None and said != facts.algorithm and facts.algorithm != "dora":
            yield disagrees(None, shown, "algorithm", said, facts.algorithm, claim.source)
    for claim in _said(claims, "rank"):
        # LoKr takes its rank for a limit: small modules are kept in full.
        if facts.ranks and facts.algorithm in ("lora", "dora", "loha"):
            least, most = facts.ranks
            if not least <= claim.value <= most:
                yield disagrees(None, shown, "rank", str(claim.value), _range(least, most), claim.source)
    for claim in _said(claims, "alpha"):
        close = any(abs(alpha - claim.value) <= 0.01 * max(abs(alpha), 1.0) for alpha in adapter.alphas)
        if adapter.alphas and not close:
            held = _range(adapter.alphas[0], adapter.alphas[-1])
            yield disagrees(None, shown, "alpha", f"{claim.value:g}", held, claim.source)


def _range(least: float, most: float) -> str:
    return f"{least:g}" if least == most else f"{least:g} to {most:g}"


def _hash(shown: str, facts: ExpertFacts, claims: Sequence[Claim]) -> Diagnostic | None:
    claim = next(_said(claims, "hash_sha256"), None)
    if claim is None or len(facts.files) != 1 or not facts.files[0].autov3:
        return None
    actual = facts.files[0].autov3
    return (
        None
        if actual.startswith(claim.value)
        else errors.reading.ForeignHash(None, shown, claim.value, actual)
    )


def _unknown(shown: str, facts: ExpertFacts) -> Diagnostic | None:
    if facts.kind is not Kind.LORA or facts.family is not None:
        return None
    return errors.reading.UnknownFamily(None, shown)
