"""The golden runner: every file in tests/cases/errors is a mistake; beside it stands what mosaic says about
it.

`M302-latent-space.mosaic` is checked as `mosaic check FILE`, a `.program.json` is run as `mosaic run FILE`. A
first line `# $ mosaic run FILE --set seed=x` says otherwise. The expected text stands in
`M302-latent-space.err`.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mosaic.cli.app import app
from mosaic.compiler.explain import diagnostics

CASES = Path(__file__).parent / "cases" / "errors"
INPUTS = sorted(p for p in CASES.iterdir() if p.suffix in {".mosaic", ".json"})

ELSEWHERE = {
    **dict.fromkeys(("M888", "M889", "M890"), "tests/cli/test_cache.py"),
    "M891": "tests/test_profiles.py",
    # A project's settings lie in a file beside the plan.
    **dict.fromkeys(("M895", "M896", "M897"), "tests/test_settings.py"),
    # Two installed packages, a picture of 200 MB, a plan of a megabyte, a missing engine, a fault of our own.
    "M104": "tests/cli/test_commands.py",
    "M216": "tests/operators/test_discovery.py",
    "M217": "tests/operators/test_discovery.py",
    **dict.fromkeys(("M431", "M432"), "tests/compiler/test_interference_rule.py"),
    "M810": "tests/catalog/test_files.py",
    **dict.fromkeys(("M815", "M816", "M817"), "tests/cli/test_diff.py"),
    "M880": "tests/cli/test_commands.py",
    "M898": "tests/cli/test_new.py",
    "M901": "tests/cli/test_commands.py",
    # What comes of requests in words.
    **dict.fromkeys(("M861", "M869"), "tests/cli/test_compose.py"),
    # A language model that is not there, fails, answers nonsense, or costs too much.
    **dict.fromkeys(("M862", "M863", "M864", "M865"), "tests/agent/test_openai.py"),
    # Plans that were composed, held to their request.
    **dict.fromkeys(("M866", "M867", "M868"), "tests/agent/test_holding.py"),
    # What a server refuses its clients.
    **dict.fromkeys(("M876", "M877", "M879"), "tests/mcp/test_refusals.py"),
    "M878": "tests/mcp/test_command.py",
    # The trace of a composition.
    "M899": "tests/agent/test_tracing.py",
    # What running can raise: programs that were edited, files that changed after compiling, devices.
    **dict.fromkeys(("M451", "M452", "M461", "M463"), "tests/runtime/test_weights.py"),
    "M469": "tests/runtime/test_composition.py",
    **dict.fromkeys(("M453", "M462", "M751"), "tests/runtime/test_files.py"),
    **dict.fromkeys(("M851", "M852", "M853", "M854", "M860"), "tests/runtime/test_files.py"),
    **dict.fromkeys(("M454", "M455"), "tests/runtime/test_text.py"),
    "M458": "tests/runtime/test_resume.py",
    **dict.fromkeys(("M456", "M459", "M460", "M464", "M465", "M651"), "tests/runtime/test_outputs.py"),
    **dict.fromkeys(("M752", "M855", "M857", "M858", "M859"), "tests/runtime/test_outputs.py"),
    "M856": "tests/runtime/test_sheet.py",
    # Latents that are carried over by what does not fit, and pairs of models that the zoo does not have.
    **dict.fromkeys(("M466", "M467"), "tests/runtime/test_align.py"),
    "M322": "tests/compiler/test_alignment.py",
    "M872": "tests/runtime/test_fitting.py",
    # Catalogs that are in use, damaged, of another version; see tests/catalog/store.
    **dict.fromkeys(("M832", "M833", "M834", "M835", "M838"), "tests/catalog/store/test_store_files.py"),
    "M837": "tests/catalog/store/test_snapshot.py",
    "M839": "tests/catalog/store/test_store.py",
    # Creators' flags and ratings are no part of a bare file; a list of words is named by a variable.
    **dict.fromkeys(("M503", "M510", "M520", "M524"), "tests/compiler/test_policy.py"),
    # Conflicts of experts that the zoo does not have.
    "M219": "tests/compiler/test_finds.py",
    **dict.fromkeys(("M410", "M411", "M415", "M416"), "tests/compiler/test_compatibility.py"),
    **dict.fromkeys(("M417", "M418", "M419", "M422", "M423"), "tests/compiler/test_compatibility.py"),
    # What needs a catalog or a lock that was written on this machine.
    **dict.fromkeys(("M701", "M702", "M703"), "tests/compiler/test_integrity.py"),
    **dict.fromkeys(("M704", "M705", "M706", "M707", "M708", "M709"), "tests/cli/test_lock.py"),
    **dict.fromkeys(("M717", "M718", "M720"), "tests/cli/test_lock.py"),
    # Without a profile, and without measurements, nothing is priced.
    **dict.fromkeys(("M602", "M603"), "tests/compiler/test_budgets.py"),
    # What `mosaic catalog` was asked for and cannot do.
    **dict.fromkeys(("M840", "M841", "M842", "M843", "M844", "M886"), "tests/cli/test_catalog.py"),
    "M887": "tests/compiler/test_fidelity.py",
    # A checkpoint's own VAE in a file of its own; editions that there are not yet.
    **dict.fromkeys(("M009", "M012"), "tests/lint/test_lints.py"),
    # What reading experts into the catalog says.
    **dict.fromkeys(("M820", "M821", "M825"), "tests/catalog/test_reading_metadata.py"),
    **dict.fromkeys(("M822", "M823", "M824"), "tests/catalog/test_reading_sidecars.py"),
}
"""Codes that no plan in a file can provoke, and the test that does."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the cases: the folder that a user would stand in."""
    return shutil.copytree(CASES, tmp_path_factory.mktemp("cases") / "cases")


def _command(case: Path) -> list[str]:
    first = case.read_bytes().split(b"\n", 1)[0].decode("utf-8", "replace")
    if first.startswith("# $ mosaic "):
        return [
            case.name if word == "FILE" else word for word in shlex.split(first.removeprefix("# $ mosaic "))
        ]
    return ["check" if case.suffix == ".mosaic" else "run", case.name]


@pytest.mark.parametrize("case", INPUTS, ids=lambda path: path.stem)
def test_case(
    case: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, golden: Callable[[Path, str], None]
) -> None:
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(app, _command(case))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    code = case.name[:4]
    assert f"[{code}]" in result.output
    golden(
        case.parent / f"{case.name.removesuffix(case.suffix)}.err",
        f"{result.output}exit code {result.exit_code}\n",
    )


def test_every_code_has_a_case() -> None:
    shown = {case.name[:4] for case in INPUTS} | ELSEWHERE.keys()
    codes = {kind.code for kind in diagnostics()}
    assert codes - shown == set()
    assert shown - codes == set()


@pytest.mark.parametrize(("code", "test"), ELSEWHERE.items())
def test_codes_shown_elsewhere(code: str, test: str) -> None:
    assert code in (Path(__file__).parent.parent / test).read_text(encoding="utf-8")


def test_every_expectation_has_its_case() -> None:
    stems = {case.name.removesuffix(case.suffix) for case in INPUTS}
    assert {path.stem for path in CASES.glob("*.err")} <= stems
