from pathlib import Path

import pytest

from tests.rigs.offline_journals import keep_results
from torc_watch.core.model import Workflow
from torc_watch.torc.offline_journal import read_offline_results

WORKFLOW = Workflow(
    id=1, name="w", user="ada", created="", run_id=4, is_canceled=False, is_archived=False
)


@pytest.mark.parametrize(
    ("kept", "of_run", "asked", "found"),
    [
        ((2, 3, 9), 4, (1, 2, 3), {2, 3}),
        ((), 4, (1, 2), set()),
        ((2,), 3, (1, 2), set()),
        ((2,), 40, (1, 2), set()),
    ],
)
def test_jobs_with_a_kept_result_are_found(
    tmp_path: Path, kept: tuple[int, ...], of_run: int, asked: tuple[int, ...], found: set[int]
) -> None:
    keep_results(tmp_path, *kept, run_id=of_run)
    results = read_offline_results(tmp_path, 1, 4, asked)
    assert results.job_ids == found
    assert not results.unreadable
    assert bool(results) == bool(found)


def test_folder_is_not_changed(tmp_path: Path) -> None:
    """Its nodes may still have the files open, and so may `torc workflows reconcile`."""
    keep_results(tmp_path, 2, run_id=4)
    before = {path.name: path.read_bytes() for path in (tmp_path / "offline_journal").iterdir()}
    assert any(name.endswith("-wal") for name in before)
    read_offline_results(tmp_path, 1, 4, [2])
    after = {path.name: path.read_bytes() for path in (tmp_path / "offline_journal").iterdir()}
    assert after == before


def test_output_folder_without_any(tmp_path: Path) -> None:
    assert not read_offline_results(tmp_path / "missing", 1, 4, [2])


def test_file_of_a_runner_that_died_at_once_has_no_results(tmp_path: Path) -> None:
    path = keep_results(tmp_path, run_id=4)
    path.with_name(path.name + "-wal").unlink()
    path.write_bytes(b"")
    assert not read_offline_results(tmp_path, 1, 4, [2])


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    path = keep_results(tmp_path, 2, run_id=4)
    path.with_name(path.name + "-wal").unlink()
    path.write_bytes(b"not a database" * 100)
    results = read_offline_results(tmp_path, 1, 4, [2])
    assert results.unreadable[0].startswith(f"{path}: ")
    reason = results.reason(WORKFLOW, tmp_path)
    assert str(path) in reason
    assert "remove them. Then run `torc-watchd recover 1`." in reason


@pytest.mark.parametrize(("kept", "jobs"), [((2,), "1 job "), ((2, 3), "2 jobs ")])
def test_reason_says_what_to_run(tmp_path: Path, kept: tuple[int, ...], jobs: str) -> None:
    folder = tmp_path / "my output"
    keep_results(folder, *kept, run_id=4)
    reason = read_offline_results(folder, 1, 4, [2, 3]).reason(WORKFLOW, folder)
    assert f"the results of {jobs}" in reason
    assert f"`torc workflows reconcile 1 4 --base-dir '{folder}'`" in reason
