"""What of an expert's files differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol


class Named(Protocol):
    """A file by its path inside the expert and its content."""

    @property
    def name(self) -> str: ...

    @property
    def sha256(self) -> str: ...


def changed_files(
    old: tuple[Named, ...], new: tuple[Named, ...], tensors: tuple[Mapping[str, str], Mapping[str, str]]
) -> Iterator[str]:
    """One phrase a file that differs. `tensors` gives on either side the digest of a file's tensors by that of the
    file, where it is known: so that a changed note is not taken for changed weights.
    """
    before, now = ({file.name: file for file in side} for side in (old, new))
    for name in sorted({*before, *now}):
        if name not in now:
            yield f"`{name}` is gone"
        elif name not in before:
            yield f"`{name}` is new"
        elif before[name].sha256 != now[name].sha256:
            weights = tensors[0].get(before[name].sha256)
            same = weights is not None and weights == tensors[1].get(now[name].sha256)
            yield f"`{name}`: {'its metadata, not its tensors' if same else 'its bytes'}"
