import pytest

from tocsin.domain import passes
from tocsin.domain.keys import Scope, key_ids
from tocsin.domain.keys import mint as mint_key
from tocsin.domain.passes import Kind

_, KEY = mint_key("acme", frozenset({Scope.READ}), "n", 1)


@pytest.mark.parametrize("kind", Kind)
def test_a_token_leads_to_what_is_stored_and_is_not_in_it(kind: Kind) -> None:
    token, made = passes.mint(kind, KEY, 5)
    assert passes.claim(kind, token) == ("acme", made.digest)
    assert (made.kind, made.org, made.key_id, made.expires_at_ms) == (kind, "acme", KEY.id, 5)
    secret = token.rpartition("_")[2]
    assert len(secret) == 64
    assert secret not in repr(made)
    assert passes.mint(kind, KEY, 5)[0] != token


def test_a_kind_is_not_the_other_nor_a_key() -> None:
    session, _ = passes.mint(Kind.SIGN_IN, KEY, 5)
    ticket, _ = passes.mint(Kind.TICKET, KEY, 5)
    key, _ = mint_key("acme", frozenset(), "n", 1)
    assert passes.claim(Kind.TICKET, session) is None
    assert passes.claim(Kind.SIGN_IN, ticket) is None
    assert passes.claim(Kind.TICKET, key) is None
    assert key_ids(session) is None
    assert key_ids(ticket) is None


def test_another_org_s_name_makes_another_digest() -> None:
    token, made = passes.mint(Kind.TICKET, KEY, 5)
    claimed = passes.claim(Kind.TICKET, token.replace("_acme_", "_beta_"))
    assert claimed
    assert claimed[0] == "beta"
    assert claimed[1] != made.digest


@pytest.mark.parametrize(
    "token",
    [
        "",
        "tocsin-ticket_",
        "tocsin-ticket_acme",
        "tocsin-ticket_acme_",
        "tocsin-ticket_Acme_0",
        "tocsin-ticket_a#b_0",
        "tocsin-ticket__0",
        "tocsin-ticket_acme_é",
        "tocsin-ticket_acme_" + "0" * 200,
    ],
)
def test_what_has_not_the_shape_is_nothing(token: str) -> None:
    assert passes.claim(Kind.TICKET, token) is None
