"""The shipped experts, as the catalog gives them to the compiler."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from mosaic.catalog import LocalExperts, locate
from mosaic.catalog.index import PACKAGE
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.source import SourceFile
from mosaic.compiler.types import Kind
from mosaic.stdlib import zoo

SPAN = SourceFile("<stdin>", '"zoo/x"').span(0, 7)
ALL = [(Kind(entry["kind"]), entry["id"]) for entry in zoo.index()["experts"]]
OF_THE_BASE = [
    (Kind(entry["kind"]), entry["id"])
    for entry in zoo.index()["experts"]
    if entry["latent_space"] == "zoo-a" and entry["id"] != "zoo/base"
]


@pytest.fixture(scope="module")
def experts(tmp_path_factory: pytest.TempPathFactory) -> LocalExperts:
    return LocalExperts(zoo.index(), zoo.root(), tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def find(experts: LocalExperts) -> Callable[[Kind, str], ExpertFacts]:
    def resolve(kind: Kind, id: str) -> ExpertFacts:
        facts = experts.resolve(kind, id, SPAN)
        assert isinstance(facts, ExpertFacts), facts
        return facts

    return resolve


Find = Callable[[Kind, str], ExpertFacts]


@pytest.mark.parametrize(("kind", "id"), ALL)
def test_every_file_is_there_under_its_digest(find: Find, kind: Kind, id: str) -> None:
    facts = find(kind, id)
    assert facts.files
    for file in facts.files:
        assert file.location.startswith(PACKAGE), "locations are the same on every machine"
        path = locate(file.location)
        data = path.read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256)


@pytest.mark.parametrize(("kind", "id"), OF_THE_BASE)
def test_every_expert_of_the_base_fits_it_whole(
    experts: LocalExperts, find: Find, kind: Kind, id: str
) -> None:
    expert = find(kind, id)
    found = experts.coverage(find(Kind.CHECKPOINT, "zoo/base"), expert)
    assert found.complete, (found.unmatched[:3], found.misshaped[:3])
    assert found.total > 0


@pytest.mark.parametrize("id", [id for kind, id in ALL if kind is Kind.CHECKPOINT])
def test_a_shipped_checkpoint_is_known_by_path_as_by_id(
    tmp_path: Path, experts: LocalExperts, find: Find, id: str
) -> None:
    """What the headers and configurations show agrees with what the index says."""
    shipped = find(Kind.CHECKPOINT, id)
    folder = tmp_path / "copy"
    for file in shipped.files:
        target = folder / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(locate(file.location))
    found = experts.resolve(Kind.CHECKPOINT, str(folder), SPAN)
    assert isinstance(found, ExpertFacts), found
    for name in ("kind", "family", "space", "prediction", "native_size"):
        assert getattr(found, name) == getattr(shipped, name), name
    digests = {file.name: file.sha256 for file in shipped.files}
    assert {file.name: file.sha256 for file in found.files if file.name in digests} == digests
    assert shipped.size_multiple % found.size_multiple == 0


@pytest.mark.parametrize(("kind", "id"), [entry for entry in ALL if entry[0] is not Kind.CHECKPOINT])
def test_a_shipped_adapter_is_known_by_path_as_by_id(
    experts: LocalExperts, find: Find, kind: Kind, id: str
) -> None:
    shipped = find(kind, id)
    found = experts.resolve(kind, str(locate(shipped.files[0].location)), SPAN)
    assert isinstance(found, ExpertFacts), found
    for name in ("kind", "space", "prediction", "trigger", "title", "license"):
        assert getattr(found, name) == getattr(shipped, name), name


def test_prompts_are_counted(experts: LocalExperts, find: Find) -> None:
    base, hero = find(Kind.CHECKPOINT, "zoo/base"), find(Kind.EMBEDDING, "zoo/samurai")
    plain = experts.tokens(base, [], "a red cat, at night")
    assert plain is not None
    assert plain.used == 6, "every word of the world is one token"
    with_hero = experts.tokens(base, [hero], f"a red {hero.trigger}, at night")
    assert with_hero is not None
    assert with_hero.used == 6
    long = experts.tokens(base, [], "a red cat " * 50)
    assert long is not None
    assert long.used > long.limit > 0
