"""Keys that someone is about to give away: on a magic's line, in a prompt, or in a setting."""

from __future__ import annotations

import secrets
import string
from pathlib import Path

import pytest
from far_end import FarEnd
from hypothesis import given
from hypothesis import strategies as st
from shells import Shell

from llm_magics.key_shapes import masked, shape_in

LETTERS = string.ascii_letters + string.digits


def made(prefix: str, length: int, alphabet: str = LETTERS) -> str:
    """A key in a provider's form that is nobody's."""
    return prefix + "0a" + "".join(secrets.choice(alphabet) for _ in range(length - 2))


KEYS = {
    "OpenAI": made("sk-", 48),
    "an OpenAI project": made("sk-proj-", 120),
    "Anthropic": made("sk-ant-api03-", 90),
    "OpenRouter": made("sk-or-v1-", 64),
    "GitHub": made("ghp_", 36),
    "GitHub, fine-grained": made("github_pat_", 82),
    "Amazon": "AKIA" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(16)),
    "Hugging Face": made("hf_", 34),
    "Groq": made("gsk_", 52),
    "Google": "AIza" + "".join(secrets.choice(LETTERS) for _ in range(35)),
    "xAI": made("xai-", 80),
    "Perplexity": made("pplx-", 48),
    "NVIDIA": made("nvapi-", 64),
    "GitLab": made("glpat-", 20),
    "Slack": made("xoxb-", 40),
}
WORDS = (
    "sk-learn-pipelines-v2-final",
    "sk-… is how a key begins",
    "hf_hub_download and xai-org/grok-1",
    "risk-2024-assessment-0123456789abcdef",
    "import sklearn as sk; sk-0.24.1",
    "pk_id, fw_version_2_0_1, r8_uint",
    "AKIAIOSFODNN7 is too short",
    "task-0123456789abcdef0123",
)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_prompt_that_holds_what_looks_like_a_key_is_not_sent(far_shell: Shell, far: FarEnd, key: str) -> None:
    done = far_shell.run(f"%%llm\nWhy does this fail?\n  client = Client('{key}')")
    assert done.errors.startswith("UsageError: the prompt holds what looks like a key (")
    assert "nothing was sent" in done.errors
    assert "--allow-secret" in done.errors
    assert key[:12] not in done.text + done.errors
    assert far.requests == []


@pytest.mark.parametrize("text", WORDS)
def test_words_that_only_begin_like_a_key_are_sent(far_shell: Shell, far: FarEnd, text: str) -> None:
    assert not far_shell.run(f"%%llm\n{text}").error
    assert far.chats[-1].body["messages"][-1]["content"] == text


@given(st.text())
def test_any_text_can_be_looked_at(text: str) -> None:
    assert shape_in(text) is None or masked(text) is not None


def test_with_leave_such_a_prompt_is_sent_as_it_is(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run(f"%%llm --allow-secret\nIs {KEYS['OpenAI']} well formed?")
    assert KEYS["OpenAI"] in far.chats[-1].body["messages"][-1]["content"]


def test_a_value_that_brings_a_key_into_the_prompt_is_noticed(far_shell: Shell, far: FarEnd) -> None:
    far_shell.ip.user_ns["settings"] = {"token": KEYS["Groq"]}
    assert "(gsk_…)" in far_shell.run("%%llm\nWhat is wrong with {{ settings }}?").errors
    assert far.requests == []


@pytest.mark.parametrize("line", ["-s 'Call me {}.'", "--param user={}", '--param metadata={{"a":"{}"}}'])
def test_a_parameter_that_holds_a_key_is_not_sent(far_shell: Shell, far: FarEnd, line: str) -> None:
    done = far_shell.run(f"%%llm {line.format(KEYS['OpenAI'])}\nHi")
    assert "holds what looks like a key (sk-…)" in done.errors
    assert KEYS["OpenAI"] not in done.errors
    assert far.requests == []


def test_ones_own_key_is_known_whatever_it_looks_like(
    far_shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MISTRAL_API_KEY", "correct horse battery 9")
    done = far_shell.run("%%llm -m far\nIs 'correct horse battery 9' a good password?")
    assert done.errors.startswith("UsageError: the prompt holds one of your keys: nothing was sent.")
    assert far.requests == []


def test_a_dry_run_shows_no_such_prompt_either(far_shell: Shell) -> None:
    done = far_shell.run(f"%%llm --dry-run\nMy key is {KEYS['Hugging Face']}")
    assert KEYS["Hugging Face"] not in done.text + done.errors
    assert "(hf_…)" in done.errors


def test_a_file_whose_model_is_a_key_shows_none(shell: Shell, home: Path) -> None:
    path = home / "config" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'[models.far]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "{KEYS["OpenAI"]}"\n')
    for cell in ("%llm_config", "%llm_config --models *", "%%llm\nHi", "%%llm --dry-run\nHi"):
        done = shell.run(cell)
        assert KEYS["OpenAI"][:15] not in done.text + done.errors, cell


LINES = [
    "%llm_config api_key={}",
    "%llm_config --api-key {}",
    "%llm_config --api-key={}",
    "%llm_config key={}",
    "%llm_config --key {}",
    "%llm_config token={}",
    "%llm_config OPENAI_API_KEY={}",
    "%llm_config {}",
    "%llm_config system={}",
    "%llm_config --ask-key {}",
    "%llm_config --add far2 base_url=http://127.0.0.1:9/v1 api_key={}",
    "%llm_config --add far2 base_url=http://127.0.0.1:9/v1 api_key_env={}",
    '%llm_config --add far2 base_url=http://127.0.0.1:9/v1 headers={{"Authorization":"Bearer {}"}}',
    '%llm_config --add far2 base_url=http://127.0.0.1:9/v1 headers={{"X-Custom":"{}"}}',
    '%llm_config --add far2 base_url=http://127.0.0.1:9/v1 extra_body={{"auth":"{}"}}',
    "%%llm --api-key {}\nHi",
    "%%llm --param api_key={}\nHi",
    "%%llm --token={}\nHi",
]


@pytest.mark.parametrize("line", LINES)
def test_a_key_on_a_line_is_refused_and_not_repeated(far_shell: Shell, far: FarEnd, line: str) -> None:
    key = KEYS["an OpenAI project"]
    done = far_shell.run(line.format(key))
    assert "does not belong on this line" in done.errors
    assert done.errors.count("\n") == 1
    assert key[:15] not in done.text + done.errors
    assert far.requests == []
    assert key not in repr(far_shell.run("%llm_config").text)


def test_a_header_that_asks_for_a_key_does_not_stand_on_a_line_whatever_its_value(far_shell: Shell) -> None:
    line = '%llm_config --add far2 base_url=http://127.0.0.1:9/v1 headers={"X-Api-Key":"hunter2"}'
    assert "does not belong on this line" in far_shell.run(line).errors
    line = '%llm_config --add far2 base_url=http://127.0.0.1:9/v1 headers={"X-Title":"my notebook"}'
    assert not far_shell.run(line).errors
