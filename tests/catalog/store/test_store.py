"""Records go into a store and come out as they were; content decides who is who."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mosaic.catalog.record import FileState, Record, Signature, StoredFile
from mosaic.catalog.store import Store, memory_store, open_store
from mosaic.compiler.facts import Interference
from mosaic.compiler.types import Kind

Make = Callable[..., Record]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "catalog.duckdb", write=True)


def test_what_is_put_comes_back_whole(store: Store, zoo_records: list[Record]) -> None:
    put = store.put(zoo_records)
    assert put.added == tuple(record.facts.id for record in zoo_records)
    for record in zoo_records:
        found = store.record(record.facts.id)
        assert found is not None
        assert replace(found, edges=()) == replace(record, edges=())
        assert sorted(found.edges, key=str) == sorted(record.edges, key=str)
        assert found.signatures == record.signatures
        assert found.texts == record.texts
        assert store.facts(record.facts.id) == record.facts


def test_what_is_put_twice_is_unchanged(store: Store, zoo_records: list[Record]) -> None:
    store.put(zoo_records)
    before = store.digest
    again = store.put(zoo_records)
    assert (again.added, again.updated) == ((), ())
    assert again.unchanged == tuple(record.facts.id for record in zoo_records)
    assert store.digest == before


def test_the_digest_depends_on_content_and_not_on_order(zoo_records: list[Record], make: Make) -> None:
    one, other = memory_store(zoo_records), memory_store([])
    for record in reversed(zoo_records):
        other.put([record])
    assert one.digest == other.digest
    other.put([make("local/one-more")])
    assert one.digest != other.digest
    other.remove(["local/one-more"])
    assert one.digest == other.digest


def test_the_digest_notices_a_fact(make: Make) -> None:
    assert memory_store([make(rating="general")]).digest != memory_store([make(rating="mature")]).digest
    assert memory_store([make(path="/a")]).digest == memory_store([make(path="/b")]).digest


def test_two_files_of_one_name_get_ids_of_their_own(store: Store, make: Make) -> None:
    first, second = make("local/neon", "a", path="/a/neon"), make("local/neon", "b", path="/b/neon")
    put = store.put([first, second])
    assert put.added == ("local/neon", f"local/neon-{second.digest[:6]}")
    (warning,) = put.warnings
    assert warning.code == "M839"
    assert "`local/neon` is taken" in warning.message()
    assert store.put([first, second]).unchanged == put.added


def test_one_content_at_two_places_is_one_expert(store: Store, make: Make) -> None:
    store.put([make("local/neon", "a", path="/a/neon")])
    put = store.put([make("local/copy", "a", path="/b/copy")])
    assert put.updated == ("local/neon",)
    assert store.names(Kind.LORA) == ("local/neon",)
    assert set(store.known(["/a/neon", "/b/copy", "/c"])) == {"/a/neon", "/b/copy"}
    by_alias = store.facts("local/copy")
    assert by_alias is not None
    assert by_alias.id == "local/neon"
    assert store.put([make("local/copy", "a", path="/b/copy")]).unchanged == ("local/neon",)


def test_other_content_at_the_same_place_takes_its_place(store: Store, make: Make) -> None:
    old, new = make("local/neon", "old", path="/neon"), make("local/neon", "new", path="/neon")
    store.put([old, make("local/hat")])
    assert store.put([new]).updated == ("local/neon",)
    assert store.names(Kind.LORA) == ("local/hat", "local/neon")
    assert store.by_digest(old.files[0].fact.sha256) == []
    assert store.digest == memory_store([new, make("local/hat")]).digest
    assert store.verify() == []


def test_a_changed_copy_leaves_the_other_copy_alone(store: Store, make: Make) -> None:
    store.put([make("local/a", "same", path="/a"), make("local/b", "same", path="/b")])
    store.put([make("local/b", "other", path="/b")])
    first, second = store.facts("local/a"), store.by_digest(make("x", "other").files[0].fact.sha256)[0]
    assert first is not None
    assert first.files[0].location == "/a"
    assert second.files[0].location == "/b"
    assert store.verify() == []


def test_experts_that_share_a_file_are_two(store: Store, make: Make) -> None:
    shared = make("x", "shared", path="/shared/vae").files[0]
    models = []
    for name in ("one", "two"):
        own = make(f"local/{name}", kind=Kind.CHECKPOINT)
        files = (*own.files, replace(shared, fact=replace(shared.fact, role="vae", name="vae/m.safetensors")))
        models.append(
            replace(own, files=files, facts=replace(own.facts, files=tuple(file.fact for file in files)))
        )
    assert store.put(models[:1]).added == ("local/one",)
    assert store.put(models[1:]).added == ("local/two",)
    assert store.put(models).unchanged == ("local/one", "local/two")
    assert len(store.by_digest(shared.fact.sha256)) == 2


def test_facts_read_anew_replace_the_old_ones(store: Store, make: Make) -> None:
    store.put([make(rating="general")])
    assert store.put([make(rating="mature")]).updated == ("local/neon",)
    found = store.facts("local/neon")
    assert found is not None
    assert found.rating == "mature"
    assert [row.rating for row in store.list()] == ["mature"]


def test_a_new_id_keeps_the_old_one_as_an_alias(store: Store, make: Make) -> None:
    store.put([make("local/neon", "a", path="/neon")])
    assert store.put([make("house/neon", "a", path="/neon")]).updated == ("house/neon",)
    assert store.names(Kind.LORA) == ("house/neon",)
    old = store.facts("local/neon")
    assert old is not None
    assert old.id == "house/neon"


def test_a_touched_file_is_unchanged_but_its_times_are_kept(store: Store, make: Make) -> None:
    store.put([make(path="/neon", mtime=1)])
    assert store.put([make(path="/neon", mtime=9)]).unchanged == ("local/neon",)
    assert store.known(["/neon"])["/neon"].mtime_ns == 9


def test_removing(store: Store, make: Make) -> None:
    store.put([make("local/a"), make("local/b"), make("local/c", aliases=("short",))])
    digest = make("local/b").files[0].fact.sha256
    assert store.remove(["local/a", f"sha256:{digest[:12]}", "short", "nobody"]) == (
        "local/a",
        "local/b",
        "local/c",
    )
    assert store.stats().experts == 0
    assert store.stats().signatures == 0
    assert store.digest == memory_store([]).digest
    assert store.search("a") == []


def test_listing_and_its_filters(store: Store, zoo_records: list[Record], make: Make) -> None:
    store.put(
        [
            *zoo_records,
            make("local/film", family="sdxl", license="MIT OR LicenseRef-own", trigger="Film look"),
        ]
    )
    assert [row.id for row in store.list(kind=Kind.EMBEDDING)] == ["zoo/samurai"]
    assert [row.id for row in store.list(family="sdxl")] == ["local/film"]
    assert [row.id for row in store.list(license="mit")] == ["local/film"]
    assert [row.id for row in store.list(license="own")] == []
    assert [row.id for row in store.list(trigger="film")] == ["local/film"]
    ids = [row.id for row in store.list()]
    assert ids == sorted(["local/film", *(record.facts.id for record in zoo_records)])
    assert [row.id for row in store.list(limit=2, offset=1)] == ids[1:3]


def test_every_kind_of_digest_names_an_expert(store: Store, make: Make) -> None:
    neon = make()
    store.put([neon, make("local/hat")])
    fact = neon.files[0].fact
    for digest in (
        neon.digest,
        fact.sha256,
        fact.sha256[:10].upper(),
        fact.tensors_sha256,
        fact.autov3[:12],
        fact.blake3,
    ):
        assert [facts.id for facts in store.by_digest(digest)] == ["local/neon"]
    assert store.by_digest("%") == []


def test_headers_and_coverage_come_from_signatures(store: Store, zoo_records: list[Record]) -> None:
    store.put(zoo_records)
    base, neon = store.facts("zoo/base"), store.facts("zoo/neon")
    assert base is not None
    assert neon is not None
    header = store.header(neon.files[0].sha256)
    assert header is not None
    record = next(record for record in zoo_records if record.facts.id == "zoo/neon")
    (signature,) = record.signatures.values()
    assert header.shapes == {name: shape for name, _, shape in signature.tensors}
    coverage = store.coverage(base, neon)
    assert coverage is not None
    assert coverage.complete
    assert coverage.total == len(signature.tensors)
    assert store.header("0" * 64) is None
    tokenizer = next(file for file in base.files if file.name.endswith("tokenizer.json"))
    assert store.text(tokenizer.sha256) == next(
        record.texts[tokenizer.sha256] for record in zoo_records if tokenizer.sha256 in record.texts
    )


def test_incomplete_coverage_is_kept_with_its_reasons(store: Store, make: Make) -> None:
    wide = Signature(
        tuple((name, dtype, (64, 64)) for name, dtype, _ in next(iter(make().signatures.values())).tensors)
    )
    store.put(
        [make("local/base", kind=Kind.CHECKPOINT), make("local/neon"), make("local/wide", signature=wide)]
    )
    base, wrong, like = (store.facts(f"local/{name}") for name in ("base", "wide", "neon"))
    assert base is not None
    assert wrong is not None
    assert like is not None
    kept = store.coverage(base, wrong)
    assert kept is not None
    assert not kept.complete
    assert kept.misshaped
    assert store.fitting(Kind.LORA, base, wrong) == ["local/neon"]


def test_interference_is_kept_for_both_orders(store: Store, make: Make) -> None:
    a, b = make("local/a"), make("local/b")
    store.put([a, b])
    assert store.interference(a.facts, b.facts) is None
    value = Interference(0.5, 0.25, 0.125, 3, (("mid.to_q", -0.5),), 0.1)
    before = store.digest
    store.put_interference(a.facts, b.facts, value)
    assert store.interference(a.facts, b.facts) == value
    assert store.interference(b.facts, a.facts) == value
    assert store.digest != before
    store.put_interference(b.facts, a.facts, value)
    assert store.stats().edges == 1
    assert store.verify() == []


def test_changed_files_are_told(store: Store, on_disk: Callable[..., Record]) -> None:
    record = on_disk("neon")
    store.put([record])
    facts = store.facts("local/neon")
    assert facts is not None
    assert store.changed(facts) == ""
    path = Path(facts.files[0].location)
    path.write_bytes(b"longer than before")
    assert store.changed(facts) == "changed"
    path.unlink()
    assert store.changed(facts) == "missing"


def test_a_copy_that_is_there_stands_for_one_that_is_not(
    store: Store, on_disk: Callable[..., Record]
) -> None:
    first, second = on_disk("first"), on_disk("second")
    store.put([first, second])
    Path(first.files[0].fact.location).unlink()
    facts = store.facts("local/first")
    assert facts is not None
    assert facts.files[0].location == second.files[0].fact.location
    assert store.changed(facts) == ""


def test_names_of_files_that_are_no_unicode(store: Store, make: Make) -> None:
    odd = "/models/\udcff\udcfe.safetensors"
    store.put([make(path=odd), make("local/hat", path="json:/x")])
    assert list(store.known([odd, "json:/x"])) == [odd, "json:/x"]
    found = store.facts("local/neon")
    assert found is not None
    assert found.files[0].location == odd


def test_a_file_without_a_state_is_known_only_by_its_place(store: Store, make: Make) -> None:
    record = make(path="/neon")
    store.put([replace(record, files=(StoredFile(record.files[0].fact, record.files[0].signature),))])
    assert store.known(["/neon"]) == {}


def test_large_inodes_and_devices(store: Store, make: Make) -> None:
    record = make(path="/neon")
    state = FileState(1, 2, 3, (1 << 64) - 1, (1 << 64) - 2)
    store.put([replace(record, files=(replace(record.files[0], state=state),))])
    assert store.known(["/neon"]) == {"/neon": state}


def test_usage_is_noted(store: Store, make: Make) -> None:
    store.put([make()])
    store.use([make().digest], "plan.mosaic", "ran", datetime(2026, 1, 1, tzinfo=UTC))
    assert store.verify() == []


def test_an_empty_batch(store: Store) -> None:
    assert store.put([]).added == ()
    assert store.remove([]) == ()


def test_statistics(store: Store, zoo_records: list[Record]) -> None:
    store.put(zoo_records)
    stats = store.stats()
    assert stats.experts == len(zoo_records)
    assert dict(stats.kinds) == Counter(str(record.facts.kind) for record in zoo_records)
    assert stats.kinds[0] == ("lora", 16)
    assert dict(stats.families)["sd1"] == sum(record.facts.family == "sd1" for record in zoo_records)
    assert stats.files == len({file.fact.sha256 for record in zoo_records for file in record.files})
    assert stats.digest == store.digest
    assert stats.stored > 0


def test_coverage_between_kept_shapes(store: Store, make: Make) -> None:
    store.put(
        [make("local/base", kind=Kind.CHECKPOINT), make("local/neon"), make("local/alien", family="sdxl")]
    )
    base, neon, alien = (store.facts(f"local/{name}") for name in ("base", "neon", "alien"))
    assert base is not None
    assert neon is not None
    assert alien is not None
    kept = store.coverage(base, neon)
    assert kept is not None
    assert kept.complete
    assert store.coverage(base, replace(alien, files=())) is None


def test_experts_of_unknown_bytes_are_not_one_another(store: Store, make: Make) -> None:
    """Many files are called alike; where no digest is known, the id alone tells them apart."""

    def blank(id: str) -> Record:
        made = make(id)
        facts = [
            replace(file.fact, sha256="", tensors_sha256="", autov3="", blake3="") for file in made.files
        ]
        files = tuple(replace(file, fact=fact) for file, fact in zip(made.files, facts, strict=True))
        return replace(made, facts=replace(made.facts, files=tuple(facts)), files=files)

    store.put([blank("local/one"), blank("local/other")])
    one, other = store.facts("local/one"), store.facts("local/other")
    assert one is not None and other is not None
    assert (one.id, other.id) == ("local/one", "local/other")
    assert store.put([blank("local/one")]).unchanged == ("local/one",)
