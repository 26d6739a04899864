"""M861, M869: what comes of a request that no plan can meet, and of a plan that is there already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic


@dataclass(frozen=True)
class CannotBeMet(Diagnostic):
    """Something that a request asks for cannot be in the picture, or not within its limits.

        mosaic compose "a dragon in the forest"
        error[M861]: “dragon” cannot be met: no expert is called so, and zoo/base does not know it

    The words are those of the request; the reason names what is missing, or which limit stands against it: an expert
    whose licence or rating the policy does not allow, a budget that is too small, an expert that fits no base. Nothing
    is invented in its place. The nearest plan that can be made is shown, and `--nearest` takes it.

    To mend it: ask for something else, change the limit, or add an expert to the catalog (`mosaic catalog add`).
    """

    code: ClassVar[str] = "M861"
    title: ClassVar[str] = "“{what}” cannot be met: {reason}"

    what: str
    reason: str
    nearest: bool = False

    def help(self) -> tuple[str, ...]:
        """Whether there is a plan that comes near."""
        return ("the nearest plan that can be made is below; `--nearest` takes it",) if self.nearest else ()


@dataclass(frozen=True)
class FileThere(Diagnostic):
    """The file that a composed plan was to be written to is there already, and it is not overwritten unasked.

    Example: `mosaic compose "a red cat" -o cat.mosaic`, where `cat.mosaic` is there and says something else.

    To mend it: another name, or `--force`.
    """

    code: ClassVar[str] = "M869"
    title: ClassVar[str] = "`{path}` is there already"

    path: str

    def help(self) -> tuple[str, ...]:
        """How to go on."""
        return ("choose another name, or overwrite it by `--force`",)
