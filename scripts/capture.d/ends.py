"""The scenarios: workflows whose jobs have all possible outcomes.

Each signal is sent twice: to a program that has replaced bash, and to one that bash waits for
(``.. in-shell``), because runners treat them differently.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from site_of_torc import Site

from tests.rigs.real_torc import VERSIONS

Spec = dict[str, Any]

_LARGE = "150 << 20"  # bytes; more than the 64 MiB that the jobs request
_SLEEP = "sleep 120"
_BRIEF = {"resource_requirements": "brief"}  # five seconds


def _wait_for_runner(site: Site) -> None:
    site.wait_for_runner()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """``intervene`` gets a site with a working runner and returns when the outcome is final."""

    name: str
    about: str
    jobs: dict[str, str]  # commands by name
    intervene: Callable[[Site], None] = _wait_for_runner
    workflow: Spec = field(default_factory=dict)  # additional fields of the workflow
    of_jobs: dict[str, Spec] = field(
        default_factory=dict
    )  # additional fields of some jobs, by name
    runner: tuple[str, ...] = ()  # additional options of the runner
    versions: tuple[str, ...] = VERSIONS
    is_quick: bool = True

    def spec(self) -> Spec:
        job = {"resource_requirements": "small"}
        small = {"name": "small", "num_cpus": 1, "memory": "64m", "runtime": "PT2M"}
        brief = {"name": "brief", "num_cpus": 1, "memory": "64m", "runtime": "PT5S"}
        return {
            "name": self.name,
            "compute_node_wait_for_new_jobs_seconds": 2,  # the runner's idle timeout
            "resource_requirements": [small, brief],
            "jobs": [
                {"name": name, "command": command, **job, **self.of_jobs.get(name, {})}
                for name, command in self.jobs.items()
            ],
            **self.workflow,
        }


def _signaled(*names: str) -> dict[str, str]:
    simple = {f"sig{name.lower()}": f"sh -c 'kill -{name} $$'" for name in names}
    in_shell = {f"{job} in-shell": f"{command}; exit $?" for job, command in simple.items()}
    return simple | in_shell


def _python(*statements: str) -> str:
    return f'python3 -c "{"; ".join(("import os, time", *statements))}"'


def _trap(reaction: str) -> str:
    """A job that creates a file when its trap is set, then waits for SIGTERM."""
    return f"trap {reaction!r} TERM; touch $TORC_JOB_NAME.ready; while :; do sleep 0.1; done"


_BY_ITSELF = Scenario(
    name="by-itself",
    about="Jobs that end by themselves.",
    jobs={
        "exit-0": "exit 0",
        "exit-3": "exit 3",
        "exit-137": "exit 137",
        "not-found": "no-such-program",
        "not-executable": "/dev/null",
        "missing-output": "true",
        "ulimit-memory": "ulimit -v 300000; " + _python("bytearray(1 << 30)"),
        "ulimit-cpu": "ulimit -S -t 1; while :; do :; done",
        "late-sigkill": "sleep 5; kill -KILL $$",
        **_signaled("KILL", "SEGV", "TERM", "INT"),
    },
    of_jobs={"missing-output": {"output_files": ["never"]}, "late-sigkill": _BRIEF},
    workflow={"files": [{"name": "never", "path": "never-written.txt"}]},
)

_HOLD = ("held = bytearray(" + _LARGE + ")", "time.sleep(6)")
_MONITOR = {"enabled": True, "granularity": "summary", "sample_interval_seconds": 1}
_MEMORY = Scenario(
    name="memory",
    about="Jobs that use more memory than they requested, sampled every second.",
    jobs={
        "killed": _python(*_HOLD, "os.kill(os.getpid(), 9)"),
        "killed in-shell": _python(*_HOLD, "os.kill(os.getpid(), 9)") + "; exit $?",
        "exit-1": _python(*_HOLD, "os._exit(1)"),
        "exit-0": _python(*_HOLD),
        "killed within": _python("time.sleep(2)", "os.kill(os.getpid(), 9)"),
    },
    workflow={"resource_monitor": _MONITOR},
)
_MEMORY_NOT_LIMITED = replace(
    _MEMORY,
    name="memory-not-limited",
    about="The same with Torc's own enforcement disabled.",
    workflow=_MEMORY.workflow | {"execution_config": {"limit_resources": False}},
    versions=("1.0.0",),
)

_TERM_LEAD = {"sigterm_lead_seconds": 2, "sigkill_headroom_seconds": 0}
_AT_ITS_END: Spec = {
    "workflow": {"execution_config": _TERM_LEAD},
    "runner": ("--time-limit", "PT8S"),
    "versions": ("1.0.0",),
}
_STOPPED_JOBS = {
    "sleeps": _SLEEP,
    "sleeps in-shell": _SLEEP + "; exit $?",
    "ignores": _trap(""),
    "saves-itself": _trap("exit 0"),
    "exit-7": _trap("exit 7"),
}
_WORKER_ENDED = Scenario(
    name="worker-ended",
    about="The runner reaches its time limit: SIGTERM, two seconds later SIGKILL. The jobs whose "
    "names begin with late requested five seconds.",
    jobs=_STOPPED_JOBS | {"late": _SLEEP, "late-ignores": _trap("")},
    of_jobs={"late": _BRIEF, "late-ignores": _BRIEF},
    **_AT_ITS_END,
)


def _after_all_jobs_run(act: Callable[[Site], None]) -> Callable[[Site], None]:
    def intervene(site: Site) -> None:
        site.wait_for_jobs()
        act(site)

    return intervene


def _signal_runner(name: str) -> Callable[[Site], None]:
    def act(site: Site) -> None:
        site.signal_runner(name)
        site.wait_for_runner()

    return _after_all_jobs_run(act)


def _cancel(site: Site) -> None:
    site.ask("PUT", "/workflows/1/cancel")
    site.wait_for_runner()


def _sync_without_runner(site: Site) -> None:
    _signal_runner("SIGKILL")(site)
    site.torc("workflows", "sync-status", "1")


def _restart_server(site: Site) -> None:
    site.stop_server()
    site.touch("server-is-down")
    site.let_runner_poll()
    site.start_server()
    site.touch("server-is-back")
    site.wait_for_runner()


_WAIT_FOR = "while [ ! -e {} ]; do sleep 0.1; done; "
_BLOCKED = {"depends_on": ["sleeps"]}
_SLEEPERS = {"sleeps": _SLEEP, "sleeps in-shell": _SLEEP + "; exit $?", "blocked": "true"}

_WITHOUT_WORKER = [
    Scenario(
        name=name,
        about=f"{signal} to the runner alone, while its jobs run.",
        jobs=_SLEEPERS,
        of_jobs={"blocked": _BLOCKED},
        intervene=_signal_runner(signal),
    )
    for name, signal in (
        ("worker-killed", "SIGKILL"),
        ("worker-told-to-stop", "SIGTERM"),
        ("worker-interrupted", "SIGINT"),
    )
]
_ORPHANS_FAILED = Scenario(
    name="orphans-failed",
    about="SIGKILL to the runner while its jobs run, then `torc workflows sync-status`.",
    jobs={name: command for name, command in _SLEEPERS.items() if name != "blocked"},
    intervene=_sync_without_runner,
)

_CANCELED = Scenario(
    name="canceled",
    about="The workflow is canceled while its jobs run.",
    jobs=_STOPPED_JOBS | {"blocked": "true"},
    of_jobs={"blocked": _BLOCKED},
    intervene=_after_all_jobs_run(_cancel),
)

_SERVER_RESTARTED = Scenario(
    name="server-restarted",
    about="The server is killed while the jobs run, and restarts when some have ended.",
    jobs={
        "fails-meanwhile": _WAIT_FOR.format("server-is-down") + "exit 3",
        "ends-meanwhile": _WAIT_FOR.format("server-is-down") + "exit 0",
        "ends-after": _WAIT_FOR.format("server-is-back") + "exit 0",
        "fails-after": _WAIT_FOR.format("server-is-back") + "exit 3",
    },
    intervene=_after_all_jobs_run(_restart_server),
    is_quick=False,  # runners retry after 30 s
)

_RETRIED = Scenario(
    name="retried",
    about="Failure handlers: one retries exit code 10 twice, the other every code.",
    jobs={
        "in-vain": "exit 10",
        "second-time-lucky": "[ $TORC_ATTEMPT_ID = 2 ] || exit 10",
        "no-rule": "exit 3",
        "any-code": "exit 3",
        "killed": "sh -c 'kill -KILL $$'",
    },
    of_jobs={
        "in-vain": {"failure_handler": "some"},
        "second-time-lucky": {"failure_handler": "some"},
        "no-rule": {"failure_handler": "some"},
        "any-code": {"failure_handler": "all"},
        "killed": {"failure_handler": "all"},
    },
    workflow={
        "failure_handlers": [
            {"name": "some", "rules": [{"exit_codes": [10], "max_retries": 2}]},
            {"name": "all", "rules": [{"match_all_exit_codes": True, "max_retries": 2}]},
        ]
    },
)

_PENDING_FAILED = Scenario(
    name="pending-failed",
    about="Failures that wait for a user to classify them.",
    jobs={
        "exit-0": "exit 0",
        "exit-3": "exit 3",
        "missing-output": "true",
        **_signaled("KILL", "SEGV"),
        "killed for memory": _MEMORY.jobs["killed"],
    },
    of_jobs={"missing-output": {"output_files": ["never"]}},
    workflow=_BY_ITSELF.workflow | {"use_pending_failed": True, "resource_monitor": _MONITOR},
)
_WORKER_ENDED_PENDING = replace(
    _WORKER_ENDED,
    name="worker-ended-pending-failed",
    about="The same, and failures wait for a user.",
    workflow=_WORKER_ENDED.workflow | {"use_pending_failed": True},
)

_WORKER_ENDED_BY_KILL = Scenario(
    name="worker-ended-by-kill",
    about="The runner reaches its time limit, and the workflow requests SIGKILL at once.",
    jobs={"sleeps": _SLEEP, "late": _SLEEP},
    of_jobs={"late": _BRIEF},
    workflow={"execution_config": _TERM_LEAD | {"termination_signal": "SIGKILL"}},
    runner=_AT_ITS_END["runner"],
    versions=_AT_ITS_END["versions"],
)

_OWN_CODES = Scenario(
    name="own-codes",
    about="A workflow with its own return codes: 77 if killed for memory, 78 if killed for time.",
    jobs={
        "killed": _MEMORY.jobs["killed"],
        "exit-77": "exit 77",
        "exit-78": "exit 78",
        "ignores": _trap(""),
        "late-ignores": _trap(""),
        "sleeps": _SLEEP,
    },
    of_jobs={"late-ignores": _BRIEF},
    workflow={
        "execution_config": _TERM_LEAD | {"oom_exit_code": 77, "timeout_exit_code": 78},
        "resource_monitor": _MONITOR,
    },
    runner=_AT_ITS_END["runner"],
    versions=_AT_ITS_END["versions"],
)
_OWN_CODES_PENDING = replace(
    _OWN_CODES,
    name="own-codes-pending-failed",
    about="The same, and failures wait for a user.",
    workflow=_OWN_CODES.workflow | {"use_pending_failed": True},
)

SCENARIOS = (
    _BY_ITSELF,
    _MEMORY,
    _MEMORY_NOT_LIMITED,
    _WORKER_ENDED,
    _WORKER_ENDED_PENDING,
    _WORKER_ENDED_BY_KILL,
    *_WITHOUT_WORKER,
    _ORPHANS_FAILED,
    _CANCELED,
    _SERVER_RESTARTED,
    _RETRIED,
    _PENDING_FAILED,
    _OWN_CODES,
    _OWN_CODES_PENDING,
)
