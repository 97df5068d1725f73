"""Starts commands as a user does, and reads their output."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TIMEOUT = 100  # seconds; generous, for busy machines

Words = Sequence[str | Path]


@dataclass(slots=True)
class Command:
    """A running command; both of its output streams are read together."""

    process: subprocess.Popen[str]
    printed: list[str] = field(default_factory=list)

    def until(self, text: str) -> str:
        """Reads up to the next line that contains ``text``, and returns it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line)
            if text in line:
                return line
        pytest.fail(f"{text!r} was not printed:\n{self.output}")

    def end(self) -> int:
        """Waits for the end of the command and returns its exit status."""
        assert self.process.stdout is not None
        self.printed += self.process.stdout
        return self.process.wait(TIMEOUT)

    def interrupt(self, how: signal.Signals = signal.SIGINT) -> int:
        """Like Ctrl-C: signals the process group; returns the exit status."""
        os.killpg(self.process.pid, how)
        return self.end()

    def kill(self) -> None:
        self.process.kill()
        self.end()

    @property
    def output(self) -> str:
        return "".join(self.printed)


def start(words: Words, folder: Path, environment: Mapping[str, str]) -> Command:
    process = subprocess.Popen(
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a process group of its own, as in a shell
    )
    return Command(process)


def run(
    words: Words, folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, with separate output streams."""
    return subprocess.run(
        words,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
        stdin=subprocess.DEVNULL,
    )


def wait_for_polls(folder: Path, workflow_id: int, number: int = 3) -> None:
    """Until a watch has logged that many polls below ``folder``: it prints only what changes."""
    end = time.monotonic() + TIMEOUT
    while _polls(folder, workflow_id) < number:
        assert time.monotonic() < end, f"waited {TIMEOUT} s for {number} polls"
        time.sleep(0.05)


def _polls(folder: Path, workflow_id: int) -> int:
    logs = folder.rglob(f"watch_*_{workflow_id}.log")
    return sum(log.read_text().count('"workflow.counts"') for log in logs)
