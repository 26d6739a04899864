"""The files beside a plan: fragments that it uses and pictures that it loads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mosaic.catalog.digests import Digests
from mosaic.catalog.paths import beside, near_names, place, similar
from mosaic.catalog.pictures import JPEG, PNG, pixels
from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Diagnostic, MosaicError
from mosaic.compiler.facts import FileFact
from mosaic.compiler.source import SourceFile, Span

_MEGABYTE: Final = 1_000_000
_FRAGMENT_MEGABYTES: Final = 1
_PICTURE_MEGABYTES: Final = 200
_HEAD: Final = 16

_PICTURES: Final = (PNG, JPEG)
_OTHERS: Final = (
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "zip"),
)


class LocalFiles:
    """Implements `mosaic.compiler.context.Files`.

    `project` is the folder that fragments and pictures must lie in, symbolic links followed; `fragments`
    are the texts of the standard library by name (`std.looks`).
    """

    def __init__(self, project: Path, fragments: Mapping[str, str], digests: Digests | None = None) -> None:
        self._project = project
        self._fragments = fragments
        self._digests = digests if digests is not None else Digests()
        self._names: dict[str, str] = {}

    def fragment(self, reference: str, span: Span) -> SourceFile | Diagnostic:
        """The text of `use std.looks` or `use "./house.mosaic"`.

        A file is always given the same name, that of its first use, so that cycles are seen however they
        are spelt.
        """
        if reference in self._fragments:
            return SourceFile(reference, self._fragments[reference])
        if reference.startswith("std.") and "/" not in reference:
            near = near_names(reference, tuple(self._fragments))
            return errors.inputs.UnknownFragment(span, reference, near)
        try:
            path = self._inside(reference, span)
            size = path.stat().st_size
            if size > _FRAGMENT_MEGABYTES * _MEGABYTE:
                return errors.inputs.FileTooLarge(span, reference, size // _MEGABYTE, _FRAGMENT_MEGABYTES)
            text = path.read_bytes().decode("utf-8-sig")
        except MosaicError as error:
            return error.diagnostics[0]
        except UnicodeDecodeError:
            return errors.inputs.NotText(span, reference)
        except OSError as error:
            return errors.inputs.Unreadable(span, reference, error.strerror or type(error).__name__)
        return SourceFile(self._name(path, reference, span), text)

    def image(self, reference: str, span: Span) -> FileFact | Diagnostic:
        """The digest of a picture that a plan loads. It must be a PNG or a JPEG by its first bytes."""
        try:
            path = self._inside(reference, span)
            size = path.stat().st_size
            if size > _PICTURE_MEGABYTES * _MEGABYTE:
                return errors.inputs.FileTooLarge(span, reference, size // _MEGABYTE, _PICTURE_MEGABYTES)
            with path.open("rb") as stream:
                head = stream.read(_HEAD)
                size_in_pixels = pixels(stream)
            if not head.startswith(_PICTURES):
                return errors.inputs.NotAPicture(span, reference, _named(head))
            digest = self._digests.sha256(path)
        except MosaicError as error:
            return error.diagnostics[0]
        except OSError as error:
            return errors.inputs.Unreadable(span, reference, error.strerror or type(error).__name__)
        return FileFact("image", digest, size, str(path), path.name, size_in_pixels)

    def _inside(self, reference: str, span: Span) -> Path:
        """The real path of an existing file of the project. Raises MosaicError (M801, M808)."""
        try:
            path = place(reference, span, self._project)
            real, project = path.resolve(), self._project.resolve()
        except (ValueError, RuntimeError):  # a NUL; a loop of links; no home folder
            raise MosaicError(errors.inputs.NoSuchFile(span, reference)) from None
        # Whether anything is there is not told for places outside.
        if not real.is_relative_to(project):
            raise MosaicError(errors.inputs.OutsideProject(span, reference))
        if not real.is_file():
            near = () if real.exists() else tuple(beside(reference, name) for name in similar(path))
            raise MosaicError(errors.inputs.NoSuchFile(span, reference, near))
        return real

    def _name(self, path: Path, reference: str, span: Span) -> str:
        """The name under which a fragment's messages are shown: spelt from the file that names it."""
        importer = span.source.name
        if os.path.isfile(importer):
            self._names.setdefault(os.path.realpath(importer), importer)
            shown = os.path.normpath(os.path.join(os.path.dirname(importer), reference))
        else:
            shown = os.path.normpath(reference)
        return self._names.setdefault(str(path), Path(shown).as_posix())


def _named(head: bytes) -> str:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        return "HEIF or AVIF"
    return next((name for magic, name in _OTHERS if head.startswith(magic)), "")
