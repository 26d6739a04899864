"""A catalog as a folder: the same bytes for the same content, read as it is, refused where it is damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosaic.catalog.record import Claim, Evidence, Record, Score
from mosaic.catalog.store import Store, memory_store, open_catalog, open_snapshot, open_store
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.facts import Permissions
from mosaic.compiler.types import Kind

Make = Callable[..., Record]


def codes(action: Callable[[], Any]) -> list[str]:
    with pytest.raises(MosaicError) as error:
        action()
    return [diagnostic.code for diagnostic in error.value.diagnostics]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def snapshot(tmp_path: Path, zoo_records: list[Record]) -> Path:
    memory_store(zoo_records).export(tmp_path / "snapshot")
    return tmp_path / "snapshot"


def test_the_same_content_gives_the_same_bytes(
    tmp_path: Path, zoo_records: list[Record], snapshot: Path
) -> None:
    with open_store(tmp_path / "catalog.duckdb", write=True) as store:
        for record in reversed(zoo_records):
            store.put([record])
        store.export(tmp_path / "other")
    assert contents(tmp_path / "other") == contents(snapshot)


def test_what_came_back_from_a_snapshot_gives_its_bytes_again(tmp_path: Path, make: Make) -> None:
    # It has a claim that its tensors prove, which is not exported, before one that is.
    memory_store([make()]).export(tmp_path / "snapshot")
    store = memory_store([])
    store.import_(tmp_path / "snapshot")
    store.export(tmp_path / "again")
    assert contents(tmp_path / "again") == contents(tmp_path / "snapshot")


def test_what_was_removed_leaves_no_trace(
    tmp_path: Path, zoo_records: list[Record], snapshot: Path, make: Make
) -> None:
    store = memory_store([*zoo_records, make()])
    store.export(tmp_path / "before")
    assert contents(tmp_path / "before")["coverages.parquet"] != contents(snapshot)["coverages.parquet"]
    store.remove([make().facts.id])
    store.export(tmp_path / "after")
    assert contents(tmp_path / "after") == contents(snapshot)


def test_exporting_again_replaces_a_snapshot(
    tmp_path: Path, zoo_records: list[Record], snapshot: Path
) -> None:
    before = contents(snapshot)
    done = memory_store(zoo_records[:3]).export(snapshot)
    assert done.experts == 3
    assert contents(snapshot) != before
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot"]
    open_snapshot(snapshot).export(tmp_path / "copy")
    assert open_snapshot(tmp_path / "copy").digest == done.digest


def test_a_snapshot_answers_like_the_catalog(zoo_records: list[Record], snapshot: Path) -> None:
    store, read = memory_store(zoo_records), open_catalog(snapshot)
    assert read.digest == store.digest
    assert read.names(Kind.LORA) == store.names(Kind.LORA)
    assert read.verify() == []
    for record in zoo_records:
        facts, here = store.facts(record.facts.id), read.facts(record.facts.id)
        assert facts is not None
        assert here is not None
        bare = replace(facts, files=tuple(replace(file, location="") for file in facts.files))
        assert here == bare
        assert read.changed(here) == ""
    base, neon = read.facts("zoo/base"), read.facts("zoo/neon")
    assert base is not None
    assert neon is not None
    kept = read.coverage(base, neon)
    assert kept is not None
    assert kept.complete
    assert read.header(neon.files[0].sha256) == store.header(neon.files[0].sha256)
    for words in ("soft watercolour", "neon"):
        ours = [(c.expert.id, c.score, c.measure) for c in read.find(Kind.LORA, words)]
        assert ours == [(c.expert.id, c.score, c.measure) for c in store.find(Kind.LORA, words)]


def test_no_place_of_this_machine_is_exported(tmp_path: Path, make: Make) -> None:
    memory_store([make(path="/secret/folder/neon")]).export(tmp_path / "snapshot")
    for name, content in contents(tmp_path / "snapshot").items():
        assert b"secret" not in content, name


def test_import_merges(tmp_path: Path, zoo_records: list[Record], make: Make, snapshot: Path) -> None:
    with open_store(tmp_path / "catalog.duckdb", write=True) as store:
        store.put([make("local/own"), zoo_records[0]])
        put = store.import_(snapshot)
        assert put.unchanged == (zoo_records[0].facts.id,)
        assert len(put.added) == len(zoo_records) - 1
        assert store.digest == memory_store([make("local/own"), *zoo_records]).digest
        assert store.import_(snapshot).added == ()
        assert store.verify() == []
        kept = store.facts(zoo_records[0].facts.id)
        assert kept is not None
        assert all(file.location for file in kept.files)


def test_a_snapshot_is_only_read(snapshot: Path, make: Make) -> None:
    assert codes(lambda: open_snapshot(snapshot).put([make()])) == ["M835"]


def test_what_is_no_snapshot(tmp_path: Path, make: Make) -> None:
    store = memory_store([make()])
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.png").write_bytes(b"picture")
    assert codes(lambda: open_catalog(folder)) == ["M836"]
    assert codes(lambda: store.export(folder)) == ["M836"]
    (folder / "manifest.json").write_text("{}")
    assert codes(lambda: open_catalog(folder)) == ["M836"]
    assert codes(lambda: store.export(folder)) == ["M836"]
    assert (folder / "cat.png").read_bytes() == b"picture"
    assert codes(lambda: open_snapshot(tmp_path / "none")) == ["M830"]
    assert codes(lambda: store.export(folder / "cat.png" / "x")) == ["M835"]
    assert store.export(tmp_path / "empty").experts == 1


def test_a_damaged_snapshot(snapshot: Path, tmp_path: Path) -> None:
    whole = contents(snapshot)
    size = len(whole["experts.parquet"])
    for name, damaged in (
        ("experts.parquet", whole["experts.parquet"][:-5]),
        ("experts.parquet", b"version https://git-lfs.github.com/spec/v1\n"),
        ("experts.parquet", b"x" * size),
        ("manifest.json", whole["manifest.json"][:40]),
        ("manifest.json", whole["manifest.json"].replace(b'"sum"', b'"some"')),
    ):
        (snapshot / name).write_bytes(damaged)
        assert codes(lambda: open_snapshot(snapshot)) == ["M837"]
        (snapshot / name).write_bytes(whole[name])
    (snapshot / "files.parquet").unlink()
    assert codes(lambda: open_snapshot(snapshot)) == ["M837"]


def test_a_byte_that_changed_is_seen_at_import(snapshot: Path) -> None:
    path = snapshot / "signatures.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    assert codes(lambda: memory_store([]).import_(snapshot)) == ["M837"]


def test_a_newer_snapshot(snapshot: Path) -> None:
    manifest = json.loads((snapshot / "manifest.json").read_text())
    for key in ("format", "schema"):
        (snapshot / "manifest.json").write_text(json.dumps(manifest | {key: 99}))
        assert codes(lambda: open_snapshot(snapshot)) == ["M833"]


def test_odd_names_of_folders(tmp_path: Path, make: Make) -> None:
    for name in ("it's", "a[b]*?", "ünï cödé", "a;b"):
        memory_store([make()]).export(tmp_path / name)
        assert open_snapshot(tmp_path / name).names(Kind.LORA) == ("local/neon",)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SHARE = st.floats(0, 1)


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    id=TEXT.map(lambda text: f"local/{text}"),
    facts=st.fixed_dictionaries(
        {},
        optional={
            "title": TEXT,
            "trigger": TEXT,
            "triggers": st.lists(TEXT, max_size=3).map(tuple),
            "license": TEXT,
            "strengths": st.tuples(SHARE, SHARE),
            "excludes": st.lists(TEXT, max_size=2).map(tuple),
            "permissions": st.builds(
                Permissions,
                commercial=st.none() | st.lists(TEXT, max_size=2).map(tuple),
                derivatives=st.none() | st.booleans(),
            ),
            "native_size": st.tuples(st.integers(1, 4096), st.integers(1, 4096)),
            "clip_skip": st.integers(1, 12),
            "last": st.booleans(),
            "rating": st.sampled_from(["general", "mature"]),
        },
    ),
    claims=st.lists(
        st.builds(Claim, TEXT, TEXT | st.integers(-9, 9) | SHARE, st.sampled_from(Evidence), TEXT), max_size=4
    ),
    scores=st.lists(st.builds(Score, TEXT, SHARE, SHARE, SHARE, st.integers(0, 999)), max_size=3),
    tags=st.lists(TEXT, max_size=3),
    description=TEXT,
)
def test_whatever_is_known_survives(
    tmp_path_factory: pytest.TempPathFactory,
    make: Make,
    id: str,
    facts: dict[str, Any],
    claims: list[Claim],
    scores: list[Score],
    tags: list[str],
    description: str,
) -> None:
    record = make(id, path=None, description=description, tags=tuple(tags), scores=tuple(scores), **facts)
    record = replace(record, claims=tuple(claims))
    store = memory_store([record])
    _same(store, record)
    folder = tmp_path_factory.mktemp("hypothesis") / "snapshot"
    store.export(folder)
    told = replace(record, claims=tuple(claim for claim in claims if claim.evidence is not Evidence.HEADER))
    _same(open_snapshot(folder), told)
    other = memory_store([])
    other.import_(folder)
    _same(other, told)
    assert other.digest == store.digest == open_snapshot(folder).digest
    assert other.verify() == []


def _same(store: Store, record: Record) -> None:
    found = store.record(record.facts.id)
    assert found == record
    assert found is not None
    assert found.signatures == record.signatures
    assert store.facts(record.facts.id) == record.facts
