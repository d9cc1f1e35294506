"""What LangChain and LangGraph run, as events: models, tools, retrievers and whole agents.

>>> from tocsin.client.langchain import TocsinCallback
>>> agent.invoke(question, {"callbacks": [TocsinCallback()]})  # doctest: +SKIP

Needs ``tocsin[langchain]``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from tocsin.client._plain import plain
from tocsin.client._reporting import Reporting
from tocsin.client._runs import Runs
from tocsin.client._sync import Client

__all__ = ["TocsinCallback"]

_VIA: Final = "langchain"


class TocsinCallback(BaseCallbackHandler):
    """Emits one event a run, when it ends; a trace is a run without parent and all below it.

    A session is LangGraph's ``thread_id``, if there is one. Texts, arguments and results are
    recorded with ``bodies`` alone. Nothing here waits or raises.
    """

    run_inline = True  # it never waits, and runs are begun before they end

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
        self._reporting = Reporting(_VIA, client, agent, session)
        self._runs = Runs()
        self._bodies = bodies

    def close(self) -> None:
        """Send what is left, within 5 seconds, unless the client is the program's own."""
        self._reporting.close()

    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], **more: Any
    ) -> None:
        """Take note of a chat model's call."""
        asked = [[{"role": m.type, "content": m.content} for m in each] for each in messages]
        self._model(serialized, asked[0] if len(asked) == 1 else asked, "chat", more)

    def on_llm_start(self, serialized: dict[str, Any], prompts: list[str], **more: Any) -> None:
        """Take note of a model's call."""
        self._model(serialized, prompts, "text_completion", more)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **more: Any) -> None:
        """Record a model's call."""
        try:
            self._answered(response, run_id)
        except Exception as error:
            self._reporting.guarded("a model's call", error)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        """Record a model's call that failed."""
        self._end(run_id, error=error)

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        inputs: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Take note of a tool's call."""
        names = {
            "type": "tool_call",
            "tool_name": _name(serialized, more) or "tool",
            "tool_call_id": more.get("tool_call_id"),
        }
        self._begin(names, inputs if inputs is not None else input_str, more)

    def on_tool_end(self, output: Any, *, run_id: UUID, **more: Any) -> None:
        """Record a tool's call."""
        failed = getattr(output, "status", None) == "error"
        names = {"tool_call_id": getattr(output, "tool_call_id", None)}
        names |= {"status": "error"} if failed else {}
        self._end(run_id, names, getattr(output, "content", output))

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        """Record a tool's call that failed."""
        self._end(run_id, error=error)

    def on_retriever_start(self, serialized: dict[str, Any], query: str, **more: Any) -> None:
        """Take note of a search."""
        name = _name(serialized, more) or "retriever"
        self._begin({"type": "tool_call", "tool_name": name}, query, more)

    def on_retriever_end(self, documents: Sequence[Document], *, run_id: UUID, **more: Any) -> None:
        """Record a search."""
        found = [{"id": each.id, "text": each.page_content} for each in documents]
        self._end(run_id, {}, found, {"documents": len(found)})

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        """Record a search that failed."""
        self._end(run_id, error=error)

    def on_chain_start(self, serialized: dict[str, Any] | None, inputs: Any, **more: Any) -> None:
        """Take note of a run; one below another is no event, but leads to its trace."""
        root = more.get("parent_run_id") is None
        names = {"type": "agent.run"} if root else {}
        self._begin(names, inputs if root else None, more, {"name": _name(serialized, more)})

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **more: Any) -> None:
        """Record a run that no other has begun."""
        self._end(run_id, {}, outputs)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        """Record a run that failed."""
        self._end(run_id, error=error)

    def _model(
        self, serialized: dict[str, Any], asked: Any, operation: str, more: dict[str, Any]
    ) -> None:
        given = {**(more.get("metadata") or {}), **(more.get("invocation_params") or {})}
        names = {
            "type": "completion",
            "tool_name": operation,
            "model": given.get("ls_model_name") or given.get("model"),
            "provider": given.get("ls_provider"),
        }
        self._begin(names, asked, more)

    def _begin(
        self,
        names: dict[str, Any],
        input: Any,
        more: dict[str, Any],
        metadata: dict[str, Any] | None = None,
    ) -> None:
        try:
            given = more.get("metadata") or {}
            parent: UUID | None = more.get("parent_run_id")
            self._runs.begin(
                more["run_id"].hex,
                parent.hex if parent else None,
                names,
                given.get("thread_id"),
                plain(input) if self._bodies else None,
                {"node": plain(given.get("langgraph_node"))} | (metadata or {}),
            )
        except Exception as error:
            self._reporting.guarded("a run", error)

    def _answered(self, response: LLMResult, run_id: UUID) -> None:
        message = _message(response)
        told: Mapping[str, Any] = (message.response_metadata if message else None) or {}
        usage: Mapping[str, Any] = (message.usage_metadata if message else None) or {}
        old = (response.llm_output or {}).get("token_usage") or {}
        tokens = {
            "prompt_tokens": usage.get("input_tokens", old.get("prompt_tokens")),
            "completion_tokens": usage.get("output_tokens", old.get("completion_tokens")),
            "total_tokens": usage.get("total_tokens", old.get("total_tokens")),
        }
        details = usage.get("input_token_details") or {}
        metadata = {
            "cache_read_input_tokens": details.get("cache_read"),
            "cache_creation_input_tokens": details.get("cache_creation"),
            "finish_reason": plain(told.get("finish_reason") or told.get("stop_reason")),
            "response_id": plain(told.get("id") or message.id) if message else None,
        }
        names = {
            "model": told.get("model_name") or told.get("model"),
            "provider": told.get("model_provider"),
        }
        calls = [
            {"tool_call_id": call["id"], "tool_name": call["name"]}
            | ({"input": call["args"]} if self._bodies else {})
            for call in (message.tool_calls if message else ())
        ]
        data: dict[str, Any] = {"tool_calls": calls} if calls else {}
        if self._bodies:
            text = message.content if message else response.generations[0][0].text
            data["output"] = text
        fields = {name: count for name, count in tokens.items() if isinstance(count, int)}
        self._end(run_id, names, data or None, metadata, fields=fields, always=True)

    def _end(
        self,
        run_id: UUID,
        names: dict[str, Any] | None = None,
        data: Any = None,
        metadata: dict[str, Any] | None = None,
        *,
        error: BaseException | None = None,
        fields: dict[str, Any] | None = None,
        always: bool = False,
    ) -> None:
        """Record the end of a run; ``data`` with bodies alone, unless it is ``always`` recorded."""
        try:
            run = self._runs.end(run_id.hex)
            if run is None or not run.names:
                return
            failed = {"status": "error"} if error is not None else {}
            self._reporting.emit(
                {"status": "ok"}
                | run.names
                | {name: value for name, value in (names or {}).items() if value}
                | failed
                | {
                    "session_id": run.session or self._reporting.session,
                    "trace_id": run.root,
                    "span_id": run_id.hex,
                    "parent_id": run.parent,
                },
                run.metadata
                | (metadata or {})
                | {"error": type(error).__name__ if error is not None else None},
                run.at,
                action="allow",
                latency_ms=run.latency_ms,
                request={"input": run.input} if run.input is not None else None,
                data=plain(data) if self._bodies or always else None,
                **(fields or {}),
            )
        except Exception as failure:
            self._reporting.guarded("a run", failure)


def _message(response: LLMResult) -> AIMessage | None:
    """Return the answer; of several that were asked for at once, the first."""
    for generations in response.generations:
        for generation in generations:
            if isinstance(generation, ChatGeneration):
                message = generation.message
                return message if isinstance(message, AIMessage) else None
    return None


def _name(serialized: Mapping[str, Any] | None, more: Mapping[str, Any]) -> str | None:
    name = more.get("name") or (serialized or {}).get("name")
    return name if isinstance(name, str) else None
