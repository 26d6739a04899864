"""A list of rated words, and prompts looked through for them: the compiler's `Words`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.facts import RATINGS
from mosaic.compiler.policy.words import Found

_DIGITS: Final = str.maketrans("013457@$", "oieastas")
"""Digits and signs that stand for letters: n4ked, nud3."""
_LARGEST: Final = 4 * 1024 * 1024
_TOKEN: Final = re.compile(r"[\w@$]+")


@dataclass(frozen=True)
class Rated:
    """An entry of a list."""

    category: str
    rating: str


class WordList:
    """Implements `mosaic.compiler.policy.Words` over the shipped list or a file of the same shape.

    Words are compared whole. Before that, text and list are folded: compatibility forms (NFKC), accents and invisible
    signs taken away, case ignored, `-` and `_` like spaces; and once more with digits read as the letters that they
    look like. The file is read at the first need; M524 is raised (as MosaicError) where it cannot be used.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    def found(self, text: str) -> Sequence[Found]:
        """The rated words of a text, in its order; each once."""
        words = _words(text)
        found: dict[str, Found] = {}
        for start in range(len(words)):
            for length in range(self._longest, 0, -1):
                run = words[start : start + length]
                rated = self._look(run) if len(run) == length else None
                if rated is not None:
                    said = " ".join(word for word, _ in run)
                    found.setdefault(said, Found(said, rated.category, rated.rating))
                    break
        return tuple(found.values())

    def _look(self, run: Sequence[tuple[str, str]]) -> Rated | None:
        plain = tuple(folded for _, folded in run)
        spelt = tuple(_as_letters(folded) for folded in plain)
        return self._entries.get(plain) or self._entries.get(spelt)

    @cached_property
    def _longest(self) -> int:
        return max((len(words) for words in self._entries), default=0)

    @cached_property
    def _entries(self) -> Mapping[tuple[str, ...], Rated]:
        import tomllib  # most plans look through no prompt

        try:
            content = tomllib.loads(self._text())
        except OSError as error:
            raise self._broken(error.strerror or type(error).__name__) from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise self._broken(str(error)) from None
        found: dict[tuple[str, ...], Rated] = {}
        for category in self._categories(content):
            rated = Rated(category["name"], category["rating"])
            for word in category["words"]:
                key = tuple(folded for _, folded in _words(word))
                known = found.get(key)
                if key and (known is None or RATINGS.index(rated.rating) > RATINGS.index(known.rating)):
                    found[key] = rated
        return found

    def _categories(self, content: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        categories = content.get("category")
        if not isinstance(categories, list) or not all(isinstance(one, dict) for one in categories):
            raise self._broken("it has no list of `[[category]]`")
        for number, category in enumerate(categories, 1):
            words, name = category.get("words"), category.get("name")
            if not isinstance(name, str):
                raise self._broken(f"category {number} has no `name`")
            if category.get("rating") not in RATINGS:
                raise self._broken(f"the `rating` of `{name}` is none of {', '.join(RATINGS)}")
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise self._broken(f"the `words` of `{name}` are no list of texts")
        return categories

    def _text(self) -> str:
        if self._path is None:
            return files("mosaic.catalog").joinpath("words.toml").read_text(encoding="utf-8")
        with self._path.open("rb") as file:
            return file.read(_LARGEST).decode()

    def _broken(self, reason: str) -> MosaicError:
        return MosaicError(errors.policy.BrokenWords(None, str(self._path or "words.toml"), reason))


def _words(text: str) -> list[tuple[str, str]]:
    """The words of a text, each as it stands there and folded."""
    visible = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return [(word, _folded(word)) for word in _TOKEN.findall(visible.replace("_", " "))]


def _folded(word: str) -> str:
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", word).casefold())
    return "".join(char for char in apart if not unicodedata.combining(char))


def _as_letters(word: str) -> str:
    # A number is a number: only where letters stand beside them do digits stand for letters.
    return word.translate(_DIGITS) if any(char.isalpha() for char in word) else word
