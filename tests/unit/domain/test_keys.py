"""API keys."""

import pytest

from tocsin.domain.keys import Scope, key_ids, mint


def test_a_token_names_its_org_and_key_and_matches_only_itself() -> None:
    token, key = mint("acme", frozenset({Scope.READ}), "n", 1)
    other, _ = mint("acme", frozenset({Scope.READ}), "n", 1)
    assert key_ids(token) == ("acme", key.id)
    assert key.matches(token) and not key.matches(other)
    assert token.encode() not in key.digest and not key.revoked(2).matches(token)


def test_admin_may_everything() -> None:
    _, key = mint("acme", frozenset({Scope.ADMIN}), "n", 1)
    assert all(key.may(scope) for scope in Scope)
    _, reader = mint("acme", frozenset({Scope.READ}), "n", 1)
    assert [scope for scope in Scope if reader.may(scope)] == [Scope.READ]


@pytest.mark.parametrize(
    "token", ["", "x", "tocsin_a_b", "tocsin_A_b_c", "ig_a_b_c", "tocsin_a_b_c_d", "tocsin_a_b_é"]
)
def test_what_is_not_shaped_like_a_key(token: str) -> None:
    assert key_ids(token) is None


def test_an_org_needs_a_proper_name() -> None:
    with pytest.raises(ValueError, match="1 to 64"):
        mint("Acme_1", frozenset(), "n", 1)
