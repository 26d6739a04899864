"""Drawing one program's picture from several seeds in one batch: what measurements of many pictures are made with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from mosaic.compiler.program import Decode, Denoise, Emit, Program, Refine, Resume
from mosaic.runtime import denoise, pictures, tiles
from mosaic.runtime.execute import Executor
from mosaic.runtime.results import Drawn
from mosaic.runtime.values import Image, Latent, Mix, Model, Turn, Value, last_leaf

if TYPE_CHECKING:
    from mosaic.runtime.engine import Engine


def require_one_picture(program: Program) -> None:
    """Raise ValueError for a program that does more than to sample once and emit one picture."""
    operations = [instruction.operation for instruction in program.instructions]
    sampled = [each for each in operations if isinstance(each, Denoise | Resume | Refine)]
    emitted = [each for each in operations if isinstance(each, Emit)]
    # One run may stand in several pieces: compiled, it is cut where an operand's window opens or closes.
    is_one = (
        bool(sampled) and isinstance(sampled[0], Denoise) and all(isinstance(e, Resume) for e in sampled[1:])
    )
    if not is_one or [e.type for e in emitted] != ["image"]:
        raise ValueError("only a program that samples once and emits one picture can be drawn")


def draw(engine: Engine, program: Program, seeds: Sequence[int]) -> Drawn:
    """The picture of a verified program, from several seeds. Raises MosaicError."""
    started = time.perf_counter()
    executor = Executor(engine, program)
    values: dict[int, Value] = {}
    drawn: list[Image] = []
    for instruction in program.instructions:
        operation = instruction.operation
        match operation:
            case Denoise():
                work = executor.denoising(operation, values)
                values[instruction.result] = denoise.sample(work, operation, seeds)
            case Decode():
                drawn = _decoded(values[operation.model], values[operation.latent], operation.tile)
                values[instruction.result] = drawn[0]
            case Emit():
                pass
            case _:
                values[instruction.result] = executor.execute(operation, values)
        for freed in instruction.frees:
            values.pop(freed, None)
    meter = executor.meter
    stacked = np.stack([image.pixels for image in drawn])
    return Drawn(stacked, meter.evaluations, meter.rows, time.perf_counter() - started)


def _decoded(tree: Value, latent: Value, tile: tiles.Tile | None) -> list[Image]:
    """The pictures of a latent's rows, one at a time."""
    assert isinstance(tree, Model | Turn | Mix) and isinstance(latent, Latent)  # `verify` has proven it
    model = last_leaf(tree)
    rows = torch.split(latent.sample.to(model.base.device.torch), 1)
    return [pictures.from_tensor(tiles.decode(model, row, tile)) for row in rows]
