"""Who writes plans: by the command line, the environment and a project's settings, in this order.

A project's settings are data from a repository. An address that stands only there is sent nothing until the user allows
its host (on this machine: no key), and a variable that is named only there is no way to send one service's key to
another.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from mosaic.agent.backend import Backend
from mosaic.agent.endpoints import DEFAULT, Key, allows, endpoint_of, is_address, is_local
from mosaic.compiler.diagnostic import MosaicError
from mosaic.compiler.errors.models import ModelNotConfigured
from mosaic.settings import Settings

if TYPE_CHECKING:
    from mosaic.agent.spending import Spend
    from mosaic.agent.values import Decomposition, Request
    from mosaic.agent.world import World

MODEL: Final = "MOSAIC_COMPOSE_MODEL"
BASE_URL: Final = "OPENAI_BASE_URL"
KEY: Final = "OPENAI_API_KEY"
HOSTS: Final = "MOSAIC_COMPOSE_HOSTS"
BACKENDS: Final = ("offline", "openai", "local")

_NEEDED: Final = ("openai", "tenacity", "jinja2")


def backend_of(
    settings: Settings,
    *,
    backend: str | None = None,
    model: str | None = None,
    base_url: str | None = None,
    world: World | None = None,
    spend: Spend | None = None,
) -> Backend:
    """The backend that is asked for; "offline" where nothing is. `world` is what the offline one looks words up in, the
    current folder's unless given. Raises MosaicError (M862)."""
    chosen = backend or settings.compose.backend or "offline"
    match chosen:
        case "offline":
            return _offline(world)
        case "openai":
            return _openai(settings, model, base_url, world, spend)
        case "local":
            return _local(settings, model, world, spend)
        case _:
            raise _missing(f"there is no backend `{chosen}`", f"there are {', '.join(BACKENDS)}")


def _offline(world: World | None) -> Backend:
    from mosaic.agent.offline.backend import OfflineBackend
    from mosaic.agent.world import World as Composing
    from mosaic.project import Project

    return OfflineBackend(world or Composing(Project()))


def _local(settings: Settings, model: str | None, world: World | None, spend: Spend | None) -> Backend:
    folder = _model(settings, model)
    if not folder:
        raise _missing("no folder of a model is named", "name one: `--model FOLDER`")
    from mosaic.agent.backends.local import LONGEST, LocalBackend

    # A folder in a project's settings lies beside them.
    is_theirs = not model and not os.environ.get(MODEL)
    place = settings.folder / folder if is_theirs else folder
    most = settings.compose.max_output_tokens or LONGEST
    return LocalBackend(place, most=most, reader=_reader(settings, world), spend=spend)


def _openai(
    settings: Settings, model: str | None, base_url: str | None, world: World | None, spend: Spend | None
) -> Backend:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        advice = 'install it: pip install "mosaic-plan[llm]"'
        raise _missing(f"the package `{missing[0]}` is not installed", advice)
    from mosaic.agent.backends.calls import Constraint, Options
    from mosaic.agent.backends.openai import OpenAIBackend

    said = settings.compose
    name = _model(settings, model)
    if not name:
        raise _missing(
            "no model is named", f"name one: `--model NAME`, {MODEL}, or `model` in the table [compose]"
        )
    url, key = _address(settings, base_url)
    given = {
        "timeout": said.timeout,
        "max_output_tokens": said.max_output_tokens,
        "requests_per_minute": said.requests_per_minute,
    }
    options = Options(
        name,
        url,
        key,
        said.key_env or KEY,
        Constraint(said.constraint or Constraint.GRAMMAR),
        **{field: value for field, value in given.items() if value is not None},  # type: ignore[arg-type]
    )
    return OpenAIBackend(options, reader=_reader(settings, world), spend=spend)


def _reader(settings: Settings, world: World | None) -> Callable[[Request], Decomposition] | None:
    """What takes requests apart where the settings leave the model only the writing."""
    if settings.compose.decompose != "offline":
        return None
    offline = _offline(world)
    return lambda request: offline.decompose(request)[0]


def _model(settings: Settings, asked: str | None) -> str:
    return asked or os.environ.get(MODEL) or settings.compose.model or ""


def _address(settings: Settings, asked: str | None) -> tuple[str, Key]:
    """Where the model is asked, and the key that goes there. Raises MosaicError (M862)."""
    own = asked or os.environ.get(BASE_URL) or ""
    url = own or settings.compose.base_url or DEFAULT
    if not is_address(url):
        advice = "an address has neither a name nor a password nor a query; keys come from the environment"
        raise _missing(
            f"`{endpoint_of(url) or 'base_url'}` is not given as an address such as {DEFAULT}", advice
        )
    variable = settings.compose.key_env or KEY
    key = Key(os.environ.get(variable, "").strip())
    if not key.usable:
        raise _missing(
            f"what stands in {variable} is no key", "a key is one word of letters, digits and signs"
        )
    is_ours = bool(asked) or allows(_trusted(variable), url) or (not key and is_local(url))
    if not key and endpoint_of(url) == endpoint_of(DEFAULT):
        raise _missing("there is no key", f"set the variable {variable}")
    if not is_ours:
        shown = endpoint_of(url)
        what = "a key" if key else "anything"
        raise _missing(
            f"{settings.name} names {shown}, and nobody allowed {what} to go there",
            f"to allow it, set {HOSTS}={shown.removeprefix('https://')}",
            *(
                [f"{what} is what {variable} holds; without it, an address on this machine is asked"]
                if key
                else []
            ),
        )
    return url, key


def _trusted(variable: str) -> list[str]:
    """Where a key may go without being asked: where the user's own settings say, and to whom it belongs."""
    trusted = os.environ.get(HOSTS, "").split(",")
    own = endpoint_of(os.environ.get(BASE_URL, ""))
    return [*trusted, own, *([endpoint_of(DEFAULT)] if variable == KEY else [])]


def _missing(reason: str, *advice: str) -> MosaicError:
    return MosaicError(ModelNotConfigured(None, reason, advice))
