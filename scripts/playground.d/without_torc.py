"""The embedded server and our runner, where the real Torc was not built.

Only Torc's own command line submits a workflow to Slurm, so its work is done here: for each
allocation a held job, then its row on the server, then the job's release.
"""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.rigs.real_torc import serving
from tests.rigs.slurm_cluster import SlurmCluster
from tests.rigs.torc_on_slurm import TorcOnSlurm

_TORC_WATCHD = (sys.executable, "-m", "torc_watch")
_RUNNER = "torc-slurm-job-runner"
_DIRECTIVES = {"account": "account", "walltime": "time", "mem": "mem"}  # of sbatch, by row's field


@contextmanager
def open_embedded(cluster: SlurmCluster, folder: Path) -> Iterator[TorcOnSlurm]:
    """A server whose database is in ``folder``, with our runner in ``folder / "bin"``."""
    runner = folder / "bin" / _RUNNER
    runner.parent.mkdir()
    command = shlex.join([sys.executable, str(Path(__file__).with_name("slurm_runner.py"))])
    runner.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    runner.chmod(0o755)
    server = [*_TORC_WATCHD, "sandbox", "serve", "--port", "0", "--json"]
    with serving([*server, "--directory", str(folder / "server")], folder / "server.log") as url:
        yield TorcOnSlurm(cluster=cluster, url=url, folder=folder, programs=runner.parent)


def submit(site: TorcOnSlurm, specification: Path, poll_interval: int) -> int:
    """As ``torc submit`` does; the workflow's ID."""
    site.output_folder.mkdir()
    workflow_id = _create(site, specification)
    spec = yaml.safe_load(specification.read_text())
    for row in spec["slurm_schedulers"]:
        config = site.ask(
            "POST", "/slurm_schedulers", {"workflow_id": workflow_id, "nodes": 1, **row}
        )
        for action in spec["actions"]:
            for _ in range(action["num_allocations"]):
                _start_allocation(site, workflow_id, config, poll_interval)
    return workflow_id


def _create(site: TorcOnSlurm, specification: Path) -> int:
    command = [*_TORC_WATCHD, "submit", str(specification), "--allocations", "0", "--json"]
    done = subprocess.run(
        command,
        env=site.environment,
        cwd=site.folder,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # it warns of what is done here
    )
    return int(json.loads(done.stdout)["workflow_id"])


def _start_allocation(
    site: TorcOnSlurm, workflow_id: int, config: Mapping[str, Any], poll_interval: int
) -> None:
    runner = [str(site.programs / _RUNNER), site.url, str(workflow_id), str(site.output_folder)]
    script = f"exec {shlex.join(runner)} --poll-interval {poll_interval}"
    options = [f"--{option}={config[field]}" for field, option in _DIRECTIVES.items()]
    number = site.cluster.submit(
        script, "--hold", *options, config["extra"], f"--output={site.output_folder}/slurm-%j.out"
    )
    row = {"workflow_id": workflow_id, "scheduler_id": number, "scheduler_type": "slurm"}
    row |= {"scheduler_config_id": config["id"], "status": "pending"}
    site.ask("POST", "/scheduled_compute_nodes", row)
    site.cluster.run("scontrol", "release", str(number))
