"""Whom a policy has us ask."""

import pytest

from support.log_signers import log_signer
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.keys import KeyType
from tocsin.wire.log.witnesses import MOST_WITNESSES, appointed

COSIGNS = KeyType.ED25519_COSIGNATURE


def line(number: int, url: str = "") -> str:
    return f"witness w{number} {log_signer(f'w{number}.example', COSIGNS).key} {url}"


def test_the_witnesses_of_a_policy_that_have_a_url_are_asked() -> None:
    log = log_signer("tocsin/0123456789abcdef/acme").key
    whole = "\n".join(
        [
            "# whom we trust",
            f"log {log}",
            line(1, "https://W1.example/a/b/"),
            line(2),
            line(3, "https://w3.example"),
            line(4, "http://[::1]:8080/w"),
            "group all all w1 w2 w3 w4",
            "quorum all",
        ]
    )
    lines = "\n".join(each for each in whole.split("\n") if each.startswith("witness"))
    for policy in (whole, f"{whole}\n", lines, f"\n  {lines}\n\n"):
        found = appointed(policy)
        assert [(each.name, each.place.host, each.place.target) for each in found] == [
            ("w1", "w1.example", "/a/b/add-checkpoint"),
            ("w3", "w3.example", "/add-checkpoint"),
            ("w4", "::1", "/w/add-checkpoint"),
        ]
        assert [each.nearby for each in found] == [False, False, True]
        assert found[0].key == log_signer("w1.example", COSIGNS).key


def test_names_may_have_any_bytes() -> None:
    key = log_signer("w.example", COSIGNS).key
    [found] = appointed(f"witness Zoë {key} https://w.example")
    assert found.name == "Zoë"
    [found] = appointed(f"witness \udcff {key} https://w.example")
    assert found.name == "\\xff"


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        ("", "0 witnesses"),
        (line(1), "0 witnesses"),
        ("\n".join(line(n, "https://w.example") for n in range(MOST_WITNESSES + 1)), "33 witness"),
        (f"{line(1, 'https://w.example')}\n{line(1, 'https://w.example')}", "line 2"),
        (line(1, "https://w.example").replace("+", "+0", 1), "line 1"),
        (line(1, "https://w.example") + " more", "line 1"),
        (line(1, "https://w.example").replace(" ", "\u00a0"), "line 1"),
        (f"witness a {log_signer('w.example').key} https://w.example", "no cosignatures"),
        (f"{line(1, 'https://w.example')}\nquorum b", "line 2"),
        (line(1, "https://w\0.example"), "control"),
        ('[{"name": "a"}]', "line 1"),
        (str(log_signer("tocsin/a/b").key), "line 1"),
    ],
)
def test_what_is_no_policy_is_refused(policy: str, why: str) -> None:
    with pytest.raises(BadFormat, match=why):
        appointed(policy)


@pytest.mark.parametrize("count", [1, MOST_WITNESSES])
def test_many_may_be_asked(count: int) -> None:
    assert len(appointed("\n".join(line(n, "https://w.example") for n in range(count)))) == count
