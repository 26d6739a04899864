"""An expert's card: all that is known of it, for a person to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from mosaic.cli.catalog import card_licence, card_said
from mosaic.cli.catalog.texts import cells, counted, plain, size, width, wrapped
from mosaic.compiler.types import Kind

if TYPE_CHECKING:
    from mosaic.api.catalog.relations import Base, Related
    from mosaic.catalog.record import Record
    from mosaic.compiler.facts import AdapterFacts, BridgeFacts, ExpertFacts, FileFact

_LABEL: Final = 12
_FILES: Final = 16
_BASES: Final = 6
_FAMILIES: Final = {
    "sd1": "Stable Diffusion 1",
    "sd2": "Stable Diffusion 2",
    "sdxl": "Stable Diffusion XL",
    "sdxl-refiner": "Stable Diffusion XL refiner",
    "sd3": "Stable Diffusion 3",
    "flux": "FLUX.1",
}
_ALGORITHMS: Final = {
    "lora": "LoRA",
    "dora": "DoRA",
    "loha": "LoHa",
    "lokr": "LoKr",
    "oft": "OFT",
    "ia3": "(IA)³",
    "glora": "GLoRA",
    "full": "full difference",
}

Lines = Iterator[str]


def card(record: Record, around: Related, *, color: bool = False) -> Lines:
    """The lines of a card, in the columns that there are."""
    facts = record.facts
    title = plain(facts.title, 80)
    name = plain(facts.id, 200)
    heading = f"{name}  {title}" if title and title.lower() != name.lower() else name
    yield _strong(heading, color)
    if record.description:
        yield ""
        yield from (f"  {line}" for line in wrapped(plain(record.description, 600), width() - 2))
    for label, lines in (
        ("what it is", _what(record)),
        ("how to call it", _calling(facts)),
        ("licence", card_licence.lines(record)),
        ("measured", _measured(record)),
        ("files", _files(record, around)),
        ("said of it otherwise", card_said.lines(record)),
        ("fits", _fits(facts, around)),
        ("in a plan", _plan(around)),
    ):
        content = list(lines)
        if content:
            yield ""
            yield _strong(label, color)
            yield from content


def labelled(label: str, text: str) -> Lines:
    """A value beside its label, in as many lines as it takes."""
    if text:
        first, *rest = wrapped(text, width() - _LABEL - 4)
        yield f"  {label:<{_LABEL}}  {first}"
        yield from (f"  {'':<{_LABEL}}  {line}" for line in rest)


def _strong(text: str, color: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if color else text


def _what(record: Record) -> Lines:
    facts = record.facts
    yield from labelled("kind", _kind(facts))
    if facts.bridge is not None:
        yield from _bridge(facts.bridge)
    else:
        yield from labelled("family", _family(facts))
        yield from labelled("space", facts.space or "")
    yield from labelled("prediction", (facts.prediction or "").replace("_", " "))
    if facts.native_size:
        yield from labelled("size", f"{facts.native_size[0]}x{facts.native_size[1]} pixels")
    if facts.adapter:
        yield from _adapter(facts.adapter)
    if facts.vectors:
        yield from labelled("vectors", counted(facts.vectors, "vector"))
    if facts.parameters:
        yield from labelled("parameters", f"{facts.parameters:,} in {facts.dtype}")
    yield from labelled("lacks", ", ".join(plain(item, 80) for item in facts.lacks))
    yield from labelled("rating", facts.rating or "unknown")
    if facts.category:
        yield from labelled("category", facts.category)
    yield from labelled("author", plain(record.author, 120))
    yield from labelled("tags", ", ".join(plain(tag, 40) for tag in record.tags[:24]))
    yield from labelled("also known", ", ".join(plain(alias, 100) for alias in record.aliases[:12]))
    if facts.last:
        yield from labelled("order", "a safety expert: nothing may be fused after it")
    yield from labelled("trained on", facts.trained_on[:16])
    yield from labelled("state", _STATES.get(facts.integrity, ""))


_STATES: Final = {
    "changed": "its files have changed since they were catalogued",
    "missing": "its files are gone",
    "unhashed": "its bytes have never been hashed",
}


def _kind(facts: ExpertFacts) -> str:
    names = {
        Kind.CHECKPOINT: "checkpoint, a whole model",
        Kind.LORA: "adapter (used in plans as lora)",
        Kind.EMBEDDING: "embedding, a learned word",
        Kind.CONTROL: "ControlNet",
        Kind.VAE: "VAE, an image codec",
        Kind.BRIDGE: "bridge between latent spaces (used in plans by align)",
    }
    variant = f"; {facts.variant} variant" if facts.variant else ""
    return f"{names.get(facts.kind, str(facts.kind))}{variant}"


def _family(facts: ExpertFacts) -> str:
    if facts.family is None:
        return "unknown: its tensors do not tell, and nobody states it"
    lineage = f"; of the {plain(facts.lineage, 40)} line" if facts.lineage else ""
    return f"{facts.family} ({_FAMILIES.get(facts.family, facts.family)}){lineage}"


def _bridge(bridge: BridgeFacts) -> Lines:
    form = "a convolution" if bridge.form == "linear" else "a small convolutional network"
    yield from labelled("leads", f"from {plain(bridge.source, 80)} to {plain(bridge.target, 80)}, by {form}")
    parts = [f"R² {bridge.r2:.3f} on pictures that it was not fitted on"] if bridge.r2 is not None else []
    if bridge.round_trip is not None:
        parts.append(f"{bridge.round_trip:.3f} there and back")
    if bridge.psnr is not None:
        parts.append(f"pictures within {bridge.psnr:.1f} dB")
    yield from labelled("explains", "; ".join(parts) or "not measured")


def _adapter(adapter: AdapterFacts) -> Lines:
    parts = [_ALGORITHMS.get(adapter.algorithm, adapter.algorithm)]
    if adapter.ranks:
        parts.append(f"rank {_range(adapter.ranks)}")
    if adapter.scales:
        parts.append(f"scale {_range(adapter.scales)}")
    yield from labelled("algorithm", ", ".join(parts))
    where = [", ".join(part.replace("_", " ") for part in adapter.parts)]
    if adapter.blocks:
        where.append(f"blocks {', '.join(adapter.blocks)}")
    if adapter.attention:
        where.append(f"{' and '.join(adapter.attention)} attention")
    if adapter.modules:
        where.append(counted(adapter.modules, "module"))
    yield from labelled("touches", "; ".join(filter(None, where)))


def _range(pair: Sequence[float]) -> str:
    return f"{pair[0]:g}" if pair[0] == pair[-1] else f"{pair[0]:g} to {pair[-1]:g}"


def _calling(facts: ExpertFacts) -> Lines:
    if facts.trigger:
        yield from labelled("trigger", f'"{plain(facts.trigger, 200)}"')
    elif facts.kind in (Kind.LORA, Kind.EMBEDDING):
        yield from labelled("trigger", "none is known")
    others = [word for word in facts.triggers if word != facts.trigger]
    yield from labelled("also", ", ".join(f'"{plain(word, 80)}"' for word in others[:12]))
    if facts.strengths:
        yield from labelled("strength", f"known to work at {_range(facts.strengths)}")
    yield from labelled("excludes", ", ".join(plain(id, 100) for id in facts.excludes))
    if facts.clip_skip and facts.clip_skip > 1:
        yield from labelled(
            "clip skip", f"{facts.clip_skip}: trained on that layer of the text encoder, from its end"
        )
    settings = ", ".join(f"{name} {_setting(value)}" for name, value in facts.defaults.items())
    yield from labelled("settings", plain(settings, 300))


def _setting(value: object) -> str:
    return " to ".join(f"{item:g}" for item in value) if isinstance(value, list | tuple) else str(value)


def _measured(record: Record) -> Lines:
    width_ = max((cells(plain(score.name, 40)) for score in record.scores), default=0)
    for score in record.scores:
        name = plain(score.name, 40)
        pad = " " * (width_ - cells(name))
        yield (
            f"  {name}{pad}  {score.share:6.1%}  95 % interval {score.low:.1%} to {score.high:.1%},"
            f" {counted(score.n, 'picture')}"
        )


def _files(record: Record, around: Related) -> Lines:
    files = [stored.fact for stored in record.files]
    for file in files[:_FILES]:
        yield f"  {plain(file.name or file.role, 100)}  ({file.role}, {size(file.size)})"
        if len(files) == 1:
            yield from _digests(file)
            if file.location and not file.location.startswith("package:"):
                yield from labelled("lies at", plain(file.location, 500))
        else:
            yield f"    sha256  {file.sha256}"
    if len(files) > _FILES:
        yield f"  and {len(files) - _FILES} more (--json tells them all)"
    if len(files) > 1:
        yield f"  together {size(sum(file.size for file in files))}"
    yield from labelled("identity", record.digest)
    yield from labelled("same bytes", ", ".join(plain(id, 100) for id in around.twins[:8]))


def _digests(file: FileFact) -> Lines:
    yield from labelled("sha256", file.sha256)
    yield from labelled("AutoV2", file.sha256[:10])
    yield from labelled("AutoV3", file.autov3[:12])
    yield from labelled("BLAKE3", file.blake3)
    yield from labelled("tensors", file.tensors_sha256)


def _fits(facts: ExpertFacts, around: Related) -> Lines:
    if facts.kind is Kind.CHECKPOINT:
        counts = ", ".join(f"{count:,} of kind {kind}" for kind, count in around.fitting)
        yield from labelled(
            "family", f"{counts} (mosaic catalog list --family {facts.family})" if counts else ""
        )
        return
    fitting = [base for base in around.bases if base.fits]
    longest = max((cells(plain(base.id, 100)) for base in fitting[:_BASES]), default=0)
    for base in fitting[:_BASES]:
        id = plain(base.id, 100)
        yield f"  {id}{' ' * (longest - cells(id))}  {_coverage(base)}"
    more = len(fitting) - _BASES
    if more > 0:
        yield f"  and {counted(more, 'base')} more"
    no = sum(not base.fits for base in around.bases)
    if no:
        yield f"  not: {counted(no, 'base')} of its family, whose tensors differ"
    if not around.bases:
        yield "  no base of its family is in this catalog" if facts.family else "  nothing is known to fit"


def _coverage(base: Base) -> str:
    lacks = f", but lacks {', '.join(plain(item, 60) for item in base.lacks)}" if base.lacks else ""
    if base.coverage is None:
        return f"of its family; tensors not compared{lacks}"
    found = counted(base.coverage.total, "tensor")
    return f"{'its' if base.coverage.total == 1 else 'all'} {found}{lacks}"


def _plan(around: Related) -> Lines:
    if around.problems:
        yield "  This version cannot run it:"
        for problem in around.problems[:3]:
            yield from (f"    {line}" for line in wrapped(plain(problem, 300), width() - 4))
        return
    if around.snippet:
        yield from (f"  {line}".rstrip() for line in around.snippet.split("\n"))
