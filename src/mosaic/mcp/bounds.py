"""What a server does for a client at most, and how texts are shown to one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mosaic.agent.quoting import cleaned
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.errors.serving import TooMuch
from mosaic.compiler.reporting.document import render_json

LONGEST_PLAN: Final = 64 * 1024
"""Characters of a plan."""
LONGEST_SEARCH: Final = 400
"""Characters of the words of a search."""
LONGEST_NAME: Final = 400
"""Characters of an id, a topic, a parameter's name or value."""
MOST_PARAMETERS: Final = 64
MOST_RESULTS: Final = 50
"""Experts in one answer."""
MOST_DIAGNOSTICS: Final = 50
"""Diagnostics in one answer, errors first."""
MOST_SECONDS: Final = 30.0
"""Of compiling, mending, comparing or composing in one call."""
MOST_WAITING: Final = 8
"""Runs that wait for the one at work."""
MOST_KEPT: Final = 64
"""Runs that are over and can still be asked for."""
LONGEST_WAIT: Final = 30.0
"""Seconds that a client may wait for a run in one call."""
MOST_PICTURES: Final = 4
MOST_PICTURE_BYTES: Final = 4 * 1024 * 1024
"""Of all pictures in one answer."""
LONGEST_TEXT: Final = 600
"""Characters of a message, or of what strangers wrote of an expert."""


def at_most(what: str, text: str, most: int) -> None:
    """Refuse a text of more characters. Raises MosaicError (M879)."""
    if len(text) > most:
        raise MosaicError(TooMuch(None, what, f"{len(text):,} characters", f"{most:,}"))


def shown(text: str, most: int = LONGEST_TEXT) -> str:
    """A stranger's text on one line, bounded, without characters that nobody sees."""
    return cleaned(text, most)


class Places:
    """Folders of this machine, and what a client is told in their stead."""

    def __init__(self, named: Mapping[str, Path | None]) -> None:
        known = {str(path): f"<{name}>" for name, path in named.items() if path is not None}
        known |= {os.path.realpath(path): name for path, name in known.items()}
        package = Path(__file__).resolve().parent
        known |= {str(package.parent): "<mosaic>", str(package.parents[2]): "<mosaic>"}
        known |= {str(Path.home()): "~"}
        # The longest first: one may lie in another.
        self._known = {path: known[path] for path in sorted(known, key=len, reverse=True) if len(path) > 1}
        self._pattern = re.compile("|".join(rf"{re.escape(path)}(?![\w.-])" for path in self._known))

    def hidden(self, text: str) -> str:
        """A text without the names of these folders."""
        return self._pattern.sub(lambda found: self._known[found[0]], text)

    def document(self, value: Any) -> Any:
        """The same of every text in plain data, each bounded and cleaned."""
        if isinstance(value, str):
            return shown(self.hidden(value), LONGEST_PLAN)
        if isinstance(value, Mapping):
            return {self.document(str(key)): self.document(each) for key, each in value.items()}
        if isinstance(value, Iterable):
            return [self.document(each) for each in value]
        return value

    def diagnostics(self, found: Sequence[Diagnostic]) -> list[dict[str, Any]]:
        """Diagnostics as `mosaic check --format json` prints them, at most `MOST_DIAGNOSTICS`."""
        ordered = sorted(found, key=lambda each: str(each.severity) != "error")
        documents = render_json(ordered[:MOST_DIAGNOSTICS])
        for document in documents:
            document["message"] = shown(self.hidden(document["message"]))
            document["help"] = [shown(self.hidden(line)) for line in document["help"]]
            document["file"] = None if document["file"] is None else shown(self.hidden(document["file"]))
        return documents
