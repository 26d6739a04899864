"""A catalog that never was: experts of every family with true tensor names and shapes, and no weights."""
