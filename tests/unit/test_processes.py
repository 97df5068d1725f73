import os
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.host.processes import (
    Liveness,
    ProcessSpace,
    end_all,
    find_process,
    liveness,
    lockers_of,
    parse_stat,
    processes_with_environment,
    send_signal,
    this_process,
    this_space,
)

_TAIL = b"S 7 8 9 0 -1 4194560 1 2 0 0 150 50 0 0 20 0 1 0 4711 1000 25 184467"


@given(name=st.binary(min_size=1, max_size=15).filter(lambda name: b"\0" not in name))
def test_any_program_name_is_parsed(name: bytes) -> None:
    process = parse_stat(b"42 (" + name + b") " + _TAIL)
    assert (process.pid, process.parent, process.session, process.started) == (42, 7, 9, 4711)
    assert process.memory == 25 * os.sysconf("SC_PAGE_SIZE")
    assert process.cpu_seconds == 200 / os.sysconf("SC_CLK_TCK")
    assert not process.is_dead


@pytest.mark.parametrize(
    ("state", "is_dead"), [(b"R", False), (b"D", False), (b"Z", True), (b"X", True)]
)
def test_zombies_count_as_dead(state: bytes, is_dead: bool) -> None:
    assert parse_stat(b"42 (a) " + state + _TAIL[1:]).is_dead is is_dead


def test_this_process_has_plausible_values() -> None:
    process = find_process(os.getpid())
    assert process is not None
    assert (process.parent, process.session) == (os.getppid(), os.getsid(0))
    assert 10_000_000 < process.memory < 2_000_000_000


def test_liveness_of_a_process() -> None:
    here, me = this_space(), this_process()
    assert liveness(me.pid, me.started, here, seen_from=here) is Liveness.ALIVE
    assert liveness(me.pid, me.started + 1, here, seen_from=here) is Liveness.GONE  # PID reused
    assert liveness(2**30, 1, here, seen_from=here) is Liveness.GONE
    for other in (ProcessSpace("another", here.namespace), ProcessSpace(here.boot, "another")):
        assert liveness(2**30, 1, other, seen_from=here) is Liveness.UNKNOWN
    with subprocess.Popen(["true"]) as child:
        while not (ended := find_process(child.pid)) or not ended.is_dead:
            pass
        zombie = liveness(child.pid, ended.started, here, seen_from=here)
        assert zombie is Liveness.GONE


def test_signal_reaches_only_the_process_with_that_start() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        process = find_process(child.pid)
        assert process is not None
        send_signal(replace(process, started=process.started - 1), signal.SIGKILL)
        child.communicate(b"still here")
        assert child.returncode == 0
    send_signal(process, signal.SIGKILL)  # ended: no error


def test_processes_with_a_marker_are_found() -> None:
    marker = f"TORC_WATCH_TEST={os.getpid()}"
    name, _, value = marker.partition("=")
    with subprocess.Popen(
        ["cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={name: value},
        start_new_session=True,
        bufsize=0,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"x")
        child.stdout.read(1)  # its environment cannot be read before exec has finished
        assert [process.pid for process in processes_with_environment(marker.encode())] == [
            child.pid
        ]
        assert processes_with_environment(marker.encode() + b"0") == []


HIDING = f"""
mount -t proc -o hidepid=1 proc /proc || exit 77
exec {shlex.quote(sys.executable)} -P -c '
import os
from torc_watch.host.processes import all_processes, environment_of
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
print([process.pid for process in all_processes()] == [os.getpid()], environment_of(1))
'
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount")
def test_hidden_processes_are_skipped() -> None:
    done = subprocess.run(["unshare", "-m", "sh", "-c", HIDING], capture_output=True, check=False)
    if done.returncode == 77 or b"unshare" in done.stderr:
        pytest.skip(done.stderr.decode())
    assert (done.stdout, done.stderr) == (b"True [b'']\n", b"")


def test_locker_of_another_file_with_the_same_inode_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killing it would not release the lock."""
    path = tmp_path / "journal.db"
    path.touch()
    with (
        path.open() as file,
        subprocess.Popen(["sleep", "600"], stdin=file) as locker,
        subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL) as other,
    ):
        text = "".join(
            f"{number}: POSIX  ADVISORY  WRITE {pid} 00:00:{path.stat().st_ino} 0 EOF\n"
            for number, pid in enumerate((locker.pid, other.pid, os.getpid()))
        )
        monkeypatch.setattr(Path, "read_text", lambda _: text)
        try:
            assert lockers_of(path) == [locker.pid]
        finally:
            locker.kill()
            other.kill()


def test_processes_that_start_during_the_kill_are_killed_too() -> None:
    late = [subprocess.Popen(["cat"], stdin=subprocess.PIPE) for _ in range(3)]
    found = [[find_process(child.pid)] for child in late]
    answers = iter([*found, []])

    ended = end_all(lambda: [process for process in next(answers) if process], patience=60)

    assert ended == 3
    assert [child.wait() for child in late] == [-signal.SIGKILL] * 3
    for child in late:
        child.communicate()


def test_processes_that_survive_are_reported() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        process = find_process(child.pid)
        assert process is not None
        unkillable = replace(process, started=0)
        assert end_all(lambda: [unkillable], patience=0.05) is None
