from pathlib import Path

import pytest

from torc_watch.schedulers.slurm.job_names import JobNames


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state/slurm-jobs"


def test_names_are_remembered_by_the_next_process(path: Path) -> None:
    JobNames(path).remember({7: "tw1-a-1", 8: "tw1-a-2"})
    assert JobNames(path).read() == {7: "tw1-a-1", 8: "tw1-a-2"}


def test_names_of_another_process_are_seen(path: Path) -> None:
    names = JobNames(path)
    assert names.read() == {}
    JobNames(path).remember({7: "tw1-a-1"})
    assert names.read() == {7: "tw1-a-1"}


def test_names_of_another_process_between_two_of_ours_are_seen(path: Path) -> None:
    names = JobNames(path)
    names.remember({7: "tw1-a-1"})
    JobNames(path).remember({8: "tw1-a-2"})
    names.remember({9: "tw1-a-3"})
    assert names.read() == JobNames(path).read() == {7: "tw1-a-1", 8: "tw1-a-2", 9: "tw1-a-3"}


def test_name_that_another_process_writes_meanwhile_is_seen(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = JobNames(path)
    names.remember({7: "tw1-a-1"})
    with monkeypatch.context() as patch:
        # After ours has read the file, and before it writes.
        patch.setattr(Path, "mkdir", lambda *_, **__: path.write_text("\n7 tw1-a-1\n8 tw1-a-2"))
        names.remember({9: "tw1-a-3"})
    assert names.read() == {7: "tw1-a-1", 8: "tw1-a-2", 9: "tw1-a-3"}


def test_file_is_not_read_again_for_names_of_ours(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = JobNames(path)
    monkeypatch.delattr(Path, "read_text")
    names.remember({7: "tw1-a-1"})
    names.remember({8: "tw1-a-2"})
    assert names.read() == {7: "tw1-a-1", 8: "tw1-a-2"}


def test_number_that_slurm_gives_again_has_its_newest_name(path: Path) -> None:
    names = JobNames(path)
    names.remember({7: "tw1-a-1"})
    names.remember({7: "tw2-b-1"})
    assert JobNames(path).read() == {7: "tw2-b-1"}


def test_file_does_not_grow_by_what_is_known(path: Path) -> None:
    names = JobNames(path)
    names.remember({7: "tw1-a-1"})
    size = path.stat().st_size
    names.remember({7: "tw1-a-1"})
    assert path.stat().st_size == size


def test_name_that_a_full_disk_cut_off_is_repaired(path: Path) -> None:
    JobNames(path).remember({7: "tw1-a-1", 8: "tw1-a-2"})
    text = path.read_text()
    path.write_text(text[:-3])

    JobNames(path).remember({8: "tw1-a-2", 9: "tw1-a-3"})

    assert JobNames(path).read() == {7: "tw1-a-1", 8: "tw1-a-2", 9: "tw1-a-3"}
