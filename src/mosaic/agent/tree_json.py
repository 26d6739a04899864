"""Plans as JSON, for models that can be held to a JSON schema and to no grammar.

The schema is strict in the sense of OpenAI's structured outputs: every property is required, none may be added. It
holds one plan with its parameters, budget and policy; experts are named by an enumeration of their ids. Left out are
`use`, `define`, comments, empty lines, and further plans. Numbers keep their units and texts their `{inserts}`, as the
language spells them.

The text is made by writing the JSON down and formatting what was written. A name that nothing binds or a unit that is
none gives a text with that mistake in it: nothing is refused here that a compiler says better.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from mosaic.compiler.diagnostic import Sink
from mosaic.compiler.source import SourceFile
from mosaic.compiler.syntax import tree
from mosaic.compiler.syntax.format import format_expression, format_file
from mosaic.compiler.syntax.literals import escape
from mosaic.compiler.syntax.parse import parse
from mosaic.compiler.types import Kind

Json = dict[str, Any]

_EXPERTS: Final = tuple(
    kind.value for kind in (Kind.CHECKPOINT, Kind.LORA, Kind.EMBEDDING, Kind.CONTROL, Kind.VAE)
)
_VERBS: Final = ("fuse", "sample", "resume", "refine", "decode", "rect")
"""What a composed plan may call besides experts: nothing that reads a file or searches the catalog."""
_TYPES: Final = ("text", "int", "number", "fraction", "flag", "size")
_WORDS: Final = (re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*"), re.compile(r"[A-Za-z0-9_.%+-]+"))
"""What may stand as a name, and as a number with its unit."""
_DEEPEST: Final = 40
"""Levels of expressions in each other; the language has a limit of its own."""


class NotATree(ValueError):
    """JSON that is no plan in the shape of the schema; the text says where and why."""


# The schema


def schema(names: Mapping[str, Sequence[str]], verbs: Sequence[str] = _VERBS) -> Json:
    """The JSON schema of a plan that names no experts but these, by kind."""
    experts = [
        _object(is_=_const("expert"), kind=_const(kind), id=_enum(ids)) for kind, ids in names.items() if ids
    ]
    any_expression = {"$ref": "#/$defs/expression"}
    expressions = [
        *experts,
        _object(is_=_const("name"), name=_STRING),
        _object(is_=_const("number"), number=_STRING),
        _object(is_=_const("flag"), flag={"type": "boolean"}),
        _object(is_=_const("text"), text=_STRING),
        _object(is_=_const("list"), items=_list(any_expression)),
        _object(is_=_const("range"), low=any_expression, high=any_expression),
        _object(is_=_const("call"), function=_enum(verbs), arguments=_list({"$ref": "#/$defs/argument"})),
        _object(is_=_const("strength"), expert=any_expression, by=any_expression),
        _object(is_=_const("region"), expert=any_expression, within=any_expression),
        _object(is_=_const("window"), expert=any_expression, start=any_expression, end=any_expression),
    ]
    entries = _list({"$ref": "#/$defs/entry"})
    root = _object(
        budget=entries,
        policy=entries,
        params=_list(_object(name=_STRING, type=_enum((*_TYPES, *names)), default=any_expression)),
        plan=_STRING,
        statements=_list({"$ref": "#/$defs/statement"}),
    )
    root["$defs"] = {
        "expression": {"anyOf": expressions},
        "argument": _object(key={"type": ["string", "null"]}, value=any_expression),
        "entry": _object(key=_STRING, value=any_expression),
        "statement": {
            "anyOf": [
                _object(is_=_const("let"), name=_STRING, value=any_expression),
                _object(is_=_const("emit"), value=any_expression, file=_STRING),
            ]
        },
    }
    return root


_STRING: Final[Json] = {"type": "string"}


def _object(**properties: Json) -> Json:
    named = {key.rstrip("_"): value for key, value in properties.items()}
    return {"type": "object", "properties": named, "required": list(named), "additionalProperties": False}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _enum(values: Iterable[str]) -> Json:
    return {"type": "string", "enum": list(values)}


def _const(value: str) -> Json:
    return _enum((value,))


# From JSON to text


def to_text(document: Any) -> str:
    """The plan that JSON in the shape of the schema says, in canonical form where it has no mistake of syntax.

    Raises NotATree where the shape is another.
    """
    text = _Writer().plan(document)
    sink = Sink()
    file = parse(SourceFile("<composed>", text), sink)
    return text if file is None or sink.has_errors else format_file(file)


class _Writer:
    """Writes JSON down as a plan. `at` is the way to a value, for messages."""

    def plan(self, document: Any) -> str:
        lines = ["mosaic 1", ""]
        for word in ("budget", "policy"):
            entries = [self._entry(each, at) for each, at in self._items(document, word, "")]
            if entries:
                lines += [f"{word} {{ {', '.join(entries)} }}", ""]
        for each, at in self._items(document, "params", ""):
            name, type_ = self._word(each, "name", at), self._word(each, "type", at)
            lines.append(f"param {name}: {type_} = {self._expression(self._get(each, 'default', at), at, 0)}")
        lines += ["", f"plan {self._word(document, 'plan', '')} {{"]
        lines += [f"  {self._statement(each, at)}" for each, at in self._items(document, "statements", "")]
        return "\n".join([*lines, "}", ""])

    def _statement(self, each: Any, at: str) -> str:
        value = self._expression(self._get(each, "value", at), f"{at}.value", 0)
        match self._word(each, "is", at):
            case "let":
                return f"let {self._word(each, 'name', at)} = {value}"
            case "emit":
                return f'emit {value} as "{_spelled(self._word(each, "file", at))}"'
            case other:
                raise NotATree(f"{at}: no statement is called {other!r}")

    def _expression(self, each: Any, at: str, depth: int) -> str:
        if depth > _DEEPEST:
            raise NotATree(f"{at}: expressions lie too deep in each other")

        def inner(key: str) -> str:
            return self._expression(self._get(each, key, at), f"{at}.{key}", depth + 1)

        match self._word(each, "is", at):
            case "expert":
                return f'{self._word(each, "kind", at)}("{escape(self._word(each, "id", at))}")'
            case "name" | "number" as key:
                return self._word(each, key, at)
            case "flag":
                return "true" if self._get(each, "flag", at) is True else "false"
            case "text":
                return f'"{_spelled(self._word(each, "text", at))}"'
            case "list":
                items = [self._expression(one, way, depth + 1) for one, way in self._items(each, "items", at)]
                return f"[{', '.join(items)}]"
            case "range":
                return f"{inner('low')}..{inner('high')}"
            case "call":
                arguments = [
                    self._argument(one, way, depth) for one, way in self._items(each, "arguments", at)
                ]
                return f"{self._word(each, 'function', at)}({', '.join(arguments)})"
            case "strength":
                return f"{inner('expert')} * {inner('by')}"
            case "region":
                return f"{inner('expert')} in {inner('within')}"
            case "window":
                return f"{inner('expert')} during {inner('start')}..{inner('end')}"
            case other:
                raise NotATree(f"{at}: no expression is called {other!r}")

    def _argument(self, each: Any, at: str, depth: int) -> str:
        key = self._get(each, "key", at)
        value = self._expression(self._get(each, "value", at), f"{at}.value", depth + 1)
        return value if key is None else f"{self._word(each, 'key', at)}: {value}"

    def _entry(self, each: Any, at: str) -> str:
        return f"{self._word(each, 'key', at)}: {self._expression(self._get(each, 'value', at), at, 0)}"

    def _items(self, each: Any, key: str, at: str) -> list[tuple[Any, str]]:
        found = self._get(each, key, at)
        if not isinstance(found, list):
            raise NotATree(f"{at}.{key}".lstrip(".") + ": has to be a list")
        return [(one, f"{at}.{key}[{place}]".lstrip(".")) for place, one in enumerate(found)]

    def _word(self, each: Any, key: str, at: str) -> str:
        found = self._get(each, key, at)
        if not isinstance(found, str):
            raise NotATree(f"{at}.{key}".lstrip(".") + ": has to be a text")
        if key in ("text", "file", "id", "is"):
            return found
        # Nothing but one word: a name could otherwise carry whole statements.
        is_number = key == "number"
        word = "".join(found.split()) if is_number else found
        if not _WORDS[is_number].fullmatch(word):
            what = "number" if is_number else "name"
            raise NotATree(f"{at}.{key}".lstrip(".") + f": {found[:40]!r} is no {what}")
        return word

    def _get(self, each: Any, key: str, at: str) -> Any:
        if not isinstance(each, dict):
            raise NotATree(f"{at or 'the answer'}: has to be an object")
        if key not in each:
            raise NotATree(f"{at or 'the answer'}: `{key}` is missing")
        return each[key]


def _spelled(text: str) -> str:
    """A text as it stands between quotes; what is inserted in braces stays."""
    plain = "".join(" " if char != "\n" and not char.isprintable() else char for char in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


# From trees to JSON


def to_json(file: tree.File) -> Json:
    """What the schema holds of a file with one plan. Raises NotATree where the file says more."""
    plans = [item for item in file.items if isinstance(item, tree.Plan)]
    if len(plans) != 1 or any(isinstance(item, tree.Use | tree.Define) for item in file.items):
        raise NotATree("a tree as JSON holds one plan, without `use` and `define`")
    top = (*file.items, *plans[0].body)
    return {
        "budget": [
            _entry_json(entry) for item in top if isinstance(item, tree.Budget) for entry in item.entries
        ],
        "policy": [
            _entry_json(entry) for item in top if isinstance(item, tree.Policy) for entry in item.entries
        ],
        "params": [_param_json(item) for item in file.items if isinstance(item, tree.Parameter)],
        "plan": plans[0].name.text,
        "statements": [
            _statement_json(each) for each in plans[0].body if isinstance(each, tree.Let | tree.Emit)
        ],
    }


def _entry_json(entry: tree.Entry) -> Json:
    return {"key": entry.key.text, "value": _expression_json(entry.value)}


def _param_json(item: tree.Parameter) -> Json:
    if item.default is None:
        raise NotATree(f"the parameter {item.name.text} has no value")
    return {"name": item.name.text, "type": item.type.text, "default": _expression_json(item.default)}


def _statement_json(each: tree.Let | tree.Emit) -> Json:
    if isinstance(each, tree.Let):
        return {"is": "let", "name": each.name.text, "value": _expression_json(each.value)}
    return {"is": "emit", "value": _expression_json(each.value), "file": _text_json(each.path)}


def _expression_json(each: tree.Expression) -> Json:
    match each:
        case tree.Reference():
            return {"is": "name", "name": each.text}
        case tree.Literal(kind, value, text):
            return {"is": "flag", "flag": value} if kind is Kind.FLAG else {"is": "number", "number": text}
        case tree.Text():
            return {"is": "text", "text": _text_json(each)}
        case tree.List(items):
            return {"is": "list", "items": [_expression_json(item) for item in items]}
        case tree.Range(low, high):
            return {"is": "range", "low": _expression_json(low), "high": _expression_json(high)}
        case tree.Call(function, arguments):
            return _call_json(function.text, arguments)
        case tree.Strength(expert, strength):
            return {"is": "strength", "expert": _expression_json(expert), "by": _expression_json(strength)}
        case tree.Region(expert, region):
            return {"is": "region", "expert": _expression_json(expert), "within": _expression_json(region)}
        case tree.Window(expert, start, end):
            found = {"expert": expert, "start": start, "end": end}
            return {"is": "window", **{key: _expression_json(value) for key, value in found.items()}}
        case tree.Hole():
            raise NotATree("a file with mistakes of syntax is no tree")


def _call_json(function: str, arguments: Sequence[tree.Argument]) -> Json:
    only = arguments[0].value if len(arguments) == 1 and arguments[0].name is None else None
    if function in _EXPERTS and isinstance(only, tree.Text) and only.plain is not None:
        return {"is": "expert", "kind": function, "id": only.plain}
    given = [
        {"key": each.name.text if each.name else None, "value": _expression_json(each.value)}
        for each in arguments
    ]
    return {"is": "call", "function": function, "arguments": given}


def _text_json(text: tree.Text) -> str:
    """The text with its inserts in braces, and plain braces doubled; quotes and backslashes as they are."""
    parts = (
        part.replace("{", "{{").replace("}", "}}")
        if isinstance(part, str)
        else format_expression(part.reference)
        for part in text.parts
    )
    return "".join(
        each if isinstance(part, str) else f"{{{each}}}" for each, part in zip(parts, text.parts, strict=True)
    )
