"""The library's stream on the ledger of a deployed Tocsin."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, override

import orjson

from tocsin.domain.errors import Unauthenticated
from tocsin.domain.keys import key_ids
from tocsin.domain.segment import SealedEvent
from tocsin.embedded._log import Log
from tocsin.services.access.presented import Authorizer, Credentials
from tocsin.services.intake.ingest import Ingest, IngestRequest
from tocsin.services.stream.parts import StreamParts

__all__ = ["TocsinLog"]


class TocsinLog(Log):
    """An org's log in Tocsin's tables: an emitted event takes the way of every ingested one.

    So it is authorised by the API key (scope ``ingest``), counts towards the quota, and is in the
    journal when ``emit`` is done. Only when the fan-out has sealed it does it have a seq and appear
    in the stream. Streams are read from the ledger, not through Tocsin's own stream service.
    """

    def __init__(self, api_key: str, parts: StreamParts, ingest: Ingest) -> None:
        """Serve the org of ``api_key``.

        Raises:
            Unauthenticated: this is not an API key.
        """
        ids = key_ids(api_key)
        if ids is None:
            raise Unauthenticated("this is not an API key: tocsin keys create makes one")
        self.org = ids[0]
        self.screens = True
        self._authorization = f"Bearer {api_key}"
        self._parts = parts
        self._ingest = ingest

    @classmethod
    def from_environment(cls, api_key: str) -> "TocsinLog":
        """Wire the tables, and Valkey if there is one, as the deployed functions do.

        Needs the extra ``stream``, AWS credentials, and ``TOCSIN_JOURNAL_TABLE``,
        ``TOCSIN_LEDGER_TABLE``, ``TOCSIN_STATE_TABLE`` and perhaps ``TOCSIN_VALKEY_URL``.
        """
        from tocsin.bootstrap import ingest, stream  # needs boto3, which SQLite does not

        return cls(api_key, stream.wire(), ingest.wire())

    @override
    def append(self, events: Sequence[dict[str, Any]], *, plain: bool) -> Sequence[SealedEvent]:
        """Store the events as one request to the ingest route would."""
        request = IngestRequest(
            authorization=self._authorization,
            content_type="application/json",
            content_encoding=None,
            idempotency_key=None,
            partial=False,
            body=orjson.dumps({"events": events}),
        )
        self._ingest(request)
        return []

    @override
    def parts(self, authorizer: Authorizer) -> StreamParts:
        limits = replace(self._parts.limits, max_streams_per_org=None, max_streams_per_key=None)
        return replace(self._parts, credentials=Credentials(authorizer), limits=limits)

    @override
    def close(self) -> None:
        """Do nothing: the stream closes its feed."""
