"""The dashboard, as CloudFront serves it from its bucket: the built files, with their headers."""

import json
from pathlib import Path
from typing import Any, Final, override

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

__all__ = ["routes"]

_UNBUILT: Final = (
    "The dashboard is not built yet: run `make build/dashboard/index.html`, then load this page "
    "again.\n"
)
_FOR_EVER: Final = "public, max-age=31536000, immutable"


def routes(built: Path) -> list[BaseRoute]:
    """Return the routes of the page in a folder that its build wrote.

    ``/`` answers 503 with the command that builds the page while there is none.
    """

    def headers() -> dict[str, str]:
        read: dict[str, str] = json.loads(
            built.with_name(f"{built.name}-headers.json").read_bytes()
        )
        return read

    def index(_: Request) -> Response:
        try:
            kept = headers() | {"Cache-Control": "no-cache"}
        except FileNotFoundError:
            return PlainTextResponse(_UNBUILT, 503)
        return FileResponse(built / "index.html", headers=kept)

    class Assets(StaticFiles):
        @override
        def file_response(self, *args: Any, **options: Any) -> Response:
            answer = super().file_response(*args, **options)
            answer.headers.update(headers() | {"Cache-Control": _FOR_EVER})
            return answer

    assets = Assets(directory=built / "assets", check_dir=False)
    return [Route("/", index), Route("/index.html", index), Mount("/assets", assets)]
