"""No command holds a catalog beyond its end: its process can write to it right after, whatever is collected when."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mosaic
from mosaic.catalog.index import locate, read_index
from mosaic.catalog.reading import Declared, Naming, read_path
from mosaic.catalog.record import Record
from mosaic.catalog.store import open_store
from mosaic.catalog.store.access import File
from mosaic.cli.app import app
from mosaic.stdlib import zoo

PLAN = """\
mosaic 1

plan night {
  let base = checkpoint("zoo/base")
  let look = find(lora, "polar light")

  emit sample(fuse(base, look * 0.5), prompt: "a red cat, {look}", steps: 1, size: 8x8) as "night.png"
}
"""
CATALOG = Path("catalog.duckdb")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a plan, its lock, and a catalog that answers its question."""
    folder = tmp_path_factory.mktemp("held")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setenv("MOSAIC_CATALOG", str(CATALOG))
        Path("night.mosaic").write_text(PLAN)
        Path("wrong.mosaic").write_text(PLAN.replace("steps: 1", "step: 1"))
        (shipped,) = read_index(zoo.index(), zoo.root())["zoo/hat"].files
        data = bytearray(locate(shipped.location).read_bytes())
        data[-4] ^= 1
        path = Path("aurora.safetensors")
        path.write_bytes(data)
        stated = Declared(title="polar glow", trigger="polar glow", license="Apache-2.0")
        read = read_path(path, ids=Naming("local"), options=stated)
        with open_store(CATALOG, write=True) as store:
            store.put([record for record in read if isinstance(record, Record)])
        assert _run("lock", "night.mosaic") == 0
        gc.collect()
        yield folder


@pytest.fixture
def uncollected(folder: Path) -> Iterator[None]:
    """What is not let go of is not collected either."""
    gc.disable()
    yield
    gc.enable()


def _run(*words: str) -> int:
    result = CliRunner().invoke(app, list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code


def _is_free() -> bool:
    with File(CATALOG, True, 0.0).write():  # raises M832 where a reader of this process has it
        return True


@pytest.mark.parametrize(
    "command",
    [
        "check night.mosaic",
        "check night.mosaic --locked",
        "check night.mosaic --frozen",
        "plan night.mosaic",
        "plan night.mosaic --locked",
        "plan night.mosaic --frozen",
        "plan night.mosaic --json",
        "plan night.mosaic --device h100",
        "plan night.mosaic --why look",
        "plan night.mosaic --emit ir --after share_equal",
        "run night.mosaic",
        "run night.mosaic --frozen",
        "lock night.mosaic",
        "lock --locked",
        "verify",
        "grammar --target llm --catalog",
        "bridge list",
        "catalog list",
        "catalog show local/aurora",
        "catalog search polar",
        "catalog stats",
        "catalog verify",
        "catalog export snapshot",
    ],
)
def test_no_command_holds_the_catalog(command: str, uncollected: None) -> None:
    assert _run(*command.split()) == 0
    assert _is_free()


def test_nor_does_one_that_refuses(uncollected: None) -> None:
    for command in ("check", "plan", "run"):
        assert _run(command, "wrong.mosaic") == 1
        assert _is_free()


def test_nor_does_the_api(uncollected: None) -> None:
    mosaic.check("night.mosaic")
    assert _is_free()
    mosaic.compile("night.mosaic")
    assert _is_free()
