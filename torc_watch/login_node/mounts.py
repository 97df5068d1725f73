"""Finds the file system of a folder in the kernel's list of mounts."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_NETWORK_FILE_SYSTEMS = re.compile(
    "9p|afs|beegfs|ceph|cifs|gfs2|glusterfs|gpfs|lustre|nfs4?|ocfs2|orangefs|panfs|pvfs2|smb3|wekafs"
    r"|fuse\.(beegfs|ceph|glusterfs|juicefs|rclone|s3fs|sshfs)"
)
# Options of NFS and Lustre.
_LOCAL_LOCKS = {"nolock", "local_lock=all", "local_lock=flock", "local_lock=posix", "localflock"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """``options`` are the file system's own, such as NFS's sec=krb5."""

    point: str
    file_system: str
    options: frozenset[str]

    @property
    def is_network(self) -> bool:
        return _NETWORK_FILE_SYSTEMS.fullmatch(self.file_system) is not None

    @property
    def locks_are_local(self) -> bool:
        """True if nodes do not see each other's file locks."""
        return not self.options.isdisjoint(_LOCAL_LOCKS)

    @property
    def needs_ticket(self) -> bool:
        kerberos = any(option.startswith("sec=krb5") for option in self.options)
        return self.file_system == "afs" or kerberos


def parse_mounts(text: str) -> list[Mount]:
    """Parses /proc/PID/mountinfo (proc(5)), in order; skips invalid lines."""
    mounts = []
    for line in text.splitlines():
        before, separator, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if not separator or len(left) < 6 or len(right) < 3:
            continue
        mounts.append(
            Mount(
                point=_unescape(left[4]),
                file_system=right[0],
                options=frozenset(right[2].split(",")),
            )
        )
    return mounts


def find_mount(path: Path, mounts: Iterable[Mount]) -> Mount | None:
    """The mount that contains ``path``, an absolute path without symbolic links."""
    best: Mount | None = None
    for mount in mounts:
        if not path.is_relative_to(mount.point):
            continue
        if best is None or _depth(mount) >= _depth(best):  # a later mount covers an earlier one
            best = mount
    return best


def _depth(mount: Mount) -> int:
    return len(PurePosixPath(mount.point).parts)


def _unescape(text: str) -> str:
    """The kernel writes blanks and backslashes in a path as ``\\040``, three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
