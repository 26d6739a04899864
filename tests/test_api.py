"""The three functions of `import mosaic`."""

from __future__ import annotations

from pathlib import Path

import pytest

import mosaic
from mosaic.compiler.diagnostic import MosaicError

TWO = """mosaic 1
param seed: int = 1
plan first {
  emit sample(checkpoint("zoo/base"), prompt: "a red cat", steps: 2, seed: seed) as "cat.png"
}
plan second {
  emit sample(checkpoint("zoo/base"), prompt: "a blue dog", steps: 2, seed: seed) as "cat.png"
}
"""


@pytest.fixture
def two(tmp_path: Path) -> Path:
    path = tmp_path / "two.mosaic"
    path.write_text(TWO)
    return path


def test_check_and_compile(two: Path) -> None:
    assert mosaic.check(two).diagnostics == ()
    compiled = mosaic.compile(two, parameters={"seed": 3})
    assert [program.source.plan for program in compiled.programs] == ["first", "second"]
    assert mosaic.compile(two, only="second").programs[0].digest != compiled.programs[1].digest
    with pytest.raises(MosaicError, match="M209"):
        mosaic.compile(two, parameters={"sed": 3})


def test_plans_of_one_file_do_not_overwrite_each_other(two: Path, tmp_path: Path) -> None:
    first, second = mosaic.run(two, output=tmp_path / "out", device="cpu")
    assert [file.path for result in (first, second) for file in result.emitted] == [
        tmp_path / "out" / "first" / "cat.png",
        tmp_path / "out" / "second" / "cat.png",
    ]
    (alone,) = mosaic.run(two, output=tmp_path / "alone", device="cpu", only="first")
    assert (tmp_path / "alone" / "cat.png").exists()
    assert alone.emitted[0].sha256 == first.emitted[0].sha256


def test_a_run_that_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mosaic.runtime import devices

    plan = tmp_path / "large.mosaic"
    plan.write_text(
        'mosaic 1\nplan p { emit sample(checkpoint("zoo/base"), prompt: "a cat", size: 1024x1024) as "a.png" }\n'
    )
    monkeypatch.setattr(devices, "memory", lambda device: 2**28)
    with pytest.raises(MosaicError, match="M604"):
        mosaic.run(plan, output=tmp_path)


class TestWhatAPlanIsGivenAs:
    """Text, path, or a source with a name."""

    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    @pytest.mark.parametrize("text", [TWO, TWO.replace("\n", "\r\n"), "mosaic 1", "# a comment\nmosaic 1\n"])
    def test_text(self, text: str) -> None:
        report = mosaic.check(text)
        assert report.files == ("<text>",) and report.ok, report.render()

    def test_texts_of_one_call_have_names_of_their_own(self, two: Path) -> None:
        broken = TWO.replace("zoo/base", "zoo/bsae")
        report = mosaic.check([TWO, two, broken, broken])
        assert report.files == ("<text>", "two.mosaic", "<text 2>", "<text 3>")
        assert {found.span.source.name for found in report if found.span} == {"<text 2>", "<text 3>"}

    @pytest.mark.parametrize("path", ["two.mosaic", Path("two.mosaic"), "./two.mosaic"])
    def test_path(self, two: Path, path: str | Path) -> None:
        assert mosaic.fmt(path) == mosaic.fmt(TWO)
        assert mosaic.compile(path).programs != ()
        assert mosaic.check(path).files == ("two.mosaic",)

    def test_what_may_be_either_is_refused(self) -> None:
        Path("mosaic 1").write_text(TWO)
        with pytest.raises(mosaic.UsageError, match="the name of a file"):
            mosaic.check("mosaic 1")
        assert len(mosaic.compile(Path("mosaic 1")).programs) == 2
        assert mosaic.compile(mosaic.SourceFile("mosaic 1", "mosaic 1")).programs == ()

    def test_what_is_not_there(self) -> None:
        report = mosaic.check(["nowhere.mosaic", TWO])
        assert [found.code for found in report] == ["M801"] and not report.ok
        assert (int(report.status()), report.files) == (2, ("<text>",))
        with pytest.raises(MosaicError, match="M801"):
            mosaic.compile("nowhere.mosaic")

    def test_a_text_has_no_place_to_be_locked_at(self) -> None:
        with pytest.raises(mosaic.UsageError, match="no place"):
            mosaic.lock_plans(TWO)
        (found,) = mosaic.check(TWO, locked=True)
        assert found.code == "M715" and "a text without a file" in found.message()


def test_the_command_line_prints_what_the_functions_give(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One command for another: reports, fixes, differences, locks, pages."""
    from typer.testing import CliRunner

    from mosaic.cli.app import app

    def printed(*words: str) -> str:
        return CliRunner().invoke(app, list(words)).stdout

    monkeypatch.chdir(two.parent)
    weaker = TWO.replace("a red cat", "a grey cat")
    Path("weaker.mosaic").write_text(weaker)
    Path("broken.mosaic").write_text(TWO.replace("zoo/base", "zoo/bsae"))
    for form in ("json", "sarif", "github", "gitlab", "junit"):
        told = mosaic.check([two.name, "broken.mosaic"]).render(form)
        assert printed("check", two.name, "broken.mosaic", "--format", form) == f"{told}\n"
    two.write_text(mosaic.fmt(two))
    assert printed("fmt", "--diff", two.name) == ""
    assert printed("diff", two.name, "weaker.mosaic") == mosaic.diff(two.name, "weaker.mosaic").text()
    told = mosaic.diff(two.name, "weaker.mosaic").markdown()
    assert printed("diff", two.name, "weaker.mosaic", "--format", "markdown") == told
    assert printed("explain", "fuse") == mosaic.explain("fuse")
    locked = mosaic.lock_plans(two.name)
    assert printed("lock", "--locked") == "mosaic.lock is up to date: 2 plans, 1 expert\n"
    assert str(mosaic.verify(locked.path).verdict) == printed("verify").splitlines()[-1]


def test_a_sweep_that_is_none(two: Path) -> None:
    with pytest.raises(mosaic.UsageError, match="none"):
        mosaic.run(two, sweep={"seed": []})
    with pytest.raises(mosaic.UsageError, match="swept as well"):
        mosaic.run(two, parameters={"seed": 1}, sweep={"seed": [1, 2]})
    with pytest.raises(MosaicError, match="M883"):
        mosaic.run(two, sweep={"seed": range(2000)})


def test_a_program_is_closed(two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = mosaic.compile(two, only="first").programs[0]
    with pytest.raises(mosaic.UsageError, match="closed"):
        mosaic.run(program, parameters={"seed": 2})
    path = tmp_path / "first.json"
    path.write_bytes(program.to_json())
    one = mosaic.run(path, output=tmp_path / "one", device="cpu", cache=tmp_path / "cache")
    two_ = mosaic.run(program, output=tmp_path / "two", device="cpu", cache=tmp_path / "cache")
    assert one.files[0].sha256 == two_.files[0].sha256
    assert [result.evaluations for result in one] == [2] and [r.evaluations for r in two_] == [0]


class TestCatalog:
    """What commands of `mosaic catalog` offer, as an object."""

    LORA = Path(__file__).parent / "cases" / "errors" / "experts" / "licensed" / "rust.safetensors"

    def test_a_catalog_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(MosaicError, match="M830"):
            mosaic.Catalog.open(tmp_path / "c.duckdb")
        with mosaic.Catalog.open(tmp_path / "c.duckdb", create=True) as catalog:
            assert not catalog.list()

    def test_added_experts_are_there_at_once(self, tmp_path: Path) -> None:
        with mosaic.Catalog.open(tmp_path / "c.duckdb", create=True) as catalog:
            assert catalog.add(self.LORA, license="MIT", trigger="rusty").added == ["local/rust"]
            assert catalog.search("rusty")[0].row.id == "local/rust"
            assert catalog.get("local/rust").facts.license == "MIT"
            assert catalog.add(self.LORA).unchanged == 1
            assert catalog.add(tmp_path / "nowhere").refused
            with pytest.raises(mosaic.UsageError, match="lower-case"):
                catalog.add(self.LORA, namespace="No Name")

    def test_questions_of_policy(self, tmp_path: Path) -> None:
        with mosaic.Catalog.open(tmp_path / "c.duckdb", create=True) as catalog:
            catalog.add(self.LORA, license="CC-BY-NC-4.0", id="studio/rust")
            asked = catalog.judge("studio/rust", use="commercial", action="redistribute", copied=True)
            assert asked[0].verdict.name == "DENIED"
            assert catalog.judge("studio/rust", use="personal") == ()
            with pytest.raises(MosaicError, match="M840"):
                catalog.judge("studio/rsut", use="personal")

    def test_compatible(self) -> None:
        with mosaic.Catalog.open() as catalog:
            rows = catalog.compatible("zoo/base")
            assert rows and all(row.kind != "checkpoint" for row in rows)
            assert all(catalog.coverage("zoo/base", row.id).complete for row in rows)
            with pytest.raises(mosaic.UsageError, match="no checkpoint"):
                catalog.compatible("zoo/neon")
            with pytest.raises(mosaic.UsageError, match="no kind"):
                catalog.list(kind="lorra")
            assert catalog.find("lora", "neon")[0].expert.id == "zoo/neon"
