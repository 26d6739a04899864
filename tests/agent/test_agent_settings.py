"""Who is asked, by the command line, the environment and a file; where a key may go."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.briefs import KEY, refusal

from mosaic.agent.backends.calls import Constraint
from mosaic.agent.backends.openai import OpenAIBackend
from mosaic.agent.endpoints import allows, endpoint_of, is_address
from mosaic.agent.settings import backend_of
from mosaic.compose_settings import Compose
from mosaic.settings import Settings

# Who is asked


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MOSAIC_COMPOSE_MODEL", "MOSAIC_COMPOSE_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def of(**compose: Any) -> Settings:
    return Settings("mosaic.toml", compose=Compose(backend="openai", **compose))


def asks(settings: Settings, **more: Any) -> OpenAIBackend:
    found = backend_of(settings, **more)
    assert isinstance(found, OpenAIBackend)
    return found


def test_the_command_line_counts_before_the_environment_before_a_file(bare: pytest.MonkeyPatch) -> None:
    file = of(model="theirs", base_url="http://127.0.0.1:1/v1")
    assert (asks(file).model, asks(file).endpoint) == ("theirs", "http://127.0.0.1:1")
    bare.setenv("MOSAIC_COMPOSE_MODEL", "mine")
    bare.setenv("OPENAI_BASE_URL", "http://127.0.0.1:2/v1")
    assert (asks(file).model, asks(file).endpoint) == ("mine", "http://127.0.0.1:2")
    given = asks(file, model="now", base_url="http://127.0.0.1:3/v1")
    assert (given.model, given.endpoint) == ("now", "http://127.0.0.1:3")


def test_what_a_file_says_of_calls_is_kept(bare: pytest.MonkeyPatch) -> None:
    options = asks(
        of(
            model="m",
            base_url="http://127.0.0.1:1",
            constraint="none",
            timeout=3,
            max_output_tokens=99,
            requests_per_minute=2,
        )
    )._options
    assert (options.constraint, options.timeout, options.max_output_tokens) == (Constraint.NONE, 3, 99)
    assert options.requests_per_minute == 2


@pytest.mark.parametrize(
    ("settings", "more", "reason"),
    [
        (of(), {}, "no model is named"),
        (of(model="m"), {}, "there is no key"),
        (of(model="m"), {"backend": "oracle"}, "there is no backend `oracle`"),
        (of(), {"backend": "local"}, "no folder of a model is named"),
        (of(model="m"), {"base_url": "ftp://x"}, "`base_url` is not given as an address"),
        (
            of(model="m"),
            {"base_url": f"https://me:{KEY}@example.org/v1?x={KEY}"},
            "`https://example.org` is not",
        ),
    ],
)
def test_what_is_missing_is_told(
    bare: pytest.MonkeyPatch, settings: Settings, more: dict[str, str], reason: str
) -> None:
    found = refusal(lambda: backend_of(settings, **more))
    assert found.code == "M862"
    assert reason in found.message()
    assert KEY not in found.message() + "".join(found.help())


@pytest.mark.parametrize("package", ["openai", "tenacity", "jinja2"])
def test_a_package_that_is_missing_is_told(bare: pytest.MonkeyPatch, package: str) -> None:
    bare.setitem(__import__("sys").modules, package, None)
    found = refusal(lambda: backend_of(of(model="m", base_url="http://127.0.0.1:1")))
    assert found.message() == f"no model can be asked: the package `{package}` is not installed"
    assert 'pip install "mosaic-plan[llm]"' in found.help()[0]


def test_a_key_that_cannot_be_one_is_told_without_it(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("OPENAI_API_KEY", f"{KEY}\nX-Evil: 1")
    found = refusal(lambda: backend_of(of(model="m")))
    assert found.code == "M862" and KEY not in found.message() + "".join(found.help())


@pytest.mark.parametrize(
    ("url", "environment", "allowed"),
    [
        ("https://api.openai.com/v1", {}, True),
        ("http://api.openai.com/v1", {}, False),
        ("https://api.openai.com:444/v1", {}, False),
        ("https://evil.example.org/v1", {}, False),
        ("https://api.openai.com.evil.example.org/v1", {}, False),
        ("http://127.0.0.1:8000/v1", {}, False),
        (
            "https://models.example.org/v1",
            {"MOSAIC_COMPOSE_HOSTS": "a.example.org, models.example.org"},
            True,
        ),
        ("https://x.models.example.org/v1", {"MOSAIC_COMPOSE_HOSTS": "models.example.org"}, False),
        ("http://models.example.org/v1", {"MOSAIC_COMPOSE_HOSTS": "models.example.org"}, False),
        ("http://models.example.org/v1", {"MOSAIC_COMPOSE_HOSTS": "http://models.example.org"}, True),
        ("https://models.example.org:8443/v1", {"MOSAIC_COMPOSE_HOSTS": "models.example.org"}, False),
        ("https://models.example.org:8443/v1", {"MOSAIC_COMPOSE_HOSTS": "models.example.org:8443"}, True),
        ("http://127.0.0.1:8000/v1", {"MOSAIC_COMPOSE_HOSTS": "127.0.0.1"}, True),
        ("https://models.example.org/v1", {"MOSAIC_COMPOSE_HOSTS": ""}, False),
    ],
)
def test_an_address_in_a_file_gets_no_key_unless_allowed(
    bare: pytest.MonkeyPatch, url: str, environment: dict[str, str], allowed: bool
) -> None:
    bare.setenv("OPENAI_API_KEY", KEY)
    for name, value in environment.items():
        bare.setenv(name, value)
    if allowed:
        assert asks(of(model="m", base_url=url))._options.key.reveal() == KEY
        return
    found = refusal(lambda: backend_of(of(model="m", base_url=url)))
    assert found.code == "M862" and "MOSAIC_COMPOSE_HOSTS=" in found.help()[0]
    # What the message says allows it.
    bare.setenv("MOSAIC_COMPOSE_HOSTS", found.help()[0].partition("MOSAIC_COMPOSE_HOSTS=")[2])
    assert asks(of(model="m", base_url=url)).endpoint == endpoint_of(url)


def test_an_address_in_a_file_is_asked_nothing_unless_allowed(bare: pytest.MonkeyPatch) -> None:
    file = of(model="m", base_url="https://evil.example.org/v1", key_env="NONE_API_KEY")
    assert "nobody allowed anything to go there" in refusal(lambda: backend_of(file)).message()
    bare.setenv("MOSAIC_COMPOSE_HOSTS", "evil.example.org")
    assert not asks(file)._options.key
    bare.delenv("MOSAIC_COMPOSE_HOSTS")
    assert asks(of(model="m", base_url="http://127.0.0.1:8000/v1")).endpoint == "http://127.0.0.1:8000"
    assert asks(file, base_url="https://mine.example.org/v1").endpoint == "https://mine.example.org"


def test_the_user_says_where_a_key_goes(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("OPENAI_API_KEY", KEY)
    assert asks(of(model="m"), base_url="https://mine.example.org/v1")._options.key
    bare.setenv("OPENAI_BASE_URL", "https://mine.example.org/v1")
    assert asks(of(model="m", base_url="https://evil.example.org/v1")).endpoint == "https://mine.example.org"


def test_a_file_cannot_send_one_services_key_to_another(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("OTHER_API_KEY", KEY)
    assert (
        "https://api.openai.com"
        in refusal(lambda: backend_of(of(model="m", key_env="OTHER_API_KEY"))).message()
    )
    bare.setenv("OPENAI_BASE_URL", "https://other.example.org/v1")
    assert asks(of(model="m", key_env="OTHER_API_KEY"))._options.key


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@models.example.org/v1?key=secret#x", "https://models.example.org"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000"),
        ("https://[::1]:8443/v1", "https://[::1]:8443"),
        ("http://x:80/", "http://x"),
        ("file:///etc/passwd", ""),
        ("https://x:99999/", ""),
        ("nonsense", ""),
    ],
)
def test_endpoints_are_scheme_host_and_port(url: str, shown: str) -> None:
    assert endpoint_of(url) == shown


@pytest.mark.parametrize(
    "url",
    ["https://a@b.example.org/", "https://b.example.org\\@c/", "https://b.example.org/?q", "https://b.example.org/#f",
     "https://b example.org/", "https://b.example.org:99999/", "//b.example.org", "https:///x", "https://b\u0430.org/"],
)  # fmt: skip
def test_addresses_that_can_be_read_in_two_ways_are_none(url: str) -> None:
    assert not is_address(url)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_text_is_trusted_by_accident(trusted: str, host: str) -> None:
    url = f"https://{host}/v1"
    if allows([trusted], url):
        assert endpoint_of(url).partition("://")[2].partition(":")[0].lower() in trusted.lower()
