"""The core alone: from nothing to a verdict, what it weighs, how fast it starts. Needs a package registry.

python -m benchmarks.bench_core
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
SKIPPED = (".*", "__pycache__", "*.egg-info", "build", "dist", "out", "tests", "benchmarks")
TIMES = 15


def source(folder: Path) -> Path:
    """A copy of what a package is built from: a build leaves files behind."""
    return Path(shutil.copytree(ROOT, folder, symlinks=True, ignore=shutil.ignore_patterns(*SKIPPED)))


def environment(folder: Path) -> Path:
    """A new virtual environment; its folder of programs."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder / "bin"


def install(programs: Path, package: Path) -> None:
    """The core, in the versions that CI runs."""
    command = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, "--constraint", str(ROOT / "constraints.txt"), str(package)], check=True)


def surroundings() -> Mapping[str, str]:
    """Nothing of the user's: neither catalog nor profile nor cache."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOSAIC_")}
    return {**kept, "XDG_DATA_HOME": "/nowhere", "XDG_CACHE_HOME": "/nowhere"}


def size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = source(folder / "mosaic")
        made = _timed(lambda: environment(folder / "core"))
        programs = folder / "core" / "bin"
        packages = next((folder / "core" / "lib").glob("python*/site-packages"))
        before = {path.name for path in packages.iterdir()}
        installed = _timed(lambda: install(programs, package))
        check = [str(programs / "mosaic"), "check", "--catalog", str(ROOT / "tests/data/snapshot")]

        def run(*words: str) -> float:
            command, env = [*check, *words], surroundings()
            return _timed(
                lambda: subprocess.run(command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
            )

        first = run("examples", "tests/data")
        again = median(run("examples", "tests/data") for _ in range(TIMES))
        one = median(run("examples/alley.mosaic") for _ in range(TIMES))
        new = [path for path in packages.iterdir() if path.name not in before]
        parts = {path.name: size(path) if path.is_dir() else path.stat().st_size for path in new}
        rows = [
            ("virtual environment", f"{made:.1f} s"),
            ("pip install", f"{installed:.1f} s"),
            ("first check of all examples", f"{first:.1f} s"),
            ("from nothing to verdict", f"{made + installed + first:.1f} s"),
            ("the same check again", f"{again:.2f} s"),
            ("check of one plan", f"{one:.2f} s"),
            ("installed", f"{sum(parts.values()) / 1e6:.0f} MB"),
        ]
        rows += [
            (f"  {part.partition(chr(46))[0]}", f"{parts[part] / 1e6:.0f} MB")
            for part in sorted(parts, key=parts.__getitem__)[::-1][:5]
        ]
        print("\n".join(f"{what:<32}{value:>10}" for what, value in rows))


if __name__ == "__main__":
    main()
