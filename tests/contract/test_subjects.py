"""What every implementation of persons' keys does."""

from dataclasses import replace

from support.databases import Stores
from tocsin.domain.batch import Batch
from tocsin.domain.ids import new_batch_id
from tocsin.domain.org import Org
from tocsin.domain.subjects import KeptSubject, SubjectKey
from tocsin.services.intake.stamp import own_batch

AT_MS = 1_774_000_000_000
ONE, OTHER = SubjectKey(b"1" * 64), SubjectKey(b"2" * 64)


def told(salt: int) -> tuple[str, tuple[Batch, bytes]]:
    id = new_batch_id(AT_MS + salt, bytes(10))
    return id, own_batch("acme", [{"type": "tocsin.x"}], id)


def without_key(was: KeptSubject, change: str) -> KeptSubject:
    return replace(was, key=None, erased_by="ann", erased_at_ms=7, change=change)


class TestGiving:
    def test_nobody_is_known_before(self, on: Stores) -> None:
        assert on.subjects.find("acme", ["u", "v"]) == {}
        assert on.subjects.find("acme", []) == {}

    def test_the_first_key_stands(self, on: Stores) -> None:
        assert on.subjects.give("acme", "u", ONE) == ONE
        assert on.subjects.give("acme", "u", OTHER) == ONE
        assert on.subjects.find("acme", ["u", "v"]) == {
            "u": KeptSubject(org="acme", user="u", key=ONE)
        }

    def test_another_org_s_person_of_that_name_is_another(self, on: Stores) -> None:
        on.subjects.give("acme", "u", ONE)
        assert on.subjects.give("beta", "u", OTHER) == OTHER

    def test_names_are_whatever_senders_write(self, on: Stores) -> None:
        names = ["", "#", "a#b", "ü" * 256, "𝄞" * 256, "a" * 256, "\x00", "Über Größe"][1:]
        keys = {name: SubjectKey(bytes([at]) * 64) for at, name in enumerate(names)}
        for name, key in keys.items():
            assert on.subjects.give("acme", name, key) == key
        found = on.subjects.find("acme", names)
        assert {name: each.key for name, each in found.items()} == keys

    def test_more_are_found_than_one_call_takes(self, on: Stores) -> None:
        names = [f"u{at}" for at in range(130)]
        for name in names:
            on.subjects.give("acme", name, ONE)
        assert len(on.subjects.find("acme", [*names, "nobody"])) == 130
        assert [each.user for each in on.subjects.all("acme")] == sorted(names)
        assert not [*on.subjects.all("beta")]


class TestErasing:
    def test_the_key_is_gone_and_it_is_told(self, on: Stores) -> None:
        on.subjects.give("acme", "u", ONE)
        [was] = on.subjects.find("acme", ["u"]).values()
        change, batch = told(1)
        erased = without_key(was, change)
        assert on.subjects.erase(erased, was, *batch)
        assert on.subjects.find("acme", ["u"]) == {"u": erased}
        assert on.journal.get("acme", [change])

    def test_of_two_who_erase_one_does(self, on: Stores) -> None:
        on.subjects.give("acme", "u", ONE)
        [was] = on.subjects.find("acme", ["u"]).values()
        change, batch = told(1)
        erased = without_key(was, change)
        assert on.subjects.erase(erased, was, *batch)
        other, more = told(2)
        assert not on.subjects.erase(replace(erased, change=other), was, *more)
        assert not on.journal.get("acme", [other])

    def test_a_new_key_is_given_afterwards_and_erased_again(self, on: Stores) -> None:
        on.subjects.give("acme", "u", ONE)
        [was] = on.subjects.find("acme", ["u"]).values()
        first, batch = told(1)
        erased = without_key(was, first)
        assert on.subjects.erase(erased, was, *batch)
        assert on.subjects.give("acme", "u", OTHER) == OTHER
        [now] = on.subjects.find("acme", ["u"]).values()
        assert now == replace(erased, key=OTHER)
        again, more = told(2)
        assert not on.subjects.erase(replace(erased, change=again), was, *more)
        assert on.subjects.erase(replace(erased, change=again), now, *more)
        [now] = on.subjects.find("acme", ["u"]).values()
        assert (now.key, now.change) == (None, again)

    def test_nobody_who_is_not_there_is_erased(self, on: Stores) -> None:
        was = KeptSubject(org="acme", user="u", key=ONE)
        change, batch = told(1)
        assert not on.subjects.erase(replace(was, key=None, change=change), was, *batch)
        assert on.subjects.find("acme", ["u"]) == {}

    def test_nothing_is_erased_of_an_org_under_a_legal_hold(self, on: Stores) -> None:
        on.orgs.put(Org("acme", held_since_ms=7))
        on.subjects.give("acme", "u", ONE)
        [was] = on.subjects.find("acme", ["u"]).values()
        change, batch = told(1)
        erased = without_key(was, change)
        assert not on.subjects.erase(erased, was, *batch)
        assert on.subjects.find("acme", ["u"]) == {"u": was}
        assert not on.journal.get("acme", [change])
        on.orgs.put(Org("acme"))
        assert on.subjects.erase(erased, was, *batch)
