"""M1xx: text that is not the language."""

from __future__ import annotations

import difflib
import unicodedata
from dataclasses import dataclass
from typing import ClassVar

from mosaic.compiler.diagnostic import Diagnostic, Edit, Fix, Label
from mosaic.compiler.source import Span
from mosaic.compiler.syntax.limits import EDITION


@dataclass(frozen=True)
class Mistake(Diagnostic):
    """A token that cannot stand where it stands: the common shape of the messages of the parser.

    `found` is the token as shown, `previous` the token before it, `expected` what could stand there.
    """

    found: str
    previous: Span
    expected: tuple[str, ...] = ()

    def insert(self, title: str, text: str, *, safe: bool = True) -> tuple[Fix, ...]:
        """A fix that puts text directly behind the previous token."""
        return (Fix(title, (Edit(self.previous.after(), text),), safe),)

    def replace(self, title: str, text: str, *, safe: bool = True) -> tuple[Fix, ...]:
        """A fix that puts text in place of the token."""
        return (Fix(title, (Edit(self.span, text),), safe),) if self.span else ()


# The file as a whole


@dataclass(frozen=True)
class MissingHeader(Diagnostic):
    """A file does not begin with the header that names its edition.

    The header is the first thing in a file; only comments may stand before it:

        plan alley { ... }        # M101: the file begins without `mosaic 1`

    Put `mosaic 1` on a line of its own at the top. An empty file lacks its header too.
    """

    code: ClassVar[str] = "M101"
    title: ClassVar[str] = "the header `mosaic 1` is missing"
    label: ClassVar[str] = "the header belongs before this"

    def fixes(self) -> tuple[Fix, ...]:
        return (
            (Fix("begin with `mosaic 1`", (Edit(self.span.before(), "mosaic 1\n\n"),)),) if self.span else ()
        )


@dataclass(frozen=True)
class UnknownEdition(Diagnostic):
    """The header names an edition of the language that this version of mosaic does not read.

        mosaic 2                  # M102: this version reads edition 1

    A later edition needs a later mosaic: `pip install --upgrade mosaic-plan`. Where the number is only a
    spelling of 1 (`mosaic 1.0`), write `mosaic 1`.
    """

    code: ClassVar[str] = "M102"
    title: ClassVar[str] = "unknown edition `{edition}`"
    label: ClassVar[str] = "this version of mosaic reads edition 1"

    edition: str
    """As written; empty where the header names none."""

    def message(self) -> str:
        return super().message() if self.edition else "the header names no edition"

    def primary(self) -> str:
        return super().primary() if self.edition else "write `mosaic 1`"

    @property
    def _later(self) -> bool:
        return self.edition.isdigit() and self.edition.isascii() and int(self.edition[:6]) > EDITION

    def help(self) -> tuple[str, ...]:
        if not self._later:
            return ()
        return (
            f"a file of edition {self.edition} needs a later mosaic: pip install --upgrade mosaic-plan",
            "to migrate it to edition 1 by hand: write `mosaic 1`, then mend what `mosaic check` reports",
        )

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None:
            return ()
        if not self.edition:
            return (Fix("write `mosaic 1`", (Edit(self.span, f" {EDITION}"),)),)
        return (Fix("read it as edition 1", (Edit(self.span, str(EDITION)),), safe=not self._later),)


@dataclass(frozen=True)
class NotText(Diagnostic):
    """A file is no text in UTF-8: a picture, a model or a text in another encoding.

        mosaic check models/neon.safetensors      # M103

    Give the path of a `.mosaic` file, or save the text as UTF-8.
    """

    code: ClassVar[str] = "M103"
    title: ClassVar[str] = "not a text in UTF-8: {why}"

    why: str

    def help(self) -> tuple[str, ...]:
        return ("plans are plain text, saved as UTF-8",)


@dataclass(frozen=True)
class TooLarge(Diagnostic):
    """A file is larger than any plan: more than 1 MiB.

        mosaic check huge.mosaic                  # M104

    Split it with `use`, or check that it is a plan at all.
    """

    code: ClassVar[str] = "M104"
    title: ClassVar[str] = "the file is too large: {size} bytes, and at most 1048576 are read"

    size: int

    def help(self) -> tuple[str, ...]:
        return ("fragments can be kept in files of their own and brought in with `use`",)


@dataclass(frozen=True)
class TooDeep(Diagnostic):
    """Brackets or chains of `*`, `in` and `during` are nested deeper than 64 levels.

        let x = f(f(f( ...                        # M105, at the 65th level

    Bind inner parts to names with `let`.
    """

    code: ClassVar[str] = "M105"
    title: ClassVar[str] = "nested deeper than 64 levels"
    label: ClassVar[str] = "one level too many"

    def help(self) -> tuple[str, ...]:
        return ("bind the inner parts to names with `let`",)


@dataclass(frozen=True)
class TooManyMistakes(Diagnostic):
    """A file holds so many syntax errors that reading it stopped.

    After 50 syntax errors in one file the rest is not read; usually the file is no plan, or one early bracket or
    quote is wrong:

        mosaic check notes.txt                    # M106 after fifty other messages

    Mend the first messages and check again.
    """

    code: ClassVar[str] = "M106"
    title: ClassVar[str] = "more than 50 syntax errors; the rest of the file was not read"
    label: ClassVar[str] = "reading stopped here"


# Characters, texts, numbers


@dataclass(frozen=True)
class UnexpectedCharacter(Diagnostic):
    """A character that means nothing in the language, outside of a text or comment.

        let look = base + neon                    # M110: there is no arithmetic

    Experts are combined with `fuse(base, neon * 0.8)`; any character may stand inside a text.
    """

    code: ClassVar[str] = "M110"
    title: ClassVar[str] = "unexpected character {shown}"
    label: ClassVar[str] = "means nothing here"

    text: str

    @property
    def shown(self) -> str:
        """The sign or first character, by name where it cannot be seen."""
        char = self.text[0]
        if char.isprintable():
            return f"`{self.text}`" if len(self.text) <= 3 and self.text.isprintable() else f"`{char}`"
        return f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip()

    def help(self) -> tuple[str, ...]:
        if self.text[0] in "+-/^":
            return ("there is no arithmetic; experts are combined with `fuse(base, expert * strength)`",)
        if self.text[0] in "<>!?&|":
            return ("there are no conditions; `mosaic run --set name=a,b` runs a plan for several values",)
        if self.text[0] == "\u00d7":
            return ("a strength is written `*`, a size `64x64`",)
        return ()


@dataclass(frozen=True)
class UnclosedText(Diagnostic):
    """A text has no closing quote on its line.

        emit image as "alley.png                  # M111

    A text ends on the line on which it begins; a line end inside is written `\\n`, a quote `\\"`.
    """

    code: ClassVar[str] = "M111"
    title: ClassVar[str] = "the text is not closed"
    label: ClassVar[str] = "no closing quote on this line"

    def help(self) -> tuple[str, ...]:
        return ('close it with `"`; inside a text, a line end is written `\\n` and a quote `\\"`',)

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None:
            return ()
        return (Fix('end the line with `"`', (Edit(self.span.after(), '"'),), safe=False),)


@dataclass(frozen=True)
class WrongQuotes(Diagnostic):
    """A text stands in other quotes than `"`.

        let neon = lora('zoo/neon')               # M112

    Texts are written in straight double quotes.
    """

    code: ClassVar[str] = "M112"
    title: ClassVar[str] = "texts are written in straight double quotes"
    label: ClassVar[str] = "other quotes"

    text: str

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None:
            return ()
        inner = self.text[1:-1].replace("\\'", "'")
        return (Fix('use `"`', (Edit(self.span, f'"{inner}"'),)),)


@dataclass(frozen=True)
class ForeignComment(Diagnostic):
    """A comment is written as in another language.

        // the base model                         # M113

    A comment begins with `#` and ends with its line.
    """

    code: ClassVar[str] = "M113"
    title: ClassVar[str] = "a comment begins with `#`"
    label: ClassVar[str] = "not a comment here"

    mark: str

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None or self.mark != "//":
            return ()
        start = Span(self.span.source, self.span.start, self.span.start + 2)
        return (Fix("write `#`", (Edit(start, "#"),)),)


@dataclass(frozen=True)
class StraySign(Diagnostic):
    """A sign that other languages end a statement with.

        let base = checkpoint("zoo/base");        # M114

    Statements need nothing between them.
    """

    code: ClassVar[str] = "M114"
    title: ClassVar[str] = "`{sign}` is not needed"
    label: ClassVar[str] = "statements need nothing between them"

    sign: str

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("leave it out", (Edit(self.span, ""),)),) if self.span else ()


@dataclass(frozen=True)
class ForeignSpace(Diagnostic):
    """A white space that is no plain space, tab or line end, usually from a copied web page.

        let base = checkpoint("zoo/base")         # M115, if the first space is U+00A0 NO-BREAK SPACE

    Replace it with a space.
    """

    code: ClassVar[str] = "M115"
    title: ClassVar[str] = "white space that is no plain space: {name}"
    label: ClassVar[str] = "replace with a space"

    point: int

    def message(self) -> str:
        name = f"U+{self.point:04X} {unicodedata.name(chr(self.point), '')}".rstrip()
        return self.title.format(name=name)

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("replace it with a space", (Edit(self.span, " "),)),) if self.span else ()


@dataclass(frozen=True)
class ForeignName(Diagnostic):
    """A name holds a letter outside of A to Z.

        let größe = 64x64                         # M116

    Names take the letters A to Z and a to z, digits and `_`; texts take any character.
    """

    code: ClassVar[str] = "M116"
    title: ClassVar[str] = "`{name}` is no name"
    label: ClassVar[str] = "names take A to Z, a to z, digits and `_`"

    name: str


@dataclass(frozen=True)
class BadEscape(Diagnostic):
    """A backslash in a text is followed by something that is no escape.

        emit image as "out\\alley.png"             # M117: `\\a`

    The escapes are `\\"`, `\\\\` and `\\n`. Paths are written with `/` on every system.
    """

    code: ClassVar[str] = "M117"
    title: ClassVar[str] = "unknown escape `\\{char}`"
    label: ClassVar[str] = "no escape"

    char: str

    def help(self) -> tuple[str, ...]:
        return ('the escapes are `\\"`, `\\\\` and `\\n`; paths are written with `/` on every system',)

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None:
            return ()
        return (Fix("write a backslash as `\\\\`", (Edit(self.span, f"\\\\{self.char}"),)),)


@dataclass(frozen=True)
class BadInsert(Diagnostic):
    """Braces in a text that do not hold a name.

    `{name}` inserts a parameter or an expert's trigger words; a brace that is meant as such is doubled:

        prompt: "a {red hat}"                     # M118
        prompt: "a {{red hat}}"                   # the text: a {red hat}

    Give the name of a parameter or expert, or double the brace.
    """

    code: ClassVar[str] = "M118"
    title: ClassVar[str] = "a brace in a text that inserts no name"
    label: ClassVar[str] = "`{{name}}` inserts a name, a literal brace is doubled"

    text: str
    """The braces and what they hold, or one brace."""

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None:
            return ()
        doubled = self.text.replace("{", "{{").replace("}", "}}")
        fix = Fix("double the brace", (Edit(self.span, doubled),))
        inner = self.text[1:-1].strip()
        if not inner.isidentifier() or not inner.isascii():
            return (fix,)
        return (Fix(f"write `{{{inner}}}`", (Edit(self.span, f"{{{inner}}}"),)), fix)


@dataclass(frozen=True)
class UnknownUnit(Diagnostic):
    """A number ends in a unit that the language does not have.

        budget { latency: 2sec }                  # M119: did you mean `2s`?

    The units are `ms`, `s`, `min` for durations, `KiB`, `MiB`, `GiB`, `TiB` for memory and `%` for fractions;
    a size is written `64x64`.
    """

    code: ClassVar[str] = "M119"
    title: ClassVar[str] = "unknown unit `{unit}`"
    label: ClassVar[str] = "no unit of the language"

    number: str
    unit: str
    near: str | None = None

    def help(self) -> tuple[str, ...]:
        return (
            "units: ms, s, min (duration), KiB, MiB, GiB, TiB (memory), % (fraction); a size is written 64x64",
        )

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None or self.near is None:
            return ()
        # A gigabyte is not a gibibyte: the nearest unit may change what was meant.
        return (Fix(f"write `{self.near}`", (Edit(self.span, self.near),), safe=False),)


@dataclass(frozen=True)
class BadNumber(Diagnostic):
    """A number that is too long or too large to be held exactly.

        sample(look, seed: 99999999999999999999)  # M120

    Whole numbers go up to 2^53 - 1 = 9007199254740991, and a number has at most 28 characters.
    """

    code: ClassVar[str] = "M120"
    title: ClassVar[str] = "the number is too large or too long"
    label: ClassVar[str] = "cannot be held exactly"

    def help(self) -> tuple[str, ...]:
        return ("whole numbers go up to 9007199254740991; a number has at most 28 characters",)


@dataclass(frozen=True)
class NakedPoint(Mistake):
    """A number begins or ends with its decimal point.

        neon * .8                                 # M121: `0.8`

    Digits stand on both sides of a decimal point.
    """

    code: ClassVar[str] = "M121"
    title: ClassVar[str] = "a decimal point needs digits on both sides"
    label: ClassVar[str] = "write it with a zero, as in `0.8`"

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None:
            return ()
        if self.previous.end == self.span.start and self.previous.text[-1:].isdigit():
            return (Fix("leave the point out", (Edit(self.span, ""),)),)
        return (Fix("write a zero before it", (Edit(self.span.before(), "0"),)),)


# Tokens in the wrong place


@dataclass(frozen=True)
class UnexpectedToken(Mistake):
    """Something stands where the grammar has no place for it, and nothing more particular is known.

        plan alley ( ... )                        # M130: unexpected `(`; expected `{`

    The message names what could stand there.
    """

    code: ClassVar[str] = "M130"
    title: ClassVar[str] = "unexpected {found}"
    label: ClassVar[str] = "not expected here"

    def help(self) -> tuple[str, ...]:
        if not self.expected:
            return ()
        *most, last = self.expected
        return (f"expected {', '.join(most)} or {last}" if most else f"expected {last}",)


@dataclass(frozen=True)
class Unclosed(Diagnostic):
    """A bracket is opened and never closed.

        let look = fuse(base, neon
        emit look as "look.safetensors"           # M131: the `(` above is still open

    Close the bracket.
    """

    code: ClassVar[str] = "M131"
    title: ClassVar[str] = "`{bracket}` is not closed"
    label: ClassVar[str] = "`{closing}` is missing here"

    bracket: str
    closing: str
    opened: Span
    previous: Span

    def labels(self) -> tuple[Label, ...]:
        return (Label(self.opened, "opened here"),)

    def fixes(self) -> tuple[Fix, ...]:
        text = "\n}" if self.closing == "}" else self.closing
        return (Fix(f"insert `{self.closing}`", (Edit(self.previous.after(), text),), safe=False),)


@dataclass(frozen=True)
class NothingToClose(Diagnostic):
    """A closing bracket that no opening bracket belongs to, or that belongs to another kind.

        let look = fuse(base, neon))              # M132

    Leave it out, or close what is open with its own bracket.
    """

    code: ClassVar[str] = "M132"
    title: ClassVar[str] = "`{bracket}` closes nothing"
    label: ClassVar[str] = "nothing of its kind is open here"

    bracket: str
    opened: Span | None = None
    wanted: str = ""
    """The bracket that closes what is open, where it was probably meant."""

    def labels(self) -> tuple[Label, ...]:
        return (Label(self.opened, "open here"),) if self.opened else ()

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None:
            return ()
        if self.wanted:
            return (Fix(f"write `{self.wanted}`", (Edit(self.span, self.wanted),), safe=False),)
        return (Fix(f"leave `{self.bracket}` out", (Edit(self.span, ""),), safe=False),)


@dataclass(frozen=True)
class MissingName(Mistake):
    """A name is missing.

        let = checkpoint("zoo/base")              # M133
        plan { ... }                              # M133

    `let`, `param`, `define` and `plan` are followed by the name that they give.
    """

    code: ClassVar[str] = "M133"
    title: ClassVar[str] = "a name is missing before {found}"
    label: ClassVar[str] = "a name is expected here"


@dataclass(frozen=True)
class MissingValue(Mistake):
    """A value is missing.

        sample(look, steps: , seed: 7)            # M134
        let look =
        emit look as "look.safetensors"           # M134

    A value is a name, a call, a number, a text or a list.
    """

    code: ClassVar[str] = "M134"
    title: ClassVar[str] = "a value is missing before {found}"
    label: ClassVar[str] = "a value is expected here"

    def labels(self) -> tuple[Label, ...]:
        return (Label(self.previous, "after this"),) if self.previous.end > self.previous.start else ()


@dataclass(frozen=True)
class MissingAs(Mistake):
    """An `emit` does not say under which file name.

        emit image "alley.png"                    # M135

    Write `emit image as "alley.png"`.
    """

    code: ClassVar[str] = "M135"
    title: ClassVar[str] = "`emit` needs `as` and a file name"
    label: ClassVar[str] = "expected `as` here"

    def help(self) -> tuple[str, ...]:
        return ('`emit image as "alley.png"`',)

    def fixes(self) -> tuple[Fix, ...]:
        return self.insert("insert `as`", " as") if self.found.startswith('`"') else ()


@dataclass(frozen=True)
class EqualsInArgument(Mistake):
    """A named argument, setting or key is followed by `=` where `:` belongs.

        sample(look, steps = 20)                  # M136

    `=` binds a name in `let` and gives a default; everywhere else a key is followed by `:`.
    """

    code: ClassVar[str] = "M136"
    title: ClassVar[str] = "a key is followed by `:`, not by {found}"
    label: ClassVar[str] = "write `:`"

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None:
            return ()
        # `steps = 20` becomes `steps: 20`: the space before the sign goes with it.
        return (Fix("write `:`", (Edit(Span(self.span.source, self.previous.end, self.span.end), ":"),)),)


@dataclass(frozen=True)
class ColonInLet(Mistake):
    """A `let` binds its name with `:` where `=` belongs.

        let base: checkpoint("zoo/base")          # M137

    Write `let base = checkpoint("zoo/base")`.
    """

    code: ClassVar[str] = "M137"
    title: ClassVar[str] = "`let` binds a name with `=`"
    label: ClassVar[str] = "write `=`"

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None:
            return ()
        return (Fix("write `=`", (Edit(Span(self.span.source, self.previous.end, self.span.end), " ="),)),)


@dataclass(frozen=True)
class MissingComma(Mistake):
    """Two arguments, entries or list items stand side by side without a comma.

        fuse(base, hero neon)                     # M138

    Separate them with `,`.
    """

    code: ClassVar[str] = "M138"
    title: ClassVar[str] = "a comma is missing before {found}"
    label: ClassVar[str] = "expected `,` here"

    def fixes(self) -> tuple[Fix, ...]:
        return self.insert("insert `,`", ",")


@dataclass(frozen=True)
class MissingColon(Mistake):
    """A key and its value stand side by side without a colon.

        sample(look, steps 20)                    # M139

    Write `steps: 20`.
    """

    code: ClassVar[str] = "M139"
    title: ClassVar[str] = "a colon is missing before {found}"
    label: ClassVar[str] = "expected `:` here"

    def fixes(self) -> tuple[Fix, ...]:
        return self.insert("insert `:`", ":")


@dataclass(frozen=True)
class MissingEquals(Mistake):
    """A `let` or a default has no `=` before its value.

        let base checkpoint("zoo/base")           # M140

    Write `let base = checkpoint("zoo/base")`.
    """

    code: ClassVar[str] = "M140"
    title: ClassVar[str] = "`=` is missing before {found}"
    label: ClassVar[str] = "expected `=` here"

    def fixes(self) -> tuple[Fix, ...]:
        return self.insert("insert `=`", " =")


@dataclass(frozen=True)
class MissingLet(Mistake):
    """A name is bound without `let`.

        base = checkpoint("zoo/base")             # M141

    Write `let base = checkpoint("zoo/base")`.
    """

    code: ClassVar[str] = "M141"
    title: ClassVar[str] = "a name is bound with `let`"
    label: ClassVar[str] = "expected `let` here"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("insert `let`", (Edit(self.span.before(), "let "),)),) if self.span else ()


@dataclass(frozen=True)
class MissingType(Mistake):
    """A parameter has no type.

        param who = "by the river"                # M142
        define glow(model) -> model { ... }       # M142

    Write the type after a colon: `param who: text = "by the river"`.
    """

    code: ClassVar[str] = "M142"
    title: ClassVar[str] = "a parameter needs a type"
    label: ClassVar[str] = "expected `: type` here"

    def help(self) -> tuple[str, ...]:
        return (
            "types: text int number fraction flag size duration memory, and checkpoint lora embedding model image",
        )


@dataclass(frozen=True)
class MissingResult(Mistake):
    """A `define` does not say what it returns.

        define glow(base: model) { ... }          # M143

    Write `define glow(base: model) -> model { ... }`.
    """

    code: ClassVar[str] = "M143"
    title: ClassVar[str] = "`define` needs `-> type` after its parameters"
    label: ClassVar[str] = "expected `->` here"


@dataclass(frozen=True)
class ReservedWord(Diagnostic):
    """A word of the language is used as a name.

        let plan = fuse(base, neon)               # M144

    Reserved are: as, budget, define, during, emit, false, in, let, param, plan, policy, return, true, use.
    They may be keys (`policy { use: commercial }`), but no value can be named so. Choose another name.
    """

    code: ClassVar[str] = "M144"
    title: ClassVar[str] = "`{word}` is a word of the language and cannot be a name"
    label: ClassVar[str] = "choose another name"

    word: str

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None:
            return ()
        return (Fix(f"write `{self.word}_`", (Edit(self.span, f"{self.word}_"),), safe=False),)


@dataclass(frozen=True)
class NoControlFlow(Mistake):
    """A condition or loop of another language. Plans have none.

        for s in 1..8 { ... }                     # M145

    Repetition is asked for from outside, by parameters: `mosaic run alley.mosaic --set seed=1..8`.
    """

    code: ClassVar[str] = "M145"
    title: ClassVar[str] = "there are no loops and no conditions ({found})"
    label: ClassVar[str] = "means nothing here"

    def help(self) -> tuple[str, ...]:
        return (
            "make what varies a `param` and sweep it from outside: mosaic run FILE --set seed=1..8 --set who=cat,fox",
        )


@dataclass(frozen=True)
class OutsidePlan(Mistake):
    """A statement stands outside of every plan and fragment.

        mosaic 1
        let base = checkpoint("zoo/base")         # M146

    `let`, `emit` and `return` stand between the braces of a `plan` or `define`.
    """

    code: ClassVar[str] = "M146"
    title: ClassVar[str] = "{found} stands outside of a plan"
    label: ClassVar[str] = "belongs between the braces of a `plan` or `define`"


@dataclass(frozen=True)
class InsideBlock(Mistake):
    """An item of the file stands inside a plan or fragment.

        plan alley {
          param seed: int = 7                     # M147
        }

    `use`, `param`, `define` and `plan` stand at the top of a file, outside of all braces.
    """

    code: ClassVar[str] = "M147"
    title: ClassVar[str] = "{found} belongs at the top of the file"
    label: ClassVar[str] = "inside of braces"


@dataclass(frozen=True)
class UnknownStatement(Mistake):
    """A word that begins no statement or item.

        plan alley {
          lat base = checkpoint("zoo/base")       # M148: did you mean `let`?
        }

    A file holds `use`, `param`, `define`, `plan`, `budget` and `policy`; a plan holds `let`, `emit`, `budget` and
    `policy`, a `define` also `return`.
    """

    code: ClassVar[str] = "M148"
    title: ClassVar[str] = "unexpected {found}"
    label: ClassVar[str] = "begins no statement"

    @property
    def near(self) -> str | None:
        """The keyword that was probably meant."""
        words = [word.strip("`") for word in self.expected]
        return next(
            iter(difflib.get_close_matches(self.found.strip("`").lower(), words, n=1, cutoff=0.6)), None
        )

    def help(self) -> tuple[str, ...]:
        if self.near:
            return (f"did you mean `{self.near}`?",)
        return (f"expected {', '.join(self.expected)}",)

    def fixes(self) -> tuple[Fix, ...]:
        return self.replace(f"write `{self.near}`", self.near, safe=False) if self.near else ()


@dataclass(frozen=True)
class BareExpression(Mistake):
    """A value stands alone where a statement is expected.

        fuse(base, neon)                          # M149

    Give the value a name with `let`, or write it to a file with `emit`.
    """

    code: ClassVar[str] = "M149"
    title: ClassVar[str] = "a value alone is no statement"
    label: ClassVar[str] = "nothing is done with this"

    def help(self) -> tuple[str, ...]:
        return ("`let name = …` keeps the value, `emit … as` writes it to a file",)


@dataclass(frozen=True)
class StrengthFirst(Diagnostic):
    """A strength stands before its expert.

        fuse(base, 0.8 * neon)                    # M150

    The expert comes first: `neon * 0.8`.
    """

    code: ClassVar[str] = "M150"
    title: ClassVar[str] = "the strength follows the expert"
    label: ClassVar[str] = "write `{expert} * {strength}`"

    expert: str
    strength: str

    def fixes(self) -> tuple[Fix, ...]:
        if self.span is None:
            return ()
        text = f"{self.expert} * {self.strength}"
        return (Fix(f"write `{text}`", (Edit(self.span, text),)),)


@dataclass(frozen=True)
class NoGrouping(Mistake):
    """Round brackets stand around a value.

        fuse(base, (neon * 0.8))                  # M151

    Brackets hold arguments only. `*`, `in` and `during` follow an expert in a row and need none.
    """

    code: ClassVar[str] = "M151"
    title: ClassVar[str] = "round brackets hold arguments only"
    label: ClassVar[str] = "no call here"

    def help(self) -> tuple[str, ...]:
        return ("`neon * 0.8 in left during 0%..50%` needs no brackets; a list is written [a, b]",)


@dataclass(frozen=True)
class QuotedName(Mistake):
    """A name stands in quotes.

        plan "alley" { ... }                      # M152

    Names are written without quotes; quotes make a text.
    """

    code: ClassVar[str] = "M152"
    title: ClassVar[str] = "a name has no quotes"
    label: ClassVar[str] = "this is a text"

    def fixes(self) -> tuple[Fix, ...]:
        name = self.found.strip('`"')
        return self.replace(f"write `{name}`", name) if name.isidentifier() and name.isascii() else ()


@dataclass(frozen=True)
class MissingBound(Mistake):
    """A window has only one end.

        fuse(base, neon during 50%)               # M153

    A window goes from one fraction of the denoising run to another: `neon during 0%..50%`.
    """

    code: ClassVar[str] = "M153"
    title: ClassVar[str] = "`..` is missing before {found}"
    label: ClassVar[str] = "expected `..` and the end of the window here"

    def help(self) -> tuple[str, ...]:
        return ("`neon during 0%..50%`",)
