"""Take the pictures in the documentation: ``python -m support.screenshots FOLDER``.

They are of the running product with a history made for them, in a real browser.
"""

import asyncio
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from support.browser import chromium
from support.dashboard import visit
from support.product import TOCSIN, Product
from support.receiver import Received, Receiver, Reply, receiving
from support.waiting import HANG_SECONDS

_AGENTS = ("reviewer", "planner", "support-bot", "data-steward")
_TOOLS = ("search", "read_file", "write_file", "exec", "http_get", "sql_query", "send_mail")
_MODELS = (("claude-sonnet-4", "anthropic"), ("gpt-5", "openai"), ("gemini-3-pro", "google"))
_EVENTS, _SECONDS_BETWEEN = 900, 4
_PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}


def _history(now: datetime) -> list[dict[str, Any]]:
    chance, events = random.Random(1), []  # noqa: S311 (the same pictures each time)
    for number in range(_EVENTS):
        agent, tool = chance.choice(_AGENTS), chance.choice(_TOOLS)
        event: dict[str, Any] = {
            "type": "tool_call",
            "toolName": tool,
            "action": chance.choices(("allow", "log", "deny"), (20, 3, 1))[0],
            "agentId": agent,
            "sessionId": f"{agent}-{number // 150}",
            "traceId": f"trace-{number // 6}",
            "spanId": f"span-{number}",
            "timestamp": (
                now - timedelta(seconds=(_EVENTS - number) * _SECONDS_BETWEEN)
            ).isoformat(),
            "metadata": {"rows": chance.randint(1, 400)},
        }
        if number % 6:
            event["parentId"] = f"span-{number - chance.randint(1, number % 6)}"
        if number % 4 == 0:
            model, provider = chance.choice(_MODELS)
            event |= {"type": "completion", "model": model, "provider": provider}
            event |= {"prompt_tokens": chance.randint(300, 4_000), "completion_tokens": 200}
            event |= {"cost_usd": round(chance.uniform(0.001, 0.05), 4)}
        events.append(event)
    return events


def _fill(product: Product) -> None:
    """Have the product hold a history, an anomaly, and two calls that wait."""
    with httpx.Client(
        base_url=product.url, headers=product.headers, timeout=HANG_SECONDS
    ) as client:
        url = "/api/v1/ingest/raw?wait=sealed&backfill=true"
        client.post(url, json={"events": _history(datetime.now(UTC))}).raise_for_status()
        reach = ["--url", product.url, "--api-key", product.api_key]
        subprocess.run([TOCSIN, "demo", "spike", *reach], check=True)  # noqa: S603 (our own)
        until = [str(TOCSIN), "tail", "--until", "anomaly", "--after", "0", "--timeout", "120"]
        subprocess.run([*until, *reach], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        for command in ("git push --force origin main", "rm -rf build/releases"):
            ask = {
                "tool": "exec",
                "agent": "reviewer",
                "session": "reviewer-5",
                "run_id": "release-42",
                "message": "The release branch has to be cleaned up before the build.",
                "command": command,
                "cwd": "/srv/app",
                "input": {"command": command, "timeout_seconds": 60},
                "ttl": 3_600,
            }
            client.post("/v1/approvals", json=ask).raise_for_status()


def _broken_now_and_then(received: Received) -> Reply:
    if received.number % 4 == 2:
        return Reply(503, body=b'{"error": "the index is being rebuilt, come back in a moment"}')
    return Reply(202, body=b'{"queued": true}')


def _deliver(product: Product, receiver: Receiver) -> str:
    """Have events sent to an endpoint; return its id."""
    with httpx.Client(
        base_url=product.url, headers=product.headers, timeout=HANG_SECONDS
    ) as client:
        wanted = {"types": ["tool_call", "anomaly", "approval.created", "approval.resolved"]}
        endpoint = {"url": receiver.url, "description": "Security operations", **wanted}
        made = client.post("/api/v1/webhooks", json=endpoint).raise_for_status().json()
        for number in range(6):
            event = {"type": "tool_call", "toolName": _TOOLS[number], "agentId": _AGENTS[0]}
            sent = {"events": [{**event, "action": "allow"}]}
            client.post("/api/v1/ingest/raw?wait=sealed", json=sent).raise_for_status()
            receiver.wait(number + 1)
    return str(made["id"])


async def _take(product: Product, folder: Path, endpoint: str) -> None:
    async with chromium() as browser:
        for name, fragment, scheme, options in (
            ("feed", "#/feed", "light", {}),
            ("approvals", "#/approvals", "light", {}),
            ("anomalies", "#/anomalies", "dark", {}),
            ("rates", "#/rates", "dark", {}),
            ("deliveries", f"#/deliveries/{endpoint}", "light", {}),
            ("verify", "#/verify?from=1&start=1", "light", {}),
            ("phone", "#/approvals", "dark", _PHONE),
        ):
            wide = {"viewport": {"width": 1280, "height": 800}} | options
            async with visit(browser, product.url, color_scheme=scheme, **wide) as visitor:
                await visitor.sign_in(product.api_key, fragment)
                page = visitor.page
                if name == "feed":
                    await page.get_by_role("option").nth(3).click()
                elif name in ("approvals", "anomalies"):
                    await page.locator("main li a, main [role=option], main tr a").first.click()
                await page.wait_for_timeout(1_500)  # charts, and what arrives
                await page.screenshot(path=folder / f"{name}.png")


def main() -> None:
    """Take them all."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="tocsin-screenshots-") as home:
        product = Product(Path(home) / "home")
        try:
            product.start()
            _fill(product)
            with receiving(_broken_now_and_then) as receiver:
                asyncio.run(_take(product, folder, _deliver(product, receiver)))
        finally:
            product.stop()


if __name__ == "__main__":
    main()
