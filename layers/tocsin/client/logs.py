"""Log records of any Python program as events.

>>> import logging
>>> from tocsin.client.logs import TocsinHandler
>>> logging.getLogger().addHandler(TocsinHandler())  # doctest: +SKIP
"""

import logging
from datetime import UTC, datetime
from typing import Any, Final

from tocsin.client._emitter import THREAD_NAME
from tocsin.client._plain import plain
from tocsin.client._reporting import Reporting
from tocsin.client._sync import Client

__all__ = ["TocsinHandler"]

_OWN: Final = "tocsin"
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_NAMES: Final = frozenset(
    {"tool_name", "agent_id", "session_id", "user_id", "run_id", "trace_id", "span_id"}
    | {"parent_id", "tool_call_id", "prompt_id", "server_id", "compliance_tag"}
)
_FORMATTER: Final = logging.Formatter()


class TocsinHandler(logging.Handler):
    """Emits each record as an event of type ``log.record``; its level is the event's status.

    What ``extra`` says of fields that an event has for names (``agent_id``, ``tool_name`` …) goes
    there, the rest to ``metadata.extra``. Nothing here waits or raises. Records of Tocsin's own
    client are left out, and so are those that it causes elsewhere.
    """

    def __init__(
        self,
        client: Client | None = None,
        *,
        agent: str | None = None,
        session: str | None = None,
        level: int | str = logging.INFO,
    ) -> None:
        """Use ``client``, or make one of ``TOCSIN_URL`` and ``TOCSIN_API_KEY``.

        Raises:
            BadEnvironment: There is neither.
        """
        super().__init__(level)
        self._reporting = Reporting("logging", client, agent, session)

    def filter(self, record: logging.LogRecord) -> bool | logging.LogRecord:
        """Keep Tocsin's own records out: each would be the reason of another."""
        if record.threadName == THREAD_NAME or record.name.partition(".")[0] == _OWN:
            return False
        return super().filter(record)

    def emit(self, record: logging.LogRecord) -> None:
        """Emit a record."""
        try:
            self._emit(record)
        except Exception as error:
            self._reporting.guarded("a log record", error)

    def close(self) -> None:
        """Send what is left, within 5 seconds, unless the client is the program's own."""
        self._reporting.close()
        super().close()

    def _emit(self, record: logging.LogRecord) -> None:
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        names = {name: extra.pop(name) for name in _NAMES & extra.keys()}
        metadata: dict[str, Any] = {
            "logger": plain(record.name),
            "level": plain(record.levelname),
            "message": plain(_message(record)),
            "source": f"{record.module}:{record.lineno}",
            "exception": plain(_FORMATTER.formatException(record.exc_info))
            if record.exc_info and record.exc_info[0]
            else None,
            "extra": plain(extra) or None,
        }
        at = datetime.fromtimestamp(record.created, UTC)
        names |= {"type": "log.record", "status": record.levelname.lower()}
        self._reporting.emit(names, metadata, at, action="log")


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # the format does not fit its arguments
        return f"{record.msg!s} {record.args!r}"
