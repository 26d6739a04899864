"""The experts that a plan can name: those shipped with the package, and any on disk by path."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mosaic.catalog.architecture import architecture, stated
from mosaic.catalog.coverage import coverage as measure
from mosaic.catalog.coverage import tensors, touched
from mosaic.catalog.digests import Digests
from mosaic.catalog.edges import Pairs, read_edges
from mosaic.catalog.found import read_text
from mosaic.catalog.headers import Headers
from mosaic.catalog.index import PACKAGE, better_bridge, locate, read_bridges, read_index
from mosaic.catalog.paths import beside, is_path, near_names, place, similar
from mosaic.catalog.prompts import Prompts
from mosaic.compiler import errors
from mosaic.compiler.cost.architecture import Architecture
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.facts import Candidate, Coverage, ExpertFacts, FileFact, Interference, TokenCount
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind
from mosaic.compiler.weights.header import Header
from mosaic.compiler.weights.names import Shapes

if TYPE_CHECKING:
    from mosaic.catalog.library import Once

_REMOTE: Final = r"(?i)^(https?|ftp|s3|gs|hf|civitai|urn|air):"
_Content = tuple[str, ...]
_DIGEST: Final = r"(?i)^sha256:([0-9a-f]{8,64})$"


def is_id(reference: str) -> bool:
    """Whether a reference is looked up as an id or alias: it is no path, no digest and no address."""
    return not (is_path(reference) or reference.lower().startswith("sha256:") or re.match(_REMOTE, reference))


class LocalExperts:
    """Implements `mosaic.compiler.context.Experts`. Reads headers and configurations, never weights.

    `index` is the table of shipped experts, `root` the folder that its paths start from, `project` the folder
    that relative paths start from in a text without a place of its own. Experts may lie anywhere: the
    author of a plan names them, and nothing of them is ever executed. `catalog` is the user's catalog,
    `search` one in which words are looked up (the same, or the shipped experts alone); each is opened at the
    first need, because most plans need neither.
    """

    def __init__(
        self,
        index: Mapping[str, Any],
        root: Path,
        project: Path,
        digests: Digests | None = None,
        catalog: Once | None = None,
        search: Once | None = None,
    ) -> None:
        self._shipped = read_index(index, root)
        self._edges = read_edges(index)
        self._bridges = read_bridges(index, root)
        self._by_id = self._shipped | {facts.id: facts for facts in self._bridges.values()}
        self._pairs = Pairs()
        self._catalog = catalog
        self._search = search or catalog
        self._project = project
        self._digests = digests if digests is not None else Digests()
        self._headers = Headers()
        self._prompts = Prompts(self._open, self._read, self._tensors)
        self._bases: dict[_Content, Shapes] = {}
        self._coverages: dict[tuple[str, _Content, _Content], Coverage] = {}
        self._touched: dict[tuple[_Content, _Content], Sequence[str]] = {}
        self._architectures: dict[_Content, Architecture | None] = {}

    def resolve(self, kind: Kind, reference: str, span: Span) -> ExpertFacts | Diagnostic:
        """The expert that an id, `sha256:...` or path (relative to the span's file) means."""
        facts = self._find(kind, reference, span)
        if isinstance(facts, Diagnostic) or facts.kind is kind:
            return facts
        return errors.inputs.WrongExpertKind(span, reference, str(kind), str(facts.kind))

    def names(self, kind: Kind) -> Sequence[str]:
        """The ids of experts of a kind, the shipped ones first."""
        shipped = tuple(id for id, facts in self._by_id.items() if facts.kind is kind)
        if self._catalog is None:
            return shipped
        return (*shipped, *(id for id in self._catalog.get().names(kind) if id not in self._by_id))

    def coverage(self, base: ExpertFacts, expert: ExpertFacts) -> Coverage:
        """How the tensors of a LoRA, embedding, VAE or checkpoint meet those of the base.

        Raises MosaicError where a file has gone since it was resolved.
        """
        if _nowhere(base, expert):
            return Coverage(0, 0)
        if self._catalog is not None:
            known = self._catalog.get().coverage(base, expert)
            if known is not None:
                return known
        key = (str(expert.kind), _content(base), _content(expert))
        if not all(file.sha256 for facts in (base, expert) for file in facts.files):
            return measure(self._tensors(base), expert, self._open, self._read)
        if key not in self._coverages:
            self._coverages[key] = measure(self._tensors(base), expert, self._open, self._read)
        return self._coverages[key]

    def touches(self, base: ExpertFacts, expert: ExpertFacts) -> Sequence[str]:
        """Canonical names of the base's tensors that a LoRA or checkpoint changes, as their headers say.

        Raises MosaicError where a file has gone since it was resolved.
        """
        if _nowhere(base, expert):
            return ()
        key = (_content(base), _content(expert))
        if key not in self._touched:
            self._touched[key] = touched(self._tensors(base), expert, self._open, self._read)
        return self._touched[key]

    def architecture(self, base: ExpertFacts) -> Architecture | None:
        """What a checkpoint's networks cost to run, told by its headers; None where they do not show it, or where no
        header is at hand."""
        if _nowhere(base):
            return None
        key = _content(base)
        if key not in self._architectures:
            try:
                found = architecture(self._tensors(base), stated(base, self._read))
            except MosaicError:  # a file of a snapshot, or one that has gone: whoever runs the plan says so
                found = None
            self._architectures[key] = found
        return self._architectures[key]

    def find(
        self, kind: Kind, words: str, families: Sequence[str] = (), ratings: Sequence[str] = ()
    ) -> Sequence[Candidate]:
        """The experts that answer some words, the best first."""
        if self._search is None:
            return ()
        found = self._search.get().find(kind, words, families, ratings)
        # What is shipped is known better by its index than by a catalog that an older version filled.
        return [
            replace(candidate, expert=self._by_id.get(candidate.expert.id, candidate.expert))
            for candidate in found
        ]

    def fitting(self, kind: Kind, base: ExpertFacts, like: ExpertFacts) -> Sequence[str]:
        """Ids of experts of a kind that fit a base and are most like another one, the best first."""
        return self._search.get().fitting(kind, base, like) if self._search is not None else ()

    def interference(self, first: ExpertFacts, second: ExpertFacts) -> Interference | None:
        """How two adapters' deltas meet: as shipped, as catalogued, or computed where both files are small."""
        known = self._edges.get((first.id, second.id))
        if known is None and self._catalog is not None:
            known = self._catalog.get().interference(first, second)
        return known or self._pairs.get(first, second)

    def bridge(self, source: str, target: str) -> ExpertFacts | None:
        """What carries latents of one space into another, the best of what is catalogued and shipped."""
        best = self._bridges.get((source, target))
        if self._catalog is None:
            return best
        library = self._catalog.get()
        own: ExpertFacts | None = None
        for facts in library.bridges(source, target):
            if facts.id not in self._by_id:
                own = better_bridge(own, replace(facts, integrity=library.changed(facts)))
        return better_bridge(own, best)

    def tokens(self, base: ExpertFacts, embeddings: Sequence[ExpertFacts], text: str) -> TokenCount | None:
        """The length of a prompt for this base's encoder, or None where its tokenizer is not at hand."""
        return None if _nowhere(base, *embeddings) else self._prompts.count(base, embeddings, text)

    def _find(self, kind: Kind, reference: str, span: Span) -> ExpertFacts | Diagnostic:
        if is_path(reference):
            return self._by_path(reference, span)
        if re.match(_REMOTE, reference):
            return errors.inputs.RemoteExpert(span, str(kind), reference)
        if reference.lower().startswith("sha256:"):
            return self._by_digest(kind, reference, span)
        if reference in self._by_id:
            return self._by_id[reference]
        shipped = tuple(id for id, facts in self._by_id.items() if facts.kind is kind)
        near = near_names(reference, shipped)
        if self._catalog is not None:
            library = self._catalog.get()
            facts = library.facts(reference)
            if facts is not None:
                return replace(facts, integrity=library.changed(facts))
            near = (*near, *library.near(kind, reference))[:2]
        is_file = bool(reference) and "\0" not in reference and place(reference, span, self._project).exists()
        return errors.inputs.UnknownExpert(span, str(kind), reference, near, is_file)

    def _by_digest(self, kind: Kind, reference: str, span: Span) -> ExpertFacts | Diagnostic:
        found = re.match(_DIGEST, reference)
        if found is None:
            return errors.inputs.UnknownDigest(span, str(kind), reference, "no expert")
        start = found[1].lower()
        holders = [
            facts
            for facts in self._by_id.values()
            if facts.kind is kind and any(file.sha256.startswith(start) for file in facts.files)
        ]
        if self._catalog is not None:
            known = [facts for facts in self._catalog.get().by_digest(start) if facts.id not in self._by_id]
            holders += [facts for facts in known if facts.kind is kind]
        if len(holders) != 1:
            return errors.inputs.UnknownDigest(
                span, str(kind), reference, "several experts" if holders else "no expert"
            )
        return holders[0]

    def _by_path(self, reference: str, span: Span) -> ExpertFacts | Diagnostic:
        try:
            path = place(reference, span, self._project)
            if not path.exists():
                near = tuple(beside(reference, name) for name in similar(path))
                return errors.inputs.NoSuchFile(span, reference, near)
            # Plans over shipped experts need none of this, and start faster without.
            from mosaic.catalog.reading.expert import facts_at

            return facts_at(
                path, reference, span, headers=self._headers, digests=self._digests, spaces=self._spaces
            )
        except MosaicError as error:
            return error.diagnostics[0]
        except (ValueError, RuntimeError) as error:  # a NUL; no home folder; a loop of links
            return errors.inputs.NotAModel(span, reference, str(error))
        except OSError as error:
            return errors.inputs.Unreadable(span, reference, error.strerror or type(error).__name__)

    @cached_property
    def _spaces(self) -> Mapping[str, str]:
        # A VAE met by path under a known digest is the shipped one, and so is its latent space.
        from mosaic.catalog.spaces import known_spaces

        return known_spaces(self._shipped.values())

    def _tensors(self, base: ExpertFacts) -> Shapes:
        key = _content(base)
        if key not in self._bases:
            self._bases[key] = tensors(base, self._open)
        return self._bases[key]

    def _open(self, file: FileFact) -> Header:
        if self._catalog is not None and not file.location.startswith(PACKAGE):
            header = self._catalog.get().header(file.sha256)
            if header is not None:
                return header
        return self._headers.read(locate(file.location), file.name)

    def _read(self, file: FileFact) -> str:
        if self._catalog is not None and not file.location.startswith(PACKAGE):
            text = self._catalog.get().text(file.sha256)
            if text is not None:
                return text
        return read_text(locate(file.location), file.name, None)


def _content(expert: ExpertFacts) -> _Content:
    """The files of an expert, to remember what they say."""
    return tuple(f"{file.role}:{file.name}:{file.sha256}" for file in expert.files)


def _nowhere(*experts: ExpertFacts) -> bool:
    """Whether nobody knows which bytes are meant: no digest and no place. That is an error of its own (M703)."""
    return any(not file.sha256 and not file.location for facts in experts for file in facts.files)
