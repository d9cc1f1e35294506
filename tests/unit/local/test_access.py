"""The local org and its admin key."""

import os
import stat
from pathlib import Path

import pytest

from fakes.stores import FakeKeys, FakeOrgs
from tocsin.domain.keys import Scope, key_ids
from tocsin.local.access import ORG, admit, read_token, write_access

NOW = 1_774_000_000_000


def test_the_first_start_makes_the_org_and_an_admin_key() -> None:
    keys, orgs = FakeKeys(), FakeOrgs()

    token = admit(keys, orgs, None, NOW)

    assert orgs.get(ORG) is not None
    (key,) = keys.all(ORG)
    assert key.matches(token)
    assert key.may(Scope.INGEST)


def test_later_starts_keep_the_key() -> None:
    keys, orgs = FakeKeys(), FakeOrgs()
    token = admit(keys, orgs, None, NOW)

    assert admit(keys, orgs, token, NOW + 1) == token
    assert len(keys.all(ORG)) == 1


def test_the_key_outlives_the_tables() -> None:
    token = admit(FakeKeys(), FakeOrgs(), None, NOW)
    keys = FakeKeys()

    assert admit(keys, FakeOrgs(), token, NOW) == token
    assert keys.all(ORG)[0].matches(token)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o606])
def test_a_file_that_others_could_read_or_write_gives_no_key(tmp_path: Path, mode: int) -> None:
    write_access(tmp_path, "http://127.0.0.1:1", "token", {})
    assert read_token(tmp_path) == "token"

    (tmp_path / "local.json").chmod(mode)

    assert read_token(tmp_path) is None


def test_a_file_of_another_user_gives_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_access(tmp_path, "http://127.0.0.1:1", "token", {})
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)

    assert read_token(tmp_path) is None


def test_a_revoked_key_is_replaced() -> None:
    keys, orgs = FakeKeys(), FakeOrgs()
    token = admit(keys, orgs, None, NOW)
    keys.put(keys.all(ORG)[0].revoked(NOW))

    other = admit(keys, orgs, token, NOW)

    assert other != token
    assert key_ids(other) != key_ids(token)


def test_what_is_no_key_of_the_local_org_is_replaced() -> None:
    for wrong in ("nonsense", "tocsin_other_0123456789ab_secret"):
        keys = FakeKeys()
        assert admit(keys, FakeOrgs(), wrong, NOW) != wrong
        assert len(keys.all(ORG)) == 1


def test_local_json_is_private_and_can_be_read_back(tmp_path: Path) -> None:
    assert read_token(tmp_path) is None
    (tmp_path / "local.json").write_text("{broken")
    assert read_token(tmp_path) is None

    write_access(tmp_path, "http://127.0.0.1:8484", "token", {"TOCSIN_STATE_TABLE": "state"})

    assert read_token(tmp_path) == "token"
    assert stat.S_IMODE((tmp_path / "local.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["local.json"]
