"""What one check asks of the outside, asked once: experts by id, pictures by path, files by reference."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from mosaic.compiler.context import Context
from mosaic.compiler.diagnostic import Diagnostic, Sink
from mosaic.compiler.facts import ExpertFacts, FileFact
from mosaic.compiler.ir.graph import Fragment, Node, Origin
from mosaic.compiler.ir.ops import make
from mosaic.compiler.source import Span
from mosaic.compiler.types import Kind


@dataclass
class World:
    """The context, the sink, and what has been gathered so far."""

    context: Context
    sink: Sink
    fragments: dict[str, Fragment] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)
    _experts: dict[tuple[str, str, str], ExpertFacts] = field(default_factory=dict)

    def expert(self, kind: Kind, reference: str, span: Span) -> Node | None:
        """An `expert` node, or None with a diagnostic."""
        # A relative path means another file in another folder: the source file is part of the question.
        key = (kind.value, reference, span.source.name)
        found: ExpertFacts | Diagnostic | None = self._experts.get(key)
        if found is None:
            found = self.context.experts.resolve(kind, reference, span)
        if isinstance(found, Diagnostic):
            self.sink.add(found)
            return None
        self._experts[key] = found
        return expert_node(found, Origin(span))

    def image(self, reference: str, span: Span) -> Node | None:
        """A `load_image` node, or None with a diagnostic."""
        found = self.context.files.image(reference, span)
        if isinstance(found, Diagnostic):
            self.sink.add(found)
            return None
        facts: FileFact = found
        node = make("load_image", (), {"content": facts.sha256}, origin=Origin(span))
        return replace(node, name=reference, facts=facts)

    def mask(self, reference: str, feather: Node, span: Span, origin: Origin) -> Node | None:
        """A `mask` node over a picture, or None with a diagnostic."""
        found = self.context.files.image(reference, span)
        if isinstance(found, Diagnostic):
            self.sink.add(found)
            return None
        facts: FileFact = found
        node = make("mask", (feather,), {"content": facts.sha256}, origin=origin)
        return replace(node, name=reference, facts=facts)


def expert_node(facts: ExpertFacts, origin: Origin | None) -> Node:
    """An expert as a node: its digest is its content, its name only a label."""
    # Parts are told apart by role and name, so that two files swapped are another expert.
    manifest = sorted(f"{file.role} {file.name} {file.sha256}" for file in facts.files)
    content = hashlib.sha256("\n".join(manifest).encode()).hexdigest()
    attributes = {
        "content": content,
        "kind": facts.kind.value,
        "family": facts.family,
        "space": facts.space,
        "prediction": facts.prediction,
    }
    node = make("expert", (), attributes, origin=origin)
    return Node(node.op, (), node.attributes, node.type, facts.id, origin, facts)
