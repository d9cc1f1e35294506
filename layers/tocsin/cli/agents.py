"""``tocsin agents``: the agents there are."""

from tocsin.cli._connection import ApiKeyOption, UrlOption, connected
from tocsin.cli._output import say, show_table
from tocsin.cli.sessions import LimitOption, figures

__all__ = ["agents"]


def agents(limit: LimitOption = 50, url: UrlOption = None, api_key: ApiKeyOption = None) -> None:
    """List agents, the newest seen first."""
    with connected(url, api_key) as client:
        found = client.call("GET", "/api/v1/agents", {"limit": str(limit)})["data"]
    if not found:
        say("there are no agents yet")
        return
    names = ("agent", "status", "last seen", "calls", "denied", "errors", "tokens", "cost")
    show_table(names, ((each["id"], each["status"], *figures(each)) for each in found))
