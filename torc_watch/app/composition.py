"""Puts the parts together: only this room knows which client and scheduler there are."""

import shutil
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from torc_watch.config.settings import Settings
from torc_watch.config.sources import existing_rule_files, reading
from torc_watch.core.errors import InvalidInput, NotFound
from torc_watch.engine.job_outputs import JobOutputs
from torc_watch.failures.rule import Rule
from torc_watch.failures.rule_file import own_rules, parse_rules
from torc_watch.host.small_file import read_small_file
from torc_watch.schedulers.base import Scheduler
from torc_watch.schedulers.cluster import Cluster
from torc_watch.schedulers.local.local_scheduler import LocalScheduler
from torc_watch.schedulers.local.this_machine import ThisMachine
from torc_watch.schedulers.slurm.job_script import RunnerSettings
from torc_watch.schedulers.slurm.slurm_scheduler import SlurmScheduler
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection, Transport, normalize_url

# -P: nothing in the user's working directory shall be taken for our modules.
_OWN_RUNNER = (sys.executable, "-P", "-m", "torc_watch.sandbox.runner.slurm_worker")


def server_url(url: str | None) -> str | None:
    """The base URL of a server's API, as commands and the journal have it. Raises InvalidInput."""
    return None if url is None else normalize_url(url)


@asynccontextmanager
async def open_client(connection: Connection) -> AsyncIterator[TorcClient]:
    """A client that has asked the server for its version. Raises ServerError."""
    async with Transport(connection) as transport:
        yield await TorcClient.connect(transport)


def local_scheduler(settings: Settings) -> LocalScheduler:
    """Raises InvalidInput when the program that should run its jobs is not there."""
    return LocalScheduler(settings.home / "allocations", torc_program=settings.torc_program())


def open_schedulers(settings: Settings) -> tuple[Scheduler, ...]:
    """This machine, and Slurm where its commands are. Raises InvalidInput."""
    schedulers: list[Scheduler] = [local_scheduler(settings)]
    if shutil.which("sbatch"):
        schedulers.append(slurm_scheduler(settings))
    return tuple(schedulers)


def slurm_scheduler(settings: Settings) -> SlurmScheduler:
    """Raises InvalidInput where ``slurm_runner`` is set and is no program."""
    program = settings.slurm_runner_program()
    runner = RunnerSettings(
        command=_OWN_RUNNER if program is None else (str(program),),
        has_claim_pause=False if program is None else None,
        password_file=settings.password_file,
    )
    return SlurmScheduler(settings.home / "slurm-jobs", runner)


def open_cluster(settings: Settings) -> Cluster:
    """What a process needs one of. Raises InvalidInput as ``open_schedulers`` does."""
    return cluster_of(open_schedulers(settings), settings)


def cluster_of(schedulers: Iterable[Scheduler], settings: Settings) -> Cluster:
    intervals = {SlurmScheduler.type: settings.slurm_query_interval}
    return Cluster.of(*schedulers, machine=ThisMachine(), min_intervals=intervals)


def job_outputs() -> JobOutputs:
    """Searches what failed jobs have written, by the rules as they are now.

    Raises ConfigurationAway and InvalidInput for a file of rules: before a watch begins, not in the
    middle of it.
    """
    loaded = rules()
    return JobOutputs(lambda: loaded)


def rules() -> tuple[Rule, ...]:
    """The user's, then the site's, then our own.

    Raises ConfigurationAway and InvalidInput for a file of rules.
    """
    found: dict[str, Rule] = {}
    for path in existing_rule_files():
        for rule in read_rules(path):
            found.setdefault(rule.name, rule)
    for rule in own_rules():
        found.setdefault(rule.name, rule)
    return tuple(found.values())


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Raises ConfigurationAway, and InvalidInput, each with the file in its text."""
    with reading(path):
        text = read_small_file(path).decode("utf-8-sig")
    try:
        return parse_rules(text)
    except InvalidInput as error:
        raise InvalidInput(f"The rules of {path} cannot be used:\n{error}") from None


@contextmanager
def unknown_id_refused(workflow_id: int, connection: Connection) -> Iterator[None]:
    """Raises InvalidInput for NotFound."""
    try:
        yield
    except NotFound as error:
        raise InvalidInput(
            f"There is no workflow {workflow_id} on {connection.url}. "
            "List the workflows with: torc-watchd workflows"
        ) from error
