"""API Gateway's event as an ASGI request."""

from typing import Any
from urllib.parse import unquote, urlencode

from mangum.handlers import APIGateway
from mangum.handlers.utils import maybe_encode_body
from mangum.types import LambdaConfig, LambdaContext, LambdaEvent

__all__ = ["ProxyEvent"]

_AS_IT_IS = "surrogatepass"  # what no client can send is not what fails here


class ProxyEvent(APIGateway):
    """The event of an HTTP API (payload format 1.0, which says so), or of a REST API.

    An HTTP API sends the path percent-decoded and a REST API as it came; Mangum's own handlers
    decode both, which makes ``a/b`` of an id ``a%2Fb``.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
    """

    @classmethod
    def infer(cls, event: LambdaEvent, context: LambdaContext, config: LambdaConfig) -> bool:
        """Whether it is such an event: nothing else comes here."""
        return True

    @property
    def body(self) -> bytes:
        """The request's body."""
        body, encoded = self.event.get("body") or "", self.event.get("isBase64Encoded", False)
        return maybe_encode_body(
            body if encoded else body.encode(errors=_AS_IT_IS), is_base64=encoded
        )

    @property
    def scope(self) -> dict[str, Any]:
        """The request, without its body."""
        event = self.event
        headers = [
            (name.lower().encode(errors=_AS_IT_IS), value.encode(errors=_AS_IT_IS))
            for name, values in (event.get("multiValueHeaders") or {}).items()
            for value in values
        ]
        query = event.get("multiValueQueryStringParameters") or {}
        path = event["path"]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "http_version": "1.1",
            "method": event["httpMethod"],
            "scheme": "https",  # unless X-Forwarded-Proto says otherwise
            "path": path if event.get("version") else unquote(path),
            "query_string": urlencode(query, doseq=True, errors=_AS_IT_IS).encode(),
            "root_path": "",
            "headers": headers,
            "client": (event["requestContext"].get("identity", {}).get("sourceIp"), 0),
            "server": None,
        }
