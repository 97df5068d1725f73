"""Where an evidence pack is written: as a whole or not at all, over nothing but another pack."""

import os
import tarfile
from pathlib import Path

import pytest

from torc_watch.app.handover_target import checked_target, draft_of, publish
from torc_watch.core.errors import InvalidInput
from torc_watch.host.pack_folder import write_private
from torc_watch.render.handover_text import MANIFEST_TITLE


def pack(target: Path, text: str = "one") -> Path:
    with draft_of(target) as draft:
        write_private(draft / "MANIFEST.txt", MANIFEST_TITLE)
        write_private(draft / "logs/a.e", text)
        publish(draft, target)
    return target


def modes(folder: Path) -> set[str]:
    return {oct(path.stat().st_mode & 0o777) for path in (folder, *folder.rglob("*"))}


def test_folder_is_private_and_replaced_as_a_whole(tmp_path: Path) -> None:
    target = pack(tmp_path / "pack")
    assert modes(target) == {"0o700", "0o600"}
    with pytest.raises(InvalidInput, match="--force"):
        checked_target(target, force=False)
    (target / "old").touch()
    pack(checked_target(target, force=True), "two")
    assert (target / "logs/a.e").read_text() == "two"
    assert not (target / "old").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]
    (tmp_path / "empty").mkdir()
    pack(checked_target(tmp_path / "empty", force=False))
    assert (tmp_path / "empty/logs/a.e").exists()


@pytest.mark.parametrize("name", ["pack.tar.gz", "pack.tgz"])
def test_archive_is_private_and_the_same_each_time(tmp_path: Path, name: str) -> None:
    first = pack(tmp_path / name)
    content = first.read_bytes()
    assert first.stat().st_mode & 0o777 == 0o600
    with pytest.raises(InvalidInput, match="--force"):
        checked_target(first, force=False)
    assert pack(checked_target(first, force=True)).read_bytes() == content
    with tarfile.open(first) as archive:
        members = {member.name: member for member in archive}
    assert list(members) == ["pack", "pack/MANIFEST.txt", "pack/logs", "pack/logs/a.e"]
    assert {member.mode for member in members.values()} == {0o700, 0o600}
    assert {(member.uid, member.uname) for member in members.values()} == {(0, "")}
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_is_never_replaced(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").touch()
    (tmp_path / "x.tar.gz").mkdir()
    (tmp_path / "file").touch()
    for target, why in (
        (home, "is no evidence pack"),
        (tmp_path / "x.tar.gz", "is no file"),
        (tmp_path / "file", "is a file: give a folder"),
        (tmp_path / "none/pack", "There is no folder"),
        (tmp_path / "pack.zip", r"ends in \.tar\.gz"),
        (tmp_path / "pack.tar", r"ends in \.tar\.gz"),
    ):
        with pytest.raises(InvalidInput, match=why):
            checked_target(target, force=True)


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    def fail(error: BaseException) -> None:
        with draft_of(tmp_path / "pack") as draft:
            write_private(draft / "a", "x")
            raise error

    with pytest.raises(InvalidInput, match=r"cannot be written: No space left.*Nothing is left"):
        fail(OSError(28, os.strerror(28)))
    with pytest.raises(KeyboardInterrupt):
        fail(KeyboardInterrupt())
    assert not list(tmp_path.iterdir())


def test_leftovers_of_killed_processes_are_removed_after_a_day(tmp_path: Path) -> None:
    for name in (".pack.torc-watchd-old", ".pack.torc-watchd-new", ".other.torc-watchd-old"):
        (tmp_path / name).mkdir()
        if name.endswith("old"):
            os.utime(tmp_path / name, (1, 1))
    pack(tmp_path / "pack")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"pack", ".pack.torc-watchd-new", ".other.torc-watchd-old"}


def test_archive_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = pack(tmp_path / "pack.tgz")
    content = target.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(tarfile.TarFile, "add", full)
    with pytest.raises(InvalidInput, match="No space left"):
        pack(target, "two")
    assert target.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["pack.tgz"]
