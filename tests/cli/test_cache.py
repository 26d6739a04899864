"""`mosaic run` with its cache, and `mosaic cache`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from mosaic.caches import find_cache, read_size
from mosaic.cli.app import app
from mosaic.compiler.diagnostic import MosaicError
from mosaic.runtime.cache.disk import Disk

PLAN = """\
mosaic 1

param strength: fraction = 50%

plan twice {
  let base  = checkpoint("zoo/base")
  let first = sample(base, prompt: "a red cat in the meadow", steps: 2, seed: 7)
  emit refine(base, first, prompt: "a blue dog", steps: 4, strength: strength) as "second.png"
}
"""

Run = Callable[..., Result]


@pytest.fixture
def mosaic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a folder with a plan and a cache of its own."""
    (tmp_path / "twice.mosaic").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOSAIC_CACHE", str(tmp_path / "cache"))

    def run(*words: str, **env: str) -> Result:
        return CliRunner().invoke(app, words, env=env)

    return run


def _ran(done: Result) -> dict[str, object]:
    assert done.exit_code == 0, done.output
    shown: dict[str, object] = json.loads(done.stdout)
    return shown


def test_warm_runs_write_the_same_bytes(mosaic: Run, tmp_path: Path) -> None:
    without = _ran(mosaic("run", "twice.mosaic", "--no-cache", "--json"))
    assert not (tmp_path / "cache").exists()
    cold = _ran(mosaic("run", "twice.mosaic", "--json"))
    warm = _ran(mosaic("run", "twice.mosaic", "--json", "--report", "report"))
    assert without["emitted"] == cold["emitted"] == warm["emitted"]
    assert (cold["evaluations"], warm["evaluations"]) == (4, 0)
    assert warm["sources"] == {"computed": 0, "shared": 0, "cache": 1, "unused": 6}
    page = (tmp_path / "report" / "report.html").read_text()
    assert "from the cache" in page and "not needed" in page
    edited = _ran(mosaic("run", "twice.mosaic", "--json", "--set", "strength=75%"))
    assert edited["evaluations"] == 3, "the first picture's latent is not computed again"


def test_the_command(mosaic: Run, tmp_path: Path) -> None:
    assert "0 results" in mosaic("cache", "stats").stdout
    for number in range(3):
        Disk(tmp_path / "cache").put(f"{number:064x}", b"picture" * 100)
    stats = _ran(mosaic("cache", "stats", "--json"))
    assert stats["folder"] == str(tmp_path / "cache")
    assert stats["entries"] == 3
    assert "3 results read, 0 damaged\n" in mosaic("cache", "verify").stdout
    entry = next((tmp_path / "cache").rglob("*.entry"))
    entry.write_bytes(entry.read_bytes()[:-1])
    assert _ran(mosaic("cache", "verify", "--json"))["damaged"] == [entry.stem]
    assert not entry.exists()
    assert _ran(mosaic("cache", "prune", "--to", "1TiB", "--json"))["deleted"] == 0
    assert "2 results deleted" in mosaic("cache", "clear").stdout
    assert "0 results" in mosaic("cache", "stats").stdout


def test_a_folder_that_cannot_be_used_is_a_warning(mosaic: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    done = mosaic("run", "twice.mosaic", "--cache", "file")
    assert done.exit_code == 0
    assert done.stderr.count("warning[M888]: results are not kept in `file`: it is no folder") == 1, (
        done.stderr
    )
    assert (tmp_path / "second.png").exists()
    refused = mosaic("cache", "clear", "--cache", "file")
    assert (refused.exit_code, "error[M890]" in refused.stderr) == (1, True), refused


def test_sizes(mosaic: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_size("1.5 KiB") == 1536
    with pytest.raises(MosaicError) as raised:
        read_size("2gigs")
    assert [each.code for each in raised.value.diagnostics] == ["M889"]
    done = mosaic("cache", "stats", MOSAIC_CACHE_SIZE="big")
    assert done.exit_code == 1 and "error[M889]" in done.stderr
    assert mosaic("run", "twice.mosaic", "--cache", "x", "--no-cache").exit_code == 2


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_cache(Path("here")) == Path("here")
    monkeypatch.setenv("MOSAIC_CACHE", "~/there")
    assert find_cache(None) == Path("~/there").expanduser()
    monkeypatch.delenv("MOSAIC_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/data")
    assert find_cache(None) == Path("/data/mosaic")
