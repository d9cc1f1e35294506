"""LangChain, LangGraph and OpenAI's Agents SDK, each for real, with their callbacks."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from agents import (
    Agent,
    GuardrailFunctionOutput,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    input_guardrail,
    set_trace_processors,
    trace,
)
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from openai import AsyncOpenAI

from support.fake_tocsin import API_KEY, FakeTocsin, fake_tocsin
from support.taken import would_be_taken
from support.vendor import Vendor, json_answer, vendor
from support.vendor_answers import CHAT, RESPONSE
from tocsin.client import Client
from tocsin.client.langchain import TocsinCallback
from tocsin.client.openai_agents import TocsinProcessor

USAGE = {
    "input_tokens": 40,
    "output_tokens": 2,
    "total_tokens": 42,
    "input_token_details": {"cache_read": 30},
}


@pytest.fixture
def tocsin() -> Iterator[FakeTocsin]:
    with fake_tocsin() as server:
        yield server
        assert would_be_taken(server)


@pytest.fixture
def client(tocsin: FakeTocsin) -> Iterator[Client]:
    with Client(tocsin.url, API_KEY) as made:
        yield made


class Model(BaseChatModel):
    """Asks for a tool first, and answers then; streams when it is asked to."""

    fails: bool = False

    @property
    def _llm_type(self) -> str:
        return "fake"

    def _get_ls_params(self, stop: Any = None, **more: Any) -> Any:
        return {"ls_provider": "fake_ai", "ls_model_name": "fake-1", "ls_model_type": "chat"}

    def bind_tools(self, tools: Any, **more: Any) -> Any:
        return self

    def _answer(self, messages: list[BaseMessage]) -> dict[str, Any]:
        if self.fails:
            raise RuntimeError("the-answer-secret")
        told: dict[str, Any] = {"model_name": "fake-1-2026", "finish_reason": "stop"}
        said: dict[str, Any] = {"content": "", "usage_metadata": USAGE, "response_metadata": told}
        if messages[-1].type == "tool":
            return said | {"content": "the-answer-secret"}
        call = {
            "name": "search",
            "args": {"q": "the-args-secret"},
            "id": "call_7",
            "type": "tool_call",
        }
        return said | {"tool_calls": [call]}

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        message = AIMessage(**self._answer(messages))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self, messages: list[BaseMessage], *_: Any, **__: Any
    ) -> Iterator[ChatGenerationChunk]:
        yield ChatGenerationChunk(message=AIMessageChunk(content=""))
        yield ChatGenerationChunk(message=AIMessageChunk(**self._answer(messages)))


@tool
def search(q: str) -> str:
    """Search."""
    return "the-result-secret"


@tool
def breaks(q: str) -> str:
    """Break."""
    raise ValueError("the-reason-secret")


def graph(model: BaseChatModel) -> Any:
    def call(state: MessagesState) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    made = StateGraph(MessagesState)
    made.add_node("model", call)
    made.add_node("tools", ToolNode([search]))
    made.add_edge(START, "model")
    made.add_conditional_edges("model", tools_condition, {"tools": "tools", END: END})
    made.add_edge("tools", "model")
    return made.compile()


ASK: Any = {"messages": [("user", "the-question-secret")]}


@pytest.mark.parametrize("way", ["invoke", "stream", "async"])
def test_a_graph_is_one_trace(tocsin: FakeTocsin, client: Client, way: str) -> None:
    config = {
        "callbacks": [TocsinCallback(client, agent="a1")],
        "configurable": {"thread_id": "t1"},
    }
    agent = graph(Model())
    if way == "invoke":
        agent.invoke(ASK, config)
    elif way == "stream":
        list(agent.stream(ASK, config, stream_mode="messages"))
    else:
        asyncio.run(agent.ainvoke(ASK, config))
    tocsin.wait_until(lambda: len(tocsin.ledger) >= 4)
    first, used, second, run = tocsin.ledger
    assert [each["type"] for each in tocsin.ledger] == [
        "completion",
        "tool_call",
        "completion",
        "agent.run",
    ]
    assert {
        "tool_name": "chat",
        "model": "fake-1-2026",
        "provider": "fake_ai",
        "prompt_tokens": 40,
        "completion_tokens": 2,
        "total_tokens": 42,
        "status": "ok",
    }.items() <= first.items()
    assert first["metadata"]["cache_read_input_tokens"] == 30
    assert first["data"] == {"tool_calls": [{"tool_call_id": "call_7", "tool_name": "search"}]}
    assert (used["tool_name"], used["tool_call_id"]) == ("search", "call_7")
    assert used["metadata"]["node"] == "tools"
    assert {each["trace_id"] for each in tocsin.ledger} == {run["span_id"]}
    assert {each["session_id"] for each in tocsin.ledger} == {"t1"}
    assert {each["agent_id"] for each in tocsin.ledger} == {"a1"}
    assert "parent_id" not in run
    assert all(each["parent_id"] for each in (first, used, second))
    assert all(each["latency_ms"] >= 0 for each in tocsin.ledger)
    assert "secret" not in str(tocsin.ledger)


class Retriever(BaseRetriever):
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return [Document("the-result-secret", id="d1")]


def test_bodies_searches_and_failures(tocsin: FakeTocsin, client: Client) -> None:
    config: Any = {"callbacks": [TocsinCallback(client, bodies=True)]}
    Retriever().invoke("what", config)
    search.invoke(
        {"name": "search", "args": {"q": "x"}, "id": "call_8", "type": "tool_call"}, config
    )
    with pytest.raises(ValueError, match="secret"):
        breaks.invoke({"q": "x"}, config)
    with pytest.raises(RuntimeError):
        (RunnableLambda(lambda value: value) | Model(fails=True)).invoke("hello", config)
    tocsin.wait_until(lambda: len(tocsin.ledger) >= 5)
    found, used, broken, model, run = tocsin.ledger
    assert found["request"] == {"input": "what"}
    assert found["data"] == [{"id": "d1", "text": "the-result-secret"}]
    assert (used["tool_call_id"], used["request"]) == ("call_8", {"input": {"q": "x"}})
    assert used["data"] == "the-result-secret"
    for each in (broken, model, run):
        assert each["status"] == "error"
    assert broken["metadata"]["error"] == "ValueError"


@pytest.fixture(scope="module")
def stub() -> Iterator[Vendor]:
    with vendor() as made:
        yield made


@function_tool
def get_weather(city: str = "") -> str:
    """Tell the weather."""
    return "the-result-secret"


@input_guardrail
def harmless(context: Any, agent: Any, asked: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)


def last(value: dict[str, Any]) -> dict[str, Any]:
    """Return the answer that follows: text alone."""
    if value is RESPONSE:
        return RESPONSE | {"output": RESPONSE["output"][:1]}
    message = {"role": "assistant", "content": "the-answer-secret", "refusal": None}
    return CHAT | {"choices": [CHAT["choices"][0] | {"message": message, "finish_reason": "stop"}]}


@pytest.mark.parametrize("api", ["responses", "chat"])
@pytest.mark.parametrize("bodies", [False, True])
def test_an_agent_of_the_agents_sdk(
    tocsin: FakeTocsin, client: Client, stub: Vendor, api: str, bodies: bool
) -> None:
    value, path = (
        (RESPONSE, "/v1/responses") if api == "responses" else (CHAT, "/v1/chat/completions")
    )
    answers = [json_answer(value), json_answer(last(value))]

    class Turns(dict[str, Any]):
        def __contains__(self, key: object) -> bool:
            return key == path

        def __getitem__(self, key: str) -> Any:
            return answers.pop(0)

    stub.answers = Turns()
    openai = AsyncOpenAI(base_url=f"{stub.url}/v1", api_key="sk-the-key-secret", max_retries=0)
    kind = OpenAIResponsesModel if api == "responses" else OpenAIChatCompletionsModel
    agent = Agent(
        name="weatherman",
        model=kind(model="gpt-1", openai_client=openai),
        tools=[get_weather],
        input_guardrails=[harmless],
    )
    set_trace_processors([TocsinProcessor(client, bodies=bodies)])

    async def run() -> Any:
        with trace("test", group_id="conversation-1"):
            result = await Runner.run(agent, "the-question-secret")
        await openai.close()
        return result

    try:
        assert asyncio.run(run()).final_output == "the-answer-secret"
    finally:
        set_trace_processors([])
    tocsin.wait_until(lambda: len(tocsin.ledger) >= 5)
    by_type: dict[str, list[dict[str, Any]]] = {}
    for event in tocsin.ledger:
        by_type.setdefault(event["type"], []).append(event)
    assert {kind: len(each) for kind, each in by_type.items()} == {
        "agent.guardrail": 1,
        "completion": 2,
        "tool_call": 1,
        "agent.run": 1,
    }
    (used,) = by_type["tool_call"]
    asked = "call_1" if api == "responses" else "call_weather"
    assert (used["tool_name"], used["tool_call_id"]) == ("get_weather", asked)
    model = by_type["completion"][0]
    assert model["prompt_tokens"] == (36 if api == "responses" else 82)
    assert model["metadata"]["cache_read_input_tokens"] == (6 if api == "responses" else 40)
    assert {each["agent_id"] for each in tocsin.ledger} == {"weatherman"}
    assert {each["session_id"] for each in tocsin.ledger} == {"conversation-1"}
    assert len({each["trace_id"] for each in tocsin.ledger}) == 1
    recorded = str(tocsin.ledger)
    assert ("the-result-secret" in recorded) is bodies
    assert ("the-question-secret" in recorded) is bodies
    assert "the-key-secret" not in recorded
