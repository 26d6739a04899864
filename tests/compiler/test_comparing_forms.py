"""A comparison as text, Markdown and data: what it shows, and that nothing in a plan becomes anything but text."""

from __future__ import annotations

import json
import re
import unicodedata
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.compiler.comparing import compared, of

from mosaic.compiler.comparing import markdown, text
from mosaic.compiler.comparing.changes import (
    Aspect,
    Change,
    Comparison,
    EmitChange,
    Place,
    PlanChange,
    Side,
    State,
)
from mosaic.compiler.comparing.document import document
from mosaic.compiler.comparing.normal import normal

NAMES = ("old.mosaic", "new.mosaic")
BODY = 'mosaic 1\nplan p {{\n  emit sample(checkpoint("zoo/base"), prompt: "{}", steps: {}) as "a.png"\n}}\n'


def test_text() -> None:
    comparison = compared(BODY.format("a red cat", 5), BODY.format("a blue cat", 6))
    assert text.render(comparison, NAMES) == (
        "old.mosaic → new.mosaic\n\nplan p\n  a.png\n"
        "    ~ prompt of sample  “a [-red-]{+blue+} cat”  (line 3 → 3)\n"
        "    ~ steps of sample   5 → 6  (line 3 → 3)\n"
    )


def test_text_in_colour() -> None:
    shown = text.render(compared(BODY.format("a cat", 5), BODY.format("a cat", 6)), NAMES, color=True)
    assert "\x1b[31m5\x1b[0m → \x1b[32m6\x1b[0m" in shown


def test_nothing_to_say() -> None:
    same = compared(BODY.format("a cat", 5), BODY.format("a cat", 5))
    assert text.render(same, NAMES).endswith("\nno difference in meaning\n")
    assert "No difference in meaning." in markdown.render(same, NAMES)
    assert document(same, NAMES)["differs"] is False


def test_markdown() -> None:
    shown = markdown.render(compared(BODY.format("a red cat", 5), BODY.format("a blue cat", 5)), NAMES)
    assert (
        "| prompt of sample | <code>a <del>red</del> cat</code> | <code>a <ins>blue</ins> cat</code> | 3 → 3 |"
        in shown
    )
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(shown)
    assert html.count("<table>") == 1 and html.count("<details>") == html.count("</details>") == 1
    assert "<td><code>a <ins>blue</ins> cat</code></td>" in html


class _Seen(HTMLParser):
    """The tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)


OURS = {
    "p", "strong", "code", "h3", "table", "thead", "tbody", "tr", "th", "td", "del", "ins", "details", "summary",
    "ul", "li", "blockquote",
}  # fmt: skip
NASTY = st.one_of(
    st.sampled_from([
        "<script>alert(1)</script>", "[a](http://b)", "![a](b)", "| a | b |", "`code`", "**loud**", "@someone", "#12",
        "</code></td>", "</details>", "https://example.org", "www.example.org", "$x$", "a\n\n# b", "~~a~~", "&lt;b&gt;",
        "<!-- ", "\\", "\x1b[2J", "\u202eevil", "- [ ] x",
    ]),
    st.text(max_size=30),
)  # fmt: skip


def _comparison(old: str, new: str, of: str) -> Comparison:
    changes = (
        Change(Aspect.PROMPT, Side(old, old), Side(new, new, place=Place(of, 3)), at="sample"),
        Change(Aspect.OPERAND, None, Side(of, new, reason=old), of=of),
        Change(Aspect.BASE, Side(old, old), Side(new, new)),
    )
    emits = (
        EmitChange((new or "a.png",), State.CHANGED, changes),
        EmitChange((of,), State.RENAMED, was=old),
        EmitChange((of,), State.ADDED),
    )
    credit = Change(Aspect.CREDIT, Side(of, of), None)
    plan = PlanChange(
        State.CHANGED, (old, of), (new, of), changes, emits, (credit,), programs=("sha256:0", "sha256:1")
    )
    return Comparison((plan, PlanChange(State.REMOVED, (old, new), None)), (of,))


@settings(max_examples=200, deadline=None)
@given(NASTY, NASTY, NASTY)
def test_what_plans_say_is_text(old: str, new: str, of: str) -> None:
    comparison = _comparison(old, new, of)
    shown = markdown.render(comparison, (old, new))
    seen = _Seen()
    seen.feed(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(shown))
    assert seen.tags <= OURS
    # What GitHub makes links and mentions of.
    assert not re.search(r"@|\]\(|://|www\.|\$", shown, re.IGNORECASE)
    for told in (shown, text.render(comparison, (old, new))):
        assert {unicodedata.category(char) for char in told.replace("\n", "")}.isdisjoint(
            {"Cc", "Cf", "Zl", "Zp"}
        )
    json.dumps(document(comparison, (old, new)))


def test_the_normal_form() -> None:
    shown = normal(of(BODY.format('two\\" cats', 5)))
    assert shown.splitlines()[0] == "plan p"
    assert '      prompt: "two\\" cats"' in shown.splitlines()
    assert shown.endswith("    decode\n")


def test_what_is_used_again_is_told_once() -> None:
    body = (
        'mosaic 1\nplan p {\n  let look = fuse(checkpoint("zoo/base"), lora("zoo/neon"))\n'
        '  let half = sample(look, prompt: "neon style", until: 50%)\n'
        '  emit resume(look, half) as "a.png"\n  emit half as "b.safetensors"\n}\n'
    )
    shown = normal(of(body)).splitlines()
    assert [line.strip() for line in shown if "as above" in line] == ["model, as above", "sample, as above"]
    deep = 'let m0 = checkpoint("zoo/base")\n' + "".join(
        f'let m{at + 1} = fuse(m{at}, m{at} * 0.5, lora("zoo/neon") * 0.1, via: guidance)\n'
        for at in range(30)
    )
    long = normal(of(f'mosaic 1\nplan p {{\n{deep}emit sample(m1, prompt: "a cat") as "a.png"\n}}\n'))
    assert len(long) < 10_000
