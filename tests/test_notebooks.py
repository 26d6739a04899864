"""What notebooks ask of plans, programs and results."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import mosaic

HOSTILE = "<script>alert(1)</script> & <img src=x>"
PLAN = """mosaic 1
plan cat {
  emit sample(checkpoint("zoo/base"), prompt: "<script> & <b>", steps: 1, size: 64x64) as "cat.png"
}
"""


def _html(shown: object) -> str:
    bundle = shown._repr_mimebundle_()  # type: ignore[attr-defined]
    assert bundle["text/plain"]
    html = bundle["text/html"]
    assert isinstance(html, str)
    assert "<script" not in html and "<img src=x" not in html
    return html


def test_compiled_plans_are_a_table_with_a_drawing() -> None:
    html = _html(mosaic.compile(PLAN, device="h100"))
    assert "<td>zoo/base</td>" in html and "<svg" in html and "<td>1</td>" in html
    assert "<td>not known</td>" not in html


def test_programs_and_what_experts_are_called_is_escaped() -> None:
    (program,) = mosaic.compile(PLAN).programs
    expert = program.experts[0].model_copy(update={"id": HOSTILE})
    html = _html(program.model_copy(update={"experts": (expert,)}))
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;img src=x&gt;" in html
    assert program.digest in html


def test_a_result_shows_its_pictures(tmp_path: Path) -> None:
    (result,) = mosaic.run(PLAN, output=tmp_path, device="cpu", cache=False)
    (file,) = result.emitted
    data = file.path.read_bytes()
    assert result._repr_mimebundle_()["image/png"] == data
    html = _html(result)
    assert b64encode(data).decode() in html and file.sha256 in html
    many = replace(result, emitted=(replace(file, name="<b>"),) * 20)
    assert _html(many).count("<img") == 16 and "<b>" not in _html(many)
    assert "image/png" not in many._repr_mimebundle_()
    file.path.unlink()
    assert "<img" not in _html(result)
