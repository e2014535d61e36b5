"""Where a key comes from: one row for every way there is to give one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from canary.drive import Stage

VARIABLE = "CANARY_API_KEY"


@dataclass(frozen=True, slots=True)
class Source:
    """One way to give a key.

    Attributes:
        name: in words.
        env: the kernel's environment.
        files: what lies there before the kernel starts.
        cells: what is run first.
        config: Python for what `call_llm` gets.
        faces: ``cell`` for the magic, ``call`` for `call_llm`, ``wrapped`` for one whose error is logged and raised on.
        asks: whether the key is typed.
    """

    name: str
    config: str
    env: Callable[[Stage], Mapping[str, str]] = lambda stage: {}
    files: Callable[[Stage], dict[Path, str]] = lambda stage: {}
    cells: Callable[[Stage], tuple[str, ...]] = lambda stage: (add(stage),)
    faces: tuple[str, ...] = ("cell", "call", "wrapped")
    asks: bool = False

    def set_up(self, stage: Stage) -> None:
        """Give the key, and see that it reaches its server."""
        for cell in self.cells(stage):
            ran = stage.run(cell)
            assert not ran.error, ran.error
        if self.asks:
            stage.answer("%llm_config --ask-key far", stage.canary.value)
        for face in self.faces:
            stage.far.reset()
            self.before(stage, face, 60)
            ran = stage.run(self.cell(face, "timeout=60"))
            assert not ran.error, ran.error
            assert stage.canary.value in repr(stage.far.chats[-1].headers), f"{self.name}: {face} gave no key"

    def before(self, stage: Stage, face: str, seconds: float) -> None:
        """What stands in other cells. Where an error is not ours, the configuration is no variable of the cell that
        raises it: that would be shown."""
        if face != "cell":
            stage.run(f"%llm_config timeout={seconds}")
            stage.run(f"def given():\n    return {self.config.format(url=stage.far.base_url, seconds=seconds)}")
            stage.run(_ASK)

    def cell(self, face: str, timeout: str) -> str:
        """A cell that asks the server once."""
        if face == "cell":
            return f"%%llm -m far --param {timeout}\nHi"
        if face == "call":
            return "ask(config)"
        return _WRAPPED


# A function of one's own: of these IPython shows arguments and variables.
_ASK = """from llm_magics import call_llm
config = given()
def ask(config):
    return call_llm("far", "Hi", config)
"""
_WRAPPED = """import logging
from llm_magics import call_llm
try:
    call_llm("far", "Hi", given())
except Exception as error:
    logging.getLogger("mine").exception("it failed: %r", error)
    raise RuntimeError(f"it failed: {error!r}") from error
"""


def add(stage: Stage, more: str = "") -> str:
    """The cell that names the server."""
    return f"%llm_config --add far base_url={stage.far.base_url} max_retries=0 {more}"


def _key_in(path: str) -> str:
    return f'"api_key": __import__("pathlib").Path({path}).read_text()'


_TOML = """
[models.far]
base_url = "{url}"
max_retries = 0
"""
_DICT = '{{"models": {{"far": {{"base_url": "{url}", "max_retries": 0, "timeout": {seconds}, %s}}}}}}'
_SESSION = "__import__('llm_magics.session').session.current().manager"
_GIVEN = '__import__("os").environ["CANARY_FILE"]'


def _given(stage: Stage) -> Path:
    return stage.folder / "given" / "key.txt"


SOURCES: tuple[Source, ...] = (
    Source(
        "environment",
        config=_DICT % f'"api_key_env": "{VARIABLE}"',
        env=lambda stage: {VARIABLE: stage.canary.value},
        cells=lambda stage: (add(stage, f"api_key_env={VARIABLE}"),),
    ),
    Source(
        ".env file",
        config=_SESSION,
        files=lambda stage: {stage.work / ".env": f"{VARIABLE}='{stage.canary.value}'\n"},
        cells=lambda stage: ("%llm_config dotenv=true", add(stage, f"api_key_env={VARIABLE}")),
        faces=("cell",),
    ),
    Source("getpass prompt", config=_SESSION, asks=True),
    Source(
        "dictionary",
        config=_DICT % _key_in(_GIVEN),
        env=lambda stage: {"CANARY_FILE": str(_given(stage))},
        files=lambda stage: {_given(stage): stage.canary.value},
        faces=("call", "wrapped"),
    ),
    Source(
        "ModelManager",
        config="__import__('llm_magics').ModelManager(" + _DICT % _key_in(_GIVEN) + ")",
        env=lambda stage: {"CANARY_FILE": str(_given(stage))},
        files=lambda stage: {_given(stage): stage.canary.value},
        faces=("call", "wrapped"),
    ),
    Source(
        "configuration file",
        config=_SESSION,
        files=lambda stage: {
            stage.folder / "config" / "config.toml": _TOML.format(url=stage.far.base_url)
            + f'api_key = "{stage.canary.value}"\n'
        },
        cells=lambda stage: (),
    ),
    Source(
        "headers",
        config=_SESSION,
        files=lambda stage: {
            stage.folder / "config" / "config.toml": _TOML.format(url=stage.far.base_url)
            + f'headers = {{ "X-Api-Key" = "{stage.canary.value}", Cookie = "session={stage.canary.value}" }}\n'
        },
        cells=lambda stage: (),
    ),
    Source(
        "key store",
        config=_SESSION,
        env=lambda stage: {
            "PYTHONPATH": os.pathsep.join([str(stage.folder / "given"), *sys.path]),
            "CANARY_FILE": str(_given(stage)),
        },
        files=lambda stage: {
            _given(stage): stage.canary.value,
            stage.folder / "given" / "keyring.py": "import os, pathlib\n"
            "def get_password(service, name):\n"
            f"    key = pathlib.Path(os.environ['CANARY_FILE']).read_text()\n"
            f"    return key if (service, name) == ('llm_magics', '{VARIABLE}') else None\n",
        },
        cells=lambda stage: (add(stage, f"api_key_env={VARIABLE}"),),
    ),
)
