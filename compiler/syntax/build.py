"""The parser's concrete tree -> the syntax tree, with what the grammar leaves to be told apart."""

from __future__ import annotations

from collections.abc import Iterable

from lark import Token
from lark import Tree as LarkTree

from mosaic.compiler import errors
from mosaic.compiler.diagnostic import Sink
from mosaic.compiler.source import SourceFile, Span
from mosaic.compiler.syntax import literals, tree
from mosaic.compiler.syntax.limits import EDITION, MAX_DEPTH
from mosaic.compiler.types import Kind

Node = LarkTree[Token] | Token

RESERVED = frozenset(
    "as budget define during emit false in let param plan policy return true use".split()  # noqa: SIM905
)
"""Words that no value can be named."""

FLAGS = {"true": True, "false": False}


class Builder:
    """Builds nodes of one source file; reports to the sink what the grammar lets pass."""

    def __init__(self, source: SourceFile, sink: Sink) -> None:
        self.source = source
        self.sink = sink

    def file(
        self, root: LarkTree[Token], hoisted: Iterable[LarkTree[Token]], comments: tuple[tree.Comment, ...]
    ) -> tree.File:
        """The whole file. `hoisted` are items that stood inside of a block."""
        header, *nodes = root.children
        assert isinstance(header, LarkTree)
        built = [self._item(node) for node in (*nodes, *hoisted) if isinstance(node, LarkTree)]
        items = [item for item in built if item is not None]
        items.sort(key=lambda item: item.span.start)
        return tree.File(self.source, self._edition(header), tuple(items), comments, self._span(header))

    def _edition(self, header: LarkTree[Token]) -> int | None:
        token = header.children[0]
        assert isinstance(token, Token)
        if not token:
            return None
        if str(token) == str(EDITION):
            return EDITION
        self.sink.add(errors.syntax.UnknownEdition(self._span(token), str(token)))
        return None

    # Items

    def _item(self, node: LarkTree[Token]) -> tree.Item | None:
        parts = node.children
        span = self._span(node)
        match node.data:
            case "use":
                module = self._text(parts[0]) if isinstance(parts[0], Token) else self._reference(parts[0])
                alias = self._name(parts[1]) if parts[1] else None
                is_whole = isinstance(module, tree.Text) or "" not in module.parts
                return tree.Use(module, alias, span) if is_whole else None
            case "param":
                return self._parameter(parts[0], span)
            case "define":
                name, parameters, result, block = parts
                assert isinstance(parameters, LarkTree)
                return tree.Define(
                    self._name(name),
                    tuple(self._parameter(p, self._span(p)) for p in parameters.children),
                    self._key(result),
                    self._block(block),
                    span,
                )
            case "plan":
                return tree.Plan(self._name(parts[0]), self._block(parts[1]), span)
            case _:
                return self._settings(node)

    def _parameter(self, node: Node, span: Span) -> tree.Parameter:
        assert isinstance(node, LarkTree)
        name, kind, default = node.children
        return tree.Parameter(
            self._name(name), self._key(kind), None if default is None else self._expression(default), span
        )

    def _settings(self, node: LarkTree[Token]) -> tree.Budget | tree.Policy:
        entries = node.children[0]
        assert isinstance(entries, LarkTree)
        built = tuple(
            tree.Entry(self._key(e.children[0]), self._expression(e.children[1]), self._span(e))
            for e in entries.children
            if isinstance(e, LarkTree)
        )
        return (tree.Budget if node.data == "budget" else tree.Policy)(built, self._span(node))

    # Statements

    def _block(self, node: Node) -> tuple[tree.Statement, ...]:
        assert isinstance(node, LarkTree)
        built = (self._statement(child) for child in node.children if isinstance(child, LarkTree))
        return tuple(statement for statement in built if statement is not None)

    def _statement(self, node: LarkTree[Token]) -> tree.Statement | None:
        parts = node.children
        span = self._span(node)
        match node.data:
            case "let":
                # A `let` whose name is missing binds nothing; its value is still looked through.
                value = self._expression(parts[1])
                return tree.Let(self._name(parts[0]), value, span) if parts[0] else None
            case "emit":
                return tree.Emit(self._expression(parts[0]), self._text(parts[1]), span)
            case "return":
                return tree.Return(self._expression(parts[0]), span)
            case _:
                return self._settings(node)

    # Expressions

    def _expression(self, node: Node, depth: int = 0) -> tree.Expression:
        if isinstance(node, Token):
            return self._literal(node)
        match node.data:
            case "reference" if len(node.children) == 1 and node.children[0] in FLAGS:
                word = str(node.children[0])
                return tree.Literal(Kind.FLAG, FLAGS[word], word, self._span(node))
            case "reference":
                return self._value(node)
            case "call":
                function, arguments = node.children
                assert isinstance(arguments, LarkTree)
                called = self._value(function)
                built = tuple(self._argument(a, depth + 1) for a in arguments.children)
                if isinstance(called, tree.Reference):
                    return tree.Call(called, built, self._span(node))
                return called
            case "list":
                items = tuple(self._expression(item, depth + 1) for item in node.children)
                return tree.List(items, self._span(node))
            case "range":
                return self._range(node, depth)
            case _:
                return self._modified(node, depth)

    def _argument(self, node: Node, depth: int) -> tree.Argument:
        if isinstance(node, LarkTree) and node.data == "named":
            name, value = node.children
            return tree.Argument(self._key(name), self._expression(value, depth), self._span(node))
        return tree.Argument(None, self._expression(node, depth), self._span(node))

    def _modified(self, node: LarkTree[Token], depth: int) -> tree.Expression:
        """A chain `neon * w in left during 0%..50%`; it nests to the left."""
        first, *modifiers = node.children
        depth += len(modifiers)
        if depth > MAX_DEPTH:
            self.sink.add(errors.syntax.TooDeep(self._span(modifiers[-1])))
            return tree.Hole(self._span(node))
        value = self._expression(first, depth)
        for modifier in modifiers:
            assert isinstance(modifier, LarkTree)
            value = self._modifier(value, modifier, depth)
        return value

    def _modifier(self, value: tree.Expression, node: LarkTree[Token], depth: int) -> tree.Expression:
        span = value.span.to(self._span(node))
        if node.data == "window":
            low, high = self._bounds(node.children[0], depth)
            return tree.Window(value, low, high, span)
        operand = self._expression(node.children[0], depth)
        if node.data == "region":
            return tree.Region(value, operand, span)
        if isinstance(value, tree.Literal) and isinstance(operand, tree.Reference | tree.Call):
            self.sink.add(errors.syntax.StrengthFirst(span, operand.span.text, value.span.text))
            return tree.Strength(operand, value, span)
        return tree.Strength(value, operand, span)

    def _range(self, node: LarkTree[Token], depth: int) -> tree.Range:
        low, high = self._bounds(node.children[0], depth)
        return tree.Range(low, high, self._span(node))

    def _bounds(self, node: Node, depth: int) -> tuple[tree.Expression, tree.Expression]:
        assert isinstance(node, LarkTree)
        low, high = node.children
        if isinstance(low, Token) and low.type == "LOW":
            start = low.start_pos or 0
            low = Token("NUMBER", low[:-2], start_pos=start, end_pos=start + len(low) - 2)
        return self._expression(low, depth), self._expression(high, depth)

    # Leaves

    def _value(self, node: Node) -> tree.Reference | tree.Hole:
        reference = self._reference(node)
        return tree.Hole(reference.span) if "" in reference.parts else reference

    def _reference(self, node: Node) -> tree.Reference:
        assert isinstance(node, LarkTree)
        tokens = [token for token in node.children if isinstance(token, Token)]
        for token in tokens:
            self._check_reserved(token)
        return tree.Reference(tuple(str(token) for token in tokens), self._span(node))

    def _name(self, node: Node) -> tree.Name:
        """A name that is bound here."""
        assert isinstance(node, Token)
        self._check_reserved(node)
        return self._key(node)

    def _key(self, node: Node) -> tree.Name:
        """The key of an argument, setting or entry: any word. A type is one too; the parser takes no reserved ones."""
        assert isinstance(node, Token)
        return tree.Name(str(node), self._span(node))

    def _check_reserved(self, token: Token) -> None:
        if token in RESERVED:
            self.sink.add(errors.syntax.ReservedWord(self._span(token), str(token)))

    def _literal(self, token: Token) -> tree.Expression:
        if token.type == "TEXT":
            return self._text(token)
        span = self._span(token)
        read = literals.read_number(str(token))
        if isinstance(read, literals.Number):
            return tree.Literal(read.kind, read.value, read.text, span)
        if isinstance(read, literals.UnknownUnit):
            self.sink.add(errors.syntax.UnknownUnit(span, read.number, read.unit, read.near))
        else:
            self.sink.add(errors.syntax.BadNumber(span))
        return tree.Hole(span)

    def _text(self, node: Node) -> tree.Text:
        assert isinstance(node, Token)
        start = node.start_pos or 0
        parts: list[str | tree.Insert] = []
        for piece in literals.read_text(str(node)):
            span = self.source.span(start + piece.start, start + piece.end)
            if piece.kind == "insert" and literals.IDENTIFIER.match(piece.meaning):
                names = self.source.span(span.start + 1, span.end - 1)
                parts.append(tree.Insert(tree.Reference(tuple(piece.meaning.split(".")), names), span))
                continue
            if piece.kind == "escape":
                self.sink.add(errors.syntax.BadEscape(span, piece.meaning))
            elif piece.kind != "chars":
                self.sink.add(errors.syntax.BadInsert(span, span.text))
            if parts and isinstance(parts[-1], str):
                parts[-1] += piece.meaning
            else:
                parts.append(piece.meaning)
        return tree.Text(tuple(parts), self._span(node))

    def _span(self, node: Node) -> Span:
        if isinstance(node, Token):
            return self.source.span(node.start_pos or 0, node.end_pos or 0)
        return self.source.span(node.meta.start_pos, node.meta.end_pos)
