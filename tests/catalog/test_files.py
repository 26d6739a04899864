"""Fragments and pictures: found beside the plan, refused outside the project."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mosaic.catalog import LocalFiles
from mosaic.catalog import files as files_module
from mosaic.catalog.digests import Digests
from mosaic.compiler.errors import inputs
from mosaic.compiler.facts import FileFact
from mosaic.compiler.source import SourceFile, Span

Plan = Callable[..., Span]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    fragments = {"std.looks": "mosaic 1\n", "std.finishes": "mosaic 1\n"}
    return LocalFiles(tmp_path, fragments, Digests(tmp_path / "cache" / "digests.json"))


class TestFragments:
    def test_of_the_standard_library(self, files: LocalFiles, plan: Plan) -> None:
        found = files.fragment("std.looks", plan("std.looks"))
        assert found == SourceFile("std.looks", "mosaic 1\n")

    def test_a_mistyped_one(self, files: LocalFiles, plan: Plan) -> None:
        found = files.fragment("std.lookz", plan("std.lookz"))
        assert isinstance(found, inputs.UnknownFragment)
        assert found.near == ("std.looks",)

    def test_beside_the_plan(self, files: LocalFiles, plan: Plan, tmp_path: Path) -> None:
        (tmp_path / "house.mosaic").write_text("mosaic 1 # é\n", encoding="utf-8")
        found = files.fragment("./house.mosaic", plan("./house.mosaic"))
        assert isinstance(found, SourceFile)
        assert found.text == "mosaic 1 # é\n"
        assert found.name == (tmp_path / "house.mosaic").as_posix()

    def test_relative_to_the_file_that_uses_it(self, files: LocalFiles, tmp_path: Path) -> None:
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "a" / "one.mosaic").write_text("one")
        (tmp_path / "a" / "b" / "two.mosaic").write_text("two")
        one = files.fragment("./a/one.mosaic", SourceFile("<stdin>", "").span(0, 0))
        assert isinstance(one, SourceFile)
        two = files.fragment("./b/two.mosaic", SourceFile(str(tmp_path / "a/one.mosaic"), "one").span(0, 0))
        assert isinstance(two, SourceFile)
        assert two.text == "two"

    def test_names_are_as_people_write_them(
        self, files: LocalFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "plans").mkdir()
        for name in ("plans/p.mosaic", "plans/one.mosaic", "two.mosaic"):
            (tmp_path / name).write_text(name)
        plan = SourceFile("plans/p.mosaic", "plans/p.mosaic").span(0, 0)
        one = files.fragment("./one.mosaic", plan)
        two = files.fragment("../two.mosaic", plan)
        assert [one.name, two.name] == ["plans/one.mosaic", "two.mosaic"]  # type: ignore[union-attr]

    def test_one_file_has_one_name_however_it_is_spelt(
        self, files: LocalFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "sub").mkdir()
        for name in ("p.mosaic", "one.mosaic"):
            (tmp_path / name).write_text(name)
        (tmp_path / "link.mosaic").symlink_to("one.mosaic")
        plan = SourceFile("p.mosaic", "p.mosaic").span(0, 0)
        spellings = ["./one.mosaic", "./sub/../one.mosaic", "./link.mosaic", str(tmp_path / "one.mosaic")]
        assert len({files.fragment(spelling, plan) for spelling in spellings}) == 1
        # The plan itself, used by what it uses, is seen to be the plan.
        back = files.fragment("./p.mosaic", SourceFile("one.mosaic", "one.mosaic").span(0, 0))
        assert back == SourceFile("p.mosaic", "p.mosaic")

    @pytest.mark.parametrize(
        "reference", ["../secret.mosaic", "/etc/hostname", "./link.mosaic", "./dir/x.mosaic"]
    )
    def test_outside_the_project(self, tmp_path: Path, reference: str) -> None:
        project = tmp_path / "project"
        project.mkdir()
        (tmp_path / "secret.mosaic").write_text("secret")
        (tmp_path / "x.mosaic").write_text("secret")
        (project / "link.mosaic").symlink_to(tmp_path / "secret.mosaic")
        (project / "dir").symlink_to(tmp_path)
        (project / "p.mosaic").write_text("p")
        files = LocalFiles(project, {})
        span = SourceFile(str(project / "p.mosaic"), "p").span(0, 0)
        assert isinstance(files.fragment(reference, span), inputs.OutsideProject)
        assert isinstance(files.image(reference, span), inputs.OutsideProject)

    def test_what_lies_outside_is_not_told(self, tmp_path: Path) -> None:
        files = LocalFiles(tmp_path, {})
        span = SourceFile("<stdin>", "").span(0, 0)
        assert isinstance(files.fragment("../no-such-file.mosaic", span), inputs.OutsideProject)

    def test_refusals(
        self, files: LocalFiles, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "latin.mosaic").write_bytes("é".encode("latin-1"))
        (tmp_path / "folder.mosaic").mkdir()
        (tmp_path / "house.mosaic").write_text("x" * 20)
        (tmp_path / "loop.mosaic").symlink_to(tmp_path / "loop.mosaic")
        monkeypatch.setattr(files_module, "_MEGABYTE", 10)
        refused = {
            "./latin.mosaic": inputs.NotText,
            "./folder.mosaic": inputs.NoSuchFile,
            "./house.mosaic": inputs.FileTooLarge,
            "./loop.mosaic": inputs.NoSuchFile,
            "./hous.mosaic": inputs.NoSuchFile,
            "./a\0b": inputs.NoSuchFile,
            "": inputs.NoSuchFile,
        }
        for reference, expected in refused.items():
            assert isinstance(files.fragment(reference, plan("x")), expected), reference
        large = files.fragment("./house.mosaic", plan("x"))
        assert (large.code, large.size, large.limit) == ("M810", 2, 1)  # type: ignore[union-attr]
        missing = files.fragment("./hous.mosaic", plan("./hous.mosaic"))
        assert missing.fixes()[0].edits[0].replacement == '"./house.mosaic"'  # type: ignore[union-attr]


class TestPictures:
    @pytest.mark.parametrize("start", [PNG, b"\xff\xd8\xff\xe0" + bytes(40)])
    def test_png_and_jpeg(self, files: LocalFiles, plan: Plan, tmp_path: Path, start: bytes) -> None:
        (tmp_path / "x.dat").write_bytes(start)
        found = files.image("./x.dat", plan("./x.dat"))
        assert isinstance(found, FileFact)
        assert found == FileFact(
            "image", hashlib.sha256(start).hexdigest(), len(start), found.location, "x.dat"
        )
        assert Path(found.location).read_bytes() == start

    @pytest.mark.parametrize(
        ("start", "named"),
        [
            (b"RIFF\0\0\0\0WEBPVP8 ", "WebP"),
            (b"GIF89a", "GIF"),
            (b"\0\0\0\x1cftypavif", "AVIF"),
            (b"%PDF-1.7", "PDF"),
            (b"", ""),
            (b"hello", ""),
        ],
    )
    def test_others(self, files: LocalFiles, plan: Plan, tmp_path: Path, start: bytes, named: str) -> None:
        (tmp_path / "x.png").write_bytes(start)
        found = files.image("./x.png", plan("./x.png"))
        assert isinstance(found, inputs.NotAPicture)
        assert named in found.help()[0]

    def test_missing_and_unreadable(self, files: LocalFiles, plan: Plan, tmp_path: Path) -> None:
        assert isinstance(files.image("./x.png", plan("./x.png")), inputs.NoSuchFile)
        (tmp_path / "x.png").write_bytes(PNG)
        (tmp_path / "x.png").chmod(0)
        if os.access(tmp_path / "x.png", os.R_OK):
            pytest.skip("this user may read everything")
        assert isinstance(files.image("./x.png", plan("./x.png")), inputs.Unreadable)
