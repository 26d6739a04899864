"""How the zoo's little pictures are drawn: pen, subjects, backgrounds, things, styles."""

from __future__ import annotations
