"""What a plan could say better, though it compiles. One lint, one file: a function from a subject to diagnostics.

Only files without errors are looked at, and what `check` says is not said again. The order below is that of the codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mosaic.compiler.diagnostic import Diagnostic, Sink
from mosaic.compiler.lint.bound_again import bound_again
from mosaic.compiler.lint.editions import editions
from mosaic.compiler.lint.empty_infixes import empty_infixes
from mosaic.compiler.lint.idle_operands import idle_operands
from mosaic.compiler.lint.needless_pins import needless_pins
from mosaic.compiler.lint.own_vaes import own_vaes
from mosaic.compiler.lint.subject import Subject
from mosaic.compiler.lint.sums_of_strengths import sums_of_strengths
from mosaic.compiler.lint.unpinned import unpinned
from mosaic.compiler.lint.unused_fragments import unused_fragments
from mosaic.compiler.lint.unused_imports import unused_imports
from mosaic.compiler.lint.unused_lets import unused_lets
from mosaic.compiler.lint.unused_parameters import unused_parameters
from mosaic.compiler.lint.written_defaults import written_defaults

Lint = Callable[[Subject], Iterator[Diagnostic]]

LINTS: tuple[Lint, ...] = (
    unused_lets,
    unused_parameters,
    unused_imports,
    unused_fragments,
    bound_again,
    sums_of_strengths,
    empty_infixes,
    idle_operands,
    own_vaes,
    written_defaults,
    needless_pins,
    editions,
    unpinned,
)


def run_lints(subject: Subject, sink: Sink) -> None:
    """Look at a file by every lint."""
    for lint in LINTS:
        sink.extend(lint(subject))
