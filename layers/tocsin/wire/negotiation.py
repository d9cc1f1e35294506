"""What ``GET /api/v1/events`` is: Igris' stream, or Govrix Scout's list.

Both documents' own commands work as printed. A request that names ``text/event-stream`` gets the
stream. Otherwise, one that names ``application/json`` or has one of a list's parameters gets the
list. For all others, such as a plain ``curl``, a setting decides.
"""

from collections.abc import Iterable
from typing import Final, Literal

from tocsin.wire.page import ONLY_LISTS

__all__ = ["LIST_PARAMETERS", "BareRoute", "wants_stream"]

type BareRoute = Literal["stream", "list"]

LIST_PARAMETERS: Final = frozenset(
    {"agent_id", "session_id"}  # Govrix Scout's, which streams know as well
    | ONLY_LISTS
)
_ANYTHING: Final = frozenset({"text/*", "*/*"})


def wants_stream(accept: str, parameters: Iterable[str], bare: BareRoute = "stream") -> bool:
    """Whether a request for the bare route is for the stream.

    ``accept`` is the header's value ("" if there is none), ``parameters`` the names in the query.
    """
    ranges = {each.partition(";")[0].strip().lower() for each in accept.split(",")} - {""}
    if "text/event-stream" in ranges:
        return True
    if "application/json" in ranges or not LIST_PARAMETERS.isdisjoint(parameters):
        return False
    return bare == "stream" and (not ranges or not ranges.isdisjoint(_ANYTHING))
