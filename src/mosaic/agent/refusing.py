"""What of a plan is outside of its request and cannot be put right: experts, files, forms (M866 to M868)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from mosaic.agent.quoting import cleaned
from mosaic.agent.values import Request, Shortlist
from mosaic.agent.writing import nameable
from mosaic.compiler.diagnostic import Diagnostic, Sink
from mosaic.compiler.errors.drafts import NotAsAsked, OutsideShortlist, ReadsMore
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.parse import parse
from mosaic.compiler.types import EXPERTS

if TYPE_CHECKING:
    from mosaic.compiler.program import Program

SHOWN: Final = 80
"""Code points of a writer's words in a message."""
_CANDIDATES: Final = 4
_KINDS: Final = frozenset(str(kind) for kind in EXPERTS)
_READERS: Final = {
    "find": "whatever the catalog has for some words",
    "load_image": "a picture beside the plan",
    "mask": "a picture beside the plan",
}
"""Verbs that read what a shortlist does not hold."""


def refusals(file: tree.File, request: Request, shortlist: Shortlist) -> tuple[Diagnostic, ...]:
    """What of a file is outside its request and cannot be put right, in the order of the text."""
    sink = Sink()
    allowed = _ids(shortlist)
    for node in nodes(file):
        match node:
            case tree.Call():
                sink.extend(_about_call(node, allowed, shortlist))
            case tree.Use() if not _is_standard(node):
                sink.add(ReadsMore(node.module.span, "use", "another file", "write it into the plan itself"))
    sink.extend(_about_form(file, request))
    return tuple(sink)


def check_program(
    program: Program, request: Request, shortlist: Shortlist, insisted: Iterable[str] = ()
) -> tuple[Diagnostic, ...]:
    """What a compiled plan has that its request did not ask for. Nothing, where its text was held: this looks again at
    what will be run. `insisted` are experts that have to be in it."""
    allowed, used = _ids(shortlist), [expert.id for expert in program.experts]
    found: list[Diagnostic] = [
        OutsideShortlist(None, f"`{cleaned(expert.id, SHOWN)}`", expert.kind)
        for expert in program.experts
        if expert.id not in allowed
    ]
    if program.images or any(not name.startswith("std.") for name in program.source.libraries):
        found.append(ReadsMore(None, "the plan", "a file beside it"))
    emits = [each.operation for each in program.instructions if each.operation.op == "emit"]
    if [(emit.type, emit.path) for emit in emits] != [("image", f"{request.name}.png")]:
        found.append(NotAsAsked(None, f"it has to make one picture, `{request.name}.png`"))
    if (program.rights.policy is None) != (not request.limits.policy):
        found.append(NotAsAsked(None, "its policy is not that of the request"))
    for id in insisted:
        if id not in used:
            found.append(NotAsAsked(None, f"`{cleaned(id, SHOWN)}` has to be in the picture"))
    most = max(request.limits.most, len(request.limits.wanted))
    if len(used) - 1 > most:
        reason = f"it uses {len(used) - 1} experts beside its base, and at most {most} were asked for"
        found.append(NotAsAsked(None, reason, "leave out those that matter least"))
    return tuple(found)


# Calls, imports, plans


def _about_call(call: tree.Call, allowed: frozenset[str], shortlist: Shortlist) -> Iterator[Diagnostic]:
    name = call.function.text
    if name in _READERS:
        advice = "leave it out"
        if name == "find":
            ids = ", ".join(f"`{id}`" for each in shortlist.names().values() for id in each[:2])
            advice = f"name an expert of the shortlist: {ids}" if ids else advice
        yield ReadsMore(call.function.span, name, _READERS[name], advice)
    elif name == "align":
        for argument in call.arguments:
            if argument.name is not None and argument.name.text == "by":
                yield ReadsMore(argument.span, "align(by:)", "a bridge", "leave `by` out")
    elif name in _KINDS:
        yield from _about_expert(call, allowed, shortlist)


def _about_expert(call: tree.Call, allowed: frozenset[str], shortlist: Shortlist) -> Iterator[Diagnostic]:
    kind = call.function.text
    given = [each for each in call.arguments if each.name is None or each.name.text == "id"]
    if not given:
        return  # the compiler says what is missing
    for argument in given:
        value = argument.value
        id = value.plain if isinstance(value, tree.Text) else None
        if id is None or id not in allowed or not nameable(id):
            what = f"`{cleaned(value.span.text, SHOWN)}`"
            yield OutsideShortlist(value.span, what, kind, _near(kind, id or value.span.text, shortlist))


def _near(kind: str, reference: str, shortlist: Shortlist) -> tuple[str, ...]:
    """Ids of a kind that a reference may have meant, the likeliest first."""
    ids = shortlist.names().get(kind, [])
    close = get_close_matches(reference[:SHOWN], ids, n=_CANDIDATES, cutoff=0.4)
    return tuple(dict.fromkeys((*close, *ids)))[:_CANDIDATES]


def _about_form(file: tree.File, request: Request) -> Iterator[Diagnostic]:
    plans, emits = plans_of(file), emits_of(file)
    if not plans:
        yield NotAsAsked(file.header, "it holds no plan", f"write `plan {request.name} {{ … }}`")
    for plan in plans[1:]:
        yield NotAsAsked(plan.name.span, "it holds several plans", "keep one")
    if plans and not emits:
        yield NotAsAsked(
            plans[0].name.span, "it emits no picture", f'end it by `emit image as "{request.name}.png"`'
        )
    for emit in emits[1:]:
        if len(plans) == 1:
            yield NotAsAsked(emit.span, "it emits several things", "keep the picture that was asked for")


def _is_standard(use: tree.Use) -> bool:
    return isinstance(use.module, tree.Reference) and use.module.parts[:1] == ("std",)


def _ids(shortlist: Shortlist) -> frozenset[str]:
    return frozenset((*shortlist.bases, *(option.expert for option in shortlist.options)))


# The tree


@lru_cache(maxsize=16)
def read(source: SourceFile) -> tuple[tree.File, tuple[Diagnostic, ...]]:
    """The tree of a text, and what is wrong with it as a text. The last ones are kept: one text is looked at often."""
    sink = Sink()
    file = parse(source, sink)
    return file, tuple(sink) if sink.has_errors else ()


def nodes(value: Any) -> Iterator[Any]:
    """Every node of a tree, whatever its class: one that is added to the language is looked into as well."""
    if isinstance(value, tuple):
        for each in value:
            yield from nodes(each)
    elif is_dataclass(value) and not isinstance(value, (Span, SourceFile)):
        yield value
        for field in fields(value):
            yield from nodes(getattr(value, field.name))


def plans_of(file: tree.File) -> list[tree.Plan]:
    """The plans of a file."""
    return [item for item in file.items if isinstance(item, tree.Plan)]


def emits_of(file: tree.File) -> list[tree.Emit]:
    """What a file emits, wherever that stands."""
    return [node for node in nodes(file) if isinstance(node, tree.Emit)]
