"""Headers that somebody made up: refused or read, never a crash, a hang, or memory for what the file does not hold."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.catalog.headers import Headers
from mosaic.catalog.reading import Refusal, read_one
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.weights.families import identify_header
from mosaic.compiler.weights.header import CAP, Header, HeaderError, parse_header

MODULE = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
VALID = {
    "__metadata__": {"ss_network_dim": "2", "ss_tag_frequency": '{"a": {"b": 1}}'},
    f"{MODULE}.lora_down.weight": {"dtype": "F16", "shape": [2, 4], "data_offsets": [0, 16]},
    f"{MODULE}.lora_up.weight": {"dtype": "F16", "shape": [3, 2], "data_offsets": [16, 28]},
    f"{MODULE}.alpha": {"dtype": "F32", "shape": [], "data_offsets": [28, 32]},
}


def file_of(header: object, body: int = 32) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(body)


def attempt(data: bytes) -> Header | None:
    """Parse a whole file; whatever is accepted must hold together and be answered by everything behind it."""
    try:
        header = parse_header(data, len(data))
    except HeaderError:
        return None
    spans = sorted((tensor.start, tensor.end) for tensor in header.tensors.values())
    assert all(0 <= start <= end for start, end in spans)
    assert [start for start, _ in spans] == [0, *(end for _, end in spans)][: len(spans)]
    assert header.offset + (spans[-1][1] if spans else 0) == len(data)
    assert all(isinstance(text, str) for text in header.metadata.values())
    identify_header(header)
    return header


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    attempt(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 64))
def test_random_bytes_of_the_right_length(text: bytes, body: int) -> None:
    attempt(file_of(text, body))


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_mutations_of_a_valid_file(data: st.DataObject) -> None:
    content = bytearray(file_of(VALID))
    assert attempt(bytes(content)) is not None
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(("flip", "cut", "insert", "repeat"))):
            case "flip":
                content[position] = data.draw(st.integers(0, 255))
            case "cut":
                del content[position : position + data.draw(st.integers(1, 20))]
                content = content or bytearray(1)
            case "insert":
                content[position:position] = data.draw(st.binary(max_size=10))
            case "repeat":
                content[position:position] = content[position : position + 30]
    attempt(bytes(content))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats()
    | st.sampled_from(["F16", "F32", "BF16", "F4", "Q8", "", "\ud800"])
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F16", "F32", "U8", "F4", "F8_E4M3"]) | JSON,
        "shape": st.lists(st.sampled_from([0, 1, 2, 4, -1, 1 << 62, 1 << 64, True, 1.0]), max_size=4) | JSON,
        "data_offsets": st.lists(st.sampled_from([0, 4, 8, 16, 32, -4, 1 << 63, False]), max_size=3) | JSON,
    },
)


@settings(max_examples=500, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*VALID, "clip_l", "clip_g", "emb_params", "conv_in.weight", "", "\0"]),
        ENTRY | JSON,
        max_size=5,
    ),
    st.integers(0, 40),
)
def test_plausible_tables(header: dict[str, object], body: int) -> None:
    attempt(file_of(header, body))


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 1_000_000,
        b'{"a":' * 300_000,
        b'{"__metadata__":' * 300_000,
        b'{"__metadata__":{},"a":' + b"[" * 500_000,
        b'{"a":{"dtype":"F32","shape":[' + b"9" * 5_000 + b'],"data_offsets":[0,32]}}',
        b'{"a":{"dtype":"F32","shape":[' + b"1," * 400_000 + b'1],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[1e400],"data_offsets":[0,NaN]}}',
        b'{"__metadata__":{"a":"\\ud800"}}',
        b'{"\\uDC00":{"dtype":"F32","shape":[8],"data_offsets":[0,32]}}',
        b'{"a":1,"a":1}',
        b'{"__metadata__":{},"__metadata__":{}}',
        b'{"__metadata__":{},"a":{},"__metadata__":{}}',
        b'{"__metadata__":{},}',
        b'{"__metadata__":{} "a":1}',
        b'{"__metadata__":{"a":"b","a":"c"}}',
        b'{"__metadata__":{}}x',
        b"\xff\xfe{}",
        b"{}\0",
    ],
)
def test_hostile_texts(text: bytes) -> None:
    assert attempt(file_of(text)) is None


def test_names_may_hold_any_text() -> None:
    for name in ("\U0001f600", "水彩", "\0", 'a"b'):
        for escaped in (True, False):
            header = {name: {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]}}
            found = attempt(file_of(json.dumps(header, ensure_ascii=escaped).encode()))
            assert found is not None
            assert list(found.tensors) == [name]


def test_both_ways_through_a_header_agree() -> None:
    """Metadata in front is read apart from the tensors, which are remembered; behind them it is read with them."""
    tensors = {name: entry for name, entry in VALID.items() if name != "__metadata__"}
    first, last = file_of(VALID), file_of({**tensors, "__metadata__": VALID["__metadata__"]})
    none = file_of(tensors)
    found = [attempt(data) for data in (first, last, none, first)]
    assert all(header is not None for header in found)
    assert len({tuple(header.tensors.items()) for header in found if header}) == 1
    assert [header.metadata for header in found if header] == [VALID["__metadata__"]] * 2 + [
        {},
        VALID["__metadata__"],
    ]
    # Remembered tensors do not lend their size to a file that is cut off.
    for size in (len(first) - 1, len(first) + 1):
        with pytest.raises(HeaderError):
            parse_header(first, size)


def test_a_claimed_header_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "claims.safetensors"
    for claimed in (99_000_000, CAP, CAP + 1, (1 << 63) + 5, (1 << 64) - 1):
        path.write_bytes(claimed.to_bytes(8, "little") + b'{"a":1}')
        tracemalloc.start()
        with pytest.raises(MosaicError):
            Headers().read(path, "claims")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1_000_000


def test_claimed_tensors_take_no_memory(tmp_path: Path) -> None:
    entry = {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}
    path = tmp_path / "huge.safetensors"
    path.write_bytes(file_of({f"{MODULE}.alpha": entry}))
    tracemalloc.start()
    found = read_one(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(found, Refusal)
    assert found.diagnostics[0].code == "M804"
    assert peak < 2_000_000


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=120))
def test_a_file_of_anything_is_answered(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"
        path.write_bytes(file_of(data, 0))
        found = read_one(path)
    assert isinstance(found, Refusal)
