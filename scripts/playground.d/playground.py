"""A Slurm cluster with Torc, the daemon and the tutorial, until Ctrl-C."""

import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import without_torc

from tests.rigs.slurm_cluster import open_cluster
from tests.rigs.slurm_release import missing_requirement
from tests.rigs.torc_on_slurm import TorcOnSlurm, missing_program, open_torc

_SPECIFICATION = Path(__file__).with_name("tutorial.yaml")
_TORC_WATCHD = (sys.executable, "-m", "torc_watch")
_POLL_INTERVAL = 2  # seconds, of runners and of the daemon
_TO_STOP = 10  # seconds for the daemon, which may finish a round


def main() -> None:
    if reason := missing_requirement():
        sys.exit(f"playground: {reason}")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # ends what was started, as Ctrl-C does
    folder = Path(mkdtemp(prefix="torc-watch-playground-"))
    try:
        _play(folder)
    except KeyboardInterrupt:
        print("\nStopping ...")
    finally:
        print(f"Logs and the jobs' output are in {folder}")


def _play(folder: Path) -> None:
    reason = missing_program()
    if reason:
        print(f"Without the real Torc: {reason}")
    print("Starting a Slurm cluster ...", flush=True)
    with open_cluster() as cluster:
        open_site = without_torc.open_embedded if reason else open_torc
        with open_site(cluster, folder) as site:
            environment = _write_environment(site)
            workflow_id = _submit(site, is_real=reason is None)
            with _daemon(site):
                _add(site, workflow_id)
                print(_introduction(site, workflow_id, environment, reason), flush=True)
                _torc_watchd(site, "logs", "--follow")


def _submit(site: TorcOnSlurm, *, is_real: bool) -> int:
    if not is_real:
        return without_torc.submit(site, _SPECIFICATION, _POLL_INTERVAL)
    workflow_id = site.create(_SPECIFICATION)
    site.submit(workflow_id, poll_interval=_POLL_INTERVAL)
    return workflow_id


def _add(site: TorcOnSlurm, workflow_id: int) -> None:
    options = ["--auto-recover", "--poll-interval", str(_POLL_INTERVAL)]
    options += ["--output-dir", str(site.output_folder)]
    _torc_watchd(site, "add", str(workflow_id), *options, output=subprocess.DEVNULL)


def _variables(site: TorcOnSlurm) -> dict[str, str]:
    """What our commands need beside what is in ``site.environment``."""
    return {"TORC_WATCHD_HOME": str(site.folder / "home"), "XDG_CONFIG_HOME": str(site.folder)}


@contextmanager
def _daemon(site: TorcOnSlurm) -> Iterator[None]:
    with (
        (site.folder / "daemon.out").open("wb") as log,
        subprocess.Popen(
            [*_TORC_WATCHD, "run"],
            env=site.environment | _variables(site),
            cwd=site.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for this process alone
        ) as daemon,
    ):
        try:
            yield
        finally:
            daemon.terminate()
            try:
                daemon.wait(_TO_STOP)
            except subprocess.TimeoutExpired:
                daemon.kill()


def _torc_watchd(site: TorcOnSlurm, *words: str, output: int | None = None) -> None:
    subprocess.run(
        [*_TORC_WATCHD, *words],
        env=site.environment | _variables(site),
        cwd=site.folder,
        check=True,
        stdout=output,
        stderr=output,
    )


def _write_environment(site: TorcOnSlurm) -> Path:
    """For a shell: `. FILE` makes our commands, Torc's and Slurm's use this cluster."""
    variables = _variables(site) | {
        "SLURM_CONF": site.environment["SLURM_CONF"],
        "TORC_API_URL": site.url,
    }
    exports = [f"export {name}={shlex.quote(text)}" for name, text in variables.items()]
    programs = shlex.quote(f"{Path(sys.executable).parent}:{site.programs}")
    path = site.folder / "environment"
    path.write_text("\n".join([*exports, f'export PATH={programs}:"$PATH"', ""]))
    return path


def _introduction(
    site: TorcOnSlurm, workflow_id: int, environment: Path, reason: str | None
) -> str:
    server = "the real Torc" if reason is None else "the embedded server"
    return f"""
A Slurm cluster, the daemon, and workflow {workflow_id} on {server}:

  Torc server     {site.url}
  jobs' output    {site.output_folder}
  daemon's state  {site.folder / "home"}
  Slurm's logs    {site.cluster.folder / "log"}

To look at it in another shell:

  . {environment}
  squeue
  torc-watchd status {workflow_id}
  torc-watchd history {workflow_id}

The daemon's log follows. Press Ctrl-C to end everything.
"""


if __name__ == "__main__":
    main()
