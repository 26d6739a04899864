"""The size of a picture by its header alone: PNG (RFC 2083, section 4.1.1) and JPEG (ITU-T T.81, annex B)."""

from __future__ import annotations

from typing import BinaryIO, Final

PNG: Final = b"\x89PNG\r\n\x1a\n"
JPEG: Final = b"\xff\xd8\xff"

_STARTS_OF_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # these three are tables
_STAND_ALONE: Final = (0x01, *range(0xD0, 0xD9))  # markers without a length
_MOST_SEGMENTS: Final = 4096


def pixels(stream: BinaryIO) -> tuple[int, int] | None:
    """Width and height, or None where the header does not tell (a damaged file). Reads from the start."""
    stream.seek(0)
    head = stream.read(24)
    if head.startswith(PNG):
        is_whole = len(head) == 24 and head[12:16] == b"IHDR"
        return (int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")) if is_whole else None
    return _jpeg(stream) if head.startswith(JPEG) else None


def _jpeg(stream: BinaryIO) -> tuple[int, int] | None:
    stream.seek(2)
    for _ in range(_MOST_SEGMENTS):
        marker = stream.read(2)
        while marker == b"\xff\xff":  # padding
            marker = b"\xff" + stream.read(1)
        if len(marker) < 2 or marker[0] != 0xFF:
            return None
        if marker[1] in _STAND_ALONE:
            continue
        length = int.from_bytes(stream.read(2), "big")
        if length < 2:
            return None
        if marker[1] in _STARTS_OF_FRAME:
            frame = stream.read(5)  # precision, height, width
            is_whole = len(frame) == 5
            return (
                (int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")) if is_whole else None
            )
        stream.seek(length - 2, 1)
    return None
