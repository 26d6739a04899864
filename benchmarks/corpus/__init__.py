"""Plans with one known mistake each, and plans that look alike and have none: how well is the one told from the other?

`python -m benchmarks.corpus` writes both from seeds over a synthetic catalog of every family, checks all of them and
reports recall and false alarms, code by code.
"""
