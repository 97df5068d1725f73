"""kill -9 and Ctrl-C at known places, then the same command again."""

import itertools
import json
import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Barrier, Proxy, Site

pytestmark = pytest.mark.slow

MOST_CHANGES = 20
WATCH = ("watch", "1", "--auto-recover", "--poll-interval", "1")

HOOK = """
echo hook of workflow $1
while [ ! -e go ]; do sleep 0.1; done
"""

OUTLIVED = """
name: outlived
jobs:
  - name: outlived
    command: |
      [ -e "$TORC_OUTPUT_DIR/tried" ] && exit
      touch "$TORC_OUTPUT_DIR/tried"
      echo >"$TORC_OUTPUT_DIR/runs"
      sleep 1000
"""


def assert_recovered_once(site: "Site") -> None:
    """One raise, one more allocation, one more run, one round: as if nobody had been killed."""
    assert site.rows(
        "SELECT r.memory, r.runtime FROM resource_requirements r JOIN job j"
        " ON j.resource_requirements_id = r.id ORDER BY j.id"
    ) == [("64m", "PT1M"), ("96m", "PT1M"), ("64m", "PT1M"), ("64m", "PT1M")]
    assert site.rows("SELECT count(*) FROM resource_requirements WHERE name LIKE '%.run%'") == [1]
    assert site.rows("SELECT count(*) FROM scheduled_compute_node") == [2]
    assert site.rows("SELECT run_id FROM workflow_status") == [2]
    assert sorted(path.name for path in (site.home / "allocations").glob("[0-9]*")) == ["1", "2"]
    assert site.journaled("SELECT number, outcome FROM round") == [(1, "resubmitted")]


def test_watch_killed_at_each_of_its_changes_ends_in_the_same_state(
    failed: "Site",
    make_proxy: Callable[[str], "Proxy"],
    make_barrier: Callable[..., "Barrier"],
) -> None:
    proxy = make_proxy(failed.url)
    killed_at = []
    for after in itertools.islice(itertools.cycle((False, True)), 2 * MOST_CHANGES):
        barrier = make_barrier(proxy, after=after)
        watch = failed.start(*WATCH, TORC_API_URL=proxy.url)
        barrier.wait()
        watch.kill()
        killed_at.append(barrier.asked.split("?")[0].rsplit("/", 1)[-1])
        if after and killed_at[-1] == "scheduled_compute_nodes":
            break
    barrier = make_barrier(proxy, path="nothing")
    final = failed.start(*WATCH, TORC_API_URL=proxy.url)

    assert final.end() == 0, final.output
    assert len(killed_at) >= 12, killed_at
    assert "Continuing recovery round 1" in final.output
    assert "attempt" not in final.output, "the round was begun before"
    assert_recovered_once(failed)


def sessions(pids: Iterable[int]) -> set[int]:
    """Each hook has one; a shell that has just forked looks like two, of which one may be gone."""
    found = set()
    for pid in pids:
        with suppress(ProcessLookupError):
            found.add(os.getsid(pid))
    return found


def _group_of(pid: int) -> int | None:
    """None of one that has ended by now."""
    with suppress(ProcessLookupError):
        return os.getpgid(pid)
    return None


def test_watch_killed_in_its_hook_resumes_there(failed: "Site") -> None:
    (failed.folder / "hook").write_text(HOOK)
    command = (*WATCH, "--recovery-hook", "sh hook")

    killed = failed.start(*command)
    killed.until("hook of workflow 1")
    killed.kill()
    interrupted = failed.start(*command)
    interrupted.until("hook of workflow 1")
    group = interrupted.process.pid
    assert [pid for pid in failed.processes() if _group_of(pid) == group] == [group]
    assert interrupted.interrupt() == 130
    hooks = sessions(pid for pid, line in failed.processes().items() if "sh hook" in line)
    assert len(hooks) == 1, "only the one that nobody was left to stop"
    final = failed.start(*command)
    final.until("Continuing recovery round 1 at step 'hook'")
    final.until("hook of workflow 1")
    (failed.folder / "go").touch()

    assert final.end() == 0, final.output
    assert_recovered_once(failed)


def test_rounds_of_a_killed_watch_are_counted(failed: "Site") -> None:
    (failed.output / "tried").unlink()  # the flaky job fails once more
    watch = failed.start(*WATCH)
    watch.until("Recovery initiated")
    watch.until("Watching workflow 1")  # by now the round is over
    watch.kill()

    again = failed.run(*WATCH, "--max-retries", "1")

    assert again.returncode == 3, again.stdout
    assert "Max retries (1) exceeded." in again.stdout
    assert failed.journaled("SELECT outcome FROM round") == ["resubmitted", "refused"]


def test_watch_interrupted_while_polling_resumes(patient: "Site") -> None:
    watch = patient.start(*WATCH, "--show-job-counts")
    watch.until("running=1")

    assert watch.interrupt() == 130
    assert watch.printed[-1] == "torc-watchd: interrupted.\n"

    again = patient.start(*WATCH, "--show-job-counts")
    again.until("running=1")
    patient.end_job(0)
    assert again.end() == 0
    assert patient.journaled("SELECT verdict FROM watch") == ["succeeded"]


def test_interrupted_submit_leaves_no_workflow(
    served: "Site",
    make_proxy: Callable[[str], "Proxy"],
    make_barrier: Callable[..., "Barrier"],
) -> None:
    (served.folder / "workflow.yaml").write_text("name: w\njobs: [{name: j, command: 'true'}]")
    proxy = make_proxy(served.url)
    barrier = make_barrier(proxy, path="/bulk_jobs")
    submit = served.start("submit", "workflow.yaml", TORC_API_URL=proxy.url)
    barrier.wait()

    assert submit.interrupt() == 130

    assert served.rows("SELECT count(*) FROM workflow") == [0]
    assert list(served.processes().values()) == [
        served.processes()[served.server.process.pid]  # type: ignore[union-attr]
    ]


def test_jobs_of_a_killed_worker_are_recovered(served: "Site") -> None:
    served.hold()
    served.submit(OUTLIVED)
    served.wait_for_job()
    watch = served.start(*WATCH, "--show-job-counts")
    watch.until("running=1")

    worker = json.loads((served.home / "allocations" / "1" / "worker.json").read_text())
    os.kill(worker["pid"], signal.SIGKILL)

    watch.until("Releasing 1 job of dead workers")
    assert "interrupted" in watch.until("Job 1 (outlived)")
    assert watch.end() == 0, watch.output
    assert not [command for command in served.processes().values() if "sleep 1000" in command]


def test_jobs_of_a_killed_worker_are_stuck_without_recovery(patient: "Site") -> None:
    worker = json.loads((patient.home / "allocations" / "1" / "worker.json").read_text())
    os.kill(worker["pid"], signal.SIGKILL)

    watched = patient.run("watch", "1", "--poll-interval", "1")

    assert watched.returncode == 4
    assert "has jobs left and no workers to run them" in watched.stdout
    assert patient.rows("SELECT count(*) FROM result") == [0], "nothing was changed"
