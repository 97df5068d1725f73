"""A program on a real terminal, as its user sees it: in tmux, with keys and captures."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rigs.commands import TIMEOUT


@dataclass(frozen=True, slots=True)
class TmuxScreen:
    """A terminal of a tmux server of its own, which listens at ``socket``."""

    socket: Path

    def start(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        size: tuple[int, int] = (80, 24),
    ) -> None:
        """Stays on the screen when the command has ended, with its exit status."""
        columns, lines = map(str, size)
        shown = ["sh", "-c", '"$@"; echo "ended with $?"; exec cat', "sh", *command]
        # -u: UTF-8, whatever the locale; /dev/null: no settings of the user.
        words = ["-u", "-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", lines]
        self._tmux(*words, *shown, folder=folder, environment=environment)
        self._tmux("set", "-g", "status", "off")

    def press(self, *keys: str) -> None:
        """In tmux's words: ``Down``, ``C-c``."""
        self._tmux("send-keys", *keys)

    def resize(self, columns: int, lines: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def text(self, *, with_colors: bool = False) -> str:
        options = ["-e"] if with_colors else []
        return self._tmux("capture-pane", "-p", *options)

    def until(self, *wanted: str) -> str:
        """The whole screen, as soon as it has these texts."""
        end = time.monotonic() + TIMEOUT
        while not all(text in (shown := self.text()) for text in wanted):
            assert time.monotonic() < end, f"{wanted} is not on the screen:\n{shown}"
            time.sleep(0.05)
        return shown

    def close(self) -> None:
        """As a terminal that is closed: programs get SIGHUP."""
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], check=False, capture_output=True)

    def _tmux(
        self,
        *words: str,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        ended = subprocess.run(
            ["tmux", "-S", self.socket, *words],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


def skip_without_tmux() -> None:
    """Fails instead where TORC_WATCH_REQUIRE says that there is one."""
    if shutil.which("tmux"):
        return
    if "tmux" in os.environ.get("TORC_WATCH_REQUIRE", "").split(","):
        pytest.fail("There is no tmux.")
    pytest.skip("there is no tmux")
