"""Whether a plan fits into the memory of a device, and what would make it fit where it does not.

Operators that the plan leaves open are chosen among those that fit. Where none does, the plan is refused before
anything is loaded, with the changes that would do, each priced.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from math import floor
from typing import Final

from mosaic.compiler import errors
from mosaic.compiler.budgeting import Held, duration, hold, memory
from mosaic.compiler.context import Context
from mosaic.compiler.cost.budget import Budget
from mosaic.compiler.cost.changes import Change, Fitting
from mosaic.compiler.cost.predict import Peak, Prediction, price
from mosaic.compiler.cost.profile import Profile
from mosaic.compiler.decide import Finish, decide
from mosaic.compiler.diagnostic import Diagnostic, Edit
from mosaic.compiler.ir.evaluate import constant
from mosaic.compiler.ir.graph import Graph, Node, map_graph
from mosaic.compiler.ir.ops import make, with_inputs
from mosaic.compiler.passes.choose_operators import Choice, settle
from mosaic.compiler.passes.choose_steps import Steps, take
from mosaic.compiler.pins import Pins
from mosaic.compiler.rules.place import place
from mosaic.compiler.types import Kind

USABLE: Final = 0.9
"""The part of a device's memory that plans may take. The rest is others': the driver's context and what libraries keep
for themselves (some hundred MB), memory that an allocator has cut into pieces, a desktop; and predictions are a few
percent off."""

_NOTICED: Final = 1e-3
"""Seconds that are worth a word."""


def fit(
    graph: Graph,
    settled: Graph,
    choices: Sequence[Choice],
    context: Context,
    finish: Finish,
    held: Held,
    *,
    every: int = 0,
) -> Held:
    """What came of a budget, held to the device's memory as well: perhaps other operators, or a refusal (M604).

    `graph` is the plan before its operators are chosen; `settled` has those that were taken without a budget, which
    `choices` tell; `every` is as `hold` has it. A refusal for the budget's memory (M602) gets its changes here. Without
    a device to fit into, nothing is changed.
    """
    room = context.room
    over = next(
        (each for each in held.told if isinstance(each, errors.plans.OverBudget) and each.key == "memory"),
        None,
    )
    if over is not None and context.profile is not None and graph.budget is not None:
        limit = min(float(graph.budget.memory or 0), _limit(room) if room is not None else float("inf"))
        judged = _Judged(graph, settled, choices, context, finish, context.profile, limit, held)
        told = replace(over, changes=tuple(judged.ways()))
        return replace(held, told=tuple(told if each is over else each for each in held.told))
    if room is None:
        return held
    judged = _Judged(graph, settled, choices, context, finish, room, _limit(room), held)
    if judged.fits:
        return held
    within = judged.within(every)
    if within is not None:
        return within
    return replace(held, told=(*held.told, judged.refusal()))


def has_room(graph: Graph, context: Context, room: Profile) -> bool:
    """Whether a core graph is predicted to fit into a device, as the engine will be told to run."""
    return price(graph, context, room).peak <= _limit(room)


def _limit(room: Profile) -> float:
    return USABLE * room.memory


class _Judged:
    """A plan with the operators and steps that were chosen, and its price on a device of which it may take `limit`."""

    def __init__(
        self,
        graph: Graph,
        settled: Graph,
        choices: Sequence[Choice],
        context: Context,
        finish: Finish,
        room: Profile,
        limit: float,
        held: Held,
    ) -> None:
        self.graph, self.choices, self.context, self.finish = graph, choices, context, finish
        self.room, self.limit, self.held = room, limit, held
        picked = self._picked()
        chosen = settle(graph, context, picked)[0] if any(picked) else settled
        self.settled = take(chosen, _numbers(held))
        self.core = finish(self.settled)
        self.prediction = price(self.core, context, room)

    @property
    def is_of_device(self) -> bool:
        """Whether the limit is the device's, and not a budget's."""
        return self.limit >= _limit(self.room)

    @property
    def is_planned_for(self) -> bool:
        """Whether all that is known of the device is an estimate, its memory too."""
        return self.room.is_estimate and self.room == self.context.profile

    @property
    def fits(self) -> bool:
        return self.prediction.peak <= self.limit

    def within(self, every: int) -> Held | None:
        """What is chosen where the device's memory is a limit like a budget's; None where nothing keeps it."""
        if all(len(choice.candidates) < 2 for choice in self.choices):
            return None
        context, own = self.context, self.graph.budget
        if context.profile is None:
            # Only bytes are known of this device: what a budget says of seconds is not judged here either.
            budget = Budget(memory=int(self.limit), quality=own.quality if own else None)
            context = replace(context, profile=self.room)
        else:
            budget = replace(own or Budget(), memory=int(self.limit))
        said = own.said if own is not None else ()
        limited = replace(self.graph, budget=replace(budget, said=said))
        if decide(limited, self.choices, context, self.finish).chosen is None:
            return None  # what is to be said then, the device's memory says, and no budget
        found = hold(limited, self.choices, context, self.finish, every=every)
        told = tuple(dict.fromkeys((*self.held.told, *found.told)))
        return replace(found, told=told, decision=found.decision if self.held.decision else None)

    def refusal(self) -> Diagnostic:
        at = self.prediction.at_peak
        spot = place(at.node) if at.node is not None else None
        tile = next((each for each in self._changes if each.kinds == (True, False, False)), None)
        needed = self.prediction.peak
        return errors.plans.DoesNotFit(
            spot.span if spot else None,
            what=_what(self.prediction, at),
            needed=memory(needed, up=True),
            mostly=_mostly(at),
            device=f"{self.room.name}{' (an estimate)' if self.is_planned_for else ''}",
            has=memory(self.room.memory),
            room=_at_most(self.limit),
            ways=tuple(self.ways()),
            edits=tuple(_edits(self.settled, tile.tile))
            if tile is not None and tile.tile is not None
            else (),
            tile=_spelled(tile.tile) if tile is not None and tile.tile is not None else "",
            calls=spot.trail if spot else (),
        )

    def ways(self) -> Iterator[str]:
        """What would make the plan fit, the cheapest first; what device it needs where nothing does."""
        found = [*self._changes, *self._others()]
        for change in sorted(found, key=lambda each: each.added):
            yield self._told(change)
        if found:
            return
        fitting = self._fitting()
        smaller = fitting.smaller()
        if smaller is not None:
            yield self._told(smaller)
        least = fitting.least()
        how = f" {_changed(least)}" if any(least.kinds) else ""
        device = (
            f", which a device of {memory(least.peak / USABLE, up=True)} has" if self.is_of_device else ""
        )
        yield f"at full size it needs {memory(least.peak, up=True)}{device},{how or ' whatever is changed'}"

    def _told(self, change: Change) -> str:
        seconds = f"{'about ' if self.room.is_estimate else ''}{duration(abs(change.added))}"
        takes = f" and takes {seconds} {'longer' if change.added > 0 else 'less'}"
        needs = f"{_changed(change)} it needs {memory(change.peak, up=True)}"
        return needs + (takes if abs(change.added) >= _NOTICED else "")

    def _fitting(self) -> Fitting:
        return Fitting(self.core, self.context, self.room, self.limit, self.prediction)

    @cached_property
    def _changes(self) -> tuple[Change, ...]:
        return self._fitting().changes()

    def _others(self) -> Iterator[Change]:
        """Other operators in place of those that the plan or a lock holds."""
        context = replace(self.context, pins=Pins(), profile=self.room)
        opened = replace(map_graph(self.graph, _opened), budget=Budget(memory=int(self.limit)))
        choices = settle(opened, context)[1]
        if all(len(choice.candidates) < 2 for choice in choices):
            return
        decision = decide(opened, choices, context, self.finish)
        if decision.chosen is not None:
            took = decision.chosen.prediction
            yield Change(
                operators=decision.chosen.operators,
                peak=took.peak,
                added=took.warm - self.prediction.warm,
            )

    def _picked(self) -> tuple[str, ...]:
        held = self.held
        if any(held.picked) or held.decision is None:
            return held.picked
        budget = self.graph.budget or Budget()
        return held.decision.nearest(budget).operators if held.decision.priced else ()


def _numbers(held: Held) -> dict[Steps, int]:
    return {taken.steps: taken.number for taken in held.steps}


def _opened(node: Node, inputs: tuple[Node, ...]) -> Node:
    """A fusion by whatever operator."""
    given = with_inputs(node, inputs)
    if node.op != "fuse":
        return given
    return make("fuse", inputs, {**dict(given.attributes), "operator": "auto"}, like=node)


def _what(prediction: Prediction, at: Peak) -> str:
    if at.node is None:
        return "the plan"
    size = _spelled(prediction.nodes[at.node.digest].size)
    match at.node.op:
        case "denoise" | "denoise_rest" | "denoise_again":
            return f"denoising {size}"
        case "decode_latent":
            return f"decoding {size}"
        case "encode_image":
            return f"encoding {size}"
        case "align_latent":
            return f"carrying {size} over"
        case "load_model":
            return f"loading {at.node.inputs[0].name}"
        case "fuse":
            count = len(at.node.inputs) - 1
            return f"fusing {count} expert{'' if count == 1 else 's'}"
        case _:
            return {"encode_text": "reading a prompt", "write": "writing a file"}.get(at.node.op, "the plan")


def _mostly(at: Peak) -> str:
    parts = {"weights": at.weights, "latents and pictures": at.values, "activations": at.working}
    return max(parts, key=lambda name: parts[name])


def _changed(change: Change) -> str:
    parts = [f"`tile: {_spelled(change.tile)}` where it decodes and encodes"] if change.tile else []
    parts += ["`--offload`"] if change.offload else []
    parts += [f"`--batch {change.rows}`"] if change.rows is not None else []
    parts += [f"`via: {', '.join(dict.fromkeys(change.operators))}`"] if change.operators else []
    parts += [f"`size: {_spelled(change.size)}`"] if change.size else []
    return f"with {' and '.join(parts)}"


def _at_most(size: float) -> str:
    """Bytes as a plan writes them, and no more than there are.

    >>> _at_most(10.88 * 2**30), _at_most(900.7 * 2**20)
    ('10.8GiB', '900MiB')
    """
    return f"{floor(10 * size / 2**30) / 10:g}GiB" if size >= 2**30 else f"{floor(size / 2**20)}MiB"


def _spelled(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _edits(graph: Graph, tile: tuple[int, int]) -> Iterator[Edit]:
    """What writes a tile to all that a plan decodes or encodes; nothing where a part of that stands elsewhere."""
    found: list[Edit] = []
    for node in graph.nodes():
        if node.op not in ("decode", "encode", "emit") or node.origin is None:
            continue
        if node.op == "emit" and not _decodes(node):
            continue
        if node.origin.calls or node.origin.inputs[0] is None:
            return
        given = node.origin.inputs[0]
        if node.op == "emit":
            found += [Edit(given.before(), "decode("), Edit(given.after(), f", tile: {_spelled(tile)})")]
            continue
        written = node.origin.inputs[-1]
        last = next(span for span in reversed(node.origin.inputs) if span is not None)
        found.append(
            Edit(written, _spelled(tile)) if written else Edit(last.after(), f", tile: {_spelled(tile)}")
        )
    yield from dict.fromkeys(found)


def _decodes(emit: Node) -> bool:
    value, path = emit.inputs
    return value.type.kind is Kind.LATENT and str(constant(path)).lower().endswith(".png")
