"""The engine: runs programs on one device."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import FamilyCannotRun
from mosaic.compiler.operators import Operator
from mosaic.compiler.program import Expert, File, Program
from mosaic.runtime.beside import Adapter
from mosaic.runtime.cache.tiers import Encoding, Store
from mosaic.runtime.devices import DeviceName, DtypeName, choose, deterministic, versions
from mosaic.runtime.drawing import draw, require_one_picture
from mosaic.runtime.evaluate import ROWS_AT_ONCE
from mosaic.runtime.families import ModuleCache, families
from mosaic.runtime.files import Reader
from mosaic.runtime.invocation import Invocation
from mosaic.runtime.jobs import Job
from mosaic.runtime.keys import text_key
from mosaic.runtime.numerics import numerics
from mosaic.runtime.progress import Progress, Silent
from mosaic.runtime.results import Drawn, RunResult
from mosaic.runtime.values import Base, Model, encode_text
from mosaic.runtime.verify import verify


class Engine:
    """Runs programs on one device.

    `locate` says where a program's file lies now; its bytes are verified before use. The model that was
    loaded last stays in memory between runs, so that a sweep does not load it again. `store` keeps latents and
    pictures from one run to the next; without one, values are shared only among programs that are run together. With
    `offload` networks lie in main memory and are on the device one at a time: the same to the bit, with less memory.

    `batch` is the most rows that one call of a denoiser holds. Where it is given, runs of one model denoise together,
    and what they give is the same only up to floating point; without it a run is to the bit what it is alone. `keep` is
    how many bytes of models an invocation keeps for later instructions, by default half of the device's memory.
    """

    def __init__(
        self,
        *,
        locate: Callable[[File], Path],
        operators: Mapping[str, Operator],
        device: DeviceName = "auto",
        dtype: DtypeName = "auto",
        progress: Progress | None = None,
        store: Store | None = None,
        offload: bool = False,
        batch: int | None = None,
        keep: int | None = None,
    ) -> None:
        """Raises MosaicError (M859) for a device that is not there."""
        self.reader = Reader(locate)
        self.operators = operators
        found = choose(device, dtype)
        self.device = found.offloading() if offload else found
        self.progress: Progress = progress or Silent()
        self.store = store
        self.batch = batch
        self.keep = keep
        # On the CPU, what was verified a moment ago is copied from the system's memory as quickly when it is needed.
        self.ahead = self.device.name != "cpu"
        self.evicted = 0  # models that were let go before their last use
        self.pictures: list[File] = []  # what regions were drawn by so far
        self.adapters: weakref.WeakValueDictionary[tuple[int, str], Adapter] = weakref.WeakValueDictionary()
        self._families = families()
        self._modules: ModuleCache = weakref.WeakValueDictionary()
        self._bases: weakref.WeakValueDictionary[tuple[str, ...], Base] = weakref.WeakValueDictionary()
        self._last: Base | None = None

    def run(self, program: Program, output: Path) -> RunResult:
        """Run a program and write what it emits under the folder `output`.

        Raises MosaicError with coded diagnostics: a malformed program, missing or changed files, experts
        that do not fit, numbers out of range, unwritable outputs. What was emitted before stays.
        """
        (result,) = self.run_all([program], [output])
        return result

    def run_all(self, programs: Sequence[Program], outputs: Sequence[Path]) -> list[RunResult]:
        """Run several programs, each with its output folder, and make what they have in common once.

        They may run in another order than they are given in; their results come in theirs. Only files that something
        computed needs are read. Raises MosaicError as `run` does.
        """
        for program in programs:
            verify(program)
        facts = dict(self.numerics())
        if self.store is not None:
            self.store.note(facts)
        if self.batch not in (None, ROWS_AT_ONCE):
            facts["rows"] = str(self.batch)  # in calls of another size a denoiser rounds otherwise
        jobs = [
            Job.of(self, program, output, facts) for program, output in zip(programs, outputs, strict=True)
        ]
        try:
            with deterministic(self.device):
                Invocation(self, jobs).run()
        finally:
            self.progress.finish()
        return [job.result(self) for job in jobs]

    def draw(self, program: Program, seeds: Sequence[int]) -> Drawn:
        """The one picture that a program emits, from several seeds in one batch. Nothing is written.

        The program samples once, from noise; its own seed is not used.
        Raises MosaicError as `run` does, ValueError for a program of another shape.
        """
        require_one_picture(program)
        verify(program)
        self.reader.verify(file for expert in program.experts for file in expert.files)
        with deterministic(self.device):
            return draw(self, program, seeds)

    def base(self, expert: Expert) -> Base:
        """A checkpoint, loaded or still in memory. Raises MosaicError."""
        key = _base_key(expert)
        known = self._bases.get(key)
        if known is not None:
            self._last = known
            return known
        family = self._families.get(expert.family or "")
        if family is None:
            names = ", ".join(self._families)
            raise MosaicError(
                FamilyCannotRun(span=None, expert=expert.id, family=str(expert.family), known=names)
            )
        base = family.load(expert, self.reader, self.device, self._modules)
        self._bases[key] = self._last = base
        return base

    def has_base(self, expert: Expert) -> bool:
        """Whether a checkpoint is still in memory."""
        return _base_key(expert) in self._bases

    def picture(self, file: File) -> int:
        """The number of a picture, the same in all programs: its bytes decide. It is read where it was seen last."""
        for number, known in enumerate(self.pictures):
            if known.sha256 == file.sha256:
                self.pictures[number] = file
                return number
        self.pictures.append(file)
        return len(self.pictures) - 1

    def encode_text(self, model: Model, text: str) -> torch.Tensor:
        """A text as a model reads it, (1, tokens, width), perhaps from the store. Raises MosaicError."""
        if self.store is None or not model.text_content:
            return encode_text(model, text)
        key = text_key(model.base.family.name, model.text_content, text, self.numerics())
        known = self.store.get(key)
        if isinstance(known, Encoding):
            return known.hidden
        hidden = encode_text(model, text)
        self.store.put(key, Encoding(hidden))
        return hidden

    def numerics(self) -> Mapping[str, str]:
        """What decides numbers beside a program, here and now."""
        return numerics(self.device, self.operators)

    def versions(self) -> Mapping[str, str]:
        """The versions of what decides the numbers."""
        return {"mosaic": version(), **versions()}


def _base_key(expert: Expert) -> tuple[str, ...]:
    return (str(expert.family), *(f"{file.name}:{file.sha256}" for file in expert.files))


def version() -> str:
    """The installed version of mosaic, or `unknown` in a tree that was never installed."""
    try:
        return metadata.version("mosaic-plan")
    except metadata.PackageNotFoundError:
        return "unknown"
