"""Plans compiled, formatted and recovered: what `mosaic plan`, `mosaic fmt` and `mosaic recover` are about."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mosaic.api.opening import manner, open_project
from mosaic.api.selecting import settings_of
from mosaic.api.texts import Text, read_source
from mosaic.compiler import Compiled
from mosaic.compiler.diagnostic import MosaicError, Sink

if TYPE_CHECKING:
    from mosaic.runtime.outputs import Recovered

ALTERNATIVES: Final = 8
"""How many choices of operators are priced beside the one taken."""


def compile(
    plan: Text,
    *,
    only: str | None = None,
    parameters: Mapping[str, object] | None = None,
    catalog: str | os.PathLike[str] | None = None,
    device: str | None = None,
    locked: bool = False,
    frozen: bool = False,
    offload: bool = False,
    batch: int | None = None,
    alternatives: int = ALTERNATIVES,
) -> Compiled:
    """Compile the plans of a file or text, or `only` the one of that name, with parameters set.

    Programs, warnings and notes, the operators that were chosen and why, and what it is predicted to cost, on this
    machine where it was calibrated or on a `device` such as `"h100"`. `alternatives` is how many other choices are
    priced beside the one taken. Settings of the project and a `mosaic.lock` beside the plan count, as for `check`.

    Raises MosaicError with every diagnostic where the plans have errors.

    >>> compiled = mosaic.compile('''mosaic 1
    ... param seed: int = 1
    ... plan cat {
    ...   emit sample(checkpoint("zoo/base"), prompt: "a red cat", seed: seed) as "cat.png"
    ... }''', parameters={"seed": 7}, device="rtx-4090")
    >>> compiled.programs[0].source.parameters
    {'seed': 7}
    >>> compiled.decisions["cat"].chosen.prediction.evaluations
    20
    """
    source = read_source(plan)
    said = settings_of(source.name)
    with open_project(
        said.catalog_for(Path(catalog) if catalog is not None else None),
        locked=locked,
        frozen=frozen,
        device=said.device_for(device),
        manner=manner(offload, batch),
        fits=True,
    ) as project:
        return project.compile(source, plan=only, parameters=parameters, alternatives=alternatives)


def fmt(plan: Text) -> str:
    """The one canonical form of a file or text, with its comments. Nothing is written.

    Raises MosaicError where it does not parse.

    >>> print(mosaic.fmt('mosaic 1 plan p {emit sample(checkpoint("zoo/base"),prompt:"a cat") as "a.png"}'), end="")
    mosaic 1
    <BLANKLINE>
    plan p {
      emit sample(checkpoint("zoo/base"), prompt: "a cat") as "a.png"
    }
    """
    from mosaic.compiler.syntax.format import format_file
    from mosaic.compiler.syntax.parse import parse

    sink = Sink()
    file = parse(read_source(plan), sink)
    if sink.has_errors:
        raise MosaicError(*sink)
    return format_file(file)


def recover(path: str | os.PathLike[str]) -> Recovered:
    """The plan that a picture, latent or model was made from, with its parameters, experts and libraries.

    Needs the `run` extra. Raises MosaicError where the file cannot be read or carries no plan.

    >>> first = mosaic.run(PLAN, output=folder)
    >>> again = mosaic.recover(first.files[0].path)
    >>> again.plan == PLAN, again.digest == first.results[0].program
    (True, True)
    """
    from mosaic.api.sources import readable
    from mosaic.project import engine_missing, read_bytes

    try:
        from mosaic.runtime.outputs import recover as read
    except ModuleNotFoundError as error:
        raise engine_missing(error) from None
    with readable():
        read_bytes(Path(path), 1)
    return read(Path(path))
