"""Who names what: the uses of names in a part of the tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mosaic.compiler.syntax import tree

Part = tree.Item | tree.Statement | tree.Expression
Body = Sequence[tree.Statement]


def references(part: Part) -> Iterator[tree.Reference]:
    """Every name that a part of a file uses, for a value, a fragment or an imported file, in the order of the text.

    Bare words that are no names are left out: operators behind `via:`, the kind that `find` looks for.
    """
    match part:
        case tree.Parameter(default=default):
            if default is not None:
                yield from references(default)
        case tree.Define(parameters=parameters, body=body):
            for parameter in parameters:
                yield from references(parameter)
            yield from named_in(body)
        case tree.Plan(body=body):
            yield from named_in(body)
        case tree.Budget(entries=entries) | tree.Policy(entries=entries):
            for entry in entries:
                yield from references(entry.value)
        case tree.Emit(value=value, path=path):
            yield from references(value)
            yield from references(path)
        case tree.Let(value=value) | tree.Return(value=value):
            yield from references(value)
        case tree.Reference():
            yield part
        case tree.Text(parts=parts):
            yield from (piece.reference for piece in parts if isinstance(piece, tree.Insert))
        case tree.Call(function=function):
            yield function
            for inner in values(part):
                yield from references(inner)
        case tree.Use():
            return
        case _:
            for inner in inside(part):
                yield from references(inner)


def named_in(body: Body) -> Iterator[tree.Reference]:
    """Every name that the statements of a body use."""
    for statement in body:
        yield from references(statement)


def values(call: tree.Call) -> Iterator[tree.Expression]:
    """The arguments of a call that are values; of operators behind `via:` their settings."""
    for position, argument in enumerate(call.arguments):
        if call.function.text == "find" and argument.name is None and not position:
            continue
        if call.function.text == "fuse" and argument.name is not None and argument.name.text == "via":
            for operator in operators(argument.value):
                if isinstance(operator, tree.Call):
                    yield from (setting.value for setting in operator.arguments)
            continue
        yield argument.value


def operators(via: tree.Expression) -> tuple[tree.Expression, ...]:
    """What stands behind `via:`, one expression an operator."""
    return via.items if isinstance(via, tree.List) else (via,)


def inside(expression: tree.Expression) -> tuple[tree.Expression, ...]:
    """The expressions directly inside of one."""
    match expression:
        case tree.List(items):
            return items
        case tree.Range(low, high):
            return low, high
        case tree.Call(arguments=arguments):
            return tuple(argument.value for argument in arguments)
        case tree.Strength(expert, strength):
            return expert, strength
        case tree.Region(expert, region):
            return expert, region
        case tree.Window(expert, start, end):
            return expert, start, end
        case _:
            return ()


def expressions(file: tree.File) -> Iterator[tuple[tree.Expression, Body]]:
    """Every expression of a file, outer ones first, with the body that it stands in (none at the top of the file)."""
    for item in file.items:
        match item:
            case tree.Parameter(default=default) if default is not None:
                yield from _below(default, ())
            case tree.Plan(body=body) | tree.Define(body=body):
                for statement in body:
                    for top in _values_of(statement):
                        yield from _below(top, body)
            case _:
                pass


def calls(file: tree.File, *names: str) -> Iterator[tuple[tree.Call, Body]]:
    """Every call of the verbs with these names, but for those that a fragment of the file has taken."""
    taken = {item.name.text for item in file.items if isinstance(item, tree.Define)}
    wanted = frozenset(names) - taken
    for expression, body in expressions(file):
        if isinstance(expression, tree.Call) and expression.function.text in wanted:
            yield expression, body


def bound(body: Body) -> Mapping[str, tree.Let]:
    """The `let`s of a body by name."""
    return {item.name.text: item for item in body if isinstance(item, tree.Let)}


def _values_of(statement: tree.Statement) -> tuple[tree.Expression, ...]:
    return (statement.value,) if isinstance(statement, tree.Let | tree.Emit | tree.Return) else ()


def _below(expression: tree.Expression, body: Body) -> Iterator[tuple[tree.Expression, Body]]:
    yield expression, body
    for inner in inside(expression):
        yield from _below(inner, body)
