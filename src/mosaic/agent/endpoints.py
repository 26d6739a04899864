"""Where a language model answers, and the key that is sent there: as little known of it as possible."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, urlsplit

DEFAULT: Final = "https://api.openai.com/v1"

_ADDRESS: Final = re.compile(
    r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?"
)
_TRUSTED: Final = re.compile(r"(https?://)?([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?")
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS: Final = {"http": 80, "https": 443}
_SHORTEST: Final = 8
"""Characters of a key that is looked for in texts: a shorter one would be found in words."""


class Key:
    """A secret. It shows itself in no text, and takes itself out of the texts of others."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def __bool__(self) -> bool:
        return bool(self._secret)

    def __repr__(self) -> str:
        return "Key(…)"

    def __reduce__(self) -> str:
        raise TypeError("a key is not copied into files")

    def reveal(self) -> str:
        """The secret, for the one header that it is sent in."""
        return self._secret

    def scrubbed(self, text: str) -> str:
        """A text without the secret, however JSON or an address would spell it."""
        if len(self._secret) < _SHORTEST:
            return text
        spelled = {
            self._secret,
            json.dumps(self._secret)[1:-1],
            quote(self._secret),
            quote(self._secret, safe=""),
        }
        for each in sorted(spelled, key=len, reverse=True):
            text = text.replace(each, "…")
        return text

    @property
    def usable(self) -> bool:
        """Whether it can stand in a header: visible ASCII alone."""
        return all("!" <= char <= "~" for char in self._secret)


NO_KEY: Final = Key("")


def is_address(url: str) -> bool:
    """Whether a text is the address of an endpoint: no user, no password, no query, nothing that readers of addresses
    may understand differently."""
    return len(url) <= 300 and _ADDRESS.fullmatch(url) is not None and origin(url) is not None


def endpoint_of(url: str) -> str:
    """Scheme, host and port of an address, and nothing else of it; "" where it is none."""
    found = origin(url)
    if found is None:
        return ""
    scheme, host, port = found
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" + ("" if port == _PORTS.get(scheme) else f":{port}")


def origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an address; None where it is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not host:
        return None
    return parts.scheme, host.rstrip("."), port if port is not None else _PORTS[parts.scheme]


def is_local(url: str) -> bool:
    """Whether an address is that of this machine."""
    found = origin(url)
    return found is not None and found[1] in _LOCAL


def allows(trusted: Iterable[str], url: str) -> bool:
    """Whether an address is one of those that are trusted: `models.example.org` (by https, or on this machine),
    `models.example.org:8443`, or with its scheme, `http://10.0.0.5:8000`."""
    found = origin(url) if is_address(url) else None
    return found is not None and any(_fits(each.strip(), found) for each in trusted)


def _fits(trusted: str, found: tuple[str, str, int]) -> bool:
    scheme, host, port = found
    if not _TRUSTED.fullmatch(trusted):
        return False
    if "://" in trusted:
        return origin(trusted) == found
    meant = origin(f"{scheme}://{trusted}")
    if meant is None or meant[1] != host:
        return False
    has_port = re.search(r":[0-9]+$", trusted) is not None
    safe = scheme == "https" or host in _LOCAL
    return safe and (meant[2] == port if has_port else port == _PORTS[scheme] or host in _LOCAL)
