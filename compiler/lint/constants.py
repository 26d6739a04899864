"""Numbers that stand in the text, told from those that can be given from outside."""

from __future__ import annotations

from mosaic.compiler.lint.names import Body, bound
from mosaic.compiler.syntax import tree


def number(expression: tree.Expression, body: Body) -> float | None:
    """The number that an expression is whatever is given from outside; None where it hangs on a parameter."""
    found = resolved(expression, body)
    if not isinstance(found, tree.Literal) or isinstance(found.value, bool | str | tuple):
        return None
    return float(found.value)


def resolved(expression: tree.Expression, body: Body) -> tree.Expression:
    """What a name was bound to in a body, through as many names as there are."""
    names, found = bound(body), expression
    for _ in range(len(names) + 1):
        if not isinstance(found, tree.Reference) or found.text not in names:
            return found
        found = names[found.text].value
    return found


def is_canvas(expression: tree.Expression, body: Body) -> bool:
    """Whether a region is the whole canvas, with hard edges."""
    rect = resolved(expression, body)
    if not isinstance(rect, tree.Call) or rect.function.text != "rect":
        return False
    places = iter(_CANVAS)
    given = {
        argument.name.text if argument.name else next(places, ""): number(argument.value, body)
        for argument in rect.arguments
    }
    return {"feather": 0.0, **given} == {"feather": 0.0, **_CANVAS}


_CANVAS = {"x": 0.0, "y": 0.0, "width": 1.0, "height": 1.0}
