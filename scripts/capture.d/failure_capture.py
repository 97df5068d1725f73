"""Runs programs that fail under the real Torc on a real Slurm cluster, and records them as cases.

Each file of programs is a workflow, which is run in both of Torc's modes: jobs as processes of the
runner (direct), and as steps of the allocation (slurm). Each scenario of tests/failures/ends is
one that ends in the way that it says. What is left of a workflow, with the verdicts of
`torc recover --dry-run`, is one file of cases. Takes some minutes; needs root, and what
scripts/setup-slurm and scripts/setup-torc install.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from failure_programs import program_files
from failure_record import record, record_cluster
from torc_verdict import torc_verdict

from tests.failures.ends.scenario import Capture
from tests.failures.ends.scenarios import SCENARIOS
from tests.rigs.recorded_failures import CLUSTER, RECORDED, expected_cause
from tests.rigs.slurm_cluster import open_cluster
from tests.rigs.torc_on_slurm import Row, TorcAllocations, TorcOnSlurm, open_torc

_FAILURES = Path(__file__).parents[2] / "tests" / "failures"
_PROGRAMS = TorcAllocations(walltime="00:20:00", mem="3000M", extra="--cpus-per-task=4")
_NODES = 8
_PARALLEL = 8  # workflows, each on a node of its own
_TIMEOUT = 1200.0  # seconds for a workflow


def main() -> None:
    arguments = _arguments()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)

    captures = _captures(arguments)
    say(f"{len(captures)} workflows; starting Slurm and Torc")
    folder = TemporaryDirectory(ignore_cleanup_errors=True)
    with (
        folder as path,
        open_cluster(small_nodes=_NODES) as cluster,
        open_torc(cluster, Path(path)) as torc,
    ):
        say(f"Slurm {cluster.release}, memory by {cluster.memory_enforcement}")
        arguments.into.mkdir(parents=True, exist_ok=True)
        _write(arguments.into / CLUSTER, record_cluster(torc))
        with ThreadPoolExecutor(arguments.parallel) as pool:
            running = {pool.submit(_capture, torc, each, say): each for each in captures}
            for done in as_completed(running):
                name = running[done].name
                if error := done.exception():
                    say(f"{name}: FAILED: {error}")
                    continue
                path_of_case = arguments.into / f"{name}.json"
                _write(path_of_case, done.result())
                say(f"{name}: {path_of_case.stat().st_size // 1024} KiB")
    if any(done.exception() for done in running):
        sys.exit(1)


def _captures(arguments: argparse.Namespace) -> list[Capture]:
    wanted = set(arguments.names)
    found = [
        *(each for scenario in SCENARIOS for each in scenario.captures()),
        *_program_captures(arguments.programs),
    ]
    known = {each.name for each in found} | {each.source for each in found}
    if unknown := wanted - known:
        raise SystemExit(f"there is no {', '.join(sorted(unknown))}; there are {sorted(known)}")
    return [each for each in found if not wanted or wanted & {each.name, each.source}]


def _program_captures(paths: list[Path]) -> Iterable[Capture]:
    for file in program_files(paths):
        for mode in file.modes:
            yield Capture(
                name=f"{file.name}-{mode}",
                source=file.name,
                mode=mode,
                workflow=file.for_slurm(mode, _PROGRAMS),
                intervene=_wait_for_all,
            )


def _wait_for_all(torc: TorcOnSlurm, workflow_id: int) -> None:
    """Waits until the allocation has ended and accounting knows it."""
    end = time.monotonic() + _TIMEOUT
    while set(torc.allocations(workflow_id).values()) != {"complete"}:
        if time.monotonic() > end:
            raise TimeoutError(f"{torc.statuses(workflow_id)} {torc.allocations(workflow_id)}")
        time.sleep(1)


def _capture(torc: TorcOnSlurm, capture: Capture, say: Callable[[str], None]) -> Row:
    """Raises AssertionError and TimeoutError where the expected is not seen."""
    say(f"{capture.name} ...")
    torc = replace(torc, folder=torc.folder / capture.name)  # jobs write where it is submitted
    torc.folder.mkdir()
    path = torc.folder / "workflow.json"
    path.write_text(json.dumps(capture.workflow))
    workflow_id = torc.create(path, "--skip-checks")
    torc.submit(workflow_id, "--claim-backoff-max-secs", str(capture.backoff))
    capture.intervene(torc, workflow_id)
    for number in torc.allocations(workflow_id):
        torc.cluster.wait_for_end(number)
    jobs = [job["name"] for job in capture.workflow["jobs"]]
    about = {"source": capture.source, "mode": capture.mode, "torc": "1.0.0"}
    about |= {"slurm": ".".join(map(str, torc.cluster.release))}
    about |= {"memory": torc.cluster.memory_enforcement}
    expected = {name: expected_cause(name) for name in jobs if "." in name}
    left = record(torc, workflow_id)
    return {"about": about, "expected": expected, **left, "torc": torc_verdict(torc, workflow_id)}


def _write(path: Path, value: Row) -> None:
    """One line for each part, so that changes can be read."""
    lines = [f"{json.dumps(key)}:{_compact(part)}" for key, part in value.items()]
    path.write_text("{" + ",\n".join(lines) + "}\n")


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/capture-failures", description=__doc__)
    parser.add_argument(
        "names", nargs="*", help="files of programs, scenarios, or their captures; default: all"
    )
    parser.add_argument(
        "--programs",
        type=Path,
        nargs="+",
        default=sorted(_FAILURES.glob("**/*.yaml")),
        help="files of programs; default: those of tests/failures",
    )
    parser.add_argument("--into", type=Path, default=RECORDED, help="folder; default: %(default)s")
    parser.add_argument("--parallel", type=int, default=_PARALLEL, help="default: %(default)s")
    return parser.parse_args()


if __name__ == "__main__":
    main()
