"""Headless Chromium, told what to do over a pipe, by its own protocol."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_WITHIN = 90.0
"""Seconds for anything, on a machine that is busy with other tests."""

_ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--mute-audio"),
)


class Page:
    """One page. said: what its console and its errors said; asked: the URLs that it asked for."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session
        self.said: list[str] = []
        self.asked: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        """One command of the protocol, and what comes of it."""
        return self._browser.call(method, params, self._session)

    def size(self, width: int, height: int, dark: bool = False) -> None:
        """How large it is, and which colours its reader likes."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression, or its promise, comes to."""
        found = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str) -> Any:
        """The value of the expression as soon as it is a true one."""
        end = time.monotonic() + _WITHIN
        while time.monotonic() < end:
            with contextlib.suppress(AssertionError):  # the page is being loaded
                if found := self.value(expression):
                    return found
            time.sleep(0.05)
        raise AssertionError(f"never so: {expression}; the page: {self.text()[:2000]}")

    def text(self) -> str:
        """What one reads on it."""
        return str(self.value("document.body.innerText"))

    def press(self, key: str) -> None:
        """Press a key: Tab, Enter, ArrowRight, a letter."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowRight": 39, "ArrowDown": 40, "End": 35}
        code = {"windowsVirtualKeyCode": codes[key]} if key in codes else {}
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        down = {"text": text} if text else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **code, **down)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, **code)

    def picture(self, path: Path) -> None:
        """Save what it looks like, as PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def happened(self, method: str, params: dict[str, Any]) -> None:
        """Take note of an event."""
        if method == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.said.append(str(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.said.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.said.append(str(params["entry"]))


class Chromium:
    """The browser."""

    def __init__(self, process: subprocess.Popen[bytes], writing: int, reading: int) -> None:
        self._process = process
        self._writing = writing
        self._stream = os.fdopen(reading, "rb", buffering=0)
        self._rest = b""
        self._number = 0
        self._pages: dict[str, Page] = {}
        self._targets: list[str] = []

    def page(self) -> Page:
        """A new one."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        page = Page(self, attached["sessionId"])
        self._pages[attached["sessionId"]] = page
        self._targets.append(target)
        return page

    def close_pages(self) -> None:
        """Close all that are open."""
        self._pages.clear()
        while self._targets:
            self.call("Target.closeTarget", {"targetId": self._targets.pop()})

    def call(self, method: str, params: dict[str, Any], session: str = "") -> Any:
        """A command, and what comes of it. Meanwhile events are taken note of."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._number:
                assert "error" not in said, (method, said)
                return said["result"]
            if page := self._pages.get(said.get("sessionId", "")):
                page.happened(said["method"], said["params"])

    def _next(self) -> Any:
        while b"\0" not in self._rest:
            part = self._stream.read(1 << 20)
            assert part, f"Chromium ended: {self._process.poll()}"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


@contextmanager
def chromium(profile: Path) -> Iterator[Chromium]:
    """A browser, with a profile of its own that is made there."""
    commands, writing = os.pipe()
    reading, answers = os.pipe()
    # It reads commands at 3 and writes at 4: neither end may be one of these before.
    to_read, to_write = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (commands, answers))
    os.close(commands)
    os.close(answers)
    shell = f'exec chromium "$@" 3<&{to_read} 4>&{to_write}'
    command = ["bash", "-c", shell, "bash", *_ARGUMENTS, "--remote-debugging-pipe"]
    with (profile.parent / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(to_read, to_write),
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "TMPDIR": str(profile.parent)},
        )
    os.close(to_read)
    os.close(to_write)
    try:
        yield Chromium(process, writing, reading)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
        os.close(writing)
