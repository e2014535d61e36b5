"""What IPython shows of an error of `call_llm`: all that it shows of any other, but no key of the caller's."""

from __future__ import annotations

import pickle
import re

import pytest
from far_end import FarEnd
from shells import Shell

from llm_magics import call_llm

KEYS = ("sk-canary-0123456789abcdefXY", "another-canary-of-the-other-model")
SETTING = """
import os
from llm_magics import ModelManager, call_llm
config = {{"models": {{
    "one": {{"base_url": "{url}", "api_key": os.environ["ONE"], "max_retries": 0}},
    "two": {{"base_url": "{url}", "headers": {{"X-Api-Key": os.environ["TWO"]}}}},
}}}}
def ask(config, **more):
    key = os.environ["ONE"]
    return call_llm("one", "Hi", config, **more)
"""


@pytest.fixture
def asking(shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell whose variables hold keys."""
    monkeypatch.setenv("ONE", KEYS[0])
    monkeypatch.setenv("TWO", KEYS[1])
    far.fails(401, {"error": {"message": "no"}})
    shell.run(SETTING.format(url=far.base_url))
    return shell


@pytest.mark.parametrize("mode", ["Plain", "Context", "Verbose", "Minimal"])
@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("call_llm('one', 'Hi', config)", "AuthenticationError: Error code: 401"),
        ("ask(config)", "AuthenticationError: Error code: 401"),
        ("call_llm('one', 'Hi', ModelManager(config))", "AuthenticationError: Error code: 401"),
        ("ask(config, tolls=[])", "unexpected keyword argument 'tolls'"),
        ("ask(config, tools=5)", "TypeError"),
    ],
)
def test_a_traceback_shows_no_key_that_the_caller_gave(asking: Shell, mode: str, cell: str, said: str) -> None:
    asking.run(f"%xmode {mode}")
    for done in (asking.run(cell), asking.run("%tb")):
        shown = done.text + done.errors
        assert said in shown
        assert not any(key in shown for key in KEYS)
        assert ("config = {'models': {'one'" in shown) == (mode == "Verbose")


def test_without_a_key_a_traceback_is_ipythons_own(asking: Shell, far: FarEnd) -> None:
    def shown(config: str) -> str:
        return re.sub(r"Cell In\[\d+\]|config\w*|-{5,}", "", asking.run(f"call_llm('one', 'Hi', {config})").text)

    asking.run(f"config_1 = {{'models': {{'one': {{'base_url': '{far.base_url}', 'max_retries': 0}}}}}}")
    assert shown("config") == shown("config_1")


def test_an_error_goes_to_another_process_as_ever(far: FarEnd) -> None:
    far.drops()
    with pytest.raises(Exception, match="Connection") as caught:
        call_llm("one", "Hi", {"models": {"one": {"base_url": far.base_url, "api_key": KEYS[0], "max_retries": 0}}})
    assert KEYS[0].encode() not in pickle.dumps(caught.value)
