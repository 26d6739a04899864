"""`mosaic catalog` as a process, over real files: what it says, what it keeps, how it ends."""

from __future__ import annotations

import json
import math
import os
import pickle
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mosaic.catalog.reading import Declared, read_one
from mosaic.catalog.store import open_store
from mosaic.cli.app import app
from mosaic.compiler.diagnostic import Severity
from mosaic.compiler.source import SourceFile
from mosaic.project import Project
from mosaic.stdlib import zoo

MODELS = zoo.root() / "models"
SHIPPED = len(zoo.index()["experts"]) + len(zoo.index()["bridges"])

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def mosaic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `mosaic catalog` with a data folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda *words, **env: run(tmp_path, "catalog", *words, **env)


def run(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command where the test stands; its data and cache lie in a folder."""
    places = {"XDG_DATA_HOME": str(folder / "data"), "MOSAIC_CACHE": str(folder / "cache")}
    done = CliRunner().invoke(app, words, env={**places, **env})
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def document(done: subprocess.CompletedProcess[str], code: int = 0) -> dict[str, Any]:
    assert done.returncode == code, done.stderr
    found = json.loads(done.stdout)
    assert found["version"] == 1
    return dict(found)


def write(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    metadata: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Path:
    """A safetensors file of 16-bit zeros that ends in a number of its own."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    data = bytes(end - 4) + seed.to_bytes(4, "little")
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def lora(module: str, inputs: int, outputs: int, rank: int = 4) -> dict[str, tuple[int, ...]]:
    return {f"{module}.lora_down.weight": (rank, inputs), f"{module}.lora_up.weight": (outputs, rank)}


SD1 = lora("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k", 768, 640)
SDXL = lora("lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_v", 2048, 640)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A folder as people have them: LoRAs, a model, an embedding, and what is none of them."""
    folder = tmp_path / "models"
    (folder / "styles").mkdir(parents=True)
    shutil.copy(MODELS / "neon.safetensors", folder / "styles" / "glow.safetensors")
    shutil.copy(MODELS / "samurai.safetensors", folder / "horned.safetensors")
    shutil.copytree(MODELS / "base", folder / "world")
    write(folder / "xl.safetensors", SDXL, {"ss_base_model_version": "sd_v1"})
    (folder / "cut.safetensors").write_bytes((MODELS / "hat.safetensors").read_bytes()[:5000])
    (folder / "old.ckpt").write_bytes(pickle.dumps({"state_dict": {}}))
    (folder / "README.md").write_text("not an expert")
    return folder


class TestAdd:
    def test_tells_the_truth_about_a_folder(self, mosaic: Run, library: Path) -> None:
        done = mosaic("add", "models")
        assert done.returncode == 1  # two are refused
        assert "error[M804]: `models/cut.safetensors`" in done.stderr
        assert "error[M803]: `models/old.ckpt` is a pickle" in done.stderr
        assert "warning[M820]: `models/xl.safetensors`: its metadata says family sd1" in done.stderr
        assert "4 added, 0 updated, 0 unchanged, 2 refused, 1 warning" in done.stdout
        assert f"{SHIPPED} experts that come with mosaic taken in" in done.stdout
        listed = document(mosaic("list", "--json"))
        told = {
            expert["id"]: (expert["kind"], expert["family"], expert["trigger"])
            for expert in listed["experts"]
        }
        assert {id: facts for id, facts in told.items() if id.startswith("local/")} == {
            "local/glow": ("lora", "sd1", "neon style"),
            "local/horned": ("embedding", "sd1", "<samurai>"),
            "local/world": ("checkpoint", "sd1", None),
            "local/xl": ("lora", "sdxl", None),
        }
        assert len(told) == 4 + SHIPPED

    def test_a_second_time_opens_nothing(
        self, mosaic: Run, library: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mosaic("add", "models")
        for broken in ("cut.safetensors", "old.ckpt"):
            (library / broken).unlink()
        opened = Path.open

        def watched(path: Path, *words: Any, **settings: Any) -> Any:
            assert library not in path.absolute().parents, path
            return opened(path, *words, **settings)

        monkeypatch.setattr(Path, "open", watched)
        again = document(mosaic("add", "models", "--json"))
        assert (again["added"], again["updated"], again["unchanged"]) == ([], [], 4)

    def test_a_changed_file_is_read_again(self, mosaic: Run, library: Path) -> None:
        mosaic("add", "models")
        write(library / "xl.safetensors", SDXL, seed=7)
        again = document(mosaic("add", "models", "--json"), 1)
        assert (again["added"], again["updated"], again["unchanged"]) == ([], ["local/xl"], 3)

    def test_a_changed_part_of_a_model_is_read_again(self, mosaic: Run, library: Path) -> None:
        mosaic("add", "models/world")
        config = library / "world" / "scheduler" / "scheduler_config.json"
        config.write_text(config.read_text() + "\n")
        assert document(mosaic("add", "models/world", "--json"))["updated"] == ["local/world"]

    def test_refusals_as_json(self, mosaic: Run, library: Path) -> None:
        told = document(mosaic("add", "models", "--json"), 1)
        assert [(Path(r["path"]).name, r["diagnostics"][0]["code"]) for r in told["refused"]] == [
            ("cut.safetensors", "M804"),
            ("old.ckpt", "M803"),
        ]
        assert [w["code"] for w in told["warnings"]] == ["M820"]
        assert len(told["digest"]) == 64

    def test_what_a_person_states(self, mosaic: Run, library: Path) -> None:
        stated = [
            "--id", "studio/glow", "--title", "Glow", "--trigger", "glowing lines", "--license", "cc by-nc 4.0",
            "--rating", "mature", "--strength", "0.4..1.0", "--excludes", "studio/matt", "--last", "--tag", "neon",
        ]  # fmt: skip
        assert mosaic("add", "models/styles/glow.safetensors", *stated).returncode == 0
        facts = document(mosaic("show", "studio/glow", "--json"))["facts"]
        assert (facts["title"], facts["trigger"], facts["license"]) == (
            "Glow",
            "glowing lines",
            "CC-BY-NC-4.0",
        )
        assert (facts["rating"], facts["strengths"], facts["last"]) == ("mature", [0.4, 1.0], True)
        assert (facts["excludes"], facts["license_evidence"]) == (["studio/matt"], "declared")

    def test_statements_outlive_the_next_add(self, mosaic: Run, library: Path) -> None:
        mosaic("add", "models/styles/glow.safetensors", "--id", "studio/glow", "--license", "MIT")
        os.utime(library / "styles" / "glow.safetensors")
        told = document(mosaic("add", "models/styles", "--json"))
        assert (told["added"], told["updated"], told["unchanged"]) == ([], [], 1)
        facts = document(mosaic("show", "studio/glow", "--json"))["facts"]
        assert (facts["id"], facts["license"]) == ("studio/glow", "MIT")
        mosaic("add", "models/styles", "--rating", "general")
        facts = document(mosaic("show", "studio/glow", "--json"))["facts"]
        assert (facts["id"], facts["license"], facts["rating"]) == ("studio/glow", "MIT", "general")

    def test_a_sidecar_that_changes_is_read_again(self, mosaic: Run, library: Path) -> None:
        sidecar = library / "styles" / "glow.expert.toml"
        sidecar.write_text('license = "MIT"\n')
        mosaic("add", "models/styles")
        assert document(mosaic("show", "local/glow", "--json"))["facts"]["license"] == "MIT"
        sidecar.write_text('license = "CC0-1.0"\n')
        assert document(mosaic("add", "models/styles", "--json"))["updated"] == ["local/glow"]
        assert document(mosaic("show", "local/glow", "--json"))["facts"]["license"] == "CC0-1.0"

    def test_options_of_one_expert_need_one(self, mosaic: Run, library: Path) -> None:
        done = mosaic("add", "models", "--id", "studio/glow", "--strength", "0.5")
        assert done.returncode == 2
        assert "--id, --strength" in done.stderr

    @pytest.mark.parametrize(
        ("option", "value", "said"),
        [
            ("--strength", "strong", "no range"),
            ("--namespace", "Studio Neon", "begins ids"),
            ("--rating", "harmless", "M824"),
            ("--id", "no slash", "M824"),
        ],
    )
    def test_wrong_statements(self, mosaic: Run, library: Path, option: str, value: str, said: str) -> None:
        done = mosaic("add", "models/styles/glow.safetensors", option, value)
        assert done.returncode in (1, 2)
        assert said in done.stderr

    def test_nothing_there(self, mosaic: Run, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        done = mosaic("add", "empty", "gone.safetensors")
        assert done.returncode == 1
        assert "error[M841]: nothing in `empty`" in done.stderr
        assert "error[M801]" in done.stderr

    def test_one_file_has_one_place_however_it_is_named(self, mosaic: Run, tmp_path: Path) -> None:
        path = write(tmp_path / "a" / "neon.safetensors", SD1)
        (tmp_path / "b").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "a")
        mosaic("add", "b/../a")
        shown = document(mosaic("show", "local/neon", "--json"))
        assert shown["facts"]["files"][0]["location"] == str(path)
        for name in ("a", str(tmp_path / "a"), "b/../b/../a/neon.safetensors", "link/../a"):
            again = document(mosaic("add", name, "--json"))
            assert (again["updated"], again["unchanged"]) == ([], 1), name

    def test_many_files_in_several_processes(self, mosaic: Run, tmp_path: Path) -> None:
        for number in range(70):
            write(tmp_path / "many" / f"n{number:02}.safetensors", SD1, seed=number)
        (tmp_path / "many" / "n35.safetensors").write_bytes(b"broken")
        told = document(mosaic("add", "many", "--jobs", "3", "--json"), 1)
        assert told["added"] == [f"local/n{number:02}" for number in range(70) if number != 35]
        assert [Path(r["path"]).name for r in told["refused"]] == ["n35.safetensors"]

    def test_two_files_of_one_name(self, mosaic: Run, tmp_path: Path) -> None:
        write(tmp_path / "a" / "neon.safetensors", SD1, seed=1)
        write(tmp_path / "b" / "neon.safetensors", SD1, seed=2)
        told = document(mosaic("add", "a", "b", "--json"))
        assert told["added"][0] == "local/neon"
        assert told["added"][1].startswith("local/neon-")
        assert [w["code"] for w in told["warnings"]] == ["M839"]

    def test_a_catalog_that_is_none(self, mosaic: Run, library: Path, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("not a catalog, but long enough to look like a file of something")
        done = mosaic("add", "models", "--catalog", "notes.txt")
        assert (done.returncode, "error[M831]" in done.stderr) == (2, True)
        done = mosaic("add", "models", "--catalog", "models")
        assert (done.returncode, "error[M842]" in done.stderr) == (2, True)

    @pytest.mark.slow
    def test_an_interrupt_keeps_what_was_committed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for number in range(3000):
            write(tmp_path / "many" / f"n{number:04}.safetensors", {"neon": (1, 768)}, seed=number)
        catalog = tmp_path / "c.duckdb"
        with subprocess.Popen(
            [
                sys.executable,
                "-m",
                "mosaic",
                "catalog",
                "add",
                "many",
                "--catalog",
                str(catalog),
                "--jobs",
                "2",
            ],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Tests that run in the background of a shell inherit that interrupts are ignored.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
            env={**os.environ, "MOSAIC_CACHE": str(tmp_path / "cache")},
        ) as process:
            while process.poll() is None and _experts(catalog) <= SHIPPED:
                time.sleep(0.02)
            os.killpg(process.pid, signal.SIGINT)
            try:
                _, said = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # else leaving the block waits for it, too
                raise
        assert process.returncode == 130
        assert "the same command goes on from here" in said
        assert "Traceback" not in said
        kept = _experts(catalog) - SHIPPED
        assert 0 < kept < 3000
        done = run(tmp_path, "catalog", "add", "many", "--catalog", str(catalog), "--json")
        told = document(done)
        assert (len(told["added"]), told["unchanged"]) == (3000 - kept, kept)
        assert run(tmp_path, "catalog", "verify", "--catalog", str(catalog)).returncode == 0


def _experts(catalog: Path) -> int:
    if not catalog.exists():
        return 0
    with open_store(catalog, wait=30) as store:
        return store.stats().experts


class TestLooking:
    def test_without_a_catalog_what_is_shipped(self, mosaic: Run) -> None:
        done = mosaic("list", "--kind", "lora")
        assert done.returncode == 0
        assert "no catalog yet" in done.stderr
        assert "zoo/neon" in done.stdout
        assert "zoo/base " not in done.stdout

    def test_filters(self, mosaic: Run, library: Path) -> None:
        mosaic("add", "models")

        def ids(*words: str) -> list[str]:
            return [expert["id"] for expert in document(mosaic("list", "--json", *words))["experts"]]

        assert ids("--family", "sdxl") == ["local/xl"]
        assert ids("--trigger", "NEON") == ["local/glow", "zoo/neon"]
        assert ids("--license", "apache 2.0", "--kind", "embedding") == ["local/horned", "zoo/samurai"]
        assert ids("--limit", "1", "--offset", "1") == ["local/horned"]

    def test_search_says_why(self, mosaic: Run, library: Path) -> None:
        mosaic("add", "models")
        found = document(mosaic("search", "glowing", "tubes", "--kind", "lora", "--json"))["experts"]
        assert found[0]["id"] in ("zoo/neon", "local/glow")
        assert found[0]["words"] == ["glowing", "tube"]
        assert 0 < found[0]["score"] <= 1
        assert "nothing in" in mosaic("search", "zzzzqqqq").stdout

    def test_stats(self, mosaic: Run, library: Path) -> None:
        mosaic("add", "models")
        told = document(mosaic("stats", "--json"))
        assert told["experts"] == SHIPPED + 4
        assert told["kinds"]["embedding"] == 2
        assert "sdxl 1" in mosaic("stats").stdout

    def test_path(self, mosaic: Run, tmp_path: Path) -> None:
        assert mosaic("path").stdout == f"{tmp_path}/data/mosaic/catalog.duckdb\n"
        assert mosaic("path", MOSAIC_CATALOG="other.duckdb").stdout == "other.duckdb\n"
        assert document(mosaic("path", "--catalog", "x", "--json"))["exists"] is False

    def test_a_catalog_that_is_missing(self, mosaic: Run) -> None:
        for words in (["list"], ["show", "zoo/neon"], ["search", "neon"], ["stats"], ["verify"]):
            done = mosaic(*words, "--catalog", "gone.duckdb")
            assert (done.returncode, "error[M830]" in done.stderr) == (2, True), words


@pytest.mark.parametrize(
    "words", [["--catalog", "c.duckdb", "a.mosaic"], ["a.mosaic", "--catalog", "c.duckdb"]]
)
def test_checking_against_a_catalog_loads_the_engine_and_little_else(
    mosaic: Run, tmp_path: Path, words: list[str]
) -> None:
    mosaic("add", str(MODELS / "neon.safetensors"), "--catalog", "c.duckdb")
    plan = 'mosaic 1\n\nplan a {\n  emit sample(checkpoint("zoo/base"), prompt: "a cat", seed: 1) as "a.png"\n}\n'
    (tmp_path / "a.mosaic").write_text(plan.replace("zoo/base", "local/none"))
    script = (
        "import sys\nfrom mosaic.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n"
        "    print(end.code, [m for m in ('duckdb', 'typer', 'pydantic') if m in sys.modules])\n"
    )
    command = [sys.executable, "-c", script, "check", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "error[M210]" in done.stdout
    assert "(catalog c.duckdb @ " in done.stdout
    assert done.stdout.splitlines()[-1] == "1 []", done.stdout + done.stderr


@pytest.mark.parametrize("command", ["check", "plan", "run", "lock"])
def test_a_catalog_that_cannot_be_read_is_unreadable_input(mosaic: Run, tmp_path: Path, command: str) -> None:
    plan = 'mosaic 1\n\nplan a {\n  let x = find(lora, "neon")\n  let m = fuse(checkpoint("zoo/base"), x)\n\n'
    plan += '  emit sample(m, prompt: "a cat, {x}", seed: 1) as "a.png"\n}\n'
    (tmp_path / "a.mosaic").write_text(plan)
    (tmp_path / "broken.duckdb").write_bytes(b"no catalog" * 1000)
    for name, code in (("gone.duckdb", "M830"), ("broken.duckdb", "M831")):
        done = run(tmp_path, command, "a.mosaic", "--catalog", name)
        assert done.returncode == 2, (command, name, done.stdout, done.stderr)
        assert f"error[{code}]" in done.stdout + done.stderr


class TestShow:
    def test_a_card(self, mosaic: Run, library: Path) -> None:
        mosaic("add", "models")
        card = mosaic("show", "local/glow").stdout
        record = read_one(library / "styles" / "glow.safetensors", options=Declared())
        file = record.files[0].fact  # type: ignore[union-attr]
        for digest in (file.sha256, file.sha256[:10], file.autov3[:12], file.blake3, file.tensors_sha256):
            assert digest in card
        for said in ("LoRA, rank 8", '"neon style"', "Apache-2.0", "allows", "zoo/base", "all 144 tensors"):
            assert said in card
        assert max(map(len, card.splitlines())) <= 100
        assert "\x1b" not in card

    @pytest.mark.parametrize("id", [expert["id"] for expert in zoo.index()["experts"]])
    def test_every_plan_on_a_card_checks(self, mosaic: Run, tmp_path: Path, id: str) -> None:
        told = document(mosaic("show", id, "--json"))
        assert told["plan"]
        assert f'"{id}"' in told["plan"]
        found = Project().check(SourceFile("<card>", told["plan"]))
        assert [d.message() for d in found if d.severity is not Severity.NOTE] == []
        (tmp_path / "first.mosaic").write_text(told["plan"] + "\n")
        assert run(tmp_path, "fmt", "--check", "first.mosaic").returncode == 0

    def test_claims_that_differ_are_all_shown(self, mosaic: Run, library: Path) -> None:
        mosaic("add", "models")
        card = mosaic("show", "local/xl").stdout
        section = card[card.index("said of it otherwise") :].splitlines()
        assert "kept  sdxl  by its tensors" in section[1]
        assert "sd1  by its metadata (ss_base_model_version)" in section[2]
        assert "no base of its family" in card

    def test_by_digest_and_alias(self, mosaic: Run, library: Path) -> None:
        mosaic("add", "models")
        sha256 = document(mosaic("show", "local/xl", "--json"))["facts"]["files"][0]["sha256"]
        assert document(mosaic("show", sha256[:10].upper(), "--json"))["facts"]["id"] == "local/xl"
        assert document(mosaic("show", f"sha256:{sha256}", "--json"))["facts"]["id"] == "local/xl"

    def test_by_a_digest_that_several_have(self, mosaic: Run, library: Path) -> None:
        mosaic("add", "models")
        shared = document(mosaic("show", "zoo/base", "--json"))["facts"]["files"][0]["sha256"]
        done = mosaic("show", shared)
        assert done.returncode == 1
        assert "error[M843]" in done.stderr
        assert "`local/world`" in done.stderr

    def test_an_unknown_one(self, mosaic: Run) -> None:
        done = mosaic("show", "zoo/neom")
        assert done.returncode == 1
        assert "error[M840]: there is no expert `zoo/neom`" in done.stderr
        assert "`zoo/neon`" in done.stderr

    def test_strangers_texts_do_not_steer_the_terminal(self, mosaic: Run, tmp_path: Path) -> None:
        evil = "\x1b]0;owned\x07\x1b[31mred\x9b2J\u202egnp\u2028"
        told = {
            "modelspec.title": evil,
            "modelspec.description": evil * 900,
            "modelspec.author": evil,
            "modelspec.license": evil,
            "modelspec.trigger_phrase": evil,
            "modelspec.tags": evil,
            "ss_base_model_version": "sdxl_base_v1-0",
        }
        write(tmp_path / "in" / "x\x1b[31m\u202e.safetensors", SD1, told)
        shown = [mosaic("add", "in"), mosaic("list"), mosaic("search", "owned"), mosaic("stats")]
        ids = [
            expert["id"]
            for expert in document(mosaic("list", "--json", "--family", "sd1", "--limit", "1"))["experts"]
        ]
        shown += [
            mosaic("show", ids[0]),
            mosaic("show", ids[0], "--json"),
            mosaic("verify"),
            mosaic("list", "--json"),
        ]
        for done in shown:
            assert done.returncode == 0, done.stderr
            for text in (done.stdout, done.stderr):
                assert not any(char in text for char in "\x1b\x07\x9b\u202e\u2028"), done.args
                assert max(map(len, text.splitlines()), default=0) < 8000


class TestChanging:
    def test_remove(self, mosaic: Run, library: Path) -> None:
        mosaic("add", "models")
        told = document(mosaic("remove", "local/xl", "local/horned", "--json"))
        assert sorted(told["removed"]) == ["local/horned", "local/xl"]
        assert (library / "xl.safetensors").exists()
        assert mosaic("show", "local/xl").returncode == 1

    def test_remove_is_all_or_nothing(self, mosaic: Run, library: Path) -> None:
        mosaic("add", "models")
        done = mosaic("remove", "local/xl", "local/nobody", "zoo/neon")
        assert done.returncode == 1
        assert "error[M840]" in done.stderr
        assert "error[M886]: `zoo/neon` comes with mosaic" in done.stderr
        assert mosaic("show", "local/xl").returncode == 0

    def test_a_snapshot_checks_plans_and_becomes_a_catalog(
        self, mosaic: Run, library: Path, tmp_path: Path
    ) -> None:
        mosaic("add", "models")
        written = document(mosaic("export", "snapshot", "--json"))
        assert written["experts"] == SHIPPED + 4
        shutil.rmtree(library)
        shutil.rmtree(tmp_path / "data")
        plan = 'mosaic 1\n\nplan a {\n  let base = checkpoint("local/world")\n\n'
        plan += '  emit sample(base, prompt: "a red cat", seed: 1) as "a.png"\n}\n'
        (tmp_path / "a.mosaic").write_text(plan)
        done = run(tmp_path, "check", "--catalog", "snapshot", "a.mosaic")
        assert done.returncode == 0, done.stdout
        assert written["digest"][:12] in done.stdout
        assert run(tmp_path, "check", "a.mosaic").returncode == 1
        imported = document(mosaic("import", "snapshot", "--json"))
        assert (len(imported["added"]), imported["digest"]) == (SHIPPED + 4, written["digest"])
        assert run(tmp_path, "check", "a.mosaic").returncode == 0
        assert "without files on this machine" in mosaic("verify").stdout

    def test_verify(self, mosaic: Run, library: Path) -> None:
        mosaic("add", "models")
        assert mosaic("verify").returncode == 0
        write(library / "xl.safetensors", SDXL, seed=9)
        (library / "horned.safetensors").unlink()
        done = mosaic("verify")
        assert done.returncode == 1
        assert "error[M844]: `local/xl`" in done.stderr
        assert "has changed since it was catalogued" in done.stderr
        assert f"`{library}/horned.safetensors` is gone" in done.stderr
        assert f"{SHIPPED + 2} as catalogued, 2 different" in done.stdout
        told = document(mosaic("verify", "--json"), 1)
        assert (told["same"], told["different"], told["away"]) == (SHIPPED + 2, 2, 0)

    def test_verify_reads_bytes_where_it_is_asked(self, mosaic: Run, library: Path) -> None:
        mosaic("add", "models")
        assert mosaic("verify", "--hash").returncode == 0
        path = library / "xl.safetensors"
        path.write_bytes(path.read_bytes()[:-1] + b"\x55")
        done = mosaic("verify", "--hash")
        assert (done.returncode, "holds other bytes" in done.stderr) == (1, True)


def test_the_page_can_be_followed(mosaic: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "catalog.md").read_text(encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    shutil.copy(MODELS / "watercolor.safetensors", tmp_path / "models" / "neon.safetensors")
    (tmp_path / "first.mosaic").write_text(page.split("```mosaic\n")[1].split("```")[0])
    (tmp_path / "models" / "neon.expert.toml").write_text(page.split("```toml\n")[1].split("```")[0])
    blocks = re.split(r"^```.*\n", page, flags=re.MULTILINE)[1::2]
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("mosaic ")]
    commands += [
        line for line in re.findall(r"`(mosaic [^`\n]+)`", page) if line[-1].islower() and "…" not in line
    ]
    assert len(commands) > 8
    for command in commands:
        words = shlex.split(command.replace("~", str(tmp_path)))[1:]
        if len(words) < 2 or words[1:] == ["remove", "ID"] or words == ["catalog", "add", "--again"]:
            continue  # named without what it works on
        done = run(tmp_path, *words)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    told = document(mosaic("show", "studio/neon", "--json"))
    assert told["facts"]["strengths"] == [0.4, 1.0]
