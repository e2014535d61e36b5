"""Whom prompts and keys go to: project files that someone allowed once, files others can write to, plain http."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from far_end import FarEnd
from kernels import Kernel, kernel
from shells import Shell

from llm_magics import call_llm, session, trust

KEY = "sk-canary-0123456789abcdef"
posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")


@pytest.fixture
def project(home: Path, far: FarEnd, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's file that wants the key of OpenAI for a host of its own."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    path = home / "work" / "llm_magics.toml"
    path.write_text(f'[models.openai]\nbase_url = "{far.base_url}"\n')
    return path


def renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a restart of the kernel does to the session."""
    monkeypatch.setattr(session, "_current", session.Session())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_project_file_trusted_once_is_trusted_in_other_kernels_until_it_changes(
    shell: Shell, far: FarEnd, project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "%llm_config --trust" in shell.run("%%llm -m openai\nHi").errors
    assert far.requests == []
    assert shell.run("%llm_config --trust").text == f"Trusted as it is now: {project}\n"
    renewed(monkeypatch)
    assert not shell.run("%%llm -m openai\nHi").errors
    project.write_text(project.read_text() + "# changed\n")
    renewed(monkeypatch)
    assert "%llm_config --trust" in shell.run("%%llm -m openai\nHi").errors
    assert len(far.chats) == 1


def test_the_same_file_elsewhere_is_not_trusted(shell: Shell, far: FarEnd, project: Path, home: Path) -> None:
    shell.run("%llm_config --trust")
    other = home / "other"
    other.mkdir()
    (other / project.name).write_text(project.read_text())
    shell.run(f"%cd -q {other}")
    assert "%llm_config --trust" in shell.run("%%llm -m openai\nHi").errors
    assert far.requests == []


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_not_trusted(
    shell: Shell, far: FarEnd, project: Path
) -> None:
    shell.run("%llm_config --trust")
    assert not shell.run("%%llm -m openai\nHi").errors
    before = project.stat()
    with FarEnd() as other:
        text = project.read_text().replace(str(far.port), str(other.port).rjust(len(str(far.port))))
        project.write_text(text)
        os.utime(project, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert shell.run("%%llm -m openai\nHi").errors
        assert other.requests == []


def test_a_line_that_fails_trusts_nothing(shell: Shell, far: FarEnd, project: Path) -> None:
    shell.run("%llm_config --trust temperature=hot")
    assert "%llm_config --trust" in shell.run("%%llm -m openai\nHi").errors


@posix
@pytest.mark.parametrize("way", ["api_key = {key!r}", "headers = {{ X-Api-Key = {key!r} }}"])
def test_a_key_in_the_users_own_file_goes_to_no_address_of_a_projects_file(
    shell: Shell, far: FarEnd, home: Path, way: str
) -> None:
    own = home / "config" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text(f'[models.mine]\nbase_url = "https://llm.example.org/v1"\n{way.format(key=KEY)}\n')
    own.chmod(0o600)
    project = home / "work" / "llm_magics.toml"
    for more in ("", 'api_key_env = "OPENAI_API_KEY"'):
        project.write_text(f'[models.mine]\nbase_url = "{far.base_url}"\n{more}\n')
        done = shell.run("%%llm -m mine\nHi")
        assert "%llm_config --trust" in done.errors
        assert f"sends the prompts of 'mine' to 127.0.0.1:{far.port} with the key from " in done.errors
        assert f"user file {own}" in done.errors
    project.write_text('[models.mine]\nbase_url = "https://api.openai.com/v1"\napi_key_env = "OPENAI_API_KEY"\n')
    assert "to api.openai.com with the key from OPENAI_API_KEY or user file" in shell.run("%%llm -m mine\nHi").errors
    assert far.requests == []


@posix
def test_a_project_file_with_a_key_of_its_own_does_not_choose_in_whose_name_one_asks(
    shell: Shell, project: Path
) -> None:
    project.write_text('[models.openai]\napi_key = "sk-of-a-stranger-0123456789"\n')
    project.chmod(0o600)
    assert "sends the prompts of 'openai' to api.openai.com" in shell.run("%%llm -m openai\nHi").errors


def test_python_gets_no_model_of_a_projects_file_that_nobody_allowed(shell: Shell, far: FarEnd, project: Path) -> None:
    for _ in range(2):
        manager = session.current().manager
        with contextlib.suppress(ValueError):
            call_llm("openai", "Hi", manager)
        assert far.requests == []
    shell.run("%llm_config --trust")
    call_llm("openai", "Hi", session.current().manager)
    assert far.chats[0].headers["authorization"] == f"Bearer {KEY}"


@posix
def test_a_folders_name_writes_nothing_else_into_the_question(
    shell: Shell, far: FarEnd, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = project.parent / "a\x1b[2Kb\nfine"
    odd.mkdir()
    (odd / project.name).write_text(project.read_text())
    monkeypatch.chdir(odd)
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "n")
    shell.run("%%llm -m openai\nHi")
    assert len(asked) == 1
    assert asked[0].isprintable()


@posix
def test_what_is_remembered_only_its_owner_can_read_and_write(
    shell: Shell, project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0)
    try:
        shell.run("%llm_config --trust")
        shell.run("%llm_config temperature=0.5 --save")
    finally:
        os.umask(before)
    folder = home / "config"
    assert [mode(path) for path in (folder, folder / "trusted.json", folder / "saved.toml")] == [0o700, 0o600, 0o600]
    assert str(project) in (folder / "trusted.json").read_text()


@posix
def test_what_others_could_have_written_is_not_believed(
    shell: Shell, far: FarEnd, project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.run("%llm_config --trust")
    remembered = home / "config" / "trusted.json"
    remembered.chmod(0o666)
    renewed(monkeypatch)
    assert "%llm_config --trust" in shell.run("%%llm -m openai\nHi").errors
    remembered.rename(home / "elsewhere.json")
    (home / "elsewhere.json").chmod(0o600)
    remembered.symlink_to(home / "elsewhere.json")
    assert "%llm_config --trust" in shell.run("%%llm -m openai\nHi").errors
    assert far.requests == []


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"a": 1}', "\x00"])
def test_a_broken_memory_trusts_nothing_and_is_no_obstacle(
    shell: Shell, far: FarEnd, project: Path, home: Path, text: str
) -> None:
    (home / "config").mkdir(exist_ok=True)
    (home / "config" / "trusted.json").write_text(text)
    assert "%llm_config --trust" in shell.run("%%llm -m openai\nHi").errors
    shell.run("%llm_config --trust")
    assert not shell.run("%%llm -m openai\nHi").errors
    assert list(trust.trusted()) == list(json.loads((home / "config" / "trusted.json").read_text()))[-1:] or text


def nested(path: Path) -> None:
    path.write_text("[" * 100_000)


PLANTED = {"a pipe": os.mkfifo, "a folder": Path.mkdir, "nested without end": nested} if os.name == "posix" else {}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
def test_what_was_planted_in_place_of_the_memory_is_not_waited_for(
    shell: Shell, far: FarEnd, project: Path, home: Path, plant: Callable[[Path], None]
) -> None:
    (home / "config").mkdir()
    plant(home / "config" / "trusted.json")
    assert "%llm_config --trust" in shell.run("%%llm -m openai\nHi").errors
    shell.run("%llm_config --trust")
    assert not shell.run("%%llm -m openai\nHi").errors


# ---------------------------------------------------------------- asked at the keyboard


@pytest.fixture
def front(project: Path) -> Iterator[Kernel]:
    with kernel() as started:
        started.run("%load_ext llm_magics")
        yield started


def test_who_sits_at_the_keyboard_is_asked_once(front: Kernel, far: FarEnd, project: Path) -> None:
    def ask(typed: str) -> tuple[str, str]:
        cell = front.start("%%llm -m openai\nHi")
        question = front.client.get_stdin_msg(timeout=60)["content"]["prompt"]
        front.client.input(typed)
        ran = front.finish(cell)
        return question, ran.text

    for typed in ("", "n", "no", "maybe", "ja"):
        question, said = ask(typed)
        assert "%llm_config --trust" in said
        assert far.requests == []
    assert str(project) in question
    assert f"sends the prompts of 'openai' to 127.0.0.1:{far.port}" in question
    assert question.endswith("[y/N] ")
    ask("y")
    assert len(far.chats) == 1
    assert not front.run("%%llm -m openai\nHi").error
    assert len(far.chats) == 2
    with kernel() as later:
        later.run("%load_ext llm_magics")
        assert not later.run("%%llm -m openai\nHi").error
    assert len(far.chats) == 3


# ---------------------------------------------------------------- a user's own file that others can write to


@posix
def test_a_users_file_that_everybody_can_write_to_does_not_say_where_keys_go(
    shell: Shell, far: FarEnd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAR_KEY", KEY)
    path = home / "config" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'[models.far]\nbase_url = "{far.base_url}"\napi_key_env = "FAR_KEY"\n')
    path.chmod(0o666)
    done = shell.run("%%llm\nHi")
    assert "Others can change this file: chmod o-w it" in done.errors
    assert far.requests == []
    path.chmod(0o664)
    assert not shell.run("%%llm\nHi").errors


@posix
def test_a_header_that_is_a_key_makes_a_file_private_too(shell: Shell, far: FarEnd, home: Path) -> None:
    path = home / "config" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'[models.far]\nbase_url = "{far.base_url}"\nheaders = {{ "X-Api-Key" = "{KEY}" }}\n')
    path.chmod(0o644)
    assert f"chmod 600 {path}" in shell.run("%%llm\nHi").errors
    path.chmod(0o600)
    shell.run("%%llm\nHi")
    assert far.chats[-1].headers["x-api-key"] == KEY


# ---------------------------------------------------------------- other hosts, and no encryption


def abroad(far: FarEnd) -> str:
    """The far end by an address that is not known as this machine's, and yet is reached without leaving it."""
    return f"http://0.0.0.0:{far.port}/v1"


def test_plain_http_is_said_once_of_each_endpoint(shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("FAR_KEY", KEY)
    shell.run(f"%llm_config --add far base_url={abroad(far)} api_key_env=FAR_KEY")
    said = f"prompts and the key go to 0.0.0.0:{far.port} over plain http: anyone on the way can read them"
    assert said in shell.run("%%llm\nHi").text
    assert said not in shell.run("%%llm\nHi").text
    shell.run(f"%llm_config --add near base_url={far.base_url} api_key_env=FAR_KEY")
    assert "plain http" not in shell.run("%%llm\nHi").text


def test_plain_http_is_warned_of_once_by_call_llm(far: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    config = {"models": {"far": {"base_url": abroad(far), "api_key": KEY}}}
    with pytest.warns(UserWarning, match="over plain http") as caught:
        call_llm("far", "Hi", config)
        call_llm("far", "Hi", config)
    said = [warning for warning in caught if "over plain http" in str(warning.message)]
    assert [warning.filename for warning in said] == [__file__]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "to", ["http://127.0.0.1:{port}/v1/chat/completions", "//127.0.0.1:{port}/v1/x", "https://127.0.0.1:{same}/v1/x"]
)
def test_a_redirect_to_another_host_port_or_scheme_is_not_followed(
    far_shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch, status: int, to: str
) -> None:
    with FarEnd() as other:
        far.fails(status, "", headers={"location": to.format(port=other.port, same=far.port)})
        done = far_shell.run("%%llm\nHi")
        assert "sends this request elsewhere" in str(done.error)
        assert other.connections == 0
        config = {"models": {"far": {"base_url": far.base_url, "api_key": KEY, "max_retries": 0}}}
        with pytest.raises(Exception, match=str(status)):
            call_llm("far", "Hi", config)
        assert other.connections == 0
