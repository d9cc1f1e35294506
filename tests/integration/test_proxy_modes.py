"""`tocsin proxy` with Tocsin away, sessions suspended, and its process ended: nothing is lost."""

import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import anthropic
import openai
import pytest

from support.fake_tocsin import Answer, FakeTocsin, fake_tocsin
from support.proxying import Proxy, proxying
from support.taken import would_be_taken
from support.vendor import WAIT, Vendor, chunked, json_answer, vendor
from support.vendor_answers import CHAT, MESSAGE, chat_stream
from support.waiting import until

ASK: Any = [{"role": "user", "content": "the-question-secret"}]


@pytest.fixture(scope="module")
def shared_stub() -> Iterator[Vendor]:
    with vendor() as made:
        yield made


@pytest.fixture
def stub(shared_stub: Vendor) -> Vendor:
    shared_stub.answers = {"gpt-1": json_answer(CHAT), "claude-1": json_answer(MESSAGE)}
    shared_stub.asked.clear()
    return shared_stub


@pytest.fixture
def tocsin() -> Iterator[FakeTocsin]:
    with fake_tocsin() as made:
        yield made
        assert would_be_taken(made)


def chat(proxy: Proxy, session: str = "s", model: str = "gpt-1", **more: Any) -> Any:
    client = openai.OpenAI(base_url=proxy.openai, api_key="sk-secret", max_retries=0)
    headers = {"x-tocsin-session": session}
    return client.chat.completions.create(model=model, messages=ASK, extra_headers=headers, **more)


def told(tocsin: FakeTocsin, session: str = "s") -> list[tuple[str, Any, str]]:
    return [
        (event["direction"], event.get("status"), event["action"])
        for event in tocsin.ledger
        if event["session_id"] == session
    ]


WHOLE = [("request", None, "log"), ("response", "200", "allow")]


def test_open_calls_pass_while_tocsin_is_away(
    stub: Vendor, tocsin: FakeTocsin, tmp_path: Path
) -> None:
    tocsin.stop()
    with proxying(tocsin, stub, tmp_path) as proxy:
        for _ in range(3):
            assert chat(proxy).id == "chatcmpl-1"
        until(lambda: "does not take events" in proxy.errors, "a word about it")
        tocsin.start()
        tocsin.wait_until(lambda: told(tocsin) == WHOLE * 3)
        until(lambda: "has the 6 events from the spool now" in proxy.errors, "another word")
        assert proxy.end() == 0


@pytest.mark.parametrize("fault", ["lose the request", "lose the answer", Answer(503), Answer(429)])
def test_events_are_stored_once_whatever_happens_to_a_request(
    stub: Vendor, tocsin: FakeTocsin, tmp_path: Path, fault: Any
) -> None:
    tocsin.faults.append(fault)
    with proxying(tocsin, stub, tmp_path) as proxy:
        chat(proxy)
        tocsin.wait_until(lambda: len(told(tocsin)) >= 2)
        chat(proxy)
        tocsin.wait_until(lambda: len(told(tocsin)) >= 4)
        assert told(tocsin) == WHOLE * 2


def test_closed_calls_pass_when_tocsin_has_their_events(
    stub: Vendor, tocsin: FakeTocsin, tmp_path: Path
) -> None:
    """And without any wait for another request."""
    with proxying(tocsin, stub, tmp_path, "--fail", "closed") as proxy:
        stub.goes_on.clear()
        stub.answers["gpt-w"] = [WAIT, *json_answer(CHAT)]
        thread = Thread(target=chat, args=(proxy, "s", "gpt-w"))
        thread.start()
        stub.until(lambda: len(stub.asked) == 1)
        assert told(tocsin) == WHOLE[:1]
        stub.goes_on.set()
        thread.join()
        tocsin.wait_until(lambda: told(tocsin) == WHOLE)
        assert tocsin.preflights == []


def test_closed_calls_are_refused_while_tocsin_is_away(
    stub: Vendor, tocsin: FakeTocsin, tmp_path: Path
) -> None:
    with proxying(tocsin, stub, tmp_path, "--fail", "closed") as proxy:
        tocsin.stop()
        with pytest.raises(openai.InternalServerError) as caught:
            chat(proxy)
        assert caught.value.status_code == 503
        assert caught.value.code == "not_recorded"
        with pytest.raises(anthropic.APIStatusError) as refused:
            anthropic.Anthropic(base_url=proxy.url, api_key="k", max_retries=0).messages.create(
                model="claude-1", max_tokens=9, messages=ASK
            )
        assert refused.value.status_code == 503
        assert refused.value.body == {
            "type": "error",
            "error": {"type": "api_error", "message": refused.value.body["error"]["message"]},  # type: ignore[index]
        }
        assert stub.asked == []
        tocsin.start()
        assert chat(proxy, "later").id == "chatcmpl-1"
        tocsin.wait_until(lambda: told(tocsin, "later") == WHOLE)
        assert told(tocsin) == [("request", None, "log"), ("response", "503", "deny")]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(401, body={"error": "no such key"}), 503),
        (Answer(429, body={"error": "the quota is used up"}), 503),
        (Answer(500), 503),
        (Answer(413, body={"error": "too large"}), 403),
        (Answer(200, body={"hello": "a captive portal"}), 503),
    ],
)
def test_closed_calls_are_refused_with_any_other_answer(
    stub: Vendor, tocsin: FakeTocsin, tmp_path: Path, answer: Answer, status: int
) -> None:
    with proxying(tocsin, stub, tmp_path, "--fail", "closed") as proxy:
        tocsin.faults.append(answer)
        with pytest.raises(openai.APIStatusError) as caught:
            chat(proxy)
        assert (caught.value.status_code, caught.value.code) == (status, "not_recorded")
        assert stub.asked == []


def test_closed_calls_do_not_wait_for_ever(
    stub: Vendor, tocsin: FakeTocsin, tmp_path: Path
) -> None:
    with (
        proxying(tocsin, stub, tmp_path, "--fail", "closed", "--patience-seconds", "0.3") as proxy,
        tocsin.changed,  # whoever wants to answer an ingest waits for this
    ):
        with pytest.raises(openai.InternalServerError, match="in time"):
            chat(proxy)
        assert stub.asked == []


def test_closed_calls_are_refused_on_a_full_disk(
    stub: Vendor, tocsin: FakeTocsin, tmp_path: Path
) -> None:
    options = "--fail", "closed", "--spool-max-mb", "0.001"
    with proxying(tocsin, stub, tmp_path, *options) as proxy:
        tocsin.stop()
        for _ in range(4):
            with pytest.raises(openai.InternalServerError) as caught:
                chat(proxy)
        assert "disk" in str(caught.value)
        assert stub.asked == []
        tocsin.start()
        tocsin.wait_until(lambda: len(tocsin.ledger) > 0)  # what there was room for


@pytest.mark.parametrize("closed", [True, False])
def test_a_suspended_session_s_calls(
    stub: Vendor, tocsin: FakeTocsin, tmp_path: Path, closed: bool
) -> None:
    tocsin.suspended.add("bad")
    with proxying(tocsin, stub, tmp_path, "--fail", "closed" if closed else "open") as proxy:
        chat(proxy, "good")
        if not closed:
            chat(proxy, "bad")
            tocsin.wait_until(lambda: told(tocsin, "bad") == WHOLE)
            return
        for _ in range(2):
            with pytest.raises(openai.PermissionDeniedError) as caught:
                chat(proxy, "bad")
            assert caught.value.code == "session_suspended"
        chat(proxy, "good")
        with pytest.raises(anthropic.PermissionDeniedError):
            anthropic.Anthropic(
                base_url=proxy.url,
                api_key="k",
                default_headers={"x-tocsin-session": "bad"},
                max_retries=0,
            ).messages.create(model="claude-1", max_tokens=9, messages=ASK)
        assert len(stub.asked) == 2
        tocsin.wait_until(lambda: len(told(tocsin, "bad")) == 6)
        assert told(tocsin, "bad")[1] == ("response", "403", "deny")
        tocsin.suspended.clear()
        chat(proxy, "bad")


def test_sigterm_lets_open_calls_end(stub: Vendor, tocsin: FakeTocsin, tmp_path: Path) -> None:
    first, *rest = chat_stream()
    stub.goes_on.clear()
    stub.answers["gpt-w"] = chunked(first, WAIT, *rest)
    with proxying(tocsin, stub, tmp_path) as proxy:
        stream = iter(chat(proxy, model="gpt-w", stream=True))
        next(stream)
        proxy.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(proxy), "no new calls")
        stub.goes_on.set()
        assert len(list(stream)) == len(rest) - 1
        assert proxy.process.wait(60) == 0
        assert told(tocsin) == WHOLE
        assert not [*tmp_path.glob("spool/*/*/*")]


def refuses(proxy: Proxy) -> bool:
    try:
        chat(proxy, "other")
    except openai.APIConnectionError:
        return True
    return False


def test_a_second_signal_ends_open_calls(stub: Vendor, tocsin: FakeTocsin, tmp_path: Path) -> None:
    stub.goes_on.clear()
    stub.answers["gpt-w"] = chunked(chat_stream()[0], WAIT)
    with proxying(tocsin, stub, tmp_path) as proxy:
        stream = iter(chat(proxy, model="gpt-w", stream=True))
        next(stream)
        proxy.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(proxy), "no new calls")
        assert proxy.end(signal.SIGINT) == 0
        with pytest.raises(openai.APIConnectionError):
            list(stream)
        stub.goes_on.set()
    with proxying(tocsin, stub, tmp_path):
        tocsin.wait_until(lambda: len(told(tocsin)) >= 2)
    assert told(tocsin) == [("request", None, "log"), ("response", "cancelled", "allow")]


@pytest.mark.parametrize("away", [True, False])
def test_a_killed_proxy_loses_nothing(
    stub: Vendor, tocsin: FakeTocsin, tmp_path: Path, away: bool
) -> None:
    stub.goes_on.clear()
    stub.answers["gpt-w"] = chunked(chat_stream()[0], WAIT)
    if away:
        tocsin.stop()
    with proxying(tocsin, stub, tmp_path) as proxy:
        chat(proxy)
        stream = iter(chat(proxy, "open", model="gpt-w", stream=True))
        next(stream)
        assert proxy.end(signal.SIGKILL) == -signal.SIGKILL
        stub.goes_on.set()
    if away:
        tocsin.start()
    with proxying(tocsin, stub, tmp_path) as proxy:
        tocsin.wait_until(lambda: len(told(tocsin)) >= 2 and len(told(tocsin, "open")) >= 2)
        assert proxy.end() == 0
    assert told(tocsin) == WHOLE
    assert told(tocsin, "open") == [("request", None, "log"), ("response", "no_response", "log")]
    links = {event["prompt_id"] for event in tocsin.ledger if event["session_id"] == "open"}
    assert len(links) == 1


def test_bodies_are_recorded_when_they_are_asked_for(
    stub: Vendor, tocsin: FakeTocsin, tmp_path: Path
) -> None:
    stub.answers["gpt-s"] = chunked(*chat_stream())
    with proxying(tocsin, stub, tmp_path, "--bodies", "--agent", "a1", "--session", "s1") as proxy:
        client = openai.OpenAI(base_url=proxy.openai, api_key="sk-secret-key")
        list(client.chat.completions.create(model="gpt-s", messages=ASK, stream=True))
        tocsin.wait_until(lambda: len(told(tocsin, "s1")) == 2)
    request, response = tocsin.ledger
    assert request["agent_id"] == response["agent_id"] == "a1"
    assert request["request"]["input"] == {"model": "gpt-s", "messages": ASK, "stream": True}
    assert response["data"]["output"] == "the-answer-secret"
    assert response["data"]["tool_calls"] == [
        {"tool_call_id": "call_9", "tool_name": "search", "input": {"q": "x"}}
    ]
    assert "sk-secret-key" not in str(tocsin.ledger)
