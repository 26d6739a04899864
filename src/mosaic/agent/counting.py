"""How many tokens a text may have, without its model's tokenizer: rather too many than too few.

Endpoints do not tell how they count before they charge, and every model counts otherwise. What is known of tokenizers
of bytes (Sennrich et al. 2016 and what followed): common English words are one token or two, digits and signs may each
be one, other scripts at most one for each byte of UTF-8.
"""

from __future__ import annotations

import re
from typing import Final

_PIECES: Final = re.compile(r"[A-Za-z]+|[0-9]|[^\S\n]{2,}|[!-/:-@\[-`{-~]|\n|[^\x00-\x7f]")
_LETTERS: Final = 4
"""Letters of English that one token holds at least, over a text of some length."""


def most_tokens(text: str) -> int:
    """A number that the tokens of an English text or a plan are hardly above, whatever counts them."""
    return sum(_weight(found[0]) for found in _PIECES.finditer(text))


def _weight(piece: str) -> int:
    if not piece.isascii():
        return len(piece.encode("utf-8", "surrogatepass"))
    return -(-len(piece) // _LETTERS) if piece.isalpha() else 1
