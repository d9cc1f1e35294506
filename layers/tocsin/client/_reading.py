"""Events of the past, and their proof."""

from collections.abc import Callable, Mapping
from typing import Unpack

from tocsin.client._asking import Asking, AsyncAsking, Flow
from tocsin.client._events import Event
from tocsin.client._listing import Listing
from tocsin.client._requests import Filters, Since, Types, filter_query
from tocsin.client._verifying import Verified, Verifying
from tocsin.domain.limits import MAX_LIST_EVENTS

__all__ = ["AsyncReading", "Reading"]


class Reading(Asking):
    """A client's methods of what was."""

    def replay(
        self,
        since: Since | None = None,
        types: Types | None = None,
        limit: int = MAX_LIST_EVENTS,
        from_time: Since | None = None,
        to_time: Since | None = None,
        **filters: Unpack[Filters],
    ) -> list[Event]:
        """Return what happened, newest first: ``limit`` events at most, 1,000 in a request.

        Only sealed events are in it: one stored milliseconds ago may be missing.

        Args:
            since: Only what was received since this time, or what comes after this event.
            types: Only events of these types.
            limit: How many.
            from_time: Only events with this timestamp or a later one.
            to_time: Only events with an earlier timestamp.
            filters: Only events that have all of these (:class:`Filters`), as in
                ``agent_id="claude", action="deny"``.

        Raises:
            ApiError: Tocsin refused, for example an unknown type.
            httpx.TransportError: Tocsin can't be reached.
        """
        times = {"since": since, "from": from_time, "to": to_time}
        return self._run(_listed(limit, times, filter_query(types, filters)))

    def verify(
        self,
        first_seq: int = 1,
        last_seq: int | None = None,
        *,
        on_step: Callable[[Verified], object] | None = None,
    ) -> Verified:
        """Have Tocsin check that what is stored is what was sealed.

        Args:
            first_seq: Begin with this event.
            last_seq: End with this event; None: with the newest.
            on_step: Called with what is found so far, after each request: some 20,000 events.

        Raises:
            ValueError: ``last_seq`` is before ``first_seq``.
            ApiError: Tocsin refused, for example a key without the scope ``read``.
            httpx.TransportError: Tocsin can't be reached.
        """
        return self._run(_verified(Verifying(first_seq, last_seq), on_step))


class AsyncReading(AsyncAsking):
    """The same for asyncio."""

    async def replay(
        self,
        since: Since | None = None,
        types: Types | None = None,
        limit: int = MAX_LIST_EVENTS,
        from_time: Since | None = None,
        to_time: Since | None = None,
        **filters: Unpack[Filters],
    ) -> list[Event]:
        """Return what happened, newest first; see :meth:`Client.replay`."""
        times = {"since": since, "from": from_time, "to": to_time}
        return await self._run(_listed(limit, times, filter_query(types, filters)))

    async def verify(
        self,
        first_seq: int = 1,
        last_seq: int | None = None,
        *,
        on_step: Callable[[Verified], object] | None = None,
    ) -> Verified:
        """Have Tocsin check what is stored; see :meth:`Client.verify`."""
        return await self._run(_verified(Verifying(first_seq, last_seq), on_step))


def _listed(
    limit: int, times: Mapping[str, Since | None], wanted: Mapping[str, str]
) -> Flow[list[Event]]:
    listing = Listing(limit, times, wanted)
    while not listing.done:
        listing.take((yield listing.question()))
    return listing.found


def _verified(verifying: Verifying, on_step: Callable[[Verified], object] | None) -> Flow[Verified]:
    while not verifying.done:
        found = verifying.take((yield verifying.question()))
        if on_step:
            on_step(found)
    return verifying.found
