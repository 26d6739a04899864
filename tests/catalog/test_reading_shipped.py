"""Records of the experts that are shipped with the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.catalog.reading import shipped
from mosaic.compiler.diagnostic import InternalError
from mosaic.stdlib import zoo


def test_the_zoo() -> None:
    index = zoo.index()
    records = {record.facts.id: record for record in shipped(index, Path(zoo.__file__).parent)}
    entries = [*index["experts"], *index["bridges"]]
    assert list(records) == [entry["id"] for entry in entries]
    neon = records["zoo/neon"]
    adapter = neon.facts.adapter
    assert adapter is not None
    assert (adapter.algorithm, adapter.ranks, adapter.parts) == ("lora", (8, 8), ("unet",))
    assert (neon.facts.strengths, neon.facts.triggers) == ((0.0, 1.2), ("neon style",))
    assert (neon.facts.license, neon.facts.license_evidence) == ("Apache-2.0", "shipped")
    assert neon.description.startswith("Glowing tubes")
    style = next(score for score in neon.scores if score.name == "style")
    assert 0.9 < style.low <= style.share <= style.high <= 1.0
    assert style.n == 600
    for entry, record in zip(entries, records.values(), strict=True):
        assert [file.fact.sha256 for file in record.files] == [file["sha256"] for file in entry["files"]]
        assert all(record.signatures[file.signature] for file in record.files if file.signature)
        assert [score.name for score in record.scores] == list(entry.get("scores", {}))
        assert record.facts.parameters > 0
        texts = {file.fact.sha256 for file in record.files if not file.signature}
        assert record.texts.keys() == texts
    bridge = records["zoo/a-to-b"].facts.bridge
    assert bridge is not None
    assert (bridge.source, bridge.target, bridge.form) == ("zoo-a", "zoo-b", "linear")
    samurai = records["zoo/samurai"].facts
    assert (samurai.vectors, samurai.trigger) == (1, "<samurai>")


def test_edges_join_experts_by_their_digests() -> None:
    index = zoo.index()
    entry = {"relation": "interferes", "first": "zoo/neon", "second": "zoo/hat", "value": {"cosine": 0.5}}
    records = shipped({**index, "edges": [entry]}, Path(zoo.__file__).parent)
    digests = {record.facts.id: record.digest for record in records}
    (edge,) = [edge for record in records for edge in record.edges]
    assert (edge.relation, edge.first, edge.second) == ("interferes", digests["zoo/neon"], digests["zoo/hat"])
    assert edge.value == {"cosine": 0.5}


def test_a_malformed_index() -> None:
    index = zoo.index()
    with pytest.raises(InternalError):
        shipped({**index, "edges": [{"relation": "interferes"}]}, Path(zoo.__file__).parent)
