"""Asking denoisers: what leaves predict for texts, in as few calls as their weights allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from diffusers import DDIMScheduler

from mosaic.runtime.attention import Texts
from mosaic.runtime.beside import beside
from mosaic.runtime.predictions import KINDS, Clock, Level, as_read, convert
from mosaic.runtime.values import Base, Model
from mosaic.runtime.weights import wearing

ROWS_AT_ONCE = 16
"""More rows than this are asked in several calls: what bounds the memory of many experts and prompts."""


@dataclass
class Meter:
    """Counts what a run costs and reports steps: `evaluations` are calls of denoisers, `rows` the latents in them."""

    evaluations: int = 0
    rows: int = 0
    advance: Callable[[int], None] = lambda done: None


_READINGS = 8
"""How many batches of texts are remembered in one run: where more experts take turns, none is met again soon."""


@dataclass(frozen=True)
class _Reading:
    """A batch of texts, with what the denoiser made of it. The leaves are kept so that no other objects get their
    identities."""

    asked: tuple[tuple[Model, torch.Tensor], ...]
    hidden: torch.Tensor
    texts: Texts = field(default_factory=dict)


@dataclass
class Evaluator:
    """Asks the leaves of one denoising run, and converts what they predict to one kind.

    `host` is the base whose noise schedule the run follows, `kind` what its scheduler expects of a prediction (epsilon,
    v). Latents are (n, channels, h, w). One call holds at most so many `rows`, or those of the sample where they are
    more.
    """

    host: Base
    kind: str
    meter: Meter
    rows: int = ROWS_AT_ONCE
    _clocks: dict[int, Clock] = field(default_factory=dict)
    _readings: dict[tuple[object, ...], _Reading] = field(default_factory=dict)

    def predictions(
        self,
        wanted: Sequence[tuple[Model, torch.Tensor]],
        sample: torch.Tensor,
        timestep: torch.Tensor,
        level: Level,
    ) -> list[torch.Tensor]:
        """Each leaf's prediction for each text, converted to the run's kind; what shares weights in one call."""
        groups: dict[tuple[int, int], list[int]] = {}
        for index, (leaf, _) in enumerate(wanted):
            groups.setdefault((id(leaf.base), id(leaf.hand)), []).append(index)
        found: dict[int, torch.Tensor] = {}
        for members in groups.values():
            most = max(1, self.rows // len(sample))
            for start in range(0, len(members), most):
                part = members[start : start + most]
                predicted = self._call([wanted[i] for i in part], sample, timestep, level)
                found.update(zip(part, predicted, strict=True))
        return [found[index] for index in range(len(wanted))]

    def _call(
        self,
        asked: Sequence[tuple[Model, torch.Tensor]],
        sample: torch.Tensor,
        timestep: torch.Tensor,
        level: Level,
    ) -> Sequence[torch.Tensor]:
        leaf = asked[0][0]
        base, count = leaf.base, len(sample)
        kind = KINDS[str(base.scheduler.get("prediction_type", "epsilon"))]
        given = as_read(sample, level, kind)
        rows = torch.cat([given] * len(asked)) if len(asked) > 1 else given
        reading = self._reading(asked, count)
        time = self._time(base, kind, timestep, level)
        changes = [one.beside for one, _ in asked for _ in range(count)]
        with wearing(base.unet, leaf.overlay) as denoiser:
            if any(changes):
                with beside(base.unet, changes) as changed:
                    predicted = base.family.predict(changed, rows, time, reading.hidden, reading.texts)
            else:
                predicted = base.family.predict(denoiser, rows, time, reading.hidden, reading.texts)
        self.meter.evaluations += 1
        self.meter.rows += len(rows)
        return [convert(part, sample, level, kind, self.kind) for part in predicted.chunk(len(asked))]

    def _reading(self, asked: Sequence[tuple[Model, torch.Tensor]], count: int) -> _Reading:
        """The texts of a call: those of the step before, where leaves and texts are the same ones."""
        key = (count, *((id(leaf), id(hidden)) for leaf, hidden in asked))
        found = self._readings.pop(key, None)
        if found is None:
            hidden = torch.cat([hidden.expand(count, -1, -1) for _, hidden in asked])
            found = _Reading(tuple(asked), hidden)
        self._readings[key] = found
        while len(self._readings) > _READINGS:
            del self._readings[next(iter(self._readings))]
        return found

    def _time(self, base: Base, kind: str, timestep: torch.Tensor, level: Level) -> torch.Tensor:
        """The time at which a base's own noise schedule has the level: the run's, where the schedules are the same."""
        if kind == "flow":
            return torch.tensor(level.time * base.scheduler.get("num_train_timesteps", 1000))
        ours = self.host.scheduler
        if base is self.host or all(base.scheduler.get(name) == ours.get(name) for name in _NOISE):
            return timestep
        if id(base) not in self._clocks:
            self._clocks[id(base)] = Clock.of(DDIMScheduler.from_config(dict(base.scheduler)).betas)
        return torch.tensor(self._clocks[id(base)].time(level), dtype=torch.float32)


_NOISE = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "rescale_betas_zero_snr",
)
"""What of a scheduler's configuration says which noise level a time has."""
