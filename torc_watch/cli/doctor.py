"""doctor: what this login node offers the daemon, and how it is best run here."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import anyio

from torc_watch.app.composition import open_client
from torc_watch.cli import options
from torc_watch.cli.event_loop import run
from torc_watch.cli.exit_status import UNFIT
from torc_watch.cli.json_output import print_json
from torc_watch.config.settings import Settings, load_settings
from torc_watch.core import errors
from torc_watch.daemon.status_file import read_status
from torc_watch.host.package_data import data_folder
from torc_watch.host.subprocesses import run_command, session_environment
from torc_watch.login_node.checks import CheckLevel, CheckResult, check_login_node
from torc_watch.login_node.facts import LoginNode, RunMode, Server, recommend_mode
from torc_watch.login_node.probes import ProbeTarget, probe_login_node

_SERVER_TIMEOUT = 10.0  # seconds for the server
_HOW = {
    RunMode.SERVICE: ("as a service", "torc-watchd service install"),
    RunMode.SCRONTAB: ("from scrontab", "scrontab"),
    RunMode.CRON: ("from cron", "crontab"),
    RunMode.SLURM_JOB: ("as a Slurm job that resubmits itself", "torc-watchd.sbatch"),
    RunMode.FOREGROUND: ("in the foreground, under tmux", "foreground.sh"),
}


def doctor(*, url: options.Url = None, as_json: options.Json = False) -> int:
    """Check this login node and say how to run the daemon.

    Ends with 0 when the daemon can run here, and with 12 when something stops it.

    \b
    Examples:
      torc-watchd doctor
      torc-watchd doctor --json
    """
    settings = load_settings()
    node = run(lambda: _probe(settings, url))
    results = check_login_node(node)
    if as_json:
        print_json(_values(node, results, recommend_mode(node)))
    else:
        print("\n".join(_lines(results, recommend_mode(node))))
    return UNFIT if any(result.level is CheckLevel.PROBLEM for result in results) else 0


async def _probe(settings: Settings, url: str | None) -> LoginNode:
    return await probe_login_node(
        _target(settings, url), run_command, lambda: _ask_server(settings, url)
    )


def _target(settings: Settings, url: str | None) -> ProbeTarget:
    return ProbeTarget(
        user=settings.user_name(),
        home=settings.home.absolute(),
        environment=session_environment(os.environ),
        slurm_runner=str(settings.slurm_runner_program() or ""),
        servers=(url or settings.api_url, *_watched_servers(settings.home)),
        excludes_nodes=settings.exclude_nodes,
    )


def _watched_servers(home: Path) -> list[str]:
    """Those of the daemon's list, as far as it has published that."""
    try:
        view = read_status(home)
    except errors.JournalError:
        return []
    return [each.server for each in view.workflows] if view else []


async def _ask_server(settings: Settings, url: str | None) -> Server:
    address = url or settings.api_url
    try:
        with anyio.fail_after(_SERVER_TIMEOUT):
            async with open_client(settings.connection(url)) as client:
                return Server(url=address, version=str(client.version or "unknown"), error="")
    except TimeoutError:
        return Server(url=address, version="", error=f"no answer within {_SERVER_TIMEOUT:.0f} s.")
    except errors.TorcWatchError as error:
        refused = not isinstance(error, errors.ServerUnreachable | errors.ServerFault)
        return Server(url=address, version="", error=str(error), is_denied=refused)


def _values(node: LoginNode, results: Sequence[CheckResult], mode: RunMode) -> dict[str, object]:
    return {
        "host": node.host,
        "mode": mode.value,
        "findings": [asdict(result) for result in results],
    }


def _lines(results: Sequence[CheckResult], mode: RunMode) -> list[str]:
    lines = []
    for result in results:
        lines.append(f"{result.level:8} {result.subject:16} {result.text}")
        if result.advice:
            lines.append(f"{'':25} {result.advice}")
    words, how = _HOW[mode]
    if mode is RunMode.SERVICE:
        return [*lines, "", f"Run it here {words}: {how}"]
    folder = data_folder("deploy")
    return [*lines, "", f"Run it here {words}: see {folder / how} and {folder / 'README.md'}"]
