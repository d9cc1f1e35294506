"""What every implementation of the key ring does."""

from dataclasses import replace

from support.databases import Stores
from tocsin.domain.ids import new_batch_id
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.services.intake.stamp import own_batch


def write(on: Stores, salt: int, *keys: ApiKey) -> bool:
    id = new_batch_id(1_774_000_000_000, (salt << 20).to_bytes(10))
    written = on.key_ring.write(keys, *own_batch("acme", [{"type": "tocsin.key_created"}], id))
    assert (id in on.journal.get("acme", [id])) is written
    return written


def a_key() -> ApiKey:
    return mint("acme", frozenset({Scope.READ}), "n", 7, frozenset({"tool_call"}), "maria", 9_000)[
        1
    ]


class TestKeyRing:
    def test_keys_come_back_as_they_were_written_all_or_none(self, on: Stores) -> None:
        one, other = a_key(), a_key()
        assert write(on, 1, one, other)
        assert on.keys.get("acme", one.id) == one
        ending = replace(one, expires_at_ms=8_000)
        assert not write(on, 2, ending, replace(other, digest=b"another's"))
        assert on.keys.get("acme", one.id) == one
        assert write(on, 3, ending)
        assert on.keys.get("acme", one.id) == ending

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
