"""Writing a file so that it is either whole or as it was before. Needs no torch: `mosaic fmt` writes by it too."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import MosaicError


def write(path: Path, data: bytes) -> str:
    """Write bytes as `write_pieces` does. Returns their sha256."""
    return write_pieces(path, (data,))


def write_pieces(path: Path, pieces: Iterable[bytes | memoryview]) -> str:
    """Write pieces, one at a time as they come, to a temporary file in the same folder and rename it. Returns the
    sha256 of the whole.

    Folders on the way are made. A file that is replaced keeps its permissions, and a link to one stays a link.
    Whatever interrupts it, no half-written file stays behind: the bytes are on the disk before the name is. Raises
    MosaicError (M855), and what the pieces raise.
    """
    with _told(path):
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        # Shortened: a name may be as long as the file system takes, and more is added to this one.
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:40]}.", suffix=".part", dir=target.parent)
    temporary = Path(name)
    digest = hashlib.sha256()
    try:
        with os.fdopen(handle, "wb") as stream:
            for piece in pieces:
                with _told(path):
                    stream.write(piece)
                digest.update(piece)
            with _told(path):
                stream.flush()
                os.fsync(stream.fileno())
        with _told(path):
            _permissions(temporary, target)
            temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return digest.hexdigest()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the file system refuses, as the message about an output."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise MosaicError(
            errors.runtime.UnwritableOutput(span=None, path=str(path), reason=reason)
        ) from error


def _permissions(temporary: Path, target: Path) -> None:
    """mkstemp makes files that only their owner can read."""
    if target.exists():
        shutil.copymode(target, temporary)
        return
    # The process's mask can only be read by setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    temporary.chmod(0o666 & ~mask)
