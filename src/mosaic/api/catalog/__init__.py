"""Catalogs for Python code: `Catalog`, and the work behind the commands of `mosaic catalog`."""
