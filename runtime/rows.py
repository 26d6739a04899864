"""Several denoising runs as the rows of one: what they take is put together, and what they give is taken apart again.

They have one model and the same settings, and stand at the same step; seeds and prompts are their own. Schedulers treat
every number of a latent alike, and noise comes from each row's own generator, so a row takes the steps that it would
take alone, but for how a denoiser rounds in a larger batch.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from mosaic.compiler.program import Denoise, Refine, Resume
from mosaic.runtime import denoise
from mosaic.runtime.batching import Batch
from mosaic.runtime.denoise import Denoising
from mosaic.runtime.prefixes import STANDS, crosses, left, rest
from mosaic.runtime.values import Conditioning, Latent, Mix, Model, Prompt, Run, Tree, Turn, Value, leaves

if TYPE_CHECKING:
    from mosaic.runtime.execute import Executor


class Apart(ValueError):
    """Runs that cannot be rows of one."""


def run(batch: Batch, taken: Sequence[Mapping[int, Value]], begun: Sequence[Latent]) -> list[Latent]:
    """The latents of the runs of a batch, each with the values that it takes, as rows of one run where that can be.

    They go on from what shorter runs have `begun`, if there are any. Raises MosaicError.
    """
    operations: list[Denoise | Resume | Refine] = [member.operation for member in batch]
    executors = [member.job.executor for member in batch]
    model = taken[0][operations[0].model]
    assert isinstance(model, Model | Turn | Mix), "`verify` has proven the types of all values"
    if begun and not crosses(model):
        runs = [each for each in operations if not isinstance(each, Refine)]
        if not left(runs[0], begun[0]):
            return list(begun)
        operations = [rest(each) for each in runs]
        taken = [{**values, STANDS: latent} for values, latent in zip(taken, begun, strict=True)]
    each_run = list(zip(executors, operations, taken, strict=True))
    try:
        with executors[0].telling(operations[0], taken[0], len(batch)):
            work = [executor.denoising(operation, values) for executor, operation, values in each_run]
            return run_together(work, operations, _latents(operations, taken))
    except Apart:
        return [_alone(*each) for each in each_run]


def run_together(
    work: Sequence[Denoising], operations: Sequence[Denoise | Resume | Refine], latents: Sequence[Latent]
) -> list[Latent]:
    """Take several runs as one, and give each its latent. Resumed and refined ones go on from `latents`, one each.

    Raises Apart where they cannot be rows of one run, MosaicError as each of them would.
    """
    if not may_have_rows(work[0].model):
        raise Apart("rows of these models would take different ways")
    as_one = replace(
        work[0],
        positive=_conditioning(work[0].model, [each.positive for each in work]),
        negative=_conditioning(work[0].model, [each.negative for each in work]),
    )
    match operations[0]:
        case Denoise() as wanted:
            found = denoise.sample(as_one, wanted, _seeds(operations))
        case Refine() as wanted:
            found = denoise.refine(as_one, joined(latents), wanted, _seeds(operations))
        case Resume() as wanted:
            found = denoise.resume(as_one, joined(latents), wanted)
    return parted(found)


def may_have_rows(tree: Tree) -> bool:
    """Whether one run of a model can have rows with prompts of their own: not where it goes by what a prompt means, or
    is carried over between latent spaces."""
    return not crosses(tree) and not _listens(tree)


def joined(latents: Sequence[Latent]) -> Latent:
    """Latents as the rows of one. Raises Apart where they differ in size, or their runs in where they stand."""
    samples = [latent.sample for latent in latents]
    if len({sample.shape for sample in samples}) > 1:
        raise Apart("they differ in size")
    cleans = [latent.clean for latent in latents if latent.clean is not None]
    clean = torch.cat(cleans) if len(cleans) == len(latents) else None
    runs = [latent.run for latent in latents if latent.run is not None]
    if not runs:
        return Latent(torch.cat(samples), None, clean)
    first = runs[0]
    if len(runs) < len(latents) or any(
        (run.name, run.position) != (first.name, first.position)
        or not torch.equal(run.timesteps, first.timesteps)
        for run in runs
    ):
        raise Apart("they stand at different steps")
    generator = torch.stack([run.generator for run in runs])
    run = Run(first.name, _joined(runs), first.timesteps, first.position, generator)
    return Latent(torch.cat(samples), run, clean)


def parted(latent: Latent) -> list[Latent]:
    """Each row of a latent as one of its own: nothing of it is shared with the others."""
    count = len(latent.sample)
    found = []
    for row in range(count):
        run = latent.run
        if run is not None:
            scheduler = copy.copy(run.scheduler)
            for name, value in vars(run.scheduler).items():
                setattr(scheduler, name, _row(value, row, count))
            run = replace(run, scheduler=scheduler, generator=run.generator[row].clone())
        clean = None if latent.clean is None else _row(latent.clean, row, count)
        found.append(Latent(_row(latent.sample, row, count), run, clean))
    return found


def _joined(runs: Sequence[Run]) -> Any:
    """A scheduler with the histories of several."""
    schedulers = [run.scheduler for run in runs]
    one = copy.copy(schedulers[0])
    for name in vars(one):
        setattr(one, name, _merged([vars(each).get(name) for each in schedulers]))
    return one


def _merged(values: Sequence[Any]) -> Any:
    """What schedulers hold under one name: latents become rows, all else has to be the same."""
    first = values[0]
    if all(_is_latents(value) for value in values):
        return torch.cat(list(values))
    if isinstance(first, list) and all(isinstance(v, list) and len(v) == len(first) for v in values):
        return [_merged(several) for several in zip(*values, strict=True)]
    if isinstance(first, torch.Tensor):
        same = all(isinstance(value, torch.Tensor) and torch.equal(value, first) for value in values)
    else:
        same = all(type(value) is type(first) and value == first for value in values)
    if not same:
        raise Apart("their schedulers stand differently")
    return first


def _row(value: Any, row: int, count: int) -> Any:
    if isinstance(value, list):
        return [_row(each, row, count) for each in value]
    if _is_latents(value) and len(value) == count:
        return value[row : row + 1].clone()
    return value


def _is_latents(value: Any) -> bool:
    """Whether a scheduler's attribute is (n, channels, h, w): its tables are vectors, its counts numbers."""
    return isinstance(value, torch.Tensor) and value.ndim == 4


def _conditioning(model: Tree, several: Sequence[Conditioning]) -> Conditioning:
    """Conditionings of one form as one, whose texts have a row for each."""
    if all(each is several[0] for each in several):
        return several[0]
    if len({len(each.prompts) for each in several}) > 1:
        raise Apart("they have different numbers of prompts")
    return Conditioning(
        tuple(_prompt(model, [each.prompts[n] for each in several]) for n in range(len(several[0].prompts)))
    )


def _prompt(model: Tree, several: Sequence[Prompt]) -> Prompt:
    first = several[0]
    if any((p.weight, p.window, p.region) != (first.weight, first.window, first.region) for p in several):
        raise Apart("their prompts count in different places")

    def encode(leaf: Model, text: str) -> torch.Tensor:
        return torch.cat([prompt.hidden(leaf) for prompt in several])

    for leaf in leaves(model):
        if len({prompt.hidden(leaf).shape for prompt in several}) > 1:
            raise Apart("their prompts differ in length")
    return replace(first, encode=encode, _encoded={})


def _alone(executor: Executor, operation: Denoise | Resume | Refine, values: Mapping[int, Value]) -> Latent:
    latent = executor.execute(operation, values)
    assert isinstance(latent, Latent)
    return latent


def _latents(
    operations: Sequence[Denoise | Resume | Refine], taken: Sequence[Mapping[int, Value]]
) -> list[Latent]:
    """What runs go on from."""
    found = []
    for operation, values in zip(operations, taken, strict=True):
        if not isinstance(operation, Denoise):
            latent = values[operation.latent]
            assert isinstance(latent, Latent)
            found.append(latent)
    return found


def _listens(tree: Tree) -> bool:
    """Whether anything in a model goes by the words of a prompt."""
    if isinstance(tree, Model):
        return False
    own = isinstance(tree, Turn) and bool(tree.words)
    return own or any(_listens(child) for child in (tree.rest, *tree.children))


def _seeds(operations: Sequence[Denoise | Resume | Refine]) -> list[int]:
    return [each.seed for each in operations if not isinstance(each, Resume)]
