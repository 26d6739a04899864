"""Many experts read at once, and given back in the order of their paths."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mosaic.catalog.reading import Refusal
    from mosaic.catalog.record import Record

Read = Callable[[Path], "Record | Refusal"]
Batch = list["Record | Refusal"]

_MOST_JOBS: Final = 8
_CHUNK: Final = 64
"""Experts a message between processes: small files are read faster than a message is sent."""
_CHUNK_BYTES: Final = 1 << 28
_FOLDER_BYTES: Final = 1 << 30
"""What a model's folder is taken to weigh."""
_WORTH_IT: Final = (32, 1 << 28)
"""Experts or bytes from which on processes are worth their start."""
_AHEAD: Final = 6
"""Chunks that wait for each process: enough that one large file holds up nobody, and no more in memory."""


def read_all(paths: Sequence[Path], read: Read, jobs: int | None) -> Iterator[Batch]:
    """Read every path, in several processes where that is worth it. `read` must be picklable."""
    workers = min(jobs or usual_jobs(), len(paths))
    chunks = list(_chunks(paths))
    if workers < 2 or not _worth_it(paths, jobs):
        for path in paths:
            yield [read(path)]
        return
    yield from _in_processes(chunks, read, workers)


def usual_jobs() -> int:
    """One for each core that this process may use, within reason."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_JOBS)


def _in_processes(chunks: Sequence[Sequence[Path]], read: Read, workers: int) -> Iterator[Batch]:
    # A forked child would inherit the threads' locks of a progress bar.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    waiting: deque[tuple[Sequence[Path], Future[Batch]]] = deque()
    left = deque(chunks)
    try:
        while left or waiting:
            with _deaf():  # a process is started when there is work for it
                while left and len(waiting) < workers * _AHEAD:
                    chunk = left.popleft()
                    waiting.append((chunk, pool.submit(_read_chunk, read, chunk)))
            yield waiting[0][1].result()
            waiting.popleft()
    except BrokenProcessPool:
        # A process was killed, for its memory for one: what is left is read here, one after the other.
        for chunk in (*(chunk for chunk, _ in waiting), *left):
            yield [read(path) for path in chunk]
    finally:
        # Without waiting, the end of the program and the end of the pool would race for one pipe.
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that are started inside never hear an interrupt; this one hears it when it leaves.

    An interrupt at the terminal reaches every process of a command. One that it ended in the middle of a message
    would leave this one waiting for the rest, for ever; so they finish what they read, and end with this one.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # What tracks shared memory lets interrupts through again when it is started: it is started before.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _read_chunk(read: Read, paths: Sequence[Path]) -> Batch:
    return [read(path) for path in paths]


def _chunks(paths: Sequence[Path]) -> Iterator[list[Path]]:
    chunk: list[Path] = []
    weight = 0
    for path in paths:
        weight += _weight(path)
        chunk.append(path)
        if len(chunk) == _CHUNK or weight >= _CHUNK_BYTES:
            yield chunk
            chunk, weight = [], 0
    if chunk:
        yield chunk


def _worth_it(paths: Sequence[Path], jobs: int | None) -> bool:
    if len(paths) < 2:
        return False
    return jobs is not None or len(paths) >= _WORTH_IT[0] or sum(map(_weight, paths)) >= _WORTH_IT[1]


def _weight(path: Path) -> int:
    try:
        return _FOLDER_BYTES if path.is_dir() else path.stat().st_size
    except (OSError, ValueError):
        return 0
