"""KavachOS' event stream module in Python, for any ASGI application.

>>> from tocsin.embedded import EventStream
>>> stream = EventStream("events.db", validate_token=subscriber_of)  # doctest: +SKIP
>>> app.router.routes.append(Route(stream.path, stream))  # doctest: +SKIP
>>> await stream.emit({"type": "agent.created", "data": {"agentId": "a1"}})  # doctest: +SKIP

``examples/embedded.py`` is a whole application. The stream stands on a log in SQLite, sealed as it
is written, or with :class:`TocsinLog` on the ledger of a deployed Tocsin. Its events are also sent
to :attr:`EventStream.webhooks`. Needs the extra ``embedded``.
"""

from tocsin.embedded._events import StreamEvent
from tocsin.embedded._log import Log, SqliteLog
from tocsin.embedded._stream import EventStream
from tocsin.embedded._tocsin import TocsinLog
from tocsin.embedded._webhook import Delivery, Webhook
from tocsin.embedded._writer import Emitted

__all__ = [
    "Delivery",
    "Emitted",
    "EventStream",
    "Log",
    "SqliteLog",
    "StreamEvent",
    "TocsinLog",
    "Webhook",
]
