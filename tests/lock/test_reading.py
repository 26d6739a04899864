"""A lock is read as it was written, and nothing else is: every other text gives a coded message."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.catalog.record import content_digest
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.facts import AdapterFacts, Coverage, ExpertFacts, FileFact, Permissions
from mosaic.compiler.source import SourceFile
from mosaic.compiler.types import Kind
from mosaic.lock import facts as reader
from mosaic.lock.document import (
    Lock,
    LockedCoverage,
    LockedExpert,
    LockedFind,
    LockedFusion,
    LockedPlan,
    LockedSteps,
)
from mosaic.lock.reading import read_lock
from mosaic.lock.writing import lock_text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _expert(name: str, **fields: Any) -> LockedExpert:
    file = FileFact("adapter", _digest(name), 7, "models/neon.safetensors", "neon.safetensors", None)
    given = {"family": "sd1", "space": None, "prediction": None, "files": (file,)}
    facts = ExpertFacts(name, Kind.LORA, **{**given, **fields})
    return LockedExpert(facts, content_digest(facts), ("catalog", "file"), facts.license_evidence)


FULL = _expert(
    "local/full",
    trigger='a "word"\n',
    license="LicenseRef-x OR MIT",
    native_size=(64, 64),
    lacks=("a VAE",),
    defaults={"steps": 20, "guidance": 3.0, "scheduler": "ddim", "strength": [0.0, 1.2]},
    triggers=("one", "two"),
    adapter=AdapterFacts("dora", (4, 8), (0.5, 1.0), ("unet", "text_encoder"), ("down",), ("self",), 12),
    vectors=2,
    variant="inpaint",
    clip_skip=2,
    strengths=(0.0, 1.5),
    excludes=("local/other",),
    rating="mature",
    last=True,
    trained_on=_digest("base"),
    lineage="pony",
    permissions=Permissions(("image",), True, None, False),
    license_evidence="declared",
    parameters=123,
    dtype="F16",
    title="Full",
    size_multiple=16,
)
LOCK = Lock(
    plans=(
        LockedPlan(
            "plans/night.mosaic",
            "night",
            _digest("text"),
            f"sha256:{_digest('program')}",
            {"seed": "9", "who": ""},
            {"std.looks": _digest("looks")},
            {"cat.png": _digest("cat")},
            {"local/full": "local/full", "./x.safetensors": "local/zero", "local/zero": "local/zero"},
            (LockedFind("lora", "neon light", "local/full"),),
            (LockedFusion(("local/full", "local/zero"), "sum"),),
            {"night.png": _digest("night")},
            (LockedSteps(4, 8, 6), LockedSteps(12, 30, 24)),
        ),
    ),
    experts=(FULL, _expert("local/zero")),
    coverages=(LockedCoverage("local/full", "local/zero", Coverage(6, 8, ("a", "b"), ("c: 1 here",))),),
    toolchain={"torch": "2.13"},
    catalog=_digest("catalog"),
    shipped=_digest("shipped"),
    recorded={"device": "cpu"},
)
TEXT = lock_text(LOCK)


def read(text: str) -> Lock:
    return read_lock(SourceFile("mosaic.lock", text))


def test_reads_what_was_written() -> None:
    assert read(TEXT) == LOCK
    assert lock_text(read(TEXT)) == TEXT


def test_knows_the_type_of_every_fact() -> None:
    """A field that somebody adds to the facts must be readable from a lock."""
    known = {*reader._CHECKS, *reader._NESTED}
    for kind in (ExpertFacts, AdapterFacts, Permissions):
        for field in dataclasses.fields(kind):
            if field.name not in ("files", "integrity"):
                assert str(field.type).removesuffix(" | None") in known, f"{kind.__name__}.{field.name}"
    assert {field.name for field in dataclasses.fields(FileFact)} == set(reader._FILE)


REFUSED = {
    "version = 1": ("version = true", "M712", "version = true"),
    '[catalog]\ndigest = "': ('[catalog]\nstamp = "', "M712", "stamp ="),
    f'text = "{_digest("text")}"': ("text = 7", "M713", "text = 7"),
    f'text = "{_digest("text")}"\n': ("", "M713", "[[plan]]"),
    'file = "plans/night.mosaic"': ('file = "/home/me/night.mosaic"', "M712", "file ="),
    'id = "local/zero"': ('id = "local/full"', "M712", 'id = "local/full"'),
    f'digest = "{FULL.digest}"': (f'digest = "{_digest("other")}"', "M712", "digest ="),
    'kind = "lora"\ntitle': ('kind = "model"\ntitle', "M712", 'kind = "model"'),
    'rating = "mature"': ('rating = "fine"', "M712", 'rating = "fine"'),
    "vectors = 2": ("vectors = true", "M712", "vectors = true"),
    "last = true": ("last = 1979-05-27", "M712", "last ="),
    "steps = 20": ("steps = 1979-05-27", "M712", "[expert.defaults]"),
    "modules = 12": ("modules = -1", "M712", "modules = -1"),
    "size = 7": ("size = -7", "M712", "size = -7"),
    'location = "models/neon.safetensors"': ('location = "/etc/passwd"', "M712", "location ="),
    'chosen = "local/full"': ('chosen = "local/none"', "M712", "find ="),
    "taken = 24": ("taken = 31", "M712", "steps = ["),
    "high = 30": ("high = true", "M712", "steps = ["),
    "low = 12, high = 30, taken = 24": ("low = 4, high = 8, taken = 5", "M712", "steps = ["),
    f'sha256 = "{_digest("local/full")}"\n': ('sha256 = "latest"\n', "M713", 'sha256 = "latest"'),
}


@pytest.mark.parametrize("old", REFUSED, ids=lambda old: old.split("\n")[0][:30])
def test_refused_at_its_line(old: str) -> None:
    new, code, line = REFUSED[old]
    assert old in TEXT
    with pytest.raises(MosaicError) as caught:
        read(TEXT.replace(old, new, 1))
    (found,) = caught.value.diagnostics
    assert found.code == code, found.message()
    assert found.span is not None and line in found.span.text


@pytest.mark.parametrize(
    "text",
    [
        "version = 1\n[[plan]\n",
        "version = 1\nx = " + "[" * 5000,
        "version = 1\nx = " + "9" * 5000,
        'version = 1\nx = "never closed',
        "version = 1\r\nversion = 1\r\n",
        "\x00",
    ],
)
def test_not_toml(text: str) -> None:
    with pytest.raises(MosaicError) as caught:
        read(text)
    (found,) = caught.value.diagnostics
    assert found.code == "M710" and found.message()


def test_no_version() -> None:
    with pytest.raises(MosaicError, match="M712"):
        read("")


# Fuzzing: texts near a lock

_LINES = TEXT.splitlines(keepends=True)
_SCRAPS = st.sampled_from(
    [
        "",
        "=",
        "[",
        "]",
        '"',
        "{",
        "}",
        "\n",
        "7",
        "-1",
        "true",
        "1979-05-27",
        "nan",
        "[[expert]]\n",
        "id = 1\n",
    ]
    + [line for line in _LINES if line.strip()]
    + [line.partition("=")[0] + "= " for line in _LINES if "=" in line]
)


@settings(deadline=None)
@given(st.data())
def test_whatever_it_says_a_message_has_a_code(data: st.DataObject) -> None:
    """Lines are taken out, doubled, cut and exchanged: it is a lock, or a coded message, never anything else."""
    lines = list(_LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines)))
        until = data.draw(st.integers(at, min(at + 2, len(lines))))
        lines[at:until] = [data.draw(_SCRAPS)]
    text = "".join(lines)
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 3)) :]
    try:
        found = read(text)
    except MosaicError as error:
        for diagnostic in error.diagnostics:
            assert diagnostic.code.startswith("M71") and diagnostic.message()
            if diagnostic.span is not None:
                diagnostic.span.source.position(diagnostic.span.start)
        return
    assert read(lock_text(found)) == found


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.sampled_from([field.name for field in dataclasses.fields(ExpertFacts)]), _VALUES)
def test_whatever_a_fact_is_a_message_has_a_code(name: str, value: object) -> None:
    import tomllib

    import tomli_w

    document = tomllib.loads(TEXT)
    clean = _toml(value)
    if clean is None:
        document["expert"][0].pop(name, None)
    else:
        document["expert"][0][name] = clean
    try:
        read(tomli_w.dumps(document))
    except MosaicError as error:
        assert all(diagnostic.code.startswith("M71") for diagnostic in error.diagnostics)


def _toml(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _toml(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_toml(inner) for inner in value if inner is not None]
    return value
