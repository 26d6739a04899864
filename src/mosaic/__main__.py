"""`python -m mosaic`."""

from __future__ import annotations

from mosaic.cli import main

main()
