"""What notifying needs, in memory."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from fakes.stores import FakeJournal
from tocsin.domain.batch import Batch
from tocsin.domain.deliveries import Answer, Attempt, Outgoing, Progress, Replay
from tocsin.domain.endpoints import Endpoint
from tocsin.domain.errors import UnreadableEndpoint
from tocsin.ports.notify import Endpoints, Kept

__all__ = ["FakeDeliveries", "FakeEndpoints", "FakeSender", "FakeWakes"]


class FakeEndpoints(Endpoints):
    """``damaged`` are those that can't be read."""

    def __init__(self, journal: FakeJournal) -> None:
        self.journal = journal
        self.endpoints: dict[tuple[str, str], Endpoint] = {}
        self.progress: dict[tuple[str, str], Progress] = {}
        self.replays: dict[tuple[str, str], dict[str, Replay]] = {}
        self.damaged: set[tuple[str, str]] = set()

    def get(self, org: str, id: str) -> Kept | None:
        if (org, id) not in self.endpoints:
            return None
        if (org, id) in self.damaged:
            raise UnreadableEndpoint(org, id, "damaged", self.endpoints[org, id].url)
        replays = self.replays[org, id]
        return Kept(
            self.endpoints[org, id],
            self.progress[org, id],
            tuple(replays[each] for each in sorted(replays)),
        )

    def every(self, org: str) -> tuple[Sequence[Kept], Sequence[UnreadableEndpoint]]:
        found, unreadable = list[Kept](), list[UnreadableEndpoint]()
        for key in sorted(self.endpoints):
            try:
                if key[0] == org and (kept := self.get(*key)):
                    found.append(kept)
            except UnreadableEndpoint as error:
                unreadable.append(error)
        found.sort(key=lambda each: (each.endpoint.created_at_ms, each.endpoint.id))
        return found, unreadable

    def active(self, org: str) -> Sequence[str]:
        return sorted(id for (o, id), each in self.endpoints.items() if o == org and each.active)

    def orgs(self) -> Iterable[str]:
        return sorted({org for (org, _), each in self.endpoints.items() if each.active})

    def write(
        self,
        endpoint: Endpoint,
        was: str,
        batch: Batch,
        packed: bytes,
        progress: Progress | None = None,
        replay: Replay | None = None,
    ) -> bool:
        key = endpoint.org, endpoint.id
        if self._change(key) != was:
            return False
        self.endpoints[key] = endpoint
        if progress is not None:
            self.progress[key], self.replays[key] = progress, {}
        if replay is not None:
            self.replays[key][replay.id] = replay
        self.journal.put(batch, packed)
        return True

    def remove(self, endpoint: Endpoint, was: str, batch: Batch, packed: bytes) -> bool:
        key = endpoint.org, endpoint.id
        if not was or self._change(key) != was:
            return False
        del self.endpoints[key], self.progress[key], self.replays[key]
        self.journal.put(batch, packed)
        return True

    def discard(self, org: str, id: str, batch: Batch, packed: bytes) -> bool:
        key = org, id
        if key not in self.endpoints or key not in self.damaged:
            return False
        self.damaged.discard(key)
        return self.remove(self.endpoints[key], self._change(key), batch, packed)

    def save(self, org: str, id: str, was: str, now: Progress) -> bool:
        there = self.progress.get((org, id))
        if there is None or there.change != was:
            return False
        self.progress[org, id] = now
        return True

    def add_replay(self, org: str, id: str, replay: Replay) -> bool:
        """Do what :meth:`write` does with a replay, for tests of those who send."""
        if (org, id) not in self.endpoints:
            return False
        self.replays[org, id][replay.id] = replay
        return True

    def save_replay(self, org: str, id: str, replay: Replay) -> None:
        replays = self.replays.get((org, id), {})
        if replay.id in replays:
            replays[replay.id] = replay

    def drop_replay(self, org: str, id: str, replay_id: str) -> None:
        self.replays.get((org, id), {}).pop(replay_id, None)

    def _change(self, key: tuple[str, str]) -> str:
        return self.endpoints[key].change if key in self.endpoints else ""


class FakeDeliveries:
    def __init__(self) -> None:
        self.attempts: dict[tuple[str, str], list[Attempt]] = {}

    def put(self, org: str, endpoint_id: str, attempts: Sequence[Attempt], now_ms: int) -> None:
        self.attempts.setdefault((org, endpoint_id), []).extend(attempts)

    def newest(
        self, org: str, endpoint_id: str, before: str, limit: int
    ) -> tuple[Sequence[Attempt], str]:
        return self._page(self.attempts.get((org, endpoint_id), []), before, limit)

    def given_up(
        self, org: str, endpoint_id: str, before: str, limit: int
    ) -> tuple[Sequence[Attempt], str]:
        attempts = self.attempts.get((org, endpoint_id), [])
        return self._page([each for each in attempts if each.given_up], before, limit)

    def _page(
        self, attempts: Sequence[Attempt], before: str, limit: int
    ) -> tuple[Sequence[Attempt], str]:
        end = int(before) if before.isdecimal() else len(attempts)
        start = max(end - limit, 0)
        return attempts[start:end][::-1], str(start) if start else ""


class FakeWakes:
    """``sent`` are (org, id, delay in seconds, slow), ``calls`` those that were set together."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, int, bool]] = []
        self.calls: list[tuple[str, Sequence[str]]] = []

    def wake(
        self, org: str, ids: Sequence[str], *, delay_seconds: int = 0, slow: bool = False
    ) -> None:
        self.calls.append((org, list(ids)))
        self.sent += [(org, id, delay_seconds, slow) for id in ids]


class FakeSender:
    """Answers as ``receive`` says; ``sent`` is everything, in order."""

    def __init__(self, receive: Callable[[Outgoing], Answer] | None = None) -> None:
        self.receive = receive or (lambda _: Answer(200, 10))
        self.sent: list[Outgoing] = []

    def send(self, outgoing: Outgoing) -> Answer:
        self.sent.append(outgoing)
        return self.receive(outgoing)

    def answer(self, answer: Answer) -> None:
        self.receive = lambda _: replace(answer)
