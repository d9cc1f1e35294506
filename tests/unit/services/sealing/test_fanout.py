"""The fan-out under every interleaving, redelivery and crash that Hypothesis can think of."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fakes.events import batch
from fakes.interleave import Gate, Move, interleave
from fakes.stores import FakeClock, FakeJournal, FakeLedger, FakeProjections, FakeSetAside
from tocsin.domain.batch import Batch, UnreadableBatch
from tocsin.domain.errors import Busy, IntegrityError
from tocsin.domain.projection import Projected
from tocsin.services.reading import replay
from tocsin.services.sealing.fanout import Fanout
from tocsin.services.sealing.project import Projector
from tocsin.wire import channel


class FakeBroker:
    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []

    def publish(self, org: str, message: bytes) -> None:
        self.messages.append((org, message))


class World:
    """The stores of a deployment, and the fan-outs that run on them."""

    def __init__(self) -> None:
        self.journal = FakeJournal()
        self.ledger = FakeLedger()
        self.projections = FakeProjections()
        self.set_aside = FakeSetAside()
        self.broker = FakeBroker()
        self.clock = FakeClock()

    def accept(self, *batches: Batch) -> None:
        for each in batches:
            self.journal.put(each, b"")

    def fanout(self, gate: Callable[[Any], Any] = lambda port: port) -> Fanout:
        return Fanout(
            ledger=gate(self.ledger),
            set_aside=gate(self.set_aside),
            broker=gate(self.broker),
            clock=self.clock,
        )

    def projector(self, gate: Callable[[Any], Any] = lambda port: port) -> Projector:
        return Projector(
            ledger=gate(self.ledger), journal=self.journal, projections=gate(self.projections)
        )

    def seqs(self, org: str) -> list[str]:
        """Return the ids of an org's events in the order of their seqs, all verified."""
        events = replay.read(self.ledger, self.journal, org, 0, limit=100_000)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        return [event.parse()["id"] for event in events]


def ids_of(batches: list[Batch]) -> list[str]:
    return sorted(f"evt_{each.id[:-2]}{tail}" for each in batches for tail in _tails(each.count))


def _tails(count: int) -> list[str]:
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    return [alphabet[n // 32] + alphabet[n % 32] for n in range(count)]


moves = st.sampled_from([Move.GO_ON] * 8 + [Move.CRASH_BEFORE, Move.CRASH_AFTER])


@given(data=st.data())
def test_every_event_is_sealed_and_counted_exactly_once(data: st.DataObject) -> None:
    world = World()
    specs = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(["acme", "beta"]), st.integers(1, 600), st.integers(0, 120_000)
            ),
            min_size=1,
            max_size=6,
        )
    )
    batches = [
        batch(org, count, world.clock.ms + offset_ms, salt=salt)
        for salt, (org, count, offset_ms) in enumerate(specs)
    ]
    world.accept(*batches)
    deliveries = data.draw(
        st.lists(st.lists(st.sampled_from(batches), min_size=1), min_size=1, max_size=4)
    )

    def choose(waiting: int) -> tuple[int, Move]:
        world.clock.ms += data.draw(st.integers(-1_000, 40_000))  # clocks disagree
        return data.draw(st.integers(0, waiting - 1)), data.draw(moves)

    def run_of(delivery: list[Batch]) -> Callable[[Gate], object]:
        def run(gate: Gate) -> None:
            world.fanout(gate)(delivery)
            world.projector(gate)([each.org for each in delivery])

        return run

    interleave([run_of(delivery) for delivery in deliveries], choose)
    world.fanout()(batches)  # what crashed is delivered again
    assert world.projector()({each.org for each in batches}).failed == {}

    for org in {each.org for each in batches}:
        own = [each for each in batches if each.org == org]
        assert sorted(world.seqs(org)) == ids_of(own)
        segments = world.ledger.segments(org, 1, 10_000)
        times = [segment.sealed_at_ms for segment in segments]
        assert times == sorted(times)
        for minute, seq in world.ledger.minutes[org].items():
            first = next(s for s in segments if s.sealed_at_ms // 60_000 == minute)
            assert first.first_seq == seq
        agent = world.projections.get(org, "agent", "a1")
        assert agent is not None
        events = sum(each.count for each in own)
        assert (agent["events"], agent["total_tokens"]) == (events, 2 * events)
        assert world.projections.cursor(org).through_seq == events
        told = set[int]()
        for to, message in world.broker.messages:
            if to == org:
                said = channel.decode(message)
                told |= set(range(said.first_seq, said.last_seq + 1))
        assert told == set(range(1, events + 1))


def test_batches_of_one_delivery_are_ordered_by_their_ids() -> None:
    world = World()
    late, early = batch(at_ms=2_000_000_000_000), batch(at_ms=1_900_000_000_000)
    world.accept(late, early)
    world.fanout()([late, early])
    assert world.seqs("acme") == ids_of([early]) + ids_of([late])


def test_an_unreadable_batch_is_set_aside_and_the_rest_goes_on() -> None:
    world = World()
    good = batch()
    world.accept(good)
    report = world.fanout()([UnreadableBatch("acme", "x", "not a frame"), good])
    assert (report.set_aside, report.sealed_events, report.failed) == (1, 1, {})
    assert [item.reason for item in world.set_aside.all("acme")] == ["not a frame"]


def test_one_org_that_must_wait_holds_up_no_other() -> None:
    world = World()
    batches = [batch("acme"), batch("beta")]
    world.accept(*batches)

    class Throttled(FakeLedger):
        def head(self, org: str) -> Any:
            if org == "acme":
                raise Busy("throttled")
            return super().head(org)

    world.ledger = Throttled()
    report = world.fanout()(batches)
    assert list(report.failed) == ["acme"]
    assert world.seqs("beta") == ids_of(batches[1:])


def test_a_broker_that_is_gone_costs_no_event() -> None:
    world = World()
    one = batch()
    world.accept(one)

    class Gone(FakeBroker):
        def publish(self, org: str, message: bytes) -> None:
            raise Busy("gone")

    world.broker = Gone()
    report = world.fanout()([one])
    assert (report.unpublished, report.failed) == (1, {})
    assert world.seqs("acme") == ids_of([one])


def test_projecting_goes_on_where_it_was() -> None:
    world = World()
    for salt in range(3):
        world.accept(one := batch(count=2, salt=salt))
        world.fanout()([one])
        world.projector()(["acme", "acme", "beta"])
        agent = world.projections.get("acme", "agent", "a1")
        assert agent is not None and agent["events"] == 2 * (salt + 1)


def test_a_backlog_is_projected_in_bounded_runs() -> None:
    world = World()
    batches = [batch(count=1_000, salt=salt) for salt in range(12)]
    world.accept(*batches)
    world.fanout()(batches)
    world.projector()(["acme"])
    hash = world.ledger.head("acme").hash
    assert world.projections.cursor("acme") == Projected(12_000, 12_000, hash)
    agent = world.projections.get("acme", "agent", "a1")
    assert agent is not None and agent["events"] == 12_000


def test_a_broken_ledger_is_told_and_holds_up_no_other_org() -> None:
    world = World()
    batches = [batch("acme"), batch("beta")]
    world.accept(*batches)
    world.fanout()(batches)
    world.journal.batches["acme", batches[0].id] = batch("acme", tool_name="forged")
    report = world.projector()(["acme", "beta"])
    broken = report.broken["acme"]
    assert isinstance(broken, IntegrityError)
    assert (list(report.broken), broken.seq) == (["acme"], 1)
    assert world.projections.cursor("beta").through_seq == 1
