"""Takes one protection of keys away at a time, and sees whether the canary test notices: run by hand, or at night.

    python tests/canary/mutate.py [--quick] [WORD ...]

With words, only those are tried whose description holds one; ``--quick`` drives no more than the part that should
notice.

Each is a replacement in a copy of the package; one that does not apply any more is an error. First the part of the test
that should notice is driven, then, if it did not, all of it. Survivors make the exit code 1.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "llm_magics"
OPENAI = int(importlib.metadata.version("openai").partition(".")[0])
AT_ONCE = int(os.environ.get("CANARY_AT_ONCE") or max(1, (os.cpu_count() or 1) // 2))


@dataclass(frozen=True, slots=True)
class Mutation:
    """A protection taken away: what it is, where, the text and what stands there instead, and who should notice.

    ``below`` is the first major version of the ``openai`` package that does not need it any more.
    """

    what: str
    file: str
    old: str
    new: str
    part: str
    source: str = "environment"
    below: int = 99


M = Mutation
RAW, DROPS = "repeats the key raw", "reset in the middle"
MUTATIONS = (
    # a Secret shows nothing
    M("repr of a Secret", "secrets.py", """        return "Secret('***')\"""", "        return self.__value", "look"),
    M("str of a Secret", "secrets.py", "    __str__ = __repr__", "    __str__ = reveal", "look"),
    M("format of a Secret", "secrets.py", "        return repr(self)", "        return self.__value", "look"),
    M(
        "pickle of a Secret",
        "secrets.py",
        '        raise TypeError("a Secret cannot be pickled")',
        "        return Secret, (self.__value,)  # type: ignore",
        "look",
    ),
    M(
        "state of a Secret",
        "secrets.py",
        '        raise TypeError("a Secret has no state to show")',
        "        return self.__value  # type: ignore",
        "look",
    ),
    M(
        "a file's key is a Secret",
        "config_files.py",
        'kept["api_key"] = Secret(key)',
        "pass",
        "look",
        "configuration file",
    ),
    M(
        "a file's headers are Secrets",
        "config_files.py",
        "{header: Secret(value) for header, value in headers.items()}",
        "dict(headers)",
        "look",
        "headers",
    ),
    M(
        "a connection's headers are Secrets",
        "manager.py",
        "Secret(secrets.plain(headers[header]))",
        "_Bare(secrets.plain(headers[header]))",
        "look",
        "headers",
    ),
    M(
        "pickle of a ModelManager",
        "manager.py",
        "            if isinstance(settings, Mapping) and (",
        "            if False and (",
        "mistakes",
    ),
    # texts
    *(
        M(f"the form {name}", "redaction.py", old, new, part)
        for name, old, new, part in (
            ("raw", "    yield value, per\n", "", RAW),
            ("backwards", "    yield value[::-1], per\n", "", "backwards"),
            ("hex", "    yield raw.hex(), 2 * per\n", "", "in hex"),
            ("url", '    yield "".join(f"%{byte:02x}" for byte in raw), 3 * per\n', "", "url-encoded throughout"),
            ("JSON", '"".join(f"{mark}u{byte:04x}" for byte in raw)', "value", "JSON-escaped$"),
            ("HTML", '    yield "".join(f"&#{byte};" for byte in raw), 5 * per\n', "", "HTML-escaped"),
            ("url but for letters", '    yield urllib.parse.quote(value, safe=""), per\n', "", "key url-encoded$"),
            ("escaped slashes", 'value.replace("/", f"{mark}/")', "value", "with escaped slashes"),
            (
                "JSON but for letters",
                'char.isalnum() else f"{mark}u{ord(char):04x}"',
                "True else char",
                "but for letters",
            ),
            ("JSON in JSON", 'for mark in ("\\\\", "\\\\\\\\")', 'for mark in ("\\\\",)', "JSON-escaped"),
            ("base64", "for before in range(3):", "for before in range(0):", "in base64"),
            ("any case", "(form.lower(), length)", "(form, length)", "in upper case"),
            ("pieces", "per = min(PIECE, len(value))", "per = len(value)", "without its beginning"),
        )
    ),
    M("bytes", "redaction.py", "        if isinstance(value, bytes | bytearray):", "        if False:", RAW),
    M("mappings", "redaction.py", "        if isinstance(value, Mapping):", "        if False:", RAW),
    M("lists", "redaction.py", "in (list, tuple, set, frozenset)", "in ()", "422 with the key"),
    # errors of calls
    M("errors in cells", "faults.py", "error = scrubbed(error, connection.redactor)", "pass", RAW),
    M(
        "request ids",
        "faults.py",
        'connection.redactor.value(getattr(error, "request_id", None) or outcome.request_id)',
        'getattr(error, "request_id", None) or outcome.request_id',
        "request id",
    ),
    M(
        "partial answers of failures",
        "faults.py",
        "connection.answer_redactor.text(outcome.reply.text)",
        "outcome.reply.text",
        DROPS,
    ),
    M("errors of call_llm", "calls.py", "scrubbed(error, connection.redactor)", "error", RAW),
    M(
        "answers of call_llm",
        "calls.py",
        "message_without(reply.message(), connection.answer_redactor)",
        "reply.message()",
        "spells",
    ),
    M("frames of call_llm", "calls.py", "@without_variables\n", "", RAW, "dictionary"),
    M(
        "frames of the caller",
        "scrub.py",
        "                _hide(error, [*args, *kwargs.values()])",
        "                pass",
        RAW,
        "dictionary",
    ),
    M("frames of settings", "manager.py", "    @without_variables\n    def settings", "    def settings", "mistakes"),
    M(
        "frames of create_client",
        "manager.py",
        "    @without_variables\n    def create_client",
        "    def create_client",
        "mistakes",
    ),
    M("frames of cells", "commands/cells.py", "@without_variables\n", "", DROPS),
    M("frames of mistakes", "commands/cells.py", "    empty_frames(mistake)\n", "", "mistakes"),
    M(
        "errors that are not to be shown",
        "scrub.py",
        "            link.__context__ = None",
        "            pass",
        "mistakes",
    ),
    M("frames", "scrub.py", "                frame.clear()", "                pass", DROPS),
    M("arguments of errors", "scrub.py", "    error.args = redactor.value(tuple(map(_cut, error.args)))\n", "", RAW),
    M(
        "fields of errors",
        "scrub.py",
        "            setattr(error, name, redactor.value(_cut(field)))",
        "            pass",
        RAW,
    ),
    M(
        "headers of requests",
        "scrub.py",
        "            _clean_headers(field, redactor)",
        "            pass",
        "closed at once",
    ),
    M("responses of errors", "scrub.py", "error.response = _clean_response(field, redactor)", "pass", RAW),
    M(
        "headers of responses",
        "scrub.py",
        "    _clean_headers(response, redactor)\n",
        "",
        "401 with the key in its headers",
    ),
    M("bodies of responses", "scrub.py", "content=redactor.value(_cut(content))", "content=content", RAW),
    # answers
    M("text as it grows", "lanes.py", "self._keyless.feed(self.running.take())", "self.running.take()", "spells"),
    M(
        "a key in two halves",
        "redaction.py",
        "return length if length > _CONTEXT else 0",
        "return 0",
        "letter by letter",
    ),
    M("names of tools", "keyless.py", 'self._shown((kind, "name"), ', "str(", "a tool"),
    M("messages", "lanes.py", "message_without(reply.message(), keys)", "reply.message()", "spells"),
    M(
        "names of models",
        "lanes.py",
        "self.connection.answer_redactor.value(self.outcome.reply.model)",
        "self.outcome.reply.model",
        "every other field",
    ),
    M("finish reasons", "lanes.py", "keys.value(reply.finish_reason)", "reply.finish_reason", "every other field"),
    M(
        "what parts are called",
        "remarks.py",
        "keyless(', '.join(reply.left_out))",
        "', '.join(reply.left_out)",
        "every other field",
    ),
    M("usage", "lanes.py", "keys.value(reply.usage)", "reply.usage", "every other field"),
    M(
        "prompts with leave",
        "lanes.py",
        "keys.value(plan.body) if self._ask.allow_secret or self.connection.parameters else plan.body",
        "plan.body",
        "look",
    ),
    M("keys of other endpoints", "manager.py", "*self.parameters, *self.others", "*self.parameters", "look"),
    M(
        "prompts with a key",
        "session/preparing.py",
        "            _check_for_keys(body, connection)",
        "            pass",
        "look",
    ),
    M("what endpoints refuse", "lanes.py", "connection.redactor.text(finding.said)", "finding.said", "look"),
    M(
        "what an endpoint said in the end",
        "lanes.py",
        "connection.redactor.text(plan.last_said)",
        "plan.last_said",
        "in the end",
    ),
    M("checks", "doctor/checkup.py", "self.connection.redactor.text(text)", "text", "look"),
    # tools
    M(
        "results of tools",
        "tool_runs.py",
        "content=_cut(keyless(answer.content), bounds.result)",
        "content=_cut(answer.content, bounds.result)",
        "tools",
    ),
    M("what tools print", "tool_runs.py", "printed=keyless(seen.text)", "printed=seen.text", "tools"),
    M("tables of tools", "tool_runs.py", "grid=_without_keys(grid, keyless) if", "grid=grid if", "tools"),
    M("heads of tables", "tool_runs.py", "columns=tuple(map(keyless, grid.columns))", "columns=grid.columns", "tools"),
    M(
        "messages that calls came in",
        "lanes.py",
        "message_without(reply.message(), keys)",
        "reply.message()",
        "tools",
    ),
    M(
        "messages of a conversation",
        "session/prompting.py",
        "self._prepared.connection.answer_redactor.value(whole.messages)",
        "whole.messages",
        "look",
    ),
    # what magics show
    M(
        "the key of a dry run",
        "commands/cells.py",
        '"Authorization: Bearer ***"',
        '"Authorization: Bearer " + connection.api_key.reveal()',
        "look",
    ),
    M(
        "headers of a dry run",
        "commands/cells.py",
        'f"{name}: ***" for name, _ in',
        'f"{name}: {_.reveal()}" for name, _ in',
        "look",
        "headers",
    ),
    M(
        "the body of a dry run",
        "commands/cells.py",
        "text = connection.redactor.text(json.dumps(body, indent=2, ensure_ascii=False, default=str))",
        "text = json.dumps(body, indent=2, ensure_ascii=False, default=str)",
        "look",
    ),
    M("lists of models", "choices.py", "asked[name].redactor.value(listed)", "listed", "look"),
    M("tables of settings", "commands/settings.py", "tuple(masked(cell) for cell in row)", "tuple(row)", "mistakes"),
    M(
        "the values of api_key and headers in complaints",
        "config.py",
        "    if key in UNSHOWN:",
        "    if False:",
        "mistakes",
    ),
    M("mistakes", "errors.py", "super().__init__(masked(text))", "super().__init__(text)", "mistakes"),
    M("warnings", "manager.py", "warnings.warn(masked(text)", "warnings.warn(text", "mistakes"),
    M(
        "lines of files",
        "config_files.py",
        "    if _SECRET.search(around) or _LIKE_A_KEY.search(part) or",
        "    if",
        "mistakes",
    ),
    M(
        "keys in headers",
        "secrets.py",
        "    if not KEY_HEADER.search(name):\n",
        "    if True:\n",
        RAW,
        "headers",
    ),
    # logs and other hosts
    M(
        "logs of the HTTP libraries",
        "manager.py",
        "    logs.guard(connection.keys)\n",
        "",
        "401 with the key in its headers",
    ),
    M(
        "texts in logs",
        "logs.py",
        "            record.msg, record.args = clean, None",
        "            pass",
        "401 with the key in its headers",
    ),
    M(
        "tracebacks in logs",
        "logs.py",
        "                record.exc_info, record.exc_text = None, clean",
        "                pass",
        "line of status",
        below=3,
    ),
    M("redirects", "manager.py", "follow_redirects=False", "follow_redirects=True", "redirect with 307"),
    M(
        "projects' files",
        "configuration.py",
        "            self._check_trust(name)\n",
        "            pass\n",
        "look",
    ),
)


def notices(mutation: Mutation, folder: Path, quick: bool) -> str:
    """The first leak without this protection; nothing when there is none."""
    shutil.copytree(PACKAGE, folder / "llm_magics", ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "llm_magics" / mutation.file
    text = path.read_text("utf-8")
    assert mutation.old in text, f"{mutation.what}: {mutation.file} has no {mutation.old!r}"
    mutated = text.replace(mutation.old, mutation.new)
    if "_Bare" in mutation.new:
        mutated += "\n\nclass _Bare(str):\n    def reveal(self) -> str:\n        return str(self)\n"
    path.write_text(mutated, "utf-8")
    for source, part in ((mutation.source, mutation.part), ("all", "all"))[: 1 if quick else 2]:
        done = subprocess.run(
            [sys.executable, str(HERE / "probe.py"), source, part],
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            timeout=3600,
        )
        if done.returncode:
            return (done.stdout or done.stderr).splitlines()[0 if done.stdout else -1]
    return ""


def main(words: list[str]) -> int:
    """Try them; 1 when one survives."""
    quick, words = "--quick" in words, [word for word in words if word != "--quick"]
    chosen = [mutation for mutation in MUTATIONS if not words or any(word in mutation.what for word in words)]

    def tried(mutation: Mutation) -> str:
        if mutation.below <= OPENAI:
            print(f"not here  {mutation.what}: openai {OPENAI} does not need it", flush=True)
            return "not needed"
        with tempfile.TemporaryDirectory() as folder:
            found = notices(mutation, Path(folder), quick)
        print(f"{'killed  ' if found else 'SURVIVED'}  {mutation.what}: {found}", flush=True)
        return found

    with ThreadPoolExecutor(AT_ONCE) as pool:
        killed = sum(bool(found) for found in pool.map(tried, chosen))
    print(f"{killed} of {len(chosen)} protections are missed when they are gone")
    return int(killed < len(chosen))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
