"""A plan that uses an expert, checked before it is shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mosaic.compiler.types import Kind

if TYPE_CHECKING:
    from mosaic.catalog.store import Store
    from mosaic.compiler.facts import ExpertFacts

_WRITABLE: Final = re.compile(r'[^"\\{}\x00-\x1f\x7f]+')
_NAMES: Final = {Kind.LORA: "style", Kind.EMBEDDING: "word", Kind.VAE: "codec", Kind.CHECKPOINT: "base"}


def snippet_for(store: Store, facts: ExpertFacts, base: str | None) -> tuple[str, tuple[str, ...]]:
    """A plan over a base of the catalog and what is wrong with it in this version; both empty where none is known."""
    text = _text(facts, base)
    return (text, _problems(store, text)) if text else ("", ())


def _text(facts: ExpertFacts, base: str | None) -> str:
    if not _WRITABLE.fullmatch(facts.id):
        return ""
    if facts.kind is Kind.CHECKPOINT:
        return "" if facts.lacks else _plan("base", facts.id, (), 'sample(base, prompt: "a house", seed: 7)')
    if base is None or facts.kind not in _NAMES or not _WRITABLE.fullmatch(base):
        return ""
    name = _NAMES[facts.kind]
    line = f'  let {name:<5} = {facts.kind}("{facts.id}")'
    strength = f" * {_strength(facts):g}" if facts.kind is Kind.LORA else ""
    called = f", {{{name}}}" if facts.kind is Kind.EMBEDDING or facts.trigger else ""
    fused = f"  let model = fuse(base, {name}{strength})"
    return _plan("base ", base, (line, fused), f'sample(model, prompt: "a house{called}", seed: 7)')


def _plan(name: str, base: str, lines: tuple[str, ...], sample: str) -> str:
    first = ["mosaic 1", "", "plan first {", f'  let {name} = checkpoint("{base}")']
    return "\n".join([*first, *lines, "", f'  emit {sample} as "first.png"', "}"])


def _strength(facts: ExpertFacts) -> float:
    """Below full strength where that is in the known range, as most authors advise."""
    if facts.strengths is None:
        return 0.8
    low, high = facts.strengths
    return round(min(max(0.8, low), high), 2)


def _problems(store: Store, text: str) -> tuple[str, ...]:
    from pathlib import Path

    from mosaic.compiler.diagnostic import MosaicError, Severity
    from mosaic.compiler.source import SourceFile
    from mosaic.project import Project

    with Project(None if store.place == "memory" else Path(store.place)) as project:
        try:
            found = project.check(SourceFile("<card>", text))
        except MosaicError as error:
            found = error.diagnostics
    return tuple(
        f"{diagnostic.code}: {diagnostic.message()}"
        for diagnostic in found
        if diagnostic.severity is Severity.ERROR
    )
