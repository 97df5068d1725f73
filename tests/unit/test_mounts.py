"""The file system of a folder."""

from pathlib import Path

import pytest

from torc_watch.login_node.mounts import Mount, find_mount, parse_mounts

# Lines with zero, one and several optional fields before the dash; \040 is a blank.
MOUNTINFO = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 22 0:40 / /home rw,relatime shared:7 master:2 - autofs auto.home rw,fd=6
31 30 0:41 /u/ada /home/ada rw - nfs4 nas:/u/ada rw,vers=4.2,sec=krb5p,addr=10.0.0.1
32 22 0:42 / /scratch rw - lustre mds@o2ib:/scratch rw,flock
33 22 0:43 / /mnt/two\040words\134 rw - fuse.sshfs host:/ rw,user_id=1
34 22 0:44 / /scratch rw - tmpfs tmpfs rw
a line of another kind
35 22 0:45 / /short - ext4
""".strip()


@pytest.mark.parametrize(
    ("path", "file_system"),
    [
        ("/", "ext4"),
        ("/var/lib", "ext4"),
        ("/home/bob", "autofs"),
        ("/home/ada", "nfs4"),
        ("/home/ada/.local/state", "nfs4"),
        ("/home/adamant", "autofs"),
        ("/scratch/x", "tmpfs"),
        ("/mnt/two words\\/x", "fuse.sshfs"),
    ],
)
def test_deepest_and_latest_mount_wins(path: str, file_system: str) -> None:
    mount = find_mount(Path(path), parse_mounts(MOUNTINFO))

    assert mount is not None
    assert mount.file_system == file_system


def test_folder_without_mounts_has_no_file_system() -> None:
    assert find_mount(Path("/x"), parse_mounts("")) is None


@pytest.mark.parametrize(
    ("file_system", "options", "is_network", "needs_ticket"),
    [
        ("ext4", "rw", False, False),
        ("xfs", "rw", False, False),
        ("overlay", "rw", False, False),
        ("nfs", "rw,sec=sys", True, False),
        ("nfs4", "rw,sec=krb5", True, True),
        ("nfs4", "rw,sec=krb5i", True, True),
        ("lustre", "rw", True, False),
        ("gpfs", "rw", True, False),
        ("beegfs", "rw", True, False),
        ("afs", "rw", True, True),
        ("fuse.sshfs", "rw", True, False),
        ("fuse.fuse-overlayfs", "rw", False, False),
        ("nfsd", "rw", False, False),
    ],
)
def test_network_file_systems_and_tickets(
    file_system: str, options: str, is_network: bool, needs_ticket: bool
) -> None:
    mount = Mount(point="/", file_system=file_system, options=frozenset(options.split(",")))

    assert (mount.is_network, mount.needs_ticket) == (is_network, needs_ticket)


@pytest.mark.parametrize(
    ("options", "are_local"),
    [
        ("rw,vers=3,local_lock=none", False),
        ("rw,vers=3,nolock,local_lock=all", True),
        ("rw,vers=3,local_lock=flock", True),
        ("rw,vers=3,local_lock=posix", True),
        ("rw,flock", False),
        ("rw,localflock", True),
    ],
)
def test_mount_options_that_make_locks_local(options: str, are_local: bool) -> None:
    mount = Mount(point="/", file_system="nfs", options=frozenset(options.split(",")))

    assert mount.locks_are_local is are_local
