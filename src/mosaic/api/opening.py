"""The project that a command compiles in, held to a lock as its options ask."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.api.faults import UsageError
from mosaic.compiler.cost.manner import ROWS_AT_ONCE, Manner
from mosaic.lock.projects import LockedProject, Mode

if TYPE_CHECKING:
    from mosaic.compiler.cost.profile import Profile


def open_project(
    catalog: Path | None,
    *,
    locked: bool,
    frozen: bool,
    device: str | None = None,
    manner: Manner | None = None,
    fits: bool = False,
    room: Profile | None = None,
) -> LockedProject:
    """A project by `--catalog`, `--locked`, `--frozen` and the device that plans are priced for; the rest as of
    `Project`.

    Raises UsageError for a device that there is not, MosaicError (M891) for a file that is no profile.
    """
    if locked and frozen:
        raise UsageError("--locked asks whether the lock is up to date, --frozen not to ask: one of them")
    if device is not None:
        _known(device)
    mode = Mode.LOCKED if locked else Mode.FROZEN if frozen else Mode.BESIDE
    return LockedProject(catalog, mode, device=device, manner=manner, fits=fits, room=room)


def manner(offload: bool, batch: int | None, runs: int = 1) -> Manner:
    """How an engine runs by `--offload` and `--batch`; so many runs may denoise together where that is given."""
    return Manner(batch or ROWS_AT_ONCE, offload, 1 if batch is None else max(1, runs))


def _known(device: str) -> None:
    """What is wrong with a device's profile is no mistake of a plan's, so it is told before any plan is read."""
    from mosaic.profiles import find_profile, load_profile
    from mosaic.stdlib import find_profiles

    path = find_profile(device)
    if path is None or not path.exists():
        known = ", ".join(find_profiles())
        raise UsageError(f"{device!r} is neither a file nor one of: {known}", "--device")
    load_profile(path)
