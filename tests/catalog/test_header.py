"""Headers of safetensors files: what is whole is read, what is not is refused with its reason."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.compiler.weights.header import CAP, Fault, Header, HeaderError, header_size, parse_header

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")
save = pytest.importorskip("safetensors.torch").save

WHOLE: bytes = save(
    {
        "b.weight": torch.zeros(4, 3, dtype=torch.float16),
        "a.alpha": torch.tensor(8.0),
        "empty": torch.zeros(0, 5),
        "mask": torch.zeros(7, dtype=torch.bool),
    },
    metadata={"format": "pt", "title": "café"},
)


def file_of(header: object, data: int = 0) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(data)


def entry(shape: object, start: object, end: object, dtype: object = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def test_a_real_file() -> None:
    header = parse_header(WHOLE, len(WHOLE))
    assert header.shapes == {"b.weight": (4, 3), "a.alpha": (), "empty": (0, 5), "mask": (7,)}
    assert header.tensors["b.weight"].dtype == "F16"
    assert header.metadata == {"format": "pt", "title": "café"}
    start = header.offset + header.tensors["a.alpha"].start
    assert struct.unpack("<f", WHOLE[start : start + 4]) == (8.0,)


def test_the_first_bytes_are_enough() -> None:
    size = header_size(WHOLE[:8], len(WHOLE))
    assert size < len(WHOLE)
    assert parse_header(WHOLE[:size], len(WHOLE)) == parse_header(WHOLE, len(WHOLE))


@pytest.mark.parametrize(
    ("fault", "data"),
    [
        (Fault.SHORT, b""),
        (Fault.SHORT, b"\x10\0\0\0"),
        (Fault.SHORT, struct.pack("<Q", 500) + b"{}"),
        (Fault.SHORT, struct.pack("<Q", 0)),
        (Fault.LARGE, struct.pack("<Q", CAP + 1) + b"{}"),
        (Fault.LARGE, b"\xff" * 8 + b"{}"),
        (Fault.NOT_JSON, file_of(b"{nope}")),
        (Fault.NOT_JSON, file_of(b"\xff\xfe")),
        (Fault.NOT_JSON, file_of([1, 2])),
        (Fault.NOT_JSON, file_of(b"[" * 100_000)),
        (Fault.NOT_JSON, file_of(b'{"a":' + b"9" * 10_000 + b"}")),
        (Fault.DUPLICATE, file_of(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{}}')),
        (Fault.ENTRY, file_of({"a": 3})),
        (Fault.ENTRY, file_of({"a": {"dtype": "F32"}})),
        (Fault.ENTRY, file_of({"a": entry([-1], 0, 4)}, 4)),
        (Fault.ENTRY, file_of({"a": entry([True], 0, 4)}, 4)),
        (Fault.ENTRY, file_of({"a": entry([1.0], 0, 4)}, 4)),
        (Fault.ENTRY, file_of({"a": entry([1] * 1000, 0, 4)}, 4)),
        (Fault.ENTRY, file_of({"a": {**entry([1], 0, 4), "data_offsets": [0]}}, 4)),
        (Fault.DTYPE, file_of({"a": entry([1], 0, 4, "F99")}, 4)),
        (Fault.SIZE, file_of({"a": entry([2], 0, 4)}, 4)),
        (Fault.SIZE, file_of({"a": entry([0], 4, 0)}, 4)),
        (Fault.SIZE, file_of({"a": entry([1 << 62, 1 << 62], 0, 4)}, 4)),
        (Fault.OVERLAP, file_of({"a": entry([1], 0, 4), "b": entry([1], 2, 6)}, 6)),
        (Fault.OVERLAP, file_of({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, 12)),
        (Fault.OVERLAP, file_of({"a": entry([1], 4, 8)}, 8)),
        (Fault.TRUNCATED, file_of({"a": entry([4], 0, 16)}, 15)),
        (Fault.TRAILING, file_of({"a": entry([4], 0, 16)}, 17)),
        (Fault.METADATA, file_of({"__metadata__": {"a": 1}})),
        (Fault.METADATA, file_of({"__metadata__": "a"})),
    ],
)
def test_each_fault(fault: Fault, data: bytes) -> None:
    with pytest.raises(HeaderError) as raised:
        parse_header(data, len(data))
    assert raised.value.fault is fault


def test_the_tensor_at_fault_is_named() -> None:
    data = file_of({"fine": entry([1], 0, 4), "broken": entry([3], 4, 8)}, 8)
    with pytest.raises(HeaderError, match="broken"):
        parse_header(data, len(data))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_read(data: bytes) -> None:
    with_length = struct.pack("<Q", len(data)) + data
    for candidate in (data, with_length):
        try:
            assert isinstance(parse_header(candidate, len(candidate)), Header)
        except HeaderError as error:
            assert str(error)


TEXT = st.sampled_from(["", "a", "é", "\0"])
SCALAR = st.none() | st.booleans() | st.integers(-2, 1 << 70) | st.sampled_from([0.5, -1.0, 1e300]) | TEXT
JSON = SCALAR | st.lists(SCALAR, max_size=3) | st.dictionaries(TEXT, SCALAR, max_size=2)
ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "U8", "BF16", "?"]) | JSON,
        "shape": st.lists(st.integers(-1, 4), max_size=3) | JSON,
        "data_offsets": st.lists(st.integers(-1, 40), min_size=2, max_size=2) | JSON,
    }
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["a", "b", "__metadata__"]), ENTRY | JSON, max_size=3), st.integers(0, 40)
)
def test_plausible_headers_are_refused_or_read(header: dict[str, object], data: int) -> None:
    blob = file_of(header, data)
    try:
        read = parse_header(blob, len(blob))
    except HeaderError:
        return
    # What is accepted here, the library that reads the weights accepts too.
    assert {name for name, _ in safetensors.deserialize(blob)} == set(read.tensors)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), st.integers(0, len(WHOLE)))
def test_a_file_with_a_flipped_byte_or_cut_off(position: int, byte: int, end: int) -> None:
    blob = (WHOLE[:position] + bytes([byte]) + WHOLE[position + 1 :])[:end]
    try:
        read = parse_header(blob, len(blob))
    except HeaderError:
        return
    assert {name for name, _ in safetensors.deserialize(blob)} == set(read.tensors)
