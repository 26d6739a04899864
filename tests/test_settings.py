"""A project's settings: where they are found, what they may say, what is told of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.errors.names import UnknownName
from mosaic.compiler.fixing import apply_fixes
from mosaic.compiler.reporting.text import render_text
from mosaic.compose_settings import Compose
from mosaic.settings import Finder, Settings, read_settings


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, the root of a repository."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "plans").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(text: str, name: str = "mosaic.toml") -> Settings:
    Path(name).write_text(text)
    found = read_settings(Path(name), ("tool", "mosaic") if name == "pyproject.toml" else ())
    assert found is not None
    return found


def told(text: str) -> str:
    return render_text(written(text).mistakes)


def test_everything_can_be_said() -> None:
    found = written(
        'catalog = "experts/snapshot"\ndevice = "h100"\nselect = ["m4", "M6"]\nignore = ["M430"]\n'
        'exclude = ["drafts"]\n\n[per-file-ignores]\n"plans/old/*" = ["M4"]\n'
    )
    assert found.mistakes == ()
    assert (found.catalog, found.device) == (Path("experts/snapshot"), "h100")
    assert (found.select, found.ignore, found.exclude) == (("M4", "M6"), ("M430",), ("drafts",))
    assert found.per_file == (("plans/old/*", ("M4",)),)


def test_the_table_of_a_pyproject_says_the_same() -> None:
    found = written('[project]\nname = "x"\n\n[tool.mosaic]\nignore = ["M430"]\n', "pyproject.toml")
    assert (found.ignore, found.mistakes) == (("M430",), ())
    Path("pyproject.toml").write_text('[project]\nname = "x"\n')
    assert read_settings(Path("pyproject.toml"), ("tool", "mosaic")) is None


@pytest.mark.parametrize(
    "text",
    [
        '[tool.mosaic]\nignore = ["M430"]',
        '[tool]\nmosaic.ignore = ["M430"]',
        'tool.mosaic.ignore = ["M430"]',
        'tool = {mosaic = {ignore = ["M430"]}}',
        '[ tool . "mosaic" ]\nignore = ["M430"]',
        '["tool"]\r\n  [tool.mosaic]\r\n  ignore = ["M430"]',
        "[tool.ruff]\nx = 1\n['tool'.'mosaic']\nignore = ['M430']",
    ],
)
def test_spellings_of_the_table(text: str) -> None:
    assert written(text, "pyproject.toml").ignore == ("M430",)


def test_they_are_found_above_a_plan_the_nearest_first(project: Path) -> None:
    (project / "mosaic.toml").write_text('ignore = ["M4"]\n')
    assert Finder().of("plans/a.mosaic").ignore == ("M4",)
    assert Finder().of("<stdin>").ignore == ("M4",)
    (project / "plans" / "pyproject.toml").write_text('[tool.mosaic]\nignore = ["M6"]\n')
    assert Finder().of("plans/a.mosaic").ignore == ("M6",)
    (project / "plans" / "mosaic.toml").write_text("")
    assert Finder().of("plans/a.mosaic").ignore == ()


def test_a_pyproject_without_the_table_is_passed_over(project: Path) -> None:
    (project / "mosaic.toml").write_text('ignore = ["M4"]\n')
    (project / "plans" / "pyproject.toml").write_text('[project]\nname = "x"\n')
    assert Finder().of("plans/a.mosaic").ignore == ("M4",)


def test_the_search_ends_at_the_root_of_the_repository(project: Path) -> None:
    inner = project / "vendored"
    (inner / ".git").mkdir(parents=True)
    (project / "mosaic.toml").write_text('ignore = ["M4"]\n')
    assert Finder().of("vendored/plans/a.mosaic").ignore == ()
    (inner / "mosaic.toml").write_text('ignore = ["M6"]\n')
    assert Finder().of("vendored/plans/a.mosaic").ignore == ("M6",)


def test_paths_start_where_the_file_lies(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "mine.json").write_text("{}")
    (project / "mosaic.toml").write_text('catalog = "snapshot"\ndevice = "mine.json"\n')
    monkeypatch.chdir(project / "plans")
    found = Finder().of("a.mosaic")
    assert (found.catalog, found.device) == (project / "snapshot", str(project / "mine.json"))
    assert found.name == "../mosaic.toml"


def test_the_command_line_and_the_environment_count_first(monkeypatch: pytest.MonkeyPatch) -> None:
    found = written('catalog = "c"\ndevice = "h100"\n')
    assert (found.catalog_for(None), found.device_for(None)) == (Path("c"), "h100")
    assert (found.catalog_for(Path("mine")), found.device_for("cpu-8")) == (Path("mine"), "cpu-8")
    monkeypatch.setenv("MOSAIC_CATALOG", "named")
    monkeypatch.setenv("MOSAIC_PROFILE", "named")
    assert (found.catalog_for(None), found.device_for(None)) == (None, None)


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        (
            "drafts",
            ("drafts/a.mosaic", "plans/drafts/deep/a.mosaic"),
            ("plans/drafts.mosaic", "drafty/a.mosaic"),
        ),
        ("plans/drafts/", ("plans/drafts/a.mosaic",), ("drafts/a.mosaic",)),
        ("*.wip.mosaic", ("a.wip.mosaic", "plans/b.wip.mosaic"), ("a.mosaic",)),
        ("./plans/*", ("plans/a.mosaic", "plans/deep/a.mosaic"), ("a.mosaic",)),
        ("a.mosaic", ("a.mosaic", "plans/a.mosaic"), ("b.mosaic",)),
    ],
)
def test_patterns(pattern: str, fits: tuple[str, ...], fits_not: tuple[str, ...], project: Path) -> None:
    found = written(f'exclude = ["{pattern}"]\n')
    assert [name for name in fits if not found.excludes(name)] == []
    assert [name for name in fits_not if found.excludes(name)] == []
    assert found.excludes(str(project / fits[0]))


def test_files_have_ignores_of_their_own() -> None:
    found = written('ignore = ["M601"]\n[per-file-ignores]\n"plans/*" = ["M414"]\n"*.fx.mosaic" = ["M2"]\n')
    assert found.selection("a.mosaic").ignore == ("M601",)
    assert found.selection("plans/a.fx.mosaic").ignore == ("M601", "M414", "M2")


def test_what_is_not_toml_is_told_at_its_line() -> None:
    assert told('ignore = [M430]\ncatalog = "c"\n').startswith(
        "error[M895]: `mosaic.toml` is not TOML: invalid value\n  ┌ mosaic.toml:1:1\n1 │ ignore = [M430]\n"
    )


def test_bytes_and_folders_that_are_no_settings() -> None:
    Path("mosaic.toml").write_bytes(b"ignore = []\n# \xff\n")
    (mistake,) = Finder().of("a.mosaic").mistakes
    assert mistake.code == "M895"


def test_an_unknown_key_is_told_at_its_line_and_the_rest_counts() -> None:
    found = written('catalog = "c"\nignored = ["M430"]\n')
    (mistake,) = found.mistakes
    assert render_text([mistake]) == (
        "error[M896]: `mosaic.toml`: there is no setting `ignored`\n"
        "  ┌ mosaic.toml:2:1\n"
        '2 │ ignored = ["M430"]\n'
        "  │ ────────────────── not known\n"
        "  = help: did you mean `ignore`?\n"
        "  = fix:  write `ignore`\n"
    )
    assert found.catalog == Path("c")
    assert mistake.span is not None
    assert apply_fixes(mistake.span.source.text, mistake.fixes()[:1]) == 'catalog = "c"\nignore = ["M430"]\n'


@pytest.mark.parametrize(
    "text",
    [
        'ignore = "M430"',
        "ignore = [430]",
        'exclude = [""]',
        "catalog = 1",
        'device = ""',
        'per-file-ignores = ["M4"]',
        '[per-file-ignores]\n"a" = "M4"',
    ],
)
def test_values_of_the_wrong_kind(text: str) -> None:
    found = written(f"{text}\n")
    (mistake,) = found.mistakes
    assert mistake.code == "M897"
    assert mistake.span is not None
    assert (found.ignore, found.exclude, found.catalog, found.device) == ((), (), None, None)


def test_a_table_that_is_none() -> None:
    (mistake,) = written('[tool]\nmosaic = "x"\n', "pyproject.toml").mistakes
    assert mistake.message() == "`pyproject.toml`: `tool.mosaic` has to be a table"


def test_codes_that_are_none_and_errors_that_stay() -> None:
    found = written('ignore = [\n  "M430",\n  "M999",\n  "M210",\n]\nselect = ["X"]\n')
    assert [(m.code, m.span.text if m.span else "") for m in found.mistakes] == [
        ("M894", '"M999"'),
        ("M893", '"M210"'),
        ("M894", '"X"'),
    ]
    assert (found.ignore, found.select) == (("M430",), ())


def test_mistakes_are_told_once_for_all_plans(project: Path) -> None:
    (project / "mosaic.toml").write_text("x = 1\n")
    finder = Finder()
    for name in ("a.mosaic", "plans/b.mosaic", "plans/c.mosaic"):
        finder.of(name)
    assert [mistake.code for mistake in finder.mistakes] == ["M896"]


def test_selections_show_errors_whatever_they_say() -> None:
    error: Diagnostic = UnknownName(None, "x")
    assert Settings(ignore=("M2",), select=()).selection("a").keeps(error)


def test_who_writes_plans_can_be_said() -> None:
    found = written(
        '[compose]\nbackend = "openai"\nmodel = "writer"\nbase_url = "http://127.0.0.1:8000/v1"\n'
        'constraint = "json_schema"\nkey_env = "MY_API_KEY"\ntimeout = 30\nmax_output_tokens = 2000\n'
        'limit_tokens = 50000\nrequests_per_minute = 12.5\ndecompose = "offline"\n'
    )
    assert found.mistakes == ()
    assert found.compose == Compose(
        "openai",
        "writer",
        "http://127.0.0.1:8000/v1",
        "json_schema",
        "MY_API_KEY",
        30,
        2000,
        50000,
        12.5,
        "offline",
    )
    shared = written('[project]\nname = "x"\n[tool.mosaic.compose]\nmodel = "writer"\n', "pyproject.toml")
    assert (shared.compose, shared.mistakes) == (Compose(model="writer"), ())


@pytest.mark.parametrize(
    ("line", "told_of_it"),
    [
        ('constraint = "gramar"', 'M897]: `mosaic.toml`: `compose.constraint` has to be one of "grammar"'),
        ("timeout = true", "`compose.timeout` has to be a number of seconds"),
        ("limit_tokens = 1.5", "`compose.limit_tokens` has to be a whole number from 1 to 1000000"),
        (
            "max_output_tokens = 100001",
            "`compose.max_output_tokens` has to be a whole number from 16 to 100000",
        ),
        ('modle = "x"', "M896]: `mosaic.toml`: there is no setting `compose.modle`"),
        ('zzz = "x"', "there are `backend`, `model`,"),
    ],
)
def test_mistakes_about_who_writes_plans(line: str, told_of_it: str) -> None:
    assert told_of_it in told(f"[compose]\n{line}\n")
    assert written(f"[compose]\n{line}\n").compose == Compose()
    assert "mosaic.toml:2" in told(f"[compose]\n{line}\n")


def test_a_misspelt_key_of_the_table_is_mended() -> None:
    found = written('[compose]\nmodle = "x"\n')
    (mistake,) = found.mistakes
    assert mistake.span is not None
    assert apply_fixes(mistake.span.source.text, mistake.fixes()[:1]) == '[compose]\nmodel = "x"\n'


@pytest.mark.parametrize(
    "line",
    [
        'key = "sk-planted"',
        'api_key = "sk-planted"',
        'OPENAI_API_KEY = "sk-planted"',
        'auth_token = "sk-planted"',
        'key_env = "sk-planted"',
        'base_url = "https://me:sk-planted@models.example.org/v1"',
        'base_url = "https://models.example.org/v1?key=sk-planted"',
    ],
)
def test_a_key_in_a_file_is_refused_and_not_shown(line: str) -> None:
    shown = told(f"[compose]\n{line}\n")
    assert "M897" in shown
    assert "sk-planted" not in shown
    assert written(f"[compose]\n{line}\n").compose == Compose()
