"""Publishing on Valkey what was just sealed. Nothing depends on a message's arrival."""

from typing import override

from valkey import Valkey
from valkey.backoff import NoBackoff
from valkey.credentials import CredentialProvider
from valkey.exceptions import ConnectionError as Unreachable
from valkey.exceptions import ValkeyError
from valkey.retry import Retry

from tocsin.adapters.valkey.connection import Renewal, channel_of, options
from tocsin.domain.errors import Busy
from tocsin.ports.log import Broker
from tocsin.ports.world import Clock

__all__ = ["ValkeyBroker"]


class ValkeyBroker(Broker):
    """:class:`tocsin.ports.log.Broker` on Valkey."""

    def __init__(
        self,
        url: str,
        credentials: CredentialProvider | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Take the address, ``valkey://`` or ``valkeys://``; connects when first needed."""
        self._client = Valkey.from_url(
            url,
            **options(url, credentials),
            retry=Retry(NoBackoff(), 1),  # for a connection from before the server's restart
            retry_on_error=[Unreachable],
        )
        self._clock = clock
        self._renewal = Renewal(clock)

    @override
    def publish(self, org: str, message: bytes) -> None:
        if self._renewal.due:
            self._client.connection_pool.disconnect(inuse_connections=False)
            self._renewal = Renewal(self._clock)
        try:
            self._client.publish(channel_of(org), message)
        except (ValkeyError, OSError) as error:
            raise Busy("Valkey is out of reach: subscribers will find it in the ledger") from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()  # type: ignore[no-untyped-call]
