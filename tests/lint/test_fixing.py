"""Fixes keep what a plan means, comments and layout, and making them again changes nothing."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mosaic.compiler import advise, compile
from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix, Severity, Sink
from mosaic.compiler.errors.names import UnknownName
from mosaic.compiler.fixing import Mended, apply, mend, offered
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax.format import format_file
from mosaic.compiler.syntax.parse import parse
from mosaic.project import Project

CASES = Path(__file__).parent.parent / "cases" / "errors"
NAMES = sorted(path.name for path in CASES.glob("*.mosaic"))
FEW, MANY = 25, 400


@pytest.fixture(scope="module")
def plans() -> ModuleType:
    """`benchmarks/random_plans.py`, which is no part of the package."""
    path = Path(__file__).parents[2] / "benchmarks" / "random_plans.py"
    spec = importlib.util.spec_from_file_location("random_plans", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(CASES, tmp_path_factory.mktemp("cases") / "cases")


class World:
    """What is said of a text, and what it means."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.context = Project(device="cpu-8").context(SourceFile(name, ""))

    def look(self, source: SourceFile) -> tuple[Diagnostic, ...]:
        return advise(source, self.context)

    def mend(self, text: str, *, unsafe: bool = False) -> Mended:
        return mend(SourceFile(self.name, text), self.look, unsafe=unsafe)

    def meaning(self, text: str) -> list[str] | None:
        compiled = compile(SourceFile(self.name, text), self.context)
        return None if compiled.has_errors else [program.digest for program in compiled.programs]


def canonical(text: str) -> str | None:
    sink = Sink()
    file = parse(SourceFile("p.mosaic", text), sink)
    return None if sink.has_errors else format_file(file)


def errors(found: Sequence[Diagnostic]) -> int:
    return sum(d.severity is Severity.ERROR for d in found)


def holds(world: World, text: str, *, unsafe: bool = False) -> Mended:
    """What is true of every text."""
    before = world.look(SourceFile(world.name, text))
    mended = world.mend(text, unsafe=unsafe)
    after = mended.source.text
    assert mended.left == world.look(mended.source)
    assert (canonical(text) is None) or (canonical(after) is not None)
    assert canonical(text) is None or errors(mended.left) <= errors(before)
    if canonical(text) == text:
        assert canonical(after) == after
    assert world.mend(after, unsafe=unsafe).source.text == after
    assert bool(mended.made) == (after != text)
    meant = world.meaning(text)
    # Without a VAE that is the base's own the picture is the same, but not the program.
    if meant is not None and not unsafe and not any(each.code == "M009" for each in mended.made):
        assert world.meaning(after) == meant
    if meant is not None:
        # Each fix that is offered is made, but for what another text would be worse for.
        assert unsafe or offered(mended.source, mended.left) == ()
    return mended


@pytest.mark.parametrize("name", NAMES)
def test_every_case(name: str, cases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cases)
    try:
        text = (cases / name).read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return  # what cannot be read cannot be fixed
    world = World(name)
    for given_text in dict.fromkeys((text, canonical(text) or text)):
        holds(world, given_text)
        holds(world, given_text, unsafe=True)


def _random(plans: ModuleType, seeds: range, folder: Path) -> Iterator[str]:
    plans.write_pictures(folder)
    for seed in seeds:
        text = plans.random_plan(seed)
        yield canonical(text) or text if seed % 2 else text


def _all_hold(plans: ModuleType, seeds: range, folder: Path) -> int:
    world, mended = World("plan.mosaic"), 0
    for seed, text in zip(seeds, _random(plans, seeds, folder), strict=True):
        commented, kept = _commented(text, Random(seed))
        for unsafe in (False, True):
            done = holds(world, commented, unsafe=unsafe)
            assert [comment for comment in kept if comment not in done.source.text] == [], seed
            mended += len(done.made)
    return mended


def _commented(text: str, random: Random) -> tuple[str, list[str]]:
    """A text with comments put in, and those that belong to nothing that could be taken out."""
    lines, kept = [], []
    for number, line in enumerate(text.split("\n")):
        if line.strip() and random.random() < 0.15:
            lines.append(f"{line}  # behind {number}.")
            if line.startswith(("  emit", "plan")):
                kept.append(f"# behind {number}.")
            continue
        if line.startswith("  let") and random.random() < 0.2:
            lines.append(f"  # above {number}.")
        lines.append(line)
        if re.match(r"  \S", line) and not line.endswith(("(", "[")) and random.random() < 0.1:
            lines += ["", f"  # apart {number}.", ""]
            if any(above.startswith("plan") for above in lines):  # a fragment goes with what is in it
                kept.append(f"# apart {number}.")
    return "\n".join(lines), kept


def test_random_plans(plans: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert _all_hold(plans, range(FEW), tmp_path) > FEW


@pytest.mark.slow
def test_many_random_plans(plans: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert _all_hold(plans, range(FEW, FEW + MANY), tmp_path) > MANY


# Edits


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.data())
def test_fixes_are_applied_wholly_or_not_at_all(data: st.DataObject) -> None:
    text = data.draw(st.text("ab\n {}#", max_size=30))
    source = SourceFile("p.mosaic", text)
    spans = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).map(sorted)
    edits = st.builds(
        lambda span, new: Edit(source.span(*span), new), spans, st.sampled_from(["", "X", "YY"])
    )
    apart = st.lists(edits, min_size=1, max_size=3).filter(_apart)
    fixes = data.draw(st.lists(st.builds(lambda some: Fix("t", tuple(some)), apart), max_size=4))
    changed = apply(source, fixes).text
    letters = sum(text.count(letter) for letter in "ab")
    out = {at for fix in fixes for edit in fix.edits for at in range(edit.span.start, edit.span.end)}
    assert sum(changed.count(letter) for letter in "ab") >= letters - sum(text[at] in "ab" for at in out)
    for letter in "XY":
        assert changed.count(letter) <= sum(e.replacement.count(letter) for f in fixes for e in f.edits)
    # The first fix has nothing before it to collide with.
    for edit in fixes[0].edits if fixes else ():
        assert edit.replacement in changed
    assert apply(source, fixes).text == changed


def _apart(edits: list[Edit]) -> bool:
    ordered = sorted(edits, key=lambda edit: (edit.span.start, edit.span.end))
    return all(a.span.end <= b.span.start and a.span.start != b.span.start for a, b in pairwise(ordered))


def _worse(text: str) -> tuple[Diagnostic, ...]:
    """An error wherever there is an `x`; whose fix makes two of it, or takes it out before a `y`."""
    source = SourceFile("p", text)
    return tuple(_Grows(source.span(m.start(), m.end()), "x") for m in re.finditer("x", text))


class _Grows(UnknownName):
    def fixes(self) -> tuple[Fix, ...]:
        assert self.span is not None
        text, end = self.span.source.text, self.span.end
        good = text[end : end + 1] == "y"
        return (Fix("grow", (Edit(self.span, "" if good else "xx"),)),)


def test_a_fix_that_makes_a_text_worse_is_left_out_and_the_others_are_made() -> None:
    mended = mend(SourceFile("p", "x xy x xy"), lambda source: _worse(source.text))
    assert mended.source.text == "x y x y"
    assert len(mended.made) == 2
    assert len(mended.left) == 2


def test_warnings_wait_for_errors() -> None:
    text = """mosaic 1
plan p {
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")
  emit sample(fuse(base, neno), prompt: "a red cat, neon style") as "p.png"
}
"""
    world = World("p.mosaic")
    assert world.mend(text).source.text == text
    mended = world.mend(text, unsafe=True)
    assert "fuse(base, neon)" in mended.source.text
    assert "let neon" in mended.source.text
