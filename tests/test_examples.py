"""One example buys every test: each plan in examples/ parses, formats to itself, checks, compiles and runs."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from mosaic.compiler.diagnostic import Severity, Sink
from mosaic.compiler.ir.text import parse_graph, print_graph
from mosaic.compiler.program import Denoise, Program, Refine
from mosaic.compiler.syntax.format import format_file
from mosaic.compiler.syntax.parse import parse
from mosaic.project import Project, engine, read
from mosaic.runtime.engine import Engine
from mosaic.runtime.outputs import recover

ROOT = Path(__file__).parent.parent
GOLDENS = ROOT / "tests" / "cases" / "plans"
PLANS = sorted((ROOT / "examples").glob("*.mosaic"))
TEXTS = sorted([*(ROOT / "examples").rglob("*.mosaic"), *(ROOT / "stdlib" / "fragments").glob("*.mosaic")])


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names in messages and programs are those that a user at the top of the repository sees."""
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def project() -> Project:
    return Project()


@pytest.fixture(scope="module")
def worker() -> Engine:
    return engine(device="cpu")


def _name(path: Path) -> str:
    return path.stem


def test_there_are_examples() -> None:
    assert len(PLANS) >= 8


@pytest.mark.parametrize("path", TEXTS, ids=_name)
def test_parses_and_formats_to_itself(path: Path) -> None:
    sink = Sink()
    source = read(path.relative_to(ROOT))
    file = parse(source, sink)
    assert list(sink) == []
    assert format_file(file) == source.text


# Two styles at once lose in the picture what the warning says; these examples are there to show it.
WARNED = {"alley": ["M430"], "two_styles": ["M430"]}


@pytest.mark.parametrize("path", TEXTS, ids=_name)
def test_checks_clean(path: Path, project: Project) -> None:
    found = project.check(read(path.relative_to(ROOT)))
    assert [d.code for d in found if d.severity is not Severity.NOTE] == WARNED.get(path.stem, [])


@pytest.mark.parametrize("path", PLANS, ids=_name)
def test_graph(path: Path, project: Project, golden: Callable[[Path, str], None]) -> None:
    """The graph is the expected one but for the experts' bytes, and its text form reads back."""
    compiled = project.compile(read(path.relative_to(ROOT)))
    text = "\n".join(print_graph(graph) for graph in compiled.graphs)
    for graph in compiled.graphs:
        assert print_graph(parse_graph(print_graph(graph))) == print_graph(graph)
    text = re.sub(r'"(content|sha256)":"[^"]*[0-9a-f]{64}[^"]*"', r'"\1":"…"', text)
    golden(GOLDENS / f"{path.stem}.ir", text)


@pytest.mark.parametrize("path", PLANS, ids=_name)
def test_program_survives_json(path: Path, project: Project) -> None:
    for program in project.compile(read(path.relative_to(ROOT))).programs:
        again = Program.from_json(program.to_json())
        assert again == program
        assert again.digest == program.digest


@pytest.mark.parametrize("path", PLANS, ids=_name)
def test_runs_in_few_steps(path: Path, project: Project, worker: Engine, tmp_path: Path) -> None:
    """Every instruction runs on the zoo; the picture is the plan's size and gives the plan back."""
    for program in project.compile(read(path.relative_to(ROOT))).programs:
        result = worker.run(_shortened(program), tmp_path)
        assert [file.name for file in result.emitted] == [
            i.operation.path for i in program.instructions if i.operation.op == "emit"
        ]
        for file in result.emitted:
            assert hashlib.sha256(file.path.read_bytes()).hexdigest() == file.sha256
            assert recover(file.path).plan == program.source.text
            if file.type == "image":
                with Image.open(file.path) as picture:
                    assert picture.size in _sizes(program)
                    # A flat picture would mean that nothing was painted.
                    assert len(set(picture.convert("L").tobytes())) > 20


def _sizes(program: Program) -> set[tuple[int, int]]:
    """Of the plan's pictures; those that are loaded are of the zoo's size."""
    operations = (instruction.operation for instruction in program.instructions)
    return {(each.width, each.height) for each in operations if each.op == "denoise"} or {(64, 64)}


def _shortened(program: Program) -> Program:
    """The same program with a quarter of the steps."""

    def shorten(instruction: object) -> object:
        operation = getattr(instruction, "operation", None)
        if not isinstance(operation, Denoise | Refine):
            return instruction
        fewer = operation.model_copy(update={"steps": max(4, operation.steps // 4)})
        return instruction.model_copy(update={"operation": fewer})  # type: ignore[attr-defined]

    return program.model_copy(update={"instructions": tuple(map(shorten, program.instructions))})


@pytest.mark.slow
@pytest.mark.parametrize("path", PLANS, ids=_name)
def test_runs_in_full(path: Path, project: Project, worker: Engine, tmp_path: Path) -> None:
    for program in project.compile(read(path.relative_to(ROOT))).programs:
        result = worker.run(program, tmp_path)
        assert all(file.path.stat().st_size > 1000 for file in result.emitted)


def test_alley_twice_gives_the_same_bytes(project: Project, tmp_path: Path) -> None:
    """Two engines that share nothing, as two commands would."""
    (program,) = project.compile(read("examples/alley.mosaic")).programs
    (first,) = engine(device="cpu").run(program, tmp_path / "first").emitted
    (second,) = engine(device="cpu").run(program, tmp_path / "second").emitted
    assert first.sha256 == second.sha256
    assert first.path.read_bytes() == second.path.read_bytes()


def test_another_seed_gives_another_picture(project: Project, worker: Engine, tmp_path: Path) -> None:
    digests = set()
    for seed in (1, 2):
        (program,) = project.compile(read("examples/alley.mosaic"), parameters={"seed": seed}).programs
        (emitted,) = worker.run(_shortened(program), tmp_path / str(seed)).emitted
        digests.add((program.digest, emitted.sha256))
    assert len({digest for digest, _ in digests}) == len({sha for _, sha in digests}) == 2


def test_a_plan_elsewhere_uses_the_files_beside_it(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project of a plan outside of the current folder is the plan's own folder."""
    shutil.copytree(ROOT / "examples", tmp_path / "elsewhere")
    empty = tmp_path / "here"
    empty.mkdir()
    monkeypatch.chdir(empty)
    compiled = project.compile(read(tmp_path / "elsewhere" / "refine_picture.mosaic"))
    assert len(compiled.programs[0].images) == 1
