"""What CI services do with their files, as far as a machine without them can: scripts run as they run them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

BIN = Path(sys.executable).parent


def read(path: Path) -> dict[str, Any]:
    """A file of a service. YAML reads the key `on` as true."""
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return {"on" if key is True else key: value for key, value in found.items()}


def script(
    text: str, folder: Path, environment: Mapping[str, str] | None = None, *, bin: Path = BIN
) -> subprocess.CompletedProcess[str]:
    """Run a script as GitHub runs a step: bash, ended by the first command that fails."""
    surroundings = {
        **os.environ,
        "PATH": os.pathsep.join([str(bin), os.environ["PATH"]]),
        "PIP_NO_INDEX": "1",  # what is asked for is installed already
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **(environment or {}),
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
        cwd=folder,
        env=surroundings,
        capture_output=True,
        text=True,
    )


def git(folder: Path, *words: str) -> str:
    """Run git as nobody in particular."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", "-C", str(folder), *who, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def repository(folder: Path) -> str:
    """Commit all that a folder holds, and name the commit."""
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "start")
    return git(folder, "rev-parse", "HEAD")


def github(folder: Path) -> dict[str, str]:
    """The variables that GitHub sets and mosaic or the action heeds."""
    files = {name: folder / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV")}
    for path in files.values():
        path.touch()
    return {"GITHUB_ACTIONS": "true", "CI": "true", **{name: str(path) for name, path in files.items()}}


def commands(steps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The steps that run a script."""
    return [step for step in steps if "run" in step]
