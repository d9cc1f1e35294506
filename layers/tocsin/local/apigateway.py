"""API Gateway's Lambda proxy integration: HTTP requests as events, results as HTTP responses.

The REST API's format, which an HTTP API calls payload format 1.0:
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from tocsin.domain.times import utc

__all__ = [
    "HOP_BY_HOP",
    "MAX_HEAD_BYTES",
    "MAX_REQUEST_BYTES",
    "HttpRequest",
    "HttpResponse",
    "MalformedProxyResponse",
    "proxy_event",
    "proxy_response",
]

MAX_REQUEST_BYTES = 10 * 1024 * 1024
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
MAX_HEAD_BYTES = 10_240  # of the request line and the headers' values
# RFC 9110, section 7.6.1, and headers that the next hop sets itself.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_REPLACED = HOP_BY_HOP | {
    "x-amzn-trace-id",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
}
_ACCOUNT = "000000000000"
_API = "local"
_STAGE = "local"


class MalformedProxyResponse(Exception):
    """The function's result is not what the proxy integration takes (API Gateway answers 502)."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """An HTTP request as it arrived; header names and values are text (latin-1)."""

    method: str
    path: str  # percent-decoded
    query: str  # as sent
    headers: Sequence[tuple[str, str]]
    body: bytes
    client: str  # IP address
    port: int  # the port that it came to


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The response that the client gets."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


def proxy_event(
    request: HttpRequest, *, resource: str, proxy: str | None, request_id: str, now_ms: int
) -> dict[str, Any]:
    """Return the event for a request.

    ``resource`` is the matched route (``/api/v1/ingest/{proxy+}``), ``proxy`` what its greedy path
    variable matched. A body that is not text, or is compressed, is base64 as for a binary type.
    """
    headers = [pair for pair in request.headers if pair[0].lower() not in _REPLACED]
    hops = [value for name, value in request.headers if name.lower() == "x-forwarded-for"]
    trace = f"Root=1-{now_ms // 1000:08x}-{request_id.replace('-', '')[:24]}"
    headers += [
        ("X-Amzn-Trace-Id", trace),
        ("X-Forwarded-For", ", ".join([*hops, request.client])),
        ("X-Forwarded-Port", str(request.port)),
        ("X-Forwarded-Proto", "http"),
    ]
    query = parse_qsl(request.query, keep_blank_values=True)
    body, is_base64 = _encoded(request.body, headers)
    agent = next((value for name, value in headers if name.lower() == "user-agent"), None)
    host = next((value for name, value in headers if name.lower() == "host"), "")
    return {
        "version": "1.0",  # an HTTP API's: its path is decoded, a REST API's is not
        "resource": resource,
        "path": request.path,
        "httpMethod": request.method,
        "headers": dict(headers) or None,
        "multiValueHeaders": _grouped(headers),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _grouped(query),
        "pathParameters": None if proxy is None else {"proxy": proxy},
        "stageVariables": None,
        "requestContext": {
            "accountId": _ACCOUNT,
            "apiId": _API,
            "domainName": host,
            "domainPrefix": _API,
            "extendedRequestId": request_id,
            "httpMethod": request.method,
            "identity": {
                "accessKey": None,
                "accountId": None,
                "caller": None,
                "cognitoAuthenticationProvider": None,
                "cognitoAuthenticationType": None,
                "cognitoIdentityId": None,
                "cognitoIdentityPoolId": None,
                "principalOrgId": None,
                "sourceIp": request.client,
                "user": None,
                "userAgent": agent,
                "userArn": None,
            },
            "path": f"/{_STAGE}{request.path}",
            "protocol": "HTTP/1.1",
            "requestId": request_id,
            "requestTime": utc(now_ms).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "requestTimeEpoch": now_ms,
            "resourceId": _API,
            "resourcePath": resource,
            "stage": _STAGE,
        },
        "body": body,
        "isBase64Encoded": is_base64,
    }


def proxy_response(result: Any, request_id: str) -> HttpResponse:
    """Return a function's result as an HTTP response.

    Raises:
        MalformedProxyResponse: it has no integer ``statusCode``, or another field is malformed.
    """
    if not isinstance(result, dict):
        raise MalformedProxyResponse("the result is not an object")
    try:
        status = int(result["statusCode"])
        single: Mapping[str, Any] = result.get("headers") or {}
        several: Mapping[str, Any] = result.get("multiValueHeaders") or {}
        repeated = {name.lower() for name in several}
        headers = [(n, _text(v)) for n, v in single.items() if n.lower() not in repeated]
        headers += [(name, _text(value)) for name, values in several.items() for value in values]
        body = result.get("body") or ""
        raw = b64decode(body, validate=True) if result.get("isBase64Encoded") else body.encode()
    except (KeyError, TypeError, ValueError, AttributeError, Base64Error) as error:
        raise MalformedProxyResponse(f"{type(error).__name__}: {error}") from error
    if not 100 <= status <= 599:
        raise MalformedProxyResponse(f"statusCode {status}")
    headers = [pair for pair in headers if pair[0].lower() not in HOP_BY_HOP]
    if all(name.lower() != "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    return HttpResponse(status, [*headers, ("x-amzn-RequestId", request_id)], raw)


def _text(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    text.encode("latin-1")  # a header's charset; ValueError otherwise
    return text


def _encoded(body: bytes, headers: Iterable[tuple[str, str]]) -> tuple[str | None, bool]:
    if not body:
        return None, False
    compressed = any(
        name.lower() == "content-encoding" and value.strip().lower() != "identity"
        for name, value in headers
    )
    if not compressed:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return b64encode(body).decode("ascii"), True


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]] | None:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped or None
