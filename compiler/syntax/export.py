"""The grammar for other readers, made from `mosaic.lark` itself.

`llm` is the canonical form with explicit white space, for constrained decoding: nothing is ignored, and what the
parser tells apart after reading (reserved words, units, escapes) is told apart by the terminals, so that
whatever a decoder writes is read without a syntax error (up to the limit on nesting). `gbnf` is the same for
llama.cpp and its kin. Two things that the parser reads a decoder does not write: characters in texts that nobody sees
and that could steer a terminal, and numbers of more digits than anybody needs.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from mosaic.compiler.syntax.build import RESERVED
from mosaic.compiler.syntax.literals import escape
from mosaic.grammar import grammar_text

Target = Literal["lark", "llm", "gbnf"]


def export(target: Target, names: Mapping[str, Sequence[str]] | None = None) -> str:
    """The grammar as text.

    `names` lists the ids that may be named by kind (`{"lora": ["zoo/neon"]}`); with it, `llm` and `gbnf` accept no
    others in `lora("...")` and its like; one that no text can hold is left out. `lark` is the file as it stands and
    takes no names.
    """
    if target == "lark":
        if names:
            raise ValueError("the grammar as parsed knows no catalog; use the target llm or gbnf")
        return grammar_text()
    rules = _decoding(names or {})
    return _lark(rules) if target == "llm" else _gbnf(rules)


# From the parser's rules to a decoder's

_SPACED = {
    **{word: f"{word} " for word in ("mosaic", "use", "param", "define", "plan", "let", "emit", "return")},
    **{word: f"{word} " for word in ("budget", "policy")},
    **{word: f" {word} " for word in ("as", "in", "during", "=", "*")},
    **{sign: f"{sign} " for sign in (":", ",")},
}
"""The canonical white space around words and signs."""

_REPLACED = (
    ("start", "header item*", 'header (GAP item)* "\\n"'),
    ("header", "NUMBER", '"1"'),
    ("define", "_ARROW", '" -> "'),
    ("define", "NAME block", 'NAME " " block'),
    ("plan", "NAME block", 'NAME " " block'),
    ("block", "statement*", '((INDENT statement)+ "\\n")?'),
    ("let", '"="', "ASSIGN"),
    ("named", "NAME", "KEY"),
    ("entry", "NAME", "KEY"),
    ("modified", "operand modifier*", "operand | (expert | TEXT) modifier+"),
    ("operand", "reference | call | list", "expert | FLAG | list"),
    ("bounds", "_DOTS", '".."'),
)
"""(rule, what it says, what it says for a decoder)."""

_LISTED = re.compile(r'\((\w+) \("," \1\)\* ","\?\)\?')
_INLINE = r'(\1 ("," \1)* | BREAK \1 (COMMA BREAK \1)* COMMA? BREAK)?'
_PADDED = r'(" " \1 ("," \1)* " " | BREAK \1 (COMMA BREAK \1)* COMMA? BREAK)?'

_WHOLE = "(0|[1-9][0-9]{0,9})"
_SIGNED = "(0|-?[1-9][0-9]{0,9})"
_NUMBER = (
    rf"{_SIGNED}(e-?[1-9])?(%|ms|s|min)?"
    rf"|-?{_WHOLE}\.[0-9]{{0,5}}[1-9](e-?[1-9])?(%|ms|s|min)?"
    rf"|{_SIGNED}\.0"
    r"|(0|-?[1-9][0-9]{0,5}|-?(0|[1-9][0-9]{0,5})\.[0-9]{0,5}[1-9])(KiB|MiB|GiB)|(0|-?[1-9][0-9]{0,2})TiB"
    r"|[1-9][0-9]{0,4}x[1-9][0-9]{0,4}"
)
_WORD = "[A-Za-z_][A-Za-z0-9_]*"
_TERMINALS = {
    "KEY": _WORD,
    "NUMBER": _NUMBER,
    "LOW": rf"({_NUMBER})\.\.",
    "TEXT": rf'"([^"\\{{}}\x00-\x1f\x7f-\x9f]|\\["\\n]|\{{\{{|\}}\}}|\{{{_WORD}(\.{_WORD})*\}})*"',
    "FLAG": "true|false",
    "ASSIGN": " {1,24}= ",
    "COMMA": ",",
    "GAP": r"\n\n?",
    "INDENT": r"\n\n?  ",
    "BREAK": r"\n {0,24}",
}

Rules = dict[str, str]
"""Bodies by name, in order: rules in lower case, terminals (regular expressions between slashes) in upper case."""


def _decoding(names: Mapping[str, Sequence[str]]) -> Rules:
    rules = {name: body for name, body in _rules(grammar_text()).items() if name.islower()}
    for name, said, says in _REPLACED:
        if said not in rules[name]:
            raise ValueError(f"rule `{name}` of mosaic.lark no longer says `{said}`")
        rules[name] = rules[name].replace(said, says)
    for name, body in rules.items():
        rules[name] = _with_spaces(_LISTED.sub(_PADDED if name == "entries" else _INLINE, body))
    rules["expert"] = "reference | call"
    rules |= {"NAME": f"/{_word_except(RESERVED)}/"}
    rules |= {name: f"/{pattern}/" for name, pattern in _TERMINALS.items()}
    return rules | _named_experts(names)


def _rules(text: str) -> Rules:
    """The rules and terminals of a grammar file, by name, without the marks that shape Lark's trees."""
    found = re.findall(r"^[?!]?(\w+): (.*)$", text, re.MULTILINE)
    return {name: _each(lambda token: {"[": "(", "]": ")?"}.get(token, token), body) for name, body in found}


def _with_spaces(body: str) -> str:
    return _each(lambda token: json.dumps(_spaced(json.loads(token))) if token[0] == '"' else token, body)


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|/(?:[^/\\]|\\.)*/|\w+|[()|*+?\[\]]')


def _each(change: Callable[[str], str], body: str) -> str:
    """A rule's body with every token changed; the white space between tokens stays."""
    return _TOKEN.sub(lambda match: change(match[0]), body)


def _spaced(word: str) -> str:
    return _SPACED.get(word, word)


def _named_experts(names: Mapping[str, Sequence[str]]) -> Rules:
    """Calls of `lora` and its like that take only what is named."""
    if not names:
        return {}
    rules = {"call": 'CALLEE ("." NAME)* arguments', "CALLEE": f"/{_word_except({*RESERVED, *names})}/"}
    for kind, listed in names.items():
        ids = [each for each in listed if not _UNWRITABLE.search(each)]
        if not ids:
            continue
        # A terminal: as a rule, a decoder's parser would keep each name that may still be meant apart.
        id_ = f"{kind.upper()}_ID"
        rules["call"] += f' | "{kind}(" {id_} ")"'
        rules[id_] = " | ".join(_literal(f'"{escape(each)}"') for each in ids)
    return rules


_UNWRITABLE = re.compile("[\r\ud800-\udfff]")
"""What no text of a plan can hold: no decoder can name an expert that is called so."""
_CONTROLS = re.compile("[\x7f-\x9f]")


def _literal(text: str) -> str:
    """A text as a terminal of a grammar. JSON leaves some controls as they are, which readers of grammars refuse."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


_FIRST = string.ascii_uppercase + "_" + string.ascii_lowercase
_REST = string.digits + _FIRST


def _word_except(words: Iterable[str]) -> str:
    """A regular expression for every identifier but some, without look-around: a walk along their common prefixes."""
    return _beyond("", sorted(words))


def _beyond(prefix: str, words: Sequence[str]) -> str:
    """What may follow a prefix so that the whole is none of the words, all of which begin with the prefix."""
    letters = sorted({word[len(prefix)] for word in words if word != prefix})
    others = "".join(char for char in (_REST if prefix else _FIRST) if char not in letters)
    ways = [f"{_class(others)}[A-Za-z0-9_]*"]
    for letter in letters:
        longer = [word for word in words if word.startswith(prefix + letter)]
        ways.append(letter + _beyond(prefix + letter, longer))
    may_end = prefix and prefix not in words
    return f"({'|'.join(ways)}){'?' if may_end else ''}"


def _class(chars: str) -> str:
    """A character class, with ranges."""
    runs: list[str] = []
    for char in sorted(chars):
        if runs and ord(char) == ord(runs[-1][-1]) + 1:
            runs[-1] = runs[-1][0] + "-" + char
        else:
            runs.append(char)
    return f"[{''.join(runs)}]"


# Writing


def _lark(rules: Rules) -> str:
    head = "// The canonical form of mosaic, edition 1, for constrained decoding. Made from mosaic.lark.\n\n"
    return head + "".join(f"{name}: {body}\n" for name, body in rules.items())


def _gbnf(rules: Rules) -> str:
    lines = ["# The canonical form of mosaic, edition 1. Made from mosaic.lark."]
    names = {"start": "root"} | {name: _dashed(name) for name in rules if name != "start"}
    for name, body in rules.items():
        lines.append(f"{names[name]} ::= {_each(lambda token: _gbnf_part(token, names), body)}")
    return "\n".join(lines) + "\n"


def _gbnf_part(token: str, names: Mapping[str, str]) -> str:
    return _gbnf_pattern(token[1:-1]) if token[0] == "/" else names.get(token, token)


def _dashed(name: str) -> str:
    # Rule names know no case in some readers, and `list` and `LIST` must stay apart.
    return (f"t-{name.lower()}" if name.isupper() else name).replace("_", "-")


_PATTERN = re.compile(r"(?P<class>\[(?:[^\]\\]|\\.)*\])|(?P<sign>\{[0-9,]+\}|[()|*+?])|(?P<char>\\.|.)")


def _gbnf_pattern(pattern: str) -> str:
    """A regular expression of the few kinds used here, with its literal characters in quotes."""
    text = ""
    for match in _PATTERN.finditer(pattern):
        piece = match[0]
        if match.lastgroup == "char":
            text += json.dumps("\n" if piece == "\\n" else piece[-1])
        else:
            text += piece
        text += " " if not _follows_closely(pattern[match.end() : match.end() + 1]) and piece != "(" else ""
    return text.strip()


def _follows_closely(char: str) -> bool:
    return char in ("*", "+", "?", "{", ")")
