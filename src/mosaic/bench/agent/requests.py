"""Requests whose right answers are known: written by hand (`zoo.toml`, `hub.toml`) and by templates (`phrases.toml`).

A third is `dev`, for whoever works on reading requests; the rest is `test`, by which nothing is tuned.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, Final

from mosaic.agent.asking import request_of
from mosaic.agent.values import FacetKind, Request
from mosaic.bench.agent import catalog
from mosaic.bench.agent.catalog import Concept, concepts
from mosaic.stdlib.zoo import world

ZOO: Final = "zoo"
HUB: Final = "hub"
SPLITS: Final = ("dev", "test")
TEMPLATED: Final = {ZOO: 96, HUB: 72}
"""How many requests of each catalog are made by templates."""
_SEED: Final = 2041
_BEINGS: Final = frozenset({FacetKind.SUBJECT, FacetKind.CHARACTER})
_THINGS: Final = frozenset({FacetKind.OBJECT})
_PLACES: Final = frozenset({FacetKind.SETTING})
_LOOKS: Final = frozenset({FacetKind.STYLE, FacetKind.TECHNIQUE})
_KINDS: Final[Mapping[str, frozenset[FacetKind]]] = {
    "subject": _BEINGS, "background": _PLACES, "worn": _THINGS, "corner": _THINGS, "style": _LOOKS,
    "character": _BEINGS, "clothes": _THINGS, "object": _THINGS,
}  # fmt: skip
"""The kinds of facet that an attribute of the zoo or a category of experts may be read as. A ghost is a subject to one
reader and a character to another."""
_SAMURAI: Final = "samurai"
_TRAINED: Final = frozenset(
    {
        *world.CHARACTERS,
        *world.EXTRA_CHARACTERS,
        *world.EXTRA_BACKGROUNDS,
        *world.WORN,
        *world.CORNER,
        *world.STYLES,
    }
    | {_SAMURAI}
)
"""What the zoo has an expert for; everything else its base draws."""


@dataclass(frozen=True)
class Wanted:
    """A part of a request as it should be read: of one of some kinds, with one of some words in it. `experts` are those
    that are right for it, none where the base draws it."""

    kinds: frozenset[FacetKind]
    words: tuple[str, ...]
    experts: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Case:
    """A request and what is known of it. `shows` are the attributes that a picture must have, in the words of the zoo's
    checker ("" for none); `wrong` are experts that the plan must not have, `unmet` words that have to be told."""

    name: str
    catalog: str  # "zoo" or "hub"
    text: str
    wanted: tuple[Wanted, ...]
    written: str = "hand"  # or "template"
    wrong: frozenset[str] = frozenset()
    unmet: str = ""
    hostile: bool = False
    policy: Mapping[str, str] = field(default_factory=dict)
    budget: Mapping[str, str] = field(default_factory=dict)
    family: str | None = None
    shows: Mapping[str, str] = field(default_factory=dict)

    @property
    def split(self) -> str:
        """Its half: "dev" or "test", by its name."""
        return "dev" if Random(f"split {_SEED} {self.name}").random() < 1 / 3 else "test"

    @property
    def right(self) -> frozenset[str]:
        """Every expert that is right for some part."""
        return frozenset().union(*(each.experts for each in self.wanted))

    @property
    def commercial(self) -> bool:
        """Whether its pictures are to be sold."""
        return self.policy.get("use") == "commercial"

    @property
    def is_shown(self) -> bool:
        """Whether the checker can tell from a picture that it was met."""
        return bool(self.shows) and not self.unmet

    @property
    def scene(self) -> world.Scene:
        """The picture that is asked for; what is not said is filled in."""
        subject, is_samurai = self.shows.get("subject", "cat"), self.shows.get("subject") == _SAMURAI
        style = self.shows.get("style")
        return world.Scene(
            subject="knight" if is_samurai else subject,
            colour=self.shows.get("colour", "blue"),
            background=self.shows.get("background", "meadow"),
            worn=self.shows.get("worn", ""),
            corner=self.shows.get("corner", ""),
            styles=(style,) if style else (),
            horned=is_samurai,
            sword=is_samurai,
        )

    def request(self, seed: int = 0) -> Request:
        """The request. Raises UsageError for limits that mean nothing."""
        return request_of(self.text, policy=self.policy, budget=self.budget, family=self.family, seed=seed)


@cache
def cases(split: str = "", which: str = "") -> tuple[Case, ...]:
    """All requests; those of a split, of a catalog."""
    found = (*_zoo(), *_zoo_templated(), *_hub(), *_hub_templated())
    return tuple(each for each in found if split in ("", each.split) and which in ("", each.catalog))


def _data(name: str) -> Any:
    return tomllib.loads(files("mosaic.bench.agent").joinpath(name).read_text("utf-8"))


# Over the zoo


def _zoo() -> Iterator[Case]:
    for number, row in enumerate(_data("zoo.toml")["requests"]):
        shows, words = _shown(row["shows"])
        yield _zoo_case(f"zoo-{number}", row, shows, words)


def _zoo_case(
    name: str,
    row: Mapping[str, Any],
    shows: Mapping[str, str],
    words: Mapping[str, Sequence[str]],
    **more: Any,
) -> Case:
    wanted = tuple(
        Wanted(
            _KINDS[attribute],
            (value, *words.get(attribute, ())),
            frozenset({f"zoo/{value}"} if value in _TRAINED else ()),
        )
        for attribute, value in shows.items()
        if attribute in _KINDS and value
    )
    return Case(
        name=name,
        catalog=ZOO,
        text=row["text"],
        wanted=wanted,
        wrong=frozenset(f"zoo/{each}" for each in row.get("avoid", ())),
        shows=shows,
        **_limits(row),
        **more,
    )


def _limits(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in ("unmet", "hostile", "policy", "budget", "family") if key in row}


def _shown(text: str) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """`subject=cat:kitty|kitten colour=red` as attributes and the request's words for them."""
    shows, words = {}, {}
    for entry in text.split():
        attribute, _, rest = entry.partition("=")
        value, _, said = rest.partition(":")
        shows[attribute] = value
        words[attribute] = tuple(each.replace("_", " ") for each in said.split("|") if each)
    return shows, words


def _zoo_templated() -> Iterator[Case]:
    random, phrases = Random(f"zoo {_SEED}"), _data("phrases.toml")
    says = phrases["says"]
    for number in range(TEMPLATED[ZOO]):
        shows = {
            "subject": random.choice(list(says["subject"])),
            "colour": random.choice(list(world.COLOURS)),
        }
        for attribute, share in (("background", 0.75), ("worn", 0.45), ("corner", 0.25), ("style", 0.6)):
            if random.random() < share:
                shows[attribute] = random.choice(list(says[attribute]))
        said = {key: random.choice(says[key][value]) for key, value in shows.items() if key in says}
        text = _filled(
            phrases["forms"]["zoo"][number % len(phrases["forms"]["zoo"])],
            who=f"{shows['colour']} {said['subject']}",
            wears=said.get("worn", ""),
            where=said.get("background", ""),
            corner=said.get("corner", ""),
            how=said.get("style", ""),
        )
        words = {key: _content(value) for key, value in said.items()}
        yield _zoo_case(f"zoo-t{number}", {"text": text}, shows, words, written="template")


def _content(said: str) -> tuple[str, ...]:
    """The words of a phrase that carry its meaning."""
    return tuple(word for word in said.split() if word not in _SMALL)


_SMALL: Final = frozenset(
    {
        "a",
        "an",
        "the",
        "in",
        "on",
        "at",
        "by",
        "of",
        "as",
        "and",
        "with",
        "wearing",
        "its",
        "head",
        "upper",
        "left",
    }
    | {"corner", "small", "golden", "made", "style", "drawing"}
)


def _filled(form: str, **parts: str) -> str:
    """A form with its parts; signs around what is not there go with it."""
    text = form.format(**parts)
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"(?:\s*,)+(?=\s*[,.?]|$)", "", text)
    text = re.sub(r"\s+([,.?])", r"\1", text)
    text = re.sub(r"^[\s:,]+|[\s,]+$", "", text)
    return re.sub(r"([.?]),", r"\1", text).replace("a orange", "an orange").strip()


# Over the synthetic catalog


def _hub() -> Iterator[Case]:
    known = concepts()
    for number, row in enumerate(_data("hub.toml")["requests"]):
        said = {
            name: tuple(each.replace("_", " ") for each in words.split("|") if each)
            for name, _, words in (entry.partition(":") for entry in row["wants"].split())
        }
        yield _hub_case(f"hub-{number}", row, [known[name] for name in said], said)


def _hub_case(
    name: str,
    row: Mapping[str, Any],
    wants: Sequence[Concept],
    said: Mapping[str, Sequence[str]],
    **more: Any,
) -> Case:
    commercial = row.get("policy", {}).get("use") == "commercial"
    avoided = catalog.about((each.id for each in catalog.planted()), row.get("avoid", ()))
    return Case(
        name=name,
        catalog=HUB,
        text=row["text"],
        wanted=tuple(
            Wanted(
                _KINDS[each.category],
                tuple(dict.fromkeys((*_content(each.says[0].lower()), *said.get(each.name, ())))),
                catalog.right(each.name, commercial=commercial),
            )
            for each in wants
        ),
        wrong=catalog.misleading(commercial=commercial) | avoided,
        **_limits(row),
        **more,
    )


def _hub_templated() -> Iterator[Case]:
    random, forms = Random(f"hub {_SEED}"), _data("phrases.toml")["forms"]["hub"]
    groups: dict[str, list[Concept]] = {}
    for each in concepts().values():
        if not each.only:
            groups.setdefault({"clothes": "object"}.get(each.category, each.category), []).append(each)
    parts = {"who": "character", "thing": "object", "place": "background", "how": "style"}
    for number in range(TEMPLATED[HUB]):
        left_out = random.choice(("thing", "place", "how", "", ""))
        chosen = {part: random.choice(groups[group]) for part, group in parts.items() if part != left_out}
        said = {part: random.choice(each.says) for part, each in chosen.items()}
        row: dict[str, Any] = {
            "text": _tidied(
                _filled(forms[number % len(forms)], **{"thing": "", "place": "", "how": "", **said})
            )
        }
        if random.random() < 0.4:
            row["policy"] = {"use": "commercial"}
        if random.random() < 0.4:
            row["family"] = "sd1"
        yield _hub_case(f"hub-t{number}", row, list(chosen.values()), {}, written="template")


def _tidied(text: str) -> str:
    """Without the joints of parts that are not there."""
    text = re.sub(r"\s(?:in front of|and behind it|in the background|with)(?=\s*(?:[,.]|$))", "", text)
    return re.sub(r"\s(?:with|and) (?=(?:in front|and)\b)", " ", text).replace(",,", ",").strip(" ,")
