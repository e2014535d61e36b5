"""One part of the canary test, ended by the first leak: ``python tests/canary/probe.py SOURCE PART``.

The part is ``look``, ``mistakes``, ``tools``, or a pattern of faults' names, which are driven in ``Verbose``; ``all``
stands for every source and every part. The exit code is 1 when there was a leak.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

from canary import sinks  # noqa: E402
from canary.drive import Findings, drive, stage  # noqa: E402
from canary.faults import FAULTS  # noqa: E402
from canary.sources import SOURCES  # noqa: E402


def main(source: str, part: str) -> int:
    """Drive it."""
    findings = Findings()
    with tempfile.TemporaryDirectory() as folder:
        for number, way in enumerate(SOURCES):
            if source in ("all", way.name):
                with stage(Path(folder) / str(number), way, findings, OPENAI_LOG="debug") as on:
                    on.run("import logging\nlogging.basicConfig(level=logging.DEBUG, filename='all.log', force=True)")
                    if part in ("look", "all") and "cell" in way.faces:
                        sinks.look(on)
                    if not findings.leaks and part in ("mistakes", "all"):
                        sinks.mistakes(on)
                    if not findings.leaks and part in ("tools", "all") and way.name == "environment":
                        sinks.tools(on)
                    if not findings.leaks and part not in ("look", "mistakes", "tools"):
                        faults = [fault for fault in FAULTS if part == "all" or re.search(part, fault.name)]
                        drive(on, tuple(faults), ("Verbose",))
            if findings.leaks:
                break
    for leak in list(dict.fromkeys(findings.leaks))[:3]:
        print(leak)
    return min(1, len(findings.leaks))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
