"""Where clients' plans are compiled, mended, priced and compared: one at a time, in a project that reads no other files
than the server's."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mosaic.api.faults import UsageError
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.errors.serving import TooMuch
from mosaic.compiler.source import SourceFile
from mosaic.mcp import bounds, values
from mosaic.mcp.bounds import Places
from mosaic.mcp.pricing import acknowledgement, cost_of
from mosaic.mcp.rooted import RootedProject

if TYPE_CHECKING:
    from mosaic.compiler import Compiled
    from mosaic.compiler.context import Context
    from mosaic.compiler.cost.profile import Profile

NAME: Final = "<plan>"
"""What a plan's text is called in messages."""
NAMELESS: Final = SourceFile(NAME, "")
"""A text without a place, to ask for the context of any."""

Parameters = Mapping[str, str | int | float | bool]


@dataclass(frozen=True)
class Options:
    """What a server was started with. All paths are absolute."""

    root: Path | None = None  # below which plans may name files
    output: Path | None = None  # where runs write; None: a folder that goes with the server
    catalog: Path | None = None
    device: str | None = None
    cache: Path | None = None


class Workbench:
    """Compiles texts. Methods may be called from several threads, and do their work one after the other."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="mosaic-mcp-", ignore_cleanup_errors=True)
        here = Path(self._folder.name)
        self._empty = here / "empty"
        self._empty.mkdir()
        self.output = options.output or here / "output"
        catalog = options.catalog
        self.places = Places(
            {
                "output": self.output,
                "root": options.root,
                "server": here,
                "catalog": catalog.parent if catalog else None,
            }
        )

    def close(self) -> None:
        """Take the server's own folder away."""
        self._folder.cleanup()

    @contextmanager
    def project(self, device: str | None = None, room: Profile | None = None) -> Iterator[RootedProject]:
        """The project, for one question at a time. `device` is the name of a shipped profile. Raises UsageError."""
        if device is not None:
            _known(device)
        with (
            self._lock,
            RootedProject(
                self._options.root,
                self._empty,
                self._options.catalog,
                device or self._options.device,
                room=room,
            ) as project,
        ):
            yield project

    def compile(
        self, plan: str, parameters: Parameters, device: str | None = None, only: str | None = None
    ) -> values.Compilation:
        """What becomes of a text; all that is wrong with it is in the answer."""
        try:
            with self._looked(plan, parameters, device, only) as (compiled, context):
                plans = self._plans(compiled, context)
        except MosaicError as error:
            return values.Compilation(ok=False, diagnostics=self._documents(error.diagnostics))
        documents = self._documents(compiled.diagnostics)
        return values.Compilation(
            ok=not compiled.has_errors,
            diagnostics=documents,
            left_out=len(compiled.diagnostics) - len(documents),
            plans=plans,
        )

    def fix(self, plan: str, unsafe: bool) -> values.Fixed:
        """A text with the fixes made that its diagnostics offer."""
        from mosaic.compiler import advise
        from mosaic.compiler.fixing import mend

        try:
            bounds.at_most("a plan", plan, bounds.LONGEST_PLAN)
            with self.project() as project:
                context = project.context(NAMELESS)
                mended = mend(_source(plan), lambda text: advise(text, context), unsafe=unsafe)
        except MosaicError as error:
            return values.Fixed(plan="", made=[], ok=False, diagnostics=self._documents(error.diagnostics))
        return values.Fixed(
            plan=mended.source.text,
            made=[bounds.shown(f"{made.code}: {made.fix.title}") for made in mended.made],
            ok=not any(str(each.severity) == "error" for each in mended.left),
            diagnostics=self._documents(mended.left),
        )

    def estimate(
        self, plan: str, parameters: Parameters, device: str | None = None, only: str | None = None
    ) -> values.Estimate:
        """What running a text would cost."""
        try:
            with self._looked(plan, parameters, device, only) as (compiled, context):
                costs = {graph.name: cost_of(graph, context, self.places) for graph in compiled.graphs}
            if compiled.has_errors:
                raise MosaicError(*compiled.diagnostics)
        except MosaicError as error:
            return values.Estimate(
                ok=False,
                diagnostics=self._documents(error.diagnostics),
                note="it does not compile: see fix_plan",
            )
        documents = self._documents(compiled.diagnostics)
        price = acknowledgement([program.digest for program in compiled.programs], list(costs.values()))
        note = "" if price.measured else _NOT_MEASURED
        return values.Estimate(ok=True, diagnostics=documents, costs=costs, acknowledgement=price, note=note)

    def diff(self, old: str, new: str, parameters: Parameters) -> values.Difference:
        """What changed from one text to another, by meaning."""
        from mosaic.compiler.comparing import document, markdown
        from mosaic.compiler.comparing.plans import compare

        found = (*_too_much(old, parameters), *_too_much(new, parameters))
        names = ("<old>", "<new>")
        try:
            if found:
                raise MosaicError(*found)
            with self.project() as project:
                sides = [
                    _versions(project, SourceFile(name, _plain(text)), parameters)
                    for name, text in zip(names, (old, new), strict=True)
                ]
        except MosaicError as error:
            return values.Difference(ok=False, diagnostics=self._documents(error.diagnostics))
        comparison = compare(*sides)
        return values.Difference(
            ok=True,
            differs=comparison.differs,
            text=self.places.hidden(markdown.render(comparison, names))[: bounds.LONGEST_PLAN],
            changes=self.places.document(document.document(comparison, names)),
        )

    def documents(self, found: Sequence[Diagnostic]) -> list[values.Diagnostic]:
        """Diagnostics as clients are told them."""
        return self._documents(found)

    def _documents(self, found: Sequence[Diagnostic]) -> list[values.Diagnostic]:
        return [values.Diagnostic.model_validate(each) for each in self.places.diagnostics(found)]

    @contextmanager
    def _looked(
        self, plan: str, parameters: Parameters, device: str | None, only: str | None
    ) -> Iterator[tuple[Compiled, Context]]:
        with self.project(device) as project:
            context = project.context(NAMELESS)
            yield compiled_in(context, plan, parameters, only), context

    def _plans(self, compiled: Compiled, context: Context) -> list[values.CompiledPlan]:
        found = []
        for program, graph in zip(compiled.programs, compiled.graphs, strict=True):
            name = program.source.plan
            operations = [instruction.operation for instruction in program.instructions]
            choices = [
                {"operator": each.operator, "operands": list(each.operands), "reason": each.reason}
                for each in compiled.choices[name]
            ]
            finds = [
                {"kind": str(each.kind), "words": each.words, "chosen": each.chosen, "reason": each.reason}
                for each in compiled.finds[name]
            ]
            found.append(
                values.CompiledPlan(
                    plan=name,
                    digest=program.digest,
                    experts=[expert.id for expert in program.experts],
                    choices=self.places.document(choices),
                    finds=self.places.document(finds),
                    steps=[taken.number for taken in compiled.steps[name]],
                    parameters=dict(program.source.parameters),
                    emits=[each.path for each in operations if each.op == "emit"],
                    cost=cost_of(graph, context, self.places),
                )
            )
        return found


_NOT_MEASURED: Final = (
    "this device was not measured: what stands here is an estimate at most. A run needs the acknowledgement all the "
    "same; `mosaic calibrate` on the server's machine measures it"
)


def compiled_in(context: Context, plan: str, parameters: Parameters, only: str | None = None) -> Compiled:
    """A client's text compiled; what is too much is in its diagnostics, too."""
    from mosaic.compiler import Compiled, compile

    found = _too_much(plan, parameters)
    if found:
        return Compiled(found)
    return compile(_source(plan), context, plan=only, parameters=dict(parameters))


def _versions(project: RootedProject, source: SourceFile, parameters: Parameters) -> Sequence[Any]:
    from mosaic.api.session import parameters as declared
    from mosaic.compiler import compile
    from mosaic.compiler.comparing.meaning import MEANING, versions
    from mosaic.compiler.diagnostic import Sink
    from mosaic.compiler.syntax.parse import parse

    context = project.context(source)
    names = {each.name.text for each in declared(source)}
    given = {name: value for name, value in parameters.items() if name in names}
    full = compile(source, context, parameters=given, alternatives=1)  # so that it is priced
    if full.has_errors:
        raise MosaicError(*full.diagnostics)
    plain = compile(source, context, parameters=given, passes=MEANING)
    return versions("", full, plain, context, parse(source, Sink()).items)


def _too_much(plan: str, parameters: Parameters) -> tuple[Diagnostic, ...]:
    try:
        bounds.at_most("a plan", plan, bounds.LONGEST_PLAN)
        if len(parameters) > bounds.MOST_PARAMETERS:
            raise MosaicError(
                TooMuch(None, "values of parameters", str(len(parameters)), str(bounds.MOST_PARAMETERS))
            )
        for name, value in parameters.items():
            bounds.at_most("a parameter", f"{name}{value}", bounds.LONGEST_NAME)
    except MosaicError as error:
        return error.diagnostics
    return ()


def _source(plan: str) -> SourceFile:
    return SourceFile(NAME, _plain(plan))


def _plain(plan: str) -> str:
    return plan.replace("\r\n", "\n")


def _known(device: str) -> None:
    """A client names devices, and no files."""
    from mosaic.stdlib import find_profiles

    known = find_profiles()
    if device not in known:
        raise UsageError(f"{bounds.shown(device, 80)!r} is no device; there are: {', '.join(known)}")
