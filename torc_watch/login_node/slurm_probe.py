"""Probes whether Slurm answers, and whether it keeps accounting."""

from torc_watch.host.subprocesses import RunCommand
from torc_watch.login_node.facts import SlurmSite

_NO_ACCOUNTING = "accounting storage is disabled"


async def probe_slurm(run_command: RunCommand, *, is_there: bool) -> SlurmSite:
    """Asks for the user's jobs; for nothing where there is no Slurm."""
    if not is_there:
        return SlurmSite()
    queue = await run_command("squeue", "--me", "--noheader")
    accounting = await run_command("sacct", "--noheader", "--starttime=now")
    disabled = _NO_ACCOUNTING in accounting.stderr
    return SlurmSite(
        error="" if queue.succeeded else _last_line(queue.stderr),
        has_accounting=not disabled,
        accounting_error="" if accounting.succeeded or disabled else _last_line(accounting.stderr),
    )


def _last_line(text: str) -> str:
    return (text.splitlines() or ["no error was printed"])[-1].strip()
