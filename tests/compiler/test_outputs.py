"""M314: what an output folder cannot hold is refused before a picture is made for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mosaic.compiler import Compiled

Compile = Callable[..., Compiled]


def emits(*paths: str) -> str:
    lines = ['let base = checkpoint("t/base")', 'let image = sample(base, prompt: "a cat", steps: 1)']
    return "\n".join([*lines, *(f'emit image as "{path}"' for path in paths)])


@pytest.mark.parametrize(
    ("paths", "problem"),
    [
        (("x" * 251 + ".png",), ""),
        (("x" * 252 + ".png",), "longer than file systems take"),
        (("ä" * 126 + ".png",), "longer than file systems take"),  # 256 bytes
        (("ä" * 125 + ".png",), ""),
        (("x" * 300 + "/a.png",), "longer than file systems take"),
        (("a/b.png", "a/c.png"), ""),
        (("a.png", "a.png/b.png"), "is a file of another emit"),
        (("a.png/b.png", "A.png"), "is a file of another emit"),
        (("a.png/b/c.png", "a.png"), "is a file of another emit"),
        (("a.png", "./a.png"), "another emit writes it"),
    ],
)
def test_names(compiled: Compile, paths: tuple[str, ...], problem: str) -> None:
    found = compiled(emits(*paths)).diagnostics
    assert [each.code for each in found] == (["M314"] if problem else [])
    assert all(problem in each.message() for each in found), [each.message() for each in found]
