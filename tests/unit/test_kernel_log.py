"""What the kernel, Slurm and shells say of processes that were killed."""

from datetime import datetime

import pytest

from torc_watch.core.memory_kill import MemoryKill
from torc_watch.failures.kernel_log import memory_kills
from torc_watch.failures.step_lines import allocations_in, killed_processes, lines_of_steps

AT = "[Fri Nov 28 18:15:17 2025]"
CONSTRAINT = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=step_0,mems_allowed=0"
KILLED = (
    "Memory cgroup out of memory: Killed process 4711 (python3) total-vm:461408kB, anon-rss:1kB"
)
V1 = "/slurm/uid_1000/job_7/step_3"
V2 = "/system.slice/slurmstepd.scope/job_7/step_batch/user"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(
            [
                f"{AT} {CONSTRAINT},oom_memcg={V1},task_memcg={V1}/task_0,task=python3,pid=4711",
                f"{AT} {KILLED}",
                f"{AT} oom_reaper: reaped process 4711 (python3), now anon-rss:0kB",
            ],
            [("7.3", 4711, "python3")],
            id="cgroup v1",
        ),
        pytest.param(
            [
                f"{AT} {CONSTRAINT},oom_memcg={V2},task_memcg={V2}/task_0,task=a (b),pid=12,uid=0",
                f"{AT} Memory cgroup out of memory: Killed process 12 (a (b)) total-vm:4kB",
            ],
            [("7.batch", 12, "a (b)")],
            id="cgroup v2",
        ),
        pytest.param(
            [
                f"{AT} Task in {V1}/task_0 killed as a result of limit of {V1}",
                f"{AT} Memory cgroup out of memory: Kill process 4711 (python3) score 9 or child",
                f"{AT} Killed process 4711 (python3) total-vm:461408kB, anon-rss:1kB",
            ],
            [("7.3", 4711, "python3")],
            id="kernel of RHEL 7",
        ),
        pytest.param(
            [
                f"{AT} {CONSTRAINT},oom_memcg={V2},task_memcg={V2}/task_0,task=a,pid=12,uid=0",
                f"{AT} Tasks in {V2} are going to be killed due to memory.oom.group set",
                f"{AT} Memory cgroup out of memory: Killed process 12 (a) total-vm:4kB",
                f"{AT} Memory cgroup out of memory: Killed process 13 (b) total-vm:4kB",
            ],
            [("7.batch", 12, "a"), ("7.batch", 13, "b")],
            id="a whole cgroup",
        ),
        pytest.param(
            [
                f"{AT} {CONSTRAINT},oom_memcg={V1},task_memcg={V1}/task_0,task=python3,pid=4711",
                f"{AT} {KILLED}",
                f"{AT} {CONSTRAINT},oom_memcg=/user.slice,task_memcg=/user.slice/a,task=x,pid=5",
                f"{AT} Memory cgroup out of memory: Killed process 5 (x) total-vm:461408kB",
            ],
            [("7.3", 4711, "python3")],
            id="also somebody else",
        ),
        pytest.param(
            [
                (
                    f"{AT} oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=step_3,"
                    f"mems_allowed=0,global_oom,task_memcg={V1}/task_0,task=python3,pid=4711,uid=0"
                ),
                f"{AT} Out of memory: Killed process 4711 (python3) total-vm:461408kB",
            ],
            [("7.3", 4711, "python3")],
            id="the whole node",
        ),
        pytest.param([f"{AT} {KILLED}"], [], id="cut off before"),
        pytest.param(["# No dmesg messages found after 2025-11-28 18:15:17"], [], id="nothing"),
    ],
)
def test_kills_in_the_log_of_a_kernel(
    lines: list[str], expected: list[tuple[str, int, str]]
) -> None:
    kills = memory_kills("\n".join(lines), "dmesg.log")
    assert [(kill.step, kill.pid, kill.process) for kill in kills] == expected
    local = datetime(2025, 11, 28, 18, 15, 17).astimezone()
    assert all(kill.at == local and kill.file == "dmesg.log" for kill in kills)


@pytest.mark.parametrize("stamp", ["[12345.678901]", "[Fri Nov 31 18:15:17 2025]"])
def test_kill_at_an_unknown_time(stamp: str) -> None:
    text = f"{stamp} oom-kill:task_memcg={V1}/task_0,task=python3\n{stamp} {KILLED}\n"
    (kill,) = memory_kills(text, "dmesg.log")
    assert kill == MemoryKill(
        step="7.3", pid=4711, process="python3", line=f"{stamp} {KILLED}", file="dmesg.log"
    )


def test_lines_of_steps() -> None:
    detected = "slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch. Some were killed."
    newer = "slurmstepd-n1: error: Detected 1 oom-kill event(s) in StepId=7.3. Some were killed."
    canceled = "slurmstepd: error: *** STEP 7.3 ON n1 CANCELLED AT 2026-01-30T16:10:57 ***"
    job = "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-30T16:10:57 ***"
    prose = "see StepId=7.4"
    assert lines_of_steps(f"{detected}\n{newer}\n{prose}\n{canceled}\n{job}") == {
        "7.batch": detected,
        "7.3": f"{newer}\n{canceled}",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bash: line 1:  4711 Killed                  python3 big.py\n", {4711}),
        ("/a b/run.sh: line 12: 5 Killed x\n./s: line 3: 6 Killed (core dumped) y\n", {5, 6}),
        ("Killed\n", set()),
        ("bash: line 1: 4711 Segmentation fault  ./a\n", set()),
    ],
)
def test_processes_that_a_shell_saw_killed(text: str, expected: set[int]) -> None:
    assert killed_processes(text) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch. Some", {7}),
        ("slurmstepd: error: *** JOB 7269 ON n107 CANCELLED AT 2026-01-30T16:10:57 ***", {7269}),
        ("slurmstepd: error: *** STEP 7.3 ON n107 CANCELLED AT 2026-01-30T16:10:57 ***", {7}),
        ("slurmstepd: error: Job 50098285 exceeded memory limit (1062800 > 327680)", {50098285}),
        ("slurmstepd: error: JobId=7 StepId=7.1 exceeded memory limit", {7}),
        ("srun: error: n1: task 0: Out Of Memory", set()),
    ],
)
def test_allocations_that_a_line_names(line: str, expected: set[int]) -> None:
    assert allocations_in(line) == expected
