"""Everything that the golden cases make mosaic say."""

from __future__ import annotations

from pathlib import Path

import pytest

from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.project import Project, read

CASES = Path(__file__).parent.parent / "cases" / "errors"


@pytest.fixture(scope="session")
def said() -> dict[str, tuple[Diagnostic, ...]]:
    """What is said of each case that is a plan, by the plan's name."""
    found: dict[str, tuple[Diagnostic, ...]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(CASES)
        project = Project()
        for path in sorted(Path().glob("*.mosaic")):
            try:
                found[path.name] = project.check(read(path))
            except MosaicError as error:
                found[path.name] = error.diagnostics
    return found


@pytest.fixture(scope="session")
def everything(said: dict[str, tuple[Diagnostic, ...]]) -> tuple[Diagnostic, ...]:
    """All of it, each once."""
    found = tuple(dict.fromkeys(diagnostic for told in said.values() for diagnostic in told))
    assert len({diagnostic.code for diagnostic in found}) > 100
    return found
