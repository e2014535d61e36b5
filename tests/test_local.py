"""A GGUF file as a model: served in a process of its own, fetched from a hub, and gone when the kernel is."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from engines import llama
from hub import Hub, Repository
from kernels import Kernel, Ran, kernel
from shells import Shell
from test_engines import needs

from llm_magics import session
from llm_magics.lines import quoted
from llm_magics.local.choice import models_in, usual
from llm_magics.local.served import NEEDS, name_for
from llm_magics.magic_lines import magic_lines

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(sys.platform == "win32", reason="stops processes"),
]

PATIENCE = 60.0  # seconds that a busy machine may take
PROCESS = str(Path("llm_magics", "local", "__main__.py"))
GONE = (psutil.NoSuchProcess, psutil.ZombieProcess)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models."""
    needs(llama)
    from engines import tiny_gguf

    folder = tmp_path_factory.mktemp("models")
    tiny_gguf.write_scripted(folder / "tiny-scripted.gguf")
    tiny_gguf.write_scripted(folder / "other.gguf", "Quite another sentence, from the other one.")
    return folder


@pytest.fixture
def models(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as the current folder."""
    monkeypatch.chdir(made)
    return made


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No test leaves a process behind."""
    yield
    assert eventually(lambda: workers() == [])


def workers(process: int | None = None) -> list[psutil.Process]:
    """The processes that this one started, or another one: those that serve or fetch, without what guards them."""
    with contextlib.suppress(*GONE):
        return [child for child in psutil.Process(process).children() if _is_worker(child)]
    return []


def _is_worker(process: psutil.Process) -> bool:
    with contextlib.suppress(*GONE):
        return process.status() != psutil.STATUS_ZOMBIE and any(PROCESS in word for word in process.cmdline())
    return False


def is_there(process: psutil.Process) -> bool:
    with contextlib.suppress(*GONE):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def eventually(true: Callable[[], Any], seconds: float = PATIENCE) -> bool:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def refused(shell: Shell, line: str) -> str:
    """What a line that cannot be done says, in one line."""
    done = shell.run(line)
    assert type(done.error).__name__ == "UsageError", done
    assert "\n" not in str(done.error)
    return str(done.error)


@contextlib.contextmanager
def strays_ignored() -> Iterator[None]:
    """Within, an interrupt that no magic is there to hear stops nothing: it came too late, and not to the tests."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def meeting(do: Callable[[psutil.Process], None]) -> Iterator[None]:
    """While something runs, the first process that it starts is stopped before it is ready, and ``do`` done to it."""
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for process in workers():
                process.suspend()
                do(process)
                return
            time.sleep(0.001)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def stopped_when(true: Callable[[], Any]) -> Iterator[None]:
    """Someone presses stop as soon as this is true of what runs within."""

    def stop() -> None:
        eventually(true)
        os.kill(os.getpid(), signal.SIGINT)

    stopping = threading.Thread(target=stop)
    with strays_ignored():
        stopping.start()
        yield
        stopping.join()


def interrupt(_: psutil.Process) -> None:
    os.kill(os.getpid(), signal.SIGINT)


# ---------------------------------------------------------------- serving


def test_a_file_becomes_a_model_like_any_other(shell: Shell, models: Path) -> None:
    from engines import tiny_gguf

    said = shell.run("%llm_config --local tiny-scripted.gguf").text
    assert said.startswith("Serving tiny-scripted.gguf as tiny-scripted at 127.0.0.1:")
    assert tiny_gguf.SENTENCE in shell.run("%%llm\nhi").text
    shown = shell.run("%llm_config").text
    assert "%llm_config --local" in shown
    assert "tiny-scripted  tiny-scripted  127.0.0.1:" in shown
    said = shell.run("%llm_config --local other.gguf").text
    assert "Also served: tiny-scripted." in said
    assert "Quite another sentence" in shell.run("%%llm\nhi").text
    assert tiny_gguf.SENTENCE in shell.run("%%llm -m tiny-scripted\nhi").text
    checked = shell.run("%llm_config --check").text
    assert "to mend" not in checked, checked
    listed = shell.run("%llm_config --models").text
    assert "--local PATH.gguf" in listed
    assert listed.count("tiny-scripted") == 2


def test_what_is_served_already_is_chosen_and_started_anew_only_when_it_has_changed(
    shell: Shell, models: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes((models / "other.gguf").read_bytes())
    shell.run(f"%llm_config --local {path}")
    [first] = workers()
    shell.run("%llm_config demo")
    assert "is being served already" in shell.run(f"%llm_config --local {path}").text
    assert workers() == [first]
    assert "Quite another" in shell.run("%%llm\nhi").text
    path.write_bytes((models / "tiny-scripted.gguf").read_bytes())
    assert "as mine at" in shell.run(f"%llm_config --local {path}").text
    assert eventually(lambda: len(workers()) == 1)
    assert workers() != [first]
    assert "Greetings" in shell.run("%%llm\nhi").text


def test_a_name_that_is_taken_gets_a_number(shell: Shell, models: Path, tmp_path: Path) -> None:
    for name in ("openai.gguf", "My Model.gguf"):
        (tmp_path / name).write_bytes((models / "other.gguf").read_bytes())
    assert "as openai-2 at" in shell.run(f"%llm_config --local {tmp_path}/openai.gguf").text
    assert "as My-Model at" in shell.run(f'%llm_config --local "{tmp_path}/My Model.gguf"').text


def test_reset_ends_what_is_served(shell: Shell, models: Path) -> None:
    shell.run("%llm_config --local tiny-scripted.gguf")
    shell.run("%llm_config --local other.gguf")
    assert len(workers()) == 2
    assert "Local models have ended: tiny-scripted, other." in shell.run("%llm_config --reset").text
    assert eventually(lambda: workers() == [])
    assert "no model 'tiny-scripted'" in refused(shell, "%llm_config tiny-scripted")


def test_a_line_that_fails_leaves_no_process(shell: Shell, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.run("%llm_config --local other.gguf")
    [first] = workers()
    refused(shell, "%llm_config --local tiny-scripted.gguf --ask-key nobody")
    assert eventually(lambda: workers() == [first])
    assert "Quite another" in shell.run("%%llm\nhi").text
    assert "no other can be named" in refused(shell, "%llm_config --local tiny-scripted.gguf openai")
    assert "--local PATH.gguf" in refused(shell, "%llm_config --local=")


def test_what_is_saved_does_not_name_a_model_that_ends(shell: Shell, models: Path, home: Path) -> None:
    shell.run("%llm_config --local tiny-scripted.gguf")
    assert "Local models are not in it" in shell.run("%llm_config temperature=0.5 --save").text
    saved = tomllib.loads((home / "config" / "saved.toml").read_text())
    assert saved == {"temperature": 0.5}


def test_the_lines_that_set_what_is_set_serve_the_same_files(
    shell: Shell, fresh_session: session.Session, models: Path, tmp_path: Path
) -> None:
    here, odd = fresh_session.configuration, tmp_path / 'my "models" ü' / "tiny's.gguf"
    odd.parent.mkdir()
    odd.symlink_to(models / "tiny-scripted.gguf")
    shell.run("%llm_config --local other.gguf")
    assert shell.run(f"%llm_config --local {quoted(str(odd))}").error is None
    shell.run("%llm_config other max_tokens=9")
    lines = magic_lines(here.typed, here.served.files)
    assert lines[0] == f"%llm_config --local {Path('other.gguf').absolute()}"
    assert lines[2:] == ["%llm_config other max_tokens=9"]
    names, before = here.served.names, here.home.values
    shell.run("%llm_config --reset")
    for line in lines:
        assert shell.run(line).error is None
    assert (here.served.names, here.home.values) == (names, before)


def test_a_model_that_is_added_takes_the_place_of_a_local_one(shell: Shell, models: Path) -> None:
    shell.run("%llm_config --local tiny-scripted.gguf")
    assert "Key: not needed." in shell.run("%llm_config --add tiny-scripted base_url=http://127.0.0.1:9/v1").text
    assert eventually(lambda: workers() == [])


def test_nobody_else_can_use_what_is_served(shell: Shell, fresh_session: session.Session, models: Path) -> None:
    shell.run("%llm_config --local tiny-scripted.gguf")
    connection = fresh_session.configuration.connection("tiny-scripted")
    key = connection.api_key.reveal()
    assert len(key) >= 32
    [process] = workers()
    assert key not in " ".join(process.cmdline())
    assert key not in " ".join(process.environ().values())
    listening = [one.laddr.ip for one in process.net_connections() if one.status == psutil.CONN_LISTEN]
    assert listening == ["127.0.0.1"]
    for path in ("/v1/models", "/v1/chat/completions", "/completion", "/props", "/slots", "/metrics", "/"):
        base = connection.base_url.removesuffix("/v1")
        for method, headers in (("GET", {}), ("POST", {"Authorization": "Bearer guess"})):
            asked = urllib.request.Request(f"{base}{path}", method=method, headers=headers, data=None)
            with pytest.raises(urllib.error.HTTPError) as raised:
                urllib.request.urlopen(asked, timeout=10)
            assert raised.value.code in (401, 403, 404, 405, 501), path
    assert key not in shell.run("%llm_config").text
    assert key not in shell.run("%%llm --dry-run\nhi").text


# ---------------------------------------------------------------- what cannot be served


def test_what_is_no_model_is_told_in_one_line(shell: Shell, models: Path, tmp_path: Path) -> None:
    whole = (models / "tiny-scripted.gguf").read_bytes()
    place = whole.index(b"llama", whole.index(b"general.architecture"))
    files = {
        "text.gguf": (b"hello" * 1000, "this is no GGUF file"),
        "empty.gguf": (b"", "but empty"),
        "model.safetensors": (b"\x10" * 100, "look for this model in GGUF form"),
        "pointer.gguf": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        "half.gguf": (whole[: len(whole) // 2], "not all there, or damaged"),
        "head.gguf": (whole[:40], "not all there, or damaged"),
        "huge.gguf": (whole[:32] + b"\xff" * 60, "not all there, or damaged"),
        "new.gguf": (whole[:place] + b"zzama" + whole[place + 5 :], "does not know 'zzama' models"),
        "big-00001-of-00003.gguf": (whole, "big-00002-of-00003.gguf is missing"),
    }
    for name, (content, expected) in files.items():
        (tmp_path / name).write_bytes(content)
        assert expected in refused(shell, f"%llm_config --local {tmp_path / name}"), name
    os.mkfifo(tmp_path / "pipe.gguf")
    assert "this is no file" in refused(shell, f"%llm_config --local {tmp_path}/pipe.gguf")
    assert workers() == []
    assert shell.run("%%llm\nWhat can you do?").error is None  # the demo, as before


def test_a_file_that_is_not_there_is_looked_for_in_its_folder(shell: Shell, models: Path) -> None:
    assert "Did you mean 'tiny-scripted.gguf'?" in refused(shell, "%llm_config --local tiny-scriptd.gguf")
    assert "Did you mean 'tiny-scripted.gguf'?" in refused(shell, "%llm_config --local ./tiny-scripted")
    assert "In it: other.gguf, tiny-scripted.gguf." in refused(shell, "%llm_config --local ./qwen.gguf")
    assert "In it: other.gguf, tiny-scripted.gguf." in refused(shell, "%llm_config --local .")
    assert "/nowhere either" in refused(shell, "%llm_config --local nowhere/x.gguf")


def test_a_link_that_leads_nowhere_is_told_as_that(shell: Shell, models: Path, tmp_path: Path) -> None:
    (tmp_path / "a.gguf").symlink_to(tmp_path / "gone.gguf")
    said = refused(shell, f"%llm_config --local {tmp_path / 'a.gguf'}")
    assert said.endswith(f"a.gguf: there is no such file where this link leads, {tmp_path / 'gone.gguf'}.")


def test_a_file_larger_than_memory_is_not_tried(shell: Shell, models: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.gguf"
    path.write_bytes((models / "tiny-scripted.gguf").read_bytes())
    try:
        os.truncate(path, psutil.virtual_memory().total * 2)
    except OSError:
        pytest.skip("no sparse files here")
    said = refused(shell, f"%llm_config --local {path}")
    assert "too large for this machine's memory" in said
    assert "smaller quantisation" in said


def test_an_engine_that_the_system_ends_was_too_large(shell: Shell, models: Path) -> None:
    with meeting(lambda process: process.kill()):
        said = refused(shell, "%llm_config --local tiny-scripted.gguf")
    assert "seems too large for this machine's memory" in said


def test_an_engine_that_crashes_says_so(shell: Shell, models: Path) -> None:
    with meeting(lambda process: (process.send_signal(signal.SIGSEGV), process.resume())):
        said = refused(shell, "%llm_config --local tiny-scripted.gguf")
    assert "llama.cpp cannot serve this file (killed by SIGSEGV" in said


def test_an_interrupt_while_it_loads_leaves_no_process(shell: Shell, models: Path) -> None:
    for _ in range(5):  # as the engine may be ready before anyone has seen that it is there
        shell.run("%llm_config --reset")
        shell.run("%llm_config demo")
        with strays_ignored(), meeting(interrupt):
            done = shell.run("%llm_config --local tiny-scripted.gguf")
        if done.error is not None:
            break
    assert str(done.error) == "stopped; no model was added"
    assert eventually(lambda: workers() == [])
    assert "demo" in shell.run("%llm_config").text.partition("endpoint")[0]


def test_a_prompt_to_an_engine_that_died_says_how_to_go_on(shell: Shell, models: Path) -> None:
    shell.run("%llm_config --local tiny-scripted.gguf max_retries=0")
    [process] = workers()
    process.send_signal(signal.SIGSEGV)
    assert eventually(lambda: not is_there(process))
    done = shell.run("%%llm\nhi")
    what, where, move = str(done.error).splitlines()
    assert what == "The process that served tiny-scripted.gguf has ended (killed by SIGSEGV)."
    assert where.startswith("tiny-scripted @ 127.0.0.1:")
    assert move == f"Serve it again: %llm_config --local {models / 'tiny-scripted.gguf'}"
    assert move in shell.run("%llm_config --check").text
    shell.run(move.partition(": ")[2])
    assert "Greetings" in shell.run("%%llm -m tiny-scripted\nhi").text


def test_without_the_extra_one_line_says_what_to_install(
    shell: Shell, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    said = refused(shell, "%llm_config --local tiny-scripted.gguf")
    assert said.startswith('a local model needs xllamacpp, which is not here: %pip install "xllamacpp>=')


def test_the_extra_is_what_the_messages_say() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert project["project"]["optional-dependencies"]["local"] == list(NEEDS.values())


def test_paths_are_completed(shell: Shell, models: Path) -> None:
    from llm_magics.completion import complete

    magics = shell.ip._llm_magics.magics
    assert complete(magics, "%llm_config --local ti") == (["tiny-scripted.gguf"], "ti")


# ---------------------------------------------------------------- it ends with the kernel


@pytest.fixture
def front(models: Path) -> Iterator[Kernel]:
    """A kernel that serves a file."""
    with kernel() as started:
        assert not started.run("%load_ext llm_magics").error
        ran = started.run("%llm_config --local tiny-scripted.gguf")
        assert not ran.error
        assert "Serving tiny-scripted.gguf" in str(ran.outputs)
        yield started


def of(front: Kernel) -> psutil.Process:
    """The process that a kernel started."""
    [process] = workers(front.value("__import__('os').getpid()"))
    return process


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_an_engine_ends_with_its_kernel_however_that_ends(front: Kernel, end: signal.Signals) -> None:
    process = of(front)
    os.kill(front.value("__import__('os').getpid()"), end)
    assert eventually(lambda: not is_there(process))


def test_an_engine_ends_with_its_kernel_also_while_it_loads_and_while_a_fork_holds_its_pipe(front: Kernel) -> None:
    front.run("import multiprocessing, time")
    front.run("fork = multiprocessing.get_context('fork').Process(target=time.sleep, args=(600,))\nfork.start()")
    fork = psutil.Process(front.value("fork.pid"))
    process = of(front)
    process.suspend()  # as deaf as one that loads
    try:
        os.kill(front.value("__import__('os').getpid()"), signal.SIGKILL)
        assert eventually(lambda: not is_there(process))
        assert is_there(fork)
    finally:
        fork.kill()


def test_an_interrupt_for_the_kernel_is_none_for_its_engine(front: Kernel) -> None:
    process = of(front)
    cell = front.start("import time\nprint('it runs', flush=True)\ntime.sleep(30)")
    front.finish(cell, until="it runs")  # an interrupt before that may be the kernel's own, which then forgets to reply
    time.sleep(0.5)  # … and one while it prints, the printing's
    front.interrupt()
    front.finish(cell)
    assert is_there(process)
    assert "Greetings" in str(front.run("%%llm\nhi").outputs)


# ---------------------------------------------------------------- from the hub


def test_names_come_from_files() -> None:
    assert name_for(Path("a/My Model-Q4_K_M-00001-of-00002.gguf"), ["demo"]) == "My-Model-Q4_K_M"
    assert name_for(Path("x.GGUF"), ["x", "x-2"]) == "x-3"
    assert name_for(Path("….gguf"), []) == "model"


def test_the_usual_quantisation_is_taken_and_what_is_no_model_is_not() -> None:
    files = ["m-Q8_0.gguf", "m-IQ4_K_M.gguf", "m-q4_k_m.gguf", "m-F16.gguf", "mmproj-m-F16.gguf", "README.md"]
    files += ["m-BF16-00001-of-00002.gguf", "m-BF16-00002-of-00002.gguf", "m-F32-00001-of-00002.gguf"]
    found = models_in(dict.fromkeys(files, 10))
    assert [model.name for model in found if len(model.files) > 1] == ["m-BF16-00001-of-00002.gguf"]
    assert not [model for model in found if "F32" in model.name or "mmproj" in model.name]
    assert usual(found).name == "m-q4_k_m.gguf"
    assert usual(models_in({"b.gguf": 20, "a.gguf": 10})).name == "a.gguf"
    assert usual([]) is None


@pytest.fixture
def hub(models: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one repository of two quantisations, and an empty cache."""
    if importlib.util.find_spec("huggingface_hub") is None:
        if os.environ.get("LLM_MAGICS_REQUIRE_ALL") == "1":
            pytest.fail("huggingface_hub is not installed")
        pytest.skip("huggingface_hub is not installed")
    small, large = ((models / name).read_bytes() for name in ("tiny-scripted.gguf", "other.gguf"))
    with Hub() as started:
        started.repositories["org/tiny-GGUF"] = Repository(
            {"README.md": b"# tiny", "tiny-Q4_K_M.gguf": small, "tiny-Q8_0.gguf": large, "mmproj-tiny.gguf": small}
        )
        for name in list(os.environ):
            if name.startswith(("HF_", "HUGGING")) or name.lower().endswith("_proxy"):
                monkeypatch.delenv(name)
        monkeypatch.setenv("HF_ENDPOINT", started.url)
        monkeypatch.setenv("HF_HOME", str(home / "hf"))
        yield started


def answers(monkeypatch: pytest.MonkeyPatch, said: str) -> list[str]:
    """Somebody who gives this answer; the questions."""
    questions: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: questions.append(question) or said)
    return questions


def test_a_file_is_fetched_once_somebody_said_yes(
    shell: Shell, hub: Hub, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    questions = answers(monkeypatch, "y")
    said = shell.run("%llm_config --local org/tiny-GGUF").text
    [question] = questions
    assert question.startswith("Fetch tiny-Q4_K_M.gguf from org/tiny-GGUF, 2.1 MB, licence apache-2.0 (it also has ")
    assert "tiny-Q8_0.gguf" in question
    assert "mmproj" not in question
    assert str(home / "hf") in question
    assert "Fetched tiny-Q4_K_M.gguf, 2.1 MB in " in said
    assert "It also has tiny-Q8_0.gguf: write org/tiny-GGUF:FILE." in said
    assert "as tiny-Q4_K_M at" in said
    assert "Greetings" in shell.run("%%llm\nhi").text
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache("org/tiny-GGUF", "tiny-Q4_K_M.gguf", cache_dir=home / "hf" / "hub")
    assert Path(found).read_bytes() == hub.repositories["org/tiny-GGUF"].files["tiny-Q4_K_M.gguf"]
    assert len(hub.contents_asked()) == 1

    shell.run("%llm_config --reset")
    hub.asked.clear()
    said = shell.run("%llm_config --local org/tiny-GGUF").text
    assert "was fetched before" in said
    assert "as tiny-Q4_K_M at" in said
    assert (hub.asked, len(questions)) == ([], 1)


@pytest.mark.parametrize(
    "wanted",
    [
        "org/tiny-GGUF:tiny-Q8_0.gguf",
        "org/tiny-GGUF:q8_0",
        "https://huggingface.co/org/tiny-GGUF/blob/main/tiny-Q8_0.gguf?x=1",
        "hf.co/org/tiny-GGUF:Q8_0",
    ],
)
def test_another_file_is_chosen_by_its_name_or_its_quantisation(
    shell: Shell, hub: Hub, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    answers(monkeypatch, "yes")
    assert "as tiny-Q8_0 at" in shell.run(f"%llm_config --local {wanted}").text
    assert "Quite another" in shell.run("%%llm\nhi").text


def test_a_model_in_several_files_is_fetched_whole(
    shell: Shell, hub: Hub, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    files = {"a-00001-of-00002.gguf": b"GGUF" + bytes(100), "a-00002-of-00002.gguf": b"GGUF" + bytes(200)}
    hub.repositories["org/parts"] = Repository(files)
    questions = answers(monkeypatch, "y")
    refused(shell, "%llm_config --local org/parts")  # these parts are none
    assert "a-00001-of-00002.gguf and 1 more from org/parts, 308 bytes" in questions[0]
    assert {path.name for path in (home / "hf").rglob("*.gguf")} == set(files)


def test_nothing_is_fetched_without_a_yes(shell: Shell, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "")
    done = shell.run("%llm_config --local org/tiny-GGUF")
    assert done.text.strip() == "Nothing was fetched, and nothing has changed."

    def nobody(question: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    said = refused(shell, "%llm_config --local org/tiny-GGUF")
    assert "nobody can be asked here" in said
    assert "!hf download org/tiny-GGUF tiny-Q4_K_M.gguf" in said
    assert hub.contents_asked() == []


def test_what_the_hub_cannot_give_is_told_in_one_line(
    shell: Shell, hub: Hub, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    answers(monkeypatch, "y")
    tiny = hub.repositories["org/tiny-GGUF"].files
    hub.repositories |= {
        "org/gated": Repository(tiny, gated=True),
        "org/torch": Repository({"model.safetensors": b"x"}),
        "org/mine": Repository(tiny, private_to="hf_" + "x" * 34),
        "org/large": Repository(tiny, claims=10**16),
    }
    by_hand = "%llm_config --local PATH.gguf"
    expected = {
        "org/gated": f"ask for it at {hub.url}/org/gated, and set HF_TOKEN",
        "org/none": f"{hub.url} has no org/none, or only for some, who set HF_TOKEN",
        "org/mine": "or only for some, who set HF_TOKEN",
        "org/large": f"are free in {home}/hf/hub: make room there, or set HF_HOME",
        "org/torch": "has no GGUF file, which is the form that llama.cpp reads",
    }
    for name, words in expected.items():
        said = refused(shell, f"%llm_config --local {name}")
        assert words in said
        assert by_hand in said
    assert "It has tiny-Q4_K_M.gguf, tiny-Q8_0.gguf." in refused(shell, "%llm_config --local org/tiny-GGUF:Q3")
    assert "could be several files" in refused(shell, "%llm_config --local org/tiny-GGUF:tiny")
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 34)
    assert "as tiny-Q4_K_M at" in shell.run("%llm_config --local org/mine").text
    assert not [asked for asked in hub.contents_asked() if "Authorization" in asked.headers]  # another host's
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE forbids" in refused(shell, "%llm_config --local org/none")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    said = refused(shell, "%llm_config --local org/none")
    assert "http://127.0.0.1:9 cannot be reached" in said
    assert by_hand in said


def test_without_the_hubs_library_one_line_says_what_to_install(
    shell: Shell, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    said = refused(shell, "%llm_config --local org/tiny-GGUF")
    assert said.startswith('a model from the hub needs huggingface_hub, which is not here: %pip install "')


def test_an_interrupted_download_goes_on_where_it_stopped(
    shell: Shell, hub: Hub, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    answers(monkeypatch, "y")
    size, hub.stops_after = len(hub.repositories["org/tiny-GGUF"].files["tiny-Q4_K_M.gguf"]), 1_500_000
    with stopped_when(lambda: any(path.stat().st_size > 1_000_000 for path in (home / "hf").rglob("*.part"))):
        done = shell.run("%llm_config --local org/tiny-GGUF")
    assert str(done.error) == "stopped; no model was added"
    assert eventually(lambda: workers() == [])
    hub.stops_after = None
    said = shell.run("%llm_config --local org/tiny-GGUF").text
    assert "as tiny-Q4_K_M at" in said
    first, second = hub.contents_asked()
    assert "Range" not in first.headers
    begin = int(second.headers["Range"].removeprefix("bytes=").rstrip("-"))
    assert 1_000_000 < begin < size
    assert "Greetings" in shell.run("%%llm\nhi").text
    assert not list((home / "hf").rglob("*.part*"))


def test_what_is_not_what_the_hub_promised_is_not_kept(
    shell: Shell, hub: Hub, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    answers(monkeypatch, "y")
    hub.spoils = True
    assert "SHA-256 differs" in refused(shell, "%llm_config --local org/tiny-GGUF")
    assert not list((home / "hf").rglob("*.part"))
    hub.spoils = False
    assert "as tiny-Q4_K_M at" in shell.run("%llm_config --local org/tiny-GGUF").text


def test_a_hub_that_says_nothing_can_be_stopped(shell: Shell, hub: Hub) -> None:
    hub.silent = True
    with stopped_when(lambda: hub.asked):
        done = shell.run("%llm_config --local org/tiny-GGUF")
    assert str(done.error) == "stopped; no model was added"


def test_a_page_sees_one_line_grow_and_go(hub: Hub) -> None:
    hub.stops_after = 1_500_000
    with kernel() as front:
        front.run("%load_ext llm_magics")
        cell = front.start("%llm_config --local org/tiny-GGUF")
        question = front.client.get_stdin_msg(timeout=PATIENCE)["content"]["prompt"]
        front.client.input("y")
        before = front.finish(cell, until="░")
        hub.goes_on.set()
        after = front.finish(cell)
    assert question.startswith("Fetch tiny-Q4_K_M.gguf from org/tiny-GGUF")
    assert not after.error
    ran = Ran([*before.messages, *after.messages])
    assert "MB of 2.1 MB" in str([message.content for message in ran.of("display_data", "update_display_data")])
    assert [output["data"]["text/plain"].split()[0] for output in ran.outputs] == ["Fetched", "Serving"]


def test_loading_the_extension_loads_nothing_of_this() -> None:
    code = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell as S; ip = S.instance()\n"
        "ip.run_line_magic('load_ext', 'llm_magics'); ip.run_line_magic('llm_config', '')\n"
        "print([name for name in ('xllamacpp', 'huggingface_hub', 'subprocess') if name in sys.modules][:2])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] in ("[]", "['subprocess']")
