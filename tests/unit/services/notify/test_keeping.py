"""Endpoints made, changed and steered: with lost answers, by several at once, and within limits."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from fakes.desk import key
from fakes.events import batch
from fakes.interleave import Gate, Move, interleave
from fakes.notify import FakeDeliveries, FakeEndpoints
from fakes.stores import FakeClock, FakeJournal, FakeLedger
from tocsin.domain.addresses import check_url
from tocsin.domain.deliveries import Failing, Progress
from tocsin.domain.endpoints import Endpoint, Format, Secret, Status, Wanted
from tocsin.domain.errors import (
    Busy,
    Changed,
    Conflict,
    Forbidden,
    Invalid,
    LimitReached,
    Malformed,
    NotFound,
    OutcomeUnknown,
    Over,
    Refused,
    UnreadableEndpoint,
)
from tocsin.domain.ids import batch_of, event_ids
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.limits import MAX_ENDPOINTS, MAX_REPLAYS
from tocsin.domain.retention import Retention
from tocsin.services.notify.changing import Changing
from tocsin.services.notify.keeping import Draft, Keeping
from tocsin.services.notify.steering import Steering
from tocsin.services.sealing.seal import seal_batches
from tocsin.wire.notify import signatures

ADMIN = key(Scope.ADMIN, person="ada")
LIMITED = replace(
    key(Scope.ADMIN, person="eve"), types=frozenset({"tool_call", "approval.created"})
)
URL = "https://hooks.example.com/x"
CALLS = Wanted(types=frozenset({"tool_call"}))


class Desk:
    """The use cases over stores in memory."""

    def __init__(self) -> None:
        self.clock, self.journal, self.ledger = FakeClock(), FakeJournal(), FakeLedger()
        self.store = FakeEndpoints(self.journal)
        self.keeping, self.steering = self.over(self.store)

    def over(
        self, store: Any, journal: Any = None, *, mails: bool = True
    ) -> tuple[Keeping, Steering]:
        changing = Changing(store, self.clock)
        keeping = Keeping(
            changing,
            self.ledger,
            signatures,
            lambda url: check_url(url, loopback=False),
            frozenset({"exports"}),
            mails=mails,
        )
        steering = Steering(
            changing,
            FakeDeliveries(),
            self.ledger,
            journal or self.journal,
            signatures,
            lambda: Retention(self.clock.ms, 90),
        )
        return keeping, steering

    def make(self, by: ApiKey = ADMIN, url: str = URL, **more: Any) -> Endpoint:
        return self.keeping.create(by, Draft(url=url, **more)).endpoint

    def seal(self, count: int, salt: int = 0, at_ms: int | None = None) -> None:
        made = batch("acme", count, at_ms or self.clock.ms, salt)
        seal_batches("acme", [made], self.ledger, self.clock)

    def now(self, id: str) -> Endpoint:
        kept = self.store.get("acme", id)
        assert kept
        return kept.endpoint

    def lose(self, *answers: int, then: Callable[[], object] = lambda: None) -> None:
        """Have these answers of the store lost: 0 is the first."""
        calls = iter(range(100))

        def losing(method: Callable[..., bool]) -> Callable[..., bool]:
            def lost(*step: Any, **more: Any) -> bool:
                done = method(*step, **more)
                if next(calls) in answers:
                    vars(self.store).update(write=write, remove=remove)
                    then()
                    vars(self.store).update(write=losing(write), remove=losing(remove))
                    raise OutcomeUnknown("lost")
                return done

            return lost

        write, remove = FakeEndpoints.write, FakeEndpoints.remove
        write, remove = write.__get__(self.store), remove.__get__(self.store)
        vars(self.store).update(write=losing(write), remove=losing(remove))

    @property
    def told(self) -> list[dict[str, Any]]:
        batches: list[Any] = list(self.journal.batches.values())
        return [json.loads(entry) for each in batches for entry in each.entries]

    @property
    def types(self) -> list[str]:
        return [each["type"].removeprefix("tocsin.endpoint_") for each in self.told]


@pytest.fixture
def desk() -> Desk:
    return Desk()


type Deed = Callable[[Desk, str], object]


def resume(desk: Desk, id: str) -> object:
    """Resume one that waits after a failure."""
    if progress := desk.store.progress.get(("acme", id)):
        desk.store.progress["acme", id] = replace(progress, hold_until_ms=1)
    return desk.steering.resume(ADMIN, id, skip_missed=True)


DEEDS: dict[str, Deed] = {
    "updated": lambda desk, id: desk.keeping.update(ADMIN, id, lambda _: {"description": "new"}),
    "paused": lambda desk, id: desk.steering.pause(ADMIN, id, "why"),
    "resumed": lambda desk, id: resume(desk, id),
    "rotated": lambda desk, id: desk.steering.rotate(ADMIN, id, "", 60),
    "replayed": lambda desk, id: desk.steering.replay(ADMIN, id, 1, None, None),
    "removed": lambda desk, id: desk.keeping.remove(ADMIN, id),
}


def wanting(wanted: Wanted) -> Callable[[Wanted], dict[str, Any]]:
    return lambda _: {"wanted": wanted}


class TestLostAnswers:
    @pytest.mark.parametrize("lost", [(), (0,), (0, 1), (0, 1, 2)], ids=str)
    def test_one_is_made_once_with_one_secret(self, desk: Desk, lost: tuple[int, ...]) -> None:
        desk.lose(*lost)
        made = desk.make()
        assert desk.types == ["created"]
        assert [each.endpoint for each in desk.store.all("acme")] == [made]
        assert len(made.secrets) == 1

    @pytest.mark.parametrize(("verb", "deed"), DEEDS.items(), ids=DEEDS)
    @pytest.mark.parametrize("lost", [(), (0,), (0, 1), (0, 1, 2)], ids=str)
    def test_a_change_is_made_once(
        self, desk: Desk, verb: str, deed: Deed, lost: tuple[int, ...]
    ) -> None:
        desk.seal(3)
        id = desk.make().id
        desk.lose(*lost)
        deed(desk, id)
        assert desk.types == ["created", verb]

    @pytest.mark.parametrize(("verb", "deed"), DEEDS.items(), ids=DEEDS)
    def test_what_the_store_did_and_then_refuses_to_repeat_is_ours(
        self, desk: Desk, verb: str, deed: Deed
    ) -> None:
        desk.seal(3)
        id = desk.make().id
        for name in ("write", "remove"):
            method, calls = getattr(desk.store, name), iter(range(100))

            def refusing(*step: Any, method: Any = method, calls: Any = calls, **more: Any) -> bool:
                return bool(method(*step, **more)) and next(calls) > 0

            vars(desk.store)[name] = refusing
        deed(desk, id)
        assert desk.types == ["created", verb]

    def test_a_rotation_answers_the_secret_that_signs(self, desk: Desk) -> None:
        id = desk.make().id
        desk.lose(0, 1)
        done = desk.steering.rotate(ADMIN, id, "", 60).endpoint
        assert done.secrets == desk.now(id).secrets

    @pytest.mark.parametrize(("verb", "deed"), DEEDS.items(), ids=DEEDS)
    def test_a_store_that_is_busy_has_done_nothing(self, desk: Desk, verb: str, deed: Deed) -> None:
        desk.seal(3)
        id = desk.make().id

        def busy(*_: object, **__: object) -> Any:
            raise Busy("throttled")

        vars(desk.store).update(write=busy, remove=busy)
        with pytest.raises(Busy):
            deed(desk, id)
        assert desk.types == ["created"]

    def test_a_test_is_told_once_however_often_its_answer_is_lost(self, desk: Desk) -> None:
        endpoint = desk.make()
        put, calls = desk.journal.put, iter(range(9))

        def losing(*step: Any) -> None:
            put(*step)
            if next(calls) < 2:
                raise OutcomeUnknown("lost")

        vars(desk.journal)["put"] = losing
        event_id = desk.steering.test(ADMIN, endpoint.id)
        assert desk.types == ["created", "test"]
        [_, test] = desk.told
        assert (test["id"], test["data"]["endpoint_id"]) == (event_id, endpoint.id)


class TestRaces:
    @pytest.mark.parametrize("order", range(32))
    def test_two_admins_change_one_in_any_order_and_both_are_heard(
        self, desk: Desk, order: int
    ) -> None:
        id = desk.make().id
        turns = iter(range(100))

        def choose(waiting: int) -> tuple[int, Move]:
            return (order >> next(turns) % 5 & 1) % waiting, Move.GO_ON

        def describe(gate: Gate) -> None:
            keeping, _ = desk.over(gate(desk.store))
            keeping.update(ADMIN, id, lambda _: {"description": "new"})

        def want(gate: Gate) -> None:
            keeping, _ = desk.over(gate(desk.store))
            keeping.update(ADMIN, id, lambda was: {"wanted": replace(was, agent_id="a")})

        interleave([describe, want], choose)
        now = desk.now(id)
        assert (now.description, now.wanted.agent_id) == ("new", "a")
        assert desk.types == ["created", "updated", "updated"]

    @pytest.mark.parametrize("order", range(32))
    @pytest.mark.parametrize(("verb", "deed"), DEEDS.items(), ids=DEEDS)
    def test_what_is_removed_meanwhile_stays_so(
        self, desk: Desk, verb: str, deed: Deed, order: int
    ) -> None:
        desk.seal(3)
        id = desk.make().id
        turns, ended = iter(range(100)), list[str]()

        def choose(waiting: int) -> tuple[int, Move]:
            return (order >> next(turns) % 5 & 1) % waiting, Move.GO_ON

        def remove(gate: Gate) -> None:
            keeping, _ = desk.over(gate(desk.store))
            try:
                keeping.remove(ADMIN, id)
                ended.append("removed")
            except NotFound:
                ended.append("gone")

        def change(gate: Gate) -> None:
            other = Desk()
            vars(other).update(vars(desk))
            other.keeping, other.steering = desk.over(gate(desk.store))
            try:
                deed(other, id)
                ended.append("changed")
            except NotFound:
                ended.append("gone")

        interleave([remove, change], choose)
        assert desk.store.get("acme", id) is None
        assert (desk.store.replays, desk.store.progress) == ({}, {})
        assert desk.types.count("removed") == 1
        assert len(ended) == 2

    def test_who_holds_the_lease_of_one_that_is_removed_brings_nothing_back(
        self, desk: Desk
    ) -> None:
        id = desk.make().id
        assert desk.store.save("acme", id, "", Progress(0, lease="l", change="c"))
        desk.keeping.remove(ADMIN, id)
        assert not desk.store.save("acme", id, "c", Progress(9, change="d"))
        assert desk.store.get("acme", id) is None
        assert desk.store.active("acme") == []


class TestCreating:
    def test_it_begins_where_it_is_asked_to(self, desk: Desk) -> None:
        desk.seal(5)
        desk.clock.ms += 60_000
        desk.seal(3, 1)

        def through(**more: Any) -> int:
            kept = desk.store.get("acme", desk.make(**more).id)
            assert kept
            return kept.progress.through_seq

        assert through() == 8
        assert [through(from_seq=seq) for seq in (1, 8, 9)] == [0, 7, 8]
        assert through(since="3") == 3
        first = next(iter(desk.ledger.segments("acme", 6, 1)[0].first_seqs))
        assert through(since=event_ids(first, 1)[0]) == 6
        assert through(since="1970-01-01T00:00:00Z") == 0
        for wrong in ({"from_seq": 10}, {"from_seq": 1, "since": "1"}):
            with pytest.raises(Invalid):
                desk.make(**wrong)
        for text in ("x", "99", "2999-01-01T00:00:00Z", "\N{ARABIC-INDIC DIGIT ONE}"):
            with pytest.raises(Malformed):
                desk.make(since=text)
        assert set(desk.types) == {"created"}

    def test_it_is_told_of_and_active(self, desk: Desk) -> None:
        made = desk.make(url="https://hooks.example.com:8443/secret?key=secret", token="")
        assert desk.store.active("acme") == [made.id]
        [event] = desk.told
        assert event["user_id"] == "ada"
        assert event["data"]["url"] == "https://hooks.example.com:8443"
        assert "secret" not in json.dumps(event)
        assert signatures.hmac_text(made.secrets[0]) not in json.dumps(event)

    def test_a_secret_of_one_s_own_is_taken(self, desk: Desk) -> None:
        text = signatures.hmac_text(Secret(b"k" * 32, b"", b""))
        made = desk.make(secret=text)
        assert made.secrets[0].hmac == b"k" * 32
        assert "kkkk" not in repr(made)
        with pytest.raises(Invalid):
            desk.make(secret="whsec_short")  # noqa: S106
        with pytest.raises(Invalid):  # which nothing would be signed with
            desk.make(url="https://hooks.slack.com/x", format=Format.SLACK, secret=text)
        assert desk.make(url="https://hooks.slack.com/x", format=Format.SLACK).secrets == ()

    def test_an_org_has_so_many(self, desk: Desk) -> None:
        ids = [desk.make().id for _ in range(MAX_ENDPOINTS)]
        with pytest.raises(Conflict):
            desk.make()
        desk.make(key(Scope.ADMIN, org="beta"))
        desk.keeping.remove(ADMIN, ids[0])
        desk.make()
        assert len(desk.store.all("acme")) == MAX_ENDPOINTS

    def test_a_key_of_some_types_makes_and_sees_those_that_want_them(self, desk: Desk) -> None:
        wide = desk.make()
        narrow = desk.make(LIMITED, wanted=CALLS)
        assert [each.endpoint.id for each in desk.keeping.all(LIMITED)[0]] == [narrow.id]
        assert len(desk.keeping.all(ADMIN)[0]) == 2
        for wanted in (Wanted(), Wanted(types=frozenset({"tool_call", "completion"}))):
            with pytest.raises(Forbidden):
                desk.make(LIMITED, wanted=wanted)
            with pytest.raises(Forbidden):
                desk.keeping.update(LIMITED, narrow.id, wanting(wanted))
        with pytest.raises(Forbidden):  # reminders come whatever it wants
            desk.make(LIMITED, wanted=CALLS, escalation=True)
        with pytest.raises(Forbidden):
            desk.keeping.update(LIMITED, narrow.id, lambda _: {"escalation": True})
        for use in (
            lambda: desk.keeping.one(LIMITED, wide.id),
            lambda: desk.keeping.update(LIMITED, wide.id, lambda _: {"url": f"{URL}/mine"}),
            lambda: desk.keeping.update(LIMITED, wide.id, lambda _: {"wanted": CALLS}),
            lambda: desk.keeping.remove(LIMITED, wide.id),
            lambda: desk.steering.rotate(LIMITED, wide.id, "", 0),
            lambda: desk.steering.test(LIMITED, wide.id),
            lambda: desk.steering.replay(LIMITED, wide.id, 1, None, None),
            lambda: desk.steering.pause(LIMITED, wide.id, ""),
            lambda: desk.steering.resume(LIMITED, wide.id, skip_missed=False),
            lambda: desk.steering.deliveries(LIMITED, wide.id, "", 9),
            lambda: desk.steering.given_up(LIMITED, wide.id, "", 9),
        ):
            with pytest.raises(Forbidden):
                use()
        assert desk.now(wide.id) == wide

    def test_one_that_is_made_wider_meanwhile_is_not_changed_by_who_may_not_see_it(
        self, desk: Desk
    ) -> None:
        id = desk.make(LIMITED, wanted=CALLS).id
        get, looks = desk.store.get, iter(range(9))

        def widened(org: str, of: str) -> Any:
            if next(looks) == 1:
                vars(desk.store)["get"] = get
                desk.keeping.update(ADMIN, id, lambda _: {"wanted": Wanted()})
            return get(org, of)

        vars(desk.store)["get"] = widened
        with pytest.raises(Forbidden):
            desk.steering.rotate(LIMITED, id, "", 0)
        assert desk.types == ["created", "updated"]

    def test_links_take_who_may_answer(self, desk: Desk) -> None:
        with pytest.raises(Forbidden):
            desk.make(key(Scope.READ), links=True)
        assert desk.make(links=True).links

    @pytest.mark.parametrize(
        ("url", "format", "token"),
        [
            ("http://hooks.example.com", Format.TOCSIN, ""),
            ("https://127.0.0.1/x", Format.SLACK, ""),
            ("https://169.254.169.254/latest", Format.TOCSIN, ""),
            ("https://[::1]/", Format.DISCORD, ""),
            ("mailto:a@example.com", Format.TOCSIN, ""),
            ("s3://exports/x", Format.TOCSIN, ""),
            (URL, Format.EMAIL, ""),
            (URL, Format.S3, ""),
            ("s3://others/x", Format.S3, ""),
            (URL, Format.PARQUET, ""),
            ("s3://others/x", Format.PARQUET, ""),
            ("s3://exports", Format.PARQUET, "t"),
            ("s3://exports/../x", Format.S3, ""),
            ("s3://exports//x", Format.S3, ""),
            ("s3://exports/a b", Format.S3, ""),
            ("s3://exports.evil/a", Format.S3, ""),
            ("s3://user@exports/a", Format.S3, ""),
            ("mailto:a@example.com,b@example.com", Format.EMAIL, ""),
            ("mailto:a@example.com?bcc=b@example.com", Format.EMAIL, ""),
            ("mailto:a%0d%0abcc:b@example.com", Format.EMAIL, ""),
            ("mailto:a@localhost", Format.EMAIL, ""),
            ("mailto:.a@example.com", Format.EMAIL, ""),
            ("mailto:a..b@example.com", Format.EMAIL, ""),
            ("mailto:a@b@example.com", Format.EMAIL, ""),
            ("mailto:a@-example.com", Format.EMAIL, ""),
            ("mailto:a@example.com\n", Format.EMAIL, ""),
            ("mailto:" + "a" * 65 + "@example.com", Format.EMAIL, ""),
            (URL, Format.SPLUNK, ""),
            (URL, Format.PAGERDUTY, ""),
            (URL, Format.TOCSIN, "t"),
            ("mailto:a@example.com", Format.EMAIL, "t"),
        ],
    )
    def test_what_nothing_can_be_sent_to(
        self, desk: Desk, url: str, format: Format, token: str
    ) -> None:
        with pytest.raises(Refused):
            desk.make(url=url, format=format, token=token)
        assert desk.told == []

    @pytest.mark.parametrize(
        ("url", "format", "token"),
        [
            (URL, Format.CLOUDEVENTS, ""),
            ("mailto:o'neil+x@mail.example.com", Format.EMAIL, ""),
            ("mailto:" + "a" * 64 + "@example.com", Format.EMAIL, ""),
            ("s3://exports", Format.S3, ""),
            ("s3://exports/", Format.S3, ""),
            ("s3://exports/a/.b/c..d/", Format.S3, ""),
            ("s3://exports/a", Format.PARQUET, ""),
            (URL, Format.SPLUNK, "t"),
            (URL, Format.PAGERDUTY, "t"),
        ],
    )
    def test_what_can(self, desk: Desk, url: str, format: Format, token: str) -> None:
        assert desk.make(url=url, format=format, token=token).url == url

    @pytest.mark.parametrize("format", [Format.S3, Format.PARQUET, Format.SPLUNK])
    def test_who_reads_an_export_is_given_no_links(self, desk: Desk, format: Format) -> None:
        url, token = (URL, "t") if format is Format.SPLUNK else ("s3://exports", "")
        with pytest.raises(Invalid):
            desk.make(url=url, token=token, format=format, links=True)


class TestChanging:
    def test_what_is_as_it_was_is_not_told(self, desk: Desk) -> None:
        made = desk.make(description="d")
        done = desk.keeping.update(ADMIN, made.id, lambda _: {"description": "d", "url": URL})
        assert (done.endpoint, desk.types) == (made, ["created"])

    def test_names_of_what_changed_are_told(self, desk: Desk) -> None:
        id = desk.make(description="d").id
        changes = {"url": "https://other.example.com/?k=secret", "description": "d", "links": True}
        desk.keeping.update(ADMIN, id, lambda _: changes)
        assert desk.told[-1]["data"] == {
            "endpoint_id": id,
            "url": "https://other.example.com",
            "changed": ["links", "url"],
        }

    def test_a_format_stays(self, desk: Desk) -> None:
        id = desk.make().id
        with pytest.raises(Invalid):
            desk.keeping.update(ADMIN, id, lambda _: {"format": Format.SLACK})
        desk.keeping.update(ADMIN, id, lambda _: {"format": Format.TOCSIN})
        with pytest.raises(Invalid):
            desk.keeping.update(ADMIN, id, lambda _: {"url": "mailto:a@example.com"})

    @pytest.mark.parametrize(
        "id", ["ep_", "", "x", "ep_" + "a" * 27, "ep_" + "A" * 26, "a#progress"]
    )
    def test_an_id_that_is_none_is_of_nothing(self, desk: Desk, id: str) -> None:
        with pytest.raises(NotFound):
            desk.keeping.one(ADMIN, id)

    def test_another_org_s_is_not_there(self, desk: Desk) -> None:
        id, other = desk.make().id, key(Scope.ADMIN, org="beta")
        for use in (
            lambda: desk.keeping.one(other, id),
            lambda: desk.keeping.update(other, id, lambda _: {"url": "https://evil.example.com"}),
            lambda: desk.keeping.remove(other, id),
            lambda: desk.steering.rotate(other, id, "", 0),
            lambda: desk.steering.test(other, id),
            lambda: desk.steering.replay(other, id, 1, None, None),
            lambda: desk.steering.deliveries(other, id, "", 9),
        ):
            with pytest.raises(NotFound):
                use()
        assert (desk.types, desk.keeping.all(other)) == (["created"], ([], []))


class TestSteering:
    def test_a_pause_is_told_once_and_ended(self, desk: Desk) -> None:
        desk.seal(3)
        id = desk.make().id
        for reason in ("first", "second"):
            paused = desk.steering.pause(ADMIN, id, reason).endpoint
            assert (paused.status, paused.reason) == (Status.PAUSED, "first")
        assert desk.store.active("acme") == []
        with pytest.raises(Conflict, match="resume it first"):
            desk.steering.test(ADMIN, id)
        resumed = desk.steering.resume(ADMIN, id, skip_missed=False).endpoint
        assert (resumed.status, resumed.reason, resumed.resumed_after_seq) == ("active", "", 0)
        assert resumed.resumed_at_ms == desk.clock.ms
        assert desk.store.active("acme") == [id]
        assert desk.types == ["created", "paused", "resumed"]

    def test_what_was_missed_is_left_out_if_asked_for(self, desk: Desk) -> None:
        id = desk.make().id
        desk.seal(3)
        for _ in range(2):  # the second time nobody has taken note of the first yet
            done = desk.steering.resume(ADMIN, id, skip_missed=True).endpoint
            assert done.resumed_after_seq == 3
        assert desk.types == ["created", "resumed"]
        desk.steering.resume(ADMIN, id, skip_missed=False)  # it is to be sent that after all
        assert desk.now(id).resumed_after_seq == 0
        assert desk.types == ["created", "resumed", "resumed"]

    def test_one_that_waits_for_nothing_is_not_resumed(self, desk: Desk) -> None:
        id = desk.make().id
        made = desk.now(id)
        for skip_missed in (False, True):
            kept = desk.steering.resume(ADMIN, id, skip_missed=skip_missed)
            assert kept.endpoint == made
        assert (desk.now(id), desk.types) == (made, ["created"])

    @pytest.mark.parametrize(
        "waiting",
        [
            {"failing": (Failing(1, 1, 1, 5, 1),)},
            {"hold_until_ms": 7},
            {"streak": 1},
            {"failing_since_ms": 3},
        ],
        ids=str,
    )
    def test_one_that_is_active_and_waits_is_resumed_once(
        self, desk: Desk, waiting: dict[str, Any]
    ) -> None:
        id = desk.make().id
        now = replace(desk.store.progress["acme", id], **waiting)
        desk.store.progress["acme", id] = now
        for _ in range(3):
            desk.steering.resume(ADMIN, id, skip_missed=False)
            desk.clock.ms += 60_000
        assert desk.types == ["created", "resumed"]
        noted = now.resumed(desk.now(id).resumed_at_ms, 0)
        desk.store.progress["acme", id] = noted
        desk.steering.resume(ADMIN, id, skip_missed=False)
        assert desk.types == ["created", "resumed"]
        desk.store.progress["acme", id] = replace(noted, **waiting)  # it failed once more
        desk.steering.resume(ADMIN, id, skip_missed=False)
        assert desk.types == ["created", "resumed", "resumed"]

    def test_each_resumption_is_later_than_the_one_before_whatever_clocks_say(
        self, desk: Desk
    ) -> None:
        id = desk.make().id
        times = []
        for ms in (0, 0, -3_600_000, 1):
            desk.clock.ms += ms
            desk.steering.pause(ADMIN, id, "")
            times.append(desk.steering.resume(ADMIN, id, skip_missed=False).endpoint.resumed_at_ms)
        assert times == sorted(set(times))

    def test_the_secret_before_signs_for_a_while(self, desk: Desk) -> None:
        first = desk.make()
        second = desk.steering.rotate(ADMIN, first.id, "", 60).endpoint
        now_ms = desk.clock.ms
        keys = [[each.hmac for each in second.signing(now_ms + ms)] for ms in (0, 59_999, 60_000)]
        old, new = first.secrets[0].hmac, second.secrets[0].hmac
        assert keys == [[new, old], [new, old], [new]]
        third = desk.steering.rotate(ADMIN, first.id, "", 0).endpoint
        assert len(third.secrets) == 1
        slack = desk.make(url="https://hooks.slack.com/x", format=Format.SLACK)
        with pytest.raises(Conflict):
            desk.steering.rotate(ADMIN, slack.id, "", 0)

    def test_a_test_names_the_endpoint(self, desk: Desk) -> None:
        id = desk.make(url="https://h.example.com/?s=secret").id
        event_id = desk.steering.test(ADMIN, id)
        event = desk.told[-1]
        assert (event["id"], event["type"]) == (event_id, "tocsin.endpoint_test")
        assert event["data"] == {"endpoint_id": id, "url": "https://h.example.com"}
        assert batch_of(event_id)


class TestReplaying:
    def test_a_part_is_sent_once_more(self, desk: Desk) -> None:
        desk.seal(9)
        id = desk.make().id
        done = desk.steering.replay(ADMIN, id, 3, 5, None)
        assert (done.replay.next_seq, done.replay.to_seq, done.expired_through_seq) == (3, 5, 0)
        kept = desk.store.get("acme", id)
        assert kept
        assert kept.replays == (done.replay,)
        assert (desk.steering.replay(ADMIN, id, 3, None, None).replay.to_seq) == 9
        assert (desk.steering.replay(ADMIN, id, None, None, "4").replay.next_seq) == 5
        assert desk.told[-1]["data"] | {"url": ""} == {
            "endpoint_id": id,
            "url": "",
            "from_seq": 5,
            "to_seq": 9,
        }

    @pytest.mark.parametrize(
        "asked",
        [
            *((None, None, None), (None, 3, None), (1, 10, None), (5, 4, None)),
            *((11, None, None), (10, None, None), (1, None, "2")),
        ],
    )
    def test_what_is_no_part(self, desk: Desk, asked: tuple[Any, Any, Any]) -> None:
        desk.seal(9)
        id = desk.make().id
        with pytest.raises(Invalid):
            desk.steering.replay(ADMIN, id, *asked)
        with pytest.raises(Malformed):
            desk.steering.replay(ADMIN, id, None, None, "x")
        assert desk.types == ["created"]

    def test_a_ledger_that_is_empty_has_no_part(self, desk: Desk) -> None:
        with pytest.raises(Invalid):
            desk.steering.replay(ADMIN, desk.make().id, 1, None, None)

    def test_so_many_at_once(self, desk: Desk) -> None:
        desk.seal(9)
        id = desk.make().id
        for _ in range(MAX_REPLAYS):
            desk.clock.ms += 1
            last = desk.steering.replay(ADMIN, id, 1, None, None)
        with pytest.raises(LimitReached):
            desk.steering.replay(ADMIN, id, 1, None, None)
        desk.store.drop_replay("acme", id, last.replay.id)
        desk.steering.replay(ADMIN, id, 1, None, None)

    def test_what_the_journal_has_no_more_is_said_and_left_out(self, desk: Desk) -> None:
        desk.seal(5)
        id = desk.make().id
        desk.clock.ms += 91 * 86_400_000
        with pytest.raises(Over):
            desk.steering.replay(ADMIN, id, 1, None, None)
        desk.seal(4, 1)
        done = desk.steering.replay(ADMIN, id, 2, None, None)
        assert (done.replay.next_seq, done.replay.to_seq, done.expired_through_seq) == (6, 9, 5)
        with pytest.raises(Over):
            desk.steering.replay(ADMIN, id, 1, 5, None)


class TestUnreadable:
    @pytest.fixture
    def id(self, desk: Desk) -> str:
        desk.seal(3)
        made = desk.make(url="https://hooks.example.com:8443/secret?key=secret")
        desk.store.damaged.add(("acme", made.id))
        return made.id

    def test_who_asks_for_it_is_told_what_to_do(self, desk: Desk, id: str) -> None:
        other = desk.make().id
        uses: list[Callable[[], object]] = [
            lambda: desk.keeping.one(ADMIN, id),
            lambda: desk.steering.test(ADMIN, id),
            lambda: desk.steering.deliveries(ADMIN, id, "", 9),
            *(partial(deed, desk, id) for verb, deed in DEEDS.items() if verb != "removed"),
        ]
        for use in uses:
            with pytest.raises(UnreadableEndpoint, match=f"{id} can't be read .*remove it"):
                use()
        kept, unreadable = desk.keeping.all(ADMIN)
        assert [each.endpoint.id for each in kept] == [other]
        assert [(each.id, each.reason) for each in unreadable] == [(id, "damaged")]
        assert desk.types == ["created", "created"]

    @pytest.mark.parametrize("lost", [(), (0,), (0, 1), (0, 1, 2)], ids=str)
    def test_it_is_removed_and_told_once(self, desk: Desk, id: str, lost: tuple[int, ...]) -> None:
        discard, calls = desk.store.discard, iter(range(9))

        def losing(*step: Any) -> bool:
            done = discard(*step)
            if next(calls) in lost:
                raise OutcomeUnknown("lost")
            return done

        vars(desk.store)["discard"] = losing
        desk.keeping.remove(ADMIN, id)
        assert (desk.store.get("acme", id), desk.store.active("acme")) == (None, [])
        assert desk.types == ["created", "removed"]
        event = desk.told[-1]
        assert event["user_id"] == "ada"
        assert event["data"] == {
            "endpoint_id": id,
            "url": "https://hooks.example.com:8443",
            "unreadable": "damaged",
        }
        with pytest.raises(NotFound):
            desk.keeping.remove(ADMIN, id)

    @pytest.mark.parametrize("order", range(32))
    def test_two_remove_it_and_it_is_told_once(self, desk: Desk, id: str, order: int) -> None:
        turns = iter(range(100))

        def choose(waiting: int) -> tuple[int, Move]:
            return (order >> next(turns) % 5 & 1) % waiting, Move.GO_ON

        def remove(gate: Gate) -> None:
            keeping, _ = desk.over(gate(desk.store))
            with suppress(NotFound):
                keeping.remove(ADMIN, id)

        interleave([remove, remove], choose)
        assert desk.store.get("acme", id) is None
        assert desk.types == ["created", "removed"]

    def test_one_that_is_mended_meanwhile_stays(self, desk: Desk, id: str) -> None:
        discard = desk.store.discard

        def mended(*step: Any) -> bool:
            desk.store.damaged.clear()
            return discard(*step)

        vars(desk.store)["discard"] = mended
        with pytest.raises(Changed, match="look at it"):
            desk.keeping.remove(ADMIN, id)
        assert desk.now(id).active
        assert desk.types == ["created"]

    def test_a_key_of_some_types_neither_sees_nor_removes_it(self, desk: Desk, id: str) -> None:
        assert desk.keeping.all(LIMITED) == ([], ())
        with pytest.raises(Forbidden):
            desk.keeping.one(LIMITED, id)
        with pytest.raises(Forbidden):
            desk.keeping.remove(LIMITED, id)
        assert desk.types == ["created"]

    def test_it_takes_a_place_until_it_is_removed(self, desk: Desk, id: str) -> None:
        for _ in range(MAX_ENDPOINTS - 1):
            desk.make()
        with pytest.raises(Conflict):
            desk.make()
        desk.keeping.remove(ADMIN, id)
        desk.make()


def test_no_mail_is_promised_where_none_is_sent() -> None:
    desk = Desk()
    keeping, _ = desk.over(desk.store, mails=False)
    with pytest.raises(Invalid) as refused:
        keeping.create(ADMIN, Draft(url="mailto:a@example.com", format=Format.EMAIL))
    assert refused.value.details[0]["field"] == "format"
