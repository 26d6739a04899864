"""In which settings runs kept results in a cache: by them `mosaic plan` makes the keys that a run would make.

Keys hold what only torch tells (threads, device, kernels), and a plan is looked at without torch. What torch told in
earlier runs is kept here with the circumstances that it settles them by: in equal ones the next run settles alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from mosaic.runtime.cache.disk import Disk
from mosaic.runtime.surroundings import circumstances

_NAME: Final = "runs.json"
_VERSION: Final = 1
_KEPT: Final = 16


@dataclass(frozen=True)
class Setting:
    """How a run stood: what decided its numbers, and the circumstances that it was started in."""

    numerics: Mapping[str, str]
    circumstances: Mapping[str, str]

    @property
    def place(self) -> tuple[Mapping[str, str], str, str]:
        """Of runs in equal circumstances, on one device and in one precision, the last counts."""
        return self.circumstances, self.numerics.get("device", ""), self.numerics.get("dtype", "")


def remember(disk: Disk, numerics: Mapping[str, str]) -> None:
    """Keep how a run stands, here and now. Where that cannot be written, what is cached is found by runs alone."""
    before, setting = recall(disk), Setting(dict(numerics), circumstances())
    if before and before[-1] == setting:
        return
    others = [each for each in before if each.place != setting.place]
    written = [asdict(each) for each in [*others, setting][-_KEPT:]]
    disk.note(_NAME, json.dumps({"version": _VERSION, "runs": written}).encode())


def recall(disk: Disk) -> tuple[Setting, ...]:
    """How runs stood, the last one last; nothing where no run has kept anything, or what it kept is damaged."""
    data = disk.noted(_NAME)
    if data is None:
        return ()
    try:
        content = json.loads(data)
        if content["version"] != _VERSION:
            return ()
        return tuple(
            Setting(_texts(each["numerics"]), _texts(each["circumstances"])) for each in content["runs"]
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()


def _texts(table: Mapping[str, object]) -> dict[str, str]:
    return {str(key): str(value) for key, value in table.items()}
