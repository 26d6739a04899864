"""Experts read from files and folders, and kept: the work of `mosaic catalog add`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mosaic.api.catalog.changes import Candidate, changed
from mosaic.api.catalog.reading_all import read_all
from mosaic.api.faults import UsageError
from mosaic.catalog.reading import Declared, Naming, Refusal, candidates, read_one, shipped
from mosaic.catalog.record import Evidence, Record
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.errors.catalog_face import NothingToAdd
from mosaic.stdlib import zoo

if TYPE_CHECKING:
    from mosaic.catalog.store import Put, Store

_BATCH: Final = 500
"""Experts that are committed at once."""
_PATIENCE_S: Final = 5.0
"""What was read is committed after so long at the latest: an interrupt costs no more."""
_OPTIONS: Final = "options"
_OF_ONE: Final = ("id", "title", "trigger", "strengths", "excludes", "last")


@dataclass(frozen=True)
class Request:
    """What the command was asked."""

    paths: tuple[Path, ...]
    stated: Declared
    namespace: str | None = None
    again: bool = False
    jobs: int | None = None


@dataclass
class Added:
    """What became of the experts: ids, what was refused and why, warnings."""

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: int = 0
    refused: list[Refusal] = field(default_factory=list)
    warnings: list[Diagnostic] = field(default_factory=list)
    shipped: int = 0  # experts of the package that were taken in or brought up to date

    def take(self, put: Put) -> None:
        """Count a batch that was committed."""
        self.added += put.added
        self.updated += put.updated
        self.unchanged += len(put.unchanged)
        self.warnings += put.warnings


Bar = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Shows how far reading so many experts is: what it gives is called with how many are done."""


def add(
    store: Store, request: Request, outcome: Added, bar: Bar = lambda total: nullcontext(_silent)
) -> None:
    """Read what is new and keep it; the `outcome` is brought up to date on the way, so that an interrupt can be told.

    Raises UsageError for statements about one expert where there are several, and for a name that begins no ids.
    """
    _check_namespace(request)
    outcome.shipped = _take_in_shipped(store)
    wanted = _wanted(request, store, outcome)
    with bar(len(wanted)) as advance:
        _add(request, store, wanted, outcome, advance)


def _silent(done: int) -> None:
    """Nobody watches."""


def _check_namespace(request: Request) -> None:
    name = request.namespace
    if name is not None and Naming().id(Path(f"{name}.safetensors")) != f"local/{name}":
        raise UsageError("lower-case letters, digits, dots and hyphens: it begins ids", "--namespace")


def _take_in_shipped(store: Store) -> int:
    """The experts of the package, where they are new or their index changed."""
    put = store.put(shipped(zoo.index(), zoo.root()))
    return len(put.added) + len(put.updated)


def _wanted(request: Request, store: Store, outcome: Added) -> list[Candidate]:
    """The paths to read, each once. What has not changed is counted and left out."""
    found: dict[Path, None] = {}
    for path in request.paths:
        inside = candidates(path)
        if not inside:
            outcome.refused.append(Refusal(path, (NothingToAdd(None, str(path)),)))
        found.update(dict.fromkeys(inside))
    alone = [name for name in _OF_ONE if getattr(request.stated, name) not in (None, ())]
    if len(found) > 1 and alone:
        names = ", ".join(f"--{name.replace('strengths', 'strength')}" for name in alone)
        raise UsageError(f"{names}: of one expert, and there are {len(found)} here", "PATH")
    everything = list(found)
    fresh = {candidate.path: candidate for candidate in changed(everything, store)}
    store.close()
    if request.again or request.stated != Declared():
        return [fresh.get(path, Candidate(path, known=True)) for path in everything]
    outcome.unchanged += len(everything) - len(fresh)
    return list(fresh.values())


def _add(
    request: Request,
    store: Store,
    wanted: Sequence[Candidate],
    outcome: Added,
    advance: Callable[[int], None],
) -> None:
    read = partial(
        read_one,
        ids=Naming(request.namespace) if request.namespace else Naming(),
        options=_options(request),
        spaces=_spaces(),
    )
    known = {candidate.path for candidate in wanted if candidate.known}
    waiting: list[Record] = []
    since = time.monotonic()
    done = 0
    paths = [candidate.path for candidate in wanted]
    for batch in read_all(paths, read, request.jobs):
        for path, result in zip(paths[done : done + len(batch)], batch, strict=True):
            if isinstance(result, Refusal):
                outcome.refused.append(result)
                continue
            kept = _kept(result, path, store, request) if path in known else result
            waiting.append(kept)
            outcome.warnings += kept.warnings
        done += len(batch)
        advance(done)
        if len(waiting) >= _BATCH or time.monotonic() - since > _PATIENCE_S:
            _commit(store, waiting, outcome)
            since = time.monotonic()
    _commit(store, waiting, outcome)


def _commit(store: Store, waiting: list[Record], outcome: Added) -> None:
    if waiting:
        outcome.take(store.put(waiting))
        waiting.clear()


def _kept(record: Record, path: Path, store: Store, request: Request) -> Record:
    """A record that is read again, with what was stated of it by options before.

    Only what this command states anew is replaced; nobody repeats a licence each time a folder is brought up to date.
    """
    same = [facts for facts in store.by_digest(record.files[0].fact.sha256) if _holds(facts.files, record)]
    before = store.record(same[0].id) if same else None
    store.close()
    if before is None:
        return record
    anew = [claim.key for claim in record.claims if claim.evidence is Evidence.DECLARED]
    said: dict[str, Any] = {
        claim.key: tuple(claim.value) if isinstance(claim.value, list) else claim.value
        for claim in before.claims
        if claim.evidence is Evidence.DECLARED and claim.source == _OPTIONS and claim.key not in anew
    }
    naming = Naming(request.namespace) if request.namespace else Naming()
    derived = record.facts.id == naming.id(path) and request.namespace is None
    id = before.facts.id if derived and request.stated.id is None else None
    if not said and (id is None or id == record.facts.id):
        return record
    stated = replace(request.stated, source=_OPTIONS).over(Declared(**said, source=_OPTIONS))
    again = read_one(path, ids=naming, options=stated, spaces=_spaces())
    if isinstance(again, Refusal):  # it changed meanwhile; the next `add` will see
        return record
    return replace(again, facts=replace(again.facts, id=id)) if id is not None else again


def _options(request: Request) -> Declared:
    return replace(request.stated, source=_OPTIONS) if request.stated != Declared() else request.stated


def _holds(files: Sequence[object], record: Record) -> bool:
    return sorted(str(getattr(file, "sha256", "")) for file in files) == sorted(
        file.fact.sha256 for file in record.files
    )


def _spaces() -> Mapping[str, str]:
    """The latent spaces of the package's VAEs, by their digests: copies of them are known again."""
    from mosaic.catalog.index import read_index
    from mosaic.catalog.spaces import known_spaces

    return known_spaces(read_index(zoo.index(), zoo.root()).values())
