"""Writes a file as a comment under a pull request, or over the comment that it wrote before.

    python comment.py FILE NUMBER

Reads GITHUB_API_URL, GITHUB_REPOSITORY and GITHUB_TOKEN. The token of a pull request from a fork may not write: then
the job's summary, which has the same text, has to do, and the script says so and ends with 0. It needs nothing but
Python.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MARKER = "<!-- mosaic: what changes -->"
"""The first line of the comment, by which it is found again."""
LARGEST = 60_000
"""Characters: GitHub takes 65,536."""
PAGE = 100


def main(path: str, number: str) -> None:
    """Write the comment. Ends with 1 where the service answers with anything but a refusal."""
    text = Path(path).read_text(encoding="utf-8")
    if len(text) > LARGEST:
        text = "The difference is too large for a comment; the summary of the job has it.\n"
    body = f"{MARKER}\n{text}"
    issues = f"repos/{os.environ['GITHUB_REPOSITORY']}/issues"
    try:
        own = next((each for each in _comments(f"{issues}/{number}/comments") if _is_own(each)), None)
        if own is None:
            _ask("POST", f"{issues}/{number}/comments", {"body": body})
        elif own["body"] != body:
            _ask("PATCH", f"{issues}/comments/{own['id']}", {"body": body})
    except urllib.error.HTTPError as error:
        if error.code not in (401, 403, 404):
            raise SystemExit(f"the comment could not be written: HTTP {error.code}") from None
        print(
            "the token may not write comments (a pull request from a fork?): the job's summary has the difference"
        )
    except urllib.error.URLError as error:
        raise SystemExit(f"the comment could not be written: {error.reason}") from None


def _is_own(comment: dict[str, Any]) -> bool:
    """Whether a workflow wrote it: anybody may write the marker."""
    return comment["user"]["type"] == "Bot" and comment["body"].startswith(MARKER)


def _comments(path: str) -> Iterator[dict[str, Any]]:
    page = 1
    while True:
        found = _ask("GET", f"{path}?per_page={PAGE}&page={page}")
        yield from found
        if len(found) < PAGE:
            return
        page += 1


def _ask(method: str, path: str, content: dict[str, str] | None = None) -> Any:
    request = urllib.request.Request(
        f"{os.environ['GITHUB_API_URL']}/{path}",
        method=method,
        data=None if content is None else json.dumps(content).encode(),
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
            "Content-Type": "application/json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
