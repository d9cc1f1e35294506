"""Pages for a browser, and what a script in them does."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, Router

__all__ = ["SIGN_IN", "WATCH", "blank_page"]

SIGN_IN = """
async ([url, key]) => {
  const answer = await fetch(url + "/api/v1/session", {
    method: "POST", credentials: "include", headers: {Authorization: "Bearer " + key},
  });
  return [answer.status, await answer.json()];
}
"""

# Igris' browser client, as its document prints it, but that it keeps what it gets.
WATCH = """
(url) => {
  window.seen = []; window.opened = 0;
  window.eventSource = new EventSource(
    url,
    { withCredentials: true } // sends session cookie
  );
  eventSource.addEventListener("tool_call", (event) => {
    const data = JSON.parse(event.data);
    seen.push(data);
  });
  eventSource.addEventListener("open", () => { opened += 1; });
}
"""


async def _page(_: Request) -> Response:
    return HTMLResponse("<!doctype html><title>A dashboard</title>")


blank_page = Router([Route("/{path:path}", _page)])  # an empty page at every path
