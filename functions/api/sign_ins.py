"""The routes of sign-ins: what a browser needs before it can open a stream."""

from starlette.datastructures import Headers
from starlette.responses import Response

from functions.api.asked import Asked, UseCase, answer
from tocsin.bootstrap.api import ApiParts
from tocsin.domain.errors import Unauthenticated
from tocsin.domain.keys import Scope
from tocsin.domain.passes import Pass
from tocsin.services.access.presented import Cookie
from tocsin.services.signing_in.signing import Opened
from tocsin.web.presented import caller_of, header_or_cookie, session_token
from tocsin.wire import bodies, cookies
from tocsin.wire import sign_ins as wire
from tocsin.wire.parameters import flag

__all__ = ["routes"]


def routes(parts: ApiParts) -> dict[str, UseCase]:
    """Return the use cases over ``parts``, by their names in the table of routes."""
    signing, sign_ins, origins = parts.signing, parts.sign_ins, parts.allowed_origins

    def sign_in(asked: Asked) -> Response:
        authorization = Headers(scope=asked.scope).get("authorization")
        try:
            key = parts.credentials.access.authorize(authorization, Scope.READ)
        except Unauthenticated:
            parts.failing.tell(authorization)
            raise
        parts.rate.take(key.org, key.root, writes=True)
        if not bodies.read(asked.body, wire.SIGN_IN).get("add"):
            return opened(asked, signing.open(key), 201)
        return opened(asked, signing.add(cookie_of(asked), key), 201)

    def switch_org(asked: Asked) -> Response:
        token = cookie_of(asked)
        present = sign_ins.present(token)
        parts.rate.take(present.org, present.key_id, writes=True)
        body = bodies.read(asked.body, wire.SWITCH)
        return opened(asked, signing.switch(token, body["org"]))

    def who(asked: Asked) -> Response:
        match header_or_cookie(asked.scope, origins):
            case Cookie(token):
                sign_in, key = sign_ins.find(token, Scope.READ)
                return answer(wire.said(key, sign_in, orgs(sign_in)))
            case _:
                return answer(wire.said(asked.key, None, [asked.key.org]))

    def sign_out(asked: Asked) -> Response:
        if flag(asked.query, "everywhere"):
            sign_out_everywhere(asked)
        elif token := session_token(asked.scope, origins):
            signing.close(token)
        return Response(None, 204, {"Cache-Control": "no-store"} | cookie(asked, "", 0))

    def sign_out_everywhere(asked: Asked) -> None:
        match header_or_cookie(asked.scope, origins):
            case Cookie(token):
                present = sign_ins.present(token)
                parts.rate.take(present.org, present.key_id, writes=True)
                parts.everywhere.of_sign_in(token)
            case authorization:
                key = parts.credentials.access.authorize(authorization, Scope.READ)
                parts.rate.take(key.org, key.root, writes=True)
                parts.everywhere.of_key(key)

    def opened(asked: Asked, sign_in: Opened, status: int = 200) -> Response:
        seconds = (sign_in.sign_in.expires_at_ms - parts.clock.now_ms()) // 1_000
        said = wire.said(sign_in.key, sign_in.sign_in, orgs(sign_in.sign_in))
        return answer(said, status, cookie(asked, sign_in.token, seconds))

    def orgs(sign_in: Pass) -> list[str]:
        return [key.org for key in sign_ins.working(sign_in)]

    def cookie_of(asked: Asked) -> str:
        token = session_token(asked.scope, origins)
        if token is None:
            raise Unauthenticated("there is no session: sign in with POST /api/v1/session")
        return token

    def cookie(asked: Asked, token: str, seconds: int) -> dict[str, str]:
        caller = caller_of(asked.scope)
        foreign = caller.is_foreign(origins)
        return {"Set-Cookie": cookies.cookie(token, seconds, caller, foreign=foreign)}

    return {"sign_in": sign_in, "who": who, "sign_out": sign_out, "switch_org": switch_org}
