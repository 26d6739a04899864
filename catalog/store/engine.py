"""DuckDB's engine without the layers in Python over it.

`import duckdb` also loads relations, expressions and sources for other libraries' tables, which take longer to load
than a plan takes to be checked. The store speaks SQL alone, and what it uses (`connect`, connections, exceptions) are
the engine's own: the package hands on the same objects. Where a release calls its engine otherwise, the package serves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
else:
    try:
        import _duckdb as duckdb
    except ImportError:
        import duckdb

__all__ = ["duckdb"]
