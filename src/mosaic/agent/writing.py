"""The text of a plan for a combination of experts, in canonical form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mosaic.agent.limits import blocks
from mosaic.agent.quoting import cleaned
from mosaic.agent.values import Request
from mosaic.compiler.diagnostic import InternalError, Sink
from mosaic.compiler.facts import ExpertFacts
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax.build import RESERVED
from mosaic.compiler.syntax.format import format_file
from mosaic.compiler.syntax.literals import escape
from mosaic.compiler.syntax.parse import parse

_TAKEN: Final = ("seed", "look", "image", "base")
_FALLBACKS: Final = {"steps": 20, "guidance": 5.0}
_LONG: Final = 16
"""Letters from which a name is tiring to read."""
_LONGEST: Final = 100
"""Code points of a line of the comment."""
_LONGEST_ID: Final = 200


@dataclass(frozen=True)
class Part:
    """An expert of a plan: its variable, and its strength where it has one other than 1."""

    facts: ExpertFacts
    variable: str
    strength: float | None = None


def variables(experts: Sequence[ExpertFacts], words: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """A name for each expert: the word that it was found by, by its id in `words`, where it is called so and its id is
    long; else after its id."""
    found: list[str] = []
    for facts in experts:
        stem = _identifier(facts.id.rpartition("/")[2])
        word = _identifier(words.get(facts.id, ""))
        if len(stem) > _LONG and word in stem.split("_"):
            stem = word
        stem = stem if stem[:1].isalpha() else f"expert_{stem}".rstrip("_")
        name, number = stem, 2
        while name in found or name in _TAKEN or name in RESERVED:
            name, number = f"{stem}_{number}", number + 1
        found.append(name)
    return found


def _identifier(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def nameable(id: str) -> bool:
    """Whether a plan can name an expert: by characters that are seen, and that steer no reader. What reads as a path, a
    digest or an address names something else."""
    from mosaic.catalog.experts import is_id

    return 0 < len(id) <= _LONGEST_ID and id.isprintable() and is_id(id)


def write(
    request: Request,
    base: ExpertFacts,
    parts: Sequence[Part],
    prompt: str,
    negative: str = "",
    *,
    steps: tuple[int, int] | None = None,
) -> str:
    """A plan. `prompt` has `{variable}` where experts are called; its other text is escaped here. `steps` leaves their
    number to the budget."""
    lets = [f"let base = checkpoint({_text(base.id)})"]
    lets += [f"let {part.variable} = {part.facts.kind}({_text(part.facts.id)})" for part in parts]
    fused = ", ".join(["base", *(part.variable + _times(part.strength) for part in parts)])
    model = f"let look = fuse({fused})\n" if parts else ""
    given = {"prompt": f'"{_prompt(prompt, parts)}"'}
    if negative:
        given["negative"] = _text(cleaned(negative))
    given |= {**_settings(request, base, steps), "seed": "seed"}
    arguments = ", ".join(f"{key}: {value}" for key, value in given.items())
    limits = blocks(request.limits)
    text = (
        f"{_comment(request.text)}mosaic 1\n\n"
        + (limits + "\n\n" if limits else "")
        + f"param seed: int = {request.seed}\n\nplan {request.name} {{\n"
        + "\n".join(lets)
        + f"\n\n{model}let image = sample({'look' if parts else 'base'}, {arguments})\n\n"
        + f"emit image as {_text(request.name + '.png')}\n}}\n"
    )
    return canonical(text)


def canonical(text: str) -> str:
    """A plan in the form of `mosaic fmt`."""
    sink = Sink()
    file = parse(SourceFile("<composed>", text), sink)
    if file is None or sink.has_errors:
        raise InternalError(f"a plan was written that does not parse: {[d.code for d in sink]}")
    return format_file(file)


def _settings(request: Request, base: ExpertFacts, steps: tuple[int, int] | None) -> Mapping[str, str]:
    own = base.defaults
    most = request.steps or own.get("steps", _FALLBACKS["steps"])
    size = request.size or base.native_size
    found = {"steps": f"{steps[0]}..{steps[1]}" if steps else str(most)}
    found["guidance"] = f"{float(str(own.get('guidance', _FALLBACKS['guidance']))):g}"
    if size:
        found["size"] = f"{size[0]}x{size[1]}"
    return found


def _times(strength: float | None) -> str:
    return "" if strength is None or strength == 1 else f" * {strength:g}"


def _text(value: str) -> str:
    return f'"{escape(value)}"'


def _prompt(prompt: str, parts: Sequence[Part]) -> str:
    prompt = cleaned(prompt)
    names = "|".join(["base", *(re.escape(part.variable) for part in parts)])
    pieces = re.split(rf"(\{{(?:{names})\}})", prompt)
    return "".join(piece if place % 2 else escape(piece) for place, piece in enumerate(pieces))


def _comment(text: str) -> str:
    """The request as comment lines. What would end a line, steer a terminal or ask to ignore messages is left out."""
    plain = re.sub(r"(?i)mosaic\s*:", "mosaic", "Asked for: " + cleaned(text))
    lines: list[str] = []
    for word in plain.split():
        if lines and len(lines[-1]) + 1 + len(word) <= _LONGEST:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return "".join(f"# {line}\n" for line in lines)
