import os
from pathlib import Path

import pytest

from torc_watch.host.file_sizes import file_sizes


def test_sizes_of_regular_files_only(tmp_path: Path) -> None:
    (tmp_path / "full").write_text("four")
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to("full")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    names = ["full", "empty", "link", "dangling", "gone", "folder", "fifo", "no_folder/gone"]
    paths = dict(enumerate(str(tmp_path / name) for name in names))
    found = {names[key]: size for key, size in file_sizes(paths)}
    assert found == {"full": 4, "empty": 0, "link": 4, "dangling": None, "gone": None}


@pytest.mark.parametrize("path", ["/dev/null", "/proc/self/mem/x", "/x" * 3000, "\0"])
def test_what_cannot_be_looked_at_is_left_out(path: str) -> None:
    assert list(file_sizes({1: path})) == []
