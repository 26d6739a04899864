"""Writing a file so that it is either whole or not there."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import UnwritableOutput


def write_atomically(path: Path, data: bytes) -> None:
    """Write to a temporary file in the same folder and rename it. Raises MosaicError (M855).

    A file that is replaced keeps its permissions; a link keeps pointing where it did.
    """
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            _permissions(Path(temporary), target)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise MosaicError(UnwritableOutput(None, str(path), error.strerror or str(error))) from None


def _permissions(temporary: Path, target: Path) -> None:
    """mkstemp makes files that only their owner can read."""
    if target.exists():
        shutil.copymode(target, temporary)
        return
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(0o666 & ~mask)
