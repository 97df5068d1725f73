"""What the built-in runner learns in an allocation of Slurm."""

from pathlib import Path

import pytest

from torc_watch.core.units import MIB
from torc_watch.sandbox.runner.slurm_worker import worker_settings

URL = "http://login:8080/torc-service/v1"
ARGUMENTS = (URL, "42", "/scratch/out", "--poll-interval", "30")
ENVIRONMENT = {"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "4", "SLURM_MEM_PER_NODE": "2000"}


def test_allocation_is_described_by_slurm() -> None:
    settings = worker_settings(ARGUMENTS, ENVIRONMENT | {"SLURM_JOB_GPUS": "0,3"}, 1000.0)

    assert (settings.scheduler_type, settings.scheduler_id) == ("slurm", 7)
    assert (settings.num_cpus, settings.memory, settings.num_gpus) == (4, 2000 * MIB, 2)
    assert (settings.workflow_id, settings.output_dir) == (42, Path("/scratch/out"))
    assert (settings.poll_interval, settings.ends_at) == (30, 1000)


def test_whole_node_has_all_of_its_memory() -> None:
    del (environment := dict(ENVIRONMENT))["SLURM_MEM_PER_NODE"]
    assert worker_settings(ARGUMENTS, environment, None).memory > 2000 * MIB


def test_access_is_as_for_torcs_runner() -> None:
    access = {"TORC_USERNAME": "ann", "TORC_PASSWORD": "secret", "USER": "root"}
    tls = ("--tls-ca-cert", "/etc/ca.pem", "--tls-insecure")
    connection = worker_settings((*ARGUMENTS, *tls), ENVIRONMENT | access, None).connection

    assert (connection.username, connection.password) == ("ann", "secret")
    assert (connection.ca_file, connection.verify_tls) == (Path("/etc/ca.pem"), False)


def test_worker_outside_of_an_allocation_is_an_error() -> None:
    with pytest.raises(KeyError):
        worker_settings(ARGUMENTS, {}, None)
