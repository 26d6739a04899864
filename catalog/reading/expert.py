"""One expert, from its files to its record. No weight is loaded: headers, scalar tensors and digests are enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mosaic.catalog.digests import Digests
from mosaic.catalog.folders import Folder
from mosaic.catalog.found import Found, read_text
from mosaic.catalog.headers import Headers
from mosaic.catalog.index import SHOWS_NOTHING
from mosaic.catalog.reading import embedded
from mosaic.catalog.reading.disagreement import disagreements
from mosaic.catalog.reading.given import Declared, Naming, Refusal, title_of
from mosaic.catalog.reading.merged import best, declared_claims, ranked, triggers, value
from mosaic.catalog.reading.shown import AdapterShown, adapter_shown, shown_claims, usual_claims
from mosaic.catalog.reading.sidecar import check_declared, read_sidecar, sidecar_of
from mosaic.catalog.reading.stored import Files, Weights, signature_of, texts_of
from mosaic.catalog.record import Claim, Record, StoredFile
from mosaic.catalog.single import refuse_unrunnable, single_file
from mosaic.catalog.spaces import vae_digest
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.facts import AdapterFacts, ExpertFacts
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind
from mosaic.compiler.weights import autoencoders

_NO_SPACES: Final[Mapping[str, str]] = MappingProxyType({})
_NAMING: Final = Naming()
_NOTHING: Final = Declared()


def read_one(
    path: Path,
    *,
    ids: Naming = _NAMING,
    options: Declared = _NOTHING,
    spaces: Mapping[str, str] = _NO_SPACES,
    digests: Digests | None = None,
) -> Record | Refusal:
    """The expert at a path: one safetensors file, or a model's folder.

    `options` are a person's statements, and win over those of a sidecar. `spaces` names the latent spaces of VAEs that
    are known by a digest. Never raises for what a file holds: what is no expert is a `Refusal`.
    """
    # A name need not be text to the operating system; it has to be to be printed and kept.
    shown = str(path).encode("utf-8", "backslashreplace").decode()
    if shown != str(path):
        return Refusal(path, (errors.inputs.NotAModel(None, shown, "its path is not UTF-8 text"),))
    try:
        wrong = check_declared(options, shown)
        if wrong:
            return Refusal(path, wrong)
        return _Reading(path, ids, spaces, digests or Digests()).record(options)
    except MosaicError as error:
        return Refusal(path, error.diagnostics)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return Refusal(path, (errors.inputs.Unreadable(None, shown, reason),))
    except (ValueError, RuntimeError) as error:  # a NUL in the path; a loop of links
        return Refusal(path, (errors.inputs.NotAModel(None, shown, str(error)),))


def facts_at(
    path: Path,
    reference: str,
    span: Span,
    *,
    headers: Headers,
    digests: Digests,
    spaces: Mapping[str, str] = _NO_SPACES,
) -> ExpertFacts:
    """The same facts of an expert that a plan names by its path; of its files only the SHA-256 is worked out.

    The reference is its id. Raises MosaicError, OSError, ValueError, RuntimeError.
    """
    reading = _Reading(path, _NAMING, spaces, digests, Shown(reference, span, headers))
    return replace(reading.record(_NOTHING).facts, id=reference)


@dataclass(frozen=True)
class Shown:
    """How messages name the path of an expert in a plan, and where it is named."""

    reference: str
    span: Span
    headers: Headers


class _Reading:
    """What is read once for one expert."""

    def __init__(
        self,
        path: Path,
        ids: Naming,
        spaces: Mapping[str, str],
        digests: Digests,
        named: Shown | None = None,
    ) -> None:
        self._path, self._ids, self._spaces = path, ids, spaces
        self._shown = named.reference.rstrip("/") if named else str(path)
        self._span = named.span if named else None
        self._by_plan = named is not None
        self._headers = named.headers if named else Headers()
        self._files = Files(self._shown, self._headers, digests, self._span, brief=self._by_plan)

    def record(self, options: Declared) -> Record:
        """Raises MosaicError, OSError."""
        if not self._path.exists():
            raise MosaicError(errors.inputs.NoSuchFile(self._span, self._shown))
        beside = sidecar_of(self._path)
        declared = options if beside is None else options.over(read_sidecar(beside, str(beside)))
        found = self._look()
        weights = self._files.weights(found.parts)
        signatures = {file.part.path: signature_of(file.header) for file in weights}
        files = tuple(
            self._files.stored(part, signatures[part.path][0] if part.path in signatures else "")
            for part in found.parts
        )
        adapter = self._adapter(found, weights[0])
        claims = self._claims(found, weights, adapter, declared)
        facts = self._facts(found, files, claims, adapter.facts if adapter else None, declared)
        return Record(
            facts=facts,
            files=files,
            claims=claims,
            description=value(claims, "description", ""),
            author=value(claims, "author", ""),
            tags=value(claims, "tags", ()),
            signatures=dict(signatures.values()),
            texts=texts_of(found.parts, files),
            warnings=disagreements(self._shown, facts, claims, adapter),
        )

    def _look(self) -> Found:
        path, shown, span = self._path, self._shown, self._span
        if path.is_dir():
            folder = Folder(path, shown, span, self._headers)
            adapter = folder.adapter()
            if adapter is None:
                return self._runnable(folder.read(self._space), shown)
            path, shown = adapter, f"{shown}/{adapter.name}"
        elif not path.is_file():
            raise MosaicError(errors.inputs.NotAModel(span, shown, "it is neither a file nor a folder"))
        header = self._headers.read(path, shown, span)
        found = single_file(path, header, shown, span, lambda facts, family: self._space(facts, family, path))
        return self._runnable(found, shown)

    def _runnable(self, found: Found, shown: str) -> Found:
        if self._by_plan:
            refuse_unrunnable(found, shown, self._span)
        return found

    def _space(self, facts: autoencoders.VaeFacts, family: str | None, path: Path) -> str | None:
        header = self._headers.read(path, self._shown, self._span)
        digest = self._files.identity(path, header).sha256
        if digest in self._spaces:
            return self._spaces[digest]
        # Inside another file, or under other names, a known VAE is told by its numbers.
        named = autoencoders.latent_space(facts, family, digest)
        if named is None or not named.startswith(autoencoders.OWN_SPACE):
            return named
        digest = vae_digest(path, header)
        return self._spaces.get(digest) or autoencoders.latent_space(facts, family, digest)

    def _adapter(self, found: Found, weights: Weights) -> AdapterShown | None:
        if found.adapter is None:
            return None
        config = next((part.path for part in found.parts if part.role == "config"), None)
        text = read_text(config, str(config), None) if config is not None else None
        return adapter_shown(found.adapter, weights, text)

    def _claims(
        self, found: Found, weights: tuple[Weights, ...], adapter: AdapterShown | None, declared: Declared
    ) -> tuple[Claim, ...]:
        told = {key: text for file in weights for key, text in file.header.metadata.items()}
        stem = self._path.stem
        return ranked(
            [
                *shown_claims(found, weights, adapter.facts if adapter else None, stem),
                *declared_claims(declared),
                *embedded.claims(told, found.kind),
                *usual_claims(found, stem),
            ]
        )

    def _facts(
        self,
        found: Found,
        files: tuple[StoredFile, ...],
        claims: tuple[Claim, ...],
        adapter: AdapterFacts | None,
        declared: Declared,
    ) -> ExpertFacts:
        words = triggers(claims)
        stated = best(claims, "trigger")
        license = best(claims, "license")
        return ExpertFacts(
            id=declared.id or self._ids.id(self._path),
            kind=found.kind,
            family=value(claims, "family"),
            space=found.space,
            prediction=value(claims, "prediction") if found.kind is Kind.CHECKPOINT else None,
            files=tuple(file.fact for file in files),
            trigger=stated.value if stated is not None else None,
            title=value(claims, "title") or title_of(self._path),
            license=license.value if license is not None else None,
            native_size=value(claims, "native_size"),
            size_multiple=found.size_multiple,
            lacks=found.lacks,
            triggers=words,
            adapter=adapter,
            vectors=value(claims, "vectors", 0),
            variant=found.variant,
            clip_skip=value(claims, "clip_skip"),
            strengths=value(claims, "strengths"),
            excludes=value(claims, "excludes", ()),
            rating=value(claims, "rating") or (SHOWS_NOTHING if found.bridge is not None else None),
            category=value(claims, "category", ""),
            last=value(claims, "last", False),
            trained_on=value(claims, "trained_on", ""),
            lineage=value(claims, "lineage", ""),
            license_evidence=str(license.evidence) if license is not None else "",
            parameters=value(claims, "parameters", 0),
            dtype=value(claims, "dtype", ""),
            bridge=found.bridge,
        )
