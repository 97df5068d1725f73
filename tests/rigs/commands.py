"""Commands as a person starts them: processes, and what they print."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SECONDS = 100  # for a step, on a machine with a lot else to do

Words = Sequence[str | Path]


@dataclass(slots=True)
class Command:
    """A command that runs; what it prints, on either stream, is read as it comes."""

    process: subprocess.Popen[str]
    printed: list[str] = field(default_factory=list)

    def until(self, text: str) -> str:
        """The next line with ``text`` in it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line)
            if text in line:
                return line
        pytest.fail(f"{text!r} was not printed before the end:\n{self.output}")

    def end(self) -> int:
        """The exit status, once there is one."""
        assert self.process.stdout is not None
        self.printed += self.process.stdout
        return self.process.wait(SECONDS)

    def interrupt(self, how: signal.Signals = signal.SIGINT) -> int:
        """What Ctrl-C does: the signal goes to the whole group. The exit status."""
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
        start_new_session=True,  # a group of its own, as a shell gives to each command
    )
    return Command(process)


def run(
    words: Words, folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """A whole command, with both of its streams apart."""
    return subprocess.run(
        words,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
