"""What is read and what is not."""

EDITION = 1
"""The edition of the language that this version reads."""

MAX_DEPTH = 64
"""How deep brackets, lists and chains of `*`, `in` and `during` may nest."""

MAX_SIZE = 2**20
"""The largest file that is read, in bytes."""

MAX_MISTAKES = 50
"""How many syntax errors of a file are reported before reading stops."""
