"""A model hub on loopback: what `huggingface_hub` asks when it looks at a repository and fetches files of it.

Files are served as the real hub serves large ones: their address answers with a redirect to where the content lies,
whose name is its SHA-256, and ranges are served there.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass(slots=True)
class Repository:
    """What one repository holds; ``gated`` ones are listed for all and served to nobody."""

    files: Mapping[str, bytes]
    licence: str = "apache-2.0"
    gated: bool = False
    private_to: str = ""
    claims: int | None = None  # bytes that every file is said to have


@dataclass(slots=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class Hub:
    """The hub.

    Attributes:
        repositories: by name.
        asked: every request, in order.
        stops_after: of a content, the bytes after which its sending waits until `goes_on` is set; None for never.
        silent: answers nothing at all until `goes_on` is set.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    stops_after: int | None = None
    silent: bool = False
    spoils: bool = False
    goes_on: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.goes_on.set()
        self._server.shutdown()
        self._server.server_close()

    def contents_asked(self) -> list[Asked]:
        """The requests for contents."""
        return [asked for asked in self.asked if asked.method == "GET" and asked.path.startswith("/content/")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        self.hub.asked.append(Asked(self.command, self.path, dict(self.headers)))
        if self.hub.silent:
            self.hub.goes_on.wait(60)
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/[^/]+)?", path):
            self._describe(found[1])
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(found[1], found[3])
        elif found := re.fullmatch(r"/content/([0-9a-f]{64})", path):
            self._content(found[1])
        else:
            self._refuse(404, "", "no such page")

    def _repository(self, name: str) -> Repository | None:
        found = self.hub.repositories.get(name)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if found is None or (found.private_to and token != found.private_to):
            self._refuse(401, "RepoNotFound", "Repository not found")
            return None
        return found

    def _describe(self, name: str) -> None:
        if (found := self._repository(name)) is None:
            return
        files = [
            {
                "rfilename": file,
                "size": len(content) if found.claims is None else found.claims,
                "blobId": hashlib.sha1(content).hexdigest(),
                "lfs": {"sha256": _sum(content), "size": len(content), "pointerSize": 130},
            }
            for file, content in found.files.items()
        ]
        about: dict[str, Any] = {
            "_id": "1",
            "id": name,
            "modelId": name,
            "author": name.partition("/")[0],
            "sha": REVISION,
            "private": False,
            "disabled": False,
            "gated": "manual" if found.gated else False,
            "downloads": 1,
            "likes": 1,
            "tags": ["gguf", f"license:{found.licence}"] if found.licence else ["gguf"],
            "cardData": {"license": found.licence} if found.licence else {},
            "siblings": files,
            "createdAt": "2026-01-01T00:00:00.000Z",
            "lastModified": "2026-01-01T00:00:00.000Z",
        }
        self._send(200, json.dumps(about).encode(), {"Content-Type": "application/json"})

    def _resolve(self, name: str, file: str) -> None:
        if (found := self._repository(name)) is None:
            return
        if found.gated:
            self._refuse(403, "GatedRepo", "Access to this model is restricted")
        elif file not in found.files:
            self._refuse(404, "EntryNotFound", "Entry not found")
        else:
            content = found.files[file]
            headers = {
                "Location": f"{self.hub.url.replace('127.0.0.1', 'localhost')}/content/{_sum(content)}?signed=1",
                "X-Repo-Commit": REVISION,
                "X-Linked-Size": str(len(content)),
                "X-Linked-ETag": f'"{_sum(content)}"',
                "ETag": f'"{_sum(content)}"',
            }
            self._send(302, b"Found. Redirecting", headers)

    def _content(self, digest: str) -> None:
        contents = (one for repository in self.hub.repositories.values() for one in repository.files.values())
        content = next(one for one in contents if _sum(one) == digest)
        if self.hub.spoils:
            content = bytes(len(content))
        headers, status, begin = {"ETag": f'"{digest}"', "Accept-Ranges": "bytes"}, 200, 0
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            begin, status = int(wanted[1]), 206
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        self._send(status, content[begin:], headers, self.hub.stops_after)

    def _refuse(self, status: int, code: str, said: str) -> None:
        headers = {"X-Error-Message": said} | ({"X-Error-Code": code} if code else {})
        self._send(status, json.dumps({"error": said}).encode(), headers)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], stops_after: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            self.wfile.write(body[:stops_after])
            self.wfile.flush()
            if stops_after is not None:
                self.hub.goes_on.wait(60)
                self.wfile.write(body[stops_after:])
        except OSError:  # whoever asked has gone
            self.close_connection = True


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
