"""The engine: runs a program, instruction by instruction."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
import torch

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.runtime import (
    FamilyCannotRun,
    NotFinite,
    NotOneModel,
    OutOfMemory,
    UnsupportedSize,
)
from mosaic.compiler.operators import Operator
from mosaic.compiler.program import (
    Align,
    CombinePrompts,
    Decode,
    Denoise,
    Emit,
    EncodeImage,
    EncodeText,
    Expert,
    File,
    Fuse,
    LoadImage,
    LoadModel,
    Operation,
    Program,
    Refine,
    Resume,
)
from mosaic.compiler.steps import steps_until
from mosaic.runtime import denoise, pictures
from mosaic.runtime.adapters import KeyCount
from mosaic.runtime.align import carry
from mosaic.runtime.bridges import read_bridge
from mosaic.runtime.devices import DeviceName, DtypeName, choose, deterministic, versions
from mosaic.runtime.evaluate import Meter
from mosaic.runtime.families import ModuleCache, families
from mosaic.runtime.files import Reader
from mosaic.runtime.fuse import Fusion, Truncation
from mosaic.runtime.outputs import Emitted, recipe, write_image, write_latent, write_model
from mosaic.runtime.progress import Progress, Silent
from mosaic.runtime.values import (
    Base,
    Conditioning,
    Image,
    Latent,
    Mix,
    Model,
    Prompt,
    Tree,
    Turn,
    Value,
    first_leaf,
    last_leaf,
    leaves,
)
from mosaic.runtime.verify import takes, verify

_V = TypeVar("_V", Conditioning, Latent, Image)


@dataclass(frozen=True)
class Timing:
    """How long one instruction took."""

    instruction: int
    op: str
    label: str
    seconds: float


@dataclass(frozen=True)
class RunResult:
    """What a run wrote and what it took.

    `evaluations` are forward passes of denoisers, `rows` the latents in them; `truncations` say what fusions that
    were cut to a rank lost.
    """

    program: str
    emitted: tuple[Emitted, ...]
    seconds: float
    evaluations: int
    rows: int
    truncations: tuple[Truncation, ...]
    timings: tuple[Timing, ...]
    keys: tuple[KeyCount, ...]
    device: str
    dtype: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Drawn:
    """Pictures (n, height, width, 3) of 8 bits, one a seed, and what they took together."""

    pictures: npt.NDArray[np.uint8]
    evaluations: int
    rows: int
    seconds: float


class Engine:
    """Runs programs on one device.

    `locate` says where a program's file lies now; its bytes are verified before use. The model that was
    loaded last stays in memory between runs, so that a sweep does not load it again.
    """

    def __init__(
        self,
        *,
        locate: Callable[[File], Path],
        operators: Mapping[str, Operator],
        device: DeviceName = "auto",
        dtype: DtypeName = "auto",
        progress: Progress | None = None,
    ) -> None:
        """Raises MosaicError (M859) for a device that is not there."""
        self._reader = Reader(locate)
        self._operators = operators
        self._device = choose(device, dtype)
        self._progress: Progress = progress or Silent()
        self._families = families()
        self._modules: ModuleCache = weakref.WeakValueDictionary()
        self._last: tuple[tuple[str, ...], Base] | None = None

    def run(self, program: Program, output: Path) -> RunResult:
        """Run a program and write what it emits under the folder `output`.

        Raises MosaicError with coded diagnostics: a malformed program, missing or changed files, experts
        that do not fit, numbers out of range, unwritable outputs. What was emitted before stays.
        """
        verify(program)
        self._reader.verify(file for expert in program.experts for file in expert.files)
        self._reader.verify(program.images)
        try:
            with deterministic(self._device):
                return _Walk(self, program, output).run()
        finally:
            self._progress.finish()

    def draw(self, program: Program, seeds: Sequence[int]) -> Drawn:
        """The one picture that a program emits, from several seeds in one batch. Nothing is written.

        The program samples once, from noise; its own seed is not used.
        Raises MosaicError as `run` does, ValueError for a program of another shape.
        """
        operations = [instruction.operation for instruction in program.instructions]
        sampled = [each for each in operations if isinstance(each, Denoise | Resume | Refine)]
        emitted = [each for each in operations if isinstance(each, Emit)]
        if len(sampled) != 1 or not isinstance(sampled[0], Denoise) or [e.type for e in emitted] != ["image"]:
            raise ValueError("only a program that samples once and emits one picture can be drawn")
        verify(program)
        self._reader.verify(file for expert in program.experts for file in expert.files)
        with deterministic(self._device):
            return _Drawing(self, program, seeds).draw()

    def base(self, expert: Expert) -> Base:
        """A checkpoint, loaded or still in memory. Raises MosaicError."""
        key = (str(expert.family), *(f"{file.name}:{file.sha256}" for file in expert.files))
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        family = self._families.get(expert.family or "")
        if family is None:
            known = ", ".join(self._families)
            raise MosaicError(
                FamilyCannotRun(span=None, expert=expert.id, family=str(expert.family), known=known)
            )
        base = family.load(expert, self._reader, self._device, self._modules)
        self._last = (key, base)
        return base


class _Walk:
    """One run of one program."""

    def __init__(self, engine: Engine, program: Program, output: Path) -> None:
        self.engine = engine
        self.program = program
        self.output = output
        self.values: dict[int, Value] = {}
        self.emitted: list[Emitted] = []
        self.meter = Meter(advance=engine._progress.advance)
        self.fusion = Fusion(
            program.experts,
            engine._operators,
            engine._reader,
            engine.base,
            partial(read_bridge, engine._reader),
        )
        self.only_written = only_written(program)

    def run(self) -> RunResult:
        started = time.perf_counter()
        timings = []
        for number, instruction in enumerate(self.program.instructions):
            before = time.perf_counter()
            label = self._label(instruction.operation)
            self.engine._progress.stage(label, self._parts(instruction.operation))
            try:
                value = self._execute(instruction.operation, instruction.result)
            except (MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                where = self.engine._device.name
                raise MosaicError(
                    OutOfMemory(span=None, device=where, operation=instruction.operation.op)
                ) from error
            if value is not None:
                self.values[instruction.result] = value
            del value
            for freed in instruction.frees:
                self.values.pop(freed, None)
            timings.append(Timing(number, instruction.operation.op, label, time.perf_counter() - before))
        device = self.engine._device
        return RunResult(
            program=self.program.digest,
            emitted=tuple(self.emitted),
            seconds=time.perf_counter() - started,
            evaluations=self.meter.evaluations,
            rows=self.meter.rows,
            truncations=self.fusion.truncations(),
            timings=tuple(timings),
            keys=tuple(dict.fromkeys(self.fusion.keys)),
            device=device.name,
            dtype=device.dtype_name,
            versions={"mosaic": version(), **versions()},
        )

    def _execute(self, operation: Operation, number: int) -> Value | None:
        match operation:
            case LoadModel(expert=expert):
                return Model.of(self.engine.base(self.program.experts[expert]))
            case Fuse():
                return self._fuse(operation, number)
            case EncodeText():
                return self._encode_text(operation)
            case CombinePrompts():
                return self._combine_prompts(operation)
            case Denoise():
                return denoise.sample(self._denoising(operation), operation)
            case Resume():
                return denoise.resume(self._denoising(operation), self._latent(operation.latent), operation)
            case Refine():
                return denoise.refine(self._denoising(operation), self._latent(operation.latent), operation)
            case Align():
                return self._align(operation)
            case Decode():
                return self._decode(operation)
            case EncodeImage():
                return self._encode_image(operation)
            case LoadImage(file=file):
                wanted = self.program.images[file]
                return pictures.load(self.engine._reader.path(wanted), wanted.location)
            case Emit():
                self._emit(operation)
                return None

    def _fuse(self, operation: Fuse, number: int) -> Tree:
        models = {o.model: self._model(o.model) for o in operation.operands if o.model is not None}
        return self.fusion.apply(
            self._model(operation.model),
            operation,
            models,
            self.meter.advance,
            settle=number not in self.only_written,
        )

    def _encode_text(self, operation: EncodeText) -> Conditioning:
        prompt = Prompt(operation.text)
        for leaf in leaves(self._model(operation.model)):
            prompt.hidden(leaf)
        return Conditioning((prompt,))

    def _combine_prompts(self, operation: CombinePrompts) -> Conditioning:
        return Conditioning(
            tuple(
                replace(prompt, weight=part.weight, window=part.window, region=part.region)
                for part in operation.parts
                for prompt in self._value(part.conditioning, Conditioning).prompts
            )
        )

    def _align(self, operation: Align) -> Latent:
        bridge = None if operation.bridge is None else self.program.experts[operation.bridge]
        return carry(
            self._latent(operation.latent),
            last_leaf(self._model(operation.source)),
            first_leaf(self._model(operation.model)),
            None if bridge is None else read_bridge(self.engine._reader, bridge),
        )

    def _mask(self, index: int) -> torch.Tensor:
        wanted = self.program.images[index]
        return pictures.grey(pictures.load(self.engine._reader.path(wanted), wanted.location))

    def _decode(self, operation: Decode) -> Image:
        model = last_leaf(self._model(operation.model))
        latent = self._latent(operation.latent)
        denoise.require_channels(latent, model)
        picture = model.base.family.decode(model.vae, latent.sample.to(model.base.device.torch))
        if not bool(torch.isfinite(picture).all()):
            raise MosaicError(NotFinite(span=None, operation="decoding"))
        return pictures.from_tensor(picture)

    def _encode_image(self, operation: EncodeImage) -> Latent:
        model = first_leaf(self._model(operation.model))
        image = self._value(operation.image, Image)
        height, width = image.pixels.shape[:2]
        factor = model.vae.factor
        if width % factor or height % factor:
            raise MosaicError(UnsupportedSize(span=None, width=width, height=height, multiple=factor))
        picture = pictures.to_tensor(image, model.base.device.torch)
        return Latent(model.base.family.encode_image(model.vae, picture), None)

    def _emit(self, operation: Emit) -> None:
        path = self.output / operation.path
        texts = recipe(self.program, version(), operation)
        match self.values[operation.value]:
            case Image() as image:
                digest = write_image(image, path, texts)
            case Latent() as latent:
                digest = write_latent(latent, path, texts)
            case Model() as model:
                digest = write_model(model, path, texts)
            case Turn() | Mix():
                raise MosaicError(NotOneModel(span=None, what=f"`{operation.path}`"))
            case Conditioning():
                raise AssertionError("verify() lets no conditioning be emitted")
        self.emitted.append(Emitted(operation.path, path, operation.type, digest))

    def _denoising(self, operation: Denoise | Resume | Refine) -> denoise.Denoising:
        return denoise.Denoising(
            model=self._model(operation.model),
            positive=self._value(operation.positive, Conditioning),
            negative=self._value(operation.negative, Conditioning),
            meter=self.meter,
            load=self._mask,
        )

    def _model(self, number: int) -> Tree:
        # `verify` has proven the types of all values.
        return cast(Tree, self.values[number])

    def _latent(self, number: int) -> Latent:
        return self._value(number, Latent)

    def _value(self, number: int, kind: type[_V]) -> _V:
        # `verify` has proven the types of all values.
        return cast(_V, self.values[number])

    def _label(self, operation: Operation) -> str:
        experts = self.program.experts
        match operation:
            case LoadModel(expert=expert):
                return f"load {experts[expert].id}"
            case Fuse(operands=operands):
                return f"fuse {len(operands)} expert{'' if len(operands) == 1 else 's'}"
            case LoadImage(file=file):
                return f"read {self.program.images[file].name}"
            case Emit(path=path):
                return f"write {path}"
            case _:
                return _LABELS[operation.op]

    def _parts(self, operation: Operation) -> int:
        match operation:
            case Denoise():
                return max(1, steps_until(operation.until, operation.steps))
            case Refine():
                return max(1, int(operation.strength * operation.steps + 1e-6))
            case Resume():
                run = self._latent(operation.latent).run
                left = steps_until(operation.until, run.total) - run.position if run else 1
                return max(1, left if operation.steps is None else min(left, operation.steps))
            case _:
                return 1


def only_written(program: Program) -> frozenset[int]:
    """The values that nothing but an emit reads: models that need not be held whole."""
    working = (i.operation for i in program.instructions if not isinstance(i.operation, Emit))
    read = {value for operation in working for value, _ in takes(operation)}
    return frozenset(i.result for i in program.instructions) - read


class _Drawing(_Walk):
    """A run that takes several seeds and keeps its pictures."""

    def __init__(self, engine: Engine, program: Program, seeds: Sequence[int]) -> None:
        super().__init__(engine, program, Path())
        self.seeds = seeds
        self.pictures: list[npt.NDArray[np.uint8]] = []

    def draw(self) -> Drawn:
        result = self.run()
        return Drawn(np.stack(self.pictures), result.evaluations, result.rows, result.seconds)

    def _execute(self, operation: Operation, number: int) -> Value | None:
        match operation:
            case Denoise():
                return denoise.sample(self._denoising(operation), operation, self.seeds)
            case Decode():
                model = last_leaf(self._model(operation.model))
                rows = torch.split(self._latent(operation.latent).sample.to(model.base.device.torch), 1)
                drawn = [pictures.from_tensor(model.base.family.decode(model.vae, row)) for row in rows]
                self.pictures = [image.pixels for image in drawn]
                return drawn[0]
            case Emit():
                return None
        return super()._execute(operation, number)


_LABELS = {
    "encode_text": "read prompt",
    "combine_prompts": "combine prompts",
    "align": "carry over",
    "denoise": "denoise",
    "resume": "resume",
    "refine": "refine",
    "decode": "decode",
    "encode_image": "encode picture",
}


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    # Only cuda has a type of its own for it; the CPU's and mps's allocators say it in words.
    words = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(w in str(error) for w in words)


def version() -> str:
    """The installed version of mosaic, or `unknown` in a tree that was never installed."""
    try:
        return metadata.version("mosaic-plan")
    except metadata.PackageNotFoundError:
        return "unknown"
