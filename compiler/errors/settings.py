"""M895-M897: what is wrong with a project's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix


@dataclass(frozen=True)
class SettingsNotToml(Diagnostic):
    """A project's settings cannot be read: the file is not TOML.

        ignore = [M430]     # M895: texts stand in quotes

    The settings are looked for in `mosaic.toml`, and in the table `[tool.mosaic]` of `pyproject.toml`, beside a plan
    and above it. None of this file counts until it can be read. Mend the line that the message shows.
    """

    code: ClassVar[str] = "M895"
    title: ClassVar[str] = "`{path}` is not TOML: {reason}"
    label: ClassVar[str] = "here"

    path: str
    reason: str


@dataclass(frozen=True)
class UnknownSetting(Diagnostic):
    """A project's settings have a key that mosaic does not know.

        ignored = ["M430"]     # M896: the key is called `ignore`

    A key that is misspelt would have no effect, and nobody would see it. The keys are `catalog`, `device`, `select`,
    `ignore`, `per-file-ignores`, `exclude` and the table `compose` with its own. What else the file says counts.
    """

    code: ClassVar[str] = "M896"
    title: ClassVar[str] = "`{path}`: there is no setting `{shown}`"
    label: ClassVar[str] = "not known"

    path: str
    key: str
    near: str | None = None
    table: str = ""  # that the key stands in
    known: tuple[str, ...] = (
        "catalog",
        "device",
        "select",
        "ignore",
        "per-file-ignores",
        "exclude",
        "compose",
    )

    @property
    def shown(self) -> str:
        """The key, with the table that it stands in."""
        return f"{self.table}.{self.key}" if self.table else self.key

    def help(self) -> tuple[str, ...]:
        if self.near:
            return (f"did you mean `{self.near}`?",)
        *others, last = (f"`{key}`" for key in self.known)
        return (f"there are {', '.join(others)} and {last}",)

    def fixes(self) -> tuple[Fix, ...]:
        if self.near is None or self.span is None or not self.span.text.startswith(self.key):
            return ()
        span = self.span.source.span(self.span.start, self.span.start + len(self.key))
        return (Fix(f"write `{self.near}`", (Edit(span, self.near),), safe=False),)


@dataclass(frozen=True)
class WrongSetting(Diagnostic):
    """A project's settings give a key a value that it cannot have.

        ignore = "M430"     # M897: a list, ["M430"]

    Mend the value as the message says. Until then the key counts as if it were not there.
    """

    code: ClassVar[str] = "M897"
    title: ClassVar[str] = "`{path}`: `{key}` has to be {wanted}"
    label: ClassVar[str] = "no such value"

    path: str
    key: str
    wanted: str
