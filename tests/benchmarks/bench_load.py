"""What ``%load_ext llm_magics`` adds to a bare IPython, and what load and first answer cost beside the bare SDK."""

from __future__ import annotations

import argparse

from common import child, report, rounds, server

SHELL = """
import json, time, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell("import sys")
began = time.perf_counter()
shell.run_cell(cell)
print(json.dumps({"ms": (time.perf_counter() - began) * 1e3}))
"""
# The first extension a shell loads pays for IPython's own machinery: what ours adds stands beside one that is empty.
EMPTY = """
import sys, types
sys.modules["empty"] = types.ModuleType("empty")
sys.modules["empty"].load_ipython_extension = lambda shell: None
"""
FIRST_SDK = """
import json, time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
began = time.perf_counter()
shell.run_cell('''import openai
openai.OpenAI().chat.completions.create(model="n16", messages=[{"role": "user", "content": "hi"}])''')
print("\\n" + json.dumps({"s": time.perf_counter() - began}))
"""
FIRST_OURS = """
import json, time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
began = time.perf_counter()
shell.run_cell("%load_ext llm_magics")
result = shell.run_cell("%%llm -m openai/n16\\nhi")
assert result.error_in_exec is None, result.error_in_exec
print("\\n" + json.dumps({"s": time.perf_counter() - began}))
"""


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    count = parser.parse_args().rounds
    with server() as url:
        load = {
            "a bare cell": lambda: child(SHELL, url, cell="pass"),
            "an extension without content": lambda: child(EMPTY + SHELL, url, cell="%load_ext empty"),
            "%load_ext llm_magics": lambda: child(SHELL, url, cell="%load_ext llm_magics"),
        }
        report("load, in a fresh IPython", rounds(load, count), "ms", "ms", "an extension without content")
        first = {
            "import openai, one call": lambda: child(FIRST_SDK, url),
            "%load_ext, %%llm": lambda: child(FIRST_OURS, url),
        }
        report("load and first answer", rounds(first, count), "s", "s", "import openai, one call")


if __name__ == "__main__":
    main()
