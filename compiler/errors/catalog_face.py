"""M840–M844, M886: what `mosaic catalog` was asked for and cannot do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic


@dataclass(frozen=True)
class NotInCatalog(Diagnostic):
    """The catalog holds no expert of that id, alias or digest.

    For example:

        mosaic catalog show local/neom     # M840: `local/neon` is spelt alike

    Experts are named by id (`local/neon`), by alias, or by the first eight or more hex digits of any of their
    digests: SHA-256, AutoV2, AutoV3, BLAKE3. `mosaic catalog search WORDS` finds them by what they make.
    """

    code: ClassVar[str] = "M840"
    title: ClassVar[str] = "there is no expert `{reference}` in `{place}`"

    reference: str
    place: str
    near: tuple[str, ...] = ()

    def help(self) -> tuple[str, ...]:
        if self.near:
            return ("spelt alike: " + ", ".join(f"`{id}`" for id in self.near),)
        return ("`mosaic catalog list` shows every id, `mosaic catalog search WORDS` finds by words",)


@dataclass(frozen=True)
class NothingToAdd(Diagnostic):
    """A folder was to be added to the catalog, and nothing in it looks like an expert.

    For example:

        mosaic catalog add docs/     # M841: no model's folder and no .safetensors file in docs/

    Folders are searched to any depth for models in the diffusers layout and for `.safetensors` files; hidden
    folders are left out. Name the folder that holds the models.
    """

    code: ClassVar[str] = "M841"
    title: ClassVar[str] = "nothing in `{path}` looks like an expert"

    path: str

    def help(self) -> tuple[str, ...]:
        return ("models in diffusers folders and .safetensors files are looked for, at any depth",)


@dataclass(frozen=True)
class SnapshotIsReadOnly(Diagnostic):
    """A command that changes the catalog was pointed at a snapshot's folder, or at any other folder.

    For example:

        mosaic catalog add --catalog snapshot/ models/     # M842

    A snapshot is written as a whole, by `mosaic catalog export`, and read only after that. Change the catalog
    that it came from and export again; `mosaic catalog import` makes a catalog of it.
    """

    code: ClassVar[str] = "M842"
    title: ClassVar[str] = "`{path}` is a folder; what changes a catalog needs its file"

    path: str

    def help(self) -> tuple[str, ...]:
        return (
            "name a file, which is made where there is none: --catalog catalog.duckdb",
            f"a snapshot becomes a catalog by: mosaic catalog import {self.path}",
        )


@dataclass(frozen=True)
class SeveralExperts(Diagnostic):
    """The beginning of a digest is that of several experts.

    For example:

        mosaic catalog show d810a9ce     # M843: experts that share a text encoder share its digest

    Give more digits, or the id.
    """

    code: ClassVar[str] = "M843"
    title: ClassVar[str] = "`{reference}` is the digest of several experts"

    reference: str
    ids: tuple[str, ...]

    def help(self) -> tuple[str, ...]:
        shown = ", ".join(f"`{id}`" for id in self.ids[:8])
        more = f" and {len(self.ids) - 8} more" if len(self.ids) > 8 else ""
        return (f"name one of them: {shown}{more}",)


@dataclass(frozen=True)
class FileDiffers(Diagnostic):
    """`mosaic catalog verify` found a file that is not as it was when it was catalogued.

    For example:

        mosaic catalog verify     # M844, after neon.safetensors was trained anew

    What the catalog says of the expert may not be true of the file that is there now, so plans that use it are
    refused. Adding the file again catalogues what is there; removing the expert forgets it.
    """

    code: ClassVar[str] = "M844"
    title: ClassVar[str] = "`{id}`: `{path}` {what}"

    id: str
    path: str
    what: str  # "has changed since it was catalogued", "is gone"
    gone: bool = False

    def help(self) -> tuple[str, ...]:
        if self.gone:
            return (f"put it back, or forget the expert: mosaic catalog remove {self.id}",)
        return (f"catalogue it as it is now: mosaic catalog add {self.path}",)


@dataclass(frozen=True)
class ShippedStays(Diagnostic):
    """An expert that comes with mosaic cannot be taken out of the catalog.

    For example:

        mosaic catalog remove zoo/neon     # M886

    Plans can name the experts of the package whatever the catalog holds, so removing their entries would change
    nothing but what searches find. They are a few megabytes and stay.
    """

    code: ClassVar[str] = "M886"
    title: ClassVar[str] = "`{id}` comes with mosaic and cannot be removed"

    id: str
