"""Runs the named benchmarks, or all quick ones, and prints their values."""

import argparse
import json
import platform
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import cluster_recovery
import daemon
import demo
import diagnosis
import investigation
import job_output
import limits
import planner
import plans
import recovery
import report
import server
import sizing
import slurm
import top
import torc
import watch
from real_torc import installed_torc

_QUICK: dict[str, Callable[[], Awaitable[dict[str, float]]]] = {
    "demo": demo.measure,
    "planner": planner.measure,
    "recovery": recovery.measure,
    "report": report.measure,
    "server": server.measure,
    "watch": watch.measure,
}
_REPETITIONS = 5


def main() -> None:
    arguments = _arguments()
    measurements = _QUICK | {
        "cluster-recovery": partial(
            cluster_recovery.measure, repetitions=arguments.repetitions or 1, logs=arguments.logs
        ),
        "diagnosis": diagnosis.measure,
        "daemon": partial(daemon.measure, sizes=arguments.sizes, seconds=arguments.seconds),
        "job-output": job_output.measure,
        "limits": partial(limits.measure, jobs=arguments.jobs, other=arguments.against),
        "mcp": investigation.measure,
        "plans": plans.measure,
        "sizing": partial(sizing.measure, traces=arguments.traces),
        "slurm": partial(
            slurm.measure,
            sizes=[size for size in arguments.sizes if size <= slurm.MOST_WATCHED],
            seconds=arguments.seconds,
            repetitions=arguments.repetitions or _REPETITIONS,
        ),
        "top": partial(top.measure, seconds=arguments.seconds),
        "torc": partial(
            torc.measure,
            repetitions=arguments.repetitions or _REPETITIONS,
            seconds=arguments.seconds,
        ),
    }
    values: dict[str, float] = {}
    for name in arguments.names or _QUICK:
        measured = anyio.run(measurements[name])
        for label, value in measured.items():
            print(f"{label:64} {value:12,.3f}", flush=True)
        values |= measured
    if arguments.json:
        machine = {"python": platform.python_version(), "machine": platform.platform()}
        of_torc = {"cluster-recovery", "mcp", "plans", "top", "torc"}
        if of_torc & set(arguments.names) and (installed := installed_torc()):
            machine["torc"] = installed.profile
        arguments.json.write_text(json.dumps({"on": machine, "values": values}, indent=2))


def _arguments() -> argparse.Namespace:
    slow = ["cluster-recovery", "daemon", "diagnosis", "job-output", "limits", "mcp", "plans"]
    names = [*_QUICK, *slow, "sizing", "slurm", "top", "torc"]
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="|".join(names), help="benchmarks to run")
    parser.add_argument("--json", type=Path, help="output file for the values")
    parser.add_argument(
        "--seconds",
        type=float,
        default=300,
        help="daemon, slurm, top, torc: duration of idle watching (default: %(default)s)",
    )
    parser.add_argument(
        "--sizes",
        type=_sizes,
        default=(1, 100, 1_000, 10_000),
        help="daemon, slurm: numbers of workflows, ascending (default: 1,100,1000,10000)",
    )
    of_torc = parser.add_argument_group(
        "torc, slurm, plans, cluster-recovery",
        "Require the real Torc (scripts/setup-torc), and all but torc also root and "
        "scripts/setup-slurm; each takes about half an hour, cluster-recovery a quarter.",
    )
    of_torc.add_argument(
        "--repetitions",
        type=int,
        help=f"recoveries by each program (default: {_REPETITIONS}, of cluster-recovery 1)",
    )
    of_torc.add_argument(
        "--logs",
        type=Path,
        metavar="FOLDER",
        help="cluster-recovery: where to keep what programs and workers wrote",
    )
    of_limits = parser.add_argument_group("limits")
    of_limits.add_argument(
        "--jobs", type=int, default=6_001, help="of the large workflow (default: %(default)s)"
    )
    of_limits.add_argument(
        "--against", type=Path, metavar="FOLDER", help="another checkout, to compare its commands"
    )
    of_sizing = parser.add_argument_group("sizing")
    of_sizing.add_argument(
        "--traces",
        type=Path,
        metavar="FILE.csv.gz",
        help="jobs that ran, in the format of scripts/bench.d/sizing_traces.py "
        "(default: shared/sizing beside the checkout, where it is)",
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names):
        parser.error(f"unknown benchmark: {', '.join(sorted(unknown))}")
    return arguments


def _sizes(text: str) -> list[int]:
    return sorted(map(int, text.split(",")))


if __name__ == "__main__":
    main()
