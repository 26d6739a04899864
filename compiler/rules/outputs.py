"""M314: every emit has a file of its own, inside the output folder, of a fitting format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath

from mosaic.compiler import errors
from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic
from mosaic.compiler.ir.evaluate import constant
from mosaic.compiler.ir.graph import Graph, Node
from mosaic.compiler.rules.place import place
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind

FORMATS = {
    Kind.IMAGE: (".png",),
    Kind.LATENT: (".png", ".safetensors"),  # a picture is decoded on the way
    Kind.MODEL: (".safetensors",),
    Kind.CHECKPOINT: (".safetensors",),
}


LONGEST_NAME = 255
"""Bytes of a file's or folder's name: the limit of nearly every file system."""


def outputs(graph: Graph, context: Context) -> Iterator[Diagnostic]:
    """The file names of a plan."""
    first: dict[str, Span | None] = {}
    for node in graph.emits:
        path = constant(node.inputs[1])
        if not isinstance(path, str):
            continue
        span = place(node, 1).span
        problem = _problem(path, node)
        if problem:
            yield errors.types.BadOutput(span, path, *problem)
            continue
        # Some file systems do not tell cases apart.
        key = str(PurePosixPath(path)).casefold()
        if key in first:
            yield errors.types.BadOutput(
                span, path, "another emit writes it", "each emit needs a file of its own", first[key]
            )
        first.setdefault(key, span)
    yield from _folders(first)


def _folders(files: Mapping[str, Span | None]) -> Iterator[Diagnostic]:
    """No file stands where another one needs a folder."""
    for key, span in files.items():
        for above in PurePosixPath(key).parents:
            if str(above) in files:
                problem, advice = f"`{above}` is a file of another emit", "name the folder differently"
                yield errors.types.BadOutput(span, key, problem, advice, files[str(above)])


def _problem(path: str, node: Node) -> tuple[str, str] | None:
    plain = PurePosixPath(path)
    if not path.strip() or "\0" in path or "\n" in path or path.endswith("/"):
        return "it is no file name", 'name a file: `"picture.png"`'
    if plain.is_absolute() or PureWindowsPath(path).drive or "\\" in path or ".." in plain.parts:
        return "it leaves the output folder", "name a file below the output folder, with `/` between folders"
    if any(len(part.encode("utf-8", "surrogatepass")) > LONGEST_NAME for part in plain.parts):
        return (
            f"a name in it is longer than file systems take ({LONGEST_NAME} bytes)",
            "shorten it; is a long text inserted?",
        )
    kind = node.inputs[0].type.kind
    formats = FORMATS[kind]
    if plain.suffix.lower() not in formats:
        article = "an" if kind is Kind.IMAGE else "a"
        return f"{article} {kind} is written as {' or '.join(formats)}", f"end the name in `{formats[0]}`"
    return None
