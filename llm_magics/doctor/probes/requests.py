"""What a request may hold besides a prompt: a system message, tools, a JSON schema, a person's own settings."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llm_magics.config import request_params
from llm_magics.doctor.checkup import NOTHING, Checkup, Row
from llm_magics.doctor.remedies import remedy
from llm_magics.printable import short_line


async def system_role(c: Checkup) -> Row:
    asked = await c.ask("Say hello.", system="Answer with one word.")
    if asked.error is not None:
        return c.failed(asked)
    return c.refused("system role") or c.fine("taken")


async def temperature(c: Checkup) -> Row:
    given = c.patient.settings.get("temperature", 0.5)
    asked = await c.ask("Say hello.", temperature=given)
    if asked.error is not None:
        return c.failed(asked)
    return c.refused("temperature") or c.fine(f"{given} is taken")


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
_CALL_AS_TEXT = re.compile(r"<tool_call>|<\|python_tag\|>|\[TOOL_CALLS\]|\"name\"\s*:\s*\"get_weather\"")


async def tools(c: Checkup) -> Row:
    asked = await c.ask("What is the weather in Oslo? Use the tool.", tools=[WEATHER], tool_choice="auto")
    if asked.error is not None:
        return c.failed(asked)
    said = c.learnt["tools"].said if "tools" in c.learnt else ""
    if (row := c.refused("tools", remedy("tools", c.server, said))) is not None:
        return row
    reply = asked.outcome.reply
    called = [call.function.name for call in reply.message().tool_calls or [] if call.type == "function"]
    if called:
        return c.fine(f"called {called[0]}")
    if _CALL_AS_TEXT.search(reply.text):
        return c.wrong("taken, but the call came as text", remedy("tools", c.server))
    cut = ": its tokens were used up before" if reply.finish_reason == "length" else ""
    return c.fine(f"taken, but not called{cut}")


COLOUR = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
SCHEMA = {"name": "answer", "strict": True, "schema": {**COLOUR, "additionalProperties": False}}


async def json_schema(c: Checkup) -> Row:
    wanted = {"type": "json_schema", "json_schema": SCHEMA}
    asked = await c.ask("Name a colour, as JSON.", response_format=wanted)
    if asked.error is not None:
        return c.failed(asked)
    if (row := c.refused("JSON schema")) is not None:
        if "response_format" in c.learnt:
            return replace(row, detail=row.detail.replace("refused", "refused, as JSON mode is", 1))
        return row
    reply = asked.outcome.reply
    if _fits(reply.text):
        return c.fine("kept to")
    if reply.finish_reason == "length":
        return c.fine("taken; the answer was cut before its end")
    what = f"taken, but not kept to: “{short_line(reply.text, 60)}”"
    return c.wrong(what, "Ask for JSON with --as json.", handled=True)


def _fits(text: str) -> bool:
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(text)
        return isinstance(value, dict) and isinstance(value.get("colour"), str)
    return False


_TRIED = ("max_tokens", "max_completion_tokens", "temperature", "stream_options", "response_format", "n", "tools")
_TRIED_TOO = ("tool_choice", "functions", "function_call", "parallel_tool_calls", "audio", "modalities")


def own(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that a person set besides those that other probes send."""
    return {key: value for key, value in request_params(settings) if key not in (*_TRIED, *_TRIED_TOO)}


async def settings(c: Checkup) -> Row:
    given = own(c.patient.settings)
    asked = await c.ask("Say hello.", **given)
    if asked.error is not None:
        return c.failed(asked, f"Take out what it does not know: {', '.join(given)}.")
    refused = [name for name in given if name in c.learnt]
    if not refused:
        return c.fine(f"{', '.join(given)}: taken")
    return c.wrong(f"refused: {', '.join(refused)}", NOTHING.format("asked without"), handled=True)
