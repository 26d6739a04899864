"""One question to an endpoint by the library `openai`, and nothing else of it: the key in one header, no redirect, no
retry, no exception that holds a request."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from importlib import import_module
from typing import Any, Final

from mosaic.agent.backends.calls import Options
from mosaic.agent.backends.retrying import AGAIN, Failed, seconds_to_wait
from mosaic.agent.endpoints import endpoint_of
from mosaic.agent.quoting import cleaned

_LARGEST: Final = 4 * 2**20
"""Bytes of an answer."""
_CONNECT: Final = 10.0  # seconds
_RAW: Final = "x-stainless-raw-response"
"""By which the library knows in which form it was asked for an answer."""
_SENT: Final = frozenset(
    (
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        _RAW,
    )
)
"""Headers that a request keeps. Others that the library adds tell of this machine, or come from the environment."""


def shown(text: str, options: Options) -> str:
    """What the other side says, without the key, on one line, bounded."""
    return cleaned(options.key.scrubbed(text), 200)


class Client:
    """The library, asked for one thing: to post a body and to give the JSON that comes back.

    It asks once, follows no redirect, and sends the key in one header; what it raises holds requests with that header
    and is let go of here.
    """

    def __init__(self, options: Options) -> None:
        self._options = options

    def post(self, kind: str, body: Mapping[str, Any]) -> Any:
        """The JSON of an answer; None where it is none. Raises Failed."""
        import openai

        resource = self._library.chat.completions if kind == "chat" else self._library.responses
        transport: type[Exception] = import_module(_transport(type(self._http))).HTTPError
        failure: Failed
        try:
            with resource.with_streaming_response.create(**body) as response:
                return self._document(response.iter_bytes())
        except openai.APIStatusError as error:
            failure = self._status(error.status_code, error.message, error.body, error.response.headers)
        except (openai.APIConnectionError, TimeoutError, transport) as error:
            failure = self._broken(error)
        except openai.OpenAIError as error:
            failure = Failed(f"cannot be asked: {shown(str(error), self._options)}")
        raise failure

    def _document(self, chunks: Iterable[bytes]) -> Any:
        """The JSON in an answer's bytes, within its time and size."""
        begun, data = time.monotonic(), bytearray()
        for chunk in chunks:
            data += chunk
            if time.monotonic() - begun > self._options.timeout:
                raise TimeoutError
            if len(data) > _LARGEST:
                return None
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            return None

    def _broken(self, error: Exception) -> Failed:
        """No answer, or half of one."""
        cause = error.__cause__ or error
        if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__ + type(cause).__name__:
            return Failed(f"did not answer within {self._options.timeout:g} seconds", again=True)
        return Failed(
            f"cannot be reached: {shown(str(cause) or type(cause).__name__, self._options)}", again=True
        )

    def _status(self, status: int, message: str, body: Any, headers: Mapping[str, str]) -> Failed:
        if 300 <= status < 400:
            to = endpoint_of(headers.get("location", "")) or "another address"
            return Failed(f"answered {status}: it sends on to {shown(to, self._options)}", status)
        inner = body.get("message") if isinstance(body, Mapping) else None
        why = shown(inner if isinstance(inner, str) else message, self._options)
        spent = isinstance(body, Mapping) and body.get("code") == "insufficient_quota"
        again = status in AGAIN and not spent  # money does not come back by waiting
        return Failed(f"answered {status}: {why}", status, again=again, after=seconds_to_wait(headers))

    @cached_property
    def _http(self) -> Any:
        import openai

        client = openai.DefaultHttpxClient(
            follow_redirects=False, timeout=self._timeout, event_hooks={"request": [self._dress]}
        )
        # What connections log of their work holds the headers of answers, and a server may put the key there.
        for name in ("httpcore", "httpcore2"):
            logging.getLogger(name).setLevel(logging.INFO)
        return client

    @cached_property
    def _library(self) -> Any:
        import openai

        return openai.OpenAI(
            api_key="-",  # `_dress` sets the header; without one here, the library would look for others
            base_url=self._options.base_url,
            max_retries=0,
            timeout=self._timeout,
            http_client=self._http,
        )

    @property
    def _timeout(self) -> Any:
        import openai

        seconds = self._options.timeout
        return openai.Timeout(seconds, connect=min(_CONNECT, seconds))

    def _dress(self, request: Any) -> None:
        """Leave a request the headers that it needs, and give it the key."""
        for name in list(request.headers):
            if name.lower() not in _SENT:
                del request.headers[name]
        request.headers["User-Agent"] = "mosaic"
        if self._options.key:
            request.headers["Authorization"] = f"Bearer {self._options.key.reveal()}"


def _transport(client: type) -> str:
    """The name of the package that the library speaks HTTP with; it has had two."""
    module = next(base.__module__ for base in client.__mro__ if base.__module__.startswith("httpx"))
    return module.partition(".")[0]
