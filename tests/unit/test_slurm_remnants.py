"""What a node of Slurm is told to end, and what it ends."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from torc_watch.core.errors import SchedulerError, SchedulerUnreachable
from torc_watch.host import processes
from torc_watch.schedulers.base import EndedAttempts
from torc_watch.schedulers.slurm.remnant_query import end_remnants
from torc_watch.schedulers.slurm.remnant_script import REMNANT_SCRIPT, parse_ended

WORKFLOW = os.getpid()  # unique: the script looks at the whole machine
MARKER = {"TORC_WATCH_TEST": f"remnants-{WORKFLOW}"}
JOB = {
    "TORC_WORKFLOW_ID": str(WORKFLOW),
    "TORC_RUN_ID": "3",
    "TORC_JOB_ID": "12",
    "TORC_ATTEMPT_ID": "1",
    "SLURM_JOB_ID": "77",
}
FOREVER = "sleep 600; true"  # the shell stays, and has a child
DEAF = "trap '' TERM INT HUP; sleep 600; true"

Start = Callable[..., None]


def marked() -> list[processes.Process]:
    return processes.processes_with_environment("=".join(*MARKER.items()).encode())


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a command whose parent has ended, with its children."""

    def start(environment: dict[str, str], command: str = FOREVER, **options: int) -> None:
        before = len(marked())
        subprocess.run(
            ["/bin/sh", "-c", f"({command}) >/dev/null 2>&1 &"],
            env={"PATH": os.environ["PATH"]} | MARKER | environment,
            check=True,
            **options,  # type: ignore[call-overload]
        )
        end = time.monotonic() + 30
        while len(marked()) < before + 2:
            assert time.monotonic() < end

    yield start
    processes.end_all(marked, patience=30)


def run_script(*attempts: str, program: Sequence[str] = ("sh",), path: str = "") -> str:
    numbers = ("77", str(WORKFLOW), "3", *(attempts or ("12.1",)))
    return subprocess.run(
        [*program, "-c", REMNANT_SCRIPT, "sh", *numbers],
        env={"PATH": path or os.environ["PATH"], "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("shell", [["sh"], ["bash", "--posix"], ["bash"]])
@pytest.mark.parametrize("command", [FOREVER, DEAF, "setsid sh -c 'sleep 600; true' &"])
def test_all_that_is_left_of_an_attempt_is_killed(
    start: Start, command: str, shell: Sequence[str]
) -> None:
    start(JOB, command)
    assert parse_ended(run_script(program=shell), nodes=1) >= 2
    assert not marked()
    assert run_script(program=shell) == "torc-watch: ended 0\n"


def test_grep_need_not_know_whole_entries(start: Start, tmp_path: Path) -> None:
    start(JOB)
    start(JOB | {"TORC_JOB_ID": "122"})
    start(JOB | {"TORC_JOB_ID": "13", "TORC_JOB_NAME": "a\nTORC_JOB_ID=12\nb"})
    grep = tmp_path / "grep"
    case = "case $* in *z*) exit 2 ;; esac"
    grep.write_text(f'#!/bin/sh\n{case}\nexec {shutil.which("grep")} "$@"\n')
    grep.chmod(0o755)
    assert run_script(path=f"{tmp_path}:{os.environ['PATH']}") == "torc-watch: ended 2\n"
    assert len(marked()) == 4


def test_several_attempts_are_ended_at_once(start: Start) -> None:
    start(JOB)
    start(JOB | {"TORC_JOB_ID": "120", "TORC_ATTEMPT_ID": "4"})
    assert run_script("12.1", "120.4", "121.1") == "torc-watch: ended 4\n"
    assert not marked()


def test_what_starts_others_all_the_time_is_ended(start: Start) -> None:
    start(JOB, "while :; do sleep 600 & sleep 0.01; done")
    assert parse_ended(run_script(), nodes=1) >= 2
    assert not marked()


@pytest.mark.parametrize(
    "difference",
    [
        {"TORC_WORKFLOW_ID": f"{WORKFLOW}0"},
        {"TORC_RUN_ID": "2"},
        {"TORC_JOB_ID": "1"},
        {"TORC_JOB_ID": "122"},
        {"TORC_ATTEMPT_ID": "2"},
        {"TORC_ATTEMPT_ID": "1 12.1"},
        {"SLURM_JOB_ID": "78"},
        {"TORC_JOB_ID": "13", "TORC_JOB_NAME": "a\nTORC_JOB_ID=12\nb"},
        {"TORC_JOB_ID": "13", "TORC_JOB_NAME": "a TORC_JOB_ID=12 b"},
        {"TORC_JOB_ID": "13", "X": "TORC_JOB_ID=12"},
    ],
)
def test_other_processes_are_left_alone(start: Start, difference: dict[str, str]) -> None:
    start(JOB | difference)
    before = {process.identity for process in marked()}
    assert run_script() == "torc-watch: ended 0\n"
    assert before == {process.identity for process in marked()}


@pytest.mark.parametrize("missing", ["TORC_WORKFLOW_ID", "TORC_JOB_ID", "TORC_ATTEMPT_ID"])
def test_what_does_not_say_which_attempt_it_is_lives_on(start: Start, missing: str) -> None:
    start({name: value for name, value in JOB.items() if name != missing})
    assert run_script() == "torc-watch: ended 0\n"
    assert len(marked()) == 2


def test_torc_0_12_does_not_say_which_run_it_is(start: Start) -> None:
    start({name: value for name, value in JOB.items() if name != "TORC_RUN_ID"})
    assert run_script() == "torc-watch: ended 2\n"


@pytest.mark.parametrize(
    "difference",
    [
        {"TORC_JOB_NAME": "a b\nc * $(false) 'd"},
        {"TORC_OUTPUT_DIR": "/a b/c"},
        {"EMPTY": "", "X": "\xff\x01\n\n"},
    ],
)
def test_names_may_have_any_characters(start: Start, difference: dict[str, str]) -> None:
    start(JOB | difference)
    assert run_script() == "torc-watch: ended 2\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start processes of others")
def test_processes_of_other_users_are_left_alone(start: Start) -> None:
    start(JOB, user=65534)
    assert run_script() == "torc-watch: ended 0\n"
    assert len(marked()) == 2


def test_zombies_do_not_count() -> None:
    command = ["sh", "-c", "exit 0"]
    with subprocess.Popen(command, env=MARKER | JOB) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        assert run_script() == "torc-watch: ended 0\n"


def test_what_cannot_be_killed_is_left(start: Start) -> None:
    """As while it waits for a file system that does not answer."""
    start(JOB)
    deaf = REMNANT_SCRIPT.replace("kill -KILL", "kill -0").replace("-lt 40", "-lt 2")
    assert deaf != REMNANT_SCRIPT
    words = ["sh", "-c", deaf, "sh", "77", str(WORKFLOW), "3", "12.1"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "torc-watch: left\n"


def test_node_without_its_programs_says_so(tmp_path: Path) -> None:
    assert run_script(program=["/bin/sh"], path=str(tmp_path)) == "torc-watch: lacks grep\n"


@pytest.mark.parametrize(
    ("text", "nodes", "number"),
    [
        ("torc-watch: ended 0\n", 1, 0),
        ("torc-watch: ended 2\ntorc-watch: ended 3\n", 2, 5),
        ("Welcome to n1!\ntorc-watch: ended 2\n", 1, 2),
    ],
)
def test_numbers_of_all_nodes_are_added(text: str, nodes: int, number: int) -> None:
    assert parse_ended(text, nodes=nodes) == number


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("", 1),
        ("torc-watch: ended 2\n", 2),
        ("torc-watch: ended 2\ntorc-watch: left\n", 2),
        ("torc-watch: cannot look\n", 1),
        ("torc-watch: ended\n", 1),
        ("torc-watch: \n", 1),
        ("torc-watch: ended two\n", 1),
        ("torc-watch: ended 1\ntorc-watch: ended 1\n", 1),
    ],
)
def test_any_other_answer_is_no_certainty(text: str, nodes: int) -> None:
    with pytest.raises(SchedulerError):
        parse_ended(text, nodes=nodes)


class Slurm:
    """Answers its two commands; ``calls`` has them."""

    def __init__(self, squeue: str, srun: "str | SchedulerError") -> None:
        self.answers = {"squeue": squeue, "srun": srun}
        self.calls: list[tuple[str, ...]] = []

    async def __call__(self, *command: str) -> str:
        self.calls.append(command)
        answer = self.answers[command[0]]
        if isinstance(answer, SchedulerError):
            raise answer
        return answer


def attempts(number: int = 1) -> EndedAttempts:
    numbers = {12 + place: 1 + place for place in range(number)}
    return EndedAttempts(server="http://x", workflow_id=5, run_id=3, attempts=numbers)


@pytest.mark.looptime
async def test_one_step_looks_on_all_nodes_for_all_attempts() -> None:
    slurm = Slurm("JOBID|NODES\n77|2\n", "torc-watch: ended 1\ntorc-watch: ended 0\n")
    assert await end_remnants(77, attempts(2), slurm) == 1
    squeue, srun = slurm.calls
    assert "--jobs=77" in squeue
    assert {"--jobid=77", "--nodes=2", "--overlap", "--mem=0"} <= set(srun)
    assert srun[srun.index("sh") :] == (
        *("sh", "-c", REMNANT_SCRIPT, "sh", "77", "5", "3", "12.1", "13.2"),
    )


@pytest.mark.looptime
async def test_thousands_of_attempts_are_several_steps() -> None:
    slurm = Slurm("JOBID|NODES\n77|1\n", "torc-watch: ended 1\n")
    assert await end_remnants(77, attempts(2500), slurm) == 3
    pairs = [word for call in slurm.calls for word in call if word[0].isdigit() and "." in word]
    assert len(set(pairs)) == len(pairs) == 2500


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("squeue", "srun"),
    [
        ("JOBID|NODES\n", "torc-watch: ended 0\n"),  # it has ended, or waits again
        ("JOBID|NODES\n78|1\n", "torc-watch: ended 0\n"),
        ("JOBID|NODES\n77|2\n", "torc-watch: ended 0\n"),
        ("JOBID|NODES\n77|1\n", SchedulerError("srun: unrecognized option '--overlap'")),
        ("JOBID|NODES\n77|1\n", SchedulerUnreachable("srun did not answer.")),
    ],
)
async def test_no_answer_is_no_certainty(squeue: str, srun: str | SchedulerError) -> None:
    with pytest.raises(SchedulerError):
        await end_remnants(77, attempts(), Slurm(squeue, srun))
