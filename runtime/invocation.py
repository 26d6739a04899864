"""Several programs run as one: every value is made once, when something needs it, and kept as long as it is needed.

Work goes backwards from what is to be written. A value that is at hand (made for another program of the invocation, or
in the cache) needs none of its inputs; so where all pictures are in the cache no model is loaded, and none of its files
is read. Equal values are found by their keys, whatever plans they come from.

All uses are known before the first instruction runs, so a value is let go right after its last one, and models beyond a
limit of bytes before that (`keeping.py`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.program import Align, Decode, Denoise, Emit, EncodeImage, LoadModel, Resume
from mosaic.runtime.batching import Batch, batches
from mosaic.runtime.ends import Ends, told
from mosaic.runtime.jobs import Job, files
from mosaic.runtime.keeping import Kept, Schedule, room, schedule
from mosaic.runtime.origin import Origin
from mosaic.runtime.prefetch import Prefetch
from mosaic.runtime.prefixes import STANDS, crosses, left, rest
from mosaic.runtime.rows import run
from mosaic.runtime.values import Image, Latent, Value
from mosaic.runtime.verify import gives
from mosaic.runtime.wiring import grouped

if TYPE_CHECKING:
    from mosaic.runtime.engine import Engine


_SHELVED: Final = 4
"""What files that are read ahead, or will be read again, may take: one part in so many of what models may."""


class Invocation:
    """Runs jobs. They are verified; the files that they need are verified here."""

    def __init__(self, engine: Engine, jobs: Sequence[Job]) -> None:
        self._engine = engine
        self._store = engine.store
        self._jobs = grouped(jobs)
        self._values = Kept(0, Schedule())
        self._uses: Counter[str] = Counter()
        self._planned: set[str] = set()  # keys of what is to be computed
        self._settled: set[str] = set()  # keys of models whose weights something computes with
        self._ends = Ends()
        self._batches = batches(self._jobs, engine.batch)
        self._version = engine.versions()["mosaic"]

    def run(self) -> None:
        """Run all jobs. Raises MosaicError."""
        seen: set[str] = set()
        needed = [(job, number) for job in self._jobs for number in self._plan(job, seen)]
        keep = room(self._engine.device) if self._engine.keep is None else self._engine.keep
        self._values = Kept(keep, schedule(self._jobs, self._planned))
        for key in (*self._ends.continued(), *self._batches.shorter.values()):
            self._uses[key] += 1
        shelf = self._engine.reader.shelf
        shelf.limit = keep // _SHELVED
        wanted = [file for job, number in needed for file in files(job, number)]
        unread = [file for job, number in needed if self._reads(job, number) for file in files(job, number)]
        try:
            with Prefetch(self._engine.reader, wanted, unread) as ahead:
                self._run_jobs(ahead)
        finally:
            shelf.clear()
            self._engine.evicted = self._values.evicted

    def _reads(self, job: Job, number: int) -> bool:
        """Whether an instruction's files are to be read ahead: not where a checkpoint is still in memory."""
        operation = job.operations[number]
        expert = operation.expert if isinstance(operation, LoadModel) else None
        is_read = expert is None or not self._engine.has_base(job.program.experts[expert])
        return self._engine.ahead and is_read

    def _run_jobs(self, ahead: Prefetch) -> None:
        try:
            for job in self._jobs:
                started = time.perf_counter()
                for made, number in job.wanted():
                    self._ensure(job, made)
                    operation = job.operations[number]
                    if isinstance(operation, Emit):
                        ahead.verified()
                        self._write(job, number, operation, job.keys[made])
                    self._release(job.keys[made])
                job.elapsed = time.perf_counter() - started
        except MosaicError:
            ahead.verified()  # that a file was changed may be why, and is told first
            raise
        ahead.verified()

    def _plan(self, job: Job, seen: set[str]) -> list[int]:
        """Look ahead: which instructions of a job will be computed, in order, and how often each value will be used.

        Only a forecast: what is damaged or gone when it is read is computed after all.
        """
        needed: set[int] = set()
        for made, _ in job.wanted():
            needed.add(made)
            self._uses[job.keys[made]] += 1
        computed = []
        for number in range(len(job.operations) - 1, -1, -1):
            key = job.keys[number]
            if number not in needed or key in seen:
                continue
            seen.add(key)
            if self._is_kept(job, number) and self._store is not None and self._store.has(key):
                continue
            computed.append(number)
            self._planned.add(key)
            needed.update(job.inputs[number])
            self._use(job, number)
            operation = job.operations[number]
            if isinstance(operation, Denoise | Resume) and key not in self._batches.touched:
                self._ends.note(told(operation, job.taken(number)), operation.until, key)
        return computed[::-1]

    def _use(self, job: Job, number: int) -> None:
        """Count what an instruction takes, and the files that it reads, as used once more."""
        for file in files(job, number):
            self._engine.reader.shelf.expect(file.sha256)
        for taken in job.inputs[number]:
            self._uses[job.keys[taken]] += 1
            # Codecs are not fused: what only they are asked of is never worked out.
            if not isinstance(job.operations[number], Decode | EncodeImage | Align):
                self._settled.add(job.keys[taken])

    def _ensure(self, job: Job, target: int) -> None:
        """Have the result of an instruction at hand: as it is, from the cache, or computed with all that it needs."""
        needed, compute = {target}, []
        for number in range(target, -1, -1):
            if number not in needed or self._is_at_hand(job, number):
                continue
            compute.append(number)
            needed.update(job.inputs[number])
        for number in compute:
            if job.keys[number] not in self._planned:
                self._use(job, number)  # it was thought to be at hand
            self._planned.discard(job.keys[number])
        for number in reversed(compute):
            self._compute(job, number)

    def _is_at_hand(self, job: Job, number: int) -> bool:
        key = job.keys[number]
        if key in self._values:
            if job.sources[number] is Origin.UNUSED:
                job.sources[number] = Origin.SHARED
            return True
        if self._store is None or not self._is_kept(job, number):
            return False
        started = time.perf_counter()
        value = self._store.get(key)
        if not isinstance(value, Latent | Image) or (gives(job.operations[number]) == "image") != isinstance(
            value, Image
        ):
            return False
        self._values.put(key, value)
        job.sources[number] = Origin.CACHE
        job.seconds[number] += time.perf_counter() - started
        return True

    def _is_kept(self, job: Job, number: int) -> bool:
        """Whether an instruction's result may be in the cache, now or later."""
        return job.is_cached(number) and job.keys[number] not in self._batches.touched

    def _compute(self, job: Job, number: int) -> None:
        operation, key = job.operations[number], job.keys[number]
        if key in self._values:
            return  # something before it had to have it first
        if key in self._batches.of:
            self._together(self._batches.of[key])
            return
        self._values.reach(key)
        taken = self._take(job, number)
        started = time.perf_counter()
        if isinstance(operation, Denoise | Resume):
            value = self._run(job, number, operation, taken)
        else:
            value = job.executor.execute(operation, taken, key, settle=key in self._settled)
        del taken
        if self._store is not None and self._is_kept(job, number) and isinstance(value, Latent | Image):
            self._store.put(key, value)
        self._done(job, number, time.perf_counter() - started)
        self._values.put(key, value, [job.keys[each] for each in job.inputs[number]])

    def _done(self, job: Job, number: int, seconds: float) -> None:
        for file in files(job, number):
            self._engine.reader.shelf.done(file.sha256)
        for each in job.inputs[number]:
            self._release(job.keys[each])
        job.sources[number] = Origin.COMPUTED
        job.seconds[number] += seconds

    def _take(self, job: Job, number: int) -> dict[int, Value]:
        """What an instruction takes, by value number. What was let go is made again."""
        found: dict[int, Value] = {}
        for value, key in job.taken(number).items():
            if key not in self._values:
                self._ensure(job, job.made[value])
            found[value] = self._values[key]
        return found

    def _together(self, batch: Batch) -> None:
        """Take several runs as one, in their jobs' names, with all that they need."""
        for member in batch:
            self._planned.discard(member.key)
            for each in member.job.inputs[member.number]:
                self._ensure(member.job, each)
        shorter = [self._batches.shorter[m.key] for m in batch if m.key in self._batches.shorter]
        if shorter and shorter[0] not in self._values:
            self._together(self._batches.of[shorter[0]])
        started = time.perf_counter()
        taken = [self._take(member.job, member.number) for member in batch]
        begun = [latent for latent in (self._values[key] for key in shorter) if isinstance(latent, Latent)]
        for member, latent in zip(batch, run(batch, taken, begun), strict=True):
            self._values.put(member.key, latent)
        for key in shorter:
            self._release(key)
        del taken, begun
        for member in batch:
            self._done(member.job, member.number, (time.perf_counter() - started) / len(batch))

    def _run(self, job: Job, number: int, operation: Denoise | Resume, taken: dict[int, Value]) -> Value:
        """Take a run, from where a shorter one ended that is told the same; that one is taken first where it is to be
        taken at all."""
        shorter = self._ends.before(told(operation, job.taken(number)), operation.until)
        if shorter is None or crosses(taken[operation.model]):
            return job.executor.execute(operation, taken, "", settle=False)
        until, key = shorter
        if key not in self._values:
            if key not in self._planned:
                return job.executor.execute(operation, taken, "", settle=False)
            self._planned.discard(key)
            begun = self._run(job, number, operation.model_copy(update={"until": until}), taken)
            self._values.put(key, begun)
            if self._store is not None and isinstance(begun, Latent):
                self._store.put(key, begun)
            for each in job.inputs[number]:
                self._release(job.keys[each])  # the shorter one takes the same
        value = self._values[key]
        if left(operation, value):
            value = job.executor.execute(rest(operation), {**taken, STANDS: value}, "", settle=False)
        self._release(key)
        return value

    def _write(self, job: Job, number: int, operation: Emit, key: str) -> None:
        started = time.perf_counter()
        job.emitted.append(job.executor.write(operation, self._values[key], job.folder, self._version))
        if key in self._batches.touched:
            job.batched.append(operation.path)
        job.sources[number] = Origin.COMPUTED
        job.seconds[number] = time.perf_counter() - started

    def _release(self, key: str) -> None:
        self._uses[key] -= 1
        if self._uses[key] <= 0:
            self._values.drop(key)
