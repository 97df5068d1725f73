"""A real browser without a window, driven over two pipes by its own protocol (CDP)."""

import base64
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TIMEOUT = 60.0  # seconds, for a busy machine
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# A page of our own needs no sandbox, which root and containers may not have.
_OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
)
_TO_BROWSER, _FROM_BROWSER = 3, 4  # the descriptors that it reads and writes


def installed_browser() -> str | None:
    return next(filter(None, map(shutil.which, _PROGRAMS)), None)


class Browser:
    """One page. Messages end with a zero byte; ``events`` are those that came so far."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._number = 0
        self._unread = b""
        self._session: str | None = None
        self.events: list[Mapping[str, Any]] = []

    def open(self, path: Path) -> None:
        """Returns when the page is loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        while not self.seen("Page.loadEventFired"):
            self._read()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            pass
        assert "error" not in answer, answer["error"]
        result: dict[str, Any] = answer["result"]
        return result

    def seen(self, method: str) -> list[Mapping[str, Any]]:
        return [event["params"] for event in self.events if event["method"] == method]

    def evaluate(self, script: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def show(self, scheme: str, width: int) -> None:
        """``scheme`` is ``light`` or ``dark``, ``width`` in pixels."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )

    def picture(self) -> bytes:
        """PNG."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    def pdf(self) -> bytes:
        answer = self.call("Page.printToPDF", printBackground=False)
        return base64.b64decode(answer["data"])

    def accessible(self) -> list[tuple[str, str, str]]:
        """Role, name and description of what a screen reader finds."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            (_value(node, "role"), _value(node, "name"), _value(node, "description"))
            for node in nodes
            if not node["ignored"]
        ]

    def _read(self) -> dict[str, Any]:
        end = time.monotonic() + TIMEOUT
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._from], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"the browser did not answer within {TIMEOUT:g} s"
            part = os.read(self._from, 1 << 20)
            assert part, "the browser has ended"
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self.events.append(message)
        return message


def _value(node: Mapping[str, Any], key: str) -> str:
    return str(node.get(key, {}).get("value", ""))


@contextmanager
def open_browser(program: str, profile: Path) -> Iterator[Browser]:
    """``profile`` is a folder of its own."""
    its_input, to_browser = os.pipe()
    from_browser, its_output = os.pipe()
    nowhere = os.open(os.devnull, os.O_RDWR)
    moved = {0: nowhere, 1: nowhere, 2: nowhere, _TO_BROWSER: its_input, _FROM_BROWSER: its_output}
    process = os.posix_spawn(
        program,
        [program, *_OPTIONS, f"--user-data-dir={profile}"],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, old, new) for new, old in moved.items()],
        setpgroup=0,
    )
    try:
        for descriptor in (its_input, its_output, nowhere):
            os.close(descriptor)
        yield Browser(to_browser, from_browser)
    finally:
        os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(to_browser)
        os.close(from_browser)
