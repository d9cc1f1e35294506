"""What OpenAI's and Anthropic's APIs answer, as their documentation shows it."""

from typing import Any

from support.vendor import event_stream

__all__ = [
    "CHAT",
    "EMBEDDINGS",
    "MESSAGE",
    "RESPONSE",
    "TEXT",
    "chat_stream",
    "message_stream",
    "response_stream",
]

TEXT: dict[str, Any] = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1,
    "model": "text-1-2026",
    "choices": [
        {"index": 0, "text": "the-answer-secret", "finish_reason": "length", "logprobs": None}
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
}
CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-1-2026",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "logprobs": None,
            "message": {
                "role": "assistant",
                "content": None,
                "refusal": None,
                "tool_calls": [
                    {
                        "id": "call_weather",
                        "type": "function",
                        "function": {
                            "name": "get_weather",
                            "arguments": '{"city":"the-args-secret"}',
                        },
                    }
                ],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 82,
        "completion_tokens": 17,
        "total_tokens": 99,
        "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 9},
    },
}
EMBEDDINGS: dict[str, Any] = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.25] * 512}],
    "model": "embed-1",
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-1",
    "content": [
        {"type": "text", "text": "the-answer-secret"},
        {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 30,
        "output_tokens": 20,
    },
}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-1-2026",
    "status": "completed",
    "error": None,
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "the-answer-secret", "annotations": []}],
        },
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": "get_weather",
            "arguments": "{}",
            "status": "completed",
        },
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 36,
        "input_tokens_details": {"cached_tokens": 6},
        "output_tokens": 87,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 123,
    },
}


def chat_stream(*, usage: bool = True, done: bool = True) -> list[bytes]:
    """Return a chat's chunks: a tool's call in two parts."""
    head = {"id": "chatcmpl-2", "object": "chat.completion.chunk", "created": 1, "model": "gpt-1"}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    def tool(**said: Any) -> dict[str, Any]:
        return chunk({"tool_calls": [{"index": 0} | said]})

    values: list[Any] = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "the-answer-"}),
        chunk({"content": "secret"}),
        tool(id="call_9", type="function", function={"name": "search", "arguments": ""}),
        tool(function={"arguments": '{"q":'}),
        tool(function={"arguments": '"x"}'}),
    ]
    if done:
        values.append(chunk({}, "tool_calls"))
        if usage:
            told = {"prompt_tokens": 11, "completion_tokens": 22, "total_tokens": 33}
            values.append(head | {"choices": [], "usage": told})
        values.append("[DONE]")
    return event_stream(*values)


def message_stream() -> list[bytes]:
    """Return the events of a message with a tool's call, as in Anthropic's documentation."""
    start = MESSAGE | {"content": [], "stop_reason": None}
    start = start | {"usage": MESSAGE["usage"] | {"output_tokens": 1}}
    block = {"type": "tool_use", "id": "toolu_2", "name": "get_weather", "input": {}}
    return event_stream(
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "the-answer-secret"},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": block},
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": '{"city": "Oslo"}'},
        },
        {"type": "content_block_stop", "index": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 89},
        },
        {"type": "message_stop"},
        named=True,
    )


def response_stream() -> list[bytes]:
    """Return the events of a response."""
    begun = RESPONSE | {"status": "in_progress", "output": [], "usage": None}
    return event_stream(
        {"type": "response.created", "sequence_number": 0, "response": begun},
        {
            "type": "response.output_text.delta",
            "sequence_number": 1,
            "item_id": "msg_1",
            "output_index": 0,
            "content_index": 0,
            "delta": "the-answer-secret",
            "logprobs": [],
        },
        {
            "type": "response.output_item.done",
            "sequence_number": 2,
            "output_index": 1,
            "item": RESPONSE["output"][1],
        },
        {"type": "response.completed", "sequence_number": 3, "response": RESPONSE},
        named=True,
    )
