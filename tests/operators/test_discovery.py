"""Operators are found: one a file of our own, and through entry points of installed packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mosaic import stdlib
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.inputs import BrokenOperator, OperatorClash
from mosaic.compiler.operators import Acts, Bounds, Law
from mosaic.compiler.types import Kind

OPERATOR = """
from typing import Annotated

from mosaic.compiler.operators import Acts, Bounds, operator
from mosaic.compiler.types import Kind


@operator(acts=Acts.WEIGHTS, accepts=[Kind.LORA])
def {name}(base, deltas, strengths, *, density: Annotated[float, Bounds(0, 1, low_open=True)] = 0.5):
    "Nothing."
    return base
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Installs a package with one module and one entry point, as pip would lay it out."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(package: str, point: str, source: str, value: str | None = None) -> None:
        (tmp_path / f"{package}.py").write_text(source)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[mosaic.operators]\n{point} = {value or f'{package}:{point}'}\n"
        )
        sys.modules.pop(package, None)

    return install


def test_our_own() -> None:
    operator = stdlib.find_operators()["sum"]
    assert operator.owner == "mosaic.stdlib.operators.sum"
    assert operator.acts is Acts.WEIGHTS
    assert {Kind.LORA, Kind.CHECKPOINT, Kind.MODEL} <= operator.accepts
    assert operator.laws == {Law.SYMMETRIC, Law.LINEAR, Law.IDENTITY_AT_ZERO}


def test_an_installed_package_adds_one(install) -> None:  # type: ignore[no-untyped-def]
    install("plugin_first", "blend", OPERATOR.format(name="blend"))
    operator = stdlib.find_operators()["blend"]
    assert [(s.name, s.kind, s.default, s.bounds) for s in operator.settings] == [
        ("density", Kind.NUMBER, 0.5, Bounds(0, 1, low_open=True)),
        ("rank", Kind.INT, 0, Bounds(0)),
    ]


def test_a_clash_names_both_owners(install) -> None:  # type: ignore[no-untyped-def]
    install("plugin_second", "sum", OPERATOR.format(name="sum_").replace("def sum_", "def sum"))
    with pytest.raises(MosaicError) as raised:
        stdlib.find_operators()
    (clash,) = raised.value.diagnostics
    assert isinstance(clash, OperatorClash)
    assert clash.code == "M216"
    assert (clash.first, clash.second) == ("mosaic.stdlib.operators.sum", "plugin_second")
    assert "`mosaic.stdlib.operators.sum`" in clash.message()
    assert "`plugin_second`" in clash.message()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nowhere_at_all", "ModuleNotFoundError"),
        ("x = 1", "AttributeError"),
        ("blend = 1", "is no operator"),
        ("def (", "SyntaxError"),
        (OPERATOR.format(name="other") + "blend = other", "calls itself `other`"),
        (OPERATOR.format(name="blend").replace("Annotated[float, ", "Annotated[list, "), "TypeError"),
    ],
)
def test_a_broken_plugin_is_named(install, source: str, reason: str) -> None:  # type: ignore[no-untyped-def]
    install("plugin_third", "blend", source)
    with pytest.raises(MosaicError) as raised:
        stdlib.find_operators()
    (broken,) = raised.value.diagnostics
    assert isinstance(broken, BrokenOperator)
    assert broken.code == "M217"
    assert broken.owner == "plugin_third"
    assert reason in broken.message()


def test_finding_them_imports_no_tensor_library() -> None:
    program = (
        "import sys; from mosaic import stdlib; stdlib.find_operators(); stdlib.find_fragments();"
        "print([m for m in ('torch', 'numpy', 'duckdb', 'diffusers', 'transformers') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_standard_fragments_are_found() -> None:
    assert "std.looks" in stdlib.find_fragments()
    assert stdlib.find_fragments()["std.looks"].startswith("mosaic 1")
