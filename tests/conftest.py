"""What every test may use."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="write the expected outputs anew instead of comparing"
    )


def pytest_configure(config: pytest.Config) -> None:
    # What a developer has catalogued must not decide a test. Subprocesses inherit this.
    for name in ("MOSAIC_CATALOG", "MOSAIC_FIDELITY", "MOSAIC_PROFILE"):
        os.environ.pop(name, None)
    os.environ["XDG_DATA_HOME"] = str(ROOT / ".work" / "no-such-data-folder")
    # Nor what a developer has run before.
    os.environ.pop("MOSAIC_CACHE_SIZE", None)
    os.environ["MOSAIC_CACHE"] = tempfile.mkdtemp(prefix="mosaic-cache-")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(os.environ["MOSAIC_CACHE"], ignore_errors=True)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compare a text with a file, or write the file where pytest runs with --update-goldens."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update-goldens"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        assert path.exists(), f"{path.relative_to(ROOT)} is missing; write it with --update-goldens"
        assert text == path.read_text(encoding="utf-8")

    return compare
