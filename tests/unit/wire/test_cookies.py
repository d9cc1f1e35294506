from tocsin.wire.cookies import cookie, name
from tocsin.wire.origins import Caller

PUBLIC = Caller("https", "tocsin.example")
LOCAL = Caller("http", "127.0.0.1:8484")


def test_our_own_pages_get_a_strict_cookie() -> None:
    assert name(PUBLIC) == "__Host-tocsin_session"
    assert cookie("t", 60, PUBLIC, foreign=False) == (
        "__Host-tocsin_session=t; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Strict"
    )


def test_a_foreign_origin_s_pages_get_one_that_browsers_send() -> None:
    assert cookie("t", 60, PUBLIC, foreign=True) == (
        "__Host-tocsin_session=t; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=None; Partitioned"
    )


def test_on_one_machine_it_goes_without_tls() -> None:
    assert name(LOCAL) == "tocsin_session"
    for foreign in (False, True):
        assert cookie("", 0, LOCAL, foreign=foreign) == (
            "tocsin_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
        )
