"""Keys that stand in tables of settings, as some gateways want them: as much keys as any other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from far_end import FarEnd
from shells import Shell

KEY = "canary-0123-of-a-gateway"
LINES = (
    f'%llm_config extra_body={{"api_key": "{KEY}"}}',
    f'%llm_config provider={{"options": [{{"password": "{KEY}"}}]}}',
    f'%llm_config --add near base_url=http://127.0.0.1:9/v1 extra_body={{"token": "{KEY}"}}',
    f'%%llm --param extra_body={{"client_secret": "{KEY}"}}\nHi',
)


@pytest.mark.parametrize("cell", LINES)
def test_a_key_within_a_table_does_not_stand_on_a_line_either(far_shell: Shell, far: FarEnd, cell: str) -> None:
    done = far_shell.run(cell)
    assert done.errors.startswith("UsageError: A key does not belong on this line:")
    assert KEY not in done.errors
    assert far.requests == []
    assert far_shell.run("%%llm\nHi").error is None
    assert "extra_body" not in far.chats[0].body


def test_what_only_names_something_may_stand_there(far_shell: Shell, far: FarEnd) -> None:
    schema = '{"type":"json_schema","json_schema":{"schema":{"properties":{"password":{"type":"string"}}}}}'
    far_shell.run(f'%%llm --param metadata={{"key":"a","max_tokens":"b"}} --param response_format={schema}\nHi')
    assert far.chats[0].body["metadata"] == {"key": "a", "max_tokens": "b"}
    assert far.chats[0].body["response_format"]["json_schema"]["schema"]["properties"]["password"]


@pytest.fixture(params=['extra_body = {{ api_key = "{0}" }}', 'headers = {{ X-Credential = "{0}" }}'])
def keyed(shell: Shell, far: FarEnd, home: Path, request: pytest.FixtureRequest) -> Path:
    """The user's file, with a key in a table."""
    path = home / "config" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'[models.far]\nbase_url = "{far.base_url}"\n{request.param.format(KEY)}\n')
    path.chmod(0o600)
    return path


def test_a_key_within_a_table_is_sent_and_shown_nowhere(shell: Shell, far: FarEnd, keyed: Path) -> None:
    far.fails(401, {"error": {"message": f"no such key: {KEY}"}}, times=1).answers(f"It is {KEY}.")
    shown = [
        shell.run(cell) for cell in ("%%llm\nHi", "%%llm\nHi", "%llm_config", "%%llm --dry-run\nHi", "print(_llm)")
    ]
    assert "no such key: ***" in str(shown[0].error)
    assert "It is ***." in shown[1].text
    assert all(KEY in str((chat.body, chat.headers)) for chat in far.chats)
    assert all("***" in done.text for done in shown[2:4])
    assert not any(KEY in done.text + done.errors + str(done.error) for done in shown)
    assert KEY not in repr(shell["_llm"])


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_a_key_within_a_table_makes_a_file_private(shell: Shell, far: FarEnd, keyed: Path) -> None:
    keyed.chmod(0o644)
    assert f"chmod 600 {keyed}" in shell.run("%%llm\nHi").errors
    assert far.requests == []
