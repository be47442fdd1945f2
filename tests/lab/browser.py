"""A real browser without a screen, driven over a pipe by Chromium's own protocol."""

from __future__ import annotations

import base64
import json
import os
import select
import shlex
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lab.process import Process, excerpt
from preview.pictures import CHROMIUM, FLAGS

_KEYS: Final[Mapping[str, tuple[int, str]]] = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " ")}


class BrowserError(Exception):
    """The browser says that it cannot, or a script in a page threw."""


def find() -> str | None:
    """Return the browser of this machine."""
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


class Browser:
    """A browser with a profile of its own below ``folder``; nothing of it is left after ``close``."""

    def __init__(self, folder: Path, timeout: float = 60) -> None:
        program = find()
        if program is None:
            raise RuntimeError(f"no browser: apt-get install {CHROMIUM[0]}")
        self.log = folder / "browser.log"
        self._timeout = timeout
        self._last = 0
        self._buffer = b""
        self._events: list[dict[str, Any]] = []
        orders, self._in = os.pipe()
        self._out, answers = os.pipe()
        command = [
            program,
            *FLAGS,
            "--no-proxy-server",
            "--remote-debugging-pipe",
            f"--user-data-dir={folder / 'profile'}",
        ]
        try:
            self.process = Process(
                # The browser reads its orders from descriptor 3 and answers on 4.
                ["bash", "-c", f"exec {shlex.join(command)} 3<&{orders} 4>&{answers}"],
                log=self.log,
                pass_fds=(orders, answers),
            )
        finally:
            os.close(orders)
            os.close(answers)

    def open(self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False, touch: bool = False) -> Tab:
        """Open a page and wait until it is loaded. ``touch``: as on a telephone."""
        target = self.order("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.order("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        tab = Tab(self, session, target)
        tab.order("Page.enable")
        tab.order(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        tab.order("Emulation.setEmulatedMedia", {"features": [scheme]})
        tab.order("Page.setLifecycleEventsEnabled", {"enabled": True})
        # Of this page: the empty one before it may only now have been loaded.
        loader = tab.order("Page.navigate", {"url": url})["loaderId"]
        self.wait_event("Page.lifecycleEvent", session, {"loaderId": loader, "name": "load"})
        return tab

    def order(self, method: str, given: Mapping[str, Any] | None = None, session: str = "") -> dict[str, Any]:
        """Send an order and return its answer; raises BrowserError."""
        self._last += 1
        number = self._last
        message = {"id": number, "method": method, "params": dict(given or {})}
        if session:
            message["sessionId"] = session
        os.write(self._in, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + self._timeout
        while True:
            found = self._read(deadline, method)
            if found.get("id") == number:
                if "error" in found:
                    raise BrowserError(f"{method}: {found['error']['message']}")
                answer: dict[str, Any] = found["result"]
                return answer
            self._events.append(found)

    def wait_event(self, method: str, session: str, fields: Mapping[str, Any] | None = None) -> None:
        """Wait until the page has told of something, with at least these fields."""
        deadline = time.monotonic() + self._timeout
        while True:
            for event in self._events:
                named = (event.get("method"), event.get("sessionId")) == (method, session)
                if named and (fields or {}).items() <= event["params"].items():
                    self._events.remove(event)
                    return
            self._events.append(self._read(deadline, method))

    def close(self) -> None:
        """End it."""
        self.process.kill()
        os.close(self._in)
        os.close(self._out)

    def _read(self, deadline: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._out], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._out, 1 << 20) if ready else b""
            if not data:
                raise BrowserError(f"no answer of the browser: {what}\n{excerpt(self.log)}")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(line)
        return found


class Tab:
    """One page."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser = browser
        self.session = session
        """What the browser calls this page; events are told of by it."""
        self._target = target

    def order(self, method: str, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send an order to this page."""
        return self._browser.order(method, given, self.session)

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression of JavaScript; raises BrowserError where it throws."""
        found = self.order("Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True})
        if "exceptionDetails" in found:
            raise BrowserError(found["exceptionDetails"]["exception"].get("description", script))
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        code, text = _KEYS[key]
        given = {"key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}
        self.order("Input.dispatchKeyEvent", {**given, "type": "keyDown" if text else "rawKeyDown"})
        self.order("Input.dispatchKeyEvent", {**given, "type": "keyUp"})

    def picture(self, path: Path) -> None:
        """Write what the window shows as a PNG."""
        found = self.order("Page.captureScreenshot", {"format": "png"})
        path.write_bytes(base64.b64decode(found["data"]))

    def close(self) -> None:
        """Close the page."""
        self._browser.order("Target.closeTarget", {"targetId": self._target})
