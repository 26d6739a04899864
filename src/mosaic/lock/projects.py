"""A `Project` that is held to a lock: strictly (`--locked`, `--frozen`), or by what a lock beside the plan pins."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.catalog.library import Library, Once
from mosaic.catalogs import shipped_library
from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic, MosaicError, Severity, Sink
from mosaic.compiler.pins import Pins
from mosaic.compiler.source import SourceFile
from mosaic.project import Project, read_bytes

if TYPE_CHECKING:
    from mosaic.compiler import Compiled
    from mosaic.compiler.cost.manner import Manner
    from mosaic.compiler.cost.profile import Profile
    from mosaic.lock.document import Lock
    from mosaic.lock.experts import Located

NAME = "mosaic.lock"
LARGEST = 64 * 1024 * 1024
"""Bytes of a lock that are read: some ten thousand experts."""


class Mode(StrEnum):
    """How a lock is held to."""

    BESIDE = "beside"  # a lock that lies there pins what it holds; what differs is a warning
    LOCKED = "locked"  # resolve as usual; it is an error if the lock would change
    FROZEN = "frozen"  # compile from the lock alone


@dataclass(frozen=True)
class Held:
    """The lock that holds a file's plans. `file` is what the lock calls the file."""

    lock: Lock
    folder: Path
    file: str

    def pins(self, strict: bool) -> Pins:
        """As the compiler takes them."""
        digests = {expert.key: expert.digest for expert in self.lock.experts}
        experts = dict(digests)
        for plan in self.lock.plans_of(self.file):
            for reference, key in plan.experts.items():
                if experts.setdefault(reference, digests[key]) != digests[key]:
                    experts[reference] = ""  # two folders, one relative path: the digest alone decides
        experts = {reference: digest for reference, digest in experts.items() if digest}
        pins = Pins(experts=experts, strict=strict, place=self.lock.source.name)
        plans = {}
        for plan in self.lock.plans_of(self.file):
            finds: dict[tuple[str, str], str] = {}
            open_: dict[tuple[str, str], None] = {}
            for find in plan.finds:
                if finds.setdefault((find.kind, find.words), find.chosen) != find.chosen:
                    open_[find.kind, find.words] = (
                        None  # two bases, two answers: which is which, ranking says
                    )
            finds = {words: chosen for words, chosen in finds.items() if words not in open_}
            steps = {(each.low, each.high): each.taken for each in plan.steps}
            plans[plan.plan] = replace(pins, finds=finds, operators=plan.operators, steps=steps)
        return replace(pins, plans=plans)


def read_lock_file(path: Path) -> Lock:
    """A lock from its file. Raises MosaicError (M710-M714, M801, M807)."""
    from mosaic.lock.reading import read_lock

    data = read_bytes(path, LARGEST + 1)
    name = path.as_posix()
    if len(data) > LARGEST:
        raise MosaicError(errors.integrity.NotToml(None, name, "it is too large for a lock"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} begins no character of UTF-8"
        raise MosaicError(errors.integrity.NotToml(None, name, reason)) from None
    return read_lock(SourceFile(name, text.replace("\r\n", "\n")))


class LockedProject(Project):
    """A project whose plans are held to the `mosaic.lock` beside them, or in the current folder, or to `lock`."""

    def __init__(
        self,
        catalog: str | os.PathLike[str] | None = None,
        mode: Mode = Mode.BESIDE,
        lock: Path | None = None,
        device: str | None = None,
        *,
        manner: Manner | None = None,
        fits: bool = False,
        room: Profile | None = None,
    ) -> None:
        super().__init__(catalog, device, manner=manner, fits=fits, room=room)
        self._lock_file = lock
        self._mode = mode
        self._places = self._catalog  # where files may lie, even where nothing is resolved by it
        if mode is Mode.FROZEN:
            self._catalog, self._search = None, Once(shipped_library)
        self._locks: dict[Path, Lock] = {}
        self._held: dict[str, Held | None] = {}
        self._drifts: dict[str, tuple[Diagnostic, ...]] = {}
        self._bound: dict[str, Context] = {}

    def context(self, source: SourceFile) -> Context:
        """The context of a file, with what its lock pins.

        Raises MosaicError: M708 and M715 where a lock was asked for and there is none for this file, M710-M714
        for a lock that cannot be relied on.
        """
        if source.name not in self._bound:
            self._bound[source.name] = self._bind(source, super().context(source))
        return self._bound[source.name]

    def check(self, source: SourceFile) -> tuple[Diagnostic, ...]:
        """Everything that is wrong with a plan file, and, where that was asked, with its lock."""
        try:
            return (*super().check(source), *self._drift(source))
        except MosaicError as error:
            return error.diagnostics

    def lint(self, source: SourceFile) -> tuple[Diagnostic, ...]:
        """As `check`, and what the file could say better."""
        try:
            return (*super().lint(source), *self._drift(source))
        except MosaicError as error:
            return error.diagnostics

    def compile(
        self,
        source: SourceFile,
        *,
        plan: str | None = None,
        parameters: Mapping[str, object] | None = None,
        alternatives: int = 0,
    ) -> Compiled:
        """As `Project.compile`; also raises MosaicError (M709) where the lock would change and must not."""
        drift = self._drift(source)
        if any(d.severity is Severity.ERROR for d in drift):
            raise MosaicError(*drift)
        compiled = super().compile(source, plan=plan, parameters=parameters, alternatives=alternatives)
        if self._mode is Mode.FROZEN:
            self._known_plans(source, [program.source.plan for program in compiled.programs])
        return replace(compiled, diagnostics=(*compiled.diagnostics, *drift)) if drift else compiled

    def release(self) -> None:
        """As `Project.release`; also of the catalog that only says where files lie."""
        super().release()
        if self._places is not None and self._places.opened is not None:
            self._places.opened.close()

    def held(self, source: SourceFile) -> Held | None:
        """The lock that holds a file's plans, the one beside the file before the one of the current folder."""
        if source.name not in self._held:
            self._held[source.name] = self._find(source)
        return self._held[source.name]

    def _bind(self, source: SourceFile, context: Context) -> Context:
        held = self.held(source)
        if held is None:
            if self._mode is Mode.BESIDE or not _plans(source):
                return context
            raise MosaicError(self._unlocked(source))
        pins = held.pins(strict=self._mode is not Mode.BESIDE)
        if self._mode is not Mode.FROZEN:
            return replace(context, pins=pins)
        from mosaic.lock.experts import LockedExperts

        references: dict[str, str] = {}
        for plan in held.lock.plans_of(held.file):
            references.update(plan.experts)
        locate = self.locator(held.folder)
        experts = LockedExperts(held.lock, references, held.folder, Path.cwd(), context.experts, locate)
        return replace(context, pins=pins, experts=experts)

    def locator(self, folder: Path) -> Located:
        """Finds locked files by digest: in the package, in a lock's folder, in the catalog where there is one."""
        from mosaic.catalog.index import read_index
        from mosaic.lock.experts import Located
        from mosaic.stdlib import zoo

        shipped = {
            file.sha256: file.location
            for facts in read_index(zoo.index(), zoo.root()).values()
            for file in facts.files
        }
        return Located(folder, shipped, self._library)

    def _library(self) -> Library | None:
        return self._places.get() if self._places is not None else None

    def _find(self, source: SourceFile) -> Held | None:
        if source.name.startswith("<"):
            return None
        beside = [folder / NAME for folder in dict.fromkeys((Path(source.name).parent, Path()))]
        for path in [self._lock_file] if self._lock_file is not None else beside:
            folder = path.parent
            if not path.is_file():
                continue
            from mosaic.lock.places import below

            lock = self._lock(path)
            file = below(Path(source.name), folder)
            if file is not None and lock.plans_of(file):
                return Held(lock, folder, file)
        return None

    def _lock(self, path: Path) -> Lock:
        if path not in self._locks:
            self._locks[path] = read_lock_file(path)
        return self._locks[path]

    def _unlocked(self, source: SourceFile) -> Diagnostic:
        nameless = "standard input" if source.name == "<stdin>" else "a text without a file"
        shown = nameless if source.name.startswith("<") else f"`{source.name}`"
        if not self._locks:
            return errors.integrity.NoLock(None, shown)
        place = next(reversed(self._locks)).as_posix()
        return errors.integrity.PlanNotLocked(None, place, shown, source.name)

    def _known_plans(self, source: SourceFile, names: list[str]) -> None:
        held = self.held(source)
        if held is None:
            return  # a file without plans
        known = {plan.plan for plan in held.lock.plans_of(held.file)}
        place = held.lock.source.name
        missing = [
            errors.integrity.PlanNotLocked(None, place, f"plan `{name}` of `{source.name}`", source.name)
            for name in names
            if name not in known
        ]
        if missing:
            raise MosaicError(*missing)

    def _drift(self, source: SourceFile) -> tuple[Diagnostic, ...]:
        if self._mode is not Mode.LOCKED:
            return ()
        if source.name not in self._drifts:
            self._drifts[source.name] = self._compare(source)
        return self._drifts[source.name]

    def _unbounded(self, source: SourceFile) -> Context:
        """The context that a lock is made in: what a device has room for decides nothing there."""
        return replace(super().context(source), room=None)

    def _compare(self, source: SourceFile) -> tuple[Diagnostic, ...]:
        from mosaic.lock.comparing import differences, tools
        from mosaic.lock.making import ToLock, make
        from mosaic.lock.reading import read_lock
        from mosaic.lock.toolchain import toolchain
        from mosaic.lock.writing import lock_text

        held = self.held(source)
        if held is None:
            if not _plans(source):
                return ()
            raise MosaicError(self._unlocked(source))
        settings = held.lock.plans_of(held.file)[0].settings
        try:
            made = make([ToLock(source, settings)], held.folder, self._unbounded)
        except MosaicError:
            return ()  # the plan has mistakes; they are told when it is checked
        # Compared as it would be read again: TOML knows no tuples.
        new = read_lock(SourceFile(NAME, lock_text(made.lock)))
        found = list(differences(held.lock, new))
        if other := tools(held.lock, toolchain()):
            said = ", ".join(
                f"{name} {then or 'absent'} (here {now or 'absent'})" for name, then, now in other
            )
            found.append(errors.integrity.OtherToolchain(None, held.lock.source.name, said))
        return tuple(dict.fromkeys(found))


def _plans(source: SourceFile) -> bool:
    """Whether a file holds plans; one of fragments alone needs no lock."""
    from mosaic.compiler.syntax import tree
    from mosaic.compiler.syntax.parse import parse

    return any(isinstance(item, tree.Plan) for item in parse(source, Sink()).items)
