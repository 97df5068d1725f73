"""The ways in which allocations and steps end, and what each job's failure is then."""

from tests.failures.ends import interventions as by
from tests.failures.ends.scenario import Scenario, place
from tests.rigs.torc_on_slurm import TorcJob

_PROGRESS = "while :; do date; sleep 1; done"
_SHORT, _LONG = "PT20S", "PT4M"
_FAILS = "python3 -c 'len(7)'"
# Each page is written, or the kernel would not count it.
_HOG = "python3 -c 'held = b\"x\" * (400 << 20)'"
_NEAR = "python3 -c 'held = b\"x\" * (60 << 20); len(7)'"
_SLOW_HOG = """python3 -c '
import time
held = []
for step in range(60):
    held.append(b"x" * (10 << 20))
    print("step", step, flush=True)
    time.sleep(1)'"""
_HELD = "python3 -c 'import time; held = b\"x\" * (200 << 20); time.sleep(60)'"


def _trap(reaction: str) -> str:
    return f"trap {reaction!r} TERM; while :; do date; sleep 1; done"


def _job(name: str, command: str, runtime: str = _LONG) -> TorcJob:
    return TorcJob(name=name, command=command, runtime=runtime)


_BEFORE = _job("code.trap-before-the-end", _FAILS)

_WALLTIME = Scenario(
    name="walltime",
    jobs=[
        _job("timeout.progress", _PROGRESS, _SHORT),
        _job("interrupted.late", _PROGRESS),
        _BEFORE,
    ],
    intervene=by.after(22, "timeout.progress", "interrupted.late", act=by.end_soon),
)
_STOPPED = [
    _job("timeout.progress", _PROGRESS, _SHORT),
    _job("interrupted.late", _PROGRESS),
    _job("timeout.trap-saves-itself", _trap("exit 7"), _SHORT),
    _job("suspect.trap-exit-0", _trap("exit 0"), _SHORT),
]
_WALLTIME_REPORTED = Scenario(
    name="walltime-reported",
    jobs=_STOPPED,
    intervene=by.wait_for_end,
    allocations=place(walltime="00:03:00"),
    backoff=5,
)
_WALLTIME_DEAF = Scenario(
    name="walltime-deaf",
    jobs=[
        _job("timeout.deaf", _trap(""), _SHORT),
        _job("interrupted.deaf", _trap("")),
        _job("interrupted.trap-saves-itself", _trap("exit 7")),
    ],
    intervene=by.wait_for_end,
    allocations=place(walltime="00:03:00"),
    backoff=5,
)
_HANG = Scenario(
    name="hang",
    jobs=[
        *(_job(f"success.part-{part}", "date; sleep 1; date", _SHORT) for part in range(3)),
        _job("unknown.trap-hang", "date; sleep 1; exec sleep 900", _SHORT),
    ],
    intervene=by.wait_for_end,
    allocations=place(walltime="00:03:00"),
    modes=["slurm"],
)
_PREEMPTED = Scenario(
    name="preemption",
    jobs=[_job("preempted.progress", _PROGRESS), _BEFORE],
    intervene=by.after(4, "preempted.progress", act=by.preempt),
    allocations=place(partition="preemptible"),
)
_CANCELED = Scenario(
    name="cancellation",
    jobs=[
        _job("canceled.progress", _PROGRESS),
        _job("canceled.trap-saves-itself", _trap("exit 7")),
        _BEFORE,
    ],
    intervene=by.after(4, "canceled.progress", "canceled.trap-saves-itself", act=by.cancel),
)
_STEP_CANCELED = Scenario(
    name="canceled-step",
    jobs=[
        _job("canceled.progress", _PROGRESS),
        _job("success.beside-it", "sleep 20; date"),
    ],
    intervene=by.after(4, "canceled.progress", act=by.cancel_step),
    modes=["slurm"],
)
_NODE_FAILED = Scenario(
    name="node-failure",
    jobs=[_job("node.progress", _PROGRESS), _BEFORE],
    intervene=by.after(4, "node.progress", act=by.fail_node),
)
_REQUEUED = Scenario(
    name="requeue",
    jobs=[_job("interrupted.progress", _PROGRESS)],
    intervene=by.after(4, act=by.requeue),
    allocations=place(extra="--cpus-per-task=4 --requeue"),
)
_RUNNER_KILLED = Scenario(
    name="runner-killed",
    jobs=[_job("interrupted.progress", _PROGRESS), _BEFORE],
    intervene=by.after(4, "interrupted.progress", act=by.kill_runner),
)
_VICTIM = "python3 -c 'import time; time.sleep(600)  # victim'"
_KILLED_BY_HAND = Scenario(
    name="killed-by-hand",
    jobs=[
        _job("unknown.trap-kill-itself", "sleep 3; kill -9 $$"),
        _job("unknown.trap-kill-child", "sh -c 'sleep 3; kill -9 $$'; exit $?"),
        _job("unknown.trap-exit-137", "sleep 3; exit 137"),
        _job("unknown.trap-victim", f"{_VICTIM}; exit $?"),
    ],
    intervene=by.after(4, "unknown.trap-victim", act=by.kill_programs),
)
_ALLOCATION_MEMORY = Scenario(
    name="allocation-memory",
    jobs=[_job("oom.hog", f"sleep 2; {_HOG}"), _job("success.beside-it", "sleep 8")],
    intervene=by.wait_for_end,
    allocations=place(mem="250M"),
    execution={"limit_resources": False},
    modes=["direct"],
)
_HIDDEN_MEMORY = Scenario(
    name="hidden-memory",
    jobs=[_job("suspect.trap-child-exit-0", f"sleep 2; {_HOG}; exit 0")],
    intervene=by.wait_for_end,
    allocations=place(mem="250M"),
    execution={"limit_resources": False},
    modes=["direct"],
)
_CODE_OF_ITS_OWN = Scenario(
    name="memory-with-code",
    jobs=[_job("oom.trap-child-exit-3", f"sleep 2; {_HOG} || exit 3")],
    intervene=by.wait_for_end,
    allocations=place(mem="250M"),
    execution={"limit_resources": False},
    modes=["direct"],
)
_STEP_MEMORY = Scenario(
    name="step-memory",
    jobs=[
        _job("oom.at-once", _HOG),
        _job("oom.late", _SLOW_HOG),
        _job("oom.trap-exit-0", f"{_HOG}; exit 0"),
        _job("oom.trap-exit-3", f"{_HOG} || exit 3"),
        _job("oom.trap-cascade", f"{_HOG}; {_FAILS}"),
        _job("code.trap-near-the-limit", _NEAR),
        _job("success.trap-prose", "echo 'out of memory? oom-killer? no' >&2"),
    ],
    intervene=by.wait_for_end,
    modes=["slurm"],
)
_MONITORED_MEMORY = Scenario(
    name="monitored-memory",
    jobs=[
        _job("oom.held", _HELD),
        _job("oom.held-in-shell", f"{_HELD}; exit $?"),
        _job("code.trap-near-the-limit", _NEAR),
    ],
    intervene=by.wait_for_end,
    modes=["direct"],
    backoff=5,
)

SCENARIOS = (
    _WALLTIME,
    _WALLTIME_REPORTED,
    _WALLTIME_DEAF,
    _HANG,
    _PREEMPTED,
    _CANCELED,
    _STEP_CANCELED,
    _NODE_FAILED,
    _REQUEUED,
    _RUNNER_KILLED,
    _KILLED_BY_HAND,
    _ALLOCATION_MEMORY,
    _HIDDEN_MEMORY,
    _CODE_OF_ITS_OWN,
    _STEP_MEMORY,
    _MONITORED_MEMORY,
)
