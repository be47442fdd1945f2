"""The API server over a Unix socket that ``kubectl proxy`` serves: small requests without a process for each."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.critical import signals_later
from lab.process import Process, wait_until
from lab.warden import WARDEN

_ANSWER = 15.0
_START = 20.0


class ApiError(OSError):
    """The API server refused a request."""

    def __init__(self, method: str, path: str, status: int, text: str) -> None:
        super().__init__(f"{method} {path}: {status} {text[:500]}")
        self.status = status


class Api:
    """A client for any cluster that a ``kubectl`` command line reaches."""

    def __init__(self, kubectl: Sequence[str], log: Path) -> None:
        # The path of a Unix socket has 108 characters at most, and a build folder may be anywhere.
        with signals_later():
            self._folder = Path(tempfile.mkdtemp(prefix="e2e-api-"))
            WARDEN.watch_folder(self._folder)
        self._socket = self._folder / "api.sock"
        self._process = Process([*kubectl, "proxy", f"--unix-socket={self._socket}", "--reject-paths=^$"], log=log)
        wait_until(self._socket.exists, _START, "kubectl proxy listens", [log])

    def close(self) -> None:
        """End the proxy."""
        self._process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
        WARDEN.forget_folder(self._folder)

    def text(self, path: str, *, method: str = "GET", body: object = None, kind: str = "application/json") -> str:
        """Return the answer's body; raises ApiError where the server says no."""
        connection = _UnixConnection(self._socket)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": kind, "Host": "localhost"})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except http.client.HTTPException as error:
            raise OSError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise ApiError(method, path, answer.status, text)
        return text

    def get(self, path: str) -> Any:
        """Return an object or a list."""
        return json.loads(self.text(path))

    def items(self, path: str) -> list[Any]:
        """Return the items of a list."""
        return list(self.get(path)["items"])

    def find(self, path: str) -> Any:
        """Return an object, or None where there is none."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == http.HTTPStatus.NOT_FOUND:
                return None
            raise

    def post(self, path: str, body: object) -> Any:
        """Create an object."""
        return json.loads(self.text(path, method="POST", body=body))

    def merge(self, path: str, body: object) -> Any:
        """Change some fields of an object."""
        return json.loads(self.text(path, method="PATCH", body=body, kind="application/merge-patch+json"))

    def delete(self, path: str, **options: object) -> None:
        """Delete an object; one that is gone already is deleted."""
        try:
            self.text(path, method="DELETE", body=options or None)
        except ApiError as error:
            if error.status != http.HTTPStatus.NOT_FOUND:
                raise


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_ANSWER)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_ANSWER)
        self.sock.connect(str(self._path))
