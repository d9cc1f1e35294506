"""What every implementation of the endpoints' stores does."""

from dataclasses import replace

import pytest

from fakes.notify import FakeEndpoints
from support.databases import Stores
from tocsin.adapters.dynamodb.endpoints import DynamoEndpoints
from tocsin.domain.deliveries import Attempt, Failing, Outcome, Progress, Replay
from tocsin.domain.detect.kinds import Severity
from tocsin.domain.endpoints import Endpoint, Format, Order, Secret, Status, Wanted
from tocsin.domain.errors import UnreadableEndpoint
from tocsin.domain.ids import new_batch_id
from tocsin.embedded._endpoints import SqliteEndpoints
from tocsin.services.intake.stamp import own_batch

pytestmark = pytest.mark.parametrize("on", ["dynamodb", "fake", "sqlite"], indirect=True)
NOW_MS = 1_774_000_000_000
ENDPOINT = Endpoint(
    org="acme",
    id="ep_1",
    url="https://user.example.com/x?y=\N{SNOWMAN}",
    description="writes\n\U0001f514",
    format=Format.KAVACH,
    order=Order.STRICT,
    escalation=True,
    links=True,
    links_key="k1",
    wanted=Wanted(
        types=frozenset({"approval.created", "#change"}),
        agent_id="claude/\U0001f600",
        tool_name=":was",
        action="deny",
        severity=Severity.INFO,
    ),
    token="t",  # noqa: S106
    secrets=(
        Secret(b"\0" * 24, b"\xff" * 32, b"p" * 32),
        Secret(b"h" * 64, b"s" * 32, b"q" * 32, NOW_MS),
    ),
    reason="r",
    by="maria",
    at_ms=8,
    created_at_ms=7,
    resumed_at_ms=9,
    resumed_after_seq=10,
)
PROGRESS = Progress(
    41,
    b"h" * 32,
    (Failing(7, 7, 1, NOW_MS, 3), Failing(9, 12, 9, NOW_MS + 1, 4)),
    hold_until_ms=NOW_MS,
    streak=3,
    failing_since_ms=5,
    slow_until_ms=6,
    lease="l",
    lease_until_ms=7,
    delivered=8,
    passed_over=9,
    delivered_at_ms=10,
    resumed_at_ms=11,
    change="c",
)
PLAIN = Endpoint(org="acme", id="ep_2", url="mailto:a@example.com", created_at_ms=9)


def write(
    on: Stores,
    salt: int,
    endpoint: Endpoint,
    was: str = "",
    progress: Progress | None = None,
    replay: Replay | None = None,
) -> Endpoint | None:
    id = new_batch_id(NOW_MS, (salt << 20).to_bytes(10))
    batch, packed = own_batch(endpoint.org, [{"type": "tocsin.endpoint_created"}], id)
    written = on.endpoints.write(replace(endpoint, change=id), was, batch, packed, progress, replay)
    assert (id in on.journal.get(endpoint.org, [id])) is written
    return replace(endpoint, change=id) if written else None


def make(on: Stores, salt: int, endpoint: Endpoint, progress: Progress | None = None) -> Endpoint:
    made = write(on, salt, endpoint, "", progress or Progress(0))
    assert made
    return made


def remove(on: Stores, salt: int, endpoint: Endpoint, was: str) -> bool:
    id = new_batch_id(NOW_MS, (salt << 20).to_bytes(10))
    told = own_batch(endpoint.org, [{"type": "tocsin.endpoint_removed"}], id)
    removed = on.endpoints.remove(endpoint, was, *told)
    assert (id in on.journal.get(endpoint.org, [id])) is removed
    return removed


class TestEndpoints:
    @pytest.mark.parametrize("endpoint", [ENDPOINT, PLAIN], ids=["full", "plain"])
    @pytest.mark.parametrize("progress", [PROGRESS, Progress(0)], ids=["far", "new"])
    def test_one_comes_back_as_it_was_written(
        self, on: Stores, endpoint: Endpoint, progress: Progress
    ) -> None:
        assert on.endpoints.get("acme", endpoint.id) is None
        made = make(on, 1, endpoint, progress)
        kept = on.endpoints.get("acme", endpoint.id)
        assert kept
        assert (kept.endpoint, kept.progress, kept.replays) == (made, progress, ())
        assert on.endpoints.get("beta", endpoint.id) is None
        assert (list(on.endpoints.all("acme")), on.endpoints.all("beta")) == ([kept], [])

    def test_one_whose_id_begins_as_another_s_is_another(self, on: Stores) -> None:
        for salt, id in enumerate(("ep_1", "ep_11", "ep_1-", "ep_"), 1):
            made = make(on, salt, replace(PLAIN, id=id), Progress(salt))
            kept = on.endpoints.get("acme", id)
            assert kept
            assert (kept.endpoint, kept.progress.through_seq) == (made, salt)
        kept = on.endpoints.get("acme", "ep_1")
        assert kept
        assert remove(on, 9, kept.endpoint, kept.endpoint.change)
        assert {each.endpoint.id for each in on.endpoints.all("acme")} == {"ep_11", "ep_1-", "ep_"}
        assert on.endpoints.save("acme", "ep_11", "", Progress(7))

    def test_a_change_is_made_from_where_it_began(self, on: Stores) -> None:
        first = make(on, 1, ENDPOINT)
        assert not write(on, 2, ENDPOINT, "", Progress(99))
        second = write(on, 3, replace(ENDPOINT, description=""), first.change)
        assert second
        assert not write(on, 4, ENDPOINT, first.change)
        kept = on.endpoints.get("acme", "ep_1")
        assert kept
        assert (kept.endpoint, kept.progress) == (second, Progress(0))

    def test_all_are_listed_oldest_first(self, on: Stores) -> None:
        make(on, 1, PLAIN)
        make(on, 2, ENDPOINT)
        make(on, 3, replace(PLAIN, org="beta"))
        assert [each.endpoint.id for each in on.endpoints.all("acme")] == ["ep_1", "ep_2"]

    def test_who_is_active_is_known_by_org(self, on: Stores) -> None:
        assert (on.endpoints.active("acme"), list(on.endpoints.orgs())) == ([], [])
        first, _ = make(on, 1, ENDPOINT), make(on, 2, PLAIN)
        make(on, 3, replace(PLAIN, org="beta", id="ep_3"))
        paused = make(on, 4, replace(PLAIN, org="paused", status=Status.PAUSED))
        assert on.endpoints.active("acme") == ["ep_1", "ep_2"]
        assert sorted(on.endpoints.orgs()) == ["acme", "beta"]
        second = write(on, 5, replace(ENDPOINT, status=Status.PAUSED), first.change)
        assert second
        assert not write(on, 6, ENDPOINT, first.change)  # which changes nothing
        assert on.endpoints.active("acme") == ["ep_2"]
        assert write(on, 7, ENDPOINT, second.change)
        assert write(on, 8, replace(paused, status=Status.ACTIVE), paused.change)
        assert on.endpoints.active("acme") == ["ep_1", "ep_2"]
        assert sorted(on.endpoints.orgs()) == ["acme", "beta", "paused"]

    def test_one_is_removed_as_it_is_with_all_that_it_has(self, on: Stores) -> None:
        first = make(on, 1, ENDPOINT, PROGRESS)
        second = write(on, 2, ENDPOINT, first.change, replay=Replay("a", 1, 9))
        assert second
        assert not remove(on, 3, first, first.change)
        assert not remove(on, 4, second, "")
        assert on.endpoints.get("acme", "ep_1")
        assert remove(on, 5, second, second.change)
        assert on.endpoints.get("acme", "ep_1") is None
        assert (on.endpoints.active("acme"), list(on.endpoints.orgs())) == ([], [])
        assert not remove(on, 6, second, second.change)
        made = make(on, 7, ENDPOINT)  # of which nothing of before is seen
        kept = on.endpoints.get("acme", "ep_1")
        assert kept
        assert (kept.endpoint, kept.progress, kept.replays) == (made, Progress(0), ())

    def test_how_far_it_is_is_saved_from_where_it_began(self, on: Stores) -> None:
        assert not on.endpoints.save("acme", "ep_1", "", PROGRESS)
        assert on.endpoints.get("acme", "ep_1") is None
        first = make(on, 1, ENDPOINT)
        assert not on.endpoints.save("acme", "ep_1", "another", PROGRESS)
        assert on.endpoints.save("acme", "ep_1", "", PROGRESS)
        assert not on.endpoints.save("acme", "ep_1", "", Progress(7, change="d"))
        assert on.endpoints.save("acme", "ep_1", "c", Progress(7, change="d"))
        assert write(on, 2, replace(ENDPOINT, reason=""), first.change)  # which it outlives
        kept = on.endpoints.get("acme", "ep_1")
        assert kept
        assert kept.progress == Progress(7, change="d")

    def test_what_is_gone_is_not_saved_and_does_not_come_back(self, on: Stores) -> None:
        first = make(on, 1, ENDPOINT, PROGRESS)
        assert remove(on, 2, first, first.change)
        assert not on.endpoints.save("acme", "ep_1", "c", Progress(7, change="d"))
        assert not on.endpoints.save("acme", "ep_1", "", Progress(7, change="d"))
        on.endpoints.save_replay("acme", "ep_1", Replay("a", 1, 2))
        make(on, 3, ENDPOINT)
        kept = on.endpoints.get("acme", "ep_1")
        assert kept
        assert (kept.progress, kept.replays) == (Progress(0), ())

    def test_replays_are_kept_oldest_first(self, on: Stores) -> None:
        change = make(on, 1, ENDPOINT).change
        for salt, id in enumerate(("b", "a"), 2):
            changed = write(on, salt, ENDPOINT, change, replay=Replay(id, 1, 9))
            assert changed
            assert not write(on, salt + 10, ENDPOINT, change, replay=Replay("late", 1, 9))
            change = changed.change
        on.endpoints.save_replay("acme", "ep_1", Replay("b", 5, 9))
        kept = on.endpoints.get("acme", "ep_1")
        assert kept
        assert kept.replays == (Replay("a", 1, 9), Replay("b", 5, 9))
        on.endpoints.drop_replay("acme", "ep_1", "b")
        on.endpoints.drop_replay("acme", "ep_1", "b")
        on.endpoints.save_replay("acme", "ep_1", Replay("b", 7, 9))  # one that was dropped
        kept = on.endpoints.get("acme", "ep_1")
        assert kept
        assert (kept.replays, kept.endpoint.change) == ((Replay("a", 1, 9),), change)


def damage(on: Stores, id: str) -> None:
    """Have an endpoint of acme be none that can be read, but for its URL."""
    match on.endpoints:
        case FakeEndpoints() as fake:
            fake.damaged.add(("acme", id))
        case SqliteEndpoints() as sqlite:
            settings = b'[{"url": "https://user.example.com/x", "format": "fax"}]'
            sqlite._db.query("UPDATE tocsin_endpoint SET settings = ? WHERE id = ?", settings, id)
        case DynamoEndpoints() as dynamo:
            dynamo._update("endpoint#acme", id, "SET sent_as = :fax", {":fax": {"S": "fax"}})


def discard(on: Stores, salt: int, id: str) -> bool:
    batch_id = new_batch_id(NOW_MS, (salt << 20).to_bytes(10))
    told = own_batch("acme", [{"type": "tocsin.endpoint_removed"}], batch_id)
    discarded = on.endpoints.discard("acme", id, *told)
    assert (batch_id in on.journal.get("acme", [batch_id])) is discarded
    return discarded


class TestUnreadable:
    def test_it_is_named_beside_the_others_and_counts_as_it_did(self, on: Stores) -> None:
        make(on, 1, ENDPOINT)
        for salt, id in enumerate(("ep_3", "ep_2"), 2):
            make(on, salt, replace(ENDPOINT, id=id, url="https://user.example.com/x"))
            damage(on, id)
        with pytest.raises(UnreadableEndpoint) as found:
            on.endpoints.get("acme", "ep_2")
        assert (found.value.id, found.value.url) == ("ep_2", "https://user.example.com/x")
        kept, unreadable = on.endpoints.every("acme")
        assert [each.endpoint.id for each in kept] == ["ep_1"]
        assert [each.id for each in unreadable] == ["ep_2", "ep_3"]
        assert on.endpoints.all("acme") == kept
        assert on.endpoints.active("acme") == ["ep_1", "ep_2", "ep_3"]

    def test_it_is_discarded_with_all_that_it_has(self, on: Stores) -> None:
        first = make(on, 1, PLAIN, PROGRESS)
        assert write(on, 2, PLAIN, first.change, replay=Replay("a", 1, 9))
        make(on, 3, replace(PLAIN, id="ep_22"), Progress(5))
        damage(on, "ep_2")
        assert discard(on, 4, "ep_2")
        assert (on.endpoints.get("acme", "ep_2"), on.endpoints.active("acme")) == (None, ["ep_22"])
        assert not discard(on, 5, "ep_2")
        assert not on.endpoints.save("acme", "ep_2", "c", Progress(7, change="d"))
        made = make(on, 6, PLAIN)
        kept = on.endpoints.get("acme", "ep_2")
        assert kept
        assert (kept.endpoint, kept.progress, kept.replays) == (made, Progress(0), ())
        other = on.endpoints.get("acme", "ep_22")
        assert other
        assert other.progress == Progress(5)

    def test_one_that_can_be_read_or_is_another_org_s_is_not_discarded(self, on: Stores) -> None:
        make(on, 1, PLAIN)
        assert not discard(on, 2, "ep_2")
        make(on, 3, replace(PLAIN, org="beta", id="ep_3"))
        assert not discard(on, 4, "ep_3")
        assert on.endpoints.get("acme", "ep_2")
        assert on.endpoints.get("beta", "ep_3")


def attempt(seq: int, *, given_up: bool = False, excerpt: str = "") -> Attempt:
    outcome = Outcome.FAILED if given_up else Outcome.DELIVERED
    status = 500 if given_up else 200
    return Attempt(
        *(seq, seq + 1, f"evt_{seq}", "tool_call", 1, NOW_MS + seq, outcome, status, 31),
        excerpt=excerpt,
        given_up=given_up,
    )


class TestDeliveries:
    def test_they_come_back_newest_first_page_by_page(self, on: Stores) -> None:
        assert on.deliveries.newest("acme", "ep_1", "", 5) == ([], "")
        every = [attempt(seq, excerpt="\N{SNOWMAN}\0" * (seq % 2)) for seq in range(23)]
        for at in (0, 1, 2, 12, 20):
            some = every[at : {0: 1, 1: 2, 2: 12, 12: 20, 20: 23}[at]]
            on.deliveries.put("acme", "ep_1", some, NOW_MS + at)
        on.deliveries.put("acme", "ep_11", [attempt(99)], NOW_MS)
        on.deliveries.put("beta", "ep_1", [attempt(98)], NOW_MS)
        on.deliveries.put("acme", "ep_1", [], NOW_MS)
        for limit in (1, 2, 3, 7, 22, 23, 24):
            found, place, pages = list[Attempt](), "", 0
            while not pages or place:
                page, place = on.deliveries.newest("acme", "ep_1", place, limit)
                assert len(page) <= limit
                found += page
                pages += 1
            assert found == every[::-1]
            assert pages == -(-23 // limit)

    def test_what_was_given_up_is_listed_by_itself_too(self, on: Stores) -> None:
        every = [attempt(seq, given_up=seq % 3 == 0) for seq in range(9)]
        on.deliveries.put("acme", "ep_1", every, NOW_MS)
        on.deliveries.put("acme", "ep_1", [attempt(9)], NOW_MS + 1)
        lost = [each for each in every if each.given_up][::-1]
        assert on.deliveries.given_up("acme", "ep_1", "", 9) == (lost, "")
        page, place = on.deliveries.given_up("acme", "ep_1", "", 2)
        assert (page, bool(place)) == (lost[:2], True)
        assert on.deliveries.given_up("acme", "ep_1", place, 2) == (lost[2:], "")
        assert len(on.deliveries.newest("acme", "ep_1", "", 99)[0]) == 10
        assert on.deliveries.given_up("beta", "ep_1", "", 9) == ([], "")

    def test_many_at_once_are_more_than_an_item_holds(self, on: Stores) -> None:
        every = [attempt(seq, given_up=True, excerpt="\0" * 256) for seq in range(500)]
        on.deliveries.put("acme", "ep_1", every, NOW_MS)
        assert on.deliveries.newest("acme", "ep_1", "", 1_000) == (every[::-1], "")
        assert on.deliveries.given_up("acme", "ep_1", "", 1_000) == (every[::-1], "")
