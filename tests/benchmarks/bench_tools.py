"""A tool that is called round after round: a cell's conversation, beside the loop one writes with the bare SDK."""

from __future__ import annotations

import argparse

from common import child, report, rounds, server

SDK = """
import json, time, openai
client = openai.OpenAI()
TOOL = {"type": "function", "function": {"name": "double", "description": "Double a number.", "parameters": {
    "type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}}}
def double(number):
    return 2 * number
def talk(model):
    messages, ran = [{"role": "user", "content": "Go"}], 0
    while True:
        stream = client.chat.completions.create(model=model, messages=messages, tools=[TOOL], stream=True)
        text, calls = "", {}
        for chunk in stream:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                for piece in choice.delta.tool_calls or []:
                    call = calls.setdefault(piece.index, {"id": piece.id, "name": piece.function.name, "text": ""})
                    call["text"] += piece.function.arguments or ""
        if not calls:
            return ran
        asked = [{"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["text"]}}
                 for c in calls.values()]
        messages.append({"role": "assistant", "tool_calls": asked})
        for call in calls.values():
            ran += 1
            result = str(double(**json.loads(call["text"])))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
"""
OURS = """
import json, time
from IPython.core.interactiveshell import InteractiveShell
import llm_magics
from llm_magics.events import Ask
from llm_magics.live import Silent
shell = InteractiveShell.instance()
@llm_magics.tool
def double(number: int) -> int:
    \"\"\"Double a number.\"\"\"
    return 2 * number
def talk(model):
    ask = Ask(prompt="Go", models=("openai/" + model,), tools=("double",), params={"max_tool_rounds": 1000,
              "max_tool_calls": 1000})
    answer = llm_magics.get_session().ask(ask, {"double": double}, lambda who: Silent())
    return sum(len(step.runs) for step in answer.steps)
"""
ONCE = """
talk("calls2-n8")
began, cpu = time.perf_counter(), time.process_time()
ran = talk(f"calls{calls}-n8")
print(json.dumps({"ms": (time.perf_counter() - began) * 1e3 / calls, "cpu": (time.process_time() - cpu) * 1e3 / calls,
                  "ran": ran}))
"""


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=60)
    options = parser.parse_args()
    with server() as url:
        ways = {
            "openai, a loop by hand": lambda: child(SDK + ONCE, url, calls=options.calls),
            "llm_magics, cell without display": lambda: child(OURS + ONCE, url, calls=options.calls),
        }
        results = rounds(ways, options.rounds)
        assert {one["ran"] for measured in results.values() for one in measured} == {options.calls}, "the same calls"
        report(f"{options.calls} rounds with a call each, wall a round", results, "ms", "ms", "openai, a loop by hand")
        report("the same, client CPU", results, "cpu", "ms", "openai, a loop by hand")


if __name__ == "__main__":
    main()
