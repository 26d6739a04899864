"""Every message to a user, one class each.

The modules are loaded at the first mention (`errors.inputs.NoSuchFile`): building a message's class takes
longer than checking a small plan, and a sound plan needs none.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mosaic.compiler.errors import adapters as adapters
    from mosaic.compiler.errors import bridges as bridges
    from mosaic.compiler.errors import catalog as catalog
    from mosaic.compiler.errors import catalog_face as catalog_face
    from mosaic.compiler.errors import compatibility as compatibility
    from mosaic.compiler.errors import composition as composition
    from mosaic.compiler.errors import drafts as drafts
    from mosaic.compiler.errors import face as face
    from mosaic.compiler.errors import finds as finds
    from mosaic.compiler.errors import inputs as inputs
    from mosaic.compiler.errors import integrity as integrity
    from mosaic.compiler.errors import interference as interference
    from mosaic.compiler.errors import lints as lints
    from mosaic.compiler.errors import models as models
    from mosaic.compiler.errors import names as names
    from mosaic.compiler.errors import plans as plans
    from mosaic.compiler.errors import policy as policy
    from mosaic.compiler.errors import profiles as profiles
    from mosaic.compiler.errors import reading as reading
    from mosaic.compiler.errors import runtime as runtime
    from mosaic.compiler.errors import selecting as selecting
    from mosaic.compiler.errors import selectors as selectors
    from mosaic.compiler.errors import serving as serving
    from mosaic.compiler.errors import settings as settings
    from mosaic.compiler.errors import starting as starting
    from mosaic.compiler.errors import syntax as syntax
    from mosaic.compiler.errors import tracing as tracing
    from mosaic.compiler.errors import types as types
    from mosaic.compiler.errors import usage as usage


def __getattr__(name: str) -> ModuleType:
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        return import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        raise AttributeError(f"no messages are called `{name}`") from error
