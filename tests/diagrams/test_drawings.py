"""What drawings say, and that no text of a plan can become anything but text."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mosaic
from mosaic.api.graphing import RENDER, draw
from mosaic.compiler.diagrams import dot, html, mermaid, svg
from mosaic.compiler.diagrams.drawn import drawing
from mosaic.compiler.diagrams.model import Arrow, Box, Color, Drawing, Group, Origin, clean
from mosaic.compiler.diagrams.palette import DARK, LIGHT, Paint

ROOT = Path(__file__).parent.parent.parent
NASTY = '</script><b>&amp;"quoted" \'s ]} %%{init: {}}%% \\N \\" `x` #34; --> end -->'
SEVERAL = """\
mosaic 1

plan both {
  let base = checkpoint("zoo/base")
  let cat  = sample(base, prompt: "a red cat", steps: 2, seed: 1)
  emit cat as "cat.png"
  emit refine(base, cat, prompt: "a blue dog", steps: 4, strength: 50%, seed: 2) as "dog.png"
}

plan one {
  emit sample(checkpoint("zoo/base"), prompt: "a red cat", steps: 2, seed: 3) as "other.png"
}
"""
_STRING = r'"(?:[^"\\]|\\.)*"'
_DOT_LINE = re.compile(
    rf"digraph mosaic \{{|\}}|subgraph cluster_\w+ \{{|label={_STRING};"
    rf"|(?:\w+)(?: -> \w+)? \[(?:\w+=(?:{_STRING}|[\w.]+)(?:, )?)+\];"
)
_LABEL = r'"[^"\n`<>\[\]{}]*(?:<br/>[^"\n`<>\[\]{}]*)*"'
_MERMAID_LINE = re.compile(
    rf"flowchart TD|end|subgraph \w+\[{_LABEL}\]|\w+(?:\[|\(\[){_LABEL}(?:\]|\]\)):::\w+|\w+ (?:-->|==>) \w+"
    r"|classDef \w+ fill:#[0-9a-f]{6},stroke:#[0-9a-f]{6},color:#[0-9a-f]{6}"
)


def _of(text: str) -> Drawing:
    boxes = (Box("p0v0", "load_model", text, text, 1.0, 0.5), Box("p0v1", "emit", text, text, 1.0, 0.5))
    return Drawing((Group(text, boxes, (Arrow("p0v0", "p0v1", "model"),)),), Color.COST, text)


@pytest.mark.parametrize("format_", RENDER)
@pytest.mark.parametrize("example", ["alley", "house_style"])
def test_examples(example: str, format_: str, golden: Callable[[Path, str], None]) -> None:
    found, _ = draw(ROOT / "examples" / f"{example}.mosaic", Color.COST, device="rtx-4090")
    golden(Path(__file__).parent / "goldens" / f"{example}.{format_}", RENDER[format_](found))


@given(st.text() | st.just(NASTY))
def test_any_text_is_only_text(text: str) -> None:
    found = _of(clean(text))
    for line in mermaid.render(found).splitlines():
        assert _MERMAID_LINE.fullmatch(line.strip()), line
    for line in dot.render(found).splitlines():
        assert _DOT_LINE.fullmatch(line.strip()) or line.startswith(("  graph", "  node", "  edge")), line
    tree = ElementTree.fromstring(svg.render(found))
    assert {each.tag.rpartition("}")[2] for each in tree.iter()} <= {
        *("svg", "title", "style", "g", "rect", "text", "path")
    }
    page = html.render(found)
    assert page.count("<script") == page.count("</script>") == 1
    assert page.count("<title>") == 1 + svg.render(found).count("<title>")


@given(st.text() | st.just(NASTY))
def test_mermaid_and_dot_give_the_text_back(text: str) -> None:
    text = clean(text)
    decoded = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), mermaid.escaped(text))
    assert decoded == text
    label, tip = dot.quoted(text)[1:-1], dot.tooltip(text)[1:-1]
    assert '"' not in label
    assert unescape(_read(label)) == text
    assert unescape(_read(_read(tip))) == text


def _read(text: str) -> str:
    """As Graphviz reads escapes."""
    return re.sub(r"\\(.)", r"\1", text)


def test_prompts_come_through_whole_plans() -> None:
    prompt = "</script><img src=x> & \u202e ]"
    plan = f'mosaic 1\nplan p {{ emit sample(checkpoint("zoo/base"), prompt: "{prompt}") as "a.png" }}\n'
    page = mosaic.graph(plan, format="html")
    assert "<img" not in page and page.count("</script>") == 1
    assert "\u202e" not in page
    tree = ElementTree.fromstring(mosaic.graph(plan, format="svg"))
    assert any("</script><img src=x> &" in (each.text or "") for each in tree.iter())


def test_the_page_loads_nothing() -> None:
    page = mosaic.graph(SEVERAL, format="html")
    assert not re.search(r"\b(?:src|href)=|@import|url\(", page)
    assert "default-src 'none'" in page
    assert [address for address in re.findall(r"https?://[^\"' ]+", page)] == ["http://www.w3.org/2000/svg"]


def test_colours_stay_in_the_picture() -> None:
    """In a notebook it stands among other things."""
    style = re.search(r"<style>(.*?)</style>", mosaic.graph(SEVERAL, format="svg"), re.DOTALL)
    assert style
    rules = re.sub(r"@media\([^)]*\)\{(.*)\}", r"\1", style[1])
    selectors = [each for found in re.findall(r"([^{}]+)\{[^{}]*\}", rules) for each in found.split(",")]
    assert len(selectors) > 40
    assert all(each.startswith(".mosaic-graph ") for each in selectors)


def test_one_group_a_plan_and_the_one_that_is_named() -> None:
    found, _ = draw(SEVERAL, Color.COST)
    assert [group.title for group in found.groups] == ["plan both", "plan one"]
    found, _ = draw(SEVERAL, Color.COST, only="one")
    assert [group.title for group in found.groups] == ["plan one"]
    ids = [box.id for group in draw(SEVERAL, Color.COST)[0].groups for box in group.boxes]
    assert len(ids) == len(set(ids))


def test_every_instruction_and_expert_is_a_box_and_every_value_an_arrow() -> None:
    (program,) = mosaic.compile(ROOT / "examples" / "alley.mosaic").programs
    (group,) = drawing([program], Color.COST).groups
    operations = [box.kind for box in group.boxes if box.kind != "expert"]
    assert operations == [each.operation.op for each in program.instructions]
    experts = {box.title for box in group.boxes if box.kind == "expert"}
    assert experts == {expert.id for expert in program.experts}
    assert {arrow.start for arrow in group.arrows} == {box.id for box in group.boxes if box.kind != "emit"}


def test_what_several_files_need_is_shared() -> None:
    (program,) = mosaic.compile(SEVERAL, only="both").programs
    (group,) = drawing([program], Color.SOURCE).groups
    origins = {box.title: box.origin for box in group.boxes}
    assert origins["denoise"] is Origin.SHARED
    assert origins["refine"] is Origin.COMPUTED
    assert all(box.origin is Origin.COMPUTED for box in group.boxes if box.kind == "emit")


def test_costs_are_those_that_were_predicted() -> None:
    compiled = mosaic.compile(SEVERAL, only="both", device="h100")
    chosen = compiled.decisions["both"].chosen
    assert chosen is not None
    found, _ = draw(SEVERAL, Color.COST, only="both", device="h100")
    boxes = [box for box in found.groups[0].boxes if box.kind != "expert"]
    assert sum(box.seconds or 0.0 for box in boxes) == pytest.approx(chosen.prediction.cold)
    assert sum(box.share for box in boxes) == pytest.approx(1.0)
    assert "h100" in found.note.lower()


def test_without_a_profile_boxes_are_grey_and_the_legend_says_why() -> None:
    found, _ = draw(SEVERAL, Color.COST)
    assert {found.shade(box) for group in found.groups for box in group.boxes} == {"unknown", "expert"}
    assert "mosaic calibrate" in found.note
    assert "mosaic calibrate" in svg.render(found)


@pytest.mark.parametrize("color", Color)
@pytest.mark.parametrize("device", [None, "h100"])
def test_the_legend_names_every_colour_that_is_used(color: Color, device: str | None) -> None:
    found, _ = draw(SEVERAL, color, device=device)
    names = {shade.name for shade in found.legend}
    assert {found.shade(box) for group in found.groups for box in group.boxes} <= names
    assert names <= set(LIGHT)


@pytest.mark.parametrize("paints", [LIGHT, DARK])
def test_text_can_be_read_on_each_colour(paints: dict[str, Paint]) -> None:
    for name, paint in paints.items():
        assert _contrast(paint.fill, paint.text) >= 4.5, name


@pytest.mark.parametrize("paints", [LIGHT, DARK])
def test_costs_go_one_way_in_lightness(paints: dict[str, Paint]) -> None:
    lightness = [_luminance(paints[f"cost{number}"].fill) for number in range(5)]
    assert lightness == sorted(lightness, reverse=paints is LIGHT)


def _contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.1."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_long_texts_are_cut_in_the_box_and_whole_in_the_tooltip() -> None:
    long = "a very " * 30 + "red cat"
    tree = ElementTree.fromstring(svg.render(_of(long)))
    texts = [each.text or "" for each in tree.iter() if each.tag.endswith("}text")]
    titles = [each.text or "" for each in tree.iter() if each.tag.endswith("}title")]
    assert any(text.endswith("…") for text in texts)
    assert any(long in title for title in titles)
