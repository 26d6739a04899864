"""What is known of pairs of adapters: from the index, from a catalog, from the cache, or from the files."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.catalog import LocalExperts
from mosaic.catalog.edges import Pairs, from_json, read_edges, to_json
from mosaic.catalog.interference import interference
from mosaic.catalog.library import Once
from mosaic.catalog.store import memory_store
from mosaic.compiler.diagnostic import InternalError
from mosaic.compiler.facts import ExpertFacts, FileFact, Interference
from mosaic.compiler.types import Kind
from mosaic.stdlib import zoo

SOME = Interference(0.12345, 0.5, 0.25, 3, (("a", 0.5), ("b", -0.25)), 0.125)
MODELS = zoo.root() / "models"
LORAS = [expert["id"] for expert in zoo.index()["experts"] if expert["kind"] == "lora"]


def lora(path: Path, digest: str = "") -> ExpertFacts:
    file = FileFact("adapter", digest or f"{path.stem:0>64}", path.stat().st_size, str(path), path.name)
    return ExpertFacts(str(path), Kind.LORA, "sd1", None, None, (file,))


def test_json_keeps_four_digits() -> None:
    back = from_json(json.loads(json.dumps(to_json(SOME))))
    assert back == replace(SOME, cosine=0.1235)


def test_every_pair_of_the_zoo_is_shipped_and_true() -> None:
    """`python -m benchmarks.bench_interference --write` writes them anew."""
    edges = read_edges(zoo.index())
    assert len(edges) == len(LORAS) * (len(LORAS) - 1)
    for first, second in itertools.combinations(LORAS, 2):
        paths = [MODELS / f"{id.removeprefix('zoo/')}.safetensors" for id in (first, second)]
        found = interference(*paths)
        assert found is not None
        assert edges[first, second] == edges[second, first]
        shipped, fresh = edges[first, second], from_json(to_json(found))
        for figure in ("cosine", "overlap", "conflict", "chance"):
            assert getattr(shipped, figure) == pytest.approx(getattr(fresh, figure), abs=1e-3)
        assert (shipped.shared, len(shipped.layers)) == (fresh.shared, 5)


def test_a_malformed_edge_is_a_fault_of_the_package() -> None:
    with pytest.raises(InternalError):
        read_edges({"edges": [{"relation": "interferes", "first": "a", "second": "b", "value": {}}]})
    assert read_edges({"edges": [{"relation": "another", "first": "a"}]}) == {}
    assert read_edges({}) == {}


def test_a_pair_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = lora(MODELS / "neon.safetensors"), lora(MODELS / "tiles.safetensors")
    first = Pairs(tmp_path / "cache" / "pairs.json").get(one, two)
    assert first is not None
    monkeypatch.setattr("mosaic.catalog.edges.interference", None)  # calling it would raise
    for a, b in ((one, two), (two, one)):
        again = Pairs(tmp_path / "cache" / "pairs.json").get(a, b)
        assert again is not None
        assert again == from_json(to_json(first))


def test_that_nothing_can_be_told_is_remembered_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = lora(MODELS / "neon.safetensors"), lora(MODELS / "samurai.safetensors")
    assert Pairs(tmp_path / "pairs.json").get(one, two) is None
    monkeypatch.setattr("mosaic.catalog.edges.interference", None)
    assert Pairs(tmp_path / "pairs.json").get(one, two) is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version": 1}', b'{"version": 9, "pairs": {}}', b"\xff"]
)
def test_a_broken_cache_is_written_anew(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "pairs.json").write_bytes(content)
    pairs = Pairs(tmp_path / "pairs.json")
    assert pairs.get(lora(MODELS / "neon.safetensors"), lora(MODELS / "hat.safetensors")) is not None
    assert len(json.loads((tmp_path / "pairs.json").read_text())["pairs"]) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["pairs.json"]


def test_large_and_distant_files_are_left_alone(tmp_path: Path) -> None:
    one, two = lora(MODELS / "neon.safetensors"), lora(MODELS / "tiles.safetensors")
    pairs = Pairs(tmp_path / "pairs.json")
    large = replace(two, files=(replace(two.files[0], size=64 << 20),))
    distant = replace(two, files=(replace(two.files[0], location=""),))
    gone = replace(two, files=(replace(two.files[0], location=str(tmp_path / "gone.safetensors")),))
    for other in (large, distant, gone):
        assert pairs.get(one, other) is None
    assert not (tmp_path / "pairs.json").exists()


def test_shipped_before_catalogued_before_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAIC_CACHE", str(tmp_path))
    store = memory_store([])
    asked: list[tuple[str, str]] = []

    def answer(first: ExpertFacts, second: ExpertFacts) -> Interference | None:
        asked.append((first.id, second.id))
        return SOME if "tiles" in second.id else None

    monkeypatch.setattr(store, "interference", answer)
    experts = LocalExperts(zoo.index(), zoo.root(), tmp_path, catalog=Once(lambda: store))
    neon, tiles, hat = (lora(MODELS / f"{name}.safetensors") for name in ("neon", "tiles", "hat"))
    shipped = experts.interference(replace(neon, id="zoo/neon"), replace(tiles, id="zoo/tiles"))
    assert shipped == read_edges(zoo.index())["zoo/neon", "zoo/tiles"]
    assert asked == []
    assert experts.interference(neon, tiles) == SOME
    computed = experts.interference(neon, hat)
    assert computed is not None
    assert computed != SOME


def test_a_plan_over_the_zoo_loads_no_numpy() -> None:
    program = (
        "import sys\nfrom mosaic.project import Project\nfrom mosaic.compiler.source import SourceFile\n"
        'text = \'mosaic 1\\nplan p { emit sample(fuse(checkpoint("zoo/base"), lora("zoo/neon"),'
        ' lora("zoo/tiles")), prompt: "a") as "a.png" }\'\n'
        "found = Project().check(SourceFile('p.mosaic', text))\n"
        "print([each.code for each in found if each.code == 'M430'], 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "['M430'] False\n"


def test_a_store_answers_alike_with_few_pairs_and_with_many(monkeypatch: pytest.MonkeyPatch) -> None:
    from mosaic.catalog.reading import shipped
    from mosaic.catalog.store import relations

    records = shipped(zoo.index(), zoo.root())
    loras = [record.facts for record in records if record.facts.kind is Kind.LORA]
    edges = read_edges(zoo.index())
    for most in (10_000, 3):
        monkeypatch.setattr(relations, "_FEW", most)
        store = memory_store(records)
        for first, second in itertools.permutations(loras, 2):
            assert store.interference(first, second) == edges[first.id, second.id]
        store.put_interference(loras[0], loras[1], SOME)  # what was held before is asked for anew
        assert store.interference(loras[1], loras[0]) == from_json(to_json(SOME))
