"""`--set` of a command that compiles several files: each parameter goes to the files that have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import typer

from mosaic.api.session import parameters
from mosaic.api.sweep import sweep
from mosaic.compiler.source import SourceFile


class Given:
    """Values for parameters. Raises typer.BadParameter for what is no single value, or no file's parameter."""

    def __init__(self, settings: Sequence[str]) -> None:
        self._settings = {setting.partition("=")[0].strip(): setting for setting in settings}
        if len(self._settings) < len(settings):
            raise typer.BadParameter("a parameter is given twice", param_hint="--set")
        for setting in settings:
            if "=" not in setting:
                raise typer.BadParameter(f"{setting!r} is not name=value", param_hint="--set")
        self._unused = dict.fromkeys(self._settings)

    def of(self, source: SourceFile) -> Mapping[str, object]:
        """The values of a file's parameters, as texts."""
        known = parameters(source)
        names = [each.name.text for each in known if each.name.text in self._settings]
        wanted = sweep([self._settings[name] for name in names], known)
        if wanted.open_axes:
            raise typer.BadParameter("one value each; sweeps are for `mosaic run`", param_hint="--set")
        for name in names:
            self._unused.pop(name, None)
        (cell,) = wanted
        return cell.parameters

    def require_all_used(self) -> None:
        """To be called when all files were compiled."""
        if self._unused:
            names = ", ".join(self._unused)
            raise typer.BadParameter(f"no plan has a parameter {names}", param_hint="--set")
