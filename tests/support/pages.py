"""Pages for a browser, and what a script in them does."""

from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

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


async def blank_page(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve an empty page at every path."""
    await HTMLResponse("<!doctype html><title>A dashboard</title>")(scope, receive, send)
