"""A model hub on loopback with the two requests that the client makes: a list of files, and a file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from tests.hub.tiny import REVISION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Hub:
    """What a server offers, and what goes wrong.

    ``fault`` is an error code of the hub with which every request is refused. The file that ends in ``damaged`` is sent
    with another first byte.
    """

    repositories: dict[str, Path]
    fault: str = ""
    damaged: str = ""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = urlparse(self.path).path
        words = path.removeprefix("/api/models").strip("/").split("/")
        if len(words) < len(("owner", "name", "kind", "revision")):  # news that the client asks the hub for
            self._refuse("EntryNotFound")
            return
        owner, name, kind, revision, *rest = words
        folder = self.hub.repositories.get(f"{owner}/{name}")
        if self.hub.fault or folder is None or revision != REVISION:
            self._refuse(self.hub.fault or ("RevisionNotFound" if folder else "RepoNotFound"))
        elif kind == "tree":
            self._send(json.dumps([_entry(folder, one) for one in _files(folder)]).encode(), {}, body=body)
        else:
            file = folder.joinpath(*rest)
            data = file.read_bytes()
            if self.hub.damaged and file.name.endswith(self.hub.damaged):
                data = bytes([data[0] ^ 1]) + data[1:]
            self._send(data, {"ETag": f'"{_etag(file)}"', "X-Repo-Commit": revision}, body=body)

    def _refuse(self, code: str) -> None:
        self.send_response(403 if code == "GatedRepo" else 404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, data: bytes, headers: dict[str, str], *, body: bool) -> None:
        self.send_response(200)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Write no lines to standard error."""


@contextlib.contextmanager
def serve_hub(repositories: dict[str, Path], fault: str = "", damaged: str = "") -> Iterator[str]:
    """Serve ``repositories`` by hub id at ``REVISION`` and yield the hub's address."""
    handler = type("Handler", (_Handler,), {"hub": Hub(repositories, fault, damaged)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _files(folder: Path) -> list[Path]:
    return sorted(one for one in folder.rglob("*") if one.is_file())


def _etag(file: Path) -> str:
    data = file.read_bytes()
    large = file.suffix == ".safetensors"
    return hashlib.sha256(data).hexdigest() if large else hashlib.sha1(data).hexdigest()


def _entry(folder: Path, file: Path) -> dict[str, Any]:
    size, name = file.stat().st_size, file.relative_to(folder).as_posix()
    entry: dict[str, Any] = {"type": "file", "path": name, "size": size, "oid": "0" * 40}
    if file.suffix == ".safetensors":
        entry["lfs"] = {"oid": _etag(file), "size": size, "pointerSize": 130}
    return entry
