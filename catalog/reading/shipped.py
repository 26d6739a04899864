"""Records of the experts that are shipped with the package, from their index and the headers of their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from mosaic.catalog.found import Part, read_text
from mosaic.catalog.headers import Headers
from mosaic.catalog.index import locate, read_bridges, read_index
from mosaic.catalog.reading.shown import adapter_shown, counted
from mosaic.catalog.reading.stored import Weights, signature_of
from mosaic.catalog.record import Claim, Edge, Evidence, Record, Score, StoredFile, content_digest
from mosaic.compiler.diagnostic import InternalError
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.types import Kind
from mosaic.compiler.weights.adapters import scan
from mosaic.compiler.weights.embeddings import vector_count


def shipped(index: Mapping[str, Any], root: Path) -> list[Record]:
    """The records, in the index's order. Nothing is hashed: the index holds the digests.

    Raises InternalError for a malformed index, MosaicError where a shipped file is missing or damaged.
    """
    headers = Headers()
    facts = read_index(index, root)
    facts |= {bridge.id: bridge for bridge in read_bridges(index, root).values()}
    digests = {id: content_digest(fact) for id, fact in facts.items()}
    try:
        edges = [_edge(entry, digests) for entry in index.get("edges", ())]
        entries = [*index["experts"], *index.get("bridges", ())]
        known = [(entry, facts[entry["id"]]) for entry in entries if entry["id"] in facts]
        return [_record(entry, fact, headers, edges, digests) for entry, fact in known]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InternalError(f"the index of shipped experts is malformed: {error!r}") from error


def _record(
    entry: Mapping[str, Any],
    facts: ExpertFacts,
    headers: Headers,
    edges: list[Edge],
    digests: Mapping[str, str],
) -> Record:
    read = [(file, locate(file.location)) for file in facts.files]
    known = {
        file.sha256: headers.read(path, file.name)
        for file, path in read
        if path.name.endswith(".safetensors")
    }
    signatures = {sha256: signature_of(header) for sha256, header in known.items()}
    found = tuple(
        Weights(Part(file.role, file.name, path), known[file.sha256])
        for file, path in read
        if file.sha256 in known
    )
    parameters, dtype = counted(found)
    words = (facts.trigger,) if facts.trigger else ()
    strength = (entry.get("recommended") or {}).get("strength")
    full = replace(
        facts,
        triggers=words,
        adapter=adapter_shown(scan(found[0].header.shapes), found[0], None).facts
        if facts.kind is Kind.LORA
        else None,
        vectors=vector_count(found[0].header.shapes) if facts.kind is Kind.EMBEDDING else 0,
        strengths=(float(strength[0]), float(strength[1]))
        if strength and facts.kind is not Kind.CHECKPOINT
        else None,
        license_evidence=str(Evidence.SHIPPED) if facts.license else "",
        parameters=parameters,
        dtype=dtype,
    )
    digest = digests[facts.id]
    return Record(
        facts=full,
        files=tuple(
            StoredFile(file, signatures[file.sha256][0] if file.sha256 in known else "")
            for file in facts.files
        ),
        claims=_claims(full),
        description=entry.get("description") or "",
        author=entry.get("author") or "",
        tags=tuple(entry.get("tags") or ()),
        scores=tuple(Score(name, **score) for name, score in (entry.get("scores") or {}).items()),
        edges=tuple(edge for edge in edges if edge.first == digest),
        signatures=dict(signatures.values()),
        texts={
            file.sha256: read_text(path, file.name, None) for file, path in read if file.sha256 not in known
        },
    )


_CLAIMED: Final = (
    "kind", "family", "space", "prediction", "trigger", "title", "license", "native_size", "strengths", "rating",
    "category",
)  # fmt: skip


def _claims(facts: ExpertFacts) -> tuple[Claim, ...]:
    said = ((key, getattr(facts, key)) for key in _CLAIMED)
    return tuple(
        Claim(key, list(v) if isinstance(v, tuple) else str(v), Evidence.SHIPPED, "index.json")
        for key, v in said
        if v not in (None, "")
    )


def _edge(entry: Mapping[str, Any], digests: Mapping[str, str]) -> Edge:
    return Edge(entry["relation"], digests[entry["first"]], digests[entry["second"]], entry.get("value"))
