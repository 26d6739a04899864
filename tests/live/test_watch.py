"""`mosaic watch`: its parts, and the whole of it as a process."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from mosaic.api.workers import World
from mosaic.live.changes import Marks
from mosaic.live.loop import Loop, Watch
from mosaic.live.page import Page, Shown
from mosaic.live.watched import depends

PLAN = """mosaic 1
plan cat {
  emit sample(checkpoint("zoo/base"), prompt: "a red cat", steps: 1, size: 8x8) as "cat.png"
}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / ".home" / name))
    Path(".git").mkdir()


def test_a_plan_depends_on_what_it_names() -> None:
    Path("a.mosaic").write_text('mosaic 1\nuse "./b.mosaic" as b\nlet x = load("./in.png"')
    Path("b.mosaic").write_text('mosaic 1\nuse "./c.mosaic" as c')
    names = {path.name for path in depends("a.mosaic")}
    assert names >= {
        "a.mosaic",
        "b.mosaic",
        "c.mosaic",
        "in.png",
        "mosaic.lock",
        "mosaic.toml",
        "catalog.duckdb",
    }


def test_changes_are_seen_once_and_bursts_are_one() -> None:
    path = Path("a.mosaic").absolute()
    marks = Marks()
    marks.keep([path])
    assert not marks.changed()
    path.write_text("1")
    assert marks.burst(lambda seconds: None) == {path}
    assert not marks.changed()
    Path("new").write_text("2")
    os.replace("new", path)  # as editors save: same size
    writes = iter(("three", "four!!"))

    def meanwhile(seconds: float) -> None:
        if text := next(writes, ""):
            path.write_text(text)

    assert marks.burst(meanwhile) == {path}
    assert not marks.changed()
    path.unlink()
    assert marks.changed() == {path}


def test_only_the_plans_concerned_are_checked() -> None:
    said: list[str] = []
    Path("a.mosaic").write_text(PLAN)
    Path("b.mosaic").write_text(PLAN)
    loop = Loop(Watch(["."], World(), said.append))
    assert loop.round() == ("a.mosaic", "b.mosaic")
    assert loop.round() == ()
    Path("b.mosaic").write_text(PLAN[:40])  # half saved
    assert loop.round() == ("b.mosaic",)
    assert any("error[M" in text for text in said)
    Path("b.mosaic").unlink()
    assert loop.round() == ()
    assert "b.mosaic is gone" in said[-1]
    Path("mosaic.toml").write_text('exclude = ["old"]\n')
    Path("old").mkdir()
    Path("old/c.mosaic").write_text(PLAN)
    assert loop.round() == ("a.mosaic",)


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page()
    yield page
    page.close()


def _get(page: Page, path: str, host: str | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(page.url.rstrip("/") + path, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


def test_the_page_escapes_and_serves_nothing_else(page: Page) -> None:
    Path("cat.png").write_bytes(b"picture")
    Path("secret").write_text("secret")
    page.show([Shown("<script>.mosaic", "12:00", "<b>", [Path("cat.png").absolute()])])
    status, text = _get(page, "/")
    assert status == 200 and b"&lt;script&gt;.mosaic" in text and b"<b>" not in text
    assert _get(page, "/files/0") == (200, b"picture")
    for path in ("/files/1", "/secret", "/files/../secret", "//secret"):
        assert _get(page, path)[0] == 404
    assert _get(page, "/", "evil.example")[0] == 403


def test_as_a_process() -> None:
    Path("cat.mosaic").write_text(PLAN.replace("steps", "stpes"))
    command = [sys.executable, "-m", "mosaic", "watch", "cat.mosaic", "--run", "-o", "out"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines: queue.Queue[str] = queue.Queue()
        assert process.stdout is not None
        output = process.stdout
        Thread(target=lambda: [lines.put(line) for line in output], daemon=True).start()

        def until(pattern: str) -> str:
            while True:
                line = lines.get(timeout=120)
                if re.search(pattern, line):
                    return line

        try:
            url = until("page: ").split()[1]
            until(r"error\[M204\]")
            Path("cat.mosaic").write_text(PLAN)
            until(r"cat\.mosaic")
            until(r"cat\.png  image  sha256:")
            assert Path("out/cat.png").exists()
            Path("cat.mosaic").write_text(PLAN + "\n")
            until("from the cache")
            with urllib.request.urlopen(url + "events", timeout=30) as events:
                assert events.readline().startswith(b"data: ")
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            process.kill()
