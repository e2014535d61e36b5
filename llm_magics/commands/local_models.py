"""What ``%llm_config --local`` does: a GGUF file, fetched from the model hub where it has to be, becomes a model."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llm_magics import live
from llm_magics.configuration import Configuration
from llm_magics.errors import ConfigError, cut, did_you_mean
from llm_magics.interrupts import Hold, Interrupted, held
from llm_magics.local.child import Child, Ended
from llm_magics.local.choice import Model, matching, usual
from llm_magics.local.served import Served, bytes_of, check_extra, name_for
from llm_magics.printable import clean, short_line
from llm_magics.terminal import PATIENCE

TICK = 0.1  # seconds between two looks at what a process has to say
PAINT = 0.5  # seconds between two repaints
SAID = 160  # characters of what the hub said
LISTED = 12  # models of a repository that a line names
BAR = 24  # characters
_REPOSITORY = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?::(.+))?")
# The same as a browser shows it.
_PAGE = re.compile(
    r"(?:https?://)?(?:huggingface\.co|hf\.co)/([^/?:]+/[^/?:]+)(?:/(?:blob|resolve|tree)/main/?|/|:)?([^?]*)(?:\?.*)?"
)
ELSEWHERE = "set HF_HOME to another folder before the kernel starts"
BY_HAND = "Or fetch a GGUF file by other means, and serve it with %llm_config --local PATH.gguf"


def serve(shell: Any, here: Configuration, given: str) -> list[str]:
    """Serve a file, or one of a repository's, and choose it; lines that say so.

    Raises:
        ConfigError: it cannot be; nothing was left running.
        Interrupted: someone stopped it; likewise.
    """
    page = live.is_page(shell)
    with held() as hold:
        try:
            lines, path = _found(given, live.Progress(page=page), hold)
            return lines if path is None else lines + _serve(here, path, live.Progress(page=page), hold)
        except KeyboardInterrupt:
            raise Interrupted("stopped; no model was added") from None


def _found(given: str, progress: live.Progress, hold: Hold) -> tuple[list[str], Path | None]:
    if page := _PAGE.fullmatch(given):
        given = f"{page[1]}:{page[2]}" if page[2] else page[1]
    path = Path(os.path.expanduser(given))  # noqa: PTH111 - Path's own fails where nobody knows whose home ~ is
    repository = _REPOSITORY.fullmatch(given)
    if repository is None or _is_path(given, path):
        return [], path
    try:
        return _from_hub(repository[1], repository[2] or "", progress, hold)
    finally:
        progress.end()


def _is_path(given: str, path: Path) -> bool:
    """Whether what could name a repository is meant as a file: it is there, is called one, or its folder is there."""
    try:
        return path.exists() or (":" not in given and (given.lower().endswith(".gguf") or path.parent.is_dir()))
    except OSError:
        return True


# ---------------------------------------------------------------- serving


def _serve(here: Configuration, path: Path, progress: live.Progress, hold: Hold) -> list[str]:
    path = path.absolute()
    known = here.served.of_file(path)
    if known is not None and known.is_current():
        here.set({"model": known.name})
        return [f"{known.name} is being served already, at {_where(known)}: chose it."]
    begun = time.monotonic()
    served = Served(path, known.name if known else name_for(path, here.config.model_names()))
    try:
        with hold.opened():
            while not served.ready(TICK):
                _wait(progress, f"Loading {path.name}", begun)
    except BaseException:
        served.end()
        progress.end()
        raise
    progress.end(f"Loaded {path.name} in {time.monotonic() - begun:.0f} s.")
    here.served.hold(served)
    here.set({"model": served.name})
    others = [other for other in here.served.names if other != served.name]
    also = f" Also served: {', '.join(others)}." if others else ""
    return [
        f"Serving {path.name} as {served.name} at {_where(served)}, and chose it. It takes {served.context:,} tokens, "
        f"and ends with the kernel or %llm_config --reset.{also}"
    ]


def _where(served: Served) -> str:
    return served.base_url.removeprefix("http://").removesuffix("/v1")


def _wait(progress: live.Progress, what: str, begun: float) -> None:
    waited = time.monotonic() - begun
    if waited >= PATIENCE:
        progress.show(f"{what} … {waited:.0f} s")


# ---------------------------------------------------------------- fetching


def _from_hub(repository: str, wanted: str, progress: live.Progress, hold: Hold) -> tuple[list[str], Path | None]:
    """The file of a repository, fetched if it has to be and somebody says yes."""
    check_extra("huggingface_hub", "a model from the hub")
    check_extra("xllamacpp", "a local model")  # before gigabytes are fetched for it
    begun = time.monotonic()
    found = _ask_hub(
        {"repository": repository, "wanted": wanted},
        lambda report: _wait(progress, f"Asking what {repository} has", begun),
        repository,
        hold,
    )
    if "here" in found:
        return [f"{found['file']} of {repository} was fetched before."], Path(found["here"])
    models = [Model(tuple(model["files"]), model["size"]) for model in found["models"]]
    model = _chosen(models, repository, wanted)
    others = [other.name for other in models if other is not model]
    if found["free"] is not None and found["free"] < model.size:
        raise ConfigError(
            f"{model.name} has {bytes_of(model.size)}, and {bytes_of(found['free'])} are free in {found['folder']}: "
            f"make room there, or {ELSEWHERE}. {BY_HAND}"
        )
    if not _wants(repository, model, found, others, hold):
        return ["Nothing was fetched, and nothing has changed."], None
    begun, size = time.monotonic(), bytes_of(model.size)
    fetching = _Fetching(progress, model)
    fetched = _ask_hub({"repository": repository, "files": model.files}, fetching.paint, repository, hold)
    choice = f" It also has {_listed(others)}: write {repository}:FILE." if others and not wanted else ""
    line = f"Fetched {model.name}, {size} in {time.monotonic() - begun:.0f} s, into {found['folder']}.{choice}"
    return ([] if progress.end(line) else [line]), Path(fetched["here"])


def _chosen(models: list[Model], repository: str, wanted: str) -> Model:
    if not models:
        raise ConfigError(
            f"{repository} has no GGUF file, which is the form that llama.cpp reads: look for a repository with GGUF "
            f"in its name. {BY_HAND}"
        )
    names = [model.name for model in models]
    if not wanted:
        model = usual(models)
        assert model is not None
        return model
    found = matching(models, wanted)
    if not found:
        near = did_you_mean(wanted, names)
        raise ConfigError(f"{repository} has no file {cut(wanted)!r}.{near} It has {_listed(names)}.")
    if len(found) > 1:
        several = _listed([model.name for model in found])
        raise ConfigError(f"{cut(wanted)!r} could be several files of {repository}: {several}. Write one of them.")
    return found[0]


def _wants(repository: str, model: Model, found: dict[str, Any], others: list[str], hold: Hold) -> bool:
    """Ask the person in front whether a model is to be fetched.

    Raises:
        ConfigError: there is nobody to ask; the message says how it can be fetched.
    """
    licence = f"licence {short_line(found['licence'], 60)}" if found["licence"] else "no licence is named"
    gated = "; its owners decide who may" if found["gated"] else ""
    files = f" and {len(model.files) - 1} more" if len(model.files) > 1 else ""
    choice = f" (it also has {_listed(others)})" if others else ""
    what = f"{model.name}{files} from {repository}, {bytes_of(model.size)}, {licence}{gated}"
    question = clean(f"Fetch {what}{choice}, into {found['folder']}? [y/N] ")
    try:
        with hold.opened():
            return input(question).strip().lower() in ("y", "yes")
    except (EOFError, OSError, NotImplementedError):  # ipykernel's StdinNotImplementedError is one of the last
        files = " ".join(model.files)
        raise ConfigError(
            f"nobody can be asked here whether to fetch {what}. Fetch it with !hf download {repository} {files} and "
            "say this again."
        ) from None


class _Fetching:
    """How far a download has come, as a line with a bar."""

    def __init__(self, progress: live.Progress, model: Model) -> None:
        self._progress, self._model = progress, model
        self._begun = time.monotonic()
        self._first: tuple[float, int] | None = None  # what was there before is not this time's speed
        self._done = 0

    def paint(self, report: dict[str, Any]) -> None:
        """Show what a report says, or that there was none."""
        now = time.monotonic()
        self._done = report.get("done", self._done)
        if self._first is None:
            if "done" in report:
                self._first = now, self._done
            _wait(self._progress, f"Fetching {self._model.name}", self._begun)
            return
        size = max(self._model.size, self._done, 1)
        full = BAR * self._done // size
        parts = [f"{bytes_of(self._done)} of {bytes_of(size)}"]
        if (seconds := now - self._first[0]) > 1 and (speed := (self._done - self._first[1]) / seconds) > 0:
            parts += [f"{bytes_of(speed)}/s", f"{(size - self._done) / speed:.0f} s left"]
        bar = "█" * full + "░" * (BAR - full)
        self._progress.show(f"Fetching {self._model.name} {bar} {100 * self._done // size} % · {' · '.join(parts)}")


def _ask_hub(
    order: dict[str, Any], paint: Callable[[dict[str, Any]], None], repository: str, hold: Hold
) -> dict[str, Any]:
    """What the process that asks the hub comes back with; meanwhile ``paint`` is given its reports.

    Raises:
        ConfigError: it failed; the message says what to do.
    """
    child = Child("hub", order)
    try:
        with hold.opened():
            while True:
                report = child.hear(TICK)
                if "failed" in report:
                    raise _mistake(report, repository)
                if "here" in report or "models" in report:
                    return report
                paint(report)
    except Ended:
        child.has_ended(1.0)
        raise ConfigError(f"{repository}: asking the hub failed ({child.last_words()}). {BY_HAND}") from None
    finally:
        child.end()


def _mistake(report: dict[str, Any], repository: str) -> ConfigError:
    hub, said = report["endpoint"], short_line(report["said"], SAID)
    match report["failed"]:
        case "gated":
            what = f"{repository} is given to those only whom its owners let: ask for it at {hub}/{repository}, and set"
            what += " HF_TOKEN to a token of yours before the kernel starts"
        case "no repository":
            what = f"{hub} has no {repository}, or only for some, who set HF_TOKEN before the kernel starts"
        case "no file":
            what = f"{repository} does not have this file any more"
        case "no name":
            what = f"{cut(repository)!r} cannot be a repository's name: write ORG/REPO, or ORG/REPO:FILE"
        case "offline":
            what = f"{repository} was not fetched before, and HF_HUB_OFFLINE forbids to ask the hub"
        case "busy":
            what = f"another process is fetching this from {repository}: say this again when it is done"
        case "no space":
            what = f"there is no room left in {report['folder']}: {ELSEWHERE}"
        case "not writable":
            what = f"{report['folder']} cannot be written: {ELSEWHERE}"
        case "token":
            what = f"{hub} does not accept the token in HF_TOKEN, or not for {repository}"
        case "unreached":
            what = f"{hub} cannot be reached ({said}); what has been fetched of a file is kept, and gone on from"
        case _:
            what = f"{repository}: {said}"
    return ConfigError(f"{what}. {BY_HAND}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return short_line(", ".join(names[:LISTED]), 1_000) + more
