"""M160-M163, M893, M894: what is said of codes that somebody wants to see, or to ignore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix, Severity
from mosaic.compiler.source import Span


@dataclass(frozen=True)
class UnusedIgnore(Diagnostic):
    """A comment asks for a warning not to be shown, and there is no such warning.

        let look = fuse(base, neon * 0.8)  # mosaic: ignore[M431] two neons on purpose     # M160

    It stood there for something that is mended by now, or is told elsewhere: a comment on a line of its own counts for
    the statement below, one behind code for its line, and for the statement that begins or ends there.

    Left where it is, it would hide the next warning of this code. Take it out.
    """

    code: ClassVar[str] = "M160"
    title: ClassVar[str] = "there is no {shown} to ignore"
    label: ClassVar[str] = "hides nothing"
    severity: ClassVar[Severity] = Severity.WARNING

    codes: tuple[str, ...]
    edit: Edit

    @property
    def shown(self) -> str:
        """The codes in words."""
        return " and no ".join(self.codes)

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix(f"take out {', '.join(f'`{code}`' for code in self.codes)}", (self.edit,)),)


@dataclass(frozen=True)
class IgnoredError(Diagnostic):
    """A comment asks for an error to be ignored. Errors are always told: a plan with one does not run.

        let film = lora("zoo/noen")  # mosaic: ignore[M210]     # M161

    Mend what the error says, and take the comment out.
    """

    code: ClassVar[str] = "M161"
    title: ClassVar[str] = "`{named}` is an error, and errors cannot be ignored"
    label: ClassVar[str] = "has no effect"
    severity: ClassVar[Severity] = Severity.WARNING

    named: str


@dataclass(frozen=True)
class IgnoredUnknown(Diagnostic):
    """A comment asks for something to be ignored that is no code.

        let look = fuse(base, neon)  # mosaic: ignore[M41]     # M162: M414 is one

    In a comment a code stands whole, so that it hides no more than it says; `mosaic explain` lists them.
    """

    code: ClassVar[str] = "M162"
    title: ClassVar[str] = "there is no code `{named}`"
    label: ClassVar[str] = "has no effect"
    severity: ClassVar[Severity] = Severity.WARNING

    named: str
    near: str | None = None

    def help(self) -> tuple[str, ...]:
        return (f"did you mean `{self.near}`?",) if self.near else ("all codes: mosaic explain",)

    def fixes(self) -> tuple[Fix, ...]:
        if self.near is None or self.span is None:
            return ()
        return (Fix(f"write `{self.near}`", (Edit(self.span, self.near),), safe=False),)


@dataclass(frozen=True)
class IgnoresNothing(Diagnostic):
    """A comment asks for warnings to be ignored and names none.

        let look = fuse(base, neon)  # mosaic: ignore     # M163: which?

    Name the codes in brackets, and say why behind them: `# mosaic: ignore[M414] its look is wanted without the word`.
    """

    code: ClassVar[str] = "M163"
    title: ClassVar[str] = "this comment does not say what to ignore"
    label: ClassVar[str] = "has no effect"
    severity: ClassVar[Severity] = Severity.WARNING

    def help(self) -> tuple[str, ...]:
        return ("name the codes in brackets: # mosaic: ignore[M414] why",)


@dataclass(frozen=True)
class ErrorsStay(Diagnostic):
    """An error was asked to be ignored, by an option or by a project's settings. What compiles runs, so that errors are
    always told.

        mosaic check plans --ignore M302     # M893: latents of two spaces do not mix, whoever looks

    A beginning such as `M4` may be ignored: the warnings and notes among its codes are. To keep a plan from being
    checked at all, exclude it (`exclude` in the settings).
    """

    code: ClassVar[str] = "M893"
    title: ClassVar[str] = "`{named}` is an error, and errors cannot be ignored"
    label: ClassVar[str] = "only warnings and notes can be ignored"

    named: str

    def help(self) -> tuple[str, ...]:
        return (
            (f"what it says, and how to mend it: mosaic explain {self.named}",)
            if len(self.named) == 4
            else ()
        )


@dataclass(frozen=True)
class UnknownCode(Diagnostic):
    """A code was selected or ignored, by an option or by a project's settings, that no message has.

        mosaic check plans --ignore M999     # M894

    A code is `M` and three digits, and its beginning stands for all that begin so: `M4`. `mosaic explain` lists them.
    """

    code: ClassVar[str] = "M894"
    title: ClassVar[str] = "there is no code `{named}`"
    label: ClassVar[str] = "no message has it"

    named: str
    near: str | None = None

    def help(self) -> tuple[str, ...]:
        return (f"did you mean `{self.near}`?",) if self.near else ("all codes: mosaic explain",)

    def fixes(self) -> tuple[Fix, ...]:
        if self.near is None or self.span is None:
            return ()
        span = _inside(self.span)
        return (Fix(f"write `{self.near}`", (Edit(span, self.near),), safe=False),) if span else ()


def _inside(span: Span) -> Span | None:
    """A quoted text without its quotes; None where it is not just that."""
    text = span.text
    quoted = len(text) > 2 and text[0] == text[-1] and text[0] in "\"'"
    return span.source.span(span.start + 1, span.end - 1) if quoted else None
