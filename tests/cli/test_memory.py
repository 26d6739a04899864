"""Plans that do not fit: refused before anything is loaded, by the device that is planned for or that is there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mosaic.cli.app import app
from mosaic.compiler.fit import USABLE
from mosaic.profiles import load_profile, save_profile
from mosaic.runtime import devices
from mosaic.runtime.devices import Device, choose, memory
from mosaic.runtime.families.sd1 import SD1
from mosaic.stdlib import find_profiles

PLAN = """\
mosaic 1

plan poster {{
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  let hat = lora("zoo/hat")
  let look = {model}

  emit sample(look, prompt: "a red cat, {{neon}}, {{hat}}", steps: 2, size: {size}) as "cat.{kind}"
}}
"""


@pytest.fixture
def poster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "poster.mosaic"


def run(*arguments: str, code: int = 0, given: str | None = None) -> str:
    result = CliRunner().invoke(app, list(arguments), input=given)
    assert result.exit_code == code, result.output
    return result.output


def told(*arguments: str) -> dict[str, Any]:
    """What a command prints as JSON."""
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def has(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Let the machine have so much memory."""
    monkeypatch.setattr(devices, "memory", lambda device: size)


def large(size: str = "8192x8192", model: str = "fuse(base, neon, hat, via: sum)", kind: str = "png") -> str:
    return PLAN.format(model=model, size=size, kind=kind)


@pytest.mark.parametrize("command", ["check", "plan"])
def test_a_device_that_is_planned_for(poster: Path, command: str) -> None:
    poster.write_text(large())
    said = run(command, "poster.mosaic", "--device", "rtx-3060", code=1)
    assert "error[M604]: the plan does not fit into NVIDIA GeForce RTX 3060 12 GB (an estimate)" in said
    assert "decoding 8192x8192 needs" in said
    assert "tile: 1024x1024" in said
    assert "M604" not in run(command, "poster.mosaic", "--device", "h100")
    assert "M604" not in run(command, "poster.mosaic"), "nobody measured this machine"


def test_what_the_engine_is_told_counts(poster: Path) -> None:
    model = 'fuse(base, neon, hat, checkpoint("zoo/robot") * 0.5, via: composite)'
    poster.write_text(large("1024x1024", model, "safetensors"))
    manners = ([], ["--offload"], ["--batch", "1"])
    planned = [told("plan", "poster.mosaic", "--device", "h100", *more) for more in manners]
    peaks = [each["predicted"]["peak"] for each in planned]
    assert peaks[1] < peaks[0]
    assert peaks[2] < peaks[0]
    assert len({each["digest"] for each in planned}) == 1, "it is the same program"
    card = replace(load_profile(find_profiles()["h100"]), memory=round(peaks[2] / USABLE) + 1)
    save_profile(Path("small.json"), card)
    said = run("check", "poster.mosaic", "--device", "small.json", code=1)
    assert "denoising 1024x1024" in said
    assert "with `--batch 1` it needs" in said
    assert "M604" not in run("check", "poster.mosaic", "--device", "small.json", "--batch", "1")


def test_a_run_is_refused_before_anything_is_loaded(poster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, 2**30)
    monkeypatch.setattr(SD1, "load", lambda *given: pytest.fail("a model is loaded"))
    poster.write_text(large("2048x2048"))
    said = run("run", "poster.mosaic", "--no-cache", code=1)
    assert "error[M604]: the plan does not fit into this machine: decoding 2048x2048 needs" in said
    assert "921MiB of its 1GiB are there for a plan" in said
    assert "with `tile: " in said
    assert "takes about" in said, "nobody measured this machine"
    assert not Path("cat.png").exists()
    assert "M604" in run("run", "-", "--no-cache", code=1, given=large("2048x2048"))


def test_a_run_takes_an_operator_that_fits(poster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = {}
    for via in ("composite", "sum", "[composite, sum]"):
        name = f"{via}.mosaic"
        poster.with_name(name).write_text(
            large("256x256", f"fuse(base, neon, hat, via: {via})", "safetensors")
        )
        peaks[via] = told("plan", name, "--device", "cpu-8")["predicted"]["peak"]
    least, most = sorted(("composite", "sum"), key=lambda via: peaks[via])
    (wanted,) = told("run", f"{least}.mosaic", "--no-cache")["programs"]
    has(monkeypatch, round((peaks[least] + peaks[most]) / 2 / USABLE))
    assert told("run", "[composite, sum].mosaic", "--no-cache")["programs"] == [wanted]
    assert "with `via: " in run("run", f"{most}.mosaic", "--no-cache", code=1)


def test_offloading_changes_no_byte(poster: Path) -> None:
    poster.write_text(large("64x64"))
    plain = told("run", "poster.mosaic", "--no-cache")
    away = told("run", "poster.mosaic", "--no-cache", "--offload")
    assert plain["emitted"] == away["emitted"]


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/", {"memory.max": "max"}, None),
        ("0::/", {"memory.max": "134217728"}, 2**27),
        (
            "1:cpu:/a\n0::/a/b",
            {"memory.max": "max", "a/memory.max": "134217728", "a/b/memory.max": "268435456"},
            2**27,
        ),
        ("4:memory:/a\n0::/", {"memory/a/memory.limit_in_bytes": "134217728"}, 2**27),
        ("4:cpuset,memory:/a", {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("4:memory:/not/here", {}, None),
        ("", {}, None),
    ],
)
def test_a_machine_has_the_memory_that_its_system_lets_a_process_take(
    groups: str, files: dict[str, str], expected: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device: Device = choose("cpu", "auto")
    monkeypatch.setattr(devices, "_GROUPS", tmp_path / "none")
    whole = memory(device)
    assert whole > 2**28
    for name, content in files.items():
        path = tmp_path / "mounted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    (tmp_path / "cgroup").write_text(f"{groups}\n" if groups else "")
    monkeypatch.setattr(devices, "_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(devices, "_MOUNTED", tmp_path / "mounted")
    assert memory(device) == (expected or whole)
