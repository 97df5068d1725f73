"""A program in a terminal of its own: what it draws, the CPU that it uses, how soon it answers."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COLUMNS, LINES = 120, 40
_TICK = 1 / os.sysconf("SC_CLK_TCK")
_LONGEST_WAIT = 60.0  # seconds


@dataclass(slots=True)
class Terminal:
    process: subprocess.Popen[bytes]
    number: int  # of the file
    drawn: int = 0  # bytes so far

    def read(self, seconds: float) -> bytes:
        """What is drawn next; empty if nothing is in that time."""
        if not select.select([self.number], [], [], max(0.0, seconds))[0]:
            return b""
        content = os.read(self.number, 2**16)
        self.drawn += len(content)
        return content

    def until(self, wanted: bytes) -> float:
        """The seconds until it has drawn this. Raises TimeoutError."""
        began, found = time.perf_counter(), b""
        while wanted not in found:
            if time.perf_counter() - began > _LONGEST_WAIT:
                raise TimeoutError(f"{wanted!r} was not drawn, but {found[-2000:]!r}")
            found += self.read(0.1)
        return time.perf_counter() - began

    def rest(self, seconds: float) -> None:
        """Reads what is drawn meanwhile."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.read(left)

    def press(self, key: bytes) -> None:
        os.write(self.number, key)

    def cpu(self) -> float:
        """Seconds so far, with those of children that have ended."""
        text = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = text.rpartition(")")[2].split()  # the name before may contain spaces
        return sum(map(int, fields[11:15])) * _TICK


@contextmanager
def terminal(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Terminal]:
    """Kills the program in the end."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(
        command,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
        env={**environment, "TERM": "xterm-256color"},
    )
    os.close(its)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
