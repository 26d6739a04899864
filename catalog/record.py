"""An expert as the catalog keeps it: the facts that won, every claim with its evidence, its files and signatures.

Reading (`catalog/reading`) makes records from files, the store (`catalog/store`) keeps them, faces show them. A
record is plain data: it holds nothing that is open and knows nothing of where it is kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.facts import AdapterFacts, BridgeFacts, ExpertFacts, FileFact, Permissions
from mosaic.compiler.types import Kind


class Evidence(StrEnum):
    """Where a claim comes from, the most trusted first: a claim of an earlier kind wins over a later one.

    What tensors show cannot be declared away; what they cannot show (a licence, a rating, a trigger), a person's own
    declaration settles.
    """

    HEADER = "header"  # names, dtypes and shapes of tensors, or scalar tensors
    SHIPPED = "shipped"  # the index of the experts that come with the package
    DECLARED = "declared"  # a person, by a sidecar file or an option
    MEASURED = "measured"  # pictures were made and judged
    CARD = "card"  # a model card or a hub's record
    METADATA = "metadata"  # the file's embedded metadata (`ss_*`, `modelspec.*`)


@dataclass(frozen=True)
class Claim:
    """One thing that somebody says of an expert. `key` is a field of `ExpertFacts` or a word of its own.

    `value` is plain JSON; `source` names the place ("ss_base_model_version", "neon.expert.toml").
    """

    key: str
    value: Any = field(hash=False)
    evidence: Evidence
    source: str = ""


@dataclass(frozen=True)
class Score:
    """A measured capability: the share of `n` pictures in which `name` was right, with its 95 % Wilson interval."""

    name: str
    share: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Edge:
    """A relation between two experts, each named by its content digest. `value` is plain JSON."""

    relation: str  # "interferes", "trained_on", "merged_from", "excludes"
    first: str
    second: str
    value: Any = field(default=None, hash=False)


@dataclass(frozen=True)
class Signature:
    """The tensors of a file by name: (dtype, shape). Files of one trainer and rank share one signature."""

    tensors: tuple[tuple[str, str, tuple[int, ...]], ...]  # sorted by name
    metadata: tuple[tuple[str, str], ...] = ()  # what coverage needs: `lora_adapter_metadata`

    @property
    def digest(self) -> str:
        """64 hex digits over names, dtypes, shapes."""
        content = [[name, dtype, list(shape)] for name, dtype, shape in self.tensors]
        text = json.dumps([content, [list(item) for item in self.metadata]], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class FileState:
    """What of a file on disk tells that it has not changed since it was hashed."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int


@dataclass(frozen=True)
class StoredFile:
    """A file of an expert, with what is needed to know it again."""

    fact: FileFact
    signature: str = ""  # digest of its Signature; empty for a file that is no safetensors
    state: FileState | None = None


@dataclass(frozen=True)
class Record:
    """An expert in the catalog. `facts.files` are the facts of `files`, in the same order."""

    facts: ExpertFacts
    files: tuple[StoredFile, ...]
    claims: tuple[Claim, ...] = ()
    description: str = ""
    author: str = ""
    tags: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    edges: tuple[Edge, ...] = ()
    signatures: Mapping[str, Signature] = field(default_factory=dict, hash=False)
    texts: Mapping[str, str] = field(
        default_factory=dict, hash=False
    )  # small files by sha256: configurations, tokenizers
    warnings: tuple[Diagnostic, ...] = ()  # told once, when it was read

    @property
    def digest(self) -> str:
        """The expert's identity: `content_digest` of its files."""
        return content_digest(self.facts)


def content_digest(facts: ExpertFacts) -> str:
    """64 hex digits over what an expert is made of: roles, names and bytes of its files; not where they lie.

    Where no digest of a file is known, nothing tells its bytes from another's of the same name but the expert's id.
    """
    manifest = sorted(f"{file.role} {file.name} {file.sha256 or f'of {facts.id}'}" for file in facts.files)
    return hashlib.sha256("\n".join(manifest).encode()).hexdigest()


def facts_to_json(facts: ExpertFacts, *, locations: bool = True) -> dict[str, Any]:
    """An expert's facts as plain JSON; what is not known is left out. Reads back with `facts_from_json`."""
    content: dict[str, Any] = {}
    for name, default in _fields(type(facts)):
        value = getattr(facts, name)
        if name in ("id", "kind", "files") or value != default:
            content[name] = _plain(value)
    if not locations:
        content["files"] = [{**file, "location": ""} for file in content["files"]]
    return content


def facts_from_json(content: Mapping[str, Any]) -> ExpertFacts:
    """The facts again. Raises KeyError, TypeError or ValueError for what is no such JSON."""
    given = dict(content)
    given["kind"] = Kind(given["kind"])
    given["files"] = tuple(_file(file) for file in given["files"])
    for name in ("family", "space", "prediction"):
        given.setdefault(name, None)
    for name in ("native_size", "lacks", "triggers", "strengths", "excludes"):
        if given.get(name) is not None:
            given[name] = tuple(given[name])
    if given.get("adapter") is not None:
        given["adapter"] = AdapterFacts(**{k: _tuple(v) for k, v in given["adapter"].items()})
    if given.get("bridge") is not None:
        given["bridge"] = BridgeFacts(**given["bridge"])
    if given.get("permissions") is not None:
        given["permissions"] = Permissions(**{k: _tuple(v) for k, v in given["permissions"].items()})
    return ExpertFacts(**given)


def _file(content: Mapping[str, Any]) -> FileFact:
    return FileFact(**{key: _tuple(value) for key, value in content.items()})


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _fields(kind: type[Any]) -> tuple[tuple[str, Any], ...]:
    """The names of a dataclass's fields with their defaults."""
    return _FIELDS.get(kind) or _listed(kind)


def _listed(kind: type[Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((item.name, _default(item)) for item in dataclasses.fields(kind))


def _default(item: dataclasses.Field[Any]) -> Any:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return None if item.default is dataclasses.MISSING else item.default


_PLAIN: Final = (str, int, float, bool, type(None))


def _plain(value: Any) -> Any:
    # Exact types first: most values are, and a catalog has millions.
    if type(value) in _PLAIN:
        return value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        known = _fields(type(value))
        return {name: _plain(inner) for name, default in known if (inner := getattr(value, name)) != default}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value.value if isinstance(value, StrEnum) else value


_FIELDS: Final = {
    kind: _listed(kind) for kind in (ExpertFacts, FileFact, AdapterFacts, BridgeFacts, Permissions)
}
