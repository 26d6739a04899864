"""The command line: one small file a command. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs


INTERRUPTED: Final = 130
"""The exit code of a command that was interrupted: 128 + SIGINT, as shells have it."""


def main() -> None:
    """The entry point of the `mosaic` command."""
    sys.unraisablehook = _raised_again
    _hear_interrupts()
    try:
        _command(sys.argv[1:])
    except KeyboardInterrupt:
        interrupted()
    except SystemExit as end:
        if _heard and end.code not in (None, 0, INTERRUPTED):
            interrupted()  # what a library made of it
        raise
    except Exception:
        if _heard:
            interrupted()
        raise


_heard: list[int] = []
"""The interrupts so far: libraries turn the exception into others of their own."""


def _hear_interrupts() -> None:
    """Remember interrupts beside raising them. Where they are ignored, they stay so."""
    import signal

    def hear(number: int, frame: object) -> NoReturn:
        _heard.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, hear)


def interrupted() -> NoReturn:
    """End the command with what shells expect of one that was interrupted."""
    print("interrupted; every file that was written is whole", file=sys.stderr)
    raise SystemExit(INTERRUPTED)


def _raised_again(unraisable: UnraisableHookArgs) -> None:
    """An interrupt that falls into a destructor or a callback cannot be raised there: it comes again right after."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        import _thread
        from threading import Timer

        again = Timer(0.02, _thread.interrupt_main)
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(unraisable)


def _command(words: list[str]) -> None:
    catalog = None
    at = words.index("--catalog") if "--catalog" in words[:-1] else None
    if words[:1] == ["check"] and at is not None and not words[at + 1].startswith("-"):
        catalog, words = words[at + 1], [*words[:at], *words[at + 2 :]]
    if words[:1] == ["check"] and words[1:] and not any(word.startswith("-") for word in words[1:]):
        # Editors and hooks run these forms on every save. They have nothing to parse, so they do without typer (and the
        # validators that come with it), a third of the start-up.
        from pathlib import Path

        from mosaic.api.workers import World
        from mosaic.cli.checking import Options, check_paths

        check_paths(words[1:], Options(world=World(Path(catalog) if catalog is not None else None)))
    from mosaic.cli.app import app

    app(prog_name="mosaic")
