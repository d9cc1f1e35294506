"""What the environment says of proxies and certificates, and what a client makes of it."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from support.fake_tocsin import API_KEY, fake_tocsin
from tocsin.client import AsyncClient, BadEnvironment, Client

FAR = "http://tocsin.example"


@pytest.fixture(autouse=True)
def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NO_PROXY", "[::1]"),
        ("no_proxy", "a.example, [::1]"),
        ("NO_PROXY", "http://a:b"),
        ("HTTP_PROXY", "ftp://proxy"),
        ("http_proxy", "http://proxy:port"),
        ("HTTPS_PROXY", "://"),
        ("ALL_PROXY", "socks9://proxy"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem"),
        ("SSLKEYLOGFILE", "/nowhere/keys.log"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, kind: Any, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadEnvironment) as raised:
        kind(FAR, API_KEY)
    assert f"{name}={value!r}" in str(raised.value)
    assert str(raised.value).count("=") == 1
    assert "\n" not in str(raised.value)


def test_a_file_of_certificates_that_holds_none_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(BadEnvironment, match="SSL_CERT_FILE"):
        Client(FAR, API_KEY)


def test_a_proxys_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "ftp://me:s3cret@proxy")
    with pytest.raises(BadEnvironment) as raised:
        Client(FAR, API_KEY)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"), [("NO_PROXY", "[::1]"), ("HTTP_PROXY", "http://127.0.0.1:1")]
)
def test_this_machine_is_reached_without_any_proxy(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with fake_tocsin() as tocsin, Client(tocsin.url, API_KEY) as client:
        assert client.send([{"type": "custom", "toolName": "t"}]).ingested == 1

    async def send(url: str) -> int:
        async with AsyncClient(url, API_KEY) as client:
            client.emit({"type": "custom", "toolName": "u"})
            assert await client.flush(10)
            return (await client.send([{"type": "custom", "toolName": "t"}])).ingested

    with fake_tocsin() as tocsin:
        assert asyncio.run(send(tocsin.url)) == 1
        assert sorted(tocsin.tools) == ["t", "u"]
