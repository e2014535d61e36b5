"""What servers say when a model takes no tools, and what sounds like it but is not: for the tests of both callers."""

from __future__ import annotations

import json
from typing import Any


def error(message: str, code: Any = None, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "code": code, **more}}


def wrapped(provider_says: Any) -> dict[str, Any]:
    """As OpenRouter hands on what the provider behind it said."""
    metadata = {"raw": json.dumps(provider_says), "provider_name": "Someone"}
    return error("Provider returned error", 400, metadata=metadata)


NEEDS_PARSER = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
FORBIDDEN = {"type": "extra_forbidden", "loc": ["body", "tools"], "msg": "Extra inputs are not permitted", "input": []}

# name: (status, body)
REFUSALS: dict[str, tuple[int, Any]] = {
    "ollama": (400, error("registry.ollama.ai/library/gemma3:4b does not support tools", type="api_error", param=None)),
    "ollama, text only": (400, {"error": "gemma3:4b does not support tools"}),
    "vllm": (400, error(NEEDS_PARSER, 400, type="BadRequestError", param=None)),
    "older vllm": (400, {"object": "error", "message": NEEDS_PARSER, "type": "BadRequestError", "code": 400}),
    "vllm, required": (400, error("tool_choice=required requires --tool-call-parser to be set", 400)),
    "llama.cpp": (500, error("tools param requires --jinja flag", 500, type="server_error")),
    "older llama.cpp": (500, error("Cannot use tools with stream", 500)),
    "older llama.cpp, choice": (500, error("Unsupported param: tool_choice", 500)),
    "nim": (501, error("Tool usage is only supported for Chat Completions API")),
    "nim, text": (501, "Tool usage is only supported for Chat Completions API"),
    "openrouter": (
        404,
        error("No endpoints found that support tool use. To learn more about provider routing, visit: https://x", 404),
    ),
    "openrouter, raw": (400, wrapped(error("tools is not supported in this model"))),
    "openrouter, raw text": (400, wrapped("This model does not support function calling")),
    "openai": (400, error("tools is not supported in this model. For a list of supported models, refer to https://x")),
    "azure": (404, error("Unrecognized request argument supplied: tools")),
    "azure, version": (400, error("Functions are not supported for this API version or this model version.")),
    "groq": (400, error("`tool calling` is not supported with this model", type="invalid_request_error")),
    "earlier groq": (400, error("`tools` is not supported with this model")),
    "mistral": (400, {"object": "error", "message": "Function calling is not enabled for this model", "code": "3051"}),
    "mistral, forbidden": (422, {"object": "error", "message": {"detail": [FORBIDDEN]}, "code": 3001}),
    "gemini": (400, error("Function calling is not enabled for models/gemma-3-27b-it", 400, status="INVALID_ARGUMENT")),
    "gemini, in a list": (400, [error("Function calling is not enabled for models/gemma-3-27b-it", 400)]),
    "deepseek": (400, error("deepseek-reasoner does not support Function Calling")),
    "vercel": (405, error("Tool calling is not supported for model: acme/tiny")),
    "litellm": (
        400,
        error("litellm.UnsupportedParamsError: azure does not support parameters: ['tool_choice'], for model=x", "400"),
    ),
    "litellm, wrapped": (
        400,
        error('litellm.BadRequestError: OllamaException - {"error":"gemma3 does not support tools"}', "400"),
    ),
    "fastapi": (422, {"detail": [FORBIDDEN]}),
    "fastapi, location last": (422, {"detail": [{"msg": "extra fields not permitted", "loc": ["body", "tools"]}]}),
    "generic": (400, error("This model is not supported for tool calling.")),
    "generic, tools": (400, error("tools are not supported")),
    "generic, use": (422, error("tool use is not supported")),
    "serde": (422, "Failed to deserialize the JSON body: unknown field `tools`, expected one of `model`, `messages`"),
    "glm": (400, error("'tools' is not supported for model glm-3")),
    "fireworks": (400, error("Extra inputs are not permitted, field: 'tools', value: [{'type': 'function'}]")),
    "doesn't": (400, error("Sorry, this model doesn't support tool calls.")),
    "text": (400, "this endpoint does not support tools"),
    "detail": (400, {"detail": "Tools are not supported by this deployment's model."}),
}

ECHO = {"messages": [{"role": "user", "content": "why are tools are not supported?"}], "tools": [{"type": "function"}]}

NOT_REFUSALS: dict[str, tuple[int, Any]] = {
    "groq, call failed": (
        400,
        error("Failed to call a function. Please adjust your prompt.", "tool_use_failed", failed_generation="x"),
    ),
    "schema": (
        400,
        error("Invalid schema for function 'f': tools is not supported here", "invalid_function_parameters"),
    ),
    "name": (
        400,
        error("Invalid 'tools[0].function.name': string does not match pattern.", param="tools[0].function.name"),
    ),
    "too many": (400, error("Invalid 'tools': array too long. Expected an array with maximum length 128.")),
    "history": (400, error("messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.")),
    "id": (400, error("tool_call_id call_1 is unknown; tools are not supported to answer it")),
    "context": (
        400,
        error(
            "This model's maximum context length is 8192 tokens; functions are not supported beyond.",
            "context_length_exceeded",
        ),
    ),
    "effort": (
        400,
        error(
            "Function tools with reasoning_effort are not supported for gpt-6. Set reasoning_effort to 'none'.",
            param="reasoning_effort",
        ),
    ),
    "streaming only": (400, error("This model doesn't support tool use in streaming mode.")),
    "parallel": (400, error("parallel tool calls are not supported by this model")),
    "strict": (400, error("'strict' in tools is not supported")),
    "combination": (400, error("response_format with tools is not supported")),
    "key": (401, error("Tools are not supported for this API key")),
    "quota": (400, error("You exceeded your quota; tools are not supported on the free plan")),
    "forbidden": (403, error("tools are not supported in your region")),
    "no such model": (404, error("The model `tools-7b` does not exist.", "model_not_found")),
    "ollama, no such model": (404, error('model "tooly" not found, try pulling it first')),
    "another field": (422, {"detail": [{**FORBIDDEN, "loc": ["body", "logit_bias"]}]}),
    "inside a tool": (422, {"detail": [{**FORBIDDEN, "loc": ["body", "tools", 0, "function", "strict"]}]}),
    "echo": (
        422,
        {"detail": [{"type": "missing", "loc": ["body", "max_tokens"], "msg": "Field required", "input": ECHO}]},
    ),
    "temperature": (
        400,
        error("'temperature' does not support 0.2 with this model.", "unsupported_value", param="temperature"),
    ),
    "mentions": (400, error("Something went wrong while tools were being used.")),
    "tool choice value": (400, error("tool_choice 'f' names no tool among tools", param="tool_choice")),
    "web page": (400, "<html><title>400</title>Bad request</html>"),
    "nothing": (400, ""),
}
