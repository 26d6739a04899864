"""The standard fragments: each is sound by itself, and each can be used on the zoo."""

from __future__ import annotations

import re

import pytest

from mosaic import stdlib
from mosaic.compiler.source import SourceFile
from mosaic.project import Project

PLAN = """mosaic 1

use std.looks

plan every_look {
  let base = checkpoint("zoo/base")
  let neon = lora("zoo/neon")

  let both = looks.two_styles(base, neon, lora("zoo/watercolor"))
  let robot = looks.character_in_style(base, checkpoint("zoo/robot"), neon, strength: 0.5)

  let begun = looks.draft(looks.styled(base, neon), "a red cat, at night, neon style, watercolor style", seed: 3)
  emit looks.finish(both, begun, "a red cat, at night, neon style, watercolor style") as "finished.png"

  let handed = looks.handed_over(base, robot, "a red robot, at night, neon style, watercolor style", at: 30%)
  emit looks.repainted(both, handed, "a red robot, at night, neon style, watercolor style") as "repainted.png"
}
"""


@pytest.mark.parametrize("name", stdlib.find_fragments())
def test_each_library_is_sound(name: str) -> None:
    source = SourceFile(name, stdlib.find_fragments()[name])
    assert Project().check(source) == ()


def test_each_look_can_be_used() -> None:
    text = stdlib.find_fragments()["std.looks"]
    for name in re.findall(r"^define (\w+)", text, re.MULTILINE):
        assert f"looks.{name}(" in PLAN
    compiled = Project().compile(SourceFile("<test>", PLAN))
    # Neon and watercolour interfere, and the look that takes both says so wherever it is used.
    assert dict.fromkeys(found.code for found in compiled.diagnostics) == {"M430": None}
    (program,) = compiled.programs
    assert [expert.id for expert in program.experts] == [
        "zoo/base",
        "zoo/neon",
        "zoo/watercolor",
        "zoo/robot",
    ]
