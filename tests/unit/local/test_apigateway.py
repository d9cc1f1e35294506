"""HTTP requests as API Gateway events, and results as HTTP responses."""

import gzip
import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tocsin.local.apigateway import (
    HttpRequest,
    HttpResponse,
    MalformedProxyResponse,
    proxy_event,
    proxy_response,
)

EVENTS = Path(__file__).parents[3] / "events"
REQUEST = HttpRequest(
    method="POST",
    path="/api/v1/ingest/raw",
    query="partial=true",
    headers=[
        ("host", "127.0.0.1:8484"),
        ("user-agent", "curl/8.14.1"),
        ("accept", "*/*"),
        ("authorization", "Bearer tocsin_local_0123456789ab_secret"),
        ("content-type", "application/json"),
        ("content-length", "61"),
        ("connection", "keep-alive"),
    ],
    body=b'{"type": "tool_call", "toolName": "search", "action": "allow"}',
    client="127.0.0.1",
    port=8484,
)


def event(request: HttpRequest) -> dict[str, Any]:
    return proxy_event(
        request,
        resource="/api/v1/ingest/{proxy+}",
        proxy="raw",
        request_id="41b45ea3-70b5-11e6-b7bd-69b5aaebc7d9",
        now_ms=1_774_000_000_000,
    )


def test_a_request_becomes_the_event_of_the_proxy_integration() -> None:
    assert event(REQUEST) == json.loads((EVENTS / "apigateway-ingest.json").read_bytes())


def test_repeated_names_keep_all_values_and_the_single_value_is_the_last() -> None:
    headers = [("x-tag", "a"), ("x-tag", "b")]
    made = event(replace(REQUEST, query="q=1&q=2&empty=&sp=a+b%20c", headers=headers))

    assert made["headers"]["x-tag"] == "b"
    assert made["multiValueHeaders"]["x-tag"] == ["a", "b"]
    assert made["queryStringParameters"] == {"q": "2", "empty": "", "sp": "a b c"}
    assert made["multiValueQueryStringParameters"]["q"] == ["1", "2"]


def test_what_is_absent_is_null() -> None:
    made = event(replace(REQUEST, query="", body=b""))

    assert made["queryStringParameters"] is None
    assert made["multiValueQueryStringParameters"] is None
    assert made["body"] is None
    assert made["isBase64Encoded"] is False


def test_a_client_cannot_pretend_to_be_the_gateway() -> None:
    headers = [("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "https")]
    made = event(replace(REQUEST, headers=headers))

    assert made["headers"]["X-Forwarded-For"] == "10.0.0.1, 127.0.0.1"
    assert made["multiValueHeaders"]["X-Forwarded-Proto"] == ["http"]
    assert "x-forwarded-proto" not in made["headers"]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\x80\x81", []),
        (gzip.compress(b"{}"), [("content-encoding", "gzip")]),
        (b"{}", [("Content-Encoding", "gzip")]),
    ],
    ids=["binary", "gzip", "said-to-be-gzip"],
)
def test_a_binary_or_compressed_body_is_base64(body: bytes, headers: list[tuple[str, str]]) -> None:
    made = event(replace(REQUEST, body=body, headers=headers))

    assert made["isBase64Encoded"] is True
    assert made["body"] == b64encode(body).decode()


def test_an_identity_encoding_is_text() -> None:
    made = event(replace(REQUEST, body="é".encode(), headers=[("content-encoding", "identity")]))

    assert (made["body"], made["isBase64Encoded"]) == ("é", False)


def test_a_result_becomes_the_response() -> None:
    response = proxy_response(
        {
            "statusCode": 201,
            "headers": {"Content-Type": "text/plain", "X-One": "single", "Content-Length": "9"},
            "multiValueHeaders": {"x-one": ["a", "b"]},
            "body": "é",
        },
        "request-1",
    )

    assert response == HttpResponse(
        201,
        [
            ("Content-Type", "text/plain"),
            ("x-one", "a"),
            ("x-one", "b"),
            ("x-amzn-RequestId", "request-1"),
        ],
        "é".encode(),
    )


def test_a_base64_body_is_decoded_and_the_type_is_json_by_default() -> None:
    response = proxy_response(
        {"statusCode": "200", "body": "AP8=", "isBase64Encoded": True}, "request-1"
    )

    assert (response.status, response.body) == (200, b"\x00\xff")
    assert ("Content-Type", "application/json") in response.headers


@pytest.mark.parametrize(
    "result",
    [
        None,
        "text",
        {"body": "no status"},
        {"statusCode": "OK"},
        {"statusCode": 7},
        {"statusCode": 200, "body": {"not": "a string"}},
        {"statusCode": 200, "body": "*", "isBase64Encoded": True},
        {"statusCode": 200, "headers": {"x": "\u2028"}},
        {"statusCode": 200, "headers": ["x"]},
    ],
)
def test_a_malformed_result_is_an_error(result: Any) -> None:
    with pytest.raises(MalformedProxyResponse):
        proxy_response(result, "request-1")
