"""A model's SQL reaches nothing but the user's dataframes: shown by canaries, and by a control without defence."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import escapes
import pytest

duckdb = pytest.importorskip("duckdb")
pd = pytest.importorskip("pandas")

from llm_magics.tools import Told, sql  # noqa: E402 - after the extras were found

CANARY = "canary-7f3a9c"
hidden_in_module = pd.DataFrame({"k": [CANARY]})


class Listener:
    """A server that counts who knocks, and answers nobody."""

    def __init__(self) -> None:
        self.hits = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                knocking, _ = self._socket.accept()
                self.hits += 1
                knocking.close()

    def close(self) -> None:
        self._socket.close()


def lay(folder: Path) -> Path:
    """Canaries in files of every kind."""
    (folder / "canary.csv").write_text(f"secret\n{CANARY}\n", "utf-8")
    (folder / "canary.txt").write_text(CANARY, "utf-8")
    (folder / "canary.json").write_text(f'{{"secret": "{CANARY}"}}', "utf-8")
    with duckdb.connect() as plain:
        plain.execute(f"COPY (SELECT '{CANARY}' AS secret) TO '{(folder / 'canary.parquet').as_posix()}'")
    with duckdb.connect(str(folder / "canary.duckdb")) as plain:
        plain.execute(f"CREATE TABLE t AS SELECT '{CANARY}' AS secret")
    return folder


class Ground:
    """A folder with canaries, a listener, and a namespace with a frame to query and things that are none."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.listener = folder, Listener()
        self.sales = pd.DataFrame({"amount": [1, 2], "region": ["north", "south"]})
        self.namespace = {
            "sales": self.sales,
            "_hidden": pd.DataFrame({"k": [CANARY]}),
            "python_list": [CANARY],
            "python_array": pd.Series([CANARY]).to_numpy(),
            "python_dict": {"k": [CANARY]},
        }
        self.before = self.snapshot()

    def snapshot(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file()}

    def fill(self, query: str) -> str:
        folder = self.folder.as_posix()
        return query.format(folder=folder, url=self.listener.url, new=f"{folder}/new")

    def ask(self, query: str, **bounds: Any) -> Told:
        (tool,) = sql.tools(self.namespace, **{"seconds": 20.0, **bounds})
        told = tool.run(tool.read({"sql": self.fill(query)}))
        assert isinstance(told, Told)
        return told

    def harm(self, text: str) -> list[str]:
        """What came out, was written, or was reached."""
        known = {CANARY, os.environ["HOME"]}
        return [
            *(f"said {one}" for one in known if one in text.replace(self.folder.as_posix(), "")),
            *(["wrote"] if self.snapshot() != self.before else []),
            *(["knocked"] if self.listener.hits else []),
        ]


@pytest.fixture(scope="module")
def canaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay(tmp_path_factory.mktemp("canaries"))


@pytest.fixture
def ground(canaries: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    yield from _grounds(canaries, monkeypatch)


@pytest.fixture
def ground_to_spoil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """With files of its own: what runs on it may write."""
    (tmp_path / "canaries").mkdir()
    yield from _grounds(lay(tmp_path / "canaries"), monkeypatch)


def _grounds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CANARY_IN_ENVIRONMENT", CANARY)
    ground = Ground(folder)
    yield ground
    ground.listener.close()


def test_there_are_many_escapes() -> None:
    assert len(set(escapes.REACHING)) >= 150


@pytest.mark.parametrize("query", escapes.REACHING)
def test_sql_reaches_nothing_but_dataframes(ground: Ground, query: str) -> None:
    hidden_in_caller = pd.DataFrame({"k": [CANARY]})
    told = ground.ask(query)
    assert told.failed, told.content
    assert told.table is None
    assert ground.harm(told.content) == []
    assert len(hidden_in_caller) == len(hidden_in_module)  # both were there to be found
    assert ground.sales.to_dict("list") == {"amount": [1, 2], "region": ["north", "south"]}


@pytest.mark.parametrize("query", escapes.lines(escapes.HARMLESS))
def test_sql_that_only_looks_like_more_is_run(ground: Ground, query: str) -> None:
    told = ground.ask(query)
    assert not told.failed, told.content
    assert ground.harm(told.content + str(told.table)) == []


@pytest.mark.parametrize("query", escapes.lines(escapes.HUGE))
def test_sql_without_an_end_or_a_bound_is_stopped(ground: Ground, query: str) -> None:
    told = ground.ask(query, seconds=1.0, memory="200MB")
    assert told.failed, told.content
    for thread in threading.enumerate():
        if thread.name == "llm_magics query":
            thread.join(10)
            assert not thread.is_alive()


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
@pytest.mark.parametrize("query", escapes.lines(escapes.FILES + escapes.VARIABLES)[::5])
def test_frames_of_other_libraries_open_no_other_way(ground: Ground, query: str, library: str) -> None:
    pa = pytest.importorskip("pyarrow")
    sales: Any = pa.table({"amount": [1, 2], "region": ["north", "south"]})
    ground.namespace["sales"] = pytest.importorskip(library).from_arrow(sales) if library == "polars" else sales
    told = ground.ask(query)
    assert told.failed, told.content
    assert ground.harm(told.content) == []


def test_without_the_defence_most_escapes_succeed(ground_to_spoil: Ground) -> None:
    """The control: were the queries wrong, or the canaries not to be found, nothing would come of these either."""
    ground = ground_to_spoil
    hidden_in_caller = hidden_in_module
    kinds = {name: escapes.lines(getattr(escapes, name)) for name in ("FILES", "WRITES", "SETTINGS", "MACHINE")}
    given = {kind: [_given(ground, query) for query in queries] for kind, queries in kinds.items()}
    ran = {kind: sum(said != "" for said in found) for kind, found in given.items()}
    assert ran["FILES"] >= 40, ran
    assert sum(CANARY in said for said in given["FILES"]) >= 25
    assert ran["WRITES"] >= 20, ran
    assert ran["SETTINGS"] >= 8, ran
    assert ran["MACHINE"] >= 25, ran
    assert CANARY in _given(ground, "FROM hidden_in_module")
    assert ground.snapshot() != ground.before
    assert _given(ground, "INSTALL canary FROM '{url}'") == ""
    assert ground.listener.hits
    assert len(hidden_in_caller)


def _given(ground: Ground, query: str) -> str:
    """What a plain connection gives; empty for an error. It fetches no extensions: loopback is all it reaches."""
    settings = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    settings["secret_directory"] = str(ground.folder / "secrets")
    with duckdb.connect(config=settings) as plain:
        plain.register("sales", ground.sales)
        try:
            return f"ran {plain.execute(ground.fill(query)).fetchall()}"
        except Exception:
            return ""


def test_settings_alone_hold_where_the_reading_of_sql_would_fail(ground: Ground) -> None:
    """The second wall by itself: files, network and variables, without the check of the text."""
    from llm_magics.frames import sql_runs

    hidden_in_caller = hidden_in_module
    for query in escapes.lines(escapes.FILES + escapes.NETWORK + escapes.VARIABLES + escapes.SETTINGS):
        with sql_runs.connected("200MB") as connection:
            connection.register("sales", ground.sales)
            sql_runs.lock(connection)
            try:
                said = str(connection.execute(ground.fill(query)).fetchall())
            except Exception as error:
                said = type(error).__name__
        assert ground.harm(said) == [], query
    assert len(hidden_in_caller)
