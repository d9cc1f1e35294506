"""The token that ElastiCache takes for a password, checked as AWS checks it."""

import hmac
from hashlib import sha256
from urllib.parse import parse_qsl, quote, urlsplit

import boto3
import pytest
from valkey.exceptions import AuthenticationError

from fakes.stores import FakeClock
from tocsin.adapters.valkey.iam import IamCredentials

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # noqa: S105 (AWS's documented example)


def session(token: str | None = None) -> boto3.Session:
    return boto3.Session("AKIDEXAMPLE", SECRET, token, region_name="eu-central-1")


def signature(host: str, asked: dict[str, str]) -> str:
    """Sign a presigned GET of ``/``, as AWS documents Signature Version 4."""
    date, scope = asked["X-Amz-Date"], asked["X-Amz-Credential"].partition("/")[2]
    pairs = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in asked.items())
    query = "&".join(f"{name}={value}" for name, value in pairs)
    request = f"GET\n/\n{query}\nhost:{host}\n\nhost\n{sha256().hexdigest()}"
    hashed = sha256(request.encode()).hexdigest()
    key = f"AWS4{SECRET}".encode()
    for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashed}"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


@pytest.mark.parametrize("session_token", [None, "a token/with+signs=="])
def test_a_token_is_a_presigned_request_to_connect(session_token: str | None) -> None:
    credentials = IamCredentials("tocsin", "tocsin-cache", FakeClock(), session(session_token))
    user, token = credentials.get_credentials()
    assert user == "tocsin"
    url = urlsplit(f"https://{token}")
    assert (url.netloc, url.path) == ("tocsin-cache", "/")
    asked = dict(parse_qsl(url.query, strict_parsing=True))
    signed = asked.pop("X-Amz-Signature")
    assert signed == signature("tocsin-cache", asked)
    date = asked.pop("X-Amz-Date")
    assert asked.pop("X-Amz-Security-Token", None) == session_token
    assert asked == {
        "Action": "connect",
        "User": "tocsin",
        "ResourceType": "ServerlessCache",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"AKIDEXAMPLE/{date[:8]}/eu-central-1/elasticache/aws4_request",
        "X-Amz-Expires": "900",
        "X-Amz-SignedHeaders": "host",
    }


def test_a_token_is_reused_while_it_is_surely_good() -> None:
    """Signed with other credentials, the next token differs; the date has only seconds."""
    sessions = iter([session("first"), session("second")])

    class Rotating(boto3.Session):
        def get_credentials(self):  # type: ignore[no-untyped-def]
            return next(sessions).get_credentials()

    clock = FakeClock()
    rotating = Rotating("unused", "unused", region_name="eu-central-1")
    credentials = IamCredentials("tocsin", "tocsin-cache", clock, rotating)
    first = credentials.get_credentials()
    clock.ms += 299_999
    assert credentials.get_credentials() == first
    clock.ms += 1
    assert credentials.get_credentials() != first


def test_without_aws_credentials_nobody_signs_in() -> None:
    class Nobody(boto3.Session):
        def get_credentials(self) -> None:
            return None

    credentials = IamCredentials("tocsin", "tocsin-cache", FakeClock(), Nobody())
    with pytest.raises(AuthenticationError, match="no AWS credentials"):
        credentials.get_credentials()
