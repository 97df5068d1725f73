"""A PID and mount namespace for the processes of a cluster, with the programs of its release.

Its first process reads from a pipe of this process, so that all ends when this one does. Mounts of
the namespace are not seen outside, and end with it.

The ``/usr`` of another release than the machine's own covers the machine's. All else is the
machine's: files of tests, jobs and Torc have the same paths inside and outside.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.rigs.slurm_configuration import SlurmSite

_TIMEOUT = 60.0  # seconds
# Process 1 of the namespace reaps what has lost its parent, and lives as long as the pipe is open.
_INIT = """
import os, signal, sys
def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]: pass
    except ChildProcessError:
        pass
signal.signal(signal.SIGCHLD, reap)
print("ready", flush=True)
sys.stdin.read()
"""
# When unshare has ended, so have all jobs: only then can the folder and the cgroups be removed.
_RUN_AND_CLEAN = """
folder=$1 prefix=$2
shift 2
unshare --mount --pid --fork --mount-proc "$@"
rm -rf "$folder"
find /sys/fs/cgroup -maxdepth 2 -type d -path "*/slurm_$prefix*" 2>/dev/null |
    while read -r group; do find "$group" -depth -type d -exec rmdir {} +; done
"""
# Jobs have the PATH of who submitted them, but must not find the scripts that are for the outside.
_COVER = """
root=$1 scripts=$2
shift 2
mount --rbind /usr/local "$root/usr/local" &&
    mount --bind "$root/etc/alternatives" /etc/alternatives &&
    mount --rbind "$root/usr" /usr &&
    mount -t tmpfs -o size=4k,mode=755 covered "$scripts" &&
    exec "$@"
"""


@contextmanager
def namespace(site: SlurmSite) -> Iterator[int]:
    """The number, as seen from here, of process 1 in a new namespace."""
    script = ("sh", "-c", _RUN_AND_CLEAN, "sh", str(site.folder), site.node_prefix)
    with subprocess.Popen(
        [*script, *_first_process(site)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # it cleans up after a Ctrl-C too
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            yield only_child(only_child(process.pid))
        finally:
            process.stdin.close()
            process.wait(_TIMEOUT)


def only_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


def _first_process(site: SlurmSite) -> tuple[str, ...]:
    if site.release.root is None:
        return (sys.executable, "-c", _INIT)
    cover = ("sh", "-c", _COVER, "sh", str(site.release.root), str(site.scripts))
    return (*cover, "/usr/bin/python3", "-c", _INIT)
