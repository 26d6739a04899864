"""Headers of weight files on disk. Pickles are told by name and by their first bytes, and never opened
further.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.source import Span
from mosaic.compiler.weights.header import CAP, LENGTH, Header, HeaderError, header_size, parse_header

PICKLES: Final = (".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle", ".joblib")

# A zip archive (torch.save since 1.6) and pickle protocols 2 to 5 with their frames.
_PICKLE_MAGIC: Final = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")

_Key = tuple[str, int, int]


class Headers:
    """Reads headers, each once per path, size and modification time."""

    def __init__(self) -> None:
        self._known: dict[_Key, Header] = {}

    def read(self, path: Path, shown: str, span: Span | None = None) -> Header:
        """The header of a safetensors file, which messages call `shown`.

        Raises MosaicError: M803 for a pickle, M804 for a damaged file, M807 for one that cannot be read,
        M802 for a file that is something else.
        """
        if path.suffix.lower() in PICKLES:
            raise MosaicError(errors.inputs.PickleRefused(span, shown))
        try:
            stat = path.stat()
            key = (str(path), stat.st_size, stat.st_mtime_ns)
            if key not in self._known:
                self._known[key] = _read(path, stat.st_size, shown, span)
        except OSError as error:
            raise MosaicError(
                errors.inputs.Unreadable(span, shown, error.strerror or type(error).__name__)
            ) from None
        return self._known[key]


def _read(path: Path, size: int, shown: str, span: Span | None) -> Header:
    with path.open("rb") as stream:
        start = stream.read(LENGTH)
        if is_pickle(start, size):
            raise MosaicError(errors.inputs.PickleRefused(span, shown))
        if path.suffix.lower() != ".safetensors" and not _looks_right(start, size):
            raise MosaicError(errors.inputs.NotAModel(span, shown, "it is no safetensors file"))
        try:
            rest = stream.read(header_size(start, size) - LENGTH)
            return parse_header(start + rest, size)
        except HeaderError as error:
            raise MosaicError(errors.inputs.BrokenSafetensors(span, shown, str(error))) from None


def is_pickle(start: bytes, size: int) -> bool:
    """Whether a file of `size` bytes, of which the first 8 are given, is a pickle or a zip archive of
    pickles.

    The length of a safetensors header can begin with the same bytes, but then it is a possible length.
    """
    return start.startswith(_PICKLE_MAGIC) and not _looks_right(start, size)


def _looks_right(start: bytes, size: int) -> bool:
    return len(start) == LENGTH and 2 <= int.from_bytes(start, "little") <= min(size - LENGTH, CAP)
