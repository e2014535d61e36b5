"""The child that looks into the model hub and fetches from it, through the hub's own library and into its cache.

In a process of its own it can be stopped at any moment, whatever it waits for. HF_ENDPOINT, HF_HOME, HF_TOKEN and their
like mean what they mean to that library.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from llm_magics.local.choice import matching, models_in, usual

PATIENCE = 15.0  # seconds for the hub to say what a repository has
REPORTS = 0.25  # seconds between two reports of how far a file has come
PIECE = 1 << 20  # bytes
Say = Callable[[dict[str, Any]], None]


def work(given: dict[str, Any], say: Say) -> None:
    """Report what a repository has, or fetch ``files`` of it, where some are named; or how that failed."""
    from huggingface_hub import constants
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    constants.DOWNLOAD_CHUNK_SIZE = PIECE  # the library's own, ten of these, are lost when it is stopped
    endpoint = constants.ENDPOINT
    try:
        say(_fetch(given, say) if "files" in given else _look(given))
    except Exception as error:  # noqa: BLE001 - told by the kernel
        say({"failed": _kind(error), "said": _without_token(error), "endpoint": endpoint, "folder": _cache()})


# ---------------------------------------------------------------- looking


def _look(given: dict[str, Any]) -> dict[str, Any]:
    repository, wanted = given["repository"], given["wanted"]
    here = _cached(repository)
    sizes = {name: path.stat().st_size for name, path in here.items()}
    models = models_in(sizes)
    chosen = next(iter(matching(models, wanted)), None) if wanted else usual(models)
    if chosen is not None:
        return {"here": str(here[chosen.name]), "file": chosen.name}
    return _offer(repository)


def _cached(repository: str) -> dict[str, Path]:
    """The GGUF files of a repository in the cache, as they were when they were last asked for."""
    from huggingface_hub.file_download import repo_folder_name

    folder = Path(_cache()) / repo_folder_name(repo_id=repository, repo_type="model")
    try:
        snapshot = folder / "snapshots" / (folder / "refs" / "main").read_text("utf-8").strip()
        return {path.relative_to(snapshot).as_posix(): path for path in snapshot.rglob("*.gguf") if path.is_file()}
    except OSError:
        return {}


def _offer(repository: str) -> dict[str, Any]:
    """What the hub says of a repository."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(repository, files_metadata=True, timeout=PATIENCE)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    return {
        "models": [{"files": model.files, "size": model.size} for model in models_in(sizes)],
        "licence": _licence(info),
        "gated": bool(info.gated),
        "folder": _cache(),
        "free": _free(Path(_cache())),
    }


def _licence(info: Any) -> str:
    tagged = [tag.partition(":")[2] for tag in info.tags or [] if tag.startswith("license:")]
    said = getattr(info.card_data, "license", None)
    named = getattr(info.card_data, "license_name", None)
    return str(named if said == "other" and named else said or next(iter(tagged), ""))


def _cache() -> str:
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)


def _free(folder: Path) -> int | None:
    for place in (folder, *folder.parents):
        with contextlib.suppress(OSError):
            return shutil.disk_usage(place).free
    return None


# ---------------------------------------------------------------- fetching


def _fetch(given: dict[str, Any], say: Say) -> dict[str, Any]:
    done, paths = 0, []
    for file in given["files"]:
        paths.append(_fetch_one(given["repository"], file, done, say))
        done += paths[-1].stat().st_size
        say({"done": done})
    return {"here": str(paths[0])}


def _fetch_one(repository: str, file: str, before: int, say: Say) -> Path:
    """One file, into the cache's own place for its content; what an earlier try left there is gone on from.

    The library itself begins anew each time. What was fetched is kept under the content's name, so that it never goes
    on from another content, and has to have its sum in the end.
    """
    from filelock import FileLock
    from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url
    from huggingface_hub.file_download import http_get, repo_folder_name
    from huggingface_hub.utils import build_hf_headers

    url = hf_hub_url(repository, file)
    found = get_hf_file_metadata(url, token=get_token())
    if not found.etag or not re.fullmatch(r"[\w-]+", found.etag):
        raise OSError(f"the hub names no content for {file}")
    blobs = Path(_cache()) / repo_folder_name(repo_id=repository, repo_type="model") / "blobs"
    whole, part = blobs / found.etag, blobs / f"{found.etag}.part"
    blobs.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{part}.lock", timeout=0):
        if not whole.exists():
            with part.open("ab") as out, _reporting(part, before, say):
                headers = build_hf_headers(token=get_token())
                http_get(url, out, resume_size=out.tell(), headers=headers, expected_size=found.size)
            _check_sum(part, found.etag)
            part.replace(whole)
    Path(f"{part}.lock").unlink(missing_ok=True)
    return _pointer(repository, file)


def _pointer(repository: str, file: str) -> Path:
    """Where the library finds a file whose content is there; it makes a note of that, and fetches nothing."""
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repository, file, revision="main"))


@contextlib.contextmanager
def _reporting(part: Path, before: int, say: Say) -> Iterator[None]:
    """Within, how many bytes there are is reported now and then."""
    over = threading.Event()

    def report() -> None:
        while not over.wait(REPORTS):
            with contextlib.suppress(OSError):
                say({"done": before + part.stat().st_size})

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _check_sum(part: Path, etag: str) -> None:
    """A large file's name on the hub is the SHA-256 of its content; what has another is fetched anew next time."""
    if not re.fullmatch(r"[0-9a-f]{64}", etag):
        return
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != etag:
        part.unlink()
        raise OSError("what came is not what the hub promised (its SHA-256 differs)")


# ---------------------------------------------------------------- what went wrong


def _kind(error: BaseException) -> str:
    """The kind of failure; of the libraries' many errors those are told apart that want another next move."""
    from huggingface_hub import errors

    names = {kind.__name__ for cause in _causes(error) for kind in type(cause).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return "gated"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "no repository"
    if isinstance(error, errors.EntryNotFoundError):
        return "no file"
    if isinstance(error, errors.HFValidationError):
        return "no name"
    if "OfflineModeIsEnabled" in names:
        return "offline"
    if "Timeout" in names and type(error).__module__.startswith("filelock"):
        return "busy"
    if any(isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT) for cause in _causes(error)):
        return "no space"
    if isinstance(error, PermissionError):
        return "not writable"
    if status is not None:
        return "token" if status in (401, 403) else "refused"
    return "unreached" if "TransportError" in names else "else"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _without_token(error: BaseException) -> str:
    from huggingface_hub import get_token

    token, said = get_token(), f"{error}" or type(error).__name__
    return said.replace(token, "***") if token else said
