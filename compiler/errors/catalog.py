"""M830–M839: the catalog as a file or folder — missing, broken, in use, of another version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Severity


@dataclass(frozen=True)
class CatalogMissing(Diagnostic):
    """A catalog is named that does not exist.

    For example:

        mosaic check --catalog models.duckdb plan.mosaic     # M830: there is no such file

    `--catalog`, or else the variable MOSAIC_CATALOG, names the file that `mosaic catalog add` fills or a folder
    that `mosaic catalog export` wrote. `mosaic catalog add` makes a new catalog where there is none.
    """

    code: ClassVar[str] = "M830"
    title: ClassVar[str] = "there is no catalog at `{path}`"

    path: str

    def help(self) -> tuple[str, ...]:
        return (
            f"`mosaic catalog add --catalog {self.path} FOLDER` makes one from the experts in a folder",
            "without `--catalog` and MOSAIC_CATALOG, the experts that come with mosaic are known",
        )


@dataclass(frozen=True)
class CatalogBroken(Diagnostic):
    """A catalog's file is damaged, or is something else.

    For example:

        mosaic check --catalog notes.txt plan.mosaic     # M831: not a catalog

    A catalog is a DuckDB file with mosaic's tables. One that is damaged is rebuilt from the experts on disk
    (`mosaic catalog add`) or from a snapshot (`mosaic catalog import`); it holds nothing that cannot be read
    again, except what was declared by options and measured.
    """

    code: ClassVar[str] = "M831"
    title: ClassVar[str] = "`{path}` is not a sound catalog: {reason}"

    path: str
    reason: str

    def help(self) -> tuple[str, ...]:
        return (
            "if it was a catalog: move it away, then `mosaic catalog add FOLDER`"
            " or `mosaic catalog import SNAPSHOT`",
        )


@dataclass(frozen=True)
class CatalogLocked(Diagnostic):
    """Another process holds the catalog, and did not let go of it in time.

    For example:

        mosaic catalog add models/     # M832, while another program holds catalog.duckdb open

    A catalog has one writer or many readers at a time. mosaic's own commands hold it for moments and wait for
    each other; a database browser that was left open, or a program that was stopped in the middle, does not
    let go. Close that program, or end the process that the message names, and try again.
    """

    code: ClassVar[str] = "M832"
    title: ClassVar[str] = "the catalog `{path}` is held by {holder}"

    path: str
    holder: str  # "process 1234 (python3)"
    waited: float  # seconds

    def help(self) -> tuple[str, ...]:
        return (
            f"waited {self.waited:g} seconds; close the program that holds it, then try again",
            "a snapshot (`mosaic catalog export`) can be read by any number of processes",
        )


@dataclass(frozen=True)
class CatalogNewer(Diagnostic):
    """A catalog or snapshot was written by a later version of mosaic.

    For example:

        mosaic check --catalog catalog.duckdb plan.mosaic     # M833: schema 7, known up to 1

    Reading it as if it were older could overlook what the newer version knows. Use that version, or rebuild
    the catalog with this one.
    """

    code: ClassVar[str] = "M833"
    title: ClassVar[str] = (
        "`{path}` was written by a later mosaic: schema {found}, this version reads {known}"
    )

    path: str
    found: int
    known: int

    def help(self) -> tuple[str, ...]:
        return ("update mosaic, or use a catalog that this version wrote",)


@dataclass(frozen=True)
class CatalogOlder(Diagnostic):
    """A catalog has the schema of an earlier version, and was opened for reading only.

    For example:

        mosaic catalog list     # M834, after an update of mosaic

    Reading changes nothing on disk. The next command that writes brings the catalog up to date, in one
    step that either happens or does not.
    """

    code: ClassVar[str] = "M834"
    title: ClassVar[str] = "`{path}` has schema {found} of an earlier mosaic; this version reads {known}"

    path: str
    found: int
    known: int

    def help(self) -> tuple[str, ...]:
        return ("any command that writes brings it up to date, `mosaic catalog add FOLDER` for one",)


@dataclass(frozen=True)
class CatalogUnwritable(Diagnostic):
    """A catalog or snapshot cannot be written: no permission, no room, no such folder.

    For example:

        mosaic catalog export /snapshot     # M835: permission denied

    What was committed before is still there; what was being written is not.
    """

    code: ClassVar[str] = "M835"
    title: ClassVar[str] = "`{path}` cannot be written: {reason}"

    path: str
    reason: str

    def help(self) -> tuple[str, ...]:
        return ("free some room, or name another place with `--catalog`",)


@dataclass(frozen=True)
class NotASnapshot(Diagnostic):
    """A folder is named as a snapshot of a catalog and is none.

    For example:

        mosaic check --catalog models/ plan.mosaic     # M836: models/ holds no manifest.json of a snapshot

    A snapshot is the folder that `mosaic catalog export` writes. A folder that holds anything else is neither
    read as one nor overwritten by one.
    """

    code: ClassVar[str] = "M836"
    title: ClassVar[str] = "the folder `{path}` is no snapshot of a catalog"

    path: str
    writing: bool = False

    def help(self) -> tuple[str, ...]:
        if self.writing:
            return ("name a folder that does not exist yet, or one that an earlier export wrote",)
        return (
            "`mosaic catalog export FOLDER` writes one",
            "`mosaic catalog add FOLDER` reads the experts in it",
        )


@dataclass(frozen=True)
class SnapshotBroken(Diagnostic):
    """A file of a snapshot is missing, cut short or not the one that was exported.

    For example:

        mosaic check --catalog catalog/ plan.mosaic     # M837: experts.parquet is not as it was exported

    The manifest of a snapshot holds the size and SHA-256 of each file. A checkout that fetched pointers in
    place of large files, or changed the ends of lines, shows like this. Export the snapshot anew, or fetch it
    again.
    """

    code: ClassVar[str] = "M837"
    title: ClassVar[str] = "the snapshot `{path}` is damaged: `{name}` {reason}"

    path: str
    name: str
    reason: str

    def help(self) -> tuple[str, ...]:
        return ("export it anew (`mosaic catalog export`), or fetch it again",)


@dataclass(frozen=True)
class CatalogInconsistent(Diagnostic):
    """`mosaic catalog verify` found entries of a catalog that contradict each other.

    For example:

        mosaic catalog verify     # M838: 2 files name a signature that is not there: local/neon, local/hat

    This is not caused by files that changed on disk, but by a fault of the file system or of mosaic, or by
    another program that wrote to the catalog. Remove the experts that are named and add them again.
    """

    code: ClassVar[str] = "M838"
    title: ClassVar[str] = "the catalog `{path}` contradicts itself: {what}"

    path: str
    what: str
    experts: tuple[str, ...] = ()

    def help(self) -> tuple[str, ...]:
        shown = ", ".join(f"`{id}`" for id in self.experts[:5])
        more = f" and {len(self.experts) - 5} more" if len(self.experts) > 5 else ""
        return (
            (f"remove and add again: {shown}{more}",) if shown else ("export, and import into a new catalog",)
        )


@dataclass(frozen=True)
class ExpertRenamed(Diagnostic):
    """An expert was catalogued under another id, because its own was taken by other content.

    For example:

        mosaic catalog add a/ b/     # M839: b/neon.safetensors is catalogued as `local/neon-3f9a1c`

    Ids are unique. The second of two different files of one name gets six digits of its digest behind the id.
    Give it a name of its own with `--id`, or in a file `neon.expert.toml` beside it.
    """

    code: ClassVar[str] = "M839"
    title: ClassVar[str] = "`{wanted}` is taken by another expert; this one is catalogued as `{id}`"
    severity: ClassVar[Severity] = Severity.WARNING

    wanted: str
    id: str

    def help(self) -> tuple[str, ...]:
        return ("give it an id of its own in a file `NAME.expert.toml` beside it",)
