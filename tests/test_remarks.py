"""Quiet lines about an answer: another model than was asked, retries, what was mended."""

from __future__ import annotations

import pytest
from far_end import FarEnd
from shells import Shell

SAME = [
    ("far-model", "far-model"),
    ("gpt-4o", "gpt-4o-2024-08-06"),
    ("gpt-4", "gpt-4-0613"),
    ("o1", "o1-2024-12-17"),
    ("gpt-4o", "openai/gpt-4o"),
    ("openai/gpt-4o", "GPT-4o"),
    ("mistral-large-latest", "mistral-large-2411"),
    ("llama3.2", "llama3.2:latest"),
    ("deepseek/deepseek-r1:free", "deepseek/deepseek-r1"),
    ("gemini-2.5-flash", "models/gemini-2.5-flash-preview-04-17"),
    ("qwen2.5-7b", "/models/qwen2.5-7b.gguf"),
    ("far-model", None),
    ("far-model", ""),
]
OTHER = [
    ("gpt-4o", "gpt-4o-mini"),
    ("gpt-4", "gpt-5"),
    ("llama-3-8b", "llama-3-70b"),
    ("deepseek-v2", "deepseek-v3"),
    ("qwen2.5", "qwen2.5-coder"),
    ("deployment", "gpt-4o-2024-08-06"),
]


def answered(shell: Shell, far: FarEnd, asked: str, got: str | None) -> str:
    """What a cell writes when this model is asked, and that one answers."""
    frame = {"choices": [{"index": 0, "delta": {"content": "Hi."}, "finish_reason": "stop"}]}
    far.sends([frame if got is None else {**frame, "model": got}])
    shell.run(f"%llm_config --add far base_url={far.base_url} model={asked}")
    return shell.run("%%llm\nHello").text


@pytest.mark.parametrize(("asked", "got"), SAME)
def test_another_form_of_a_models_name_is_nothing_to_speak_of(
    shell: Shell, far: FarEnd, asked: str, got: str | None
) -> None:
    assert answered(shell, far, asked, got) == "Hi.\n"


@pytest.mark.parametrize(("asked", "got"), OTHER)
def test_another_model_than_was_asked_for_is_said_once(shell: Shell, far: FarEnd, asked: str, got: str) -> None:
    assert f"(asked {asked}, got {got})" in answered(shell, far, asked, got)
    assert answered(shell, far, asked, got) == "Hi.\n"
    assert shell["_llm"].server_model == got
