"""Benchmarks that ship with mosaic, because their results are facts that plans are judged by."""
