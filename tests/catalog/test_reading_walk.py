"""Folders of experts: what is read, what is refused, what is passed over; ids, picklability, identity."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from mosaic.catalog.digests import Digests
from mosaic.catalog.headers import Headers
from mosaic.catalog.identity import WHOLE, Identity, identify_file
from mosaic.catalog.reading import Naming, Refusal, candidates, read_one, read_path
from mosaic.catalog.reading.given import slug
from mosaic.catalog.record import Record, facts_from_json, facts_to_json

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

Write = Callable[..., Path]
MODULE = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
NAMES = {f"{MODULE}.lora_down.weight": (8, 768), f"{MODULE}.lora_up.weight": (640, 8)}


@pytest.fixture
def shelf(tmp_path: Path, model_folder: Path, write_tensors: Write) -> Path:
    """A folder as people keep them: models, adapters, pickles, pictures and texts among each other."""
    root = tmp_path / "shelf"
    shutil.copytree(model_folder, root / "checkpoints" / "tiny")
    write_tensors(root / "loras" / "neon.safetensors", NAMES)
    write_tensors(root / "loras" / "B.SAFETENSORS", NAMES)
    write_tensors(root / "loras" / "trained" / "adapter_model.safetensors", NAMES)
    # Repositories of adapters often have a `config.json` that nothing reads.
    (root / "loras" / "config.json").write_text("{}")
    for name in ("old.ckpt", "old.pt", "x.bin", "x.pkl"):
        (root / "loras" / name).write_bytes(b"\x80\x04.")
    (root / "loras" / "named-wrong.safetensors").write_bytes(pickle.dumps({"a": 1}))
    (root / "loras" / "broken.safetensors").write_bytes(b"\0" * 20)
    for name in ("README.md", "neon.png", "neon.txt", "neon.json", "neon.civitai.info"):
        (root / "loras" / name).write_bytes(b"...")
    (root / ".cache").mkdir()
    write_tensors(root / ".cache" / "hidden.safetensors", NAMES)
    shutil.copytree(model_folder, root / "checkpoints" / "pickled")
    (root / "checkpoints" / "pickled" / "unet" / "diffusion_pytorch_model.safetensors").rename(
        root / "checkpoints" / "pickled" / "unet" / "diffusion_pytorch_model.bin"
    )
    return root


def outcome(found: Record | Refusal) -> str:
    return found.facts.id if isinstance(found, Record) else found.diagnostics[0].code


def test_a_shelf(shelf: Path) -> None:
    found = {path.relative_to(shelf).as_posix(): outcome(read_one(path)) for path in candidates(shelf)}
    assert found == {
        "checkpoints/pickled": "M803",
        "checkpoints/tiny": "local/tiny",
        "loras/B.SAFETENSORS": "local/b",
        "loras/broken.safetensors": "M804",
        "loras/named-wrong.safetensors": "M803",
        "loras/neon.safetensors": "local/neon",
        "loras/old.ckpt": "M803",
        "loras/old.pt": "M803",
        "loras/trained/adapter_model.safetensors": "local/trained",
        "loras/x.bin": "M803",
        "loras/x.pkl": "M803",
    }
    assert list(found) == sorted(found)
    assert [outcome(item) for item in read_path(shelf)] == list(found.values())


def test_pickles_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"\x80\x04.")
    opened: list[object] = []
    original = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: opened.append(self) or original(self, *a, **k))  # type: ignore[func-returns-value]
    assert outcome(read_one(path)) == "M803"
    assert opened == []


def test_links_lead_nowhere_twice(tmp_path: Path, write_tensors: Write) -> None:
    root = tmp_path / "shelf"
    write_tensors(root / "a" / "neon.safetensors", NAMES)
    (root / "a" / "loop").symlink_to(root)
    (root / "b").symlink_to(root / "a")
    (root / "gone.safetensors").symlink_to(root / "nowhere")
    (root / "self.safetensors").symlink_to(root / "self.safetensors")
    (root / "link.safetensors").symlink_to(root / "a" / "neon.safetensors")
    found = {path.relative_to(root).as_posix(): outcome(read_one(path)) for path in candidates(root)}
    assert found.pop("self.safetensors") in ("M801", "M802", "M807")
    assert found == {
        "a/neon.safetensors": "local/neon",
        "gone.safetensors": "M801",
        "link.safetensors": "local/link",
    }


def test_odd_paths(tmp_path: Path) -> None:
    assert outcome(read_one(tmp_path / "a\0b")) in ("M801", "M802")
    assert outcome(read_one(tmp_path)) == "M802"
    assert Naming().id(Path(".")) == f"local/{slug(Path.cwd().name)}"
    assert candidates(tmp_path / "nowhere") == [tmp_path / "nowhere"]
    assert outcome(read_one(tmp_path / os.fsdecode(b"\xff.safetensors"))) == "M802"
    pipe = tmp_path / "pipe.safetensors"
    os.mkfifo(pipe)
    assert outcome(read_one(pipe)) == "M802"


@pytest.mark.skipif(os.geteuid() == 0, reason="this user may read everything")
def test_unreadable(tmp_path: Path, write_tensors: Write) -> None:
    path = write_tensors(tmp_path / "neon.safetensors", NAMES)
    path.chmod(0)
    assert outcome(read_one(path)) == "M807"
    (tmp_path / "closed").mkdir(mode=0)
    assert [outcome(found) for found in read_path(tmp_path)] == ["M807", "M807"]


def test_readers_run_in_processes_of_their_own(shelf: Path) -> None:
    paths = candidates(shelf)
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(partial(read_one, ids=Naming("studio")), paths))
    assert [outcome(item) for item in found] == [
        outcome(read_one(path, ids=Naming("studio"))) for path in paths
    ]
    records = [item for item in found if isinstance(item, Record)]
    assert records[0].facts.id == "studio/tiny"
    for record in records:
        assert facts_from_json(json.loads(json.dumps(facts_to_json(record.facts)))) == record.facts
        assert json.loads(json.dumps([claim.value for claim in record.claims])) == [
            c.value for c in record.claims
        ]
        assert all(digest == signature.digest for digest, signature in record.signatures.items())
        assert {file.signature for file in record.files} - {""} == record.signatures.keys()
        assert record.facts.files == tuple(file.fact for file in record.files)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Neon Style v1.2", "neon-style-v1.2"),
        ("__a__b", "a__b"),
        ("水彩 Style", "水彩-style"),
        ("../../etc", "etc"),
        ("sha256:abc", "sha256-abc"),
        ("x" * 300, "x" * 80),
    ],
)
def test_slugs(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_a_name_of_signs_alone() -> None:
    assert slug("!!!").startswith("expert-")
    assert slug("!!!") != slug("???")


class TestIdentity:
    def write(
        self, path: Path, tensors: dict[str, object], metadata: dict[str, str] | None = None
    ) -> Identity:
        safetensors.save_file(tensors, path, metadata=metadata)
        return identify_file(path, Headers().read(path, str(path)))

    def test_each_digest_is_what_it_says(self, tmp_path: Path) -> None:
        import blake3

        tensors = {"b": torch.arange(6.0).reshape(2, 3), "é": torch.ones(2, dtype=torch.bfloat16)}
        found = self.write(tmp_path / "a.safetensors", tensors)
        data = (tmp_path / "a.safetensors").read_bytes()
        body = data[8 + int.from_bytes(data[:8], "little") :]
        assert found.sha256 == hashlib.sha256(data).hexdigest()
        assert found.blake3 == blake3.blake3(data).hexdigest()
        assert found.autov3 == hashlib.sha256(body).hexdigest()
        rows = [
            [
                name,
                kind,
                list(tensor.shape),
                hashlib.sha256(tensor.view(torch.uint8).numpy().tobytes()).hexdigest(),
            ]
            for name, kind, tensor in (("b", "F32", tensors["b"]), ("é", "BF16", tensors["é"]))
        ]
        text = json.dumps(rows, separators=(",", ":"), ensure_ascii=False)
        assert found.tensors_sha256 == hashlib.sha256(text.encode()).hexdigest()

    def test_metadata_and_order_leave_the_tensors_digest(self, tmp_path: Path) -> None:
        one, two = torch.arange(4.0), torch.arange(4.0) + 1
        plain = self.write(tmp_path / "a.safetensors", {"a": one, "b": two})
        told = self.write(tmp_path / "b.safetensors", {"a": one, "b": two}, {"title": "Neon"})
        swapped = self.write(tmp_path / "c.safetensors", {"a": two, "b": one})
        assert plain.tensors_sha256 == told.tensors_sha256 != swapped.tensors_sha256
        assert plain.sha256 != told.sha256
        header = {"b": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
        header["a"] = {"dtype": "F32", "shape": [4], "data_offsets": [16, 32]}
        text = json.dumps(header).encode()
        turned = tmp_path / "d.safetensors"
        turned.write_bytes(
            len(text).to_bytes(8, "little") + text + two.numpy().tobytes() + one.numpy().tobytes()
        )
        found = identify_file(turned, Headers().read(turned, "d"))
        assert found.tensors_sha256 == plain.tensors_sha256
        assert found.autov3 != plain.autov3

    def test_in_pieces_as_in_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Large files go by in pieces that do not end where tensors end."""
        tensors = {f"t{n}": torch.rand(n * 7) for n in range(12)} | {
            "none": torch.zeros(0),
            "one": torch.ones(()),
        }
        whole = self.write(tmp_path / "a.safetensors", tensors)
        monkeypatch.setattr("mosaic.catalog.identity.WHOLE", 0)
        for size in (1, 7, 64, 1 << 20):
            monkeypatch.setattr("mosaic.catalog.identity._CHUNK", size)
            path = tmp_path / "a.safetensors"
            assert identify_file(path, Headers().read(path, "a")) == whole
        assert WHOLE > 0

    def test_a_large_file_is_hashed_once(
        self, tmp_path: Path, write_tensors: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write_tensors(tmp_path / "big.safetensors", {"emb_params": (75, 40_000)}, "F32")
        os.utime(path, ns=(0, 0))
        monkeypatch.setattr("mosaic.catalog.digests._SETTLED_NS", 0)
        header = Headers().read(path, "big")
        store = tmp_path / "cache" / "digests.json"
        first = Digests(store).identity(path, header)
        monkeypatch.setattr("mosaic.catalog.identity.identify_file", _never)
        monkeypatch.setattr("mosaic.catalog.digests._digest", _never)
        assert Digests(store).identity(path, header) == first
        # `mosaic check` finds it too.
        assert Digests(store).sha256(path) == first.sha256
        (kept,) = (tmp_path / "cache" / "identities").rglob("*.json")
        for content in (b"", b"[]", b"{}", kept.read_bytes().replace(first.sha256.encode(), b"x" * 64)):
            kept.write_bytes(content)
            with pytest.raises(AssertionError):
                Digests(store).identity(path, header)


def _never(*_: object) -> str:
    raise AssertionError("hashed again")
