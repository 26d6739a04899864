"""What is shown of what was found: comments in plans, `--select` and `--ignore`, a project's settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mosaic.api.faults import UnreadableError
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ignoring import Found, apply_ignores, everything, not_ignored
from mosaic.compiler.selection import Selection, judge, normal
from mosaic.settings import Finder, Settings


@dataclass(frozen=True)
class Wanted:
    """The codes that the command line names. `--select` puts the settings' lists aside, `--ignore` adds to them."""

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()

    @classmethod
    def of(cls, select: Iterable[str] | None, ignore: Iterable[str] | None) -> Wanted:
        """From lists of codes with commas between them. Raises UnreadableError (M893, M894)."""
        selected, ignored = _codes(select), _codes(ignore)
        mistakes = [judge(code, ignoring=False) for code in selected]
        mistakes += [judge(code, ignoring=True) for code in ignored]
        told = tuple(dict.fromkeys(mistake for mistake in mistakes if mistake is not None))
        if told:
            raise UnreadableError(*told)
        return cls(selected or None, ignored)

    def over(self, selection: Selection) -> Selection:
        """What is shown where the settings say something too."""
        base = selection if self.select is None else Selection(self.select)
        return base.without(self.ignore)


def shown(
    found: Sequence[Found],
    settings: Finder,
    wanted: Wanted,
    judged: Callable[[str], bool] = everything,
) -> tuple[Found, ...]:
    """What is shown of the diagnostics of files, with what is to be said of comments that ignore some."""
    return tuple(
        (source, tuple(d for d in told if _is_shown(d, source.name, settings, wanted)))
        for source, told in apply_ignores(found, judged)
    )


def quiet(diagnostics: Iterable[Diagnostic], settings: Settings, file: str) -> tuple[Diagnostic, ...]:
    """What a command that is about something else shows of a file: as `check`, without a word of comments."""
    return tuple(d for d in not_ignored(diagnostics) if settings.selection(_where(d, file)).keeps(d))


def settings_of(path: str) -> Settings:
    """The settings of a plan, or of the current folder for `-`. Raises UnreadableError (M893-M897)."""
    settings = Finder().of(path)
    if settings.mistakes:
        raise UnreadableError(*settings.mistakes)
    return settings


def _is_shown(diagnostic: Diagnostic, file: str, settings: Finder, wanted: Wanted) -> bool:
    return wanted.over(settings.of(file).selection(_where(diagnostic, file))).keeps(diagnostic)


def _where(diagnostic: Diagnostic, file: str) -> str:
    """What lies in a library is looked up by the library's name, in the settings of the plan that uses it."""
    return diagnostic.span.source.name if diagnostic.span is not None else file


def _codes(texts: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(normal(code) for text in texts or () for code in text.split(",") if code.strip())
