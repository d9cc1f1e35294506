"""What OpenAI's Agents SDK runs, as events: agents, models, tools, handoffs and guardrails.

>>> from agents import add_trace_processor
>>> from tocsin.client.openai_agents import TocsinProcessor
>>> add_trace_processor(TocsinProcessor())  # doctest: +SKIP

Needs ``tocsin[openai-agents]``. See https://openai.github.io/openai-agents-python/tracing/.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final

from agents.tracing import Span, Trace, TracingProcessor
from agents.tracing.span_data import (
    AgentSpanData,
    FunctionSpanData,
    GenerationSpanData,
    GuardrailSpanData,
    HandoffSpanData,
    ResponseSpanData,
)

from tocsin.client._plain import plain
from tocsin.client._reporting import Reporting
from tocsin.client._sync import Client

__all__ = ["TocsinProcessor"]

_MAX_TRACES: Final = 1_000
_MAX_CALLS: Final = 1_000


class TocsinProcessor(TracingProcessor):
    """Emits one event a span, when it ends. A session is the trace's ``group_id``.

    Texts, arguments and results are recorded with ``bodies`` alone. Nothing here waits or raises.
    """

    def __init__(
        self,
        client: Client | None = None,
        *,
        agent: str | None = None,
        session: str | None = None,
        bodies: bool = False,
    ) -> None:
        """Use ``client``, or make one of ``TOCSIN_URL`` and ``TOCSIN_API_KEY``.

        Raises:
            BadEnvironment: There is neither.
        """
        self._reporting = Reporting("openai-agents", client, agent, session)
        self._bodies = bodies
        self._lock = Lock()
        self._traces: OrderedDict[str, _Trace] = OrderedDict()

    def on_trace_start(self, trace: Trace) -> None:
        """Take note of a trace."""
        with self._lock:
            self._traces[trace.trace_id] = _Trace(getattr(trace, "group_id", None))
            while len(self._traces) > _MAX_TRACES:
                self._traces.popitem(last=False)

    def on_trace_end(self, trace: Trace) -> None:
        """Forget a trace."""
        with self._lock:
            self._traces.pop(trace.trace_id, None)

    def on_span_start(self, span: Span[Any]) -> None:
        """Take note of which agent is at work."""
        if isinstance(span.span_data, AgentSpanData):
            with self._lock:
                self._trace(span).agents[span.span_id] = span.span_data.name
        else:
            with self._lock:
                trace = self._trace(span)
                agent = trace.agents.get(span.parent_id or "")
                if agent and len(trace.agents) < _MAX_CALLS:
                    trace.agents[span.span_id] = agent

    def on_span_end(self, span: Span[Any]) -> None:
        """Record a span."""
        try:
            with self._lock:
                trace = self._trace(span)
                agent = trace.agents.pop(span.span_id, None)
                said = self._said(span.span_data, trace)
            if said is not None:
                self._emit(span, trace, agent, *said)
        except Exception as error:
            self._reporting.guarded("a span", error)

    def force_flush(self) -> None:
        """Leave it to the client, which sends within 100 ms: this may be called on a hot path."""

    def shutdown(self) -> None:
        """Send what is left, within 5 seconds, unless the client is the program's own."""
        self._reporting.close()

    def _trace(self, span: Span[Any]) -> "_Trace":
        return self._traces.get(span.trace_id) or _Trace(None)

    def _said(
        self, data: Any, trace: "_Trace"
    ) -> tuple[dict[str, Any], Mapping[str, Any], Any, Any, dict[str, Any]] | None:
        """Return a span's names, further fields, input, output and metadata; None: no event."""
        match data:
            case AgentSpanData():
                return {"type": "agent.run", "agent_id": data.name}, {}, None, None, {}
            case FunctionSpanData():
                names = {
                    "type": "tool_call",
                    "tool_name": data.name,
                    "tool_call_id": trace.call_id(data.name, data.input),
                    "server_id": (data.mcp_data or {}).get("server"),
                }
                return names, {}, data.input, data.output, {}
            case ResponseSpanData():
                response = data.response
                trace.asked_for(getattr(response, "output", None))
                fields, metadata = _used(data.usage or getattr(response, "usage", None))
                metadata["response_id"] = getattr(response, "id", None)
                names = _model(getattr(response, "model", None))
                return names, fields, data.input, getattr(response, "output", None), metadata
            case GenerationSpanData():
                trace.asked_for(data.output)
                fields, metadata = _used(data.usage)
                return _model(data.model), fields, data.input, data.output, metadata
            case HandoffSpanData():
                metadata = {"from_agent": data.from_agent, "to_agent": data.to_agent}
                return (
                    {"type": "agent.handoff", "agent_id": data.from_agent},
                    {},
                    None,
                    None,
                    metadata,
                )
            case GuardrailSpanData():
                metadata = {"guardrail": data.name, "triggered": data.triggered}
                return {"type": "agent.guardrail"}, {}, None, None, metadata
        return None

    def _emit(
        self,
        span: Span[Any],
        trace: "_Trace",
        agent: str | None,
        names: dict[str, Any],
        fields: Mapping[str, Any],
        asked: Any,
        said: Any,
        metadata: dict[str, Any],
    ) -> None:
        began, ended = _moment(span.started_at), _moment(span.ended_at)
        error = span.error
        triggered = metadata.get("triggered") is True
        self._reporting.emit(
            {
                "agent_id": agent or self._reporting.agent,
                "session_id": trace.session or self._reporting.session,
                "trace_id": span.trace_id.removeprefix("trace_"),
                "span_id": span.span_id.removeprefix("span_"),
                "parent_id": span.parent_id.removeprefix("span_") if span.parent_id else None,
                "status": "error" if error else "ok",
            }
            | {name: value for name, value in names.items() if value},
            {name: plain(value) for name, value in metadata.items()}
            | {"error": plain(error["message"]) if error and self._bodies else None},
            began,
            action="alert" if triggered else "allow",
            latency_ms=round((ended - began).total_seconds() * 1_000, 3)
            if began and ended and ended >= began
            else None,
            request={"input": plain(_dumped(asked))} if self._bodies and asked else None,
            data=plain(_dumped(said)) if self._bodies and said else None,
            **fields,
        )


class _Trace:
    """What must be known of a trace: its session, agents at work, and tools' calls asked for."""

    def __init__(self, session: str | None) -> None:
        self.session = session
        self.agents: dict[str, str] = {}
        self._calls: list[tuple[str, str, str]] = []  # id, name, arguments

    def asked_for(self, output: Any) -> None:
        """Take the calls out of a model's answer: a span of a tool does not have its id."""
        for item in _dumped(output) or ():
            if not isinstance(item, Mapping):
                continue
            inner = item.get("tool_calls") or [item]  # of a chat's message, or of a response
            for call in inner:
                told = call.get("function") or call
                id, name = call.get("call_id") or call.get("id"), told.get("name")
                if id and name and len(self._calls) < _MAX_CALLS:
                    self._calls.append((str(id), str(name), str(told.get("arguments"))))

    def call_id(self, name: str, arguments: Any) -> str | None:
        """Return, once, the id of a call: with the same arguments, or else the only one."""
        same = [call for call in self._calls if call[1] == name]
        exact = [call for call in same if call[2] == arguments]
        found = exact[0] if exact else same[0] if len(same) == 1 else None
        if found is None:
            return None
        self._calls.remove(found)
        return found[0]


def _model(model: str | None) -> dict[str, Any]:
    return {"type": "completion", "tool_name": "chat", "model": model}


def _used(usage: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the counts of usage, and those of its parts."""
    told = _dumped(usage) or {}
    counts = {
        "prompt_tokens": told.get("input_tokens"),
        "completion_tokens": told.get("output_tokens"),
        "total_tokens": told.get("total_tokens"),
    }
    details = told.get("input_tokens_details") or {}
    metadata = {
        "cache_read_input_tokens": details.get("cached_tokens"),
        "cache_creation_input_tokens": details.get("cache_write_tokens"),
        "reasoning_tokens": (told.get("output_tokens_details") or {}).get("reasoning_tokens"),
    }
    return {name: count for name, count in counts.items() if isinstance(count, int)}, metadata


def _dumped(value: Any) -> Any:
    """Return what pydantic's models hold, wherever they are."""
    if isinstance(value, list | tuple):
        return [_dumped(each) for each in value]
    return value.model_dump() if hasattr(value, "model_dump") else value


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
