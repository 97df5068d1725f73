"""Full and read-only disks, and output that cannot be written."""

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

TORC_WATCHD = f"{sys.executable} -m torc_watch"
FILL = "cat /dev/zero >home/fill 2>fill.err"

# The allocations stay known: a watch waits for the end of one that is not.
IN_A_DISK_OF_ITS_OWN = """
[ ! -e {folder}/allocations ] || cp -R {folder}/allocations kept
mount --types tmpfs --options size=128k,mode=700 torc-watch-test {folder} || exit 99
[ ! -e kept ] || mv kept {folder}/allocations
{script}
"""

pytestmark = pytest.mark.slow


def may_mount() -> bool:
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "torc-watch-test", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


needs_mounts = pytest.mark.skipif(not may_mount(), reason="needs the right to mount (root)")


def on_a_small_disk(site: "Site", folder: str, script: str) -> tuple[int, str]:
    """Exit status and output of a shell that sees 128 KiB of disk at ``folder``."""
    (site.folder / folder).mkdir(exist_ok=True)
    words = IN_A_DISK_OF_ITS_OWN.format(folder=folder, script=script)
    shell = site.start_program("unshare", "--mount", "sh", "-c", words)
    status = shell.end()
    assert "Traceback" not in shell.output
    return status, shell.output


@needs_mounts
def test_disk_full_for_the_journal(failed: "Site") -> None:
    before = failed.database()

    status, output = on_a_small_disk(
        failed, "home", f"{FILL}; {TORC_WATCHD} watch 1 --auto-recover"
    )

    assert status == 8
    assert "No space left on device" in output or "disk is full" in output
    assert "Free some space there." in output
    assert failed.database() == before


@needs_mounts
def test_disk_that_fills_up_during_a_round(failed: "Site") -> None:
    before = failed.database()
    (failed.folder / "hook").write_text(f"{FILL}; true")
    watch = f"{TORC_WATCHD} watch 1 --recover -p 1"

    status, output = on_a_small_disk(
        failed,
        "home",
        f"""
        {watch} --recovery-hook 'sh hook'; echo "ended with $?"
        {TORC_WATCHD} recover 1 --dry-run >/dev/null || exit 98
        rm home/fill
        exec {watch}
        """,
    )

    first, _, second = output.partition("ended with ")
    assert "The journal" in first
    assert "cannot be used: database or disk is full" in first
    assert second.startswith("8\n")
    assert "Continuing recovery round 1 at step 'hook'" in second
    assert status == 0
    assert before != failed.database()


@needs_mounts
def test_disk_full_for_the_log(failed: "Site") -> None:
    fill = FILL.replace("home", "small")

    status, output = on_a_small_disk(
        failed, "small", f"{fill}; {TORC_WATCHD} watch 1 --output-dir small"
    )

    assert status == 1
    assert output.count("cannot be written: No space left on device. The watch") == 1
    assert "  - Failed: 2" in output
    assert "Auto-recovery disabled." in output


@needs_mounts
@pytest.mark.parametrize(
    ("folder", "words", "status", "message"),
    [
        ("home", "watch 1", 8, "journal.db cannot be used: unable to open database file"),
        ("small", "watch 1 -o small", 2, "small cannot be used: Read-only file system"),
        ("small", "submit workflow.yaml -o small/x", 2, "x cannot be used: Read-only file system"),
    ],
)
def test_read_only_folders(
    failed: "Site", folder: str, words: str, status: int, message: str
) -> None:
    before = failed.database()

    ended, output = on_a_small_disk(
        failed, folder, f"mount -o remount,ro {folder}; {TORC_WATCHD} {words}"
    )

    assert (ended, failed.database()) == (status, before)
    assert message in output


@needs_mounts
def test_submit_whose_allocation_cannot_be_started(failed: "Site") -> None:
    status, output = on_a_small_disk(
        failed, "home", f"mount -o remount,ro home; {TORC_WATCHD} submit workflow.yaml"
    )

    assert status == 9
    assert "Read-only file system" in output
    assert output.endswith(
        "Workflow 2 was created, but nothing runs it. When that is fixed: torc-watchd recover 2\n"
    )
    assert failed.run("recover", "2").returncode == 0
    assert failed.run("watch", "2", "--poll-interval", "1").returncode == 0


@pytest.mark.parametrize("form", ["", "--json"])
def test_closed_pipe_ends_the_watch(patient: "Site", form: str) -> None:
    script = f"({TORC_WATCHD} watch 1 -p 1 -s {form}; echo status $? >&2) | head -1 >/dev/null"
    shell = patient.start_program("sh", "-c", script)

    assert shell.end() == 0
    assert shell.output == "status 6\n"


@pytest.mark.parametrize("form", ["", "--json"])
def test_watch_continues_when_its_output_is_on_a_full_disk(failed: "Site", form: str) -> None:
    script = f"{TORC_WATCHD} watch 1 --recover -p 1 {form} >/dev/full"
    shell = failed.start_program("sh", "-c", script)

    assert shell.end() == 0
    assert shell.output == (
        "Standard output: No space left on device. The watch continues without it.\n"
    )


def test_list_to_a_full_disk(failed: "Site") -> None:
    shell = failed.start_program("sh", "-c", f"{TORC_WATCHD} workflows >/dev/full")

    assert shell.end() == 6
    assert shell.output == "torc-watchd: standard output: No space left on device.\n"
