"""What people read: Slack, Teams, Discord. What agents wrote must not steer any of them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.notified import (
    HOSTILE,
    LINKS,
    PUBLIC_URL,
    answered,
    asked,
    called,
    endpoint,
    found,
    sealed,
    sent,
)
from tocsin.domain.approvals import Call, Status
from tocsin.domain.detect.kinds import Severity
from tocsin.domain.endpoints import Format
from tocsin.domain.segment import SealedEvent
from tocsin.wire.notify.text import units

CHATS = (Format.SLACK, Format.TEAMS, Format.DISCORD)


def message(format: Format, event: SealedEvent, **options: Any) -> dict[str, Any]:
    given: dict[str, Any] = json.loads(sent(endpoint(format), event, **options).body)
    return given


def hostile(text: str) -> SealedEvent:
    """Return a question in which an agent wrote this wherever it can."""
    name = text[:256]
    return asked(
        call=Call(
            tool=name, agent=name, owner=name, session=name, command=text, cwd=text, run_id=name
        ),
        message=text[:2_000],
        reason=text[:2_000],
    )


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a message."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


def check_slack(sent_message: dict[str, Any]) -> None:
    """Hold a message against https://docs.slack.dev/reference/block-kit/blocks."""
    blocks = sent_message["blocks"]
    assert 1 <= len(blocks) <= 50
    assert units(sent_message["text"]) <= 40_000
    for block in blocks:
        match block["type"]:
            case "header":
                assert block["text"]["type"] == "plain_text"
                assert 1 <= units(block["text"]["text"]) <= 150
            case "section":
                for text in [block["text"]] if "text" in block else []:
                    assert 1 <= units(text["text"]) <= 3_000
                assert len(block.get("fields", [])) <= 10
                assert all(1 <= units(each["text"]) <= 2_000 for each in block.get("fields", []))
            case "actions":
                assert 1 <= len(block["elements"]) <= 25
                for button in block["elements"]:
                    assert button["type"] == "button"
                    assert 1 <= units(button["text"]["text"]) <= 75
                    assert len(button["url"]) <= 3_000
                    assert len(button["action_id"]) <= 255
            case "context":
                assert 1 <= len(block["elements"]) <= 10
            case other:
                raise AssertionError(other)


def check_teams(sent_message: dict[str, Any]) -> None:
    """Hold a message against https://adaptivecards.io/explorer and 28 KB, however it is escaped."""
    assert len(json.dumps(sent_message)) < 28 * 1_024
    assert sent_message["type"] == "message"
    (attachment,) = sent_message["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.2")
    for block in card["body"]:
        assert block["type"] == "RichTextBlock"  # of which no run's text is read as Markdown
        assert block["inlines"]
        for run in block["inlines"]:
            assert run["type"] == "TextRun"
            assert run.keys() <= {"type", "text", "size", "weight", "color", "fontType"}
    for action in card["actions"]:
        assert action.keys() == {"type", "title", "url"}
        assert action["type"] == "Action.OpenUrl"


def check_discord(sent_message: dict[str, Any]) -> None:
    """Hold a message against https://docs.discord.com/developers/resources/message."""
    assert sent_message["allowed_mentions"] == {"parse": []}
    (embed,) = sent_message["embeds"]
    counted = [embed["title"], embed.get("description", ""), embed["footer"]["text"]]
    assert 1 <= units(embed["title"].strip()) <= 256
    assert units(embed.get("description", "")) <= 4_096
    assert units(embed["footer"]["text"]) <= 2_048
    assert len(embed["fields"]) <= 25
    for field in embed["fields"]:
        assert 1 <= units(field["name"].strip()) <= 256
        assert 1 <= units(field["value"].strip()) <= 1_024
        counted += [field["name"], field["value"]]
    assert sum(map(units, counted)) <= 6_000
    for row in sent_message.get("components", []):
        assert row["type"] == 1
        assert 1 <= len(row["components"]) <= 5
        for button in row["components"]:
            assert (button["type"], button["style"]) == (2, 5)
            assert units(button["label"]) <= 80
            assert len(button["url"]) <= 512


CHECKS = {
    Format.SLACK: check_slack,
    Format.TEAMS: check_teams,
    Format.DISCORD: check_discord,
}


@pytest.mark.parametrize("format", CHATS)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_event_is_within_the_service_s_limits(format: Format, text: str) -> None:
    for event in (
        hostile(text),
        called(tool_name=text[:256], request={"command": text}, status=text[:256]),
        called(request={"input": {"deep": [[[text]]]}}),
        found(description=text, unit=text),
    ):
        CHECKS[format](message(format, event, links=LINKS))


@pytest.mark.parametrize("format", CHATS)
@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1, max_size=400), times=st.integers(1, 600))
def test_any_text_is_within_the_service_s_limits(format: Format, text: str, times: int) -> None:
    CHECKS[format](message(format, hostile(text * times), links=LINKS))


@pytest.mark.parametrize("format", CHATS)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_hidden_is_in_a_message(format: Format, text: str) -> None:
    shown = message(format, hostile(text))
    assert all(c.isprintable() or c in "\n\t\u200b" for each in texts(shown) for c in each)


@given(text=st.text(max_size=300) | st.sampled_from(sorted(HOSTILE.values())))
def test_slack_reads_no_mention_and_no_link_in_what_an_agent_wrote(text: str) -> None:
    sent_message = message(Format.SLACK, hostile(text or "x"))
    assert sent_message["unfurl_links"] is sent_message["unfurl_media"] is False
    for each in texts(sent_message):
        if not each.startswith(PUBLIC_URL):
            assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", each)
    for block in sent_message["blocks"]:
        text_object = block.get("text", {})
        if text_object.get("type") == "mrkdwn":  # a block of code, to its end
            assert re.fullmatch(r"```\n.*\n```", text_object["text"], re.DOTALL)
            assert "```" not in text_object["text"][3:-3]
            assert text_object["verbatim"] is True


@given(text=st.text(max_size=300) | st.sampled_from(sorted(HOSTILE.values())))
def test_discord_reads_no_markup_in_what_an_agent_wrote(text: str) -> None:
    (embed,) = message(Format.DISCORD, hostile(text or "x"))["embeds"]
    prose, _, code = embed.get("description", "").partition("```\n")
    for each in (embed["title"], prose, *(field["value"] for field in embed["fields"])):
        unescaped = re.sub(r"\\[^0-9A-Za-z\s]", "", each)
        assert not re.search(r"[\\`*_~|<>#\[\]()@:]", unescaped)
    assert "```" not in code.removesuffix("\n```")


@pytest.mark.parametrize("format", CHATS)
def test_who_is_asked_sees_who_asks_for_what_until_when_and_can_answer(format: Format) -> None:
    sent_message = message(format, asked(), links=LINKS)
    shown = "\n".join(texts(sent_message)).replace("\\", "").replace("&amp;", "&")
    for expected in (
        "Approval needed: exec",
        "claude",
        "rm -rf build && make deploy",
        "May I deploy the new build?",
        "maria@example.com",
        "2026-03-20 09:48:40 UTC",
        LINKS.approve_url,
        LINKS.deny_url,
        f"{PUBLIC_URL}/#/approvals/apr_01kmaf7hz00000000000000000",
    ):
        assert expected in shown


@pytest.mark.parametrize("format", CHATS)
def test_an_anomaly_says_how_serious_it_is_and_what_shows_it(format: Format) -> None:
    event = found(Severity.CRITICAL)
    shown = "\n".join(texts(message(format, event))).replace("\\", "")
    for expected in (
        "critical",
        "rate spike",
        "180 calls a minute",
        "12.25",
        f"{PUBLIC_URL}/#/anomalies/{event.parse()['id']}",
    ):
        assert expected in shown


@pytest.mark.parametrize("format", CHATS)
def test_links_are_only_in_what_asks(format: Format) -> None:
    for event in (called(), found(), answered(), answered(Status.EXPIRED)):
        assert LINKS.approve_url not in texts(message(format, event, links=LINKS))


@pytest.mark.parametrize("format", CHATS)
def test_without_a_public_url_nothing_links_to_the_dashboard(format: Format) -> None:
    sent_message = message(format, called(), public_url=None)
    CHECKS[format](sent_message)
    assert "/#/" not in json.dumps(sent_message)


@pytest.mark.parametrize("format", [*CHATS, Format.PAGERDUTY, Format.EMAIL])
def test_credentials_are_masked(format: Format) -> None:
    command = "curl -H 'Authorization: Bearer abcdefghijklmnop' https://example.com"
    for event in (
        called(request={"command": command}),
        called(request={"input": {"api_key": "abcdefghijklmnop"}}),
        asked(message=command),
        called(tool_name="tocsin_acme_k1_abcdefghijklmnop"),
    ):
        assert b"abcdefghijklmnop" not in sent(endpoint(format), event).body


def test_discord_is_asked_to_take_buttons_and_to_say_that_it_has_the_message() -> None:
    assert sent(endpoint(Format.DISCORD), called()).url == (
        "https://discord.com/api/webhooks/1/token?thread_id=7&wait=true&with_components=true"
    )
    to = endpoint(Format.DISCORD, url="https://discord.com/api/webhooks/1/t?wait=false")
    assert sent(to, called()).url.endswith("/t?wait=true&with_components=true")


def test_a_link_that_discord_does_not_take_is_left_out() -> None:
    sent_message = message(Format.DISCORD, called(), public_url="https://example.com/" + "x" * 500)
    assert "components" not in sent_message
    check_discord(sent_message)


@pytest.mark.parametrize("format", CHATS)
def test_an_id_that_is_none_leads_nowhere_else(format: Format) -> None:
    event = sealed(type="approval.created", data={"approval_id": "../../evil?x=<y>"})
    sent_message = message(format, event)
    CHECKS[format](sent_message)
    assert f"{PUBLIC_URL}/#/feed/{event.parse()['id']}" in texts(sent_message)


@pytest.mark.parametrize("format", CHATS)
def test_a_checkpoint_is_there_to_be_copied(format: Format) -> None:
    signature = "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5="
    note = f"tocsin/7c1f0a52d0e8b936/acme\n41\nHUIGR9IEx=\n\n— tocsin/7c1f/acme {signature}\n"
    event = sealed(type="tocsin.checkpoint", source="tocsin", data={"checkpoint": note})
    shown = [text.replace("\\", "") for text in texts(message(format, event))]
    for line in filter(None, note.split("\n")):
        assert [text for text in shown if line in text], line
