"""`mosaic lock`, `--locked`, `--frozen` and `mosaic verify` on projects in a folder, with the shipped experts."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mosaic.catalog.index import locate, read_index
from mosaic.cli.app import app
from mosaic.stdlib import zoo

ROOT = Path(__file__).parent.parent.parent
GOLDENS = ROOT / "tests" / "cases" / "locks"
PLAN = """\
mosaic 1

param seed: int = 7

plan night {
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  let own  = lora("./models/own.safetensors")
  let look = fuse(base, neon * 0.5, own * 0.1)

  emit sample(look, prompt: "a red cat, {neon}, {own}", steps: 2, seed: seed) as "night.png"
}
"""

Mosaic = Callable[..., Result]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a plan that uses two shipped experts and one of its own; no catalog anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("MOSAIC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "plans" / "models").mkdir(parents=True)
    (tmp_path / "plans" / "night.mosaic").write_text(PLAN)
    shutil.copy(_shipped("zoo/tiles"), tmp_path / "plans" / "models" / "own.safetensors")
    _flip(tmp_path / "plans" / "models" / "own.safetensors")  # so that it is no shipped expert
    return tmp_path


@pytest.fixture
def mosaic() -> Mosaic:
    """Run a command in the current folder; anything but a message or an exit code is a failure."""

    def run(*words: str) -> Result:
        result = CliRunner().invoke(app, [*words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


@pytest.fixture
def locked(project: Path, mosaic: Mosaic) -> Path:
    """The project with its lock."""
    done = mosaic("lock", "plans")
    assert done.exit_code == 0, done.output
    return project


def _shipped(id: str) -> Path:
    (file,) = read_index(zoo.index(), zoo.root())[id].files
    return locate(file.location)


def _flip(path: Path) -> None:
    """Change a byte: of a weight, not of the header."""
    data = bytearray(path.read_bytes())
    data[-4] = (data[-4] + 1) % 256
    path.write_bytes(data)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# Writing


@pytest.mark.parametrize("name", ["alley", "house_style"])
def test_golden(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mosaic: Mosaic,
    golden: Callable[[Path, str], None],
) -> None:
    """A lock is made to be reviewed. Versions of tools and the index's digest change often, and are left out."""
    monkeypatch.chdir(shutil.copytree(ROOT / "examples", tmp_path / "examples"))
    assert mosaic("lock", f"{name}.mosaic").exit_code == 0
    text = re.sub(
        r"^\[(toolchain|catalog)\]\n(.+\n)+", r"[\1]\n", Path("mosaic.lock").read_text(), flags=re.M
    )
    golden(GOLDENS / f"{name}.lock", text)


def test_stable_sorted_and_of_no_machine(locked: Path, mosaic: Mosaic) -> None:
    first = Path("mosaic.lock").read_text()
    assert mosaic("lock", "plans/night.mosaic").exit_code == 0
    assert Path("mosaic.lock").read_text() == first
    Path("mosaic.lock").unlink()
    assert mosaic("lock", str(locked / "plans")).exit_code == 0  # named by its whole path
    assert Path("mosaic.lock").read_text() == first
    assert str(locked) not in first
    keys = [expert["id"] for expert in tomllib.loads(first)["expert"]]
    assert keys == sorted(keys) == ["./plans/models/own.safetensors", "zoo/base", "zoo/neon"]


def test_needs_no_engine(project: Path) -> None:
    code = (
        "import sys; from mosaic.cli.app import app\n"
        "try: app(['lock', 'plans'])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert not {'torch', 'duckdb', '_duckdb', 'diffusers', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env={**os.environ})
    assert done.returncode == 0, done.stderr.decode()


def test_an_expert_elsewhere_is_known_by_its_digest(
    project: Path, mosaic: Mosaic, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(_shipped("zoo/hat"), elsewhere / "hat.safetensors")
    _flip(elsewhere / "hat.safetensors")
    _edit(project / "plans/night.mosaic", "./models/own.safetensors", str(elsewhere / "hat.safetensors"))
    assert mosaic("lock", "plans").exit_code == 0
    text = Path("mosaic.lock").read_text()
    assert str(elsewhere) not in text and 'id = "sha256:' in text
    for flag in ("--locked", "--frozen"):
        assert mosaic("check", flag, "plans").exit_code == 0
    _flip(elsewhere / "hat.safetensors")
    found = mosaic("check", "--frozen", "plans")
    assert found.exit_code == 1 and "[M705]" in found.output


def test_settings_are_locked(project: Path, mosaic: Mosaic) -> None:
    assert mosaic("lock", "plans", "--set", "seed=9").exit_code == 0
    assert 'seed = "9"' in Path("mosaic.lock").read_text()
    assert mosaic("check", "--locked", "plans").exit_code == 0
    assert mosaic("lock").exit_code == 0  # those of the lock, as they were locked
    assert 'seed = "9"' in Path("mosaic.lock").read_text()


def test_two_plans_of_a_file_share_an_expert(project: Path, mosaic: Mosaic) -> None:
    second = (
        PLAN.partition("plan night")[2].replace("night.png", "day.png").replace('"zoo/neon"', '"zoo/hat"')
    )
    path = project / "plans/night.mosaic"
    path.write_text(f"{PLAN}\nplan day{second}")
    assert mosaic("lock", "plans").exit_code == 0
    day, night = tomllib.loads(_lock())["plan"]
    assert (day["name"], night["name"]) == ("day", "night")
    assert day["experts"] == ["./plans/models/own.safetensors", "zoo/base", "zoo/hat"]
    assert night["experts"] == ["./plans/models/own.safetensors", "zoo/base", "zoo/neon"]
    for flag in ("--locked", "--frozen"):
        assert mosaic("check", flag, "plans").exit_code == 0
    _edit(path, "plan day", "plan dusk")
    done = mosaic("check", "--locked", "plans")
    assert "plan `dusk` of `plans/night.mosaic` is not in it" in done.output
    assert "plan `day` of `plans/night.mosaic` is gone" in done.output
    assert "[M708]" in mosaic("plan", "--frozen", "plans/night.mosaic").output


def _fusions(lock: Path) -> dict[tuple[str, ...], list[str]]:
    found: dict[tuple[str, ...], list[str]] = {}
    for each in tomllib.loads(lock.read_text())["plan"][0]["fuse"]:
        found.setdefault(tuple(each["experts"]), []).append(each["operator"])
    return found


def test_two_fused_operands_over_one_base_are_told_apart(project: Path, mosaic: Mosaic) -> None:
    Path("plans/night.mosaic").write_text(
        "mosaic 1\n\nplan night {\n"
        '  let base  = checkpoint("zoo/base")\n  let robot = checkpoint("zoo/robot")\n'
        '  let neon  = lora("zoo/neon")\n'
        "  let one = fuse(base, neon)\n  let two = fuse(base, neon in rect(0%, 0%, 50%, 100%))\n"
        '  emit sample(fuse(robot, one), prompt: "a red cat, {neon}") as "one.png"\n'
        '  emit sample(fuse(robot, two), prompt: "a red cat, {neon}") as "two.png"\n}\n'
    )
    before = mosaic("plan", "plans/night.mosaic").output
    assert mosaic("lock", "plans").exit_code == 0
    assert _fusions(Path("mosaic.lock")) == {
        ("zoo/neon",): ["sum"],
        ("zoo/neon in a region",): ["composite"],
        ("fuse(zoo/base, zoo/neon, via: sum)",): ["sum"],
        ("fuse(zoo/base, zoo/neon in a region, via: composite)",): ["guidance"],
    }
    held = mosaic("plan", "--locked", "plans/night.mosaic")
    assert held.exit_code == 0, held.output
    assert _digest(held.output) == _digest(before)
    assert held.output.count("as locked") == 4


def test_what_two_fusions_share_a_name_for_stays_open(project: Path, mosaic: Mosaic) -> None:
    """One expert fused into two bases, by an operator each: the lock pins neither, and is kept by both."""
    Path("plans/night.mosaic").write_text(
        "mosaic 1\n\nplan night {\n"
        '  let base  = checkpoint("zoo/base")\n  let other = checkpoint("zoo/base-b")\n'
        '  let robot = checkpoint("zoo/robot")\n'
        '  emit sample(fuse(base, robot), prompt: "a red cat") as "one.png"\n'
        '  emit sample(fuse(other, robot), prompt: "a red cat") as "two.png"\n}\n'
    )
    before = mosaic("plan", "plans/night.mosaic").output
    assert mosaic("lock", "plans").exit_code == 0
    assert _fusions(Path("mosaic.lock")) == {("zoo/robot",): ["chain", "sum"]}
    for flag in ("--locked", "--frozen"):
        held = mosaic("plan", flag, "plans/night.mosaic")
        assert held.exit_code == 0, held.output
        assert _digest(held.output) == _digest(before)


def test_a_fused_operand_tells_no_place(project: Path, mosaic: Mosaic, tmp_path: Path) -> None:
    """A name of a fused operand holds the names of its experts; paths of one machine stand in no lock."""
    elsewhere = tmp_path / "elsewhere.safetensors"
    shutil.copy(_shipped("zoo/neon"), elsewhere)
    _flip(elsewhere)
    Path("plans/night.mosaic").write_text(
        "mosaic 1\n\nplan night {\n"
        '  let base = checkpoint("zoo/base")\n  let robot = checkpoint("zoo/robot")\n'
        f'  let mine = fuse(base, lora("{elsewhere}"), via: sum)\n'
        '  emit sample(fuse(robot, mine), prompt: "a red cat") as "one.png"\n}\n'
    )
    done = mosaic("lock", "plans")
    assert done.exit_code == 0, done.output
    assert str(tmp_path) not in Path("mosaic.lock").read_text()


def _digest(output: str) -> str:
    (found,) = re.findall(r"^program (\S+)", output, flags=re.M)
    return str(found)


def test_plans_are_added_to_a_lock(locked: Path, mosaic: Mosaic) -> None:
    (locked / "more.mosaic").write_text(PLAN.replace('"./models/own.safetensors"', '"zoo/hat"'))
    done = mosaic("lock", "more.mosaic")
    assert done.exit_code == 0 and "2 plans, 4 experts" in done.output
    (locked / "more.mosaic").unlink()
    done = mosaic("lock")
    assert done.exit_code == 0 and "1 plan, 3 experts" in done.output and "is gone" in done.output


def test_as_json(project: Path, mosaic: Mosaic) -> None:
    done = json.loads(mosaic("lock", "plans", "--json").stdout)
    assert done["written"] and done["lock"] == "mosaic.lock"
    assert [expert["id"] for expert in done["experts"]][1:] == ["zoo/base", "zoo/neon"]
    assert json.loads(mosaic("lock", "plans", "--json").stdout)["written"] is False


def test_a_plan_with_a_mistake_is_not_locked(locked: Path, mosaic: Mosaic) -> None:
    before = Path("mosaic.lock").read_text()
    _edit(locked / "plans/night.mosaic", "zoo/neon", "zoo/neom")
    done = mosaic("lock", "plans")
    assert done.exit_code == 1 and "[M210]" in done.output
    assert Path("mosaic.lock").read_text() == before


# --locked


@pytest.mark.parametrize("command", ["check", "plan", "lock"])
def test_locked_passes_after_lock(locked: Path, mosaic: Mosaic, command: str) -> None:
    done = mosaic(command, "--locked", "plans/night.mosaic")
    assert done.exit_code == 0, done.output


def _text(folder: Path) -> None:
    _edit(folder / "plans/night.mosaic", "a red cat", "a blue cat")


def _bytes(folder: Path) -> None:
    _flip(folder / "plans/models/own.safetensors")


def _expert(folder: Path) -> None:
    _edit(folder / "plans/night.mosaic", "zoo/neon", "zoo/sketch")


def _entry(folder: Path) -> None:
    """Take one expert out of the lock, and the coverage and the plan's mention with it."""
    lock = folder / "mosaic.lock"
    text = re.sub(r'\[\[expert\]\]\nid = "zoo/neon"(.|\n)*?(?=\[\[expert\]\]|\Z)', "", lock.read_text())
    lock.write_text(text.replace(', "zoo/neon"]', "]", 1))


def _license(folder: Path) -> None:
    _edit(folder / "mosaic.lock", 'license = "Apache-2.0"', 'license = "MIT"')


CHANGES = {
    _text: "the text of plan `night`",
    _bytes: "the content of expert `./plans/models/own.safetensors` (`own.safetensors`: its bytes)",
    _expert: "another expert `zoo/sketch` of plan `night`",
    _entry: "another expert `zoo/neon` of plan `night`",
    _license: "`license` of expert",
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
@pytest.mark.parametrize("command", ["check", "plan", "lock"])
def test_locked_fails_after_a_change(
    locked: Path, mosaic: Mosaic, command: str, change: Callable[[Path], None]
) -> None:
    change(locked)
    before = Path("mosaic.lock").read_text()
    done = mosaic(command, "--locked", "plans/night.mosaic")
    assert done.exit_code == 1
    assert "[M709]" in done.output and CHANGES[change] in done.output, done.output
    assert Path("mosaic.lock").read_text() == before
    assert mosaic("lock", "plans").exit_code == 0
    assert mosaic(command, "--locked", "plans/night.mosaic").exit_code == 0


def test_steps_that_a_budget_took_are_locked(
    project: Path, mosaic: Mosaic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture is the same whatever is measured later, until the range is edited or the plan locked again."""
    path = project / "plans/night.mosaic"
    _edit(path, "steps: 2", "steps: 2..40")
    _edit(path, "plan night {", "plan night {\n  budget { latency: 2s }")
    monkeypatch.setenv("MOSAIC_PROFILE", "h100")
    assert mosaic("lock", "plans").exit_code == 0
    assert tomllib.loads(_lock())["plan"][0]["steps"] == [{"low": 2, "high": 40, "taken": 40}]
    locked = _digest(mosaic("plan", "plans/night.mosaic").output)
    _edit(path, "latency: 2s", "latency: 250ms")
    monkeypatch.setenv("MOSAIC_PROFILE", "cpu-8")
    over = mosaic("check", "plans")
    assert over.exit_code == 1
    assert "with 40 steps" in over.output and "`mosaic.lock` holds what was chosen before" in over.output
    done = mosaic("lock", "plans")
    assert done.exit_code == 0 and "40 of 2..40 steps in plan `night`" in done.output, done.output
    (steps,) = tomllib.loads(_lock())["plan"][0]["steps"]
    assert 2 <= steps["taken"] < 40
    now = mosaic("plan", "plans/night.mosaic")
    assert f"{steps['taken']} of 2..40 steps: as locked" in now.output
    assert _digest(now.output) != locked
    monkeypatch.delenv("MOSAIC_PROFILE")
    for flag in ([], ["--frozen"]):
        held = mosaic("plan", *flag, "plans/night.mosaic")
        assert held.exit_code == 0 and _digest(held.output) == _digest(now.output)
    done = mosaic("check", "--locked", "plans")
    assert done.exit_code == 1 and f"the lock would change: {steps['taken']} of 2..40 steps" in done.output
    _edit(path, "2..40", "3..50")
    assert "50 of 3..50 steps: the budget is not judged" in mosaic("plan", "plans/night.mosaic").output


def test_other_tools_are_noted(locked: Path, mosaic: Mosaic) -> None:
    text = re.sub(r'^torch = ".*"$', 'torch = "1.0"', Path("mosaic.lock").read_text(), flags=re.M)
    Path("mosaic.lock").write_text(text)
    done = mosaic("check", "--locked", "plans")
    assert done.exit_code == 0 and "note[M717]" in done.output and "torch 1.0 (here" in done.output


def test_files_without_plans_need_no_lock(locked: Path, mosaic: Mosaic) -> None:
    (locked / "plans/house.mosaic").write_text("mosaic 1\n")
    for flag in ("--locked", "--frozen"):
        assert mosaic("check", flag, "plans").exit_code == 0


# --frozen


def test_frozen_needs_no_files(locked: Path, mosaic: Mosaic) -> None:
    """What the plan's own folder had is gone; to compile, the lock is enough. To run, it is not (M720)."""
    before = mosaic("plan", "plans/night.mosaic").output
    (locked / "plans/models/own.safetensors").unlink()
    assert mosaic("check", "plans").exit_code == 1
    assert mosaic("check", "--frozen", "plans").exit_code == 0
    assert mosaic("plan", "--frozen", "plans/night.mosaic").output == before
    done = mosaic("run", "--frozen", "plans/night.mosaic", "-o", "out")
    assert done.exit_code == 1 and "[M720]" in done.output and not Path("out").exists()


def test_frozen_needs_no_catalog(locked: Path, mosaic: Mosaic) -> None:
    """Not even one that can be opened."""
    Path("broken.duckdb").write_bytes(b"no catalog")
    (locked / "plans/models/own.safetensors").unlink()
    done = mosaic("check", "--frozen", "--catalog", "broken.duckdb", "plans")
    assert done.exit_code == 0, done.output


def test_frozen_does_not_ask_whether_the_lock_is_up_to_date(locked: Path, mosaic: Mosaic) -> None:
    _edit(locked / "plans/night.mosaic", "neon * 0.5", "neon * 0.7")
    assert mosaic("check", "--frozen", "plans").exit_code == 0


def test_frozen_takes_no_expert_from_elsewhere(locked: Path, mosaic: Mosaic) -> None:
    _edit(locked / "plans/night.mosaic", "zoo/neon", "zoo/sketch")
    done = mosaic("check", "--frozen", "plans")
    assert done.exit_code == 1 and "error[M705]: lora `zoo/sketch` is not in `mosaic.lock`" in done.output


def test_frozen_refuses_other_bytes(locked: Path, mosaic: Mosaic) -> None:
    _flip(locked / "plans/models/own.safetensors")
    done = mosaic("check", "--frozen", "plans")
    assert done.exit_code == 1 and "error[M707]" in done.output


def test_frozen_knows_no_new_pair_without_its_files(locked: Path, mosaic: Mosaic) -> None:
    (locked / "other.mosaic").write_text(
        PLAN.replace("zoo/base", "zoo/robot").replace("./models/own.safetensors", "zoo/tiles")
    )
    assert mosaic("lock", "other.mosaic").exit_code == 0
    _edit(locked / "plans/night.mosaic", "zoo/base", "zoo/robot")
    assert mosaic("check", "--frozen", "plans").exit_code == 0  # read from the files
    (locked / "plans/models/own.safetensors").unlink()
    done = mosaic("check", "--frozen", "plans")
    assert done.exit_code == 1 and "[M718]" in done.output, done.output


@pytest.mark.parametrize("flag", ["--locked", "--frozen"])
def test_a_plan_that_is_not_locked(locked: Path, mosaic: Mosaic, flag: str) -> None:
    (locked / "new.mosaic").write_text(PLAN.replace("./models", "./plans/models"))
    done = mosaic("check", flag, "new.mosaic")
    assert done.exit_code == 1 and "[M708]" in done.output
    done = mosaic("plan", flag, "new.mosaic")
    assert done.exit_code == 1 and "[M708]" in done.output


def test_both_flags_are_usage(locked: Path, mosaic: Mosaic) -> None:
    assert mosaic("check", "--locked", "--frozen", "plans").exit_code == 2


# Without a flag


def test_a_lock_beside_warns(locked: Path, mosaic: Mosaic) -> None:
    assert "0 warnings" not in mosaic("check", "plans").output
    _flip(locked / "plans/models/own.safetensors")
    _edit(locked / "plans/night.mosaic", "zoo/neon", "zoo/sketch")
    done = mosaic("check", "plans")
    assert done.exit_code == 0
    assert "warning[M706]" in done.output and "warning[M704]" in done.output


def test_a_broken_lock_beside_is_an_error(locked: Path, mosaic: Mosaic) -> None:
    Path("mosaic.lock").write_text("version = 1\n[[plan]\n")
    done = mosaic("check", "plans")
    assert done.exit_code == 1 and "[M710]" in done.output
    assert mosaic("lock", "plans").exit_code == 0  # the way out


# Verify


def test_verify_untouched(locked: Path, mosaic: Mosaic) -> None:
    done = mosaic("verify")
    assert done.exit_code == 0 and "same bytes expected" in done.output
    assert mosaic("verify", str(locked / "mosaic.lock")).exit_code == 0


def test_verify_from_elsewhere(
    locked: Path, mosaic: Mosaic, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    done = mosaic("verify", str(locked / "mosaic.lock"))
    assert done.exit_code == 0 and "same bytes expected" in done.output


TAMPERED = {
    _bytes: ("expert", "./plans/models/own.safetensors", "differs"),
    _text: ("plan", "plans/night.mosaic, night", "differs"),
}


@pytest.mark.parametrize("change", TAMPERED, ids=lambda change: change.__name__.strip("_"))
def test_verify_tampered(locked: Path, mosaic: Mosaic, change: Callable[[Path], None]) -> None:
    change(locked)
    done = mosaic("verify", "--json")
    assert done.exit_code == 1
    found = json.loads(done.output)
    assert found["verdict"] == "not the same"
    rows = [(row["what"], row["name"], row["state"]) for row in found["findings"]]
    assert TAMPERED[change] in rows


def test_verify_looks_where_the_plan_does(locked: Path, mosaic: Mosaic) -> None:
    """The locked bytes are in the package too; the plan names the file beside it."""
    shutil.copy(_shipped("zoo/tiles"), locked / "plans/models/own.safetensors")
    assert mosaic("lock", "plans").exit_code == 0
    assert mosaic("verify").exit_code == 0
    _bytes(locked)
    assert "differs  other bytes: own.safetensors" in mosaic("verify").output


def test_verify_missing(locked: Path, mosaic: Mosaic) -> None:
    (locked / "plans/models/own.safetensors").unlink()
    done = mosaic("verify")
    assert done.exit_code == 1 and "missing  not at hand: own.safetensors" in done.output


def test_verify_a_comment_changes_nothing(locked: Path, mosaic: Mosaic) -> None:
    _edit(locked / "plans/night.mosaic", "plan night", "# at night\nplan night")
    done = mosaic("verify")
    assert done.exit_code == 0 and "its text changed, the program is the same" in done.output


def test_verify_other_tools(locked: Path, mosaic: Mosaic) -> None:
    text = re.sub(r'^torch = ".*"$', 'torch = "1.0"', Path("mosaic.lock").read_text(), flags=re.M)
    Path("mosaic.lock").write_text(text)
    done = mosaic("verify")
    assert done.exit_code == 0 and "same picture up to rounding" in done.output
    assert mosaic("verify", "--exact").exit_code == 1


def test_verify_without_a_lock_is_unreadable(project: Path, mosaic: Mosaic) -> None:
    assert mosaic("verify").exit_code == 2


def test_outputs_are_recorded_and_made_again(locked: Path, mosaic: Mosaic) -> None:
    assert mosaic("lock", "--outputs").exit_code == 0
    done = mosaic("verify", "--run", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.output)["findings"]
    assert ("output", "night.png", "same") in [(row["what"], row["name"], row["state"]) for row in rows]
    text = re.sub(r'^"night.png" = "[0-9a-f]{64}"', f'"night.png" = "{"0" * 64}"', _lock(), flags=re.M)
    Path("mosaic.lock").write_text(text)
    done = mosaic("verify", "--run")
    assert done.exit_code == 1 and "not the same" in done.output and "0000" in done.output
    Path("mosaic.lock").write_text(re.sub(r"^threads = .*$", 'threads = "64"', text, flags=re.M))
    done = mosaic("verify", "--run")
    assert done.exit_code == 0 and "same picture up to rounding" in done.output


def _lock() -> str:
    return Path("mosaic.lock").read_text()
