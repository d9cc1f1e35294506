"""Which proxy the environment puts between a command and its server."""

import os
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

__all__ = ["proxy_variable"]


def proxy_variable(url: str) -> str | None:
    """Return the variable that names the proxy which leads to ``url``, if one does."""
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    for name in (f"{parts.scheme}_proxy", "all_proxy"):
        for spelling in (name, name.upper()):  # the one in lower case wins, as everywhere
            if os.environ.get(spelling):
                return spelling
    return None
