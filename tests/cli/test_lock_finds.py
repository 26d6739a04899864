"""A `find` is pinned: what a catalog learns later does not change a locked picture unnoticed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mosaic.catalog.index import locate, read_index
from mosaic.catalog.reading import Declared, Naming, read_path
from mosaic.catalog.record import Record
from mosaic.catalog.store import open_store
from mosaic.stdlib import zoo

PLAN = """\
mosaic 1

plan night {
  let base = checkpoint("zoo/base")
  let look = find(lora, "polar light")

  emit sample(fuse(base, look * 0.5), prompt: "a red cat, {look}", steps: 2) as "night.png"
}
"""
CATALOG = Path("catalog.duckdb")

Done = subprocess.CompletedProcess[str]
Mosaic = Callable[..., Done]


@pytest.fixture
def mosaic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mosaic:
    """Run a command in a folder with a plan, and a catalog of one LoRA that answers to half of its words."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOSAIC_CACHE", str(tmp_path / "cache"))
    Path("night.mosaic").write_text(PLAN)
    _catalogue("aurora", "polar glow")

    def run(*words: str) -> Done:
        # A process of its own: a command holds the catalog that it reads until it ends.
        return subprocess.run([sys.executable, "-m", "mosaic", *words], capture_output=True, text=True)

    return run


def _catalogue(name: str, trigger: str) -> None:
    """A LoRA of its own bytes, catalogued under a title and a trigger."""
    (shipped,) = read_index(zoo.index(), zoo.root())["zoo/hat"].files
    data = bytearray(locate(shipped.location).read_bytes())
    data[-4] = len(name)
    path = Path("models", f"{name}.safetensors")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    declared = Declared(title=trigger, trigger=trigger, license="Apache-2.0")
    records = [r for r in read_path(path, ids=Naming("local"), options=declared) if isinstance(r, Record)]
    assert len(records) == 1
    with open_store(CATALOG, write=True) as store:
        store.put(records)


def _chosen(result: Done) -> str:
    assert result.returncode == 0, result.stderr
    return next(line.split()[0] for line in result.stdout.splitlines() if line.startswith("  local/"))


def test_a_better_answer_changes_nothing_that_is_locked(mosaic: Mosaic) -> None:
    plan = ("plan", "night.mosaic", "--catalog", str(CATALOG))
    assert _chosen(mosaic(*plan)) == "local/aurora"
    assert mosaic("lock", "night.mosaic", "--catalog", str(CATALOG)).returncode == 0
    assert 'chosen = "local/aurora"' in Path("mosaic.lock").read_text()

    _catalogue("borealis", "polar light")
    assert _chosen(mosaic(*plan)) == "local/aurora"  # by the lock that lies there
    done = mosaic(*plan, "--locked")
    assert done.returncode == 1 and "[M709]" in done.stderr
    assert "`local/borealis` answers better now" in done.stderr
    assert _chosen(mosaic("plan", "night.mosaic", "--frozen")) == "local/aurora"

    done = mosaic("lock", "--catalog", str(CATALOG))
    assert done.returncode == 0 and "answers better now" in done.stdout
    assert _chosen(mosaic(*plan, "--locked")) == "local/borealis"


def test_an_unrelated_expert_does_not_change_the_lock(mosaic: Mosaic) -> None:
    assert mosaic("lock", "night.mosaic", "--catalog", str(CATALOG)).returncode == 0
    _catalogue("stripes", "zebra stripes")
    assert mosaic("check", "--locked", "--catalog", str(CATALOG), "night.mosaic").returncode == 0


def test_a_file_is_found_by_its_digest_where_the_catalog_has_it(mosaic: Mosaic) -> None:
    assert mosaic("lock", "night.mosaic", "--catalog", str(CATALOG)).returncode == 0
    shutil.move("models", "elsewhere")
    shutil.move("elsewhere/aurora.safetensors", "elsewhere/renamed.safetensors")
    assert mosaic("verify").returncode == 1
    records = [r for r in read_path(Path("elsewhere"), ids=Naming("moved")) if isinstance(r, Record)]
    CATALOG.unlink()
    with open_store(CATALOG, write=True) as store:
        store.put(records)
    done = mosaic("verify", "--catalog", str(CATALOG))
    assert done.returncode == 0 and "same bytes expected" in done.stdout, done.stdout


def test_a_changed_file_is_told_by_the_catalog_and_by_the_lock(mosaic: Mosaic) -> None:
    assert mosaic("lock", "night.mosaic", "--catalog", str(CATALOG)).returncode == 0
    path = Path("models/aurora.safetensors")
    path.write_bytes(path.read_bytes()[:-4] + b"\x01\x02\x03\x04")
    done = mosaic("check", "--catalog", str(CATALOG), "night.mosaic")
    assert done.returncode == 1 and "[M701]" in done.stdout, done.stdout
    done = mosaic("verify")
    assert done.returncode == 1 and "other bytes: aurora.safetensors" in done.stdout
