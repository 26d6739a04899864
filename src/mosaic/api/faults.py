"""What calls of the Python API raise beside MosaicError; the command line turns both into messages and exit codes."""

from __future__ import annotations

from mosaic.compiler.diagnostic import MosaicError


class UnreadableError(MosaicError):
    """An input could not be read at all."""


class UsageError(ValueError):
    """Arguments that do not go together, or that mean nothing. `option` is what the command line calls the culprit.

    >>> try:
    ...     mosaic.check(PLAN, device="abacus")
    ... except mosaic.UsageError as error:
    ...     print(error.option)
    --device
    """

    def __init__(self, message: str, option: str | None = None) -> None:
        super().__init__(message)
        self.option = option
