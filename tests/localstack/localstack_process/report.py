"""What CloudWatch Logs gets of an invocation, in Lambda's text format."""

import math

__all__ = ["lines"]

_MB = 1024 * 1024


def lines(
    request_id: str,
    *,
    version: str,
    output: bytes,
    seconds: float,
    init_seconds: float | None,
    memory_mb: int,
    used_bytes: int,
    fault: str | None,
) -> str:
    """Return the lines; ``output`` is what the function printed since the last report."""
    facts = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {seconds * 1000:.2f} ms",
        f"Billed Duration: {math.ceil(seconds * 1000)} ms",
        f"Memory Size: {memory_mb} MB",
        f"Max Memory Used: {math.ceil(used_bytes / _MB)} MB",
    ]
    if init_seconds is not None:
        facts.append(f"Init Duration: {init_seconds * 1000:.2f} ms")
    if fault == "Sandbox.Timedout":
        facts.append("Status: timeout")
    elif fault:
        facts.append(f"Status: error\tError Type: {fault}")
    said = output.decode(errors="replace")
    if said and not said.endswith("\n"):
        said += "\n"
    return (
        f"START RequestId: {request_id} Version: {version}\n"
        f"{said}END RequestId: {request_id}\n" + "\t".join(facts) + "\n"
    )
