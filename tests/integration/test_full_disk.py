"""A disk that is full, and has room again."""

import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
from pathlib import Path
from torc_watch.host.free_room import refuses_files
print(refuses_files(Path("disk")), *(path.name for path in Path("disk").iterdir()))
"""
IN_A_DISK_OF_ITS_OWN = """
mount --types tmpfs --options size=2m,mode=700 torc-watch-test disk || exit 99
"$0" -c "$1"
cat /dev/zero >disk/fill 2>fill.err
"$0" -c "$1"
rm disk/fill
"$0" -c "$1"
"""


def may_mount() -> bool:
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "torc-watch-test", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="needs the right to mount (root)")
def test_full_disk_refuses_files_until_it_has_room(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    command = ["unshare", "--mount", "sh", "-c", IN_A_DISK_OF_ITS_OWN, sys.executable, ASK]
    shell = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shell.stdout.splitlines() == ["False", "True fill", "False"]
