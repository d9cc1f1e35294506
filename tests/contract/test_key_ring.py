"""What every implementation of the key ring does."""

from dataclasses import replace

from support.databases import Stores
from tocsin.domain.ids import new_batch_id
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.services.intake.stamp import own_batch


def write(on: Stores, salt: int, key: ApiKey, was: str = "", new: ApiKey | None = None) -> bool:
    id = new_batch_id(1_774_000_000_000, (salt << 20).to_bytes(10))
    batch, packed = own_batch("acme", [{"type": "tocsin.key_created"}], id)
    written = on.key_ring.write(key, was, batch, packed, new)
    assert (id in on.journal.get("acme", [id])) is written
    return written


def a_key() -> ApiKey:
    return mint("acme", frozenset({Scope.READ}), "n", 7, frozenset({"tool_call"}), "maria", 9_000)[
        1
    ]


class TestKeyRing:
    def test_keys_come_back_as_they_were_written_all_or_none(self, on: Stores) -> None:
        one, other = replace(a_key(), change="c1"), a_key()
        assert write(on, 1, one)
        assert on.keys.get("acme", one.id) == one
        ending = replace(one, expires_at_ms=8_000, change="c2")
        assert write(on, 2, ending, "c1", other)
        assert {each.id: each for each in on.keys.all("acme")} == {one.id: ending, other.id: other}
        later = replace(ending, expires_at_ms=7_000, change="c3")
        assert not write(on, 3, later, "c2", replace(other, digest=b"another's"))
        assert not write(on, 4, replace(later, digest=b"another's"), "c2")
        assert on.keys.get("acme", one.id) == ending

    def test_of_two_changes_of_the_same_one_is_made(self, on: Stores) -> None:
        key = replace(a_key(), change="c1")
        assert write(on, 1, key)
        for salt, was in enumerate(("", "c0", "c2"), 2):
            assert not write(on, salt, replace(key, name="x", change="c2"), was)
        assert write(on, 5, replace(key, expires_at_ms=8_000, change="c2"), "c1")
        assert not write(on, 6, replace(key, expires_at_ms=8_500, change="c3"), "c1")

    def test_a_key_of_an_older_version_is_changed_once(self, on: Stores) -> None:
        key = a_key()
        on.keys.put(key)
        assert not write(on, 1, replace(key, change="c1"), "c0")
        assert write(on, 2, replace(key, expires_at_ms=8_000, change="c1"))
        assert not write(on, 3, replace(key, expires_at_ms=8_500, change="c2"))

    def test_how_often_it_signed_everybody_out_is_kept_through_each_change(
        self, on: Stores
    ) -> None:
        key = replace(a_key(), change="c1")
        assert write(on, 1, key)
        out = replace(key, sign_outs=3, change="c2")
        assert write(on, 2, out, "c1")
        found = on.keys.get("acme", key.id)
        assert found == out
        assert write(on, 3, replace(found, expires_at_ms=8_000, change="c3"), "c2")
        assert [each.sign_outs for each in on.keys.all("acme")] == [3]

    def test_a_revoked_key_stays_so(self, on: Stores) -> None:
        key = a_key()
        assert write(on, 1, key)
        assert write(on, 2, key.revoked(8))
        assert not write(on, 3, key)
        assert on.keys.get("acme", key.id) == key.revoked(8)

    def test_an_agents_key_and_a_delegated_one_come_back_as_they_were(self, on: Stores) -> None:
        scopes = frozenset({Scope.INGEST})
        key = mint("acme", scopes, "n", 7, None, "", 9_000, "team/a \U0001f514", ("a1", "b2"))[1]
        assert write(on, 1, key)
        assert on.keys.get("acme", key.id) == key
        assert on.keys.all("acme") == [key]
        assert write(on, 2, key.revoked(8))
        assert on.keys.get("acme", key.id) == key.revoked(8)
