"""The report of a run."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.program import Duty, Rights
from mosaic.runtime.diagram import draw
from mosaic.runtime.report import describe, write_report


@pytest.fixture
def made(tiny: Any, kohya_lora: Path, bench: Any, build: Any, make_expert: Any) -> Any:
    """A run whose texts try to break out of the page."""
    model = build.load(tiny.expert)
    lora = make_expert(kohya_lora, "lora", title="<script>alert(1)</script>")
    look = build.fuse(model, (lora, 0.8))
    latent = build.sample(look, build.prompts(look, "a red <b>cat</b>"))
    build.emit(build.decode(latent, look), "picture.png", "image")
    build.emit(latent, "latent.safetensors")
    program = build.program("mosaic 1 # </pre><img src=x onerror=alert(1)>")
    return program, bench.engine.run(program, bench.folder / "out"), bench.folder / "report"


class Elements(HTMLParser):
    """Collects start tags, and complains about any that is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone_and_escapes(made: Any) -> None:
    program, result, folder = made
    page = write_report(program, result, folder)
    assert page == folder / "report.html"
    elements = Elements()
    elements.feed(page.read_text())
    assert elements.open == []
    tags = [tag for tag, _ in elements.found]
    assert "script" not in tags and "b" not in tags and "link" not in tags
    (image,) = [attributes for tag, attributes in elements.found if tag == "img"]
    prefix, _, data = (image["src"] or "").partition(",")
    assert prefix == "data:image/png;base64"
    assert base64.b64decode(data) == (folder.parent / "out" / "picture.png").read_bytes()
    for wanted in ("a red <b>cat</b>", "<script>alert(1)</script>", "<img src=x onerror", "CC0-1.0", "0.8"):
        assert wanted in elements.text
    assert not re.search(r"(src|href)=\"?https?:", page.read_text())


def test_it_leads_to_how_the_plan_came_to_be(made: Any) -> None:
    program, result, folder = made

    def links(before: str) -> list[Any]:
        elements = Elements()
        elements.feed(write_report(program, result, folder, before).read_text())
        assert elements.open == []
        return [attributes for tag, attributes in elements.found if tag == "a"]

    assert links("") == []
    assert links("composition.html") == [{"href": "composition.html"}]
    assert links('a" onclick="x().html') == [{"href": "a%22%20onclick%3D%22x%28%29.html"}]


def test_the_document(made: Any) -> None:
    program, result, folder = made
    write_report(program, result, folder)
    document = json.loads((folder / "report.json").read_text())
    assert document == json.loads(json.dumps(describe(program, result)))
    assert document["version"] == 1
    assert document["program"] == program.digest
    assert document["evaluations"] == 4
    assert [e["type"] for e in document["emitted"]] == ["image", "latent"]
    base, lora = document["experts"]
    assert (base["strengths"], base["keys"]) == ([], None)
    assert lora["strengths"] == [0.8]
    assert lora["keys"]["matched"] == lora["keys"]["total"] > 0
    assert [i["op"] for i in document["instructions"]][:2] == ["load_model", "fuse"]
    assert document["instructions"][4]["detail"] == "4 steps, ddim, guidance 3, 16×16, seed 7"


def test_boxes_do_not_overlap_and_lines_run_down(made: Any) -> None:
    program, _, _ = made
    labels = {number: ("t" * 50, "d") for number in range(len(program.instructions))}
    diagram = draw(program.instructions, labels)
    assert len(diagram.nodes) == len(program.instructions)
    boxes = [(n.x, n.y) for n in diagram.nodes]
    assert len(set(boxes)) == len(boxes)
    for node in diagram.nodes:
        assert 0 <= node.x <= diagram.width - node.width
        assert 0 <= node.y <= diagram.height - node.height
        assert len(node.title) <= 26
    for edge in diagram.edges:
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", edge.path)]
        assert numbers[1] < numbers[-1]


def test_a_folder_that_cannot_be_made(made: Any) -> None:
    program, result, folder = made
    folder.write_text("a file")
    with pytest.raises(MosaicError) as caught:
        write_report(program, result, folder)
    assert caught.value.diagnostics[0].code == "M855"


def test_licences_stand_on_the_page(made: Any) -> None:
    program, result, folder = made
    duties = (
        Duty(
            expert=0,
            licences=("CC BY 4.0",),
            evidence="card",
            verdict="allowed",
            credit="“<i>Base</i>”, CC BY 4.0",
        ),
        Duty(
            expert=1,
            licences=("Stability AI Community License 2024",),
            verdict="contested",
            reasons=("a reason",),
            notices=("Powered by <b>Stability AI</b>",),
            restrictions=("Attachment A",),
            share_alike=("CC BY-SA 4.0",),
            clauses=("a clause <script>",),
        ),
    )
    rights = Rights(policy={"use": "commercial", "credit": True}, rating="mature", duties=duties)
    judged = program.model_copy(update={"rights": rights})
    assert judged.digest == program.digest
    elements = Elements()
    elements.feed(write_report(judged, result, folder).read_text())
    assert elements.open == []
    assert not {"script", "b"} & {tag for tag, _ in elements.found}
    text = " ".join(elements.text.split())
    for wanted in (
        "credit: true, use: commercial",
        "Rated mature.",
        "told by: card",
        "Credit: “<i>Base</i>”, CC BY 4.0",
        "contested",
        "a reason",
        "Show: “Powered by <b>Stability AI</b>”",
        "Pass on: Attachment A",
        "License the merge under CC BY-SA 4.0",
        "a clause <script>",
    ):
        assert wanted in text
    document = json.loads((folder / "report.json").read_text())
    assert document["policy"] == {"use": "commercial", "credit": True}
    assert document["rating"] == "mature"
    assert [row["rights"]["verdict"] for row in document["experts"]] == ["allowed", "contested"]
    write_report(program, result, folder)
    assert [row["rights"] for row in json.loads((folder / "report.json").read_text())["experts"]] == [
        None,
        None,
    ]
    assert "The plan has no policy" in (folder / "report.html").read_text()
