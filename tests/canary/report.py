"""``python tests/canary/report.py`` drives what the canary test drives, and more, and writes ``canary.md``.

The key from the environment goes through every fault in every mode; other sources through some faults in every mode, or
with ``--full`` through all of them. The exit code tells whether there was a leak.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from canary import notebook, sinks  # noqa: E402
from canary.drive import MODES, Findings, drive, stage  # noqa: E402
from canary.faults import FAULTS, SOME  # noqa: E402
from canary.sources import SOURCES  # noqa: E402

PAGE = """# The canary key

A key made for one run is given by every way there is. Servers repeat it, in {forms} forms; calls fail in every way; all
that comes out is searched for any 12 characters of it, raw, in any case, reversed, in base64, hex, URL, JSON and HTML
encodings: every message of the kernel, its streams, every file written, the saved notebook, and what other hosts
received. Written by `python tests/canary/report.py`.

| driven | paths | leaks |
|---|--:|--:|
{rows}
| **all** | **{paths}** | **{leaks}** |

{faults} faults, {modes} modes of `%xmode` with `%tb` after each. Failures that were not the one that was meant: {odd}.
"""


def main(options: list[str]) -> int:
    """Drive all of it; the number of leaks is the exit code, at most 1."""
    findings, odd = Findings(), []
    with tempfile.TemporaryDirectory() as folder:
        for number, source in enumerate(SOURCES):
            with stage(Path(folder) / str(number), source, findings, OPENAI_LOG="debug") as on:
                on.run("import logging\nlogging.basicConfig(level=logging.DEBUG, filename='all.log', force=True)")
                odd += drive(on, FAULTS if source.name == "environment" or "--full" in options else SOME)
                if "cell" in source.faces:
                    sinks.look(on)
                if source.name == "environment":
                    sinks.mistakes(on)
                    sinks.tools(on)
            print(f"{source.name}: {findings.paths} paths, {len(findings.leaks)} leaks so far", flush=True)
        notebook.execute(Path(folder) / "book", FAULTS if "--full" in options else SOME, MODES, findings)
    leaks = Counter(_kind(leak.path) for leak in findings.leaks)
    rows = [f"| {kind} | {count} | {leaks[kind.partition(',')[0]]} |" for kind, count in findings.driven.items()]
    forms = sum(fault.name.startswith("401 that repeats") for fault in FAULTS)
    page = PAGE.format(
        rows="\n".join(rows),
        paths=findings.paths,
        leaks=len(findings.leaks),
        faults=len(FAULTS),
        modes=len(MODES),
        odd=len(odd),
        forms=forms,
    )
    (HERE / "canary.md").write_text(page, "utf-8")
    print(page, *(f"LEAK {leak}" for leak in findings.leaks), *(f"ODD {what}" for what in odd), sep="\n")
    return min(1, len(findings.leaks))


def _kind(path: str) -> str:
    return path.partition(":")[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
