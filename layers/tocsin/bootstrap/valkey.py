"""Wires Valkey, for publishers and for subscribers; None where no Valkey is configured."""

from typing import TYPE_CHECKING

from tocsin.adapters.clock import SystemClock
from tocsin.ports.log import Broker
from tocsin.ports.world import Clock
from tocsin.settings import ValkeySettings

if TYPE_CHECKING:
    from tocsin.adapters.valkey.feed import ValkeyFeed
    from tocsin.adapters.valkey.iam import IamCredentials

__all__ = ["broker", "feed"]


def broker(settings: ValkeySettings) -> Broker | None:
    """Return where to publish, or None."""
    if settings.valkey_url is None:
        return None
    # 150 ms that only publishers should wait
    from tocsin.adapters.valkey.broker import ValkeyBroker

    return ValkeyBroker(settings.valkey_url, *_sign_in(settings))


def feed(settings: ValkeySettings) -> "ValkeyFeed | None":
    """Return where to listen, or None."""
    if settings.valkey_url is None:
        return None
    from tocsin.adapters.valkey.feed import ValkeyFeed

    return ValkeyFeed(settings.valkey_url, *_sign_in(settings))


def _sign_in(settings: ValkeySettings) -> "tuple[IamCredentials, Clock] | tuple[()]":
    """Return what either end needs to sign in to ElastiCache and to do so again in time."""
    if settings.valkey_iam_user is None or settings.valkey_cache_name is None:
        return ()
    from tocsin.adapters.valkey.iam import IamCredentials

    clock = SystemClock()
    return IamCredentials(settings.valkey_iam_user, settings.valkey_cache_name, clock), clock
