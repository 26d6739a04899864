"""`python -m mosaic.bench.pages`: a manual page with pictures for every operator, from its declaration and its
docstring."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mosaic import stdlib
from mosaic.compiler.operators import Acts, Operator

if TYPE_CHECKING:
    from PIL import Image

EXPERTS: Final = ("ghost", "crown", "snow")
"""A character, something worn and a background: three experts of the zoo that every operator can take."""
PROMPT: Final = "a red ghost wearing a crown, snow background"
SEEDS: Final = (1, 2, 3, 4, 5)
ACTS: Final = {
    Acts.WEIGHTS: "weights, once, before denoising",
    Acts.PREDICTIONS: "predictions, at every step",
    Acts.SCHEDULE: "the schedule: who denoises at which step",
}


def plan(via: str, *experts: str) -> str:
    """The plan whose pictures a page shows."""
    lines = [f'  let {name} = lora("zoo/{name}")' for name in experts]
    model = f"fuse(base, {', '.join(experts)}, via: {via})" if experts else "base"
    return "\n".join(
        [
            "mosaic 1",
            "",
            "plan example {",
            '  let base = checkpoint("zoo/base")',
            *lines,
            f"  let look = {model}",
            "",
            f'  emit sample(look, prompt: "{PROMPT}", seed: 1) as "example.png"',
            "}",
            "",
        ]
    )


def page(operator: Operator) -> str:
    """The page of an operator, Markdown."""
    operands = ", ".join(sorted(f"`{kind}`" for kind in operator.accepts))
    adapters = ", ".join(f"`{name}`" for name in operator.algorithms)
    honours = ", ".join(f"a {name}" for name in sorted(operator.honours)) or "neither region nor window"
    lines = [
        f"# `{operator.name}`",
        "",
        f"*Acts on {ACTS[operator.acts]}. Version {operator.version}.*",
        "",
        *operator.doc.splitlines(),
        "",
        *_settings(operator),
        "## Declared",
        "",
        f"- operands: {operands}",
        f"- adapters: {adapters}",
        f"- honours: {honours}",
        f"- laws: {', '.join(sorted(operator.laws)) or 'none'}",
        f"- evaluations of the denoiser a step: {operator.evaluations}",
        "",
        "## Example",
        "",
        "```mosaic",
        plan(operator.name, *EXPERTS).rstrip(),
        "```",
        "",
        f"![base; ghost, crown and snow each alone; `{operator.name}` of the three]({operator.name}.png)",
        "",
        "Five seeds. From above: the base, each of the three experts alone, and all three fused.",
        "",
    ]
    return "\n".join(lines)


def _settings(operator: Operator) -> Iterator[str]:
    yield from ("## Settings", "", "| setting | type | default | bounds |", "| --- | --- | --- | --- |")
    for setting in operator.settings:
        default = (
            str(setting.default).lower() if isinstance(setting.default, bool) else f"{setting.default!r}"
        )
        bounds = setting.bounds
        low = "" if bounds.low is None else f"{'more than' if bounds.low_open else 'at least'} {bounds.low:g}"
        high = "" if bounds.high is None else f"at most {bounds.high:g}"
        shown = ", ".join(filter(None, (low, high))) or "–"
        yield f"| `{setting.name}` | {setting.kind} | {default} | {shown} |"
    if not operator.settings:
        yield "| none | | | |"
    yield ""


def index(operators: Iterable[Operator]) -> str:
    """The list of all pages."""
    rows = [
        f"| [`{each.name}`]({each.name}.md) | {each.acts} | {each.evaluations} | {_first(each.doc)} |"
        for each in operators
    ]
    return "\n".join([*_INTRODUCTION, *rows, ""])


def _first(doc: str) -> str:
    """The first paragraph, on one line."""
    return " ".join(doc.partition("\n\n")[0].splitlines())


_INTRODUCTION: Final = (
    "# Operators of `fuse`",
    "",
    "Written by `python -m mosaic.bench.pages` from the operators' declarations. What they share (strengths,",
    "windows, regions) stands in [the decision on composition](../decisions/0006-composition.md); how well they",
    "compose, in [composition](../composition.md); how they were held against other libraries, in",
    "[oracles](oracles.md).",
    "",
    "| operator | acts on | evaluations a step | |",
    "| --- | --- | --- | --- |",
)


def strip(operator: Operator) -> Image.Image:
    """The pictures of a page: a row for the base, for each expert alone, and for all of them fused."""
    import numpy as np

    from mosaic.compiler.source import SourceFile
    from mosaic.project import Project, engine
    from mosaic.stdlib.zoo.sheets import grid

    project, worker = Project(), engine(device="cpu")
    plans = [plan("sum"), *(plan("sum", name) for name in EXPERTS), plan(operator.name, *EXPERTS)]
    programs = [project.compile(SourceFile("<page>", each)).programs[0] for each in plans]
    rows = [worker.draw(program, SEEDS).pictures for program in programs]
    return grid(np.concatenate(rows), len(SEEDS), zoom=2)


def main() -> None:
    """Write every page; with `--text`, without drawing."""
    parser = argparse.ArgumentParser(prog="python -m mosaic.bench.pages", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/operators"))
    parser.add_argument("--text", action="store_true", help="leave the pictures as they are")
    chosen = parser.parse_args()
    from mosaic.bench.sheets import save

    found = stdlib.find_operators()
    chosen.output.mkdir(parents=True, exist_ok=True)
    (chosen.output / "README.md").write_text(index(found.values()), encoding="utf-8")
    for operator in found.values():
        (chosen.output / f"{operator.name}.md").write_text(page(operator), encoding="utf-8")
        if not chosen.text:
            save(strip(operator), chosen.output / f"{operator.name}.png")


if __name__ == "__main__":
    main()
