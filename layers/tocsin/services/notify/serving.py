"""Serving: some endpoints of an org are delivered to together, and hold up no other org's.

A message is of one org, and so is its place among those who receive messages. Among the quick ones
a place is held for a few seconds, or for as long as a request takes that was begun in these; what
has more goes on by the slow queue. And an org holds no more than :data:`_PLACES` of them: who has
a lease names the place in it, and whoever is woken for an org reads all leases before the first is
taken.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final

from tocsin.ports.notify import Endpoints, Kept
from tocsin.ports.world import Clock
from tocsin.services.notify.delivering import Delivering
from tocsin.services.notify.report import Report
from tocsin.services.notify.turn import Room

__all__ = ["Serving"]

_AT_ONCE: Final = 10  # endpoints of a message; so it takes no other's threads
_PLACES: Final = 3  # of an org, among the quick: wakes a second apart overlap where they are busy
_FRESH_MS: Final = 1_000  # an endpoint that was read with its org's others is not read again
_GATHERED_SECONDS: Final = 0.5  # what is passed on in that time is one message


class Serving:
    """The use case behind a message of the queues of wakes. Everything blocks."""

    def __init__(self, deliver: Delivering, endpoints: Endpoints, clock: Clock) -> None:
        self._deliver = deliver
        self._endpoints = endpoints
        self._clock = clock

    def __call__(self, org: str, ids: Sequence[str], report: Report, *, slow: bool) -> None:
        """Send what these endpoints are to be sent now; what that raises is in the report.

        What there is no time for, or what is slow among the quick, is passed on.
        """
        room = Room.at(self._clock.now_ms(), slow=slow)
        try:
            # Without more endpoints than that it can't hold more places.
            known = {} if slow or len(ids) <= _PLACES else self._known(org)
        except Exception as error:  # whatever an org's data can raise
            for id in ids:
                report.note(org, id, error)
            return
        if len({each.progress.place(room.begun_ms) for each in known.values()} - {""}) >= _PLACES:
            self._deliver.pass_on(org, ids, report)
            return
        self._serve(org, ids, report, room, known)

    def _known(self, org: str) -> Mapping[str, Kept]:
        return {kept.endpoint.id: kept for kept in self._endpoints.all(org)}

    def _serve(
        self, org: str, ids: Sequence[str], report: Report, room: Room, known: Mapping[str, Kept]
    ) -> None:
        waiting, passed = deque(dict.fromkeys(ids)), deque[str]()

        def work() -> None:
            while waiting:
                try:
                    id = waiting.popleft()
                except IndexError:  # another was quicker
                    return
                now_ms = self._clock.now_ms()
                kept = known.get(id) if now_ms < room.begun_ms + _FRESH_MS else None
                if not room.begins(now_ms) or self._deliver.once(org, id, report, room, kept):
                    passed.append(id)

        def pass_on() -> None:
            if some := [passed.popleft() for _ in range(len(passed))]:
                self._deliver.pass_on(org, some, report)

        threads = min(_AT_ONCE, len(waiting))
        if threads < 2:
            work()
        else:
            with ThreadPoolExecutor(threads) as pool:
                working = {pool.submit(work) for _ in range(threads)}
                while working:
                    done, working = wait(working, _GATHERED_SECONDS)
                    pass_on()
                    for each in done:
                        each.result()
        pass_on()
