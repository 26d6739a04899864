"""M424, M425: which layers an operator changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Label, called
from mosaic.compiler.source import Span

_TERMS = "a selector is a list of paths with commas, such as `attn2`, `attn2.to_k`, `up.attn2`, `down.0`, `te`, `!conv`"


@dataclass(frozen=True)
class NotASelector(Diagnostic):
    """A setting that says which layers an operator changes cannot be read.

        fuse(base, neon, via: attention(layers: "attn2,, ff"))     # M424: a word is missing

    A selector is a list of terms with commas. A term is a path of words through a tensor's name, such as
    `unet.up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight`; it may leave words out, and a number belongs
    to the word before it: `attn2`, `up.attn2`, `down_blocks.0`, `attn2.to_?`. In a word `*` stands for any letters and
    `?` for one. `!` takes away what other terms select. Short words are `down`, `mid`, `up` (stages of a U-Net),
    `attn1`, `attn2` (its self- and cross-attention), `ff`, `conv`, `time`, and `te` (all text encoders).
    """

    code: ClassVar[str] = "M424"
    title: ClassVar[str] = "`{setting}` of `{operator}` is no selector of layers: {reason}"
    label: ClassVar[str] = "{reason}"

    setting: str
    operator: str
    reason: str

    def help(self) -> tuple[str, ...]:
        return (_TERMS,)


@dataclass(frozen=True)
class SelectsNothing(Diagnostic):
    """An operator that changes only some layers selects none of those that an operand changes.

    For example, with an expert that was trained on cross-attention alone:

        fuse(base, neon, via: attention(layers: "conv"))     # M425

    The expert would be ignored. Select layers that it changes, or leave it out. A model changes what it has other than
    the base; of a fused model over the same base that is what is fused into it. The transformers of SD3 and Flux have
    no cross-attention, so that `attn2` selects nothing there: their text is part of the joint attention, whose layers
    are called `attn`.
    """

    code: ClassVar[str] = "M425"
    title: ClassVar[str] = '`{setting}: "{selector}"` selects nothing that {kind} `{expert}` changes'
    label: ClassVar[str] = "would be ignored"

    setting: str
    selector: str
    kind: str
    expert: str
    changes: tuple[str, ...] = ()
    transformer: bool = False
    written: Span | None = None
    calls: tuple[Span, ...] = ()
    unchanged: bool = False  # it has no weights other than the base's

    def labels(self) -> tuple[Label, ...]:
        written = (Label(self.written, "these layers"),) if self.written else ()
        return (*written, *called(self.calls))

    def help(self) -> tuple[str, ...]:
        if self.unchanged:
            return ("all its weights are the base's own: leave it out",)
        lines = [f"it changes {', '.join(f'`{name}`' for name in self.changes)}"] if self.changes else []
        if self.transformer:
            lines.append("a transformer has no cross-attention; its joint attention is called `attn`")
        return tuple(lines) or ("select layers that it changes, or leave it out",)
