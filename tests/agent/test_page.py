"""The page about a composition: what it shows, and that nothing in a trace breaks out of it."""

from __future__ import annotations

import base64
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.agent.traces import HOSTILE, PLAN, TEXT, over_the_zoo, traces

from mosaic.agent.page import DOCUMENT, _template, page, write_page
from mosaic.agent.showing import colored, marked, told
from mosaic.agent.tracing import read_trace
from mosaic.agent.values import Answer, Facet, FacetKind, LeftOut, Request, Round, Trace
from mosaic.compiler.diagnostic import MosaicError

EMPTY = {"meta", "img", "br"}
INLINE = {"span", "mark", "i", "b", "strong", "code"}
# fmt: off
TAGS = EMPTY | {
    "html", "head", "title", "style", "body", "main", "header", "h1", "h2", "h3", "p", "span", "div", "blockquote",
    "mark", "i", "b", "dl", "dt", "dd", "table", "tr", "th", "td", "ul", "li", "details", "summary", "pre", "strong",
    "code", "footer", "figure", "figcaption",
}
ATTRIBUTES = {
    "lang", "charset", "name", "content", "http-equiv", "class", "style", "title", "dir", "colspan", "src", "alt",
}
# fmt: on


class Elements(HTMLParser):
    """A page in elements. Complains about anything that the template does not have, and tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.marks: list[tuple[str, str]] = []
        self.text = ""
        self.parted = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert tag in TAGS, tag
        found = dict(attrs)
        self.parted += " " if tag not in INLINE else ""
        assert len(found) == len(attrs) and set(found) <= ATTRIBUTES, attrs
        assert re.fullmatch(r"width: \d{1,3}%", found.get("style", "width: 0%"))
        assert re.fullmatch(r"[a-z -]*", found.get("class", ""))
        if tag == "img":
            self.images.append(found)
        if tag == "mark" and "title" in found:
            self.marks.append((found["class"], found["title"]))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data
            self.parted += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def words(self) -> str:
        """The text with single spaces, also between boxes."""
        return " ".join(self.parted.split())


def test_the_four_steps_stand_on_it() -> None:
    read = Elements(page(over_the_zoo()))
    words = read.words()
    for wanted in (
        TEXT,
        "picture the nearest plan: not all of it can be met",
        "written by openai, tiny-writer at http://127.0.0.1:8000",
        "cat: zoo/base draws no cats",
        "policy use: commercial budget latency: 2s",
        # the parts, and what became of them
        "samurai character 1.00 samurai zoo/samurai",
        "cat subject 0.90 cat left out: zoo/base draws no cats",
        "neon-lit of alley technique 0.40 neon lit not in the picture",
        "alley setting 0.70 alley by the prompt alone",
        "Words that no part has: rainy",
        # the candidates
        "Bases that may be used: zoo/base.",
        "zoo/watercolor Watercolor lora 0.86 1.00 0.86 its trigger is `watercolor style`; its name says so",
        "measured: style alone, 64 pictures trigger: “watercolor style” “Washes of thin paint” Apache-2.0, rated",
        "studio/cyber: CC BY-NC 4.0: not commercially (for “cyberpunk”)",
        # the combinations
        "1 taken zoo/base zoo/samurai for “samurai” zoo/watercolor × 0.8 for “watercolor”",
        "by the prompt: “alley” not at all: “cyberpunk”, “cat”, “neon-lit”",
        "0.81 420 ms 0.74",
        "zoo/neon: weakens zoo/watercolor (for “neon-lit”)",
        # the drafts
        "2 of at most 5 calls; 4,100 tokens sent (at most 20,000), 430 written (at most 8,000)",
        "Draft 1: does not compile error[M210]: unknown lora `zoo/watercolour` <composed>:7:19",
        '7 │ let wash = lora("zoo/watercolour") help: did you mean `zoo/watercolor`? fix: use `zoo/watercolor`',
        "Draft 2: compiles Held to the request: policy { use: commercial } was put in: it is the request's",
    ):
        assert wanted in words
    assert read.text.count(PLAN) == 3  # of the combination, after the second draft, at the end
    assert read.marks[:2] == [
        ("style", "style, importance 0.50"),
        ("character", "character, importance 1.00"),
    ]


def test_it_needs_nothing_beside_it(tmp_path: Path) -> None:
    text = page(over_the_zoo())
    assert "default-src 'none'" in text and "<script" not in text
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?(?!data:)""", text)
    assert not re.search(r"@import|@font-face", text)


def test_pictures_stand_beside_the_request(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), "red").save(tmp_path / "cat.png")
    Image.new("RGB", (4, 4), "red").save(tmp_path / "cat.jpg")
    (tmp_path / "cat.png\u202e.svg").write_text("<svg onload=alert(1)></svg>")
    made = write_page(over_the_zoo(), tmp_path / "made", sorted(tmp_path.glob("cat.*")))
    assert made == tmp_path / "made" / "composition.html"
    assert read_trace(made.parent / DOCUMENT) == over_the_zoo()
    jpeg, png = Elements(made.read_text(encoding="utf-8")).images
    assert (jpeg["alt"], png["alt"]) == ("cat.jpg", "cat.png")
    prefix, _, data = str(png["src"]).partition(",")
    assert prefix == "data:image/png;base64" and base64.b64decode(data) == (tmp_path / "cat.png").read_bytes()
    assert str(jpeg["src"]).startswith("data:image/jpeg;base64,")


def test_a_picture_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(MosaicError) as caught:
        write_page(over_the_zoo(), tmp_path / "made", [tmp_path / "none.png"])
    assert caught.value.diagnostics[0].code == "M801"
    assert not (tmp_path / "made").exists()


def test_a_composition_that_went_nowhere() -> None:
    request = Request(text="nothing to draw")
    assert "not finished" in Elements(page(Trace(request=request, backend="offline"))).words()
    missing = LeftOut(what="a base", reason="the catalog has none")
    answer = Answer(plan="", explanation="No plan.", unmet=(missing,))
    read = Elements(page(Trace(request=request, backend="offline", answer=answer))).words()
    for wanted in (
        "no plan can be made of it",
        "a base: the catalog has none",
        "Nothing was written.",
        "There is none.",
    ):
        assert wanted in read


def test_without_what_makes_pages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _template.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MosaicError) as caught:
        write_page(over_the_zoo(), tmp_path / "made")
    assert caught.value.diagnostics[0].code == "M880" and "`jinja2`" in str(caught.value)
    assert not (tmp_path / "made").exists()


@settings(max_examples=200, deadline=None)
@given(trace=traces)
def test_nothing_breaks_out(trace: Trace) -> None:
    text = page(trace)
    read = Elements(text)
    assert not set(text) & set("\x00\x1b\x7f\u200b\u202e\u2066")
    for value in HOSTILE[:2]:
        if value in trace.request.text:
            assert value in read.text


@pytest.mark.parametrize("value", HOSTILE)
def test_what_strangers_write_is_shown_as_text(value: str) -> None:
    trace = over_the_zoo()
    diagnostic = {
        "code": value,
        "severity": value,
        "message": value,
        "file": value,
        "help": [value],
        "line": 1,
    }
    broken = Round(
        number=1, draft=trace.rounds[0].draft, held=(value,), made=(value,), diagnostics=(diagnostic,)
    )
    answer = Answer(plan=value, explanation=value, experts=(value,))
    trace = trace.model_copy(update={"rounds": (broken,), "answer": answer, "model": value, "catalog": value})
    read = Elements(page(trace))
    assert read.text.count("".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in value)) >= 9


def test_what_cannot_be_encoded_is_no_hindrance(tmp_path: Path) -> None:
    """Messages may hold names of files as the system gave them."""
    odd = Round(
        number=1,
        draft=over_the_zoo().rounds[0].draft,
        diagnostics=({"message": "no file `\udcff.mosaic`", "help": ["\ud800"]},),
    )
    made = write_page(over_the_zoo().model_copy(update={"rounds": (odd,)}), tmp_path)
    assert "no file `\ufffd.mosaic`" in made.read_text(encoding="utf-8")
    document = json.loads((tmp_path / DOCUMENT).read_text(encoding="utf-8"))
    assert document["rounds"][0]["diagnostics"][0]["message"] == "no file `\udcff.mosaic`"


@given(
    text=st.text(min_size=1, max_size=30),
    places=st.lists(st.tuples(st.integers(-2, 32), st.integers(-2, 32)), max_size=6),
)
@example(text="a red cat", places=[(2, 5), (2, 9), (4, 6), (6, 9), (8, 99)])
def test_a_request_in_pieces_is_the_request(text: str, places: list[tuple[int, int]]) -> None:
    facets = [
        Facet(kind=FacetKind.SUBJECT, text="", start=start, end=end, importance=0, sought="")
        for start, end in places
    ]
    pieces = marked(text, facets)
    assert "".join(piece.text for piece in pieces) == text
    for piece in pieces:
        assert piece.facet is None or piece.text == text[piece.facet.start : piece.facet.end]


@settings(max_examples=200)
@given(text=st.text(max_size=60) | st.text(alphabet='ab("#)\n 1*\u201c;', max_size=60))
def test_a_plan_in_pieces_is_the_plan(text: str) -> None:
    assert "".join(piece.text for piece in colored(text)) == text


def test_a_plan_is_colored_by_what_its_words_are() -> None:
    pieces = {piece.text.strip(): piece.sort for piece in colored(f"# by hand\n{PLAN}")}
    assert pieces["# by hand"] == "comment"
    assert pieces["emit"] == pieces["plan"] == "keyword"
    assert pieces["fuse"] == pieces["checkpoint"] == "call"
    assert pieces['"zoo/samurai"'] == "text" and pieces["0.8"] == "number"
    assert [piece.sort for piece in colored("x" * 20_001)] == [""]


def test_a_diagnostic_shows_its_line() -> None:
    found = {"file": "<composed>", "line": 2, "column": 3, "end_line": 2, "end_column": 5, "message": "no"}
    shown = told(found, "one\nab\U0001f600de f\n")
    assert (shown.line, shown.before, shown.marked, shown.after) == (2, "ab", "\U0001f600d", "e f")
    assert told(found | {"end_line": 3, "end_column": 1}, "one\nabcde\n").marked == "cde"
    # No line of the plan: beyond it, in a fragment, odd types.
    assert told(found | {"line": 9}, "one").line is None
    assert told(found | {"file": "std.looks"}, "one\nabcde").line is None
    assert told(found | {"line": True, "column": "3", "help": "x", "fixes": [3]}, "one\nabcde").line is None
