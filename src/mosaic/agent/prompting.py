"""What a language model is sent: templates of this package, filled with what is known, strangers' words quoted.

The templates are Jinja2 in a sandbox, and undefined names are errors. Whatever is not written by this package stands in
blocks of JSON that the system text calls data (`quoting`). All of it is bounded, so that what asking costs can be said
before anything is asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from mosaic.agent.counting import most_tokens
from mosaic.agent.limits import blocks
from mosaic.agent.quoting import cleaned, quoted
from mosaic.agent.tree_json import to_json
from mosaic.agent.values import Brief, Combination, Facet, Request, Round, Shortlist, Sighting
from mosaic.compiler.diagnostic import Sink
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax.export import export
from mosaic.compiler.syntax.parse import parse

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

VERSION: Final = 1
"""Of the prompts; raised whenever a model would read something else."""

MOST_DIAGNOSTICS: Final = 8
MOST_COMBINATIONS: Final = 3
MOST_EXPERTS: Final = 3000  # tokens, with their ids once more, in what an answer is held to
MOST_ADVICE: Final = 1000  # tokens, of the combinations
MOST_FACETS: Final = 600  # tokens
MOST_PLAN: Final = 2000  # tokens, of a plan that is sent back
MOST_MENDING: Final = 1800  # tokens, of what a compiler said, with the text around it
MOST_BRIEF: Final = MOST_EXPERTS + MOST_ADVICE + MOST_FACETS + 600
"""Tokens of what a model is told of one request, but for the request itself."""
_AROUND: Final = 200
"""Tokens of the text around what a compiler said."""
WITHHELD: Final = ("find", "load_image", "mask")
"""Verbs that no composed plan needs: they name experts by words, and files beside the plan."""

_LONGEST: Final = 200
"""Code points of an id that is shown."""


@dataclass(frozen=True)
class Written:
    """A prompt for writing a plan, and the ids by kind that it names: those that the plan may name."""

    system: str
    user: str
    names: Mapping[str, Sequence[str]]


def decomposing(request: Request) -> tuple[str, str]:
    """The system text and the user text for taking a request apart."""
    return render("decompose.j2"), render("request.j2", request=quoted(request.text))


def writing(brief: Brief, answer: str) -> Written:
    """The prompt for a first plan. `answer` says in which form it is to be given."""
    request, limits = brief.request, brief.request.limits
    shown = _shown(brief.shortlist, limits.wanted)
    ids = [str(each["id"]) for each in shown]
    user = render(
        "brief.j2",
        request=quoted(request.text),
        facets=_within([_facet(n, each) for n, each in enumerate(brief.decomposition.facets)], MOST_FACETS),
        experts=[quoted(each) for each in shown],
        combinations=_within(
            [_combination(each) for each in _nameable(brief.ranking.combinations, ids)][:MOST_COMBINATIONS],
            MOST_ADVICE,
        ),
        name=request.name,
        seed=request.seed,
        size="x".join(map(str, request.size)) if request.size else "",
        steps=request.steps,
        limits=blocks(limits),
        wanted=", ".join(quoted(each) for each in limits.wanted if each in ids),
        most=limits.most,
    )
    return Written(render("write.j2", answer=answer), user, _named(brief.shortlist, ids))


def grammar_of(brief: Brief) -> str:
    """The grammar that a plan for a brief is held to."""
    ids = [str(each["id"]) for each in _shown(brief.shortlist, brief.request.limits.wanted)]
    return grammar(_named(brief.shortlist, ids))


def _named(shortlist: Shortlist, ids: Sequence[str]) -> dict[str, list[str]]:
    return {kind: [id for id in some if id in ids] for kind, some in shortlist.names().items()}


def answering(form: str, tool: str) -> str:
    """In which form a plan is to be given."""
    example = json.dumps(_example()) if form == "json_schema" else ""
    return render("answer.j2", form=str(form), tool=tool, example=example)


def mending(last: Round) -> str:
    """What a model is told of a plan that did not compile: at most eight diagnostics, errors first."""
    changed = last.plan if last.plan and last.plan != last.draft.plan else ""
    source = (changed or last.draft.plan).split("\n")
    document: dict[str, Any] = {
        "changed_by_the_machine": [*last.held, *last.made],
        "plan_after_that": changed,
    }
    document = {key: value for key, value in document.items() if value}
    said = [_said(each, source) for each in _heaviest(last.diagnostics)]
    head = [quoted({key: value}) for key, value in document.items()]
    lines = _within([*head, *said], MOST_MENDING - _AROUND)
    return render("repair.j2", document="\n".join(lines))


def sent_back(plan: str) -> str:
    """A plan as its writer is shown it again: all of it, or its first lines where it is longer than plans should be."""
    lines = plan.split("\n")
    kept = _within(lines, MOST_PLAN - 20)
    return plan if len(kept) == len(lines) else "\n".join([*kept, "# (cut: the plan is too long)"])


def grammar(names: Mapping[str, Sequence[str]]) -> str:
    """The grammar for a decoder. A kind without ids cannot be called, nor can what is withheld."""
    return export("llm", {**names, **dict.fromkeys(WITHHELD, ())})


def render(template: str, **values: Any) -> str:
    """A template, filled."""
    return _environment().get_template(template).render(**values)


def digest(*texts: str) -> str:
    """The SHA-256 of what was sent or answered, part by part."""
    found = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        found.update(len(data).to_bytes(8, "big") + data)
    return found.hexdigest()


def _example() -> Any:
    text = (files("mosaic.agent") / "prompts" / "one.mosaic").read_text(encoding="utf-8")
    file = parse(SourceFile("one.mosaic", text), Sink())
    return to_json(file) if file is not None else {}


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import PackageLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(
        loader=PackageLoader("mosaic.agent", "prompts"),
        undefined=StrictUndefined,
        autoescape=False,  # what is not ours comes in as JSON without the signs that mean anything here
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


# Experts


def _shown(shortlist: Shortlist, wanted: Sequence[str]) -> list[dict[str, Any]]:
    """The experts that a model is told of: the bases, what has to be there, then the best, while there is room."""
    best = sorted(shortlist.options, key=lambda option: -option.score)
    order = dict.fromkeys((*shortlist.bases, *wanted, *(option.expert for option in best)))
    found: list[dict[str, Any]] = []
    room = MOST_EXPERTS
    for id in order:
        if id not in shortlist.experts or cleaned(id) != id or len(id) > _LONGEST:
            continue
        entry = _expert(shortlist, shortlist.experts[id])
        room -= most_tokens(quoted(entry)) + most_tokens(json.dumps(f'"{id}"')) + 4
        if room < 0:
            break
        found.append(entry)
    return found


def _expert(shortlist: Shortlist, seen: Sighting) -> dict[str, Any]:
    options = [option for option in shortlist.options if option.expert == seen.expert]
    entry = {
        "id": seen.expert,
        "kind": cleaned(seen.kind, 20),
        "category": cleaned(seen.category, 40),
        "title": cleaned(seen.title, 80),
        "trigger": cleaned(seen.trigger or "", 80),
        "about": cleaned(seen.description, 240),
        "tags": [cleaned(tag, 32) for tag in seen.tags[:8]],
        "license": cleaned(seen.license or "", 60),
        "rating": cleaned(seen.rating or "", 20),
        "strengths": list(seen.strengths or ()),
        "serves": {str(option.facet): round(option.score, 2) for option in options if option.facet >= 0},
        "base": seen.expert in shortlist.bases,
    }
    return {key: value for key, value in entry.items() if value or key == "id"}


def _nameable(combinations: Iterable[Combination], ids: Sequence[str]) -> list[Combination]:
    return [each for each in combinations if {each.base, *(pick.expert for pick in each.picks)} <= {*ids}]


def _combination(each: Combination) -> str:
    entry = {
        "base": each.base,
        "experts": [
            {"id": pick.expert, "strength": pick.strength, "for": list(pick.facets)} for pick in each.picks
        ],
        "prompt": cleaned(each.prompt, 600),
        "score": round(each.score, 3),
        "quality": None if each.quality is None else round(each.quality, 3),
        "seconds": None if each.seconds is None else round(each.seconds, 3),
        "reasons": [cleaned(reason, 160) for reason in each.reasons[:3]],
    }
    return quoted({key: value for key, value in entry.items() if value is not None})


def _facet(number: int, facet: Facet) -> str:
    entry = {
        "facet": number,
        "kind": str(facet.kind),
        "text": cleaned(facet.text, 120),
        "sought": cleaned(facet.sought, 80),
        "importance": round(facet.importance, 2),
        "of": facet.of,
    }
    return quoted({key: value for key, value in entry.items() if value is not None})


def _within(lines: Sequence[str], most: int) -> list[str]:
    """The first lines that have no more tokens than that."""
    kept: list[str] = []
    for line in lines:
        most -= most_tokens(line) + 1
        if most < 0:
            break
        kept.append(line)
    return kept


# What the compiler said


def _heaviest(diagnostics: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    order = {"error": 0, "warning": 1}
    ranked = sorted(diagnostics, key=lambda each: order.get(str(each.get("severity")), 2))
    return ranked[:MOST_DIAGNOSTICS]


def _said(each: Mapping[str, Any], source: Sequence[str]) -> str:
    """A diagnostic of the shape of `mosaic check`, shortened, with its source line."""
    line = each.get("line")
    entry = {key: each[key] for key in ("code", "severity", "message") if key in each}
    entry = {key: cleaned(str(value), 300) for key, value in entry.items()}
    place = {key: each[key] for key in ("line", "column", "end_line", "end_column") if each.get(key)}
    if isinstance(line, int) and 0 < line <= len(source):
        place["source"] = cleaned(source[line - 1], 160)
    more = {
        "help": [cleaned(str(text), 240) for text in each.get("help") or ()][:3],
        "expected": [cleaned(str(text), 60) for text in each.get("expected") or ()][:12],
        "candidates": [_short(some) for some in each.get("candidates") or ()][:4],
        "fixes": [_fix(fix) for fix in each.get("fixes") or ()][:2],
    }
    return quoted({**entry, **place, **{key: value for key, value in more.items() if value}})


def _short(some: Any) -> Any:
    if isinstance(some, Mapping):
        return {cleaned(str(key), 40): cleaned(str(value), 160) for key, value in list(some.items())[:6]}
    return cleaned(str(some), 160)


def _fix(fix: Mapping[str, Any]) -> dict[str, Any]:
    edits = [
        {key: cleaned(value, 200) if isinstance(value, str) else value for key, value in edit.items()}
        for edit in list(fix.get("edits") or ())[:3]
    ]
    return {"title": cleaned(str(fix.get("title", "")), 160), "edits": edits}
