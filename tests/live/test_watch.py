"""`mosaic watch`: its parts, and the whole of it as a process."""

from __future__ import annotations

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import NoReturn

import pytest

from mosaic.api.workers import World
from mosaic.compiler.diagnostic import InternalError
from mosaic.live.changes import Marks
from mosaic.live.loop import Loop, Watch
from mosaic.live.page import Page, Shown
from mosaic.live.watched import depends, plans

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
    assert said[-1].endswith("  b.mosaic is gone")
    Path("c.mosaic").write_text(PLAN)
    assert loop.round() == ("c.mosaic",)
    assert any(text.endswith("  c.mosaic is new") for text in said)
    Path("c.mosaic").unlink()
    loop.round()
    Path("mosaic.toml").write_text('exclude = ["old"]\n')
    Path("old").mkdir()
    Path("old/c.mosaic").write_text(PLAN)
    assert loop.round() == ("a.mosaic",)


def test_folders_that_vanish_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.mosaic").write_text(PLAN)
    for place in ("going", "catalog"):
        Path(place, "inner").mkdir(parents=True)
    scan = os.scandir

    def going(path: str) -> object:
        if str(path).endswith("going"):
            raise FileNotFoundError(str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", going)
    assert plans(["."]) == ("a.mosaic",)

    def gone(self: Path) -> Iterator[Path]:
        raise FileNotFoundError(str(self))

    monkeypatch.setattr(Path, "iterdir", gone)
    assert Path("catalog").absolute() in depends("a.mosaic", Path("catalog"))


def test_a_plan_is_watched_once_however_it_is_named() -> None:
    Path("a.mosaic").write_text(PLAN)
    Path(".hidden").mkdir()
    Path(".hidden/b.mosaic").write_text(PLAN)
    assert plans(["./a.mosaic", ".", "a.mosaic"]) == ("a.mosaic",)


def test_plans_of_one_name_do_not_write_over_each_other() -> None:
    for folder, seed in (("a", 1), ("b", 2)):
        Path("plans", folder).mkdir(parents=True)
        Path("plans", folder, "cat.mosaic").write_text(PLAN.replace("steps: 1", f"steps: 1, seed: {seed}"))
    said: list[str] = []
    Loop(Watch(["plans"], World(), said.append, Path("out"))).round()
    pictures = [Path("out", folder, "cat", "cat.png").read_bytes() for folder in "ab"]
    assert pictures[0] != pictures[1]


def test_mistakes_are_shown_before_anything_is_run(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("good.mosaic").write_text(PLAN)
    Path("wrong.mosaic").write_text(PLAN.replace("steps", "stpes"))
    seen: list[str] = []

    def run(name: str, **_: object) -> NoReturn:
        seen.append(page.body())
        raise RuntimeError("no memory <left>")

    monkeypatch.setattr("mosaic.live.loop.run", run)
    Loop(Watch(["."], World(), lambda text: None, Path("out"), page)).round()
    (body,) = seen
    assert "M204" in body and "running" in body
    assert "RuntimeError: no memory &lt;left&gt;" in page.body() and "running" not in page.body()


def test_a_fault_of_mosaic_is_told_and_watching_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.mosaic").write_text(PLAN)

    def look(*_: object) -> NoReturn:
        raise InternalError("a pass gave nothing")

    said: list[str] = []
    loop = Loop(Watch(["."], World(), said.append))
    with monkeypatch.context() as patched:
        patched.setattr("mosaic.live.loop.look", look)
        loop.round()
    assert any("a pass gave nothing" in text for text in said)
    Path("a.mosaic").write_text(PLAN + "\n")
    loop.round()
    assert said[-1] == "a.mosaic: no errors"


def test_the_page_draws_what_runs(page: Page) -> None:
    Path("a.mosaic").write_text(PLAN.replace("a red cat", "</text><script>alert(1)</script>"))
    Loop(Watch(["."], World(), lambda text: None, page=page)).round()
    address = re.search(r'<img src="(/files/\d+)\?', page.body())
    assert address and "<script" not in page.body()
    status, drawing = _get(page, address[1])
    assert status == 200 and drawing.startswith(b"<svg") and b"<script" not in drawing


def test_standard_input_cannot_be_watched() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mosaic", "watch", "-"], input="", capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2 and "standard input" in done.stderr


def test_a_reader_that_goes_away_is_nothing_to_tell(page: Page, capfd: pytest.CaptureFixture[str]) -> None:
    Path("cat.png").write_bytes(bytes(32 * 2**20))  # more than a connection takes ahead
    page.show([Shown("cat.mosaic", "12:00", pictures=[Path("cat.png").absolute()])])
    with socket.create_connection(("127.0.0.1", page.port)) as reader:
        reader.sendall(f"GET /files/0 HTTP/1.0\r\nHost: 127.0.0.1:{page.port}\r\n\r\n".encode())
        assert reader.recv(1)
    for thread in threading.enumerate():
        if "process_request" in thread.name:
            thread.join(60)
    assert capfd.readouterr().err == ""


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
