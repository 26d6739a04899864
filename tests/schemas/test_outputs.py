"""What commands really print and write has the shape of the published schemas, and no other keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.schemas import walking
from tests.schemas.outputs import (
    SCENES,
    SLOW,
    Document,
    Scene,
    caching,
    comparing,
    composing,
    locking,
    planning,
    running,
)

from mosaic import schemas

pytest.importorskip("torch")

Perform = Callable[[Scene], list[Document]]

_NO_HUB = "no reader fills it yet: records of hubs beside a file are not read"
RARE: dict[str, str] = {
    "facts/properties/integrity": "told of experts that plans resolve, not kept in a catalog",
    "facts/properties/permissions": _NO_HUB,
    "facts/properties/size_multiple": "8 in all architectures that are read, and left out then",
    "facts/properties/variant": "needs a denoiser for inpainting",
    "file/properties/pixels": "of input pictures, which no catalog holds",
    **{
        f"permissions/properties/{name}": _NO_HUB
        for name in ("commercial", "derivatives", "different_license", "no_credit")
    },
    **{
        f"bench-costs/properties/profile/properties/refined/additionalProperties/properties/{name}": (
            "what runs have taught; the benchmark measures the machine anew"
        )
        for name in ("p50", "p90", "runs")
    },
}
"""Properties that no scene shows, with the reason."""


@pytest.fixture(scope="module")
def perform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Perform]:
    """Run a scene in an empty folder with a catalog and a cache of its own, once."""
    found: dict[str, list[Document]] = {}

    def run(scene: Scene) -> list[Document]:
        if scene.__name__ not in found:
            folder = tmp_path_factory.mktemp(scene.__name__)
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(folder)
                patch.setenv("XDG_DATA_HOME", str(folder / "data"))
                patch.setenv("MOSAIC_CACHE", str(folder / "cache"))
                for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MOSAIC_COMPOSE_MODEL", "MOSAIC_CATALOG"):
                    patch.delenv(name, raising=False)
                found[scene.__name__] = list(scene())
        return found[scene.__name__]

    yield run


@cache
def strict(name: str) -> Draft202012Validator:
    return Draft202012Validator(schemas.closed(schemas.standalone(name)))


def _name(scene: Scene) -> str:
    return scene.__name__


def _holds(documents: list[Document]) -> None:
    assert documents
    for number, (name, document) in enumerate(documents):
        wrong = [f"{error.json_path}: {error.message}" for error in strict(name).iter_errors(document)]
        assert wrong == [], f"{name}, document {number}"


@pytest.mark.parametrize("scene", SCENES, ids=_name)
def test_documents_have_their_shape(perform: Perform, scene: Scene) -> None:
    _holds(perform(scene))


@pytest.mark.slow
@pytest.mark.parametrize("scene", SLOW, ids=_name)
def test_slow_documents_have_their_shape(perform: Perform, scene: Scene) -> None:
    _holds(perform(scene))


@pytest.mark.slow
def test_every_property_occurs_or_is_rare(perform: Perform) -> None:
    shown = [document for scene in (*SCENES, *SLOW) for document in perform(scene)]
    assert {name for name, _ in shown} == {*schemas.names()}
    missing: dict[str, set[str]] = {}
    for name in schemas.names():
        whole = schemas.standalone(name)
        seen: set[str] = set()
        for document in (document for of, document in shown if of == name):
            seen |= walking.met(whole, document)
        missing[name] = {_place(name, pointer) for pointer in walking.named(whole) - seen}
    # A part that several schemas share has to occur in one of them.
    everywhere = {each for found in missing.values() for each in found}
    anywhere = {
        each
        for each in everywhere
        if all(each in missing[name] for name in schemas.names() if each in _all(name))
    }
    assert sorted(anywhere - RARE.keys()) == []
    assert sorted(RARE.keys() - anywhere) == [], "they do occur"


@cache
def _all(name: str) -> set[str]:
    return {_place(name, pointer) for pointer in walking.named(schemas.standalone(name))}


def _place(name: str, pointer: str) -> str:
    """A property by where it is defined: of a shared part the same in every schema."""
    _, shared, inner = pointer.partition("/$defs/")
    return inner if shared else name + pointer


def _places(value: Any, pointer: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there are objects inside a document."""
    if isinstance(value, dict):
        yield pointer
    keys = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in keys:
        yield from _places(each, (*pointer, key))


FREE = {"settings", "parameters", "policy", "value", "defaults"}
"""Objects that anything may be in: what plans, operators and strangers declare."""


@pytest.mark.parametrize("scene", (planning, running, comparing, locking, caching, composing), ids=_name)
def test_nothing_can_be_added_anywhere(perform: Perform, scene: Scene) -> None:
    rng = Random(7)
    for name, document in perform(scene):
        places = list(_places(document))
        for place in rng.sample(places, min(12, len(places))):
            changed = json.loads(json.dumps(document))
            inner = changed
            for key in place:
                inner = inner[key]
            inner["added"] = {"what": [None]}
            assert FREE & {*place} or not strict(name).is_valid(changed), (name, place)


@pytest.mark.parametrize("scene", (planning, running, comparing, locking, caching, composing), ids=_name)
def test_nothing_that_is_required_can_be_left_out(perform: Perform, scene: Scene) -> None:
    for name, document in perform(scene):
        for key in schemas.read(name)["required"]:
            assert not strict(name).is_valid({k: v for k, v in document.items() if k != key}), (name, key)


def test_the_strict_form_refuses_what_is_not_named() -> None:
    good: dict[str, Any] = {"version": 1, "folder": "x", "entries": 0, "bytes": 0, "limit": 1}
    assert strict("cache-stats").is_valid(good)
    assert not strict("cache-stats").is_valid({**good, "more": 1})
    assert Draft202012Validator(schemas.standalone("cache-stats")).is_valid({**good, "more": 1})
    assert not strict("cache-stats").is_valid({**good, "entries": -1})
    assert not strict("cache-stats").is_valid({key: good[key] for key in good if key != "limit"})
